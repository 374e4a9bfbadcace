"""Made-up sysfs trees: files that answer as a board's kernel does."""

from pathlib import Path

LEVELS_KHZ = (422_400, 729_600, 1_190_400, 1_907_200)


def a_cpu(
    root: Path, policy: int = 0, cores: str = "0 1", actual_khz: int | str | None = None
) -> Path:
    """A cpufreq policy whose clock follows its upper limit; with `actual_khz` it does what it
    wants.
    """
    folder = root / f"devices/system/cpu/cpufreq/policy{policy}"
    folder.mkdir(parents=True)
    (folder / "affected_cpus").write_text(f"{cores}\n")
    (folder / "scaling_available_frequencies").write_text(" ".join(map(str, LEVELS_KHZ)) + " \n")
    for name, khz in (("min", LEVELS_KHZ[0]), ("max", LEVELS_KHZ[-1])):
        (folder / f"cpuinfo_{name}_freq").write_text(f"{khz}\n")
        (folder / f"scaling_{name}_freq").write_text(f"{khz}\n")
    if actual_khz is None:
        (folder / "scaling_cur_freq").symlink_to(folder / "scaling_max_freq")
    else:
        (folder / "scaling_cur_freq").write_text(f"{actual_khz}\n")
    return folder


def a_gpu(root: Path, name: str = "17000000.gpu") -> Path:
    """A devfreq device, in Hz."""
    folder = root / "class/devfreq" / name
    folder.mkdir(parents=True)
    (folder / "available_frequencies").write_text("306000000 510000000 918000000\n")
    (folder / "min_freq").write_text("306000000\n")
    (folder / "max_freq").write_text("918000000\n")
    (folder / "cur_freq").symlink_to(folder / "max_freq")
    return folder


def limits(folder: Path) -> tuple[str, str]:
    """What a policy may do now."""
    return (folder / "scaling_min_freq").read_text().strip(), (
        folder / "scaling_max_freq"
    ).read_text().strip()

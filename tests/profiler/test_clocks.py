"""Clocks in made-up sysfs trees."""

import errno
from pathlib import Path

import pytest

from profiler.clocks import Clock, ClockUnavailable, cpu_clock, devfreq_clock, same
from tests.support.profiler import boards


def test_a_clock_is_set_read_and_given_back(tmp_path: Path) -> None:
    folder = boards.a_cpu(tmp_path)
    before = boards.limits(folder)
    with cpu_clock([1], tmp_path) as clock:
        assert clock.levels_hz() == (4.224e8, 7.296e8, 1.1904e9, 1.9072e9)
        for level_hz in (7.296e8, 1.9072e9, 4.224e8):
            clock.set_hz(level_hz)
            assert boards.limits(folder) == (f"{level_hz / 1e3:.0f}",) * 2
            assert clock.read_hz() == level_hz
    assert boards.limits(folder) == before


def test_a_kernel_that_refuses_limits_that_cross(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = boards.a_cpu(tmp_path)
    write = Path.write_text

    def refusing(path: Path, text: str) -> int:
        least, most = (
            text if path.name == f"scaling_{name}_freq" else now for name, now in _limits(folder)
        )
        if int(least) > int(most):
            raise OSError(errno.EINVAL, "Invalid argument", str(path))
        return write(path, text)

    monkeypatch.setattr(Path, "write_text", refusing)
    with cpu_clock([0], tmp_path) as clock:
        for level_hz in (1.9072e9, 4.224e8, 1.1904e9, 7.296e8, 1.9072e9):
            clock.set_hz(level_hz)
            assert clock.read_hz() == level_hz
    assert boards.limits(folder) == ("422400", "1907200")


def _limits(folder: Path) -> list[tuple[str, str]]:
    return list(zip(("min", "max"), boards.limits(folder), strict=True))


def test_the_hardware_is_believed_rather_than_the_governor(tmp_path: Path) -> None:
    folder = boards.a_cpu(tmp_path, actual_khz=1_907_200)
    (folder / "cpuinfo_cur_freq").write_text("1190400\n")
    clock = cpu_clock([0], tmp_path)
    assert clock.read_hz() == 1.1904e9
    assert clock.source.endswith("cpuinfo_cur_freq")


def test_a_throttled_clock_is_not_what_was_asked_for(tmp_path: Path) -> None:
    boards.a_cpu(tmp_path, actual_khz=729_600)
    with cpu_clock([0], tmp_path) as clock:
        clock.set_hz(1.9072e9)
        assert clock.read_hz() == 7.296e8


def test_a_clock_that_is_not_on_offer_is_refused(tmp_path: Path) -> None:
    folder = boards.a_cpu(tmp_path)
    with pytest.raises(ClockUnavailable, match=r"1e\+09 Hz is not on offer: 4\.224e\+08"):
        cpu_clock([0], tmp_path).set_hz(1e9)
    assert boards.limits(folder) == ("422400", "1907200")


def test_without_a_list_any_clock_between_the_ends_may_be_asked_for(tmp_path: Path) -> None:
    folder = boards.a_cpu(tmp_path)
    (folder / "scaling_available_frequencies").unlink()
    with cpu_clock([0], tmp_path) as clock:
        assert clock.levels_hz() == (4.224e8, 1.9072e9)
        clock.set_hz(1e9)
        assert clock.read_hz() == 1e9
        with pytest.raises(ClockUnavailable, match=r"3e\+09 Hz is not between"):
            clock.set_hz(3e9)


def test_setting_without_permission_says_what_to_do(tmp_path: Path) -> None:
    folder = boards.a_cpu(tmp_path)
    (folder / "scaling_min_freq").unlink()
    (folder / "scaling_min_freq").mkdir()  # a file that not even root can write
    with pytest.raises(ClockUnavailable, match=r"cannot be set .*run as root"):
        cpu_clock([0], tmp_path).set_hz(7.296e8)


def test_what_could_not_be_set_is_not_given_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    boards.a_cpu(tmp_path)

    def refusing(path: Path, _text: str) -> int:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Path, "write_text", refusing)
    with (
        pytest.raises(ClockUnavailable, match=r"cannot be set .*run as root"),
        cpu_clock([0], tmp_path) as clock,
    ):
        clock.set_hz(7.296e8)


def test_cores_with_separate_clocks_are_refused(tmp_path: Path) -> None:
    boards.a_cpu(tmp_path, policy=0, cores="0 1 2 3")
    boards.a_cpu(tmp_path, policy=4, cores="4 5")
    assert cpu_clock([4, 5], tmp_path).source.endswith("policy4/scaling_cur_freq")
    with pytest.raises(ClockUnavailable, match=r"separate clocks \(policy0 and policy4\)"):
        cpu_clock([3, 4], tmp_path)


@pytest.mark.parametrize("text", ["<unknown>\n", ""])
def test_a_driver_that_does_not_know_its_clock(tmp_path: Path, text: str) -> None:
    boards.a_cpu(tmp_path, actual_khz=text)
    with pytest.raises(ClockUnavailable, match="can be read"):
        cpu_clock([0], tmp_path)


def test_a_machine_without_cpufreq(tmp_path: Path) -> None:
    with pytest.raises(ClockUnavailable, match=r"tells no clock of the cores \[0\]"):
        cpu_clock([0], tmp_path)


def test_a_gpu(tmp_path: Path) -> None:
    folder = boards.a_gpu(tmp_path)
    with devfreq_clock("17000000.gpu", tmp_path) as clock:
        assert clock.levels_hz() == (3.06e8, 5.1e8, 9.18e8)
        clock.set_hz(5.1e8)
        assert clock.read_hz() == 5.1e8
    assert (folder / "min_freq").read_text() == "306000000"
    with pytest.raises(ClockUnavailable, match=r"no 'gpu': there is 17000000\.gpu"):
        devfreq_clock("gpu", tmp_path)


def test_a_declared_clock_says_so_and_cannot_be_set() -> None:
    clock = Clock(1.9e9)
    assert clock.read_hz() == 1.9e9
    assert clock.source == "declared by the operator"
    assert Clock().source.startswith("none")
    with pytest.raises(ClockUnavailable, match="cannot be set"):
        clock.set_hz(1e9)


def test_readings_within_a_hundredth_are_one_clock() -> None:
    assert same(1.190e9, 1.1995e9)
    assert not same(1.19e9, 1.21e9)

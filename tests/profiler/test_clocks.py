"""Clocks in made-up sysfs trees."""

import errno
from pathlib import Path

import pytest

from profiler.board import cpu_clock
from profiler.clocks import Clock, ClockUnavailable, same
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


@pytest.mark.parametrize("text", ["<unknown>\n", ""])
def test_a_driver_that_does_not_know_its_clock(tmp_path: Path, text: str) -> None:
    boards.a_cpu(tmp_path, actual_khz=text)
    with pytest.raises(ClockUnavailable, match="can be read"):
        cpu_clock([0], tmp_path)


def test_a_machine_without_cpufreq(tmp_path: Path) -> None:
    with pytest.raises(ClockUnavailable, match=r"tells no clock of the cores \[0\]"):
        cpu_clock([0], tmp_path)


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


def test_what_was_counted_is_believed_before_what_the_hardware_says(tmp_path: Path) -> None:
    folder = boards.a_cpu(tmp_path)
    (folder / "cpuinfo_cur_freq").write_text("1190400\n")
    (folder / "cpuinfo_avg_freq").write_text("600123\n")
    clock = cpu_clock([0], tmp_path)
    assert clock.read_hz() == 6.00123e8
    assert clock.source.endswith("cpuinfo_avg_freq")
    assert clock.doubts() == ()


def test_a_reading_that_is_not_ready_is_asked_for_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = boards.a_cpu(tmp_path)
    (folder / "cpuinfo_avg_freq").write_text("729600\n")
    read, asleep = Path.read_text, [3]

    def reading(path: Path) -> str:
        if path.name == "cpuinfo_avg_freq" and asleep[0] > 0:
            asleep[0] -= 1
            raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable", str(path))
        return read(path)

    monkeypatch.setattr(Path, "read_text", reading)
    assert cpu_clock([0], tmp_path).read_hz() == 7.296e8
    asleep[0] = 1_000  # for ever: the next best is taken
    assert cpu_clock([0], tmp_path).source.endswith("scaling_cur_freq")


@pytest.mark.parametrize(("machine", "repeats"), [("aarch64", True), ("x86_64", False)])
def test_what_only_repeats_the_request_is_doubted(
    tmp_path: Path, machine: str, repeats: bool
) -> None:
    folder = boards.a_cpu(tmp_path)
    doubts = cpu_clock([0], tmp_path, machine).doubts()
    assert [f"{folder}/scaling_cur_freq repeats what was asked for" in one for one in doubts] == (
        [True] if repeats else []
    )
    (folder / "cpuinfo_cur_freq").write_text("1190400\n")
    assert cpu_clock([0], tmp_path, machine).doubts() == ()


@pytest.mark.parametrize("place", ["boost", "../boost"])
def test_boost_clocks_are_on_offer_and_doubted(tmp_path: Path, place: str) -> None:
    folder = boards.a_cpu(tmp_path)
    (folder / "scaling_boost_frequencies").write_text("2100000 \n")
    (folder / place).write_text("0\n")
    clock = cpu_clock([0], tmp_path, "x86_64")
    assert clock.levels_hz()[-1] == 1.9072e9
    assert clock.doubts() == ()
    (folder / place).write_text("1\n")
    assert clock.levels_hz()[-1] == 2.1e9
    (doubt,) = clock.doubts()
    assert "boost is on" in doubt


def test_limits_that_something_else_holds_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = boards.a_cpu(tmp_path)
    write = Path.write_text

    def clamped(path: Path, text: str) -> int:
        return write(path, str(min(int(text), 1_190_400)))  # a hot board's kernel says nothing

    monkeypatch.setattr(Path, "write_text", clamped)
    with cpu_clock([0], tmp_path) as clock:
        clock.set_hz(7.296e8)
        with pytest.raises(ClockUnavailable, match="keeps to 1190400 to 1190400: something else"):
            clock.set_hz(1.9072e9)
    assert boards.limits(folder)[0] == "422400"

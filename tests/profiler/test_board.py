"""Boards with several clocks, in made-up sysfs trees."""

from pathlib import Path

import pytest

from profiler.board import Beside, chosen_clock, cpu_clock, devfreq_clock
from profiler.clocks import Clock, ClockUnavailable
from tests.support.profiler import boards


def test_cores_with_separate_clocks_are_held_together(tmp_path: Path) -> None:
    one = boards.a_cpu(tmp_path, policy=0, cores="0 1 2 3")
    other = boards.a_cpu(tmp_path, policy=4, cores="4 5")
    assert cpu_clock([4, 5], tmp_path).source.endswith("policy4/scaling_cur_freq")
    before = boards.limits(one), boards.limits(other)
    with cpu_clock([3, 4], tmp_path, "x86_64") as clock:
        assert clock.levels_hz() == (4.224e8, 7.296e8, 1.1904e9, 1.9072e9)
        assert clock.limits() == ("422400 422400", "1907200 1907200")
        clock.set_hz(7.296e8)
        assert boards.limits(one) == boards.limits(other) == ("729600", "729600")
        assert clock.read_hz() == 7.296e8
        assert clock.doubts() == ()
    assert (boards.limits(one), boards.limits(other)) == before


def test_the_slowest_core_tells_and_the_difference_is_told(tmp_path: Path) -> None:
    boards.a_cpu(tmp_path, policy=0, cores="0")
    boards.a_cpu(tmp_path, policy=1, cores="1", actual_khz=600_000)
    clock = cpu_clock([0, 1], tmp_path, "x86_64")
    assert clock.read_hz() == 6e8
    (doubt,) = clock.doubts()
    assert "different clocks in 1 readings" in doubt


def test_a_run_that_was_killed_has_its_limits_given_back_to_each(tmp_path: Path) -> None:
    folders = [boards.a_cpu(tmp_path, policy=n, cores=str(n)) for n in (0, 1)]
    with cpu_clock([0, 1], tmp_path) as killed:
        found = killed.limits()
        killed.set_hz(7.296e8)
        for clock in killed._clocks:  # type: ignore[attr-defined]  # it dies here
            clock._found = None
    with cpu_clock([0, 1], tmp_path) as clock:
        clock.give_back(found)
    assert [boards.limits(folder) for folder in folders] == [("422400", "1907200")] * 2


def test_cores_of_two_kinds_have_only_the_clocks_of_both(tmp_path: Path) -> None:
    boards.a_cpu(tmp_path, policy=0, cores="0")
    big = boards.a_cpu(tmp_path, policy=4, cores="4")
    (big / "scaling_available_frequencies").write_text("729600 2400000\n")
    assert cpu_clock([0, 4], tmp_path).levels_hz() == (7.296e8,)
    (big / "scaling_available_frequencies").write_text("2400000\n")
    with pytest.raises(ClockUnavailable, match="no clock in common"):
        cpu_clock([0, 4], tmp_path).levels_hz()


def test_a_gpu(tmp_path: Path) -> None:
    folder = boards.a_gpu(tmp_path)
    with devfreq_clock("17000000.gpu", tmp_path) as clock:
        assert clock.levels_hz() == (3.06e8, 5.1e8, 9.18e8)
        clock.set_hz(5.1e8)
        assert clock.read_hz() == 5.1e8
    assert (folder / "min_freq").read_text() == "306000000"
    with pytest.raises(ClockUnavailable, match=r"no 'gpu': there is 17000000\.gpu"):
        devfreq_clock("gpu", tmp_path)


def test_a_gpu_whose_driver_counts_in_kilohertz(tmp_path: Path) -> None:
    folder = boards.a_gpu(tmp_path, "mali")
    (folder / "available_frequencies").write_text("306000 510000 918000\n")
    for name in ("min_freq", "max_freq"):
        (folder / name).write_text({"min_freq": "306000", "max_freq": "918000"}[name])
    with devfreq_clock("mali", tmp_path) as clock:
        assert clock.levels_hz() == (3.06e8, 5.1e8, 9.18e8)
        clock.set_hz(5.1e8)
        assert (folder / "max_freq").read_text() == "510000"
        assert clock.read_hz() == 5.1e8


def test_the_clock_of_the_cores_is_kept_beside_a_gpus(tmp_path: Path) -> None:
    cpu, gpu = boards.a_cpu(tmp_path), boards.a_gpu(tmp_path)
    told: list[str] = []
    with chosen_clock([0], tmp_path, devfreq="17000000.gpu", tell=told.append) as clock:
        assert isinstance(clock, Beside)
        clock.set_hz(5.1e8)
        assert clock.read_hz() == 5.1e8
        (cpu / "scaling_max_freq").write_text("729600\n")
        clock.read_hz()
        assert clock.beside == "7.296e+08 to 1.9072e+09 Hz"
        assert "hold it with --cpu-clock" in clock.doubts()[-1]
    assert (gpu / "min_freq").read_text() == "306000000"
    (cpu / "scaling_max_freq").write_text("1907200\n")
    held = chosen_clock([0], tmp_path, devfreq="17000000.gpu", cpu_hz=1.1904e9, tell=told.append)
    with held as clock:
        assert boards.limits(cpu) == ("1190400", "1190400")
        clock.read_hz()
        assert clock.beside == "1.1904e+09 to 1.1904e+09 Hz"  # type: ignore[attr-defined]
    assert boards.limits(cpu) == ("422400", "1907200")
    assert told == []


def test_what_cannot_go_together_is_refused(tmp_path: Path) -> None:
    told: list[str] = []
    with pytest.raises(ValueError, match="--cpu-clock is the clock beside"):
        chosen_clock([0], tmp_path, cpu_hz=1e9, tell=told.append)
    with pytest.raises(ValueError, match="cannot go with --clocks"):
        chosen_clock([0], tmp_path, declared_hz=1e9, setting=True, tell=told.append)
    with pytest.raises(ClockUnavailable):
        chosen_clock([0], tmp_path, setting=True, tell=told.append)
    assert told == []
    assert isinstance(chosen_clock([0], tmp_path, tell=told.append), Clock)
    assert told[0].endswith("frequency_hz stays null")

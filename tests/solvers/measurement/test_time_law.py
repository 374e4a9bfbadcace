"""The law of time by least absolute errors, and clocks that cannot have run."""

from itertools import combinations

import numpy as np
import pytest

from solvers.measurement.time_law import suspicious_clocks, time_law

CLOCKS_HZ = np.array([6e8, 8e8, 1e9, 1.2e9, 1.4e9, 1.6e9, 1.8e9])


def test_no_law_has_a_smaller_sum_of_errors() -> None:
    """Against every law through two of the points, one of which is the best (or an edge is)."""
    rng = np.random.default_rng(0)
    for n in range(30):
        times = (rng.choice([0.0, 1e8, 1e9]) / CLOCKS_HZ + rng.choice([0.0, 0.02, 0.3])) + 1e-3
        times = times * rng.uniform(0.9, 1.1, 7) * np.where(rng.random(7) < 0.15, 2.0, 1.0)

        def error(cycles: float, overhead: float, times: np.ndarray = times) -> float:
            return float(np.sum(np.abs(np.log(times / (cycles / CLOCKS_HZ + overhead)))))

        laws = [(0.0, time) for time in times]
        laws += [(float(time * clock), 0.0) for time, clock in zip(times, CLOCKS_HZ, strict=True)]
        for i, j in combinations(range(7), 2):
            cycles = (times[i] - times[j]) / (1.0 / CLOCKS_HZ[i] - 1.0 / CLOCKS_HZ[j])
            overhead = times[i] - cycles / CLOCKS_HZ[i]
            laws += [(cycles, overhead)] if cycles >= 0.0 and overhead >= 0.0 else []
        law = time_law(CLOCKS_HZ, times)
        assert law.cycles >= 0.0
        assert law.overhead_s >= 0.0
        best = min(error(*each) for each in laws)
        assert error(law.cycles, law.overhead_s) <= best * (1.0 + 1e-6) + 1e-9, n


def test_a_few_points_do_not_move_it() -> None:
    times = 1.2e9 / CLOCKS_HZ + 0.05
    times[[1, 4]] *= [0.4, 3.0]
    law = time_law(CLOCKS_HZ, times)
    assert law.cycles == pytest.approx(1.2e9, rel=1e-6)
    assert law.overhead_s == pytest.approx(0.05, rel=1e-5)


def named(times: np.ndarray, clocks: np.ndarray = CLOCKS_HZ) -> list[float]:
    nothing = np.zeros(len(times), dtype=np.int64)
    found = suspicious_clocks(nothing, np.arange(len(times)), clocks, times)
    return [one.frequency_hz for one in found]


def test_a_tenth_off_is_suspicious_and_less_is_not() -> None:
    times = 1.2e9 / CLOCKS_HZ + 0.05
    times[2] *= 1.11
    times[4] *= 0.91
    assert named(times) == [1e9]


def test_a_clock_that_was_never_set_is_found_by_its_time() -> None:
    times = 1.2e9 / CLOCKS_HZ + 0.05
    times[1] = times[6]
    nothing = np.zeros(7, dtype=np.int64)
    (one,) = suspicious_clocks(nothing, nothing, CLOCKS_HZ, times)
    assert one.frequency_hz == 8e8
    assert one.likely_hz == pytest.approx(1.8e9, rel=1e-6)
    assert one.deviation == pytest.approx((1.2 / 1.8 + 0.05) / (1.5 + 0.05) - 1.0, rel=1e-6)


def test_three_clocks_do_not_say_which_is_off() -> None:
    clocks = CLOCKS_HZ[:3]
    assert named(np.array([2.0, 9.0, 1.2]), clocks) == []


def test_a_stretch_counts_by_its_median() -> None:
    """One slow inference among many is no other clock."""
    clocks = np.repeat(CLOCKS_HZ, 9)
    times = 1.2e9 / clocks + 0.05
    times[::9] *= 1.5
    nothing = np.zeros(len(times), dtype=np.int64)
    assert suspicious_clocks(nothing, nothing, clocks, times) == []


def test_rows_without_a_time_take_no_part() -> None:
    nothing = np.zeros(7, dtype=np.int64)
    assert suspicious_clocks(nothing, nothing, CLOCKS_HZ, np.full(7, np.nan)) == []


def test_workloads_are_apart() -> None:
    times = np.concatenate([1.2e9 / CLOCKS_HZ, 4.8e9 / CLOCKS_HZ])
    times[9] *= 0.5
    found = suspicious_clocks(np.repeat([3, 5], 7), np.arange(14), np.tile(CLOCKS_HZ, 2), times)
    assert [(one.workload, one.run, one.rows) for one in found] == [(5, 9, (9,))]

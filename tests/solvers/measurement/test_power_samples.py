"""Samples of energy and power as columns."""

import numpy as np
import pytest

from solvers.measurement.power_samples import batched, power_samples

ONE = np.ones(1)


def test_idle_comes_off_energy_by_its_time_and_off_power_as_it_is() -> None:
    samples = power_samples(
        np.array([1e9, 1e9]),
        time_s=np.array([0.5, np.nan]),
        energy_j=np.array([3.0, np.nan]),
        power_w=np.array([np.nan, 4.0]),
        idle_w=np.array([1.0, 1.5]),
        wait_s=np.array([0.25, 0.0]),
    )
    assert samples.above_idle().tolist() == [2.25, 2.5]
    assert samples.is_energy().tolist() == [True, False]
    assert samples.take(np.array([1])).above_idle().tolist() == [2.5]


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({}, "one of energy_j and power_w"),
        ({"energy_j": ONE, "power_w": ONE, "time_s": ONE}, "one of energy_j and power_w"),
        ({"energy_j": ONE}, "needs its time_s"),
        ({"energy_j": ONE, "time_s": 0.0 * ONE}, "time_s must be positive"),
        ({"power_w": ONE, "wait_s": ONE}, "wait_s belongs to energy_j"),
        ({"energy_j": ONE, "time_s": ONE, "wait_s": -ONE}, "wait_s must not be negative"),
        ({"power_w": ONE, "idle_w": -ONE}, "idle_w must not be negative"),
        ({"power_w": ONE, "idle_w": ONE}, "above idle"),
    ],
)
def test_what_contradicts_itself_is_refused(columns: dict[str, np.ndarray], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        power_samples(1e9 * ONE, **columns)


def test_a_clock_is_positive() -> None:
    with pytest.raises(ValueError, match="frequency_hz must be positive"):
        power_samples(0.0 * ONE, power_w=ONE)


def test_a_long_log_is_ten_means() -> None:
    rng = np.random.default_rng(0)
    power = rng.uniform(1.0, 2.0, 105)
    clock = np.repeat([1e9, 5e8], [100, 5])
    few = batched(power_samples(clock, power_w=power), clock)
    assert len(few) == 15
    assert few.power_w[:10] == pytest.approx(power[:100].reshape(10, 10).mean(axis=1))
    assert few.power_w[10:].tolist() == power[100:].tolist()
    assert few.frequency_hz.tolist() == [1e9] * 10 + [5e8] * 5


def test_runs_and_workloads_are_not_mixed() -> None:
    clock, run = np.full(60, 1e9), np.repeat([0, 1], 30)
    time = np.where(run == 0, 1.0, 3.0)
    few = batched(power_samples(clock, time_s=time, energy_j=2.0 * time, run=run), clock)
    assert len(few) == 20
    assert few.run.tolist() == [0] * 10 + [1] * 10
    assert few.time_s.tolist() == [1.0] * 10 + [3.0] * 10
    assert few.energy_j.tolist() == [2.0] * 10 + [6.0] * 10

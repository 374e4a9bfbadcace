"""Samples of energy and power as columns."""

import numpy as np
import pytest

from solvers.measurement.power_samples import power_samples

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

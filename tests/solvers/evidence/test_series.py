"""Consecutive times thinned to what counts as independent."""

import numpy as np
import pytest

from solvers.arrays import Floats
from solvers.evidence.series import independence_lag, thinned


def resembling(rng: np.random.Generator, correlation: float, count: int) -> Floats:
    """A stretch whose neighbours are correlated."""
    steps, times = rng.normal(size=count), np.zeros(count)
    for n in range(1, count):
        times[n] = correlation * times[n - 1] + np.sqrt(1.0 - correlation**2) * steps[n]
    return 10.0 + times


def test_independent_times_stay() -> None:
    rng = np.random.default_rng(0)
    lags = [independence_lag(rng.gamma(2.0, 1.0, 600)) for _ in range(40)]
    assert np.median(lags) == 1
    assert np.mean(np.array(lags) == 1) > 0.75


@pytest.mark.parametrize(("correlation", "least"), [(0.6, 3), (0.9, 12)])
def test_times_that_resemble_their_neighbours_are_thinned(correlation: float, least: int) -> None:
    rng = np.random.default_rng(1)
    for _ in range(10):
        times = resembling(rng, correlation, 3000)
        kept = thinned(times)
        assert independence_lag(times) >= least
        assert abs(np.corrcoef(kept[:-1], kept[1:])[0, 1]) < 4.0 / np.sqrt(len(kept))


def test_bursts_are_seen_that_no_correlation_shows() -> None:
    """Signs that are drawn anew hide a spread that lasts."""
    rng = np.random.default_rng(2)
    loud = np.repeat(rng.random(300) < 0.1, 10)
    times = 10.0 + np.where(loud, 5.0, 0.2) * rng.choice([-1.0, 1.0], 3000)
    assert independence_lag(times) >= 5


def test_few_or_constant_times_are_taken_as_they_are() -> None:
    assert independence_lag(np.arange(5.0)) == 1
    assert independence_lag(np.ones(100)) == 1
    assert len(thinned(np.ones(100))) == 100


def test_times_that_take_turns_stay() -> None:
    rng = np.random.default_rng(3)
    turns = 10.0 + np.tile([1.0, -1.0], 300) + 0.5 * rng.normal(size=600)
    lags = independence_lag(turns[::2]), independence_lag(turns)
    assert lags[0] == 1
    assert lags[1] <= 31

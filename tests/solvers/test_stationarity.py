"""Tests of order and difference: their levels on steady times, their power on others."""

import numpy as np
import pytest

from solvers.arrays import Floats
from solvers.stationarity import (
    LEVEL,
    batch_means,
    departure_p_value,
    difference_p_value,
    look_level,
    misses_p_value,
    order_p_value,
    significant,
    standard_error,
    wander,
)


def steady(rng: np.random.Generator, count: int, law: str) -> Floats:
    """Times without memory, or with a little."""
    if law == "gamma":
        return rng.gamma(100.0, 1e-4, count)
    if law == "heavy":
        return rng.lognormal(-5.0, 0.5, count)
    if law == "coarse":
        return np.round(rng.gamma(100.0, 1e-4, count), 3)
    noise = rng.normal(0.0, 1e-3, count + 50)
    for n in range(1, len(noise)):
        noise[n] += 0.3 * noise[n - 1]
    return 0.1 + noise[50:]


@pytest.mark.slow
@pytest.mark.parametrize("law", ["gamma", "heavy", "coarse", "remembers"])
@pytest.mark.parametrize("count", [40, 300])
def test_steady_times_are_called_steady(law: str, count: int) -> None:
    """At 5 % about one in twenty is refuted, a few more where neighbours resemble each other."""
    rng = np.random.default_rng(0)
    refuted = np.mean([wander(steady(rng, count, law)).p_value < 0.05 for _ in range(400)])
    assert refuted < (0.12 if law == "remembers" else 0.08)
    if law != "coarse":
        assert refuted > 0.01, "the test can fail"


@pytest.mark.parametrize(("move", "least"), [("step", 0.95), ("trend", 0.95), ("burst", 0.5)])
def test_moving_times_are_seen(move: str, least: float) -> None:
    """A burst in between is the hardest: all that the order shows of it is two edges."""
    rng = np.random.default_rng(1)
    seen = 0
    for _ in range(100):
        times = rng.gamma(400.0, 2.5e-5, 200)
        place = np.linspace(0.0, 1.0, 200)
        if move == "step":
            times[place > 0.6] += 1e-3
        elif move == "trend":
            times += 2e-3 * place
        else:
            times[(place > 0.3) & (place < 0.5)] += rng.exponential(
                2e-3, int(((place > 0.3) & (place < 0.5)).sum())
            )
        seen += wander(times).p_value < LEVEL
    assert seen >= 100 * least


def test_a_moved_mean_is_measured() -> None:
    times = np.concatenate([np.full(50, 0.9), np.full(50, 1.1)]) + np.tile([-0.001, 0.001], 50)
    moved = wander(times)
    assert (moved.low, moved.high) == (pytest.approx(-0.1, rel=1e-2), pytest.approx(0.1, rel=1e-2))
    assert moved.range_std == pytest.approx(0.2 / times.std(), rel=1e-2)


def test_too_few_and_equal_values_have_no_order() -> None:
    assert order_p_value(np.arange(7.0)) == 1.0
    assert order_p_value(np.full(100, 0.3)) == 1.0
    assert wander(np.full(100, 0.1)).p_value == 1.0
    assert wander(np.array([0.1])).p_value == 1.0
    assert wander(np.zeros(40)).p_value == 1.0
    assert len(batch_means(np.ones(31))) == 0
    assert len(batch_means(np.ones(32))) == 8
    assert len(batch_means(np.ones(10_000))) == 32


def test_rank_order_agrees_with_shuffling() -> None:
    """The beta law against the ratio of shuffled ranks."""
    rng = np.random.default_rng(2)
    values = np.array([3.0, 1.0, 4.0, 1.5, 5.0, 9.0, 2.0, 6.0, 5.5, 3.5, 8.0, 9.5])
    ranks = np.argsort(np.argsort(values))
    ratio = np.sum(np.diff(ranks) ** 2)
    shuffled = np.array([np.sum(np.diff(rng.permutation(ranks)) ** 2) for _ in range(20_000)])
    assert order_p_value(values) == pytest.approx(np.mean(shuffled <= ratio), abs=0.02)


def test_standard_errors_know_of_memory() -> None:
    rng = np.random.default_rng(3)
    noise = rng.normal(0.0, 1.0, 4000)
    for n in range(1, len(noise)):
        noise[n] += 0.8 * noise[n - 1]
    error, freedom = standard_error(noise)
    assert freedom == 31.0
    assert error == pytest.approx(5.0 / np.sqrt(4000.0), rel=0.4), (
        "a sum of such noise has 25 times the variance"
    )
    assert standard_error(np.array([1.0]))[0] == float("inf")


def test_levels_of_differences_and_departures() -> None:
    rng = np.random.default_rng(4)
    different = [
        difference_p_value(rng.gamma(50.0, 1.0, 60), rng.gamma(50.0, 1.0, 60)) for _ in range(1000)
    ]
    departed = [departure_p_value(rng.gamma(50.0, 1.0, 60), 50.0, 0.0) for _ in range(1000)]
    for p_values in (different, departed):
        assert 0.01 < np.mean(np.array(p_values) < 0.05) < 0.065
    assert difference_p_value(np.full(20, 1.0), np.full(20, 1.0)) == 1.0
    assert difference_p_value(np.full(20, 1.0), np.full(20, 2.0)) == 0.0
    assert departure_p_value(rng.gamma(50.0, 1.0, 60), 60.0, 0.0) < 1e-6
    assert departure_p_value(rng.gamma(50.0, 1.0, 60), 60.0, 10.0) > 0.1, (
        "a mean that is hardly known refutes nothing"
    )


def test_misses() -> None:
    assert misses_p_value(0, 100, 0.05) == 1.0
    assert misses_p_value(1, 1, 0.05) == pytest.approx(0.05)
    assert misses_p_value(1, 100, 0.0) == 0.0
    assert misses_p_value(50, 100, 1.0) == 1.0
    assert misses_p_value(20, 100, 0.05) < 1e-6


def test_looks_spend_the_level_and_no_more() -> None:
    assert sum(look_level(look) for look in range(1, 100_000)) == pytest.approx(LEVEL, rel=1e-4)


def test_many_tests_share_a_level() -> None:
    assert significant([]).tolist() == []
    assert significant([0.004, 0.2, 0.006, 0.001], 0.01).tolist() == [False, False, False, True]
    assert significant([0.002, 0.003, 0.2, 0.001], 0.01).tolist() == [True, True, False, True]
    rng = np.random.default_rng(5)
    assert np.mean([significant(rng.random(50).tolist(), 0.05).any() for _ in range(2000)]) < 0.07

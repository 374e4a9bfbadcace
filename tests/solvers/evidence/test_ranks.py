"""Order statistics as bounds: ranks by the binomial law itself, coverage by simulation."""

from math import comb

import numpy as np
import pytest

from solvers.evidence.ranks import (
    SPLITS,
    Bound,
    TooFew,
    bound_of,
    fewest_samples,
    rank_for,
    risk_of,
)


def tail(samples: int, p: float, k: int) -> float:
    """P(Bin(samples, p) >= k), term by term."""
    return sum(comb(samples, i) * p**i * (1 - p) ** (samples - i) for i in range(k, samples + 1))


@pytest.mark.parametrize(
    ("samples", "risk", "delta"),
    [
        (59, 0.05, 0.05),
        (60, 0.05, 0.05),
        (150, 0.05, 0.01),
        (300, 0.01, 0.05),
        (93, 0.2, 0.001),
    ],
)
def test_the_rank_is_the_least_that_the_binomial_law_allows(
    samples: int, risk: float, delta: float
) -> None:
    k = rank_for(samples, risk, delta)
    assert k is not None
    assert tail(samples, 1 - risk, k) <= delta < tail(samples, 1 - risk, k - 1)


def test_how_many_samples_it_takes() -> None:
    assert fewest_samples(0.05, 0.05) == 59
    assert fewest_samples(0.01, 0.05) == 299
    for risk, delta in ((0.05, 0.05), (0.01, 0.05), (0.3, 0.4), (0.5, 0.5), (1e-4, 1e-3)):
        fewest = fewest_samples(risk, delta)
        assert (1 - risk) ** fewest <= delta
        assert rank_for(fewest, risk, delta) == fewest
        assert fewest == 1 or rank_for(fewest - 1, risk, delta) is None
    assert rank_for(58, 0.05, 0.05) is None
    assert rank_for(0, 0.05, 0.05) is None


def test_the_risk_of_a_rank_is_where_the_rank_begins_to_do() -> None:
    for samples, k in ((59, 59), (300, 290), (1000, 950)):
        risk = risk_of(k, samples, 0.05)
        assert rank_for(samples, risk * (1 + 1e-9), 0.05) == k
        assert (rank_for(samples, risk * (1 - 1e-9), 0.05) or samples + 1) > k


def test_a_bound_of_pairs_is_an_order_statistic() -> None:
    times = np.random.default_rng(1).permutation(np.arange(1.0, 301.0))
    found = bound_of([times], 0.05, 0.05)
    assert isinstance(found, Bound)
    assert found.time_s == found.rank[0] == rank_for(300, 0.05, 0.05)


def test_too_few_samples_say_how_many_are_missing() -> None:
    assert bound_of([np.ones(40)], 0.05, 0.05) == TooFew((19,))
    apart = bound_of([np.ones(40), np.ones(5000)], 0.05, 0.05)
    assert isinstance(apart, TooFew)
    more = [np.ones(n + missing) for n, missing in zip((40, 5000), apart.missing, strict=True)]
    assert isinstance(bound_of(more, 0.05, 0.05), Bound)


def test_nobody_bounds_three_parts() -> None:
    with pytest.raises(ValueError, match="one, or two"):
        bound_of([np.ones(100)] * 3, 0.1, 0.1)


@pytest.mark.parametrize("samples", [60, 150])
def test_pairs_keep_the_risk_as_often_as_they_say(samples: int) -> None:
    """The law of the uniform tells all: coverage does not depend on it."""
    rng, risk, delta, runs = np.random.default_rng(2), 0.05, 0.05, 4000
    k = rank_for(samples, risk, delta)
    assert k is not None
    worst = np.sort(rng.random((runs, samples)), axis=1)[:, k - 1]
    broken = int(np.sum(1.0 - worst > risk))
    assert broken <= delta * runs + 3.0 * np.sqrt(delta * runs)
    assert broken >= 0.2 * delta * runs  # and it is no wider than it has to be


def test_parts_that_are_late_one_at_a_time_keep_the_risk_together() -> None:
    """The worst dependence: the slow tails of the two parts never meet, so that misses add up."""
    rng, risk, delta = np.random.default_rng(3), 0.2, 0.1
    broken, runs = 0, 400
    for _ in range(runs):
        parts = [rng.random(150), rng.random(150)]
        found = bound_of(parts, risk, delta)
        assert isinstance(found, Bound)
        first, second = (
            np.sort(part)[rank - 1] for part, rank in zip(parts, found.rank, strict=True)
        )
        broken += (1.0 - first) + (1.0 - second) > risk
    assert broken <= delta * runs


def test_the_best_split_is_taken() -> None:
    rng = np.random.default_rng(4)
    wide, narrow = rng.lognormal(0.0, 1.0, 4000), 1.0 + 1e-3 * rng.random(4000)
    found = bound_of([wide, narrow], 0.05, 0.05)
    assert isinstance(found, Bound)
    even = rank_for(4000, 0.025, 0.05 / (2 * len(SPLITS)))
    assert even is not None
    assert found.time_s < np.sort(wide)[even - 1] + np.sort(narrow)[even - 1]

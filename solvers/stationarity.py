"""Whether a stretch of measured times held still: tests on batch means, which short correlations do
not fool.

Consecutive inferences resemble each other, so a test that takes them for independent cries drift on
every warm cache. The means of consecutive batches are nearly independent as soon as a batch is
longer than that resemblance lasts.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from solvers.arrays import Booleans, Floats
from solvers.later import special

LEVEL = 0.01  # how often one file of steady times is called unsteady, over all its series together
SMALLEST_BATCH = 4
MOST_BATCHES = 32
FEWEST_BATCHES = 8  # fewer say nothing about an order
_BLOCKS = 4
_MEMORY_BATCHES = (
    10  # long ones, that outlast the memory; many series make up for their small number
)


def batch_means(times: Floats, most: int = MOST_BATCHES) -> Floats:
    """Means of consecutive batches of equal length, as many as `most`; empty where there would be
    fewer than eight.
    """
    batches = min(most, len(times) // SMALLEST_BATCH)
    if batches < FEWEST_BATCHES:
        return np.empty(0)
    length = len(times) // batches
    return np.asarray(times[: batches * length].reshape(batches, length).mean(axis=1))


def standard_error(times: Floats) -> tuple[float, float]:
    """Standard error of the mean, and its degrees of freedom: by batch means, or the plain one
    where that is larger.
    """
    count = len(times)
    plain = float(times.std(ddof=1)) / np.sqrt(count) if count > 1 else float("inf")
    means = batch_means(times)
    if len(means) == 0:
        return float(plain), max(count - 1.0, 1.0)
    return max(float(plain), float(means.std(ddof=1) / np.sqrt(len(means)))), len(means) - 1.0


def order_p_value(values: Floats) -> float:
    """Probability that values without any order look at least as smooth.

    The rank version of von Neumann's ratio (R. Bartels, J. Am. Stat. Assoc. 77, 1982): squared
    steps between neighbours over squared distances from the mean rank, 2 on average, less where the
    values wander. Its law is that of 4 Beta(p, p), with its variance. It asks nothing of the
    values' own law.
    """
    n = len(values)
    if n < FEWEST_BATCHES:
        return 1.0
    rank = _ranks(values)
    around = float(np.sum((rank - rank.mean()) ** 2))
    if around == 0.0:
        return 1.0
    ratio = float(np.sum(np.diff(rank) ** 2)) / around
    shape = 5.0 * n * (n + 1) * (n - 1) ** 2 / (2.0 * (n - 2) * (5.0 * n * n - 2.0 * n - 9.0)) - 0.5
    return float(special.betainc(shape, shape, min(ratio / 4.0, 1.0)))


def trend_p_value(values: Floats) -> float:
    """Two-sided probability that values without any order rise or fall as steadily: Spearman's rank
    correlation.
    """
    n = len(values)
    if n < FEWEST_BATCHES or np.ptp(values) == 0.0:
        return 1.0
    correlation = float(np.corrcoef(_ranks(values), np.arange(n))[0, 1])
    if abs(correlation) >= 1.0 - 1e-12:
        return 0.0
    return float(
        2.0 * special.stdtr(n - 2, -abs(correlation) * np.sqrt((n - 2) / (1.0 - correlation**2)))
    )


def _ranks(values: Floats) -> Floats:
    """From 1; equal values share the mean of theirs."""
    _, inverse, ties = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(ties) - 0.5 * (ties - 1))[inverse])


def memory(times: Floats) -> float:
    """Variance of the mean, by batch means, over that of as many independent times; NaN where there
    are too few.
    """
    means, variance = (
        batch_means(times, _MEMORY_BATCHES),
        float(times.var(ddof=1)) if len(times) > 1 else 0.0,
    )
    if len(means) == 0 or variance == 0.0:
        return float("nan")
    return float(means.var(ddof=1)) * (len(times) // len(means)) / variance


@dataclass(frozen=True, slots=True)
class Wander:
    """Whether the mean, or the spread, of a series moved while it was measured, and how far the
    mean did.
    """

    p_value: float
    """The smallest of three (the mean wanders, the mean has a trend, the spread wanders), times
    three.
    """
    range_std: float
    """Highest minus lowest mean of four blocks, in standard deviations."""
    low: float
    """Lowest and highest block mean, relative to the mean of all, less one."""
    high: float


def wander(times: Floats, most: int = MOST_BATCHES) -> Wander:
    """Test order and trend of the batch means, and the order of those of the distances from the
    median.
    """
    mean, deviation = float(times.mean()), float(times.std())
    # Ranks part what rounding parts: a clock that ticks in nanoseconds knows no difference of an
    # attosecond.
    ticks = np.round(times / mean, 9) if mean > 0.0 else times
    means, spreads = batch_means(ticks, most), batch_means(np.abs(ticks - np.median(ticks)), most)
    p_values = (order_p_value(means), trend_p_value(means), order_p_value(spreads))
    blocks = (
        np.array([block.mean() for block in np.array_split(times, _BLOCKS)])
        if len(times) >= _BLOCKS
        else times
    )
    return Wander(
        p_value=min(1.0, len(p_values) * min(p_values)),
        range_std=float(np.ptp(blocks)) / deviation if deviation > 0.0 else 0.0,
        low=float(blocks.min()) / mean - 1.0 if mean > 0.0 else 0.0,
        high=float(blocks.max()) / mean - 1.0 if mean > 0.0 else 0.0,
    )


def difference_p_value(first: Floats, second: Floats) -> float:
    """Two-sided probability that the means of two stretches of one steady process lie as far
    apart.
    """
    (error, freedom), (other_error, other_freedom) = standard_error(first), standard_error(second)
    return _two_sided(
        float(first.mean() - second.mean()),
        float(np.hypot(error, other_error)),
        freedom + other_freedom,
    )


def departure_p_value(times: Floats, mean_s: float, error_s: float) -> float:
    """Two-sided probability that fresh times stray as far from a mean that is known to within
    `error_s`.
    """
    error, freedom = standard_error(times)
    return _two_sided(float(times.mean()) - mean_s, float(np.hypot(error, error_s)), freedom)


def misses_p_value(misses: int, trials: int, risk: float) -> float:
    """Probability of at least as many misses where each inference is late with probability
    `risk`.
    """
    return 1.0 if misses == 0 else float(special.bdtrc(misses - 1, trials, risk))


def look_level(look: int) -> float:
    """What the n-th look at a process may spend: 6/(π n)² of the level, so that all there will ever
    be spend it.

    A mean that is tested with every new batch is refuted by chance sooner or later unless each test
    asks for more.
    """
    return LEVEL * 6.0 / (np.pi * look) ** 2


def significant(p_values: Sequence[float], level: float = LEVEL) -> Booleans:
    """Which of many tests refute, with at most that chance of even one false alarm (Holm, Scand.

    J. Stat. 6, 1979).
    """
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    passed = p[order] <= level / np.arange(len(p), 0, -1)
    refuted = np.zeros(len(p), dtype=np.bool_)
    refuted[order] = np.logical_and.accumulate(passed)
    return refuted


def _two_sided(distance: float, error: float, freedom: float) -> float:
    if error == 0.0:
        return 1.0 if distance == 0.0 else 0.0
    if not np.isfinite(error):
        return 1.0
    return float(2.0 * special.stdtr(freedom, -abs(distance) / error))

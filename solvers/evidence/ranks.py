"""Order statistics as bounds on times to come: no law, no moments.

Of n exchangeable times the k-th smallest covers at least 1 - risk of the law with confidence 1 -
delta where P(Bin(n, 1 - risk) >= k) <= delta (S. S. Wilks, Ann. Math. Stat. 12, 1941).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from solvers.arrays import Floats
from solvers.later import special

# Parts that were not measured together share the risk in one of these ways. They are fixed before
# anybody looks at a time, so that picking the best of them costs its share of delta and no more.
SPLITS = (0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9)


def rank_for(samples: int, risk: float, delta: float) -> int | None:
    """Least k whose order statistic bounds the next time at a risk, with confidence 1 - delta.

    Parameters
    ----------
    samples : how many exchangeable times there are.
    risk, delta : pure numbers in (0, 1).

    Returns
    -------
    k, counted from 1 for the smallest; None where not even the largest will do.
    """
    low, high = 0, samples + 1  # no rank of 0 will do; one of samples + 1 always would
    while high - low > 1:
        middle = (low + high) // 2
        if special.bdtrc(middle - 1, samples, 1.0 - risk) <= delta:
            high = middle
        else:
            low = middle
    return None if high > samples else high


def fewest_samples(risk: float, delta: float) -> int:
    """How many exchangeable times it takes for the largest of them to bound the next."""
    fewest = max(int(np.ceil(np.log(delta) / np.log1p(-risk))), 1)
    while rank_for(fewest, risk, delta) is None:
        fewest += 1
    while fewest > 1 and rank_for(fewest - 1, risk, delta) is not None:
        fewest -= 1
    return fewest


def risk_of(rank: int, samples: int, delta: float) -> float:
    """Least risk at which the rank-th smallest of some times bounds the next, with confidence 1 -
    delta (the upper limit of Clopper and Pearson, Biometrika 26, 1934).
    """
    return float(1.0 - special.betaincinv(rank, samples - rank + 1.0, delta))


@dataclass(frozen=True, slots=True)
class Bound:
    """A time that the next total exceeds with probability at most the risk, with the confidence
    asked for.
    """

    time_s: float
    parts_s: tuple[float, ...]  # that it is the sum of
    rank: tuple[int, ...]  # of each part, from 1
    samples: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class TooFew:
    """What is missing for a bound: samples of each part."""

    missing: tuple[int, ...]


def bound_of(parts: Sequence[Floats], risk: float, delta: float) -> Bound | TooFew:
    """Bound the sum of one inference's parts at a risk, with confidence 1 - delta.

    Parameters
    ----------
    parts : each (n,) exchangeable times [s] of one part, measured apart from the other parts; the
        times of parts that were measured together are added before, and are one part.
    risk, delta : pure numbers in (0, 1).

    Notes
    -----
    The sum of several parts is above the sum of their bounds only if one of them is above its own:
    their risks add up, whatever their dependence, and so do their deltas. Which of `SPLITS` serves
    best is seen from the times, so each of them gets its share of delta.
    """
    if len(parts) == 1:
        return _at(parts, (risk,), delta)
    if len(parts) != 2:
        raise ValueError("parts: one, or two that were measured apart")
    each = delta / (2.0 * len(SPLITS))
    found = [_at(parts, (risk * split, risk * (1.0 - split)), each) for split in SPLITS]
    bounds = [one for one in found if isinstance(one, Bound)]
    if bounds:
        return min(bounds, key=lambda one: one.time_s)
    return min((one for one in found if isinstance(one, TooFew)), key=lambda one: sum(one.missing))


def _at(parts: Sequence[Floats], risks: Sequence[float], delta: float) -> Bound | TooFew:
    ranks = [rank_for(len(part), risk, delta) for part, risk in zip(parts, risks, strict=True)]
    if any(rank is None for rank in ranks):
        return TooFew(
            tuple(
                max(fewest_samples(risk, delta) - len(part), 0)
                for part, risk in zip(parts, risks, strict=True)
            )
        )
    known = [rank for rank in ranks if rank is not None]
    each = tuple(
        float(np.partition(part, rank - 1)[rank - 1])
        for part, rank in zip(parts, known, strict=True)
    )
    return Bound(sum(each), each, tuple(known), tuple(len(part) for part in parts))

"""Bounds from samples recomputed with formulas of their own: binomial tails term by term."""

import math
from collections.abc import Sequence

import numpy as np

from solvers.arrays import Floats

_ROUNDING = 1e-9


def holds(bounds_s: Sequence[float], parts: Sequence[Floats], risk: float, delta: float) -> bool:
    """Whether bounds on the parts of a time keep its risk together, with confidence 1 - delta.

    Parameters
    ----------
    bounds_s : one bound for each part, whose sum bounds the whole.
    parts : each (n,) exchangeable times [s].

    Notes
    -----
    A bound that m of n samples do not exceed misses at most the risk at which fewer than m + 1 of n
    would lie below it with the part's share of delta; the parts' risks add up.
    """
    share, total = delta / len(parts), 0.0
    for bound, part in zip(bounds_s, parts, strict=True):
        below = int(np.count_nonzero(part <= bound * (1.0 + 1e-12)))
        total += _risk(below, len(part), share)
    return total <= risk * (1.0 + _ROUNDING)


def _risk(below: int, samples: int, delta: float) -> float:
    """Least risk r with P(Bin(samples, 1 - r) >= below) <= delta, by halving."""
    if below == 0:
        return 1.0
    low, high = 0.0, 1.0
    for _ in range(200):
        middle = 0.5 * (low + high)
        if _tail(below, samples, 1.0 - middle) <= delta:
            high = middle
        else:
            low = middle
    return high


def _tail(least: int, samples: int, p: float) -> float:
    """P(Bin(samples, p) >= least), its terms by logarithms of factorials."""
    if p <= 0.0:
        return 0.0
    if p >= 1.0:
        return 1.0
    whole = math.lgamma(samples + 1)
    logs = [
        whole
        - math.lgamma(k + 1)
        - math.lgamma(samples - k + 1)
        + k * math.log(p)
        + (samples - k) * math.log1p(-p)
        for k in range(least, samples + 1)
    ]
    top = max(logs)
    return min(math.exp(top) * math.fsum(math.exp(one - top) for one in logs), 1.0)

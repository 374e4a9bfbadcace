"""Whether times have one mode, as the unimodal margin assumes."""

import numpy as np

from solvers.arrays import Floats
from solvers.evidence.dip import dip
from solvers.evidence.uniform_dips import QUANTILES, SIZES

FEWEST = 30  # times; fewer show nothing of a second mode
LEVEL = 0.01


def one_mode_p_value(times: Floats) -> float | None:
    """Probability that times of one mode look as if they had two; None where nothing can be told.

    Hartigan's dip test (J. A. Hartigan, P. M. Hartigan, Ann. Stat. 13, 1985) against the uniform
    law, its least favourable one: it hardly ever rejects one mode falsely, and does not see a
    second mode of a few per cent of the times.
    """
    if len(times) < FEWEST or float(np.ptp(times)) == 0.0:
        return None
    return dip_p_value(dip(times), len(times))


def dip_p_value(dip: float, count: int) -> float:
    """Probability that as many times of the uniform law dip as far.

    Interpolated between simulated quantiles of sqrt(n) dip (`benchmarks/dips.py`): in the logarithm
    of the probability, and in that of n between sizes; beyond the largest its own hold. Farther
    than the rarest quantile the simulation tells nothing but that quantile's probability. There a
    bound takes over: a dip is at most half of Kuiper's statistic, whose law is known (M. A.
    Stephens, J. R. Stat. Soc. B 32, 1970).
    """
    tails, *quantiles = np.array(QUANTILES).T
    place = np.interp(np.log(count), np.log(SIZES), np.arange(len(SIZES)))
    reached = [np.interp(place, np.arange(len(SIZES)), row) for row in np.array(quantiles).T]
    scaled = float(np.sqrt(count) * dip)
    if scaled > reached[-1]:
        return min(float(tails[-1]), _kuiper_tail(2.0 * dip, count))
    log_tail = np.interp(scaled, [0.0, *reached], np.log([1.0, *tails]))
    return float(np.exp(log_tail))


def _kuiper_tail(statistic: float, count: int) -> float:
    """Probability that Kuiper's statistic of `count` values exceeds this one."""
    root = float(np.sqrt(count))
    squares = np.arange(1, 21) ** 2 * ((root + 0.155 + 0.24 / root) * statistic) ** 2
    return float(2.0 * np.sum((4.0 * squares - 1.0) * np.exp(-2.0 * squares)))

"""Cantelli's margin where mean and variance are themselves estimates.

Moments within an ambiguity set: the mean within sqrt(g1) estimated deviations of the estimate, the
second moment about the estimate at most g2 estimated variances (E. Delage, Y. Ye, Oper. Res. 58,
2010; Y. Zhang, R. Jiang, S. Shen, SIAM J. Optim. 28, 2018).
"""

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from solvers.arrays import Floats

RESAMPLES = 1_000
FEWEST = 30  # times; of fewer nobody knows a fourth moment
_TINY, _FLATTEST, _MOST = 1e-150, 1e-3, 600.0
_AT_ONCE = 2_000_000  # resampled times held at once


@dataclass(frozen=True, slots=True)
class Ambiguity:
    """How far moments may be from their estimates: g1 and g2, pure numbers."""

    mean: float  # g1 >= 0
    second_moment: float  # g2 >= 1


def ambiguous_factor(risk: float, ambiguity: Ambiguity) -> float:
    """Estimated standard deviations to keep free before the deadline at a risk in (0, 1).

    The worst law of the set has its mean shifted by a = min(sqrt(g1), sqrt(risk g2)) deviations
    and the variance g2 - a² that is left: a + sqrt((1 - risk)/risk) sqrt(g2 - a²), which rises in
    a up to sqrt(risk g2).
    """
    g1, g2 = ambiguity.mean, ambiguity.second_moment
    shift = min(np.sqrt(g1), np.sqrt(risk * g2))
    return float(shift + np.sqrt((1.0 - risk) / risk * max(g2 - shift * shift, 0.0)))


def bootstrapped(times: Floats, delta: float, rng: Generator) -> Ambiguity:
    """g1 and g2 that hold together with confidence about 1 - delta, by the bootstrap.

    Parameters
    ----------
    times : (n,) independent times [s], n >= `FEWEST`, not all equal.
    delta : in (0, 1); each of the two gets half.

    Notes
    -----
    Bootstrap-t (B. Efron, R. Tibshirani, 1993, section 12.5) for the mean and for the logarithm of
    the variance, whose standard error goes by the fourth moment. It assumes a law with four moments
    and a sample that shows its tail: what is never seen in the sample widens nothing.
    """
    count = len(times)
    if count < FEWEST or float(np.ptp(times)) == 0.0:
        raise ValueError(f"times: at least {FEWEST} that are not all equal")
    mean, (log_variance, error) = times.mean(), _log_variance(times[None, :])
    shifts, strays = [], []
    block = max(1, _AT_ONCE // count)
    for begin in range(0, RESAMPLES, block):
        size = min(block, RESAMPLES - begin)
        drawn = times[rng.integers(0, count, (size, count))]
        own, own_error = _log_variance(drawn)
        shifts.append(np.square(drawn.mean(axis=1) - mean) / np.exp(own))
        strays.append((own - log_variance) / own_error)
    g1 = float(np.quantile(np.concatenate(shifts), 1.0 - 0.5 * delta))
    rise = -float(np.quantile(np.concatenate(strays), 0.5 * delta)) * float(error[0])
    return Ambiguity(g1, float(np.exp(np.clip(rise, 0.0, _MOST))) + g1)


def _log_variance(times: Floats) -> tuple[Floats, Floats]:
    """Logarithms of the unbiased variances of rows of times, and their standard errors."""
    count = times.shape[1]
    squares = np.square(times - times.mean(axis=1, keepdims=True))
    second = np.maximum(squares.mean(axis=1), _TINY)
    peaked = np.square(squares).mean(axis=1) / np.square(second)
    error = np.sqrt(np.maximum(peaked - (count - 3.0) / (count - 1.0), _FLATTEST) / count)
    return np.log(second * count / (count - 1.0)), error

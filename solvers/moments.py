"""Means and variances of a sum of times, and the margin that a risk of lateness asks for."""

import numpy as np

from solvers.arrays import Floats
from solvers.later import special
from solvers.margin import Margin


def margin_factor(risk: Floats, margin: Margin) -> Floats:
    """Standard deviations to keep free before the deadline, for each accepted risk of missing it.

    Parameters
    ----------
    risk : any shape, pure numbers in (0, 1); at most 0.5 for `gaussian`, whose factor would turn
        negative.
    margin : `cantelli` holds for every law with the given mean and variance (one-sided Chebyshev
        inequality, attained by a two-point law; arXiv 2503.21476, eq. 19 and lemma 1: sqrt((1 -
        risk)/risk)); `unimodal` for every law of one mode (one-sided inequality of Vysochanskij and
        Petunin; M. Mercadier, F. Strobel, Eur. J. Oper. Res. 295, 2021); `gaussian` only for
        normal totals; `mean` keeps none, nor do `worst_case` and `measured`, which are numbers of
        each option instead.
    """
    match margin:
        case Margin.CANTELLI:
            return np.asarray(np.sqrt((1.0 - risk) / risk))
        case Margin.UNIMODAL:
            narrow = 4.0 / (9.0 * risk) - 1.0
            wide = 3.0 * (1.0 - risk) / (1.0 + 3.0 * risk)
            return np.asarray(np.sqrt(np.where(risk <= 1.0 / 6.0, narrow, wide)))
        case Margin.GAUSSIAN:
            return np.asarray(-special.ndtri(risk))
        case _:
            return np.zeros_like(risk)


def risk_for(factor: Floats, margin: Margin) -> Floats:
    """Least risk that a number of standard deviations kept free, not negative, allows: the inverse
    of `margin_factor`.
    """
    square = factor * factor
    match margin:
        case Margin.CANTELLI:
            return np.asarray(1.0 / (1.0 + square))
        case Margin.UNIMODAL:
            far, near = 4.0 / (9.0 * (1.0 + square)), (3.0 - square) / (3.0 * (1.0 + square))
            return np.asarray(np.where(square >= 5.0 / 3.0, far, near))
        case Margin.GAUSSIAN:
            return np.asarray(special.ndtr(-factor))
        case _:
            raise ValueError(f"the {margin} margin looks at no risk")


def total_variance(
    device: Floats,
    server: Floats,
    network: float | Floats,
    correlation: Floats,
    device_low: Floats | None = None,
) -> Floats:
    """Variance [s²] of device + server + network time, device and server correlated, the network
    independent.

    Where the device's variance is only known to lie in [device_low, device], the larger end value
    is returned: the sum is convex in the device's standard deviation, so no value between can be
    worse.
    """

    def at(variance: Floats) -> Floats:
        return variance + server + network + 2.0 * correlation * np.sqrt(variance * server)

    total = at(device) if device_low is None else np.maximum(at(device), at(device_low))
    # The exact value is a square plus the network's; rounding may leave it a hair below zero at
    # correlation -1.
    return np.maximum(total, 0.0)


def miss_bound(mean_s: Floats, variance_s2: Floats, deadline_s: Floats) -> Floats:
    """Cantelli's bound on P(total > deadline) over all laws with that mean and variance.

    V/(V + (D - mean)²) where mean < D; 1 where mean > D or mean = D with V > 0; 0 where V = 0 and
    mean <= D.
    """
    slack = deadline_s - mean_s
    scale = variance_s2 + slack * slack
    with np.errstate(invalid="ignore", divide="ignore"):
        bound = np.where(scale > 0.0, variance_s2 / scale, 0.0)
    return np.where((slack < 0.0) | ((slack == 0.0) & (variance_s2 > 0.0)), 1.0, bound)

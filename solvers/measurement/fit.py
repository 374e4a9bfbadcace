"""The law of a device's time over its clock, fitted by non-negative least squares."""

from dataclasses import dataclass

import numpy as np

from solvers.arrays import Floats
from solvers.later import special

_CONFIDENCE = 0.95
Z_95 = 1.959963984540054  # normal quantile of 95 % confidence, two-sided


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """Device time t = cycles/f + overhead_s over the clock f, with standard errors and 95 %
    intervals.
    """

    cycles: float
    cycles_error: float
    cycles_interval: tuple[float, float]
    overhead_s: float
    overhead_error_s: float
    overhead_interval_s: tuple[float, float]
    clocks: int
    misfit_p_value: float
    """Of clock means that stray from such a law as far as these; NaN where nothing varies."""
    misfit: float
    """Largest distance of a clock's mean from the fit, relative to that mean."""


def fit(
    frequency_hz: Floats, count: Floats, mean_s: Floats, variance_s2: Floats, *, scales: bool = True
) -> Fit:
    """Fit `t = cycles/f + overhead_s` by non-negative least squares, weighted by count/variance.

    Parameters
    ----------
    frequency_hz, count, mean_s, variance_s2 : (clocks,) measured clocks, and the samples taken at
        each; of times that resemble their neighbours, `count` is how many independent ones they are
        worth.
    scales : False for a part that computes nothing: its time is the overhead alone.

    Notes
    -----
    Intervals are Student's, with the degrees of freedom of the clock with the fewest samples. They
    are those of the unconstrained estimate, whose law does not care where the boundary is, cut at
    0 and stretched to the value reported, so their coverage cannot fall below that of the
    unconstrained ones. Where the unconstrained estimate is negative the upper end is the 95 % point
    of its normal law cut off below 0, which goes on from the ordinary one without a step and never
    reaches 0. Where the means stray from any such law (p < 1 %), errors are stretched by the root
    of the reduced chi-square and the degrees of freedom are the clocks left over (R. T. Birge,
    Phys. Rev. 40, 1932).
    """
    top = float(frequency_hz.max())
    columns = (
        [top / frequency_hz, np.ones_like(frequency_hz)] if scales else [np.ones_like(frequency_hz)]
    )
    design = np.stack(columns, axis=1)
    # A handful of equal samples is no proof of a time that never varies.
    floor = 1e-4 * float(variance_s2.max())
    varies = floor > 0.0
    weight = count / np.maximum(variance_s2, floor) if varies else count
    normal, right = design.T @ (design * weight[:, None]), design.T @ (weight * mean_s)
    free, estimate = _estimated(normal, right)
    residual = mean_s - design @ estimate
    p_value, stretch, quantile = _misfit(
        float(np.sum(weight * residual**2)), len(mean_s), estimate, count, varies=varies
    )
    error = np.sqrt(np.diag(np.linalg.inv(normal))) * stretch if varies else np.zeros(len(free))
    intervals = [_interval(*values, quantile) for values in zip(free, estimate, error, strict=True)]
    if not scales:
        estimate, error, intervals = (
            np.append(0.0, estimate),
            np.append(0.0, error),
            [(0.0, 0.0), *intervals],
        )
    return Fit(
        cycles=float(estimate[0]) * top,
        cycles_error=float(error[0]) * top,
        cycles_interval=(intervals[0][0] * top, intervals[0][1] * top),
        overhead_s=float(estimate[1]),
        overhead_error_s=float(error[1]),
        overhead_interval_s=intervals[1],
        clocks=len(mean_s),
        misfit_p_value=p_value,
        misfit=float(np.max(np.abs(residual) / mean_s)),
    )


def _estimated(normal: Floats, right: Floats) -> tuple[Floats, Floats]:
    """The unconstrained estimate, and the one that is not negative."""
    free = np.asarray(np.linalg.solve(normal, right), dtype=np.float64)
    estimate = np.maximum(free, 0.0)
    # At most one of two is negative for positive times.
    for n in np.flatnonzero(free < 0.0):
        other = 1 - n
        estimate[n], estimate[other] = 0.0, max(right[other] / normal[other, other], 0.0)
    return free, estimate


def _misfit(
    squares: float, clocks: int, estimate: Floats, count: Floats, *, varies: bool
) -> tuple[float, float, float]:
    """How well the fit explains the means (p-value), by what errors are stretched, and the
    quantile of their law.
    """
    # Weights are from variances estimated with as few degrees of freedom as this.
    known = max(float(count.min()) - 1.0, 3.0)
    chi_square = squares * (known - 2.0) / known
    freedom = clocks - max(int(np.sum(estimate > 0.0)), 1)
    if not varies:
        return float("nan"), 1.0, float(special.stdtrit(known, 0.5 + 0.5 * _CONFIDENCE))
    p_value = float(special.chdtrc(freedom, chi_square))
    if p_value >= 0.01:
        return p_value, 1.0, float(special.stdtrit(known, 0.5 + 0.5 * _CONFIDENCE))
    stretch = max(1.0, float(np.sqrt(chi_square / freedom)))
    return p_value, stretch, float(special.stdtrit(min(freedom, known), 0.5 + 0.5 * _CONFIDENCE))


def _interval(free: float, estimate: float, error: float, quantile: float) -> tuple[float, float]:
    if error == 0.0:
        return float(estimate), float(estimate)
    high = free + quantile * error
    if free < 0.0:
        scale = error * quantile / Z_95
        high = free - scale * float(
            special.ndtri_exp(np.log(1.0 - _CONFIDENCE) + special.log_ndtr(free / scale))
        )
    return float(min(max(free - quantile * error, 0.0), estimate)), float(max(high, estimate))

"""Moments of one part of a network at a cut: whole, per clock, and about the fit."""

from dataclasses import dataclass

import numpy as np

from solvers.arrays import Floats
from solvers.measurement.fit import Fit, fit
from solvers.measurement.samples import FEWEST_SAMPLES, PARTS, SAME_CLOCK, Part, Samples, groups
from solvers.stationarity import memory

FEWEST_CLOCKS = 4  # a fit of two numbers needs clocks left over to be refuted by


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """Times of one part at one clock."""

    frequency_hz: float  # NaN: not known
    count: int
    mean_s: float
    variance_s2: float
    worst_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PartTimes:
    """Times of one part of the network at one cut."""

    count: int
    mean_s: float
    variance_s2: float
    worst_s: float
    levels: tuple[Level, ...]  # ascending clocks
    fit: Fit | None
    about_fit_s2: float
    """Largest (standard deviation + what the mean lies above the fit)² over the clocks.

    With the fit as mean and this as variance, Cantelli's margin is at least the miss plus the
    margin of the times themselves at every risk up to 1/2: what the fit misses costs energy, never
    the promise.
    """
    beyond_fit_s: float
    """Largest residual over the fit, at least 0."""


def times_of(
    samples: Samples, nominal: Floats, flop: Floats, *, fits: bool
) -> dict[int, PartTimes]:
    """Moments of one part by cut: whole, per clock, and about the fit where that is wanted and
    clocks are enough.

    Clocks with fewer than ten samples take part in the whole alone. `flop` is what the part
    computes, by cut.
    """
    rows = np.lexsort((samples.order, samples.session))
    found = {}
    for mine in groups(rows, samples.cut[rows]):
        cut = int(samples.cut[mine[0]])
        at_clock = [at for at in groups(mine, nominal[mine]) if len(at) >= FEWEST_SAMPLES]
        levels = tuple(_level(float(nominal[at[0]]), samples.time_s[at]) for at in at_clock)
        known = [memory(samples.time_s[at]) for at in at_clock]
        kept = max(1.0, float(np.nanmean(known))) if np.isfinite(known).any() else 1.0
        found[cut] = _part_times(
            samples.time_s[mine], levels, nominal[mine], kept, flop[cut] > 0.0, fits
        )
    return found


def _level(frequency_hz: float, times: Floats) -> Level:
    return Level(
        frequency_hz=frequency_hz,
        count=len(times),
        mean_s=float(times.mean()),
        variance_s2=_variance(times),
        worst_s=float(times.max()),
    )


def _variance(times: Floats) -> float:
    """Unbiased; exactly 0 where all are equal, whatever the rounding of their mean."""
    return float(times.var(ddof=1)) if len(times) > 1 and np.ptp(times) > 0.0 else 0.0


def _part_times(
    times: Floats, levels: tuple[Level, ...], nominal: Floats, kept: float, scales: bool, fits: bool
) -> PartTimes:
    """`kept`: how many consecutive times are worth one independent one."""
    clocked = [level for level in levels if np.isfinite(level.frequency_hz)]
    fitted, about, beyond = None, 0.0, 0.0
    if fits and len(clocked) >= FEWEST_CLOCKS:
        column = {
            name: np.array([getattr(level, name) for level in clocked], dtype=np.float64)
            for name in ("frequency_hz", "count", "mean_s", "variance_s2")
        }
        if np.all(column["mean_s"] > 0.0):  # where nothing runs there is nothing to fit
            fitted = fit(**column | {"count": column["count"] / kept}, scales=scales)
            above = column["mean_s"] - fitted.cycles / column["frequency_hz"] - fitted.overhead_s
            about = float(np.max((np.sqrt(column["variance_s2"]) + np.maximum(above, 0.0)) ** 2))
            known = np.isfinite(nominal)
            beyond = float(
                np.max(times[known] - fitted.cycles / nominal[known] - fitted.overhead_s)
            )
    whole = _level(float("nan"), times)
    return PartTimes(
        count=len(times),
        mean_s=whole.mean_s,
        variance_s2=whole.variance_s2,
        worst_s=whole.worst_s,
        levels=levels,
        fit=fitted,
        about_fit_s2=about,
        beyond_fit_s=max(beyond, 0.0),
    )


def standardised(
    samples: Samples, nominal: Floats, part: Part, cut: int, frequency_hz: float | None
) -> Floats:
    """Times of a part at a cut with mean 0 and variance 1: those at that clock, or of all clocks,
    each by its own.

    Empty where they do not vary.
    """
    rows = np.nonzero((samples.part == PARTS.index(part)) & (samples.cut == cut))[0]
    clocked = [
        samples.time_s[at] for at in groups(rows, nominal[rows]) if len(at) >= FEWEST_SAMPLES
    ]
    if frequency_hz is not None:
        same = rows[np.abs(nominal[rows] - frequency_hz) <= SAME_CLOCK * frequency_hz]
        if len(same) >= FEWEST_SAMPLES:
            clocked = [samples.time_s[same]]
    varying = [times for times in clocked if np.ptp(times) > 0.0]
    return (
        np.concatenate([(times - times.mean()) / times.std() for times in varying])
        if varying
        else np.empty(0)
    )

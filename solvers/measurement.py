"""Measured times: their moments, their fit over clocks, and what speaks against resting a plan on them."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Literal

import numpy as np
from scipy.special import chdtrc, log_ndtr, ndtri_exp, stdtrit

from solvers.arrays import Booleans, Floats, Integers
from solvers.records import freeze, require
from solvers.stationarity import difference_p_value, memory, significant, wander

Part = Literal["device", "server"]
Severity = Literal["note", "warning"]

PARTS: tuple[Part, Part] = ("device", "server")  # the layers up to a cut, and those after it; by code 0 and 1
FEWEST_CLOCKS = 4  # a fit of two numbers needs clocks left over to be refuted by
FEWEST_SAMPLES = 10  # of a part at a clock; with fewer its variance is a guess
ENOUGH_SAMPLES = 30
SAME_CLOCK = 0.01  # relative width within which measured clocks are one
MOST_SERIES = 20_000

_CONFIDENCE = 0.95
_Z = 1.959963984540054  # of that confidence, two-sided
_MISFIT = 0.02  # relative distance from the fit that matters
_WANDER_STD = 0.5  # a mean that moves by less costs Cantelli's margin next to nothing
_MODES = 0.8  # two tight clumps explain this much of the variance; a uniform law 0.75, a normal one 0.64
_LEAST_MODE = 0.05
_FAR_OUT = 10.0  # robust standard deviations


@dataclass(frozen=True, slots=True, kw_only=True)
class Samples:
    """Measured times, one row each, in the order in which they were sent; all (rows,)."""

    session: Integers
    cut: Integers
    part: Integers  # index of PARTS
    frequency_hz: Floats  # measured; NaN: not known
    requested_hz: Floats  # NaN: not said
    order: Integers  # running index within the session, the same for the two parts of one inference; -1: not said
    time_s: Floats
    cpu_time_s: Floats  # NaN: not said
    involuntary_switches: Floats  # NaN: not said

    def __post_init__(self) -> None:
        freeze(self)
        for field in fields(self):
            require(len(getattr(self, field.name)) == len(self.time_s), f"{field.name}: one entry per row")

    def __len__(self) -> int:
        return len(self.time_s)

    def take(self, rows: Integers | Booleans) -> "Samples":
        """Some of the rows."""
        return Samples(**{field.name: getattr(self, field.name)[rows] for field in fields(self)})


@dataclass(frozen=True, slots=True)
class Finding:
    """What a look at the samples found."""

    cut: int | None
    part: Part | None
    check: str
    severity: Severity
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """Device time t = cycles/f + overhead_s over the clock f, with standard errors and 95 % intervals."""

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

    With the fit as mean and this as variance, Cantelli's margin is at least the miss plus the margin of the times
    themselves at every risk up to 1/2: what the fit misses costs energy, never the promise.
    """
    beyond_fit_s: float
    """Largest residual over the fit, at least 0."""


@dataclass(frozen=True, slots=True)
class Pairing:
    """Correlation of the two parts of the same inferences, with its 95 % interval."""

    pairs: int
    correlation: float
    interval: tuple[float, float]


def nominal_hz(frequency_hz: Floats, levels_hz: Floats | None = None) -> Floats:
    """The clock that each measured clock stands for: a level of the device within 1 %, or the mean of its like.

    Measured clocks that are no level are gathered from below into groups no wider than 1 %.
    """
    named = np.array(frequency_hz)
    if levels_hz is not None and len(levels_hz):
        place = np.clip(np.searchsorted(levels_hz, frequency_hz), 1, max(len(levels_hz) - 1, 1))
        low, high = levels_hz[place - 1], levels_hz[min(1, len(levels_hz) - 1) :][place - 1]
        nearest = np.where(np.abs(frequency_hz - low) <= np.abs(frequency_hz - high), low, high)
        close = np.abs(frequency_hz - nearest) <= SAME_CLOCK * nearest
        named[close] = nearest[close]
    else:
        close = np.zeros(len(named), dtype=np.bool_)
    free = np.nonzero(~close & np.isfinite(named))[0]
    clocks, inverse = np.unique(named[free], return_inverse=True)
    group = np.zeros(len(clocks), dtype=np.int64)
    begin = 0
    while begin < len(clocks):
        end = int(np.searchsorted(clocks, clocks[begin] * (1.0 + SAME_CLOCK), side="right"))
        group[begin:end] = begin
        begin = end
    if len(free):
        rows = group[inverse]
        named[free] = (np.bincount(rows, named[free]) / np.maximum(np.bincount(rows), 1))[rows]
    return named


def fit(frequency_hz: Floats, count: Floats, mean_s: Floats, variance_s2: Floats, *, scales: bool = True) -> Fit:
    """Fit `t = cycles/f + overhead_s` by non-negative least squares, weighted by count/variance.

    Parameters
    ----------
    frequency_hz, count, mean_s, variance_s2 : (clocks,) measured clocks, and the samples taken at each; of times that
        resemble their neighbours, `count` is how many independent ones they are worth.
    scales : False for a part that computes nothing: its time is the overhead alone.

    Notes
    -----
    Intervals are Student's, with the degrees of freedom of the clock with the fewest samples. They are those of the
    unconstrained estimate, whose law does not care where the boundary is, cut at
    0 and stretched to the value reported, so their coverage cannot fall below that of the unconstrained ones. Where the
    unconstrained estimate is negative the upper end is the 95 % point of its normal law cut off below 0, which goes on
    from the ordinary one without a step and never reaches 0. Where the means stray from any such law (p < 1 %), errors
    are stretched by the root of the reduced chi-square and the degrees of freedom are the clocks left over (R. T.
    Birge, Phys. Rev. 40, 1932).
    """
    top = float(frequency_hz.max())
    columns = [top / frequency_hz, np.ones_like(frequency_hz)] if scales else [np.ones_like(frequency_hz)]
    design = np.stack(columns, axis=1)
    floor = 1e-4 * float(variance_s2.max())  # a handful of equal samples is no proof of a time that never varies
    varies = floor > 0.0
    weight = count / np.maximum(variance_s2, floor) if varies else count
    normal, right = design.T @ (design * weight[:, None]), design.T @ (weight * mean_s)
    free = np.linalg.solve(normal, right)
    estimate = np.maximum(free, 0.0)
    for n in range(design.shape[1] if np.any(free < 0.0) else 0):  # at most one of two is negative for positive times
        if free[n] < 0.0:
            other = 1 - n
            estimate[n], estimate[other] = 0.0, max(right[other] / normal[other, other], 0.0)
    residual = mean_s - design @ estimate
    # Weights are from variances estimated with as few degrees of freedom as this.
    known = max(float(count.min()) - 1.0, 3.0)
    chi_square = float(np.sum(weight * residual**2)) * (known - 2.0) / known
    freedom = len(mean_s) - max(int(np.sum(estimate > 0.0)), 1)
    p_value = float(chdtrc(freedom, chi_square)) if varies else float("nan")
    stretch, quantile = 1.0, float(stdtrit(known, 0.5 + 0.5 * _CONFIDENCE))
    if varies and p_value < 0.01:
        stretch = max(1.0, float(np.sqrt(chi_square / freedom)))
        quantile = float(stdtrit(min(freedom, known), 0.5 + 0.5 * _CONFIDENCE))
    error = np.sqrt(np.diag(np.linalg.inv(normal))) * stretch if varies else np.zeros(len(free))
    intervals = [_interval(*values, quantile) for values in zip(free, estimate, error, strict=True)]
    if not scales:
        estimate, error, intervals = np.append(0.0, estimate), np.append(0.0, error), [(0.0, 0.0), *intervals]
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


def _interval(free: float, estimate: float, error: float, quantile: float) -> tuple[float, float]:
    if error == 0.0:
        return float(estimate), float(estimate)
    high = free + quantile * error
    if free < 0.0:
        scale = error * quantile / _Z
        high = free - scale * float(ndtri_exp(np.log(1.0 - _CONFIDENCE) + log_ndtr(free / scale)))
    return float(min(max(free - quantile * error, 0.0), estimate)), float(max(high, estimate))


def times_of(samples: Samples, nominal: Floats, flop: Floats, *, fits: bool) -> dict[int, PartTimes]:
    """Moments of one part by cut: whole, per clock, and about the fit where that is wanted and clocks are enough.

    Clocks with fewer than ten samples take part in the whole alone. `flop` is what the part computes, by cut.
    """
    rows = np.lexsort((samples.order, samples.session))
    found = {}
    for mine in _groups(rows, samples.cut[rows]):
        cut = int(samples.cut[mine[0]])
        at_clock = [at for at in _groups(mine, nominal[mine]) if len(at) >= FEWEST_SAMPLES]
        levels = tuple(_level(float(nominal[at[0]]), samples.time_s[at]) for at in at_clock)
        known = [memory(samples.time_s[at]) for at in at_clock]
        kept = max(1.0, float(np.nanmean(known))) if np.isfinite(known).any() else 1.0
        found[cut] = _part_times(samples.time_s[mine], levels, nominal[mine], kept, flop[cut] > 0.0, fits)
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
            beyond = float(np.max(times[known] - fitted.cycles / nominal[known] - fitted.overhead_s))
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


def pairings(samples: Samples, nominal: Floats) -> dict[int, Pairing]:
    """Correlation of device and server part by cut, within each clock, over the inferences of which both are there."""
    ordered = np.nonzero(samples.order >= 0)[0]
    key = np.zeros(len(ordered), dtype=np.int64)
    for column in (samples.session, samples.cut, samples.order):
        values, code = np.unique(column[ordered], return_inverse=True)
        key = np.unique(key * len(values) + code.reshape(-1), return_inverse=True)[1].reshape(-1)
    device, server = (samples.part[ordered] == code for code in range(2))
    joint = _join(key[device], key[server])
    first, second = ordered[device][joint[0]], ordered[server][joint[1]]
    found = {}
    for mine in _groups(np.arange(len(first)), samples.cut[first]):
        weight, total = 0, 0.0
        for at in _groups(mine, nominal[first[mine]]):
            x, y = samples.time_s[first[at]], samples.time_s[second[at]]
            if len(at) >= FEWEST_SAMPLES and np.ptp(x) > 0.0 and np.ptp(y) > 0.0:
                total += len(at) * float(np.corrcoef(x, y)[0, 1])
                weight += len(at)
        if weight:
            found[int(samples.cut[first[mine[0]]])] = _pairing(weight, float(np.clip(total / weight, -1.0, 1.0)))
    return found


def _pairing(pairs: int, correlation: float) -> Pairing:
    """With Fisher's interval (Metron 1, 1921)."""
    centre, room = np.arctanh(np.clip(correlation, -1.0 + 1e-15, 1.0 - 1e-15)), _Z / np.sqrt(pairs - 3.0)
    return Pairing(pairs, correlation, (float(np.tanh(centre - room)), float(np.tanh(centre + room))))


def _join(left: Integers, right: Integers) -> tuple[Integers, Integers]:
    """Rows of left and right with the same key, where each has it once."""
    kinds = int(max(left.max(initial=-1), right.max(initial=-1))) + 1
    once = (np.bincount(left, minlength=kinds) == 1) & (np.bincount(right, minlength=kinds) == 1)
    first, second = np.nonzero(once[left])[0], np.nonzero(once[right])[0]
    return first[np.argsort(left[first])], second[np.argsort(right[second])]


def standardised(samples: Samples, nominal: Floats, part: Part, cut: int, frequency_hz: float | None) -> Floats:
    """Times of a part at a cut with mean 0 and variance 1: those at that clock, or of all clocks, each by its own.

    Empty where they do not vary.
    """
    rows = np.nonzero((samples.part == PARTS.index(part)) & (samples.cut == cut))[0]
    groups = [samples.time_s[at] for at in _groups(rows, nominal[rows]) if len(at) >= FEWEST_SAMPLES]
    if frequency_hz is not None:
        same = rows[np.abs(nominal[rows] - frequency_hz) <= SAME_CLOCK * frequency_hz]
        if len(same) >= FEWEST_SAMPLES:
            groups = [samples.time_s[same]]
    varying = [times for times in groups if np.ptp(times) > 0.0]
    return np.concatenate([(times - times.mean()) / times.std() for times in varying]) if varying else np.empty(0)


def series_count(samples: Samples, nominal: Floats) -> int:
    """How many series there are: runs of one part at one cut and clock in one session."""
    return len(_series(samples, nominal))


def findings(samples: Samples, nominal: Floats) -> list[Finding]:
    """Everything in the samples themselves that makes moments taken from them doubtful."""
    series = _series(samples, nominal)
    return [
        *_counts(samples, nominal),
        *_clocks(samples),
        *_drifts(samples, nominal, series),
        *_sessions(samples, nominal, series),
        *_shapes(samples, nominal),
        *_interruptions(samples),
    ]


def fit_findings(part: Part, cut: int, times: PartTimes) -> Iterator[Finding]:
    """What speaks against a fit over clocks."""
    if times.fit is None:
        return
    if times.fit.cycles == 0.0 and times.fit.cycles_interval[1] > 0.0:
        detail = "the time does not fall with the clock: no speed follows from it, only the clocks measured are kept"
        yield Finding(cut, part, "fit", "warning", detail)
    if times.fit.misfit_p_value < 0.01:
        detail = (
            f"cycles/f + overhead misses the mean at a clock by {times.fit.misfit:.1%} "
            f"(p = {times.fit.misfit_p_value:.1g}); the miss is counted into variance_s2"
        )
        yield Finding(cut, part, "fit", "warning" if times.fit.misfit > _MISFIT else "note", detail)


def _counts(samples: Samples, nominal: Floats) -> Iterator[Finding]:
    rows = np.arange(len(samples))
    for at in _groups(rows, samples.part, samples.cut, nominal):
        if len(at) < ENOUGH_SAMPLES:
            clock = _clock(nominal[at[0]])
            left = " and are left out of the levels" if len(at) < FEWEST_SAMPLES else ""
            detail = f"only {len(at)} samples{clock}: their variance is uncertain{left}"
            yield Finding(*_place(samples, at), "samples", "warning", detail)


def _clocks(samples: Samples) -> Iterator[Finding]:
    rows = np.nonzero(np.isfinite(samples.frequency_hz) & np.isfinite(samples.requested_hz))[0]
    off = np.abs(samples.frequency_hz[rows] / samples.requested_hz[rows] - 1.0) > SAME_CLOCK
    for at in _groups(rows[off], samples.part[rows[off]], samples.cut[rows[off]]):
        worst = at[np.argmax(np.abs(samples.frequency_hz[at] / samples.requested_hz[at] - 1.0))]
        detail = (
            f"{len(at)} samples ran at another clock than was asked for, e.g. at {samples.frequency_hz[worst]:.4g} Hz "
            f"instead of {samples.requested_hz[worst]:.4g} Hz: the measured clock is used"
        )
        yield Finding(*_place(samples, at), "clock", "warning", detail)


def _drifts(samples: Samples, nominal: Floats, series: list[Integers]) -> Iterator[Finding]:
    found = [wander(samples.time_s[at]) for at in series]
    for at, moved, refuted in zip(series, found, significant([one.p_value for one in found]), strict=True):
        if refuted:
            detail = (
                f"session {samples.session[at[0]]} was not steady{_clock(nominal[at[0]])}: means of its quarters moved "
                f"from {moved.low:+.1%} to {moved.high:+.1%} (p = {moved.p_value:.1g})"
            )
            severity: Severity = "warning" if moved.range_std > _WANDER_STD else "note"
            yield Finding(*_place(samples, at), "drift", severity, detail)
    # What slows one cut slows all: measured in turn, they make one long series with far more to see.
    together = _machine(samples, series)
    moves = [wander(values, most=64) for values, _ in together]
    for (_, session), moved, refuted in zip(together, moves, significant([m.p_value for m in moves]), strict=True):
        if refuted:
            detail = (
                f"session {session} was not steady over all its cuts: means of its quarters lie up to "
                f"{moved.range_std:.2g} standard deviations apart (p = {moved.p_value:.1g})"
            )
            yield Finding(None, None, "drift", "warning" if moved.range_std > _WANDER_STD else "note", detail)


def _machine(samples: Samples, series: list[Integers]) -> list[tuple[Floats, int]]:
    """All times of each session in order, each in standard deviations from the mean of its series."""
    score = np.full(len(samples), np.nan)
    for at in series:
        times = samples.time_s[at]
        if len(at) >= FEWEST_SAMPLES and np.ptp(times) > 0.0 and samples.order[at[0]] >= 0:
            score[at] = (times - times.mean()) / times.std()
    rows = np.nonzero(np.isfinite(score))[0]
    rows = rows[np.lexsort((samples.order[rows], samples.session[rows]))]
    # Moved up from 0: relative block means have no meaning for scores.
    return [(score[at] + 100.0, int(samples.session[at[0]])) for at in _groups(rows, samples.session[rows])]


def _sessions(samples: Samples, nominal: Floats, series: list[Integers]) -> Iterator[Finding]:
    pairs = []
    for before, after in itertools.pairwise(series):
        same = all(column[before[0]] == column[after[0]] for column in (samples.part, samples.cut))
        clock = nominal[[before[0], after[0]]]
        if same and (clock[0] == clock[1] or np.isnan(clock).all()) and min(len(before), len(after)) >= FEWEST_SAMPLES:
            pairs.append((before, after))
    p_values = [difference_p_value(samples.time_s[before], samples.time_s[after]) for before, after in pairs]
    for (before, after), p_value, refuted in zip(pairs, p_values, significant(p_values), strict=True):
        if not refuted:
            continue
        first, second = samples.time_s[before], samples.time_s[after]
        moved, spread = float(second.mean() - first.mean()), float(np.sqrt(0.5 * (first.var() + second.var())))
        detail = (
            f"sessions {samples.session[before[0]]} and {samples.session[after[0]]} disagree{_clock(nominal[after[0]])}"
            f": the mean moved by {moved / first.mean():+.1%} (p = {p_value:.1g})"
        )
        severity: Severity = "warning" if abs(moved) > _WANDER_STD * spread else "note"
        yield Finding(*_place(samples, after), "sessions", severity, detail)


def _shapes(samples: Samples, nominal: Floats) -> Iterator[Finding]:
    for at in _groups(np.arange(len(samples)), samples.part, samples.cut, nominal):
        times = samples.time_s[at]
        if len(at) < ENOUGH_SAMPLES or np.ptp(times) == 0.0:
            continue
        if (split := two_modes(times)) is not None:
            low, high, share = split
            detail = (
                f"the times have two modes{_clock(nominal[at[0]])}, {low:.3g} s and {high:.3g} s "
                f"({share:.0%} of the samples): two ways of running are mixed"
            )
            yield Finding(*_place(samples, at), "modes", "warning", detail)
            continue
        centre = float(np.median(times))
        spread = 1.4826 * float(np.median(np.abs(times - centre)))
        far = times > centre + _FAR_OUT * spread
        if spread > 0.0 and far.any():
            shared = float(np.sum((times[far] - times.mean()) ** 2) / np.sum((times - times.mean()) ** 2))
            detail = (
                f"{int(far.sum())} of {len(at)} samples{_clock(nominal[at[0]])} lie far out, up to {times.max():.3g} s "
                f"over a median of {centre:.3g} s, and make {shared:.0%} of the variance; they are kept"
            )
            yield Finding(*_place(samples, at), "outliers", "note", detail)


def two_modes(times: Floats) -> tuple[float, float, float] | None:
    """Means of two clumps, and the share of the upper one, where they explain most of the variance; else None.

    The split is the one that explains most (N. Otsu, IEEE Trans. Syst. Man Cybern. 9, 1979).
    """
    ordered = np.sort(times)
    n = len(ordered)
    below = np.arange(1, n) / n
    lower = np.cumsum(ordered)[:-1] / np.arange(1, n)
    mean = ordered.mean()
    upper = (n * mean - lower * np.arange(1, n)) / np.arange(n - 1, 0, -1)
    explained = below * (1.0 - below) * (upper - lower) ** 2 / ordered.var()
    best = int(np.argmax(explained))
    share = 1.0 - float(below[best])
    if explained[best] < _MODES or min(share, 1.0 - share) < _LEAST_MODE:
        return None
    return float(lower[best]), float(upper[best]), share


def _interruptions(samples: Samples) -> Iterator[Finding]:
    known = np.nonzero(np.isfinite(samples.involuntary_switches))[0]
    for at in _groups(known, samples.part[known], samples.cut[known]):
        share = float(np.mean(samples.involuntary_switches[at] > 0.0))
        if share > 0.2:
            detail = f"{share:.0%} of the samples were interrupted by other work on the processor"
            yield Finding(*_place(samples, at), "interruptions", "note", detail)


def _series(samples: Samples, nominal: Floats) -> list[Integers]:
    """Rows of each part, cut, clock and session, in the order of measurement."""
    rows = np.lexsort((samples.order,))
    return _groups(rows, samples.part[rows], samples.cut[rows], nominal[rows], samples.session[rows])


def _groups(rows: Integers, *keys: Integers | Floats) -> list[Integers]:
    """The rows with equal keys, ascending by key, in the order given; NaN equals NaN."""
    if len(rows) == 0:
        return []
    codes = [np.unique(key, return_inverse=True)[1].reshape(-1) for key in keys]
    order = np.lexsort(codes[::-1])
    changed = np.any([np.diff(code[order]) != 0 for code in codes], axis=0)
    return np.split(rows[order], np.nonzero(changed)[0] + 1)


def _place(samples: Samples, at: Integers) -> tuple[int, Part]:
    return int(samples.cut[at[0]]), PARTS[int(samples.part[at[0]])]


def _clock(frequency_hz: float) -> str:
    return f" at {frequency_hz:.4g} Hz" if np.isfinite(frequency_hz) else ""

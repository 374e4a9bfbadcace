"""What in samples and fits speaks against resting a plan on them."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from solvers.arrays import Floats, Integers
from solvers.measurement.samples import (
    ENOUGH_SAMPLES,
    FEWEST_SAMPLES,
    PARTS,
    SAME_CLOCK,
    Part,
    Samples,
    groups,
)
from solvers.measurement.times import PartTimes
from solvers.stationarity import difference_p_value, significant, wander

Severity = Literal["note", "warning"]
MOST_SERIES = 20_000
_MISFIT = 0.02  # relative distance from the fit that matters
_WANDER_STD = 0.5  # a mean that moves by less costs Cantelli's margin next to nothing
_MODES = (
    0.8  # two tight clumps explain this much of the variance; a uniform law 0.75, a normal one 0.64
)
_LEAST_MODE = 0.05
_FAR_OUT = 10.0  # robust standard deviations


@dataclass(frozen=True, slots=True)
class Finding:
    """What a look at the samples found."""

    cut: int | None
    part: Part | None
    check: str
    severity: Severity
    detail: str


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
        detail = (
            "the time does not fall with the clock: no speed follows from it, only the clocks"
            " measured are kept"
        )
        yield Finding(cut, part, "fit", "warning", detail)
    if times.fit.misfit_p_value < 0.01:
        detail = (
            f"cycles/f + overhead misses the mean at a clock by {times.fit.misfit:.1%} "
            f"(p = {times.fit.misfit_p_value:.1g}); the miss is counted into variance_s2"
        )
        yield Finding(cut, part, "fit", "warning" if times.fit.misfit > _MISFIT else "note", detail)


def _counts(samples: Samples, nominal: Floats) -> Iterator[Finding]:
    rows = np.arange(len(samples))
    for at in groups(rows, samples.part, samples.cut, nominal):
        if len(at) < ENOUGH_SAMPLES:
            clock = _clock(nominal[at[0]])
            left = " and are left out of the levels" if len(at) < FEWEST_SAMPLES else ""
            detail = f"only {len(at)} samples{clock}: their variance is uncertain{left}"
            yield Finding(*_place(samples, at), "samples", "warning", detail)


def _clocks(samples: Samples) -> Iterator[Finding]:
    rows = np.nonzero(np.isfinite(samples.frequency_hz) & np.isfinite(samples.requested_hz))[0]
    off = np.abs(samples.frequency_hz[rows] / samples.requested_hz[rows] - 1.0) > SAME_CLOCK
    for at in groups(rows[off], samples.part[rows[off]], samples.cut[rows[off]]):
        worst = at[np.argmax(np.abs(samples.frequency_hz[at] / samples.requested_hz[at] - 1.0))]
        detail = (
            f"{len(at)} samples ran at another clock than was asked for, e.g. at"
            f" {samples.frequency_hz[worst]:.4g} Hz instead of {samples.requested_hz[worst]:.4g}"
            " Hz: the measured clock is used"
        )
        yield Finding(*_place(samples, at), "clock", "warning", detail)


def _drifts(samples: Samples, nominal: Floats, series: list[Integers]) -> Iterator[Finding]:
    found = [wander(samples.time_s[at]) for at in series]
    for at, moved, refuted in zip(
        series, found, significant([one.p_value for one in found]), strict=True
    ):
        if refuted:
            detail = (
                f"session {samples.session[at[0]]} was not steady{_clock(nominal[at[0]])}: means of"
                f" its quarters moved from {moved.low:+.1%} to {moved.high:+.1%} (p ="
                f" {moved.p_value:.1g})"
            )
            severity: Severity = "warning" if moved.range_std > _WANDER_STD else "note"
            yield Finding(*_place(samples, at), "drift", severity, detail)
    # What slows one cut slows all: measured in turn, they make one long series with far more to
    # see.
    together = _machine(samples, series)
    moves = [wander(values, most=64) for values, _ in together]
    for (_, session), moved, refuted in zip(
        together, moves, significant([m.p_value for m in moves]), strict=True
    ):
        if refuted:
            detail = (
                f"session {session} was not steady over all its cuts: means of its quarters lie up"
                f" to {moved.range_std:.2g} standard deviations apart (p = {moved.p_value:.1g})"
            )
            yield Finding(
                None, None, "drift", "warning" if moved.range_std > _WANDER_STD else "note", detail
            )


def _machine(samples: Samples, series: list[Integers]) -> list[tuple[Floats, int]]:
    """All times of each session in order, each in standard deviations from the mean of its
    series.
    """
    score = np.full(len(samples), np.nan)
    for at in series:
        times = samples.time_s[at]
        if len(at) >= FEWEST_SAMPLES and np.ptp(times) > 0.0 and samples.order[at[0]] >= 0:
            score[at] = (times - times.mean()) / times.std()
    rows = np.nonzero(np.isfinite(score))[0]
    rows = rows[np.lexsort((samples.order[rows], samples.session[rows]))]
    # Moved up from 0: relative block means have no meaning for scores.
    return [
        (score[at] + 100.0, int(samples.session[at[0]]))
        for at in groups(rows, samples.session[rows])
    ]


def _sessions(samples: Samples, nominal: Floats, series: list[Integers]) -> Iterator[Finding]:
    pairs = []
    for before, after in itertools.pairwise(series):
        same = all(column[before[0]] == column[after[0]] for column in (samples.part, samples.cut))
        clock = nominal[[before[0], after[0]]]
        if (
            same
            and (clock[0] == clock[1] or np.isnan(clock).all())
            and min(len(before), len(after)) >= FEWEST_SAMPLES
        ):
            pairs.append((before, after))
    p_values = [
        difference_p_value(samples.time_s[before], samples.time_s[after]) for before, after in pairs
    ]
    for (before, after), p_value, refuted in zip(
        pairs, p_values, significant(p_values), strict=True
    ):
        if not refuted:
            continue
        first, second = samples.time_s[before], samples.time_s[after]
        moved, spread = (
            float(second.mean() - first.mean()),
            float(np.sqrt(0.5 * (first.var() + second.var()))),
        )
        detail = (
            f"sessions {samples.session[before[0]]} and {samples.session[after[0]]}"
            f" disagree{_clock(nominal[after[0]])}: the mean moved by {moved / first.mean():+.1%}"
            f" (p = {p_value:.1g})"
        )
        severity: Severity = "warning" if abs(moved) > _WANDER_STD * spread else "note"
        yield Finding(*_place(samples, after), "sessions", severity, detail)


def _shapes(samples: Samples, nominal: Floats) -> Iterator[Finding]:
    for at in groups(np.arange(len(samples)), samples.part, samples.cut, nominal):
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
            shared = float(
                np.sum((times[far] - times.mean()) ** 2) / np.sum((times - times.mean()) ** 2)
            )
            detail = (
                f"{int(far.sum())} of {len(at)} samples{_clock(nominal[at[0]])} lie far out, up to"
                f" {times.max():.3g} s over a median of {centre:.3g} s, and make {shared:.0%} of"
                " the variance; they are kept"
            )
            yield Finding(*_place(samples, at), "outliers", "note", detail)


def two_modes(times: Floats) -> tuple[float, float, float] | None:
    """Means of two clumps, and the share of the upper one, where they explain most of the variance;
    else None.

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
    for at in groups(known, samples.part[known], samples.cut[known]):
        share = float(np.mean(samples.involuntary_switches[at] > 0.0))
        if share > 0.2:
            detail = f"{share:.0%} of the samples were interrupted by other work on the processor"
            yield Finding(*_place(samples, at), "interruptions", "note", detail)


def _series(samples: Samples, nominal: Floats) -> list[Integers]:
    """Rows of each part, cut, clock and session, in the order of measurement."""
    rows = np.lexsort((samples.order,))
    return groups(rows, samples.part[rows], samples.cut[rows], nominal[rows], samples.session[rows])


def _place(samples: Samples, at: Integers) -> tuple[int, Part]:
    return int(samples.cut[at[0]]), PARTS[int(samples.part[at[0]])]


def _clock(frequency_hz: float) -> str:
    return f" at {frequency_hz:.4g} Hz" if np.isfinite(frequency_hz) else ""

"""What in a fit of power speaks against resting a plan on it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from solvers.measurement.power_law import PowerFit
from solvers.measurement.power_terms import ENOUGH_CLOCKS, FEWEST_CLOCKS

MISFIT = 0.1  # relative error of the energy at half of the samples that matters
WIDE_EXPONENT = 1.0
WIDE_POWER = 0.5  # of the power at the largest clock
ENOUGH_SAMPLES = 3  # at a clock


@dataclass(frozen=True, slots=True)
class PowerFinding:
    """What a look at the samples and their fit found."""

    check: str
    severity: Literal["note", "warning"]
    detail: str
    frequency_hz: float | None = None


def power_findings(fit: PowerFit) -> list[PowerFinding]:
    """Everything doubtful, warnings first."""
    found = [*_suspicious(fit), *_clocks(fit), *_law(fit), *_intervals(fit)]
    found += [PowerFinding("unknown", "note", words) for words in fit.unknown]
    return sorted(found, key=lambda finding: finding.severity != "warning")


def _suspicious(fit: PowerFit) -> Iterator[PowerFinding]:
    for one in fit.suspicious:
        likely = "" if np.isnan(one.likely_hz) else f": {one.likely_hz:.4g} Hz would"
        yield PowerFinding(
            "clock",
            "warning",
            f"took {one.time_s:.4g} s where {one.expected_s:.4g} s are expected at this clock"
            f" ({one.deviation:+.0%}){likely}; did the clock run that was asked for?",
            one.frequency_hz,
        )
    if fit.left_out:
        yield PowerFinding("clock", "note", f"{fit.left_out} samples at such clocks are left out")


def _clocks(fit: PowerFit) -> Iterator[PowerFinding]:
    count = len(fit.clocks)
    if FEWEST_CLOCKS <= count < ENOUGH_CLOCKS:
        yield PowerFinding(
            "clocks",
            "warning",
            f"{count} clocks: a law over the clock wants at least {ENOUGH_CLOCKS}, far apart",
        )
    for one in fit.clocks:
        if one.samples < ENOUGH_SAMPLES:
            yield PowerFinding(
                "samples",
                "note",
                f"{one.samples} samples, few to tell how far they can be believed",
                one.frequency_hz,
            )
        if one.power_w == 0.0:
            yield PowerFinding(
                "power", "warning", "no power is left above idle and start-up", one.frequency_hz
            )


def _law(fit: PowerFit) -> Iterator[PowerFinding]:
    if fit.errors is None:
        return
    if fit.errors.median > MISFIT:
        yield PowerFinding(
            "fit",
            "warning",
            f"half of the samples are off the law by more than {fit.errors.median:.0%}: send"
            " workloads apart, or use level_power_w",
        )
    if fit.outliers:
        yield PowerFinding(
            "outliers",
            "note",
            f"{len(fit.outliers)} samples are far off the law, by up to {fit.errors.largest:.0%};"
            " they are kept",
        )
    if fit.stray is not None:
        yield PowerFinding(
            "stray",
            "note",
            f"the means of {fit.stray}s are farther from the law than their samples explain;"
            " intervals are by these means",
        )


def _intervals(fit: PowerFit) -> Iterator[PowerFinding]:
    if fit.law is None or fit.intervals is None:
        return
    low, high = fit.intervals.power_exponent
    if high - low > WIDE_EXPONENT:
        yield PowerFinding(
            "intervals",
            "warning",
            f"power_exponent is anywhere from {low:.2f} to {high:.2f}: do not use the law beyond"
            " the measured clocks",
        )
    top = float(fit.law.power_w(np.array([fit.clocks[-1].frequency_hz]))[0])
    low, high = fit.intervals.static_power_w
    if high - low > WIDE_POWER * top:
        yield PowerFinding(
            "intervals",
            "warning",
            f"static_power_w is anywhere from {low:.3g} to {high:.3g} W, of {top:.3g} W at the"
            " largest clock",
        )

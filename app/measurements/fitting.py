"""From samples to the entries of a timing, with everything that speaks against them."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from app.errors import FieldError, InvalidRequest
from app.measurements.files import SampleTable
from app.profiles.schemas.device import Device
from app.profiles.schemas.model import Model
from app.profiles.schemas.profile import ProcessorKind
from app.profiles.schemas.server import Server
from app.profiles.schemas.timing import Timing, TimingCut, TimingLevel
from app.samples.behind import clocks_of
from solvers.arrays import Floats
from solvers.measurement.findings import MOST_SERIES, Finding, findings, fit_findings, series_count
from solvers.measurement.fit import Fit
from solvers.measurement.pairing import Pairing, pairings
from solvers.measurement.samples import FEWEST_SAMPLES, PARTS, SAME_CLOCK
from solvers.measurement.times import FEWEST_CLOCKS, PartTimes, times_of

_MOST_LEVELS = 1000  # of a timing's entry
_LEAST_TIME_S = 1e-12
# FLOP per cycle of real processors running real networks: from a microcontroller to the largest
# accelerators.
_LEAST_RATE, _LARGEST_RATE = 0.02, 1e5
_LONG_S = 100.0
_SAME_FACTOR = 3.0  # a ratio within this of 1000 or 10^6 smells of a unit
_UNITS = {
    1e3: "milliseconds",
    1e6: "microseconds",
    1e-3: "thousands of seconds",
    1e-6: "millions of seconds",
}


@dataclass(frozen=True, slots=True)
class Subject:
    """What was measured, and what was known of it."""

    processor: Device | Server
    model: Model
    previous: Timing | None

    @property
    def kind(self) -> ProcessorKind:
        """Which part of the network the processor runs."""
        return "device" if isinstance(self.processor, Device) else "server"

    @property
    def flop(self) -> Floats:
        """What that part computes, by cut."""
        before = np.array([cut.flop for cut in self.model.cuts], dtype=np.float64)
        return before if self.kind == "device" else before[-1] - before

    def idle(self, cut: int) -> bool:
        """Whether that part is empty at a cut, by what its first and last mean."""
        return (
            cut == (0 if self.kind == "device" else len(self.model.cuts) - 1)
            and self.flop[cut] == 0.0
        )


@dataclass(frozen=True, slots=True)
class Fitted:
    """The entries of a timing and what they rest on."""

    cuts: tuple[TimingCut, ...]
    quality: list[Finding]
    measured: list[dict[str, Any]]  # of each cut with samples, as answered
    samples: int


def fitted(sheet: SampleTable, subject: Subject) -> Fitted:
    """Fit every cut. Raises InvalidRequest where the samples cannot carry a timing."""
    _refuse(_misplaced(sheet, subject))
    kind = subject.kind
    own = sheet.samples.part == PARTS.index(kind)
    if not own.any():
        detail = (
            f"there are no samples of the {kind}'s part, which is what {subject.processor.name!r}"
            " runs"
        )
        raise InvalidRequest([FieldError("/sessions" if sheet.places else "", detail)])
    quality: list[Finding] = []
    nominal, clocked = _clocks(sheet, subject, quality)
    samples = sheet.samples.take(own)
    if series_count(samples, nominal[own]) > MOST_SERIES:
        detail = (
            f"more than {MOST_SERIES} combinations of cut, clock and session: send them in several"
            " measurements"
        )
        raise InvalidRequest([FieldError("", detail)])
    times = times_of(samples, nominal[own], subject.flop, fits=kind == "device" and clocked)
    correlation = pairings(sheet.samples, nominal)
    _refuse(_unusable(sheet, subject, times))
    quality += findings(samples, nominal[own])
    quality += [finding for cut, one in times.items() for finding in fit_findings(kind, cut, one)]
    quality += _few_clocks(subject, times)
    quality += _units(subject, times)
    cuts = tuple(
        _entry(m, subject, times.get(m), correlation.get(m), quality)
        for m in range(len(subject.model.cuts))
    )
    return Fitted(
        cuts=cuts,
        quality=sorted(quality, key=lambda finding: finding.severity != "warning"),
        measured=[_told(m, subject, one, correlation.get(m)) for m, one in sorted(times.items())],
        samples=int(own.sum()),
    )


def _refuse(faults: Iterator[FieldError]) -> None:
    if found := list(faults):
        raise InvalidRequest(found)


def _misplaced(sheet: SampleTable, subject: Subject) -> Iterator[FieldError]:
    samples, cuts = sheet.samples, len(subject.model.cuts)
    seen: set[str] = set()
    for row in np.nonzero(samples.cut >= cuts)[0][:100_000].tolist():
        pointer = sheet.pointer(row, "cut")
        if pointer not in seen and len(seen) < 100:
            seen.add(pointer)
            yield FieldError(
                pointer, f"the model {subject.model.name!r} has the cuts 0 to {cuts - 1}"
            )
    if seen:
        return
    own = samples.part == PARTS.index(subject.kind)
    vanishing = own & (samples.time_s < _LEAST_TIME_S)
    vanishing &= (samples.time_s > 0.0) | (subject.flop[samples.cut] > 0.0)
    for row in np.nonzero(vanishing)[0][:100].tolist():
        yield FieldError(
            sheet.pointer(row, "time_s"),
            "nothing is computed in no time: was the clock too coarse, or the unit wrong?",
        )


def _clocks(sheet: SampleTable, subject: Subject, quality: list[Finding]) -> tuple[Floats, bool]:
    """The clock of every row, and whether all of the device's were measured."""
    samples, processor = sheet.samples, subject.processor
    if not isinstance(processor, Device):
        nominal = clocks_of(samples.frequency_hz, samples.requested_hz, None)
        own = nominal[samples.part == PARTS.index("server")]
        if len(clocks := np.unique(own[np.isfinite(own)])) > 1:
            detail = f"{len(clocks)} clocks are mixed: a server's timing knows no clock"
            quality.append(Finding(None, "server", "clock", "warning", detail))
        return nominal, True
    nominal = clocks_of(samples.frequency_hz, samples.requested_hz, processor)
    own = samples.part == PARTS.index("device")
    lost = np.nonzero(own & np.isnan(nominal))[0]
    if len(lost):
        pointer = sheet.pointer(int(lost[0]), "frequency_hz")
        detail = (
            f"the clock is not known, and {processor.name!r} has more than one: measure it, or say"
            " requested_hz"
        )
        raise InvalidRequest([FieldError(pointer, detail)])
    low, high = (
        processor.frequency_min_hz * (1.0 - SAME_CLOCK),
        processor.frequency_max_hz * (1.0 + SAME_CLOCK),
    )
    outside = own & ((nominal < low) | (nominal > high))
    if outside.any():
        row = int(np.nonzero(outside)[0][0])
        clock = float(nominal[row])
        detail = (
            f"{clock:.4g} Hz is no clock of {processor.name!r} ({low:.4g} to {high:.4g} Hz)"
            + _clock_unit(clock, processor)
        )
        if outside[own].all():
            field = "frequency_hz" if np.isfinite(samples.frequency_hz[row]) else "requested_hz"
            raise InvalidRequest([FieldError(sheet.pointer(row, field), detail)])
        quality.append(
            Finding(None, "device", "clock", "warning", f"{int(outside.sum())} samples: {detail}")
        )
    guessed = own & np.isnan(samples.frequency_hz)
    if guessed.any():
        asked = np.isfinite(samples.requested_hz[guessed]).all()
        what = (
            "the clock asked for is taken instead" if asked else "the device's only clock is taken"
        )
        detail = (
            f"the clock of {int(guessed.sum())} samples was not measured: {what}, and no law over"
            " clocks is fitted"
        )
        quality.append(Finding(None, "device", "clock", "warning" if asked else "note", detail))
    return nominal, not guessed.any()


def _clock_unit(clock_hz: float, device: Device) -> str:
    for factor, unit in ((1e3, "kHz"), (1e6, "MHz"), (1e9, "GHz")):
        if device.frequency_min_hz / 2.0 <= clock_hz * factor <= device.frequency_max_hz * 2.0:
            return f": is it in {unit}?"
    return ""


def _unusable(
    sheet: SampleTable, subject: Subject, times: dict[int, PartTimes]
) -> Iterator[FieldError]:
    """Cuts that have too few samples, or none and nothing to keep."""
    kept = _kept(subject)
    for m in range(len(subject.model.cuts)):
        one = times.get(m)
        if one is None:
            if kept is None and not subject.idle(m):
                detail = (
                    f"cut {m} has no samples of the {subject.kind}'s part, and no measured revision"
                    " has them"
                )
                yield FieldError("/sessions" if sheet.places else "", detail)
        elif len(one.levels) > _MOST_LEVELS:
            yield FieldError(
                "", f"cut {m} was measured at {len(one.levels)} clocks, {_MOST_LEVELS} at most"
            )
        elif not _enough(one, subject):
            own = (sheet.samples.part == PARTS.index(subject.kind)) & (sheet.samples.cut == m)
            pointer = sheet.pointer(int(np.nonzero(own)[0][0]), "time_s")
            at = " at any clock" if subject.kind == "device" else ""
            detail = (
                f"cut {m} has fewer than {FEWEST_SAMPLES} samples{at} ({one.count} in all): no"
                " variance follows"
            )
            yield FieldError(pointer.rsplit("/", 1)[0] if sheet.places else pointer, detail)


def _enough(one: PartTimes, subject: Subject) -> bool:
    return bool(one.levels) if subject.kind == "device" else one.count >= FEWEST_SAMPLES


def _kept(subject: Subject) -> Timing | None:
    """The revision whose entries stand where nothing new was measured: only measured ones do."""
    previous = subject.previous
    fits = previous is not None and len(previous.cuts) == len(subject.model.cuts)
    return previous if fits and previous is not None and previous.measured is not None else None


def _few_clocks(subject: Subject, times: dict[int, PartTimes]) -> Iterator[Finding]:
    processor = subject.processor
    if (
        not isinstance(processor, Device)
        or processor.frequency_min_hz == processor.frequency_max_hz
    ):
        return
    for m, one in times.items():
        if one.fit is None and len(one.levels) < FEWEST_CLOCKS and one.mean_s > 0.0:
            detail = (
                f"{len(one.levels)} clocks are too few for a fit ({FEWEST_CLOCKS}): plans can run"
                " the device at these"
            )
            yield Finding(m, "device", "clocks", "note", detail + " alone")


def _units(subject: Subject, times: dict[int, PartTimes]) -> Iterator[Finding]:
    """Numbers that smell of a wrong unit."""
    if not times:
        return
    kind, processor = subject.kind, subject.processor
    m, one = max(times.items(), key=lambda entry: (subject.flop[entry[0]], entry[1].mean_s))
    if one.mean_s > _LONG_S:
        yield Finding(
            m,
            kind,
            "units",
            "warning",
            f"{one.mean_s:g} s on average: are the times in milliseconds?",
        )
    elif subject.flop[m] > 0.0 and one.mean_s > 0.0:
        if isinstance(processor, Device):
            rate = subject.flop[m] / (one.levels[-1].mean_s * one.levels[-1].frequency_hz)
            told = f"{rate:.3g} FLOP per cycle"
        else:
            rate = subject.flop[m] / one.mean_s / processor.capacity_flop_per_s * 100.0
            told = f"{rate:.3g} % of the capacity of {processor.name!r}"
        if rate < _LEAST_RATE:
            yield Finding(
                m, kind, "units", "warning", f"{told}: are the times in milliseconds, not seconds?"
            )
        elif rate > (_LARGEST_RATE if isinstance(processor, Device) else 300.0):
            yield Finding(
                m, kind, "units", "warning", f"{told}: faster than such a processor can be"
            )
    ratio = _ratio(subject, m, one)
    for factor, unit in _UNITS.items():
        if ratio is not None and factor / _SAME_FACTOR < ratio < factor * _SAME_FACTOR:
            detail = (
                f"{ratio:.3g} times what the latest revision says: are the times in {unit}, not"
                " seconds?"
            )
            yield Finding(m, kind, "units", "warning", detail)


def _ratio(subject: Subject, m: int, one: PartTimes) -> float | None:
    """New over old mean at a cut."""
    if subject.previous is None or m >= len(subject.previous.cuts):
        return None
    before = subject.previous.cuts[m]
    if before.mean_s is not None:
        old, new = before.mean_s, one.mean_s
    else:
        level = one.levels[-1]
        new = level.mean_s
        if before.flop_per_cycle is not None:
            old = float(subject.flop[m]) / before.flop_per_cycle / level.frequency_hz + (
                before.overhead_s or 0.0
            )
        else:
            assert before.levels is not None
            old = min(
                before.levels, key=lambda some: abs(some.frequency_hz - level.frequency_hz)
            ).mean_s
    return new / old if old > 0.0 else None


def _entry(
    m: int, subject: Subject, one: PartTimes | None, pairing: Pairing | None, quality: list[Finding]
) -> TimingCut:
    if one is None and not subject.idle(m):
        kept, said = _kept(subject), "no new samples: the latest revision's entry stays"
        assert kept is not None
        quality.append(Finding(m, subject.kind, "kept", "note", said))
        return kept.cuts[m]
    if one is None or (subject.idle(m) and one.worst_s == 0.0):
        # Nothing runs: the time is 0 at any clock, whatever the speed.
        return TimingCut(
            **({"flop_per_cycle": 1.0} if subject.kind == "device" else {"mean_s": 0.0}),
            variance_s2=0.0,
        )
    shared = {"samples": one.count, "correlation": pairing.correlation if pairing else None}
    if subject.kind == "server":
        # Rounding may put the mean of equal times a hair above the largest.
        return TimingCut(
            mean_s=one.mean_s,
            variance_s2=one.variance_s2,
            worst_s=max(one.worst_s, one.mean_s),
            **shared,
        )
    return _device_entry(subject.flop[m], one, shared)


def _device_entry(flop: float, one: PartTimes, shared: dict[str, Any]) -> TimingCut:
    """Levels, and a speed where the times say one."""
    levels = tuple(
        TimingLevel(
            frequency_hz=level.frequency_hz,
            mean_s=level.mean_s,
            variance_s2=level.variance_s2,
            worst_s=max(level.worst_s, level.mean_s),
            samples=level.count,
        )
        for level in one.levels
    )
    speed = _flop_per_cycle(flop, one.fit.cycles) if one.fit else None
    if one.fit is None or speed is None:
        return TimingCut(levels=levels, **shared)
    return TimingCut(
        flop_per_cycle=speed,
        overhead_s=one.fit.overhead_s,
        variance_s2=one.about_fit_s2,
        worst_s=one.beyond_fit_s,
        levels=levels,
        **shared,
    )


def _flop_per_cycle(flop: float, cycles: float) -> float | None:
    """The speed; any will do where nothing is computed, none where the time does not depend on the
    clock.
    """
    if flop == 0.0:
        return 1.0
    return float(flop) / cycles if cycles > 0.0 else None


def _told(m: int, subject: Subject, one: PartTimes, pairing: Pairing | None) -> dict[str, Any]:
    return {
        "cut": m,
        "part": subject.kind,
        "samples": one.count,
        "mean_s": one.mean_s,
        "variance_s2": one.variance_s2,
        "worst_s": one.worst_s,
        "levels": [
            {
                "frequency_hz": None if math.isnan(level.frequency_hz) else level.frequency_hz,
                "samples": level.count,
                "mean_s": level.mean_s,
                "variance_s2": level.variance_s2,
                "worst_s": level.worst_s,
            }
            for level in one.levels
        ],
        "fit": _told_fit(float(subject.flop[m]), one.fit) if one.fit else None,
        "correlation": (
            pairing
            and {
                "pairs": pairing.pairs,
                "correlation": pairing.correlation,
                "interval": list(pairing.interval),
            }
        ),
    }


def _told_fit(flop: float, fit: Fit) -> dict[str, Any]:
    low, high = fit.cycles_interval
    scales = flop > 0.0 and high > 0.0
    return {
        "clocks": fit.clocks,
        "cycles": fit.cycles,
        "cycles_error": fit.cycles_error,
        "cycles_interval": [low, high],
        "flop_per_cycle": flop / fit.cycles if flop > 0.0 and fit.cycles > 0.0 else None,
        "flop_per_cycle_interval": (
            [flop / high, flop / low if low > 0.0 else None] if scales else None
        ),
        "overhead_s": fit.overhead_s,
        "overhead_error_s": fit.overhead_error_s,
        "overhead_interval_s": list(fit.overhead_interval_s),
        "misfit": fit.misfit,
        "misfit_p_value": None if math.isnan(fit.misfit_p_value) else fit.misfit_p_value,
    }

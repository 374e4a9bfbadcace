"""From times of the whole network to the entries of a timing."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from app.catalogue.service import shipped
from app.errors import FieldError, InvalidRequest
from app.measurements.estimates.atlas import Sharing, shared
from app.measurements.estimates.schemas import SAME_CLOCK, TimingEstimate, WholeTime
from app.profiles.schemas.device import Device
from app.profiles.schemas.model import Model
from app.profiles.schemas.profile import ProcessorKind
from app.profiles.schemas.server import Server
from app.profiles.schemas.timing import ClockLaw, Estimated, Timing, TimingCut, TimingLevel
from solvers.arrays import Floats
from solvers.measurement.fit import fit


@dataclass(frozen=True, slots=True)
class _Law:
    """Time of the whole network over the clock: cycles / f + overhead_s."""

    cycles: float
    overhead_s: float


@dataclass(frozen=True, slots=True)
class _Part:
    """What lies on one side of a cut: its share of the time, the most that may be, and the root of
    the mean square error.
    """

    whole: "_Whole"
    share: float
    most: float
    off: float

    def mean_s(self, time_s: float) -> float:
        """Where the whole network takes `time_s`."""
        return _digits(self.share * time_s)

    def variance_s2(self, time_s: float) -> float:
        """From one inference to the next, and because its share is not known."""
        return _digits((self.share * self.whole.std_s) ** 2 + (self.off * time_s) ** 2)

    def worst_s(self, time_s: float) -> float | None:
        """As much of the slowest inference as the share may be."""
        excess_s = self.whole.worst_excess_s
        if excess_s is None:
            return None
        return max(_digits(self.most * (time_s + excess_s)), self.mean_s(time_s))


@dataclass(frozen=True, slots=True)
class _Whole:
    """The whole network: how its time is shared out, varies, and depends on the clock."""

    sharing: Sharing
    std_s: float
    worst_excess_s: float | None  # of the slowest inference over the mean
    points: tuple[WholeTime, ...]
    law: _Law | None

    def parts(self, *, before: bool) -> Iterator[_Part]:
        """Of each cut, what lies before it, or after."""
        errors, share = self.sharing.errors, self.sharing.share
        low, high = errors.interval(share)
        mine, most = (share, high) if before else (1.0 - share, 1.0 - low)
        for values in zip(mine, most, errors.deviation(share), strict=True):
            yield _Part(self, *(float(value) for value in values))


def estimated_timing(wanted: TimingEstimate, processor: Device | Server, model: Model) -> Timing:
    """The timing that a request's times make.

    Raises InvalidRequest where they do not fit the processor or the model.
    """
    kind: ProcessorKind = "device" if isinstance(processor, Device) else "server"
    if faults := list(_faults(wanted, processor, model)):
        raise InvalidRequest(faults)
    sharing = shared(model, wanted.longest_s, wanted.runtime, wanted.share_by)
    variation = None if wanted.std_s is not None else assumed_variation(kind)
    points = () if kind == "server" else wanted.times
    law, clock_law = _law(wanted, points)
    whole = _Whole(
        sharing=sharing,
        std_s=wanted.longest_s * variation if variation is not None else wanted.std_s or 0.0,
        worst_excess_s=None if wanted.worst_s is None else wanted.worst_s - wanted.longest_s,
        points=points,
        law=law,
    )
    entries = (
        _server_entries(whole, wanted.longest_s)
        if kind == "server"
        else _device_entries(whole, model)
    )
    return Timing(
        name=wanted.name,
        processor=processor.name,
        processor_kind=kind,
        model=model.name,
        cuts=tuple(entries),
        estimated=_told(wanted, sharing, clock_law, variation),
        source_sha256=model.source_sha256,
        provenance="analytic",
        reference=_reference(wanted, sharing, clock_law, variation),
    )


def _told(
    wanted: TimingEstimate, sharing: Sharing, clock_law: ClockLaw, variation: float | None
) -> Estimated:
    errors = sharing.errors
    low, high = errors.interval(sharing.share)
    return Estimated(
        rule=sharing.rule,
        boards=sharing.boards or None,
        runtimes=sharing.runtimes or None,
        share=_rounded(sharing.share),
        share_error_median=_digits(errors.median),
        share_error_p90=_digits(errors.p90),
        share_low=_rounded(low),
        share_high=_rounded(high),
        cases=errors.cases,
        whole_s=wanted.longest_s,
        clock_law=clock_law,
        assumed_variation=variation,
    )


@cache
def assumed_variation(kind: ProcessorKind) -> float:
    """The largest standard deviation, relative to the mean, of the whole networks of the shipped
    timings.
    """
    profiles = {(each.kind, each.name): each for each in shipped()}
    found = []
    for timing in shipped():
        if not isinstance(timing, Timing) or timing.processor_kind != kind:
            continue
        entry = timing.cuts[-1] if kind == "device" else timing.cuts[0]
        mean_s = entry.mean_s or 0.0
        if kind == "device" and entry.flop_per_cycle is not None:
            device, model = profiles["device", timing.processor], profiles["model", timing.model]
            assert isinstance(device, Device)
            assert isinstance(model, Model)
            mean_s = model.cuts[-1].flop / entry.flop_per_cycle / device.frequency_max_hz
            mean_s += entry.overhead_s or 0.0
        if mean_s > 0.0 and entry.variance_s2 is not None:
            found.append(math.sqrt(entry.variance_s2) / mean_s)
    return _digits(max(found))


def _faults(
    wanted: TimingEstimate, processor: Device | Server, model: Model
) -> Iterator[FieldError]:
    if model.cuts[-1].flop == 0:
        yield FieldError(
            "/model", f"{model.name!r} computes nothing: there is no time to share out"
        )
    if isinstance(processor, Server):
        if wanted.points is not None:
            yield FieldError("/points", "a server has no clock here: give time_s")
        for field in ("frequency_hz", "clock_law"):
            if getattr(wanted, field) is not None:
                yield FieldError(f"/{field}", "a server has no clock here: leave it out")
        return
    if wanted.points is None and wanted.frequency_hz is None:
        yield FieldError("/frequency_hz", "is required: a device's time depends on its clock")
        return
    for n, point in enumerate(wanted.points or wanted.times):
        where = "/frequency_hz" if wanted.points is None else f"/points/{n}/frequency_hz"
        yield from _clock_faults(where, point.frequency_hz, wanted, processor)


def _clock_faults(
    where: str, clock_hz: float, wanted: TimingEstimate, device: Device
) -> Iterator[FieldError]:
    low, high = device.frequency_min_hz, device.frequency_max_hz
    if not low * (1.0 - SAME_CLOCK) <= clock_hz <= high * (1.0 + SAME_CLOCK):
        yield FieldError(where, f"{device.name!r} runs at {low:g} to {high:g} Hz")
        return
    levels = device.frequency_levels_hz or ()
    alone = wanted.points is None or len(wanted.points) == 1
    offered = any(abs(level - clock_hz) <= SAME_CLOCK * level for level in levels)
    if levels and alone and not offered and wanted.clock_law != "cycles":
        known = ", ".join(f"{level:g}" for level in levels[:20])
        yield FieldError(
            where,
            f"is none of the clocks of {device.name!r} ({known}), and the time holds at it alone:"
            " give one of these, several points, or the clock_law cycles",
        )


def _law(wanted: TimingEstimate, points: Sequence[WholeTime]) -> tuple[_Law | None, ClockLaw]:
    """Two clocks and more tell cycles and overhead, unless times do not fall with the clock; one
    tells nothing of others but by assumption.
    """
    if not points:
        return None, "none"
    if len(points) > 1:
        clocks, times = (
            np.array([getattr(point, field) for point in points])
            for field in ("frequency_hz", "time_s")
        )
        found = fit(clocks, np.ones_like(clocks), times, np.zeros_like(clocks))
        if found.cycles > 0.0:
            return _Law(found.cycles, found.overhead_s), "cycles_and_overhead"
        return None, "given_clocks"
    if wanted.clock_law == "cycles":
        return _Law(points[0].time_s * points[0].frequency_hz, 0.0), "cycles"
    return None, "given_clocks"


def _device_entries(whole: _Whole, model: Model) -> Iterator[TimingCut]:
    for cut, part in zip(model.cuts, whole.parts(before=True), strict=True):
        levels = tuple(
            TimingLevel(
                frequency_hz=point.frequency_hz,
                mean_s=part.mean_s(point.time_s),
                variance_s2=part.variance_s2(point.time_s),
                worst_s=part.worst_s(point.time_s),
            )
            for point in whole.points
        )
        if whole.law is None:
            yield TimingCut(levels=levels)
            continue
        slowest = levels[0]
        yield TimingCut(
            **_fitted(whole.law, part.share, cut.flop, slowest.mean_s),
            variance_s2=max(level.variance_s2 for level in levels),
            worst_s=slowest.worst_s and _digits(slowest.worst_s - slowest.mean_s),
            levels=levels,
        )


def _fitted(law: _Law, share: float, flop: int, slowest_s: float) -> dict[str, float]:
    """Without FLOP nothing can scale with the clock: the slowest time counts at every one."""
    if flop == 0 or share == 0.0:
        return {"flop_per_cycle": 1.0, "overhead_s": slowest_s if flop == 0 else 0.0}
    return {
        "flop_per_cycle": _digits(flop / (share * law.cycles)),
        "overhead_s": _digits(share * law.overhead_s),
    }


def _server_entries(whole: _Whole, time_s: float) -> Iterator[TimingCut]:
    for part in whole.parts(before=False):
        yield TimingCut(
            mean_s=part.mean_s(time_s),
            variance_s2=part.variance_s2(time_s),
            worst_s=part.worst_s(time_s),
        )


_CLOCK_LAWS: dict[ClockLaw, str] = {
    "given_clocks": "The times hold at these clocks only.",
    "cycles": "Assumed: the cycles of this clock at every other.",
    "cycles_and_overhead": "Between the clocks: cycles / f + overhead, by least squares, both"
    " shared out alike.",
    "none": "",
}
_RULES = {
    "measured_shape": "by the shape of the same network on {boards} ({runtimes})",
    "operator_mix": "by a law of FLOP, bytes of features and of parameters, fitted to networks that"
    " were timed with {runtimes}",
    "flop": "by FLOP",
}


def _reference(
    wanted: TimingEstimate, sharing: Sharing, clock_law: ClockLaw, variation: float | None
) -> str:
    """How the timing was made."""
    given = ", ".join(
        f"{point.time_s:g} s at {point.frequency_hz:g} Hz" for point in (wanted.points or ())[:20]
    )
    if wanted.time_s is not None:
        clock = "" if wanted.frequency_hz is None else f" at {wanted.frequency_hz:g} Hz"
        given = f"{wanted.time_s:g} s{clock}"
    how = _RULES[sharing.rule].format(
        boards=", ".join(sharing.boards), runtimes=", ".join(sharing.runtimes)
    )
    ran = "" if wanted.runtime is None else f" Run with {wanted.runtime}."
    errors = sharing.errors
    varies = (
        f" No spread was given: {100.0 * variation:.2g} % of the time, the largest of the shipped"
        " timings, stands in for it."
        if variation is not None
        else ""
    )
    return (
        f"Estimated from the whole network's time, {given}, shared out over the cuts {how}.{ran}"
        f" Over {errors.cases} networks on boards of the atlas such shares were off by"
        f" {100.0 * errors.median:.1f} points of the whole time at the worst cut (median), nine of"
        f" ten by at most {100.0 * errors.p90:.1f}. {_CLOCK_LAWS[clock_law]}{varies}"
    )[:4000].strip()


def _rounded(shares: Floats) -> tuple[float, ...]:
    return tuple(round(float(each), 6) for each in shares)


def _digits(value: float) -> float:
    """Six digits: more than any of this is known to."""
    return float(f"{value:.6g}")

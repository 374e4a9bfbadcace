"""The measurement file: raw samples by sitting, cut, part and clock, for `POST
/v1/timings/{name}/measurements`.
"""

import json
import os
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from profiler.clocks import TOLERANCE, same
from profiler.journal import SCHEMA_VERSION, Journal, Reading, Visit

PARTS = ("device", "server")


class Steadiness(NamedTuple):
    """What became of the clock.

    Attributes
    ----------
    moved : visits during which it changed; their samples are kept without a clock
    throttled : visits at another clock than the one that was asked for
    wandered : whether visits that asked for nothing saw different clocks
    lowest_hz, highest_hz : of all readings, None where there was none
    """

    visits: int
    moved: int
    throttled: int
    wandered: bool
    lowest_hz: float | None
    highest_hz: float | None

    @property
    def steady(self) -> bool:
        """Whether each sample has the clock it should have."""
        return not (self.moved or self.throttled or self.wandered)

    def told(self) -> str:
        """The same in a sentence."""
        if self.lowest_hz is None or self.highest_hz is None:
            return "the clock cannot be read: whether it was steady is not known"
        span = f"{self.lowest_hz:.6g} to {self.highest_hz:.6g} Hz in {self.visits} visits"
        if self.steady:
            return f"the clock was steady: {span}"
        faults = [
            *([f"changed during {self.moved}"] if self.moved else []),
            *([f"was not the requested one in {self.throttled}"] if self.throttled else []),
            *(["wandered between them"] if self.wandered else []),
        ]
        return f"the clock {', '.join(faults)}: {span}"


def clock_hz(visit: Visit) -> float | None:
    """The clock of a visit [Hz]; None if nobody could read it, the device slept, or it changed
    meanwhile.
    """
    if not visit.before_hz or not visit.after_hz or not same(visit.before_hz, visit.after_hz):
        return None
    return (visit.before_hz + visit.after_hz) / 2.0


def _moved(visit: Visit) -> bool:
    return visit.before_hz is not None and clock_hz(visit) is None


def steadiness(visits: Sequence[Visit]) -> Steadiness:
    """Look at every clock that was read."""
    readings = [hz for visit in visits for hz in (visit.before_hz, visit.after_hz) if hz]
    held = [(visit.requested_hz, hz) for visit in visits if (hz := clock_hz(visit)) is not None]
    free = [hz for requested_hz, hz in held if requested_hz is None]
    return Steadiness(
        visits=len(visits),
        moved=sum(map(_moved, visits)),
        throttled=sum(
            requested_hz is not None and not same(requested_hz, hz) for requested_hz, hz in held
        ),
        wandered=bool(free) and not same(min(free), max(free)),
        lowest_hz=min(readings, default=None),
        highest_hz=max(readings, default=None),
    )


def document(
    journal: Journal,
    model: str,
    model_sha256: str,
    processor: str,
    runtime: dict[str, str],
    moved: bool = True,
) -> dict[str, Any]:
    """The file's content.

    Every sitting is a session: between two of them anything may have happened.

    Visits during which the clock changed have none; without `moved` they are left out.
    """
    kept = [visit for visit in journal.visits if moved or not _moved(visit)]
    return {
        "schema_version": SCHEMA_VERSION,
        "model": model,
        "model_sha256": model_sha256,
        "processor": processor,
        "runtime": runtime,
        "sessions": [
            {"started_at": sitting.started_at, "samples": list(_samples(visits))}
            for number, sitting in enumerate(journal.sittings)
            if (visits := [visit for visit in kept if visit.sitting == number])
        ],
    }


def _samples(visits: Sequence[Visit]) -> Iterator[dict[str, Any]]:
    ordered = sorted(visits, key=lambda visit: (visit.cut, visit.requested_hz or 0.0))
    for (cut, _), group in groupby(ordered, key=lambda visit: (visit.cut, visit.requested_hz)):
        for frequency_hz, members in _by_clock(list(group)):
            for part in PARTS:
                rows = [
                    (visit, reading)
                    for visit in members
                    if (reading := _reading(visit, part)) is not None
                ]
                if rows:
                    yield _sample(cut, part, frequency_hz, rows)


def _sample(
    cut: int, part: str, frequency_hz: float | None, rows: Sequence[tuple[Visit, Reading]]
) -> dict[str, Any]:
    requested_hz = rows[0][0].requested_hz
    return {
        "cut": cut,
        "part": part,
        "frequency_hz": frequency_hz,
        **({} if requested_hz is None else {"requested_hz": requested_hz}),
        "time_s": [reading.time_s for _, reading in rows],
        "cpu_time_s": [reading.cpu_time_s for _, reading in rows],
        "involuntary_switches": [reading.involuntary_switches for _, reading in rows],
        "order": [visit.order for visit, _ in rows],
    }


def _reading(visit: Visit, part: str) -> Reading | None:
    return visit.device if part == "device" else visit.server


def _by_clock(visits: Sequence[Visit]) -> Iterator[tuple[float | None, list[Visit]]]:
    """Visits at one clock, gathered from below into groups no wider than the tolerance; each in its
    order.
    """
    unknown = [visit for visit in visits if clock_hz(visit) is None]
    if unknown:
        yield None, sorted(unknown, key=lambda visit: visit.order)
    known = sorted(
        ((hz, visit) for visit in visits if (hz := clock_hz(visit)) is not None),
        key=lambda pair: pair[0],
    )
    while known:
        limit = known[0][0] * (1.0 + TOLERANCE)
        near = [pair for pair in known if pair[0] <= limit]
        known = known[len(near) :]
        yield (
            sum(hz for hz, _ in near) / len(near),
            sorted((visit for _, visit in near), key=lambda visit: visit.order),
        )


class CutTimes(NamedTuple):
    """Times of a cut over all sittings at one requested clock."""

    cut: int
    requested_hz: float | None
    device_s: NDArray[np.float64]
    server_s: NDArray[np.float64]

    def correlation(self) -> float | None:
        """Of the two halves of the same inferences."""
        if len(self.device_s) != len(self.server_s) or len(self.device_s) < 2:
            return None
        if not (self.device_s.std() and self.server_s.std()):
            return None
        return float(np.corrcoef(self.device_s, self.server_s)[0, 1])


def times(visits: Sequence[Visit]) -> Iterator[CutTimes]:
    """Samples by cut and requested clock, in the order in which they were measured."""
    ordered = sorted(
        visits, key=lambda visit: (visit.cut, visit.requested_hz or 0.0, visit.sitting, visit.order)
    )
    for (cut, requested_hz), group in groupby(
        ordered, key=lambda visit: (visit.cut, visit.requested_hz)
    ):
        members = list(group)
        device, server = (
            np.array(
                [
                    reading.time_s
                    for visit in members
                    if (reading := _reading(visit, part)) is not None
                ]
            )
            for part in PARTS
        )
        yield CutTimes(cut, requested_hz, device, server)


def write(content: dict[str, Any], path: Path) -> None:
    """Write JSON so that the file is there whole or not at all."""
    partial = path.with_name(path.name + ".partial")
    with partial.open("w", encoding="utf-8") as file:
        json.dump(content, file, separators=(",", ":"))
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)

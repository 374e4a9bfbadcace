"""Measured times of one part at one clock, in their order, and what tells which inferences they
were.
"""

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from app import instants
from app.profiles.references import ProfileRef
from app.profiles.schemas.device import Device
from app.profiles.schemas.timing import Timing
from app.samples.behind import clocks_of, measurement_behind
from app.samples.packing import unpack
from app.samples.tables import MeasuredSamplesRow, MeasurementRow
from solvers.arrays import Floats, Integers
from solvers.measurement.samples import PARTS, Part, Samples

_SAME_CLOCK = 1e-6


@dataclass(frozen=True, slots=True)
class Series:
    """Times of one part at one cut and clock."""

    time_s: Floats  # in the order of measurement
    session: Integers
    order: Integers  # within the session; -1: not said
    began: tuple[str | None, ...]  # when each session did
    measured_at: str

    def paired(self, other: "Series") -> Floats | None:
        """Sums of this and another part over the inferences of which both are there, in their
        order; None where nobody says which those are.
        """
        mine, theirs = self._inferences(), other._inferences()
        if not mine or not theirs:
            return None
        both = [key for key in mine if key in theirs]
        return np.array([mine[key] + theirs[key] for key in both]) if both else None

    def _inferences(self) -> dict[tuple[str, int], float]:
        """Times by when their session began and by their order in it."""
        found: dict[tuple[str, int], float] = {}
        for session, order, time_s in zip(
            self.session.tolist(), self.order.tolist(), self.time_s.tolist(), strict=True
        ):
            began = self.began[session] if session < len(self.began) else None
            if began is not None and order >= 0:
                found[began, order] = time_s
        return found


@dataclass(frozen=True, slots=True)
class Measured:
    """The samples of one measurement."""

    samples: Samples
    started_at: tuple[str | None, ...]  # of each session
    measured_at: str


class SampleSource(Protocol):
    """Whoever keeps measurements."""

    def behind(self, ref: ProfileRef, timing: Timing, cut: int) -> Measured | None:
        """What a cut's entry of a timing was fitted to; None where there are no samples."""


@dataclass(slots=True)
class StoredSamples:
    """Measurements of the database, each read once."""

    session: Session
    _read: dict[int, Measured] = field(default_factory=dict)

    def behind(self, ref: ProfileRef, timing: Timing, cut: int) -> Measured | None:
        """As `SampleSource` says."""
        key = measurement_behind(self.session, ref.name, timing, cut)
        if key is None:
            return None
        if key not in self._read:
            row, content = self.session.execute(
                select(MeasurementRow, MeasuredSamplesRow.content)
                .join(MeasuredSamplesRow, MeasuredSamplesRow.measurement_id == MeasurementRow.id)
                .where(MeasurementRow.id == key)
            ).one()
            self._read[key] = Measured(
                unpack(content),
                tuple(instants.texts(row.details.get("started_at"))),
                instants.text(row.summary["measured_at"]),
            )
        return self._read[key]


@dataclass(frozen=True, slots=True)
class SeriesReader:
    """Takes series out of the samples behind timings."""

    source: SampleSource

    def find(
        self,
        ref: ProfileRef,
        timing: Timing,
        part: Part,
        cut: int,
        device: Device | None = None,
        clock_hz: float = float("nan"),
    ) -> Series | None:
        """The samples of a part at a cut, of a device at a clock; None where there are none."""
        measured = self.source.behind(ref, timing, cut)
        if measured is None:
            return None
        samples = measured.samples
        rows = np.nonzero((samples.cut == cut) & (samples.part == PARTS.index(part)))[0]
        if device is not None and np.isfinite(clock_hz):
            clocks = clocks_of(samples.frequency_hz[rows], samples.requested_hz[rows], device)
            rows = rows[np.abs(clocks - clock_hz) <= _SAME_CLOCK * clock_hz]
        if len(rows) == 0:
            return None
        rows = rows[np.lexsort((samples.order[rows], samples.session[rows]))]
        return Series(
            samples.time_s[rows],
            samples.session[rows],
            samples.order[rows],
            measured.started_at,
            measured.measured_at,
        )

"""Measurements as functions: samples in, a new revision out; what was measured, found again."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
from sqlalchemy.orm import Session

from app import instants
from app.db import Database
from app.errors import (
    FieldError,
    InvalidRequest,
    ProfileExists,
    ProfileNotFound,
    StaleRevision,
)
from app.measurements.files import SampleTable
from app.measurements.fitting import Fitted, Subject, fitted
from app.measurements.stored import add, document, hold, profile_id
from app.nearest import is_it, nearest
from app.profiles import missing
from app.profiles import service as profiles
from app.profiles.schemas.device import Device
from app.profiles.schemas.model import Model
from app.profiles.schemas.profile import ProcessorKind
from app.profiles.schemas.server import Server
from app.profiles.schemas.timing import Timing, TimingBasis
from app.profiles.stored import Stored
from app.profiles.timings import PROCESSORS
from app.samples import packing
from app.samples.tables import MeasurementRow
from solvers.measurement.findings import Finding

_MOST_FINDINGS = 1000
_ATTEMPTS = 5
_OLD_S = 90 * 86_400.0


@dataclass(frozen=True, slots=True)
class Header:
    """What a file of samples says of itself, or its address says of it; pointers where each was
    said.
    """

    model: str | None = None
    processor: str | None = None
    processor_kind: ProcessorKind | None = None
    model_sha256: str | None = None
    runtime: dict[str, Any] | None = None
    in_body: bool = True

    def fault(self, field: str, detail: str) -> FieldError:
        """A fault of one of these."""
        return (
            FieldError(f"/{field}", detail)
            if self.in_body
            else FieldError("", detail, parameter=field)
        )


def receive(database: Database, name: str, header: Header, sheet: SampleTable) -> dict[str, Any]:
    """Fit samples and store them with the revision of the timing that comes of them; the answer is
    what `GET` says.

    No transaction is open while samples are looked at. Raises InvalidRequest, StaleRevision.
    """
    for attempt in range(_ATTEMPTS):
        with database.reading() as session:
            subject, stored = _subject(session, name, header)
        found = fitted(sheet, subject)
        try:
            with database.writing() as session:
                return _store(session, name, header, sheet, subject, stored, found)
        except (
            ProfileExists,
            StaleRevision,
            ProfileNotFound,
        ):  # another client revised or deleted it meanwhile
            if attempt == _ATTEMPTS - 1:
                raise
    raise AssertionError("unreachable")


def _subject(session: Session, name: str, header: Header) -> tuple[Subject, Stored[Timing] | None]:
    """What was measured, by the timing that exists and by what came with the samples, which must
    agree.
    """
    try:
        stored = profiles.get(session, Timing, name)
    except ProfileNotFound:
        stored = None
    faults: list[FieldError] = []
    known = stored.body if stored else None
    for field in ("processor", "model", "processor_kind"):
        said, stands = getattr(header, field), getattr(known, field) if known else None
        if said is None and stands is None and field != "processor_kind":
            faults.append(
                header.fault(field, f"is required: the timing {name!r} does not exist yet")
            )
        elif said is not None and stands is not None and said != stands:
            faults.append(
                header.fault(field, f"the timing {name!r} is of {stands!r}, not of {said!r}")
            )
    if faults:
        raise InvalidRequest(faults)
    processor = _processor(session, header, known, faults)
    model_name = known.model if known else str(header.model)
    try:
        model = profiles.get(session, Model, model_name).body
    except ProfileNotFound as absent:
        faults.append(header.fault("model", missing.told(session, absent)))
    else:
        ran, meant = header.model_sha256, model.source_sha256
        if ran is not None and meant is not None and ran != meant:
            detail = (
                f"another file was run: the model {model.name!r} is of the file with digest {meant}"
            )
            faults.append(header.fault("model_sha256", detail))
    if faults:
        raise InvalidRequest(faults)
    assert processor is not None
    return Subject(processor, model, known), stored


def _processor(
    session: Session, header: Header, known: Timing | None, faults: list[FieldError]
) -> Device | Server | None:
    name = known.processor if known else str(header.processor)
    kind = known.processor_kind if known else header.processor_kind
    kinds = PROCESSORS if kind is None else (kind,)
    found = profiles.processors_named(session, name, kind)
    if len(found) == 1:
        return found[0]
    if found:
        faults.append(
            header.fault("processor_kind", f"is required: a device and a server are named {name!r}")
        )
    else:
        faults.append(
            header.fault(
                "processor",
                f"there is no {' or '.join(kinds)} profile named {name!r}"
                f"{is_it(nearest(name, missing.names(session, *kinds)))}",
            )
        )
    return None


def _store(
    session: Session,
    name: str,
    header: Header,
    sheet: SampleTable,
    subject: Subject,
    stored: Stored[Timing] | None,
    found: Fitted,
) -> dict[str, Any]:
    now = datetime.now(UTC)
    began = [start for start in sheet.started_at if start is not None]
    measured_at = max(began).astimezone(UTC) if began else now
    quality = [*found.quality, *_header_findings(header, subject, measured_at, now)]
    _, number = hold(session, name)
    measured = TimingBasis(
        measurement=number,
        samples=found.samples,
        sessions=len(set(np.unique(sheet.samples.session).tolist())),
        measured_at=measured_at,
        doubts=tuple(sorted({one.check for one in quality if one.severity == "warning"})) or None,
    )
    timing = _timing(name, subject, found, measured, header)
    made = (
        profiles.replace(session, timing, {stored.revision})
        if stored
        else profiles.create(session, timing)
    )
    row = MeasurementRow(
        profile_id=profile_id(session, name),
        number=number,
        kind="samples",
        revision=made.revision,
        created_at=now,
        summary=_summary(timing, measured, header),
        details=_details(sheet, found, quality),
    )
    add(session, row, packing.pack(sheet.samples))
    return document(name, row)


def _timing(
    name: str, subject: Subject, found: Fitted, measured: TimingBasis, header: Header
) -> Timing:
    """The profile that the samples make."""
    return Timing(
        name=name,
        processor=subject.processor.name,
        processor_kind=subject.kind,
        model=subject.model.name,
        cuts=found.cuts,
        measured=measured,
        source_sha256=header.model_sha256 or subject.model.source_sha256,
        provenance="measured",
        reference=_reference(
            found.samples, measured.sessions, measured.measured_at, header.runtime
        ),
    )


def _summary(timing: Timing, measured: TimingBasis, header: Header) -> dict[str, Any]:
    """What lists say of a measurement."""
    return {
        "processor": timing.processor,
        "processor_kind": timing.processor_kind,
        "model": timing.model,
        "model_sha256": header.model_sha256,
        "runtime": header.runtime,
        "sessions": measured.sessions,
        "samples": measured.samples,
        "measured_at": instants.text(measured.measured_at),
        "doubts": list(measured.doubts or ()),
    }


def _details(sheet: SampleTable, found: Fitted, quality: Sequence[Finding]) -> dict[str, Any]:
    """What only the measurement itself says: the gravest findings first."""
    listed = sorted(quality, key=lambda finding: finding.severity != "warning")[:_MOST_FINDINGS]
    return {
        "quality": [_told(finding) for finding in listed],
        "cuts": found.measured,
        "measured_cuts": [one["cut"] for one in found.measured],
        "started_at": instants.texts(sheet.started_at),
    }


def _header_findings(
    header: Header, subject: Subject, measured_at: datetime, now: datetime
) -> list[Finding]:
    quality = []
    if subject.model.source_sha256 is not None and header.model_sha256 is None:
        detail = "the samples do not say which model file was run (model_sha256)"
        quality.append(Finding(None, None, "model", "note", detail))
    age_s = (now - measured_at).total_seconds()
    if age_s < -3600.0:
        detail = "measured in the future: is the device's clock wrong?"
        quality.append(Finding(None, None, "age", "warning", detail))
    elif age_s > _OLD_S:
        detail = f"measured {age_s / 86_400.0:.0f} days ago"
        quality.append(Finding(None, None, "age", "note", detail))
    return quality


def _reference(
    samples: int, sessions: int, measured_at: datetime, runtime: dict[str, Any] | None
) -> str:
    ran = "".join(
        f", {name} {value}" for name, value in (runtime or {}).items() if value is not None
    )
    return f"{samples} samples in {sessions} sessions, measured {measured_at:%Y-%m-%d}{ran}"[:4000]


def _told(finding: Finding) -> dict[str, Any]:
    return {
        "cut": finding.cut,
        "part": finding.part,
        "check": finding.check,
        "severity": finding.severity,
        "detail": finding.detail,
    }

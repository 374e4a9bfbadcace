"""Measurements as functions: samples in, a new revision out; what was measured, found again."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.db import Database
from app.errors import (
    FieldError,
    InvalidRequest,
    MeasurementNotFound,
    ProfileExists,
    ProfileNotFound,
    StaleRevision,
)
from app.measurements import files
from app.measurements.files import Sheet
from app.measurements.fitting import Fitted, Subject, clocks_of, fitted
from app.measurements.tables import MeasuredSamplesRow, MeasurementRow
from app.profiles import service as profiles
from app.profiles.references import ProfileRef
from app.profiles.schemas.device import Device
from app.profiles.schemas.model import Model
from app.profiles.schemas.profile import ProcessorKind
from app.profiles.schemas.server import Server
from app.profiles.schemas.timing import Measured, Timing
from app.profiles.tables import ProfileRow
from solvers.arrays import Floats
from solvers.measurement.findings import Finding
from solvers.measurement.samples import Part, Samples
from solvers.measurement.times import standardised

_MOST_FINDINGS = 1000
_ATTEMPTS = 5
_OLD_S = 90 * 86_400.0


@dataclass(frozen=True, slots=True)
class Heading:
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


def receive(database: Database, name: str, heading: Heading, sheet: Sheet) -> dict[str, Any]:
    """Fit samples and store them with the revision of the timing that comes of them; the answer is
    what `GET` says.

    No transaction is open while samples are looked at. Raises InvalidRequest, StaleRevision.
    """
    for attempt in range(_ATTEMPTS):
        with database.reading() as session:
            subject, stored = _subject(session, name, heading)
        found = fitted(sheet, subject)
        try:
            with database.writing() as session:
                return _store(session, name, heading, sheet, subject, stored, found)
        except (
            ProfileExists,
            StaleRevision,
            ProfileNotFound,
        ):  # another client revised or deleted it meanwhile
            if attempt == _ATTEMPTS - 1:
                raise
    raise AssertionError("unreachable")


def list_measurements(session: Session, name: str, after: int, limit: int) -> list[dict[str, Any]]:
    """The measurements of a timing, deleted or not, oldest first, from the first beyond a number.

    Raises ProfileNotFound.
    """
    profile = _profile(session, name)
    columns = select(
        MeasurementRow.number,
        MeasurementRow.kind,
        MeasurementRow.revision,
        MeasurementRow.created_at,
    )
    wanted = columns.add_columns(MeasurementRow.summary).where(
        MeasurementRow.profile_id == profile, MeasurementRow.number > after
    )
    found = session.execute(wanted.order_by(MeasurementRow.number).limit(limit))
    return [heading_of(name, *row[:-1]) | row[-1] for row in found]


def get(session: Session, name: str, number: int) -> dict[str, Any]:
    """A measurement as it was answered, older by now.

    Raises ProfileNotFound, MeasurementNotFound.
    """
    return document(name, _find(session, name, number))


def get_samples(session: Session, name: str, number: int) -> tuple[MeasurementRow, bytes]:
    """A measurement and its raw samples, packed. Raises ProfileNotFound, MeasurementNotFound."""
    row = _find(session, name, number)
    content = session.scalars(
        select(MeasuredSamplesRow.content).where(MeasuredSamplesRow.measurement_id == row.id)
    ).one()
    return row, content


def standardised_times(
    session: Session,
    ref: ProfileRef,
    part: Part,
    cut: int,
    frequency_hz: float | None,
    cache: dict[int, Samples],
) -> Floats | None:
    """Measured times behind a revision with mean 0 and variance 1; None where there are none.

    Samples that were read once stay in `cache`.
    """
    timing = profiles.get(session, Timing, ref.name, ref.revision).body
    if timing.measured is None:
        return None
    profile = _profile(session, ref.name)
    newest = (
        select(MeasurementRow.id, MeasurementRow.details)
        .where(
            MeasurementRow.profile_id == profile,
            MeasurementRow.kind == "samples",
            MeasurementRow.number <= timing.measured.measurement,
        )
        .order_by(MeasurementRow.number.desc())
        .limit(100)
    )
    # A cut that was not measured again kept its entry, and so its samples.
    key = next(
        (key for key, details in session.execute(newest) if cut in details["measured_cuts"]), None
    )
    if key is None:
        return None
    if key not in cache:
        content = session.scalars(
            select(MeasuredSamplesRow.content).where(MeasuredSamplesRow.measurement_id == key)
        )
        cache[key] = files.unpack(content.one())
    samples = cache[key]
    device = (
        profiles.get(session, Device, timing.processor).body
        if part == "device" and frequency_hz is None
        else None
    )
    times = standardised(
        samples,
        clocks_of(samples.frequency_hz, samples.requested_hz, device),
        part,
        cut,
        frequency_hz,
    )
    return times if len(times) else None


def document(name: str, row: MeasurementRow) -> dict[str, Any]:
    """A measurement as it is answered."""
    told = (
        heading_of(name, row.number, row.kind, row.revision, row.created_at)
        | row.summary
        | row.details
    )
    for internal in ("measured_cuts", "started_at"):
        told.pop(internal, None)
    if row.kind == "samples":
        measured_at = datetime.fromisoformat(row.summary["measured_at"])
        told["age_s"] = (datetime.now(UTC) - measured_at).total_seconds()
    return told


def heading_of(
    name: str, number: int, kind: str, revision: int, created_at: datetime
) -> dict[str, Any]:
    """What every measurement says first."""
    return {
        "kind": kind,
        "number": number,
        "timing": name,
        "revision": revision,
        "created_at": created_at,
        "samples_url": f"/v1/timings/{name}/measurements/{number}/samples",
    }


def hold(session: Session, name: str) -> tuple[int | None, int]:
    """The key of a timing (None: it does not exist) and the number of its next measurement.

    Whoever else measures it waits for the end of this transaction.
    """
    wanted = select(ProfileRow.id).where(ProfileRow.kind == Timing.kind, ProfileRow.name == name)
    key = session.scalar(wanted.with_for_update())
    last = session.scalar(
        select(func.max(MeasurementRow.number)).where(MeasurementRow.profile_id == key)
    )
    return key, (last or 0) + 1


def add(session: Session, row: MeasurementRow, content: bytes) -> None:
    """Store a measurement with its raw samples."""
    session.add(row)
    session.flush()
    session.add(MeasuredSamplesRow(measurement_id=row.id, content=content))


def _profile(session: Session, name: str) -> int:
    key = session.scalar(
        select(ProfileRow.id).where(ProfileRow.kind == Timing.kind, ProfileRow.name == name)
    )
    if key is None:
        raise ProfileNotFound(Timing.kind, name)
    return key


def _find(session: Session, name: str, number: int) -> MeasurementRow:
    wanted = select(MeasurementRow).where(
        MeasurementRow.profile_id == _profile(session, name), MeasurementRow.number == number
    )
    row = session.scalars(wanted).one_or_none()
    if row is None:
        raise MeasurementNotFound(name, number)
    return row


def _subject(
    session: Session, name: str, heading: Heading
) -> tuple[Subject, profiles.Stored[Timing] | None]:
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
        said, stands = getattr(heading, field), getattr(known, field) if known else None
        if said is None and stands is None and field != "processor_kind":
            faults.append(
                heading.fault(field, f"is required: the timing {name!r} does not exist yet")
            )
        elif said is not None and stands is not None and said != stands:
            faults.append(
                heading.fault(field, f"the timing {name!r} is of {stands!r}, not of {said!r}")
            )
    if faults:
        raise InvalidRequest(faults)
    processor = _processor(session, heading, known, faults)
    model_name = known.model if known else str(heading.model)
    try:
        model = profiles.get(session, Model, model_name).body
    except ProfileNotFound as absent:
        faults.append(heading.fault("model", absent.detail))
    else:
        ran, meant = heading.model_sha256, model.source_sha256
        if ran is not None and meant is not None and ran != meant:
            detail = (
                f"another file was run: the model {model.name!r} is of the file with digest {meant}"
            )
            faults.append(heading.fault("model_sha256", detail))
    if faults:
        raise InvalidRequest(faults)
    assert processor is not None
    return Subject(processor, model, known), stored


def _processor(
    session: Session, heading: Heading, known: Timing | None, faults: list[FieldError]
) -> Device | Server | None:
    name = known.processor if known else str(heading.processor)
    kind = known.processor_kind if known else heading.processor_kind
    found: list[Device | Server] = []
    schemas: tuple[type[Device] | type[Server], ...] = (Device, Server)
    for schema in schemas:
        if kind in (None, schema.kind):
            try:
                found.append(profiles.get(session, schema, name).body)
            except ProfileNotFound:
                continue
    if len(found) == 1:
        return found[0]
    if found:
        faults.append(
            heading.fault(
                "processor_kind", f"is required: a device and a server are named {name!r}"
            )
        )
    else:
        faults.append(
            heading.fault(
                "processor", f"there is no {kind or 'device or server'} profile named {name!r}"
            )
        )
    return None


def _store(
    session: Session,
    name: str,
    heading: Heading,
    sheet: Sheet,
    subject: Subject,
    stored: profiles.Stored[Timing] | None,
    found: Fitted,
) -> dict[str, Any]:
    now = datetime.now(UTC)
    began = [start for start in sheet.started_at if start is not None]
    measured_at = max(began).astimezone(UTC) if began else now
    quality = [*found.quality, *_heading_findings(heading, subject, measured_at, now)]
    doubts = sorted({finding.check for finding in quality if finding.severity == "warning"})
    _, number = hold(session, name)
    sessions = len(set(np.unique(sheet.samples.session).tolist()))
    timing = Timing(
        name=name,
        processor=subject.processor.name,
        processor_kind=subject.kind,
        model=subject.model.name,
        cuts=found.cuts,
        measured=Measured(
            measurement=number,
            samples=found.samples,
            sessions=sessions,
            measured_at=measured_at,
            doubts=tuple(doubts) or None,
        ),
        provenance="measured",
        reference=_reference(found.samples, sessions, measured_at, heading.runtime),
    )
    made = (
        profiles.replace(session, timing, {stored.revision})
        if stored
        else profiles.create(session, timing)
    )
    listed = sorted(quality, key=lambda finding: finding.severity != "warning")[:_MOST_FINDINGS]
    summary = {
        "processor": timing.processor,
        "processor_kind": timing.processor_kind,
        "model": timing.model,
        "model_sha256": heading.model_sha256,
        "runtime": heading.runtime,
        "sessions": sessions,
        "samples": found.samples,
        "measured_at": measured_at.isoformat(),
        "doubts": doubts,
    }
    details = {
        "quality": [_told(finding) for finding in listed],
        "cuts": found.measured,
        "measured_cuts": [one["cut"] for one in found.measured],
        "started_at": [start and start.astimezone(UTC).isoformat() for start in sheet.started_at],
    }
    row = MeasurementRow(
        profile_id=_profile(session, name),
        number=number,
        kind="samples",
        revision=made.revision,
        created_at=now,
        summary=summary,
        details=details,
    )
    add(session, row, files.pack(sheet.samples))
    return document(name, row)


def _heading_findings(
    heading: Heading, subject: Subject, measured_at: datetime, now: datetime
) -> list[Finding]:
    quality = []
    if subject.model.source_sha256 is not None and heading.model_sha256 is None:
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

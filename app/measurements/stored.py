"""Stored measurements, as they were answered, and their samples."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app import instants
from app.errors import MeasurementNotFound, ProfileNotFound
from app.profiles import service as profiles
from app.profiles.references import ProfileRef
from app.profiles.schemas.device import Device
from app.profiles.schemas.profile import Profile
from app.profiles.schemas.timing import Timing
from app.profiles.tables import ProfileRow
from app.samples.behind import clocks_of, samples_behind
from app.samples.tables import MeasuredSamplesRow, MeasurementRow
from solvers.arrays import Floats
from solvers.measurement.samples import Part, Samples
from solvers.measurement.times import standardised

# What is measured.
_MEASURED: dict[str, type[Profile]] = {schema.kind: schema for schema in (Device, Timing)}


def list_measurements(session: Session, name: str, after: int, limit: int) -> list[dict[str, Any]]:
    """The measurements of a timing, deleted or not, oldest first, from the first beyond a number.

    Raises ProfileNotFound.
    """
    profile = profile_id(session, name)
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
    return [header_of(name, *row[:-1]) | instants.in_text(row[-1], "measured_at") for row in found]


def get(session: Session, name: str, number: int) -> dict[str, Any]:
    """A measurement as it was answered, older by now.

    Raises ProfileNotFound, MeasurementNotFound.
    """
    return document(name, find(session, name, number))


def get_samples(session: Session, name: str, number: int) -> tuple[MeasurementRow, bytes]:
    """A measurement and its raw samples, packed. Raises ProfileNotFound, MeasurementNotFound."""
    row = find(session, name, number)
    return row, raw(session, row)


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
    samples = samples_behind(session, ref.name, timing, cut, cache)
    if samples is None:
        return None
    device = (
        profiles.get(session, Device, timing.processor).body
        if part == "device" and frequency_hz is None
        else None
    )
    clocks = clocks_of(samples.frequency_hz, samples.requested_hz, device)
    times = standardised(samples, clocks, part, cut, frequency_hz)
    return times if len(times) else None


def document(name: str, row: MeasurementRow) -> dict[str, Any]:
    """A measurement as it is answered."""
    told = (
        header_of(name, row.number, row.kind, row.revision, row.created_at)
        | instants.in_text(row.summary, "measured_at")
        | row.details
    )
    for internal in ("measured_cuts", "started_at"):
        told.pop(internal, None)
    if row.kind == "samples":
        measured_at = datetime.fromisoformat(row.summary["measured_at"])
        told["age_s"] = (datetime.now(UTC) - measured_at).total_seconds()
    return told


def header_of(
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


def hold(session: Session, name: str, kind: str = Timing.kind) -> tuple[int | None, int]:
    """The key of a timing or device (None: it does not exist) and the number of its next
    measurement.

    Whoever else measures it waits for the end of this transaction.
    """
    profiles.own(session, _MEASURED[kind], name)
    wanted = select(ProfileRow.id).where(ProfileRow.kind == kind, ProfileRow.name == name)
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


def profile_id(session: Session, name: str, kind: str = Timing.kind) -> int:
    """The key of a timing or device, deleted or not. Raises ProfileNotFound."""
    key = session.scalar(
        select(ProfileRow.id).where(ProfileRow.kind == kind, ProfileRow.name == name)
    )
    if key is None:
        raise ProfileNotFound(kind, name)
    return key


def find(session: Session, name: str, number: int, kind: str = Timing.kind) -> MeasurementRow:
    """A measurement of a timing or device. Raises ProfileNotFound, MeasurementNotFound."""
    wanted = select(MeasurementRow).where(
        MeasurementRow.profile_id == profile_id(session, name, kind),
        MeasurementRow.number == number,
    )
    row = session.scalars(wanted).one_or_none()
    if row is None:
        raise MeasurementNotFound(kind, name, number)
    return row


def raw(session: Session, row: MeasurementRow) -> bytes:
    """The raw samples of a measurement, packed."""
    wanted = select(MeasuredSamplesRow.content).where(MeasuredSamplesRow.measurement_id == row.id)
    return session.scalars(wanted).one()

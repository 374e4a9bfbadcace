"""Measured power as functions: samples in, a new revision of a device out; found again."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app import instants
from app.db import Database
from app.errors import ProfileNotFound, StaleRevision
from app.measurements.power.fitting import Fitted, Wanted, fitted
from app.measurements.power.present import told
from app.measurements.power.revise import revised
from app.measurements.power.sheet import PowerRows, PowerSheet, pack, unpack
from app.measurements.stored import add, find, hold, profile_id, raw
from app.profiles import service as profiles
from app.profiles.schemas.device import Device
from app.samples.tables import MeasurementRow
from solvers.measurement.power_findings import PowerFinding

_ATTEMPTS = 5
_OLD_S = 90 * 86_400.0
_KIND = "power"


def receive(database: Database, name: str, sheet: PowerSheet, wanted: Wanted) -> dict[str, Any]:
    """Fit samples and store them with the revision of the device that comes of them; the answer is
    what `GET` says.

    No transaction is open while samples are looked at. Raises ProfileNotFound, InvalidRequest,
    StaleRevision.
    """
    for attempt in range(_ATTEMPTS):
        with database.reading() as session:
            stored = profiles.get(session, Device, name)
        found = _dated(fitted(sheet, stored.body, wanted))
        revised(stored.body, found, 1, datetime.now(UTC))  # refused before anything is held
        try:
            with database.writing() as session:
                return _store(session, stored.body, stored.revision, found)
        except (StaleRevision, ProfileNotFound):  # another client revised or deleted it meanwhile
            if attempt == _ATTEMPTS - 1:
                raise
    raise AssertionError("unreachable")


def _dated(found: Fitted) -> Fitted:
    """With what is to be said of the time of measuring."""
    began = found.sheet.started_at
    age_s = 0.0 if began is None else (datetime.now(UTC) - began).total_seconds()
    if age_s < -3600.0:
        detail = "measured in the future: is the device's clock wrong?"
        found.quality.insert(0, PowerFinding("age", "warning", detail))
    elif age_s > _OLD_S:
        found.quality.append(
            PowerFinding("age", "note", f"measured {age_s / 86_400.0:.0f} days ago")
        )
    return found


def _store(session: Session, device: Device, revision: int, found: Fitted) -> dict[str, Any]:
    now = datetime.now(UTC)
    _, number = hold(session, device.name, Device.kind)
    next_one = revised(device, found, number, now)
    made = profiles.replace(session, next_one, {revision})
    summary, details = told(found, next_one)
    row = MeasurementRow(
        profile_id=profile_id(session, device.name, Device.kind),
        number=number,
        kind=_KIND,
        revision=made.revision,
        created_at=now,
        summary=summary,
        details=details,
    )
    add(session, row, pack(found.sheet.rows))
    return document(device.name, row)


def document(name: str, row: MeasurementRow) -> dict[str, Any]:
    """A measurement as it is answered."""
    details = {key: value for key, value in row.details.items() if key != "kept"}
    return header_of(name, row) | instants.in_text(row.summary, "measured_at") | details


def header_of(name: str, row: Any) -> dict[str, Any]:
    """What every measurement says first."""
    return {
        "number": row.number,
        "device": name,
        "revision": row.revision,
        "created_at": row.created_at,
        "samples_url": f"/v1/devices/{name}/power-measurements/{row.number}/samples",
    }


def get(session: Session, name: str, number: int) -> dict[str, Any]:
    """A measurement as it was answered. Raises ProfileNotFound, MeasurementNotFound."""
    return document(name, find(session, name, number, Device.kind))


def list_measurements(session: Session, name: str, after: int, limit: int) -> list[dict[str, Any]]:
    """The power measurements of a device, deleted or not, oldest first, beyond a number.

    Raises ProfileNotFound.
    """
    profile = profile_id(session, name, Device.kind)
    wanted = (
        select(
            MeasurementRow.number,
            MeasurementRow.revision,
            MeasurementRow.created_at,
            MeasurementRow.summary,
        )
        .where(MeasurementRow.profile_id == profile, MeasurementRow.number > after)
        .order_by(MeasurementRow.number)
        .limit(limit)
    )
    return [
        header_of(name, row) | instants.in_text(row.summary, "measured_at")
        for row in session.execute(wanted)
    ]


def get_samples(session: Session, name: str, number: int) -> tuple[PowerRows, dict[str, Any]]:
    """Raw samples, and what is kept with them: the names of `workloads` and `runs`, and what was
    `wanted`.

    Raises ProfileNotFound, MeasurementNotFound.
    """
    row = find(session, name, number, Device.kind)
    return unpack(raw(session, row)), row.details["kept"]

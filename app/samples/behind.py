"""The samples that a revision of a timing was fitted to."""

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.profiles.schemas.device import Device
from app.profiles.schemas.timing import Timing
from app.profiles.tables import ProfileRow
from app.samples.packing import unpack
from app.samples.tables import MeasuredSamplesRow, MeasurementRow
from solvers.arrays import Floats
from solvers.measurement.samples import Samples, nominal_hz


def samples_behind(
    session: Session, name: str, timing: Timing, cut: int, cache: dict[int, Samples]
) -> Samples | None:
    """The samples that a cut's entry of a timing was fitted to; None where there are none."""
    key = measurement_behind(session, name, timing, cut)
    if key is None:
        return None
    if key not in cache:
        content = session.scalars(
            select(MeasuredSamplesRow.content).where(MeasuredSamplesRow.measurement_id == key)
        )
        cache[key] = unpack(content.one())
    return cache[key]


def measurement_behind(session: Session, name: str, timing: Timing, cut: int) -> int | None:
    """The key of the measurement that a cut's entry of a timing was fitted to, if any was."""
    if timing.measured is None:
        return None
    profile = session.scalar(
        select(ProfileRow.id).where(ProfileRow.kind == Timing.kind, ProfileRow.name == name)
    )
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
    return next(
        (key for key, details in session.execute(newest) if cut in details["measured_cuts"]), None
    )


def clocks_of(frequency_hz: Floats, requested_hz: Floats, device: Device | None) -> Floats:
    """The clock each sample counts for: the measured one, else the requested one, else the only one
    there is.
    """
    known = np.where(np.isfinite(frequency_hz), frequency_hz, requested_hz)
    if device is None:
        return nominal_hz(known)
    if device.frequency_min_hz == device.frequency_max_hz:
        known = np.where(np.isfinite(known), known, device.frequency_max_hz)
    levels = None if device.frequency_levels_hz is None else np.array(device.frequency_levels_hz)
    return nominal_hz(known, levels)

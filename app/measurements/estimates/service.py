"""Estimates as functions: stored profiles in, a timing or a device out, stored or only shown."""

from collections.abc import Iterator

from sqlalchemy.orm import Session

from app.errors import FieldError, InvalidRequest, ProfileNotFound
from app.measurements.estimates.schemas import TimingEstimate
from app.measurements.estimates.timings import estimated_timing
from app.profiles import lookups
from app.profiles import service as profiles
from app.profiles.schemas.device import Device
from app.profiles.schemas.model import Model
from app.profiles.schemas.profile import FieldWarning
from app.profiles.schemas.server import Server
from app.profiles.schemas.timing import Timing


def timing(session: Session, wanted: TimingEstimate) -> Timing:
    """The timing that times of the whole network make; it is not stored yet.

    Raises InvalidRequest.
    """
    faults: list[FieldError] = []
    processor = _processor(session, wanted, faults)
    try:
        model = profiles.get(session, Model, wanted.model).body
    except ProfileNotFound as absent:
        faults.append(FieldError("/model", absent.detail))
    if faults or processor is None:
        raise InvalidRequest(faults)
    return estimated_timing(wanted, processor, model)


def others(session: Session, made: Timing) -> Iterator[FieldWarning]:
    """Timings of the same processor and model: a plan that names none cannot choose."""
    assert made.processor_kind is not None
    same = lookups.timings(session, (made.processor, made.processor_kind, made.model))
    if names := [repr(each.name) for each in same if each.name != made.name]:
        yield FieldWarning(
            field="/name",
            message=(
                f"{', '.join(names)} is of this processor and model too: plans have to name the"
                " timing that they mean, or delete the others"
            ),
        )


def _processor(
    session: Session, wanted: TimingEstimate, faults: list[FieldError]
) -> Device | Server | None:
    name, kind = wanted.processor, wanted.processor_kind
    found = profiles.processors_named(session, name, kind)
    if len(found) == 1:
        return found[0]
    if found:
        detail = f"is required: a device and a server are named {name!r}"
        faults.append(FieldError("/processor_kind", detail))
    else:
        detail = f"there is no {kind or 'device or server'} profile named {name!r}"
        if kind != "server":
            detail += ": store one, or estimate a device (POST /v1/devices/estimate)"
        faults.append(FieldError("/processor", detail))
    return None

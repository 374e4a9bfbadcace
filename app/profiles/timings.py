"""Timings against the processor and the model that they name."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.errors import FieldError, InvalidRequest, ProfileNotFound
from app.nearest import is_it, nearest
from app.profiles import lookups, missing
from app.profiles.references import ProfileRef
from app.profiles.schemas.device import Device
from app.profiles.schemas.model import Model
from app.profiles.schemas.profile import ProcessorKind, Profile
from app.profiles.schemas.server import Server
from app.profiles.schemas.timing import Timing
from app.profiles.tables import ProfileRow

PROCESSORS: dict[ProcessorKind, type[Profile]] = {"device": Device, "server": Server}


def timing_faults(timing: Timing, processor_kind: ProcessorKind, model: Model) -> list[FieldError]:
    """Why a timing does not fit the processor and model it is used with; pointers into the timing's
    body.
    """
    return [*timing.form_faults(processor_kind), *timing.model_faults(model)]


def processor_kind(session: Session, timing: Timing) -> ProcessorKind:
    """Which kind of processor a timing means, said or found out, where it fits all that it names.

    Raises InvalidRequest.
    """
    kinds = _processors_named(session, timing.processor)
    faults = _processor_faults(session, timing, kinds)
    kind = timing.processor_kind
    if kind is None and len(kinds) == 1:
        kind = kinds[0]
    model = lookups.profile(session, Model, ProfileRef(timing.model))
    if model is None:
        nothing = ProfileNotFound(Model.kind, timing.model)
        faults.append(FieldError("/model", missing.told(session, nothing)))
    else:
        faults += timing.model_faults(model.body)
    if kind is not None and timing.processor_kind is None:
        faults += timing.form_faults(kind)
    if faults or kind is None:
        raise InvalidRequest(faults)
    return kind


def _processors_named(session: Session, name: str) -> list[ProcessorKind]:
    named = select(ProfileRow.kind).where(ProfileRow.name == name, ProfileRow.hidden.is_(False))
    found = set(session.scalars(named))
    return [kind for kind in PROCESSORS if kind in found]


def _processor_faults(
    session: Session, timing: Timing, kinds: Sequence[ProcessorKind]
) -> list[FieldError]:
    """Why the processor that a timing names is none, or not one, of the stored `kinds`."""
    name, wanted = timing.processor, timing.processor_kind
    if not kinds or (wanted is not None and wanted not in kinds):
        meant = PROCESSORS if wanted is None else (wanted,)
        near = is_it(nearest(name, missing.names(session, *meant)))
        detail = f"there is no {' or '.join(meant)} profile named {name!r}{near}"
        return [FieldError("/processor", detail)]
    if wanted is None and len(kinds) > 1:
        required = f"is required: a device and a server are named {name!r}"
        return [FieldError("/processor_kind", required)]
    return []

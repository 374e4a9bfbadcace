"""Bodies of profiles, and what is said against them."""

from typing import Any

from pydantic import ValidationError

from app.field_errors import field_errors
from app.profiles.plausibility import warnings_of
from app.profiles.schemas.channel import Channel
from app.profiles.schemas.device import Device
from app.profiles.schemas.model import Model
from app.profiles.schemas.profile import Profile
from app.profiles.schemas.server import Server
from app.profiles.schemas.timing import Timing
from tests.support.builders import a_model, a_timing


def schema_of(body: dict[str, Any]) -> type[Profile]:
    for field, schema in (
        ("tx_power_w", Device),
        ("capacity_flop_per_s", Server),
        ("bandwidth_hz", Channel),
    ):
        if field in body:
            return schema
    return Timing if "processor" in body else Model


def faults(body: dict[str, Any]) -> set[str]:
    """The pointers of everything wrong with `body`."""
    try:
        schema_of(body).model_validate(body)
    except ValidationError as error:
        return {
            fault.pointer
            for fault in field_errors(
                [{**e, "loc": ("body", *e["loc"])} for e in error.errors()], body
            )
        }
    return set()


def warned(body: dict[str, Any]) -> set[str]:
    return {warning.field for warning in warnings_of(schema_of(body).model_validate(body))}


def cuts(count: int = 4, **changes: dict[str, Any]) -> list[dict[str, Any]]:
    """The cuts of `a_model`, some changed: cuts(_1={"flop": 0})."""
    entries = [dict(cut) for cut in a_model()["cuts"][:count]]
    for at, fields in changes.items():
        entries[int(at[1:])].update(fields)
    return entries


def entries(form: Any = a_timing, **changes: dict[str, Any]) -> list[dict[str, Any]]:
    """The entries of a timing, some changed; None takes a field out."""
    changed = [dict(cut) for cut in form()["cuts"]]
    for at, fields in changes.items():
        changed[int(at[1:])].update(fields)
    return [{field: value for field, value in cut.items() if value is not None} for cut in changed]


LEVELS = [
    {"frequency_hz": 2e8, "mean_s": 0.3, "variance_s2": 1e-4},
    {"frequency_hz": 9e8, "mean_s": 0.1, "variance_s2": 0},
]

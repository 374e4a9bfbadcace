"""Wherever a plan takes a profile: a reference, or the body inline."""

from typing import Annotated, Any

from pydantic import Discriminator, Field, Tag

from app.profiles.schemas.channel import Channel
from app.profiles.schemas.device import Device
from app.profiles.schemas.model import Model
from app.profiles.schemas.profile import Profile
from app.profiles.schemas.server import Server
from app.profiles.schemas.timing import Timing
from app.quantities import (
    REFERENCE_PATTERN,
)


def _reference_or_body(value: Any) -> str | None:
    if isinstance(value, str):
        return "reference"
    return "inline" if isinstance(value, (dict, Profile)) else None


Reference = Annotated[
    str, Field(pattern=REFERENCE_PATTERN, max_length=73, examples=["jetson-xavier-nx-cpu@1"])
]
"""`name` (its latest revision) or `name@revision`."""


_EITHER = Discriminator(
    _reference_or_body,
    custom_error_type="reference_or_body",
    custom_error_message="give a profile's name, name@revision, or the profile itself",
)


# Wherever a plan takes a profile: a reference, or the body inline.
DeviceRef = Annotated[
    Annotated[Reference, Tag("reference")] | Annotated[Device, Tag("inline")], _EITHER
]
ModelRef = Annotated[
    Annotated[Reference, Tag("reference")] | Annotated[Model, Tag("inline")], _EITHER
]
ChannelRef = Annotated[
    Annotated[Reference, Tag("reference")] | Annotated[Channel, Tag("inline")], _EITHER
]
ServerRef = Annotated[
    Annotated[Reference, Tag("reference")] | Annotated[Server, Tag("inline")], _EITHER
]
TimingRef = Annotated[
    Annotated[Reference, Tag("reference")] | Annotated[Timing, Tag("inline")], _EITHER
]

"""What one caller may take: the settings, and what a key has of its own instead."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Protocol, Self

from fastapi import Depends, Request

from app.settings import Settings

# Where everybody is asked for a key, callers are many, and none shall take what others need.
_OF_MANY: dict[str, Any] = {
    "requests_per_second": 300.0,
    "address_requests_per_second": 50.0,
    "max_plans_at_once": 1000,
    "max_stored_byte": 20 * 2**30,
}


@dataclass(frozen=True, slots=True)
class OwnLimits:
    """What a key has instead of the settings; None: as these say."""

    requests_per_second: float | None = None
    max_body_byte: int | None = None
    max_users: int | None = None
    max_bulk_users: int | None = None
    max_plans_at_once: int | None = None
    max_stored_byte: int | None = None

    @classmethod
    def read(cls, kept: Mapping[str, Any]) -> Self:
        """Those in a row, of this release."""
        known = {field.name for field in fields(cls)}
        return cls(**{name: value for name, value in kept.items() if name in known})

    def given(self) -> dict[str, float]:
        """Those that there are."""
        return {name: value for name, value in asdict(self).items() if value is not None}


NONE = OwnLimits()
"""Of whoever has no key, and of most who have."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a caller may take: `request.state.limits` in every route. None: as much as there is."""

    requests_per_second: float | None
    max_body_byte: int
    max_users: int
    max_bulk_users: int
    max_plans_at_once: int | None
    max_stored_byte: int | None


_NAMES = tuple(field.name for field in fields(Limits))


def limits(settings: Settings, *, of_many: bool, own: OwnLimits = NONE) -> Limits:
    """What applies to a caller, who is one of many where keys are asked for."""
    found = {name: setting(settings, name, of_many=of_many) for name in _NAMES}
    return Limits(**found | own.given())


def setting(settings: Settings, name: str, *, of_many: bool) -> Any:
    """A setting; where it was not set, what is sound for one of many callers."""
    value = getattr(settings, name)
    return _OF_MANY.get(name) if value is None and of_many else value


class Storage(Protocol):
    """Who knows what projects have stored: `request.app.state.storage`."""

    def require_room(self, project: str, most_byte: int, more_byte: int) -> None:
        """Refuse a project that has so much stored more. Raises StorageFull."""


def require_storage(request: Request) -> None:
    """Refuse to store anything where the caller's project has stored all it may. Raises
    StorageFull.
    """
    most_byte = request.state.limits.max_stored_byte
    if most_byte is not None:
        storage: Storage = request.app.state.storage
        sent = request.headers.get("content-length", "0")
        storage.require_room(request.state.caller.project, most_byte, int(sent))


STORES = Depends(require_storage)
"""Of routes that store what they are sent."""

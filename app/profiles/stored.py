"""Revisions as they are read back, with their bodies, parsed once."""

import uuid
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from threading import Lock
from typing import Any, Generic, TypeVar

from sqlalchemy import ColumnElement, Integer, Select, bindparam, select
from sqlalchemy.orm import Session

from app.db import table_of
from app.profiles.schemas.profile import Profile
from app.profiles.tables import ProfileRow, RevisionRow
from app.projects import OF_PROJECT, seen_in

P = TypeVar("P", bound=Profile)

_PROFILES, _REVISIONS = table_of(ProfileRow), table_of(RevisionRow)
_BODIES = select(_REVISIONS.c.id, _REVISIONS.c.body).where(
    _REVISIONS.c.id.in_(bindparam("ids", expanding=True))
)


def in_use(*which: ColumnElement[bool]) -> Select[Any]:
    """The latest revisions of names in use, by name, without their bodies, for `read`."""
    return (
        select(
            _PROFILES.c.name,
            *(_REVISIONS.c[name] for name in ("number", "created_at", "id", "stale")),
        )
        .join_from(_PROFILES, _REVISIONS)
        .where(
            *which,
            _PROFILES.c.hidden.is_(False),
            _REVISIONS.c.number == _PROFILES.c.latest,
            seen_in(_PROFILES, _PROFILES.c, OF_PROJECT),
        )
        .order_by(_PROFILES.c.name)
        .limit(bindparam("most", type_=Integer()))
    )


IN_USE = in_use(
    _PROFILES.c.kind == bindparam("of_kind"),
    _PROFILES.c.name > bindparam("after", type_=_PROFILES.c.name.type),
)
"""Those of a kind, from the first beyond a name."""


@dataclass(frozen=True, slots=True)
class Stored(Generic[P]):
    """One revision of one profile."""

    name: str
    revision: int
    created_at: datetime
    body: P
    stale: dict[str, Any] | None = None
    """What refuted a timing in production."""


def read(session: Session, kind: type[P], found: Sequence[Any]) -> list[Stored[P]]:
    """What rows of `revisions` stand for, with their bodies."""
    bodies = _bodies(session, kind, [row.id for row in found])
    return [
        Stored(row.name, row.number, row.created_at, bodies[row.id], row.stale) for row in found
    ]


def revisions(kind: type[Profile]) -> Select[str, int, datetime, uuid.UUID, dict[str, Any] | None]:
    """Every revision of every name of a kind, without its body, for `read`."""
    return (
        select(
            ProfileRow.name,
            RevisionRow.number,
            RevisionRow.created_at,
            RevisionRow.id,
            RevisionRow.stale,
        )
        .join(RevisionRow, RevisionRow.profile_id == ProfileRow.id)
        .where(ProfileRow.kind == kind.kind)
    )


class ParsedRevisions:
    """The revisions used last, parsed.

    They never change and their ids are random, so an entry is never wrong.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._entries: OrderedDict[uuid.UUID, Profile] = OrderedDict()
        self._lock = Lock()

    def get(self, key: uuid.UUID) -> Profile | None:
        with self._lock:
            if key in self._entries:
                self._entries.move_to_end(key)
            return self._entries.get(key)

    def put(self, key: uuid.UUID, body: Profile) -> None:
        with self._lock:
            self._entries[key] = body
            while len(self._entries) > self._capacity:
                self._entries.popitem(last=False)


_parsed = ParsedRevisions(capacity=1024)


def _bodies(session: Session, kind: type[P], ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, P]:
    bodies: dict[uuid.UUID, P] = {}
    for key in ids:
        body = _parsed.get(key)
        if isinstance(body, kind):
            bodies[key] = body
    missing = [key for key in ids if key not in bodies]
    if missing:
        stored = session.connection().execute(_BODIES, {"ids": missing})
        for key, content in stored:
            bodies[key] = kind.model_validate(content)
            _parsed.put(key, bodies[key])
    return bodies

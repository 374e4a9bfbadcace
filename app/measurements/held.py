"""Observed times that were held against revisions of timings, newest first."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Integer, Row, bindparam, select
from sqlalchemy.orm import Session

from app.db import table_of
from app.profiles.references import ProfileRef
from app.profiles.tables import ProfileRow
from app.projects import OF_PROJECT, ask, seen_in
from app.samples.tables import MeasurementRow

_PROFILES, _MEASURED = table_of(ProfileRow), table_of(MeasurementRow)
_NEWEST = (
    select(
        _PROFILES.c.name,
        _MEASURED.c.revision,
        _MEASURED.c.created_at,
        _MEASURED.c.summary,
    )
    .join_from(_MEASURED, _PROFILES, _MEASURED.c.profile_id == _PROFILES.c.id)
    .where(_MEASURED.c.kind == "observations", seen_in(_PROFILES, _PROFILES.c, OF_PROJECT))
    .order_by(_MEASURED.c.id.desc())
    .limit(bindparam("most", type_=Integer()))
)


@dataclass(frozen=True, slots=True)
class Held:
    """A look at a revision."""

    timing: ProfileRef
    created_at: datetime
    plan: str
    users: int
    samples: int
    stale: bool
    """Whether the revision was refuted, by this look or one before."""


def newest(session: Session, limit: int) -> list[Held]:
    """The latest looks at any timing."""
    return [_read(row) for row in ask(session, _NEWEST, most=limit)]


def _read(row: Row[Any]) -> Held:
    return Held(ProfileRef(row.name, row.revision), row.created_at, **row.summary)

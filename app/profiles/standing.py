"""How many profiles there are, and which of them were refuted."""

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.db import table_of
from app.profiles import stored
from app.profiles.schemas.timing import Timing
from app.profiles.stored import Stored
from app.profiles.tables import ProfileRow, RevisionRow
from app.projects import OF_PROJECT, ask, seen_in

_PROFILES = table_of(ProfileRow)
_COUNTS = (
    select(_PROFILES.c.kind, func.count().label("many"))
    .where(_PROFILES.c.hidden.is_(False), seen_in(_PROFILES, _PROFILES.c, OF_PROJECT))
    .group_by(_PROFILES.c.kind)
)
_STALE = stored.in_use(_PROFILES.c.kind == Timing.kind, table_of(RevisionRow).c.stale.is_not(None))


def counts(session: Session) -> dict[str, int]:
    """How many names of each kind are in use; kinds of which there is none are left out."""
    return {row.kind: row.many for row in ask(session, _COUNTS)}


def list_stale(session: Session, limit: int) -> list[Stored[Timing]]:
    """The timings in use whose latest revision was refuted in production, by name."""
    return stored.read(session, Timing, ask(session, _STALE, most=limit).all())

"""Profiles that do not exist: which names are near, and where they are listed."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.errors import ProfileNotFound, RevisionNotFound
from app.nearest import is_it, nearest
from app.profiles.schemas.revisions import SCHEMAS
from app.profiles.tables import ProfileRow

COLLECTIONS: dict[str, str] = {schema.kind: schema.collection for schema in SCHEMAS}


def names(session: Session, *kinds: str) -> list[str]:
    """The names in use of some kinds."""
    used = select(ProfileRow.name).where(ProfileRow.kind.in_(kinds), ProfileRow.hidden.is_(False))
    return list(session.scalars(used.order_by(ProfileRow.name)))


def advice(kind: str, name: str, known: Sequence[str]) -> str:
    """What to add to a sentence without its full stop about a name that is none of these."""
    return f"{is_it(nearest(name, known)) or '.'} GET /v1/{COLLECTIONS[kind]} lists them."


def told(session: Session, missing: ProfileNotFound | RevisionNotFound) -> str:
    """What is missing, and what is there instead."""
    said = missing.detail.removesuffix(".")
    if isinstance(missing, ProfileNotFound):
        return said + advice(missing.kind, missing.name, names(session, missing.kind))
    latest = session.scalar(
        select(ProfileRow.latest).where(
            ProfileRow.kind == missing.kind, ProfileRow.name == missing.name
        )
    )
    where = f"GET /v1/{COLLECTIONS[missing.kind]}/{missing.name}/revisions lists them."
    return f"{said}: the latest is {latest}. {where}"

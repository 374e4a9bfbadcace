"""The revisions that a request names, found by one statement instead of one for each name."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from itertools import groupby
from operator import attrgetter
from typing import Any, TypeVar

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    Row,
    Select,
    bindparam,
    literal,
    select,
    tuple_,
    union_all,
)
from sqlalchemy.orm import Session

from app.db import table_of
from app.profiles import stored
from app.profiles.references import ProfileRef
from app.profiles.schemas.profile import ProcessorKind, Profile
from app.profiles.schemas.revisions import SCHEMAS
from app.profiles.schemas.timing import Timing
from app.profiles.stored import Stored
from app.profiles.tables import ProfileRow, RevisionRow

P = TypeVar("P", bound=Profile)

Key = tuple[str, ProfileRef]
TimingKey = tuple[str, ProcessorKind, str]
"""Processor, its kind, and model."""

# A statement may have so many parameters on every database; who names more is asked for one by one.
_MOST = 500
_KINDS: dict[str, type[Profile]] = {schema.kind: schema for schema in SCHEMAS}
_PROFILES, _REVISIONS = table_of(ProfileRow), table_of(RevisionRow)
_profile, _revision = _PROFILES.c, _REVISIONS.c


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a request names: profiles by kind, and the timings of those who name none."""

    profiles: Collection[Key] = ()
    timings: Collection[TimingKey] = ()


@dataclass(frozen=True, slots=True)
class Found:
    """What was found of what was wanted; whatever else is asked for is looked up by itself."""

    profiles: dict[Key, Stored[Any]] = field(default_factory=dict)
    timings: dict[TimingKey, list[Stored[Timing]]] = field(default_factory=dict)
    """By name; empty: there is none."""

    def profile(self, kind: type[P], ref: ProfileRef) -> Stored[P] | None:
        """A revision, if it was wanted and is there."""
        return self.profiles.get((kind.kind, ref))


def find(session: Session, wanted: Wanted) -> Found:
    """Look for everything wanted; nothing where that would be more than a statement takes."""
    latest = [(kind, ref.name) for kind, ref in wanted.profiles if ref.revision is None]
    numbered = [
        (kind, ref.name, ref.revision) for kind, ref in wanted.profiles if ref.revision is not None
    ]
    found = Found(timings={key: [] for key in wanted.timings})
    if len(latest) + len(numbered) + len(wanted.timings) > _MOST:
        return Found()
    if latest or wanted.timings:
        asked = {"latest": latest, "timings": list(wanted.timings)}
        for row, each in _read(session, _LATEST, asked):
            if row.of_processor:
                of = row.timing_processor, row.timing_processor_kind, row.timing_model
                found.timings[of].append(each)
            else:
                found.profiles[row.kind, ProfileRef(each.name)] = each
    if numbered:
        for row, each in _read(session, _NUMBERED, {"numbered": numbered}):
            found.profiles[row.kind, ProfileRef(each.name, each.revision)] = each
    return found


def _read(
    session: Session, statement: CompoundSelect[Any] | Select[Any], asked: dict[str, Any]
) -> Iterator[tuple[Row[Any], Stored[Any]]]:
    """The rows of a statement with what they stand for, by kind and name."""
    # Not through the session: there are no objects to keep track of, only rows.
    rows = sorted(session.connection().execute(statement, asked), key=attrgetter("kind", "name"))
    for kind, mine in groupby(rows, key=attrgetter("kind")):
        alike = list(mine)
        yield from zip(alike, stored.read(session, _KINDS[kind], alike), strict=True)


def _revisions(*, of_processor: bool) -> Select[Any]:
    return select(
        literal(of_processor).label("of_processor"),
        _profile.kind,
        _profile.name,
        _profile.timing_processor,
        _profile.timing_processor_kind,
        _profile.timing_model,
        _revision.number,
        _revision.created_at,
        _revision.id,
        _revision.stale,
    ).join_from(_PROFILES, _REVISIONS)


def _latest(what: ColumnElement[bool], *, of_processor: bool) -> Select[Any]:
    in_use = _revision.number == _profile.latest, _profile.hidden.is_(False)
    return _revisions(of_processor=of_processor).where(what, *in_use)


_named = tuple_(_profile.kind, _profile.name)
_timed = tuple_(_profile.timing_processor, _profile.timing_processor_kind, _profile.timing_model)
_LATEST = union_all(  # two looks, each by its own index
    _latest(_named.in_(bindparam("latest", expanding=True)), of_processor=False),
    _latest(_timed.in_(bindparam("timings", expanding=True)), of_processor=True),
)
_NUMBERED = _revisions(of_processor=False).where(
    tuple_(_profile.kind, _profile.name, _revision.number).in_(
        bindparam("numbered", expanding=True)
    )
)

"""Stored profiles by what names them: the one place that looks for single revisions.

Whatever a caller names is looked for at once, by one statement instead of one for each name.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby, zip_longest
from operator import attrgetter
from typing import Any, TypeVar

from sqlalchemy import (
    ColumnElement,
    Executable,
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
from app.projects import OF_PROJECT, ask, seen_in

P = TypeVar("P", bound=Profile)
T = TypeVar("T")

Key = tuple[str, ProfileRef]
TimingKey = tuple[str, ProcessorKind, str]
"""Processor, its kind, and model."""

# So many names a statement asks for: of parameters, every database has a limit.
_CHUNK = 500
# Timings of the same that are told to whoever has to choose.
_TIMINGS = 10
_KINDS: dict[str, type[Profile]] = {schema.kind: schema for schema in SCHEMAS}
_PROFILES, _REVISIONS = table_of(ProfileRow), table_of(RevisionRow)
_profile, _revision = _PROFILES.c, _REVISIONS.c
# Of these statements, which go around the session, each says itself what the project sees.
_SEEN = seen_in(_PROFILES, _profile, OF_PROJECT)


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
    """By name, the first ten at most; empty: there is none."""

    def profile(self, kind: type[P], ref: ProfileRef) -> Stored[P] | None:
        """A revision, if it was wanted and is there."""
        return self.profiles.get((kind.kind, ref))


def find(session: Session, wanted: Wanted) -> Found:
    """Look for everything wanted: for the latest revisions of names in use, for numbered ones of
    all names, and for timings in use.
    """
    latest = [(kind, ref.name) for kind, ref in wanted.profiles if ref.revision is None]
    numbered = [
        (kind, ref.name, ref.revision) for kind, ref in wanted.profiles if ref.revision is not None
    ]
    found = Found(timings={key: [] for key in wanted.timings})
    for names, keys in zip_longest(_chunks(latest), _chunks(wanted.timings), fillvalue=()):
        rows = _rows(session, _LATEST, latest=names, timings=keys)
        timings = [row for row in rows if row.of_processor]
        for row, each in _read(session, [row for row in rows if not row.of_processor]):
            found.profiles[row.kind, ProfileRef(each.name)] = each
        for row, each in _read(session, _first(timings)):
            found.timings[_timed_by(row)].append(each)
    for numbers in _chunks(numbered):
        for row, each in _read(session, _rows(session, _NUMBERED, numbered=numbers)):
            found.profiles[row.kind, ProfileRef(each.name, each.revision)] = each
    return found


def profile(session: Session, kind: type[P], ref: ProfileRef) -> Stored[P] | None:
    """The latest revision of a name in use, or a numbered one (also of a deleted name)."""
    return find(session, Wanted({(kind.kind, ref)})).profile(kind, ref)


def timings(session: Session, key: TimingKey) -> list[Stored[Timing]]:
    """The timings in use of a processor with a model, by name: the first ten at most."""
    return find(session, Wanted(timings={key})).timings[key]


def _chunks(wanted: Collection[T]) -> Iterator[Sequence[T]]:
    listed = list(wanted)
    return (listed[start : start + _CHUNK] for start in range(0, len(listed), _CHUNK))


def _timed_by(row: Row[Any]) -> TimingKey:
    return row.timing_processor, row.timing_processor_kind, row.timing_model


def _first(timings: Sequence[Row[Any]]) -> list[Row[Any]]:
    """Those that are told of each processor and model: the bodies of others are not read."""
    counts = Counter[TimingKey]()
    kept = []
    for row in timings:
        counts[_timed_by(row)] += 1
        if counts[_timed_by(row)] <= _TIMINGS:
            kept.append(row)
    return kept


def _rows(session: Session, statement: Executable, **asked: Any) -> list[Row[Any]]:
    """What a statement finds, by kind and name."""
    return sorted(ask(session, statement, **asked).all(), key=attrgetter("kind", "name"))


def _read(session: Session, rows: Sequence[Row[Any]]) -> Iterator[tuple[Row[Any], Stored[Any]]]:
    """Rows with what they stand for."""
    for kind, mine in groupby(rows, key=attrgetter("kind")):
        alike = list(mine)
        yield from zip(alike, stored.read(session, _KINDS[kind], alike), strict=True)


def _revisions(*, of_processor: bool) -> Select[Any]:
    return (
        select(
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
        )
        .join_from(_PROFILES, _REVISIONS)
        .where(_SEEN)
    )


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

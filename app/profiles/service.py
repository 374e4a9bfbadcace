"""Profiles as functions of a session: store, revise, hide, find."""

import uuid
from collections import OrderedDict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from threading import Lock
from typing import Any, Generic, TypeVar, cast

from sqlalchemy import CursorResult, Row, Select, bindparam, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.errors import (
    AmbiguousTiming,
    FieldError,
    InvalidRequest,
    ProfileExists,
    ProfileNotFound,
    RevisionNotFound,
    StaleRevision,
)
from app.profiles.references import ProfileRef
from app.profiles.schemas.device import Device
from app.profiles.schemas.model import Model
from app.profiles.schemas.profile import ProcessorKind, Profile
from app.profiles.schemas.server import Server
from app.profiles.schemas.timing import Timing
from app.profiles.tables import ProfileRow, RevisionRow

P = TypeVar("P", bound=Profile)
PROCESSORS: dict[ProcessorKind, type[Profile]] = {"device": Device, "server": Server}


@dataclass(frozen=True, slots=True)
class Stored(Generic[P]):
    """One revision of one profile."""

    name: str
    revision: int
    created_at: datetime
    body: P
    stale: dict[str, Any] | None = None
    """What refuted a timing in production."""


def create(session: Session, body: P) -> Stored[P]:
    """Store a profile under a free name; the numbers of a deleted profile of that name go on where
    they ended.

    Raises ProfileExists, and InvalidRequest for a timing that does not fit its processor and model.
    """
    body = _settled(session, body)
    row = _find(session, type(body), body.name)
    if row is None:
        values = {
            "kind": body.kind,
            "name": body.name,
            "latest": 1,
            "hidden": False,
            **_described(body),
        }
        try:
            key = session.scalars(insert(ProfileRow).values(values).returning(ProfileRow.id)).one()
        except IntegrityError:  # another client took the name between the look and the insert
            raise ProfileExists(body.kind, body.name) from None
        return _add_revision(session, key, 1, body)
    number = row.latest + 1
    if not row.hidden or not _change(session, row, latest=number, hidden=False, **_described(body)):
        raise ProfileExists(body.kind, body.name)
    return _add_revision(session, row.id, number, body)


def replace(session: Session, body: P, expected: Collection[int] | None) -> Stored[P]:
    """Make `body` the latest revision of its name, if the latest one is in `expected` (None:
    whatever it is).

    A body equal to the latest revision makes no new one, so a repeated PUT is harmless.
    Raises ProfileNotFound, StaleRevision, and InvalidRequest as `create` does.
    """
    kind = type(body)
    row = _find(session, kind, body.name)
    if row is None or row.hidden:
        raise ProfileNotFound(body.kind, body.name)
    if expected is not None and row.latest not in expected:
        raise StaleRevision(body.kind, body.name, row.latest)
    body = _settled(session, body)
    current = get(session, kind, body.name)
    if current.body == body:
        return current
    number = row.latest + 1
    if not _change(session, row, latest=number, **_described(body)):
        raise _stale(session, kind, body.name)
    return _add_revision(session, row.id, number, body)


def hide(
    session: Session, kind: type[Profile], name: str, expected: Collection[int] | None = None
) -> None:
    """Take the name out of use; its revisions stay readable.

    Raises ProfileNotFound, StaleRevision.
    """
    row = _find(session, kind, name)
    if row is None or row.hidden:
        raise ProfileNotFound(kind.kind, name)
    if expected is not None and row.latest not in expected:
        raise StaleRevision(kind.kind, name, row.latest)
    if not _change(session, row, hidden=True):
        raise _stale(session, kind, name)


def get(session: Session, kind: type[P], name: str, revision: int | None = None) -> Stored[P]:
    """The latest revision of a name in use, or a numbered one (also of a deleted name).

    Raises ProfileNotFound, RevisionNotFound.
    """
    if revision is None:
        found = session.execute(_latest_of(kind), {"name": name}).one_or_none()
    else:
        numbered = _revisions(kind).where(ProfileRow.name == name, RevisionRow.number == revision)
        found = session.execute(numbered).one_or_none()
    if found is not None:
        return _stored(session, kind, [found])[0]
    if revision is not None and _find(session, kind, name) is not None:
        raise RevisionNotFound(kind.kind, name, revision)
    raise ProfileNotFound(kind.kind, name)


def resolve_reference(session: Session, kind: type[P], reference: str) -> Stored[P]:
    """What `name` (latest revision) or `name@revision` stands for.

    Raises ProfileNotFound, RevisionNotFound.
    """
    ref = ProfileRef.parse(reference)
    return get(session, kind, ref.name, ref.revision)


def timing_for(
    session: Session, processor: str, processor_kind: ProcessorKind, model: str
) -> Stored[Timing] | None:
    """The one stored timing of that processor with that model; None if there is none.

    Raises AmbiguousTiming.
    """
    who = {"model": model, "processor": processor, "processor_kind": processor_kind}
    found = session.execute(_LATEST_TIMINGS, who).all()
    if len(found) > 1:
        raise AmbiguousTiming(processor, model, [row.name for row in found])
    return _stored(session, Timing, found)[0] if found else None


def list_latest(session: Session, kind: type[P], after: str | None, limit: int) -> list[Stored[P]]:
    """The latest revisions of the names in use, by name, from the first beyond `after`."""
    wanted = _revisions(kind).where(
        RevisionRow.number == ProfileRow.latest, ProfileRow.hidden.is_(False)
    )
    if after is not None:
        wanted = wanted.where(ProfileRow.name > after)
    return _stored(
        session, kind, session.execute(wanted.order_by(ProfileRow.name).limit(limit)).all()
    )


def list_revisions(
    session: Session, kind: type[P], name: str, after: int, limit: int
) -> list[Stored[P]]:
    """The revisions of a name, deleted or not, from the first beyond `after`.

    Raises ProfileNotFound.
    """
    if _find(session, kind, name) is None:
        raise ProfileNotFound(kind.kind, name)
    wanted = _revisions(kind).where(ProfileRow.name == name, RevisionRow.number > after)
    return _stored(
        session, kind, session.execute(wanted.order_by(RevisionRow.number).limit(limit)).all()
    )


def mark_stale(session: Session, name: str, revision: int, evidence: dict[str, Any]) -> bool:
    """Remember what refuted a revision of a timing; False if something did before."""
    found = session.scalars(
        select(RevisionRow)
        .join(ProfileRow, RevisionRow.profile_id == ProfileRow.id)
        .where(
            ProfileRow.kind == Timing.kind, ProfileRow.name == name, RevisionRow.number == revision
        )
        .with_for_update()
    ).one()
    if found.stale is not None:
        return False
    found.stale = evidence
    return True


def timing_faults(timing: Timing, processor_kind: ProcessorKind, model: Model) -> list[FieldError]:
    """Why a timing does not fit the processor and model it is used with; pointers into the timing's
    body.
    """
    return [*timing.form_faults(processor_kind), *timing.model_faults(model)]


def _settled(session: Session, body: P) -> P:
    """A timing is checked against the profiles it names, and says which kind of processor it
    means.
    """
    if not isinstance(body, Timing):
        return body
    named = select(ProfileRow.kind).where(
        ProfileRow.name == body.processor, ProfileRow.hidden.is_(False)
    )
    kinds = [kind for kind in PROCESSORS if kind in set(session.scalars(named))]
    faults: list[FieldError] = []
    processor_kind = body.processor_kind
    if processor_kind is not None and processor_kind not in kinds:
        faults.append(
            FieldError(
                "/processor", f"there is no {processor_kind} profile named {body.processor!r}"
            )
        )
    elif not kinds:
        faults.append(
            FieldError(
                "/processor", f"there is no device or server profile named {body.processor!r}"
            )
        )
    elif processor_kind is None and len(kinds) > 1:
        faults.append(
            FieldError(
                "/processor_kind",
                f"is required: a device and a server are named {body.processor!r}",
            )
        )
    elif processor_kind is None:
        processor_kind = kinds[0]
    try:
        model = get(session, Model, body.model).body
    except ProfileNotFound as absent:
        faults.append(FieldError("/model", absent.detail))
    else:
        faults += body.model_faults(model)
    if processor_kind is not None and body.processor_kind is None:
        faults += body.form_faults(processor_kind)
    if faults:
        raise InvalidRequest(faults)
    return body.model_copy(update={"processor_kind": processor_kind})


def _described(body: Profile) -> dict[str, str | None]:
    if not isinstance(body, Timing):
        return {}
    return {
        "timing_processor": body.processor,
        "timing_processor_kind": body.processor_kind,
        "timing_model": body.model,
    }


def _find(session: Session, kind: type[Profile], name: str) -> Row[int, int, bool] | None:
    columns = select(ProfileRow.id, ProfileRow.latest, ProfileRow.hidden)
    return session.execute(
        columns.where(ProfileRow.kind == kind.kind, ProfileRow.name == name)
    ).one_or_none()


def _change(session: Session, row: Row[int, int, bool], **values: Any) -> bool:
    """Change a name that is still as it was read; False if another client was first."""
    unchanged = (
        ProfileRow.id == row.id,
        ProfileRow.latest == row.latest,
        ProfileRow.hidden.is_(row.hidden),
    )
    result = session.execute(update(ProfileRow).where(*unchanged).values(values))
    return cast(CursorResult[Any], result).rowcount == 1


def _stale(session: Session, kind: type[Profile], name: str) -> StaleRevision:
    row = _find(session, kind, name)
    assert row is not None
    return StaleRevision(kind.kind, name, row.latest)


def _add_revision(session: Session, profile_id: int, number: int, body: P) -> Stored[P]:
    created_at = datetime.now(UTC)
    session.execute(
        insert(RevisionRow).values(
            id=uuid.uuid4(),
            profile_id=profile_id,
            number=number,
            created_at=created_at,
            body=body.model_dump(mode="json"),
        )
    )
    return Stored(body.name, number, created_at, body)


def _revisions(kind: type[Profile]) -> Select[str, int, datetime, uuid.UUID, dict[str, Any] | None]:
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


# Every plan asks these several times, and building a statement takes longer than running it.
@cache
def _latest_of(kind: type[Profile]) -> Select[str, int, datetime, uuid.UUID, dict[str, Any] | None]:
    return _revisions(kind).where(
        ProfileRow.name == bindparam("name"),
        RevisionRow.number == ProfileRow.latest,
        ProfileRow.hidden.is_(False),
    )


_LATEST_TIMINGS = (
    _revisions(Timing)
    .where(
        RevisionRow.number == ProfileRow.latest,
        ProfileRow.hidden.is_(False),
        ProfileRow.timing_model == bindparam("model"),
        ProfileRow.timing_processor == bindparam("processor"),
        ProfileRow.timing_processor_kind == bindparam("processor_kind"),
    )
    .order_by(ProfileRow.name)
    .limit(10)
)


def _stored(session: Session, kind: type[P], found: Sequence[Any]) -> list[Stored[P]]:
    bodies = _bodies(session, kind, [row.id for row in found])
    return [
        Stored(row.name, row.number, row.created_at, bodies[row.id], row.stale) for row in found
    ]


class _Parsed:
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


_parsed = _Parsed(capacity=1024)


def _bodies(session: Session, kind: type[P], ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, P]:
    bodies: dict[uuid.UUID, P] = {}
    for key in ids:
        body = _parsed.get(key)
        if isinstance(body, kind):
            bodies[key] = body
    missing = [key for key in ids if key not in bodies]
    if missing:
        stored = session.execute(
            select(RevisionRow.id, RevisionRow.body).where(RevisionRow.id.in_(missing))
        )
        for key, content in stored:
            bodies[key] = kind.model_validate(content)
            _parsed.put(key, bodies[key])
    return bodies

"""Profiles as functions of a session: store, revise, hide, find."""

import uuid
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

from sqlalchemy import Row, bindparam, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.db import table_of
from app.errors import (
    AmbiguousTiming,
    ProfileExists,
    ProfileNotFound,
    RevisionNotFound,
    StaleRevision,
)
from app.profiles import lookups, stored, timings
from app.profiles.lookups import Wanted
from app.profiles.references import ProfileRef
from app.profiles.schemas.device import Device
from app.profiles.schemas.profile import ProcessorKind, Profile
from app.profiles.schemas.server import Server
from app.profiles.schemas.timing import Timing
from app.profiles.stored import Stored, revisions
from app.profiles.tables import ProfileRow, RevisionRow
from app.projects import OF_PROJECT, ask, project_of, seen_in

P = TypeVar("P", bound=Profile)

_PROFILES = table_of(ProfileRow)
_FOUND = select(*(_PROFILES.c[name] for name in ("id", "latest", "hidden", "project"))).where(
    _PROFILES.c.kind == bindparam("of_kind"),
    _PROFILES.c.name == bindparam("of_name"),
    seen_in(_PROFILES, _PROFILES.c, OF_PROJECT),
)
_HELD = _FOUND.with_for_update()
_NEW_REVISION = insert(table_of(RevisionRow))
_CHANGE = update(_PROFILES).where(
    *(_PROFILES.c[name] == bindparam(f"its_{name}") for name in ("id", "latest", "hidden")),
    _PROFILES.c.project == OF_PROJECT,
)


def create(session: Session, body: P) -> Stored[P]:
    """Store a profile under a free name; the numbers of a deleted profile of that name go on where
    they ended.

    Raises ProfileExists, and InvalidRequest for a timing that does not fit its processor and model.
    """
    body = _settled(session, body)
    row = _find(session, type(body), body.name)
    if row is None:
        values = {
            "project": project_of(session),
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
    row = _find(session, kind, body.name, to_change=True)
    if row is None or row.hidden:
        raise ProfileNotFound(body.kind, body.name)
    if expected is not None and row.latest not in expected:
        raise StaleRevision(body.kind, body.name, row.latest)
    body = _settled(session, body)
    current = get(session, kind, body.name)
    if current.body == body:
        return current
    number = row.latest + 1
    if row.project != project_of(session):
        row = own(session, kind, body.name) or row
    if not _change(session, row, latest=number, **_described(body)):
        raise _stale(session, kind, body.name)
    return _add_revision(session, row.id, number, body)


def hide(
    session: Session, kind: type[Profile], name: str, expected: Collection[int] | None = None
) -> None:
    """Take the name out of use; its revisions stay readable.

    Raises ProfileNotFound, StaleRevision.
    """
    row = _find(session, kind, name, to_change=True)
    if row is None or row.hidden:
        raise ProfileNotFound(kind.kind, name)
    if expected is not None and row.latest not in expected:
        raise StaleRevision(kind.kind, name, row.latest)
    row = own(session, kind, name) or row
    if not _change(session, row, hidden=True):
        raise _stale(session, kind, name)


def get(session: Session, kind: type[P], name: str, revision: int | None = None) -> Stored[P]:
    """The latest revision of a name in use, or a numbered one (also of a deleted name).

    Raises ProfileNotFound, RevisionNotFound.
    """
    found = lookups.profile(session, kind, ProfileRef(name, revision))
    if found is not None:
        return found
    if revision is not None and _find(session, kind, name) is not None:
        raise RevisionNotFound(kind.kind, name, revision)
    raise ProfileNotFound(kind.kind, name)


def resolve_reference(session: Session, kind: type[P], reference: str) -> Stored[P]:
    """What `name` (latest revision) or `name@revision` stands for.

    Raises ProfileNotFound, RevisionNotFound.
    """
    ref = ProfileRef.parse(reference)
    return get(session, kind, ref.name, ref.revision)


def processors_named(
    session: Session, name: str, kind: ProcessorKind | None
) -> list[Device | Server]:
    """The device and the server in use of that name; of one kind alone where it is said."""
    schemas: tuple[type[Device] | type[Server], ...] = (Device, Server)
    ref = ProfileRef(name)
    found = lookups.find(session, Wanted({(schema.kind, ref) for schema in schemas}))
    each = (found.profile(schema, ref) for schema in schemas if kind in (None, schema.kind))
    return [processor.body for processor in each if processor is not None]


def timing_for(
    session: Session, processor: str, processor_kind: ProcessorKind, model: str
) -> Stored[Timing] | None:
    """The one stored timing of that processor with that model; None if there is none.

    Raises AmbiguousTiming.
    """
    found = lookups.timings(session, (processor, processor_kind, model))
    return only_timing(processor, model, found)


def only_timing(
    processor: str, model: str, found: Sequence[Stored[Timing]]
) -> Stored[Timing] | None:
    """Which of the timings of a processor with a model is meant. Raises AmbiguousTiming."""
    if len(found) > 1:
        raise AmbiguousTiming(processor, model, [timing.name for timing in found])
    return found[0] if found else None


def list_latest(session: Session, kind: type[P], after: str | None, limit: int) -> list[Stored[P]]:
    """The latest revisions of the names in use, by name, from the first beyond `after`."""
    # Every name is beyond the empty one.
    asked = {"of_kind": kind.kind, "after": after or "", "most": limit}
    return stored.read(session, kind, ask(session, stored.IN_USE, **asked).all())


def list_revisions(
    session: Session, kind: type[P], name: str, after: int, limit: int
) -> list[Stored[P]]:
    """The revisions of a name, deleted or not, from the first beyond `after`.

    Raises ProfileNotFound.
    """
    if _find(session, kind, name) is None:
        raise ProfileNotFound(kind.kind, name)
    wanted = revisions(kind).where(ProfileRow.name == name, RevisionRow.number > after)
    return stored.read(
        session, kind, session.execute(wanted.order_by(RevisionRow.number).limit(limit)).all()
    )


def mark_stale(session: Session, name: str, revision: int, evidence: dict[str, Any]) -> bool:
    """Remember what refuted a revision of a timing; False if something did before."""
    own(session, Timing, name)
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


Found = Row[Any]
"""Key, latest revision, whether it is hidden, and whose it is."""


def own(session: Session, kind: type[Profile], name: str) -> Found | None:
    """A name, deleted or not, as the project's own, to be changed: a shared one is copied with all
    its revisions, and from then on the project sees its copy. None where there is no such name.
    """
    shared = _find(session, kind, name)
    if shared is None or shared.project == project_of(session):
        return shared
    columns = (ProfileRow.timing_processor, ProfileRow.timing_processor_kind)
    row = session.execute(
        select(ProfileRow.latest, *columns, ProfileRow.timing_model).where(
            ProfileRow.id == shared.id
        )
    ).one()
    values = {"project": project_of(session), "kind": kind.kind, "name": name, "hidden": False}
    try:
        with session.begin_nested():
            key = session.scalars(
                insert(ProfileRow).values({**values, **row._mapping}).returning(ProfileRow.id)
            ).one()
    except IntegrityError:  # another client was first
        return _find(session, kind, name)
    revision = (RevisionRow.number, RevisionRow.created_at, RevisionRow.body, RevisionRow.stale)
    for each in session.execute(select(*revision).where(RevisionRow.profile_id == shared.id)).all():
        copy = {"id": uuid.uuid4(), "profile_id": key, **each._mapping}
        session.execute(insert(RevisionRow).values(copy))
    return _find(session, kind, name)


def _settled(session: Session, body: P) -> P:
    if not isinstance(body, Timing):
        return body
    return body.model_copy(update={"processor_kind": timings.processor_kind(session, body)})


def _described(body: Profile) -> dict[str, str | None]:
    if not isinstance(body, Timing):
        return {}
    return {
        "timing_processor": body.processor,
        "timing_processor_kind": body.processor_kind,
        "timing_model": body.model,
    }


def _find(
    session: Session, kind: type[Profile], name: str, *, to_change: bool = False
) -> Found | None:
    """The name's row. Who is about to change it waits for whoever is changing it, and reads what
    that one leaves: with `If-Match: *` nobody is told that another was first.
    """
    statement = _HELD if to_change else _FOUND
    row = ask(session, statement, of_kind=kind.kind, of_name=name).one_or_none()
    if to_change and row is not None and row.project != project_of(session):
        # Whoever held the shared row may have left the project a copy of its own.
        row = ask(session, statement, of_kind=kind.kind, of_name=name).one_or_none()
    return row


def _change(session: Session, row: Found, **values: Any) -> bool:
    """Change a name that is still as it was read; False if another client was first."""
    unchanged = {"its_id": row.id, "its_latest": row.latest, "its_hidden": row.hidden}
    return ask(session, _CHANGE, **unchanged, **values).rowcount == 1


def _stale(session: Session, kind: type[Profile], name: str) -> StaleRevision:
    row = _find(session, kind, name)
    assert row is not None
    return StaleRevision(kind.kind, name, row.latest)


def _add_revision(session: Session, profile_id: int, number: int, body: P) -> Stored[P]:
    created_at = datetime.now(UTC)
    new = {
        "id": uuid.uuid4(),
        "profile_id": profile_id,
        "number": number,
        "created_at": created_at,
        "body": body.model_dump(mode="json"),
    }
    session.connection().execute(_NEW_REVISION, new)
    return Stored(body.name, number, created_at, body)

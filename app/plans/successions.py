"""How a name gets another current plan, and how that is told: as an event of the name, in the
transaction that makes it so.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Integer, String, bindparam, delete, insert, select, update
from sqlalchemy.orm import Session

from app import instants
from app.arrow import pa
from app.db import Database, table_of
from app.errors import NameEventNotFound
from app.plans import columnar, comparison, heads
from app.plans.comparison import Changes, Decisions
from app.plans.family import Outcome
from app.plans.heads import Head, Plan
from app.plans.schemas import REVOKED
from app.plans.tables import NameEventRow, NameEventUsersRow, PlanNameRow, PlanRow
from app.projects import OF_PROJECT, ask, project_of

Json = dict[str, Any]
Because = Literal["ended", "deleted", "revoked", "asked"]
"""Why an event is told: a plan ended, one was deleted or revoked, or a reader came."""

# As many users are told with the event; more have an address of their own.
INLINE_USERS = 1000
# Of each name so many events are kept: whoever was away for longer is told how things stand.
MOST_EVENTS = 1000

_NAMES, _EVENTS = table_of(PlanNameRow), table_of(NameEventRow)
_NAME = bindparam("of_name", type_=String())
_NEW_EVENT = insert(_EVENTS)
_CHANGED = update(_EVENTS).where(_EVENTS.c.id == bindparam("its"))
_LATEST = (
    update(_NAMES)
    .where(_NAMES.c.name == _NAME, _NAMES.c.project == OF_PROJECT)
    .values(event=bindparam("latest"))
)
_MINE = _EVENTS.c.name == _NAME, _EVENTS.c.project == OF_PROJECT
_OLDER = (
    select(_EVENTS.c.id)
    .where(*_MINE)
    .order_by(_EVENTS.c.id.desc())
    .limit(1)
    .offset(bindparam("newer", type_=Integer()))
)
_FORGET = delete(_EVENTS).where(*_MINE, _EVENTS.c.id <= bindparam("last"))


@dataclass(frozen=True, slots=True)
class Foreseen:
    """What a plan would change as the current plan of its name, and the one it was compared
    with.
    """

    decisions: Decisions
    against: int | None
    changes: Changes | None


def foresee(database: Database, name: str | None, kind: str, outcome: Outcome) -> Foreseen | None:
    """What an outcome would change of its name; None where it cannot become current.

    Slow for many users, so with no transaction open.
    """
    if name is None or outcome.result is None:
        return None
    decisions = comparison.decided(kind, outcome)
    with database.reading() as session:
        return _compared(session, heads.current(session, name), decisions)


def succeed(session: Session, row: Plan, foreseen: Foreseen) -> None:
    """Tell that a plan has become the current one of its name, which is held, unless a newer one
    is.
    """
    assert row.name is not None
    before = heads.current_but_for(session, row.name, row.number)
    if before is not None and before.number > row.number:
        return
    if (before and before.number) != foreseen.against:  # it was another one a moment ago
        foreseen = _compared(session, before, foreseen.decisions)
    _tell_current(session, row.name, row, before, "ended", foreseen.changes)


def give_up(session: Session, row: PlanRow) -> None:
    """Tell that a plan, which is about to be deleted, makes an older one of its name current again;
    the name is held.
    """
    if row.name is None or (now := heads.current(session, row.name)) is None:
        return
    if now.number != row.number:
        return
    after = heads.current_but_for(session, row.name, row.number)
    changes = None
    if after is not None:
        changes = comparison.compared(
            comparison.kept(session, row), comparison.kept(session, after)
        )
    _tell_current(session, row.name, after, row, "deleted", changes)


def revoke(session: Session, row: PlanRow) -> None:
    """Tell that the current plan of a name, which is held, is no longer trusted."""
    if row.name is None or (now := heads.current(session, row.name)) is None:
        return
    if now.number == row.number:
        _tell(session, row.name, REVOKED, standing(row.name, row, "revoked"))


def changed_users(
    session: Session, name: str, event_id: int, start: int = 0, limit: int | None = None
) -> pa.Table:
    """The users whom an event of a name concerns, from a position on. Raises NameEventNotFound."""
    event = session.scalars(
        select(NameEventRow).where(NameEventRow.id == event_id, NameEventRow.name == name)
    ).one_or_none()
    if event is None:
        raise NameEventNotFound(f"The name {name!r} has no event {event_id}, or not any more.")
    inline = (event.data["changes"] or {}).get("users", [])
    told = _table([(user["id"], user["change"]) for user in inline])
    if (event.data["changes"] or {}).get("users_url") is not None:
        blocks = select(NameEventUsersRow.data).where(NameEventUsersRow.event_id == event_id)
        first = start // columnar.BLOCK_ROWS
        if limit is not None:
            last = (start + limit - 1) // columnar.BLOCK_ROWS
            blocks = blocks.where(NameEventUsersRow.block.between(first, last))
            start -= first * columnar.BLOCK_ROWS
        found = session.scalars(blocks.order_by(NameEventUsersRow.block))
        told = pa.concat_tables([told, *map(columnar.unpacked, found)])
    return told.slice(start, limit)


def standing(name: str, row: Plan | None, because: Because = "asked") -> Json:
    """How a name stands, as an event tells it to whoever holds nothing to compare with."""
    revoked = None if row is None or row.revoked is None else instants.in_text(row.revoked, "at")
    return {
        "name": name,
        "because": because,
        "plan": row and row.id,
        "kind": row and row.kind,
        "status": row and row.status,
        "users_count": 0 if row is None else row.users,
        "previous": None,
        **({} if revoked is None else {"revoked": revoked}),
        "changes": None,
    }


def _compared(session: Session, before: Head | None, decisions: Decisions) -> Foreseen:
    if before is None:
        return Foreseen(decisions, None, None)
    changes = comparison.compared(comparison.kept(session, before), decisions)
    return Foreseen(decisions, before.number, changes)


def _tell_current(
    session: Session,
    name: str,
    row: Plan | None,
    before: Plan | None,
    because: Because,
    changes: Changes | None,
) -> None:
    data = standing(name, row, because) | {"previous": before and before.id}
    if changes is None:
        _tell(session, name, "current", data)
        return
    counts = {
        "added": len(changes.added),
        "removed": len(changes.removed),
        "changed": len(changes.changed),
    }
    if changes.count <= INLINE_USERS:
        users = [{"id": user, "change": change} for user, change in changes.each]
        _tell(session, name, "current", data | {"changes": counts | {"users": users}})
        return
    event, told = _tell(session, name, "current", data)
    url = f"/v1/plans/current/events/{event}/users?name={name}"
    told |= {"changes": counts | {"users_url": url}}
    session.connection().execute(_CHANGED, {"its": event, "data": told})
    for block, content in enumerate(columnar.packed(_table(changes.each)).blocks):
        session.add(NameEventUsersRow(event_id=event, block=block, data=content))


def _table(changes: Iterable[tuple[str, str]]) -> pa.Table:
    both = list(changes)
    return pa.table(
        {
            "id": pa.array([user for user, _ in both], pa.string()),
            "change": pa.array([how for _, how in both], pa.string()),
        }
    )


def _tell(session: Session, name: str, kind: str, data: Json) -> tuple[int, Json]:
    """Add an event to a name, which is held, and forget what is older than its last ones; its
    number, and what it tells.
    """
    told = data | {"at": instants.now()}
    new = {"project": project_of(session), "name": name, "kind": kind, "data": told}
    key = session.connection().execute(_NEW_EVENT, new).inserted_primary_key
    assert key is not None
    ask(session, _LATEST, of_name=name, latest=key[0])
    last = ask(session, _OLDER, of_name=name, newer=MOST_EVENTS).scalar()
    if last is not None:
        ask(session, _FORGET, of_name=name, last=last)
    return key[0], told

"""How a name gets another current plan, and how that is told: as an event of the name, in the
transaction that makes it so.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from app import instants
from app.arrow import pa
from app.db import Database
from app.errors import NameEventNotFound
from app.plans import columnar, comparison, names
from app.plans.comparison import Changes, Decisions
from app.plans.family import Outcome
from app.plans.schemas import REVOKED
from app.plans.tables import NameEventRow, NameEventUsersRow, PlanNameRow, PlanRow

Json = dict[str, Any]
Because = Literal["ended", "deleted", "revoked", "asked"]
"""Why an event is told: a plan ended, one was deleted or revoked, or a reader came."""

# As many users are told with the event; more have an address of their own.
INLINE_USERS = 1000
# Of each name so many events are kept: whoever was away for longer is told how things stand.
MOST_EVENTS = 1000


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
        return _compared(session, names.current(session, name), decisions)


def succeed(session: Session, number: int, foreseen: Foreseen | None) -> None:
    """Tell that a plan has become the current one of its name, which is held, unless a newer one
    is.
    """
    if foreseen is None:
        return
    row = session.scalars(names.lean().where(PlanRow.number == number)).one()
    assert row.name is not None
    if names.current(session, row.name, PlanRow.number > number) is not None:
        return
    before = names.current(session, row.name, PlanRow.number < number)
    if (before and before.number) != foreseen.against:  # it was another one a moment ago
        foreseen = _compared(session, before, foreseen.decisions)
    _tell_current(session, row.name, row, before, "ended", foreseen.changes)


def give_up(session: Session, row: PlanRow) -> None:
    """Tell that a plan, which is about to be deleted, makes an older one of its name current again;
    the name is held.
    """
    if row.name is None or (now := names.current(session, row.name)) is None:
        return
    if now.number != row.number:
        return
    after = names.current(session, row.name, PlanRow.number < row.number)
    changes = None
    if after is not None:
        changes = comparison.compared(
            comparison.kept(session, row), comparison.kept(session, after)
        )
    _tell_current(session, row.name, after, row, "deleted", changes)


def revoke(session: Session, row: PlanRow) -> None:
    """Tell that the current plan of a name, which is held, is no longer trusted."""
    if row.name is None or (now := names.current(session, row.name)) is None:
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


def standing(name: str, row: PlanRow | None, because: Because = "asked") -> Json:
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


def _compared(session: Session, before: PlanRow | None, decisions: Decisions) -> Foreseen:
    if before is None:
        return Foreseen(decisions, None, None)
    changes = comparison.compared(comparison.kept(session, before), decisions)
    return Foreseen(decisions, before.number, changes)


def _tell_current(
    session: Session,
    name: str,
    row: PlanRow | None,
    before: PlanRow | None,
    because: Because,
    changes: Changes | None,
) -> None:
    data = standing(name, row, because) | {"previous": before and before.id}
    event = _tell(session, name, "current", data)
    if changes is None:
        return
    counts = {
        "added": len(changes.added),
        "removed": len(changes.removed),
        "changed": len(changes.changed),
    }
    if changes.count <= INLINE_USERS:
        users = [{"id": user, "change": change} for user, change in changes.each]
        event.data = event.data | {"changes": counts | {"users": users}}
        return
    url = f"/v1/plans/current/events/{event.id}/users?name={name}"
    event.data = event.data | {"changes": counts | {"users_url": url}}
    for block, content in enumerate(columnar.packed(_table(changes.each)).blocks):
        session.add(NameEventUsersRow(event_id=event.id, block=block, data=content))


def _table(changes: Iterable[tuple[str, str]]) -> pa.Table:
    both = list(changes)
    return pa.table(
        {
            "id": pa.array([user for user, _ in both], pa.string()),
            "change": pa.array([how for _, how in both], pa.string()),
        }
    )


def _tell(session: Session, name: str, kind: str, data: Json) -> NameEventRow:
    """Add an event to a name, which is held, and forget what is older than its last ones."""
    event = NameEventRow(name=name, kind=kind, data=data | {"at": instants.now()})
    session.add(event)
    session.flush()
    session.execute(update(PlanNameRow).where(PlanNameRow.name == name).values(event=event.id))
    mine = NameEventRow.name == name
    oldest = (
        select(NameEventRow.id).where(mine).order_by(NameEventRow.id.desc()).offset(MOST_EVENTS)
    )
    if (last := session.scalar(oldest.limit(1))) is not None:
        session.execute(delete(NameEventRow).where(mine, NameEventRow.id <= last))
    return event

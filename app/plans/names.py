"""Names of plans: which plan of a name is current, and who may replace it.

The current plan of a name is the newest with a result, in the order of acceptance. One that was
revoked stays current, and says so, until a newer one has a result: an older plan is no better
founded, and devices must not go back to it. Only to delete a plan makes an older one current again.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import bindparam, delete, exists, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from app.db import table_of
from app.errors import PlanNotCurrent, PlanNotFound
from app.plans import heads
from app.plans.heads import Head
from app.plans.tables import PlanNameRow, PlanRow
from app.plans.tags import tag_of
from app.projects import OF_PROJECT, ask, project_of

_NAMES = table_of(PlanNameRow)
_HELD = (
    select(_NAMES.c.name)
    .where(_NAMES.c.name == bindparam("of_name"), _NAMES.c.project == OF_PROJECT)
    .with_for_update()
)
_NEW = {
    "postgresql": postgresql.insert(_NAMES).on_conflict_do_nothing(),
    "sqlite": sqlite.insert(_NAMES).on_conflict_do_nothing(),
}


@dataclass(frozen=True, slots=True)
class Condition:
    """That a plan may be replaced: it is the current one of its name, and nobody replaces it."""

    plan_id: str
    tags: Sequence[str] | None
    """One of them is the plan's; None: whichever it is."""


def hold(session: Session, names: Iterable[str | None]) -> None:
    """Hold names until the end of the transaction: whoever else changes their plans waits.

    Before any plan is held, or two transactions might wait for each other.
    """
    for name in sorted({name for name in names if name is not None}):
        while ask(session, _HELD, of_name=name).one_or_none() is None:
            connection = session.connection()
            new = {"project": project_of(session), "name": name, "event": 0}
            connection.execute(_NEW[connection.dialect.name], new)


def forget_unused(session: Session, most: int) -> None:
    """Forget names that no plan has, and their events."""
    unused = ~exists().where(PlanRow.name == PlanNameRow.name)
    found = session.scalars(select(PlanNameRow.name).where(unused).limit(most)).all()
    hold(session, found)  # and look again: someone may have taken one meanwhile
    session.execute(delete(PlanNameRow).where(PlanNameRow.name.in_(found), unused))


def named(session: Session, name: str, *, any_ended: bool = False) -> Head:
    """The current plan of a name, or the newest that has ended, however. Raises PlanNotFound."""
    row = (heads.newest_ended if any_ended else heads.current)(session, name)
    if row is None:
        what = "that has ended" if any_ended else "with a result"
        raise PlanNotFound(f"There is no plan named {name!r} {what}.", name)
    return row


def require(session: Session, condition: Condition) -> None:
    """Refuse to replace a plan unless the condition holds. Raises PlanNotFound, PlanNotCurrent.

    It stays true for as long as the plan's name is held, or, of a plan without one, the plan.
    """
    plan_id = condition.plan_id
    row = heads.by_id(session, plan_id)
    if row is None:
        raise PlanNotFound(f"There is no plan {plan_id!r}.", plan_id)
    if not row.has_result:
        raise PlanNotCurrent(f"The plan {plan_id!r} is {row.status} and has no result.")
    if (other := heads.successor(session, row)) is not None:
        done = "replaced by" if other.has_result else "being replaced by"
        raise PlanNotCurrent(f"The plan {plan_id!r} is {done} the plan {other.id!r}.")
    if condition.tags is not None and tag_of(session, row) not in condition.tags:
        since = ": it was revoked" if row.revoked is not None else ""
        raise PlanNotCurrent(f"The plan {plan_id!r} has changed since it was read{since}.")


def hold_for(session: Session, condition: Condition | None, name: str | None) -> None:
    """Hold what a new plan of a name may replace, and refuse it unless its condition holds.

    Raises PlanNotFound, PlanNotCurrent.
    """
    if condition is None:
        hold(session, [name])
        return
    mine = PlanRow.id == condition.plan_id
    parent = session.scalar(select(PlanRow.name).where(mine))
    hold(session, [name, parent])
    if parent is None:
        session.execute(select(PlanRow.number).where(mine).with_for_update())
    require(session, condition)

"""Names of plans: which plan of a name is current, and who may replace it.

The current plan of a name is the newest with a result, in the order of acceptance. One that was
revoked stays current, and says so, until a newer one has a result: an older plan is no better
founded, and devices must not go back to it. Only to delete a plan makes an older one current again.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnExpressionArgument, Select, and_, delete, exists, or_, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session, defer

from app.errors import PlanNotCurrent, PlanNotFound
from app.plans import stored
from app.plans.schemas import ENDED, UNENDED
from app.plans.tables import PlanNameRow, PlanRow
from app.plans.tags import tag_of
from app.projects import project_of


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
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    for name in sorted({name for name in names if name is not None}):
        held = select(PlanNameRow.name).where(PlanNameRow.name == name).with_for_update()
        while session.scalar(held) is None:
            new = insert(PlanNameRow).values(project=project_of(session), name=name)
            session.execute(new.on_conflict_do_nothing())


def forget_unused(session: Session, most: int) -> None:
    """Forget names that no plan has, and their events."""
    unused = ~exists().where(PlanRow.name == PlanNameRow.name)
    found = session.scalars(select(PlanNameRow.name).where(unused).limit(most)).all()
    hold(session, found)  # and look again: someone may have taken one meanwhile
    session.execute(delete(PlanNameRow).where(PlanNameRow.name.in_(found), unused))


def lean() -> Select[PlanRow]:
    """Plans without their requests and answers, which may be megabytes, until asked for them."""
    return select(PlanRow).options(defer(PlanRow.request), defer(stored.ANSWER))


def newest(session: Session, name: str, *which: ColumnExpressionArgument[bool]) -> PlanRow | None:
    """The newest plan of a name of which all these are true."""
    found = lean().where(PlanRow.name == name, *which).order_by(PlanRow.number.desc()).limit(1)
    return session.scalars(found).one_or_none()


def current(session: Session, name: str, *which: ColumnExpressionArgument[bool]) -> PlanRow | None:
    """The current plan of a name; with conditions, the one that would be if only those counted."""
    return newest(session, name, PlanRow.has_result, *which)


def named(session: Session, name: str, *, any_ended: bool = False) -> PlanRow:
    """The current plan of a name, or the newest that has ended, however. Raises PlanNotFound."""
    row = newest(session, name, PlanRow.status.in_(ENDED)) if any_ended else current(session, name)
    if row is None:
        what = "that has ended" if any_ended else "with a result"
        raise PlanNotFound(f"There is no plan named {name!r} {what}.", name)
    return row


def require(session: Session, condition: Condition) -> None:
    """Refuse to replace a plan unless the condition holds. Raises PlanNotFound, PlanNotCurrent.

    It stays true for as long as the plan's name is held, or, of a plan without one, the plan.
    """
    plan_id = condition.plan_id
    row = session.scalars(lean().where(PlanRow.id == plan_id)).one_or_none()
    if row is None:
        raise PlanNotFound(f"There is no plan {plan_id!r}.", plan_id)
    if not row.has_result:
        raise PlanNotCurrent(f"The plan {plan_id!r} is {row.status} and has no result.")
    if (other := _successor(session, row)) is not None:
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


def _successor(session: Session, row: PlanRow) -> PlanRow | None:
    """A newer plan that replaces this one, or will unless it fails: of its name, or, where it has
    none, made from it.
    """
    same = PlanRow.parent == row.id if row.name is None else PlanRow.name == row.name
    counts = or_(PlanRow.has_result, PlanRow.status.in_(UNENDED))
    newer = lean().where(and_(same, PlanRow.number > row.number, counts))
    return session.scalars(newer.order_by(PlanRow.number.desc()).limit(1)).one_or_none()

"""Users and plans that nobody knows: whose ids and names are near."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.nearest import is_it, nearest
from app.plans import columnar
from app.plans.families import FAMILIES
from app.plans.tables import PlanIndexRow, PlanRow, PlanUsersRow

# The parts of a large plan's index to either side of where an id would be.
_PARTS = 1
# Plan names are looked through from the newest plan on.
_NAMES = 10_000
# Of the strangers in one body.
_ADVISED = 10


def near_users(session: Session, number: int, user_id: str) -> list[str]:
    """Those of a plan's users whose ids are most like one that it does not have; in a large plan
    only those which come near it in their order are looked at.
    """
    lists = session.scalars(select(PlanUsersRow.ids).where(PlanUsersRow.plan_number == number))
    ids = [known for block in lists for known in block]
    return nearest(user_id, ids or _neighbours(session, number, user_id))


def _neighbours(session: Session, number: int, user_id: str) -> list[str]:
    mine = select(PlanIndexRow.data).where(PlanIndexRow.plan_number == number)
    first = PlanIndexRow.first_id
    before = mine.where(first <= user_id).order_by(first.desc()).limit(1 + _PARTS)
    after = mine.where(first > user_id).order_by(first).limit(_PARTS)
    parts = [*session.scalars(before), *session.scalars(after)]
    return [known for part in parts for known in columnar.unpacked(part)["id"].to_pylist()]


def plan_advice(session: Session, named: str) -> str:
    """What to do about a plan that does not exist, by the id or the name it was looked for with."""
    if named in FAMILIES:
        return f"POST /v1/plans/{named} makes a plan of this kind."
    used = (
        select(PlanRow.name)
        .where(~PlanRow.name.is_(None))
        .order_by(PlanRow.number.desc())
        .limit(_NAMES)
    )
    names = list(dict.fromkeys(name for name in session.scalars(used) if name is not None))
    if named in names:
        return (
            f"{named!r} is the name of a plan: GET /v1/plans?name={named} lists those of the name,"
            f" GET /v1/plans/current?name={named} is the newest that has ended."
        )
    near = nearest(named, names)
    hint = f"Plans are named {' or '.join(map(repr, near))}; " if near else ""
    return f"{hint}GET /v1/plans lists those that exist."


def stranger(session: Session, number: int, plan_id: str, user_id: str, told: int = 0) -> str:
    """That a plan has no such user, and who is near, unless of many others that was `told`."""
    near = is_it(near_users(session, number, user_id)) if told < _ADVISED else ""
    return f"the plan {plan_id!r} says nothing of a user {user_id!r}{near}"

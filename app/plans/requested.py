"""What a stored request says of some of its users, without reading it all."""

from bisect import bisect_right
from collections.abc import Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.arrow import pa, pc
from app.plans import columnar, stored
from app.plans.tables import PlanIndexRow, PlanRow

Json = dict[str, Any]


def users_named(session: Session, number: int, ids: Sequence[str]) -> dict[str, Json]:
    """The users of a plan's request who have one of these ids."""
    found = _by_index(session, number, ids)
    if len(found) < len(ids):  # the users came as JSON, or are few, or the plan has no such users
        row = session.get_one(PlanRow, number)
        left = [user_id for user_id in ids if user_id not in found]
        found |= stored.request_of(session, row).named(left)
    return found


def _by_index(session: Session, number: int, ids: Sequence[str]) -> dict[str, Json]:
    """Those whom the index of a large plan leads to: where each is told of, it was asked for."""
    rows, wanted = _places(session, number, ids), set(ids)
    return {
        user["id"]: user
        for _, table in columnar.taken(session, number, "request", rows)
        for user in stored.as_json(table)
        if user["id"] in wanted
    }


def _places(session: Session, number: int, ids: Sequence[str]) -> list[int]:
    """The rows of those of these ids that are in a plan's index."""
    of_plan = PlanIndexRow.plan_number == number
    firsts = session.scalars(
        select(PlanIndexRow.first_id).where(of_plan).order_by(PlanIndexRow.first_id)
    ).all()
    parts: dict[str, list[str]] = {}
    for user_id in ids:
        if part := bisect_right(firsts, user_id):
            parts.setdefault(firsts[part - 1], []).append(user_id)
    rows: list[int] = []
    for first, names in parts.items():
        index = columnar.unpacked(
            session.scalars(
                select(PlanIndexRow.data).where(of_plan, PlanIndexRow.first_id == first)
            ).one()
        )
        at = pc.index_in(pa.array(names, index["id"].type), value_set=index["id"]).drop_null()
        rows += index["row"].take(at).to_pylist()
    return rows

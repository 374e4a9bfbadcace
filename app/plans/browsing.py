"""What a plan says of its users, searched and sorted: a page of it, however many they are.

An ended plan never changes, so in which order its users come by a field is kept for whoever turns
the page.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.arrow import pa, pc
from app.plans import columnar, stored
from app.plans.heads import Head
from app.plans.schemas import INLINE_USERS
from app.plans.tables import PlanColumnsRow, PlanUsersRow

Json = dict[str, Any]
Rows = NDArray[np.int32]

_MOST_JSON = 20_000
"""Users in JSON are read whole to be searched or sorted: of more, pages are turned only."""
_KEPT = 4
"""Orders, 4 bytes for each user."""


@dataclass(frozen=True, slots=True)
class Sought:
    """Which users are looked for, and in which order."""

    text: str = ""
    """In their ids, capitals or not; empty: all."""
    field: str | None = None
    """What they are sorted by, steps apart by dots; None: the order of the request."""
    descending: bool = False


@dataclass(frozen=True, slots=True)
class Page:
    """Some of those who were found."""

    users: Sequence[Json]
    found: int
    """How many there are in all."""
    sought: bool = True
    """Whether it was looked for them: too many in JSON are only shown in the order of the
    request."""


def page(session: Session, plan: Head, sought: Sought, start: int, limit: int) -> Page:
    """Those of a plan's users who are sought, from a position on; of its reasons where there is no
    plan.
    """
    in_order = not sought.text and sought.field is None
    if plan.users > INLINE_USERS and (many := _columns(session, plan.number)):
        if in_order:
            return Page(stored.users_of(session, plan, start, limit), many)
        rows = _rows(session, plan, sought, many)
        shown = rows[start : start + limit]
        return Page(columnar.some(session, plan.number, "users", shown.tolist()), len(rows))
    many = _entries(session, plan.number)
    if in_order or many > _MOST_JSON:
        return Page(stored.users_of(session, plan, start, limit), many, sought=in_order)
    found = _among(stored.users_of(session, plan, 0, max(many, 1)), sought)
    return Page(found[start : start + limit], len(found))


def value_of(user: Any, field: str) -> Any:
    """A field of a user, within others where it has dots; None where any of them is missing."""
    for step in field.split("."):
        user = user.get(step) if isinstance(user, dict) else None
    return user


def _among(users: Sequence[Json], sought: Sought) -> list[Json]:
    wanted = sought.text.casefold()
    found = [user for user in users if wanted in user["id"].casefold()]
    if sought.field is None:
        return found
    field = sought.field
    keyed = [(value_of(user, field), user) for user in found]
    known = [entry for entry in keyed if isinstance(entry[0], (int, float, str))]
    known.sort(key=lambda entry: entry[0], reverse=sought.descending)
    return [user for _, user in known] + [
        user for value, user in keyed if not isinstance(value, (int, float, str))
    ]


def _entries(session: Session, number: int) -> int:
    """How many users blocks of JSON hold: all but the last are full."""
    last = (
        select(PlanUsersRow.block, PlanUsersRow.ids)
        .where(PlanUsersRow.plan_number == number)
        .order_by(PlanUsersRow.block.desc())
        .limit(1)
    )
    row = session.execute(last).one_or_none()
    return 0 if row is None else row.block * stored.BLOCK + len(row.ids)


def _columns(session: Session, number: int) -> int:
    """How many users columns hold; 0 where there are none."""
    blocks = select(func.max(PlanColumnsRow.block)).where(
        PlanColumnsRow.plan_number == number, PlanColumnsRow.part == "users"
    )
    last = session.scalar(blocks)
    if last is None:
        return 0
    start = last * columnar.BLOCK_ROWS
    table = columnar.load(session, number, "users", start, columnar.BLOCK_ROWS)
    return 0 if table is None else start + int(table.num_rows)


class _Orders:
    """The orders that were asked for last."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, str, bool], Rows] = OrderedDict()
        self._lock = Lock()

    def get(self, key: tuple[str, str, bool]) -> Rows | None:
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
            return self._kept.get(key)

    def put(self, key: tuple[str, str, bool], rows: Rows) -> None:
        with self._lock:
            self._kept[key] = rows
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)


_orders = _Orders()


def _rows(session: Session, plan: Head, sought: Sought, many: int) -> Rows:
    """The rows of those who are sought, in their order."""
    named = _named(session, plan.number, sought.text) if sought.text else None
    if sought.field is None:
        assert named is not None
        return np.sort(named)
    order = _sorted(session, plan, sought.field, descending=sought.descending)
    if named is None:
        return order
    wanted = np.zeros(many, dtype=bool)
    wanted[named] = True
    return order[wanted[order]]


def _named(session: Session, number: int, text: str) -> Rows:
    """The rows of users whose ids have a text in them, by id."""
    parts = [
        _as_rows(part.filter(pc.match_substring(part["id"], text, ignore_case=True))["row"])
        for part in columnar.index(session, number)
    ]
    return np.concatenate(parts) if parts else np.zeros(0, np.int32)


def _sorted(session: Session, plan: Head, field: str, *, descending: bool) -> Rows:
    """All rows by a field, equal ones in the order of the request, those without one last."""
    key = plan.id, field, descending
    known = _orders.get(key)
    if known is None:
        column = columnar.column(session, plan.number, "users", field)
        direction = "descending" if descending else "ascending"
        known = _as_rows(pc.sort_indices(column, sort_keys=[("", direction)]))
        _orders.put(key, known)
    return known


def _as_rows(numbers: pa.ChunkedArray) -> Rows:
    rows: Rows = numbers.to_numpy().astype(np.int32)
    return rows

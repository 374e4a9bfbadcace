"""The heads of plans: all but what was asked and what is answered, which may be megabytes.

They are read as rows, not as objects that a session keeps track of: that would take several times
as long as reading them. The statements are made once, and each says itself whose plans it finds.
"""

from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import Integer, Select, String, bindparam, or_, select
from sqlalchemy.orm import Session

from app.db import table_of
from app.plans.schemas import ENDED, UNENDED
from app.plans.tables import PlanRow
from app.projects import OF_PROJECT, ask


class Head(NamedTuple):
    """A plan as it stood when it was looked for, by the columns of its row."""

    number: int
    id: str
    kind: str
    status: str
    name: str | None
    supersedes: str | None
    parent: str | None
    users: int
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    request_hash: str
    has_result: bool
    revoked: dict[str, Any] | None
    webhook: dict[str, Any] | None


@dataclass(kw_only=True)
class NewPlan:
    """A plan on its way into the database, by the columns of its row: an object that a session
    could keep track of takes fifty times as long to make.
    """

    id: str
    kind: str
    status: str
    name: str | None
    supersedes: str | None
    parent: str | None
    max_switches: int | None
    users: int
    created_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
    request: Any
    request_hash: str
    answer: dict[str, Any]
    has_result: bool = False
    pins: dict[str, str | None]
    attempt: int = 0
    priority: str
    quick: bool = False
    rank: int
    deaths: int = 0
    idempotency: str | None
    idempotency_body: str | None
    request_id: str | None
    traceparent: str | None
    webhook: dict[str, Any] | None = None
    webhook_waiting: bool | None = None
    webhook_due_s: float | None = None
    revoked: dict[str, Any] | None = None
    number: int = 0
    """Given when it is stored."""


Plan = PlanRow | Head | NewPlan
"""A plan, however it was found."""

_plan = table_of(PlanRow).c
MINE = select(*(_plan[name] for name in Head._fields)).where(_plan.project == OF_PROJECT)
"""All of a project, to be narrowed down."""


def _given(name: str) -> Any:
    return bindparam(name, type_=_plan[name].type)


def _latest(*which: Any) -> Select[*tuple[Any, ...]]:
    return MINE.where(*which).order_by(_plan.number.desc()).limit(1)


_BY_ID = MINE.where(_plan.id == _given("id"))
_OF_NAME, _NEWER = _plan.name == _given("name"), _plan.number > _given("number")
_CURRENT = _latest(_OF_NAME, _plan.has_result)
_OTHER = _latest(_OF_NAME, _plan.has_result, _plan.number != _given("number"))
_ENDED = _latest(_OF_NAME, _plan.status.in_(sorted(ENDED)))
_COUNTS = or_(_plan.has_result, _plan.status.in_(UNENDED))
_OF_SAME_NAME = _latest(_OF_NAME, _NEWER, _COUNTS)
_OF_PARENT = _latest(_plan.parent == bindparam("parent", type_=String()), _NEWER, _COUNTS)


def _one(session: Session, statement: Select[*tuple[Any, ...]], **asked: Any) -> Head | None:
    row = ask(session, statement, **asked).one_or_none()
    return None if row is None else Head._make(row)


def by_id(session: Session, plan_id: str) -> Head | None:
    """The plan of an id."""
    return _one(session, _BY_ID, id=plan_id)


def current(session: Session, name: str) -> Head | None:
    """The newest plan of a name that has a result."""
    return _one(session, _CURRENT, name=name)


def current_but_for(session: Session, name: str, number: int) -> Head | None:
    """The one that would be if there was not a certain one."""
    return _one(session, _OTHER, name=name, number=number)


def newest_ended(session: Session, name: str) -> Head | None:
    """The newest plan of a name that has ended, however."""
    return _one(session, _ENDED, name=name)


def successor(session: Session, plan: Plan) -> Head | None:
    """The newest plan that replaces one, or will unless it fails: of its name, or, where it has
    none, made from it.
    """
    if plan.name is None:
        return _one(session, _OF_PARENT, parent=plan.id, number=plan.number)
    return _one(session, _OF_SAME_NAME, name=plan.name, number=plan.number)


def newest_first(
    session: Session,
    limit: int,
    before: int | None = None,
    **wanted: str | None,
) -> list[Head]:
    """Plans whose columns have these values, None: whichever; the first before a number."""
    asked = {name: value for name, value in wanted.items() if value is not None}
    statement = _list(frozenset(asked), before=before is not None)
    rows = ask(session, statement, number=before, most=limit, **asked)
    return [Head._make(row) for row in rows]


@cache
def _list(columns: frozenset[str], *, before: bool) -> Select[*tuple[Any, ...]]:
    which = [_plan[name] == _given(name) for name in sorted(columns)]
    if before:
        which.append(_plan.number < _given("number"))
    listed = MINE.where(*which).order_by(_plan.number.desc())
    return listed.limit(bindparam("most", type_=Integer()))

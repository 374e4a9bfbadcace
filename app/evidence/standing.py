"""How the plans stand of which devices reported, those that were heard of last first."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Integer, bindparam
from sqlalchemy.orm import Session

from app.db import table_of
from app.evidence.tables import PlanEvidenceRow
from app.plans import heads
from app.plans.heads import Head
from app.plans.tables import PlanRow
from app.projects import ask

_EVIDENCE, _PLANS = table_of(PlanEvidenceRow), table_of(PlanRow)
_COUNTED = ("users", "refuted", "inferences", "misses", "wealth", "updated_at")
_REPORTED = heads.MINE.add_columns(
    *(_EVIDENCE.c[name].label(f"told_{name}") for name in _COUNTED)
).join_from(_PLANS, _EVIDENCE, _EVIDENCE.c.plan_number == _PLANS.c.number)
_NEWEST = _REPORTED.order_by(_EVIDENCE.c.updated_at.desc(), _PLANS.c.number.desc()).limit(
    bindparam("most", type_=Integer())
)
_OF_ONE = _REPORTED.where(_PLANS.c.number == bindparam("number", type_=Integer()))


@dataclass(frozen=True, slots=True)
class Standing:
    """A plan against what its users saw."""

    plan: Head
    users: int
    """Who have reported."""
    refuted: int
    """Of them, those whose own promise is refuted."""
    inferences: int
    misses: int
    e_value: float
    """The mean over all users, those without a report counting 1."""
    updated_at: datetime


def newest(session: Session, limit: int) -> list[Standing]:
    """Plans of which anything was reported."""
    return [_read(tuple(row)) for row in ask(session, _NEWEST, most=limit)]


def of(session: Session, plan: Head) -> Standing | None:
    """How one plan stands; None where nobody has reported."""
    row = ask(session, _OF_ONE, number=plan.number).one_or_none()
    return None if row is None else _read(tuple(row))


def _read(row: tuple[Any, ...]) -> Standing:
    plan = Head._make(row[: len(Head._fields)])
    told = dict(zip(_COUNTED, row[len(Head._fields) :], strict=True))
    wealth = told.pop("wealth") + plan.users - told["users"]
    return Standing(plan=plan, e_value=max(wealth, 0.0) / plan.users, **told)

"""Evidence as functions: count reports, each once, and say what they refute."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import Any

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.db import Database
from app.errors import FieldError, InvalidRequest, PlanNotFound, PlanNotReplayable
from app.evidence.schemas import Report
from app.evidence.sequences import counted, missing, with_number
from app.evidence.tables import PlanEvidenceRow, UserEvidenceRow
from app.plans import service as plans
from app.plans import stored
from app.plans.schemas import INLINE_USERS
from app.plans.tables import PlanRow
from solvers.evidence.betting import MULTIPLES, log_e_value, log_wealth

DEFAULT_CONFIDENCE = 0.95
_SHOWN = 1000
# A smaller number than the evidence is evidence still: sums of these stay exact enough.
_LARGEST = 1e12


@dataclass(frozen=True, slots=True)
class Promise:
    """What a plan promises of its users, as far as evidence needs it."""

    number: int
    users: int
    confidence: float


def promise_of(row: PlanRow) -> Promise:
    """What reports are held against. Raises PlanNotReplayable where nothing is promised."""
    if row.kind != "robust" or stored.answer_of(row).result is None:
        raise PlanNotReplayable(
            f"The plan {row.id!r} promises no risk: only robust plans with a result do."
        )
    options = stored.answer_of(row).options
    if options.get("margin") == "mean":
        raise PlanNotReplayable(
            f"The plan {row.id!r} was made with the margin `mean`, which promises no risk."
        )
    return Promise(row.number, row.users, options.get("confidence", DEFAULT_CONFIDENCE))


def receive(database: Database, plan_id: str, reports: tuple[Report, ...]) -> dict[str, Any]:
    """Count reports, each once; what is known of the plan and of their users afterwards.

    Raises PlanNotFound, PlanNotReplayable, InvalidRequest where a user is not the plan's: nothing
    is counted then.
    """
    names = list(dict.fromkeys(report.user for report in reports))
    with database.reading() as session:
        row = plans.find(session, plan_id)
        promise = promise_of(row)
        risks = _risks(session, row, names, reports)
    now = datetime.now(UTC)
    with database.writing() as session:
        whole = _held(session, promise, plan_id, now)
        users = _users(session, promise.number, names)
        new = 0
        for report in reports:
            user = users.get(report.user)
            if user is None:
                user = users[report.user] = _newcomer(promise, report.user, risks, now)
                session.add(user)
                whole.users += 1
                whole.wealth += user.e_value
            new += _count(whole, user, report, promise, now)
        whole.updated_at = now
        session.flush()
        told = _told(session, plan_id, promise, whole)
        shown = [_user(users[name]) for name in names[:_SHOWN]]
    return told | {"counted": new, "repeated": len(reports) - new, "users": shown}


def summary(session: Session, plan_id: str) -> dict[str, Any]:
    """What is known of a plan. Raises PlanNotFound, PlanNotReplayable."""
    promise = promise_of(plans.find(session, plan_id))
    whole = session.get(PlanEvidenceRow, promise.number) or _nothing(promise, datetime.now(UTC))
    return _told(session, plan_id, promise, whole)


def list_users(
    session: Session, plan_id: str, after: str, limit: int, refuted: bool | None
) -> list[dict[str, Any]]:
    """Users who have reported, by id, from the first after one.

    Raises PlanNotFound, PlanNotReplayable.
    """
    promise = promise_of(plans.find(session, plan_id))
    wanted = select(UserEvidenceRow).where(
        UserEvidenceRow.plan_number == promise.number, UserEvidenceRow.user_id > after
    )
    if refuted is not None:
        at = UserEvidenceRow.refuted_at
        wanted = wanted.where(at.is_not(None) if refuted else at.is_(None))
    return [
        _user(row) for row in session.scalars(wanted.order_by(UserEvidenceRow.user_id).limit(limit))
    ]


def is_refuted(told: Mapping[str, Any]) -> bool:
    """Whether what is known of a plan refutes it."""
    return bool(told["e_value"] * (1.0 - told["confidence"]) >= 1.0)


def _risks(
    session: Session, row: PlanRow, names: list[str], reports: Iterable[Report]
) -> dict[str, float]:
    """The risk promised to each user who has not reported before. Raises InvalidRequest."""
    known = set(
        session.scalars(
            select(UserEvidenceRow.user_id).where(
                UserEvidenceRow.plan_number == row.number, UserEvidenceRow.user_id.in_(names)
            )
        )
    )
    fresh = [name for name in names if name not in known]
    if not fresh:
        return {}
    asked = stored.request_of(session, row).named(fresh)
    if strangers := set(fresh) - asked.keys():
        raise InvalidRequest(
            [
                FieldError(f"/reports/{n}/user", _stranger(session, row, report.user))
                for n, report in enumerate(reports)
                if report.user in strangers
            ]
        )
    return {name: float(asked[name]["risk"]) for name in fresh}


def _stranger(session: Session, row: PlanRow, name: str) -> str:
    near: list[str] = []
    if row.users <= INLINE_USERS:
        ids = [user["id"] for user in stored.users_of(session, row, 0, row.users)]
        near = get_close_matches(name, ids, n=3)
    meant = f": did you mean {' or '.join(map(repr, near))}?" if near else ""
    return f"the plan {row.id!r} says nothing of a user {name!r}{meant}"


def _held(session: Session, promise: Promise, plan_id: str, now: datetime) -> PlanEvidenceRow:
    """The evidence of a plan, held until the end of the transaction. Raises PlanNotFound."""
    # The plan's row first: of two who report first only one makes the evidence.
    if (
        session.scalar(
            select(PlanRow.number).where(PlanRow.number == promise.number).with_for_update()
        )
        is None
    ):
        raise PlanNotFound(f"The plan {plan_id!r} was deleted meanwhile.")
    whole = session.get(PlanEvidenceRow, promise.number)
    if whole is None:
        whole = _nothing(promise, now)
        session.add(whole)
    return whole


def _nothing(promise: Promise, now: datetime) -> PlanEvidenceRow:
    return PlanEvidenceRow(
        plan_number=promise.number,
        users=0,
        refuted=0,
        inferences=0,
        misses=0,
        wealth=0.0,
        updated_at=now,
    )


def _users(session: Session, plan_number: int, names: list[str]) -> dict[str, UserEvidenceRow]:
    found = session.scalars(
        select(UserEvidenceRow).where(
            UserEvidenceRow.plan_number == plan_number, UserEvidenceRow.user_id.in_(names)
        )
    )
    return {row.user_id: row for row in found}


def _newcomer(
    promise: Promise, name: str, risks: Mapping[str, float], now: datetime
) -> UserEvidenceRow:
    return UserEvidenceRow(
        plan_number=promise.number,
        user_id=name,
        risk=risks[name],
        sequence=0,
        later=[],
        inferences=0,
        misses=0,
        e_value=1.0,
        e_value_max=1.0,
        refuted_at=None,
        updated_at=now,
    )


def _count(
    whole: PlanEvidenceRow, user: UserEvidenceRow, report: Report, promise: Promise, now: datetime
) -> bool:
    """Count a report unless it was counted; whether it was new."""
    if counted(user.sequence, user.later, report.sequence):
        return False
    user.sequence, user.later = with_number(user.sequence, user.later, report.sequence)
    user.inferences += report.inferences
    user.misses += report.misses
    user.updated_at = now
    before, user.e_value = user.e_value, _e_value(user)
    user.e_value_max = max(user.e_value_max, user.e_value)
    whole.wealth += user.e_value - before
    whole.inferences += report.inferences
    whole.misses += report.misses
    if user.refuted_at is None and user.e_value_max * (1.0 - promise.confidence) >= 1.0:
        user.refuted_at = now
        whole.refuted += 1
    return True


def _e_value(user: UserEvidenceRow) -> float:
    """By the counts alone: the product of the bets does not depend on their order."""
    logs = log_wealth(np.zeros(len(MULTIPLES)), user.inferences, user.misses, user.risk)
    return math.exp(min(float(log_e_value(logs)), math.log(_LARGEST)))


def _told(
    session: Session, plan_id: str, promise: Promise, whole: PlanEvidenceRow
) -> dict[str, Any]:
    silent = promise.users - whole.users
    told: dict[str, Any] = {
        "plan": plan_id,
        "confidence": promise.confidence,
        "users_reporting": whole.users,
        "users_refuted": whole.refuted,
        "inferences": whole.inferences,
        "misses": whole.misses,
        "e_value": max(whole.wealth + silent, 0.0) / promise.users,
    }
    revoked = session.scalar(select(PlanRow.revoked).where(PlanRow.number == promise.number))
    return told if revoked is None else told | {"revoked": revoked}


def _user(row: UserEvidenceRow) -> dict[str, Any]:
    return {
        "user": row.user_id,
        "risk": row.risk,
        "inferences": row.inferences,
        "misses": row.misses,
        "e_value": row.e_value,
        "refuted": row.refuted_at is not None,
        "refuted_at": row.refuted_at,
        "sequence": row.sequence,
        "missing": missing(row.sequence, row.later),
        "updated_at": row.updated_at,
    }

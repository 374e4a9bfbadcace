"""Evidence as functions: count reports, each once, and say what they refute."""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from app.db import Database, table_of
from app.errors import PlanNotFound
from app.evidence.promises import Promise, promise_of, risks_of
from app.evidence.schemas import MOST_REPORTS, MissReport
from app.evidence.sequences import counted, missing, with_number
from app.evidence.tables import PlanEvidenceRow, UserEvidenceRow
from app.plans.tables import PlanRow
from app.together import Together
from solvers.evidence.betting import MULTIPLES, log_e_value, log_wealth

_SHOWN = 1000
# A smaller number than the evidence is evidence still: sums of these stay exact enough.
_LARGEST = 1e12
_PLANS = table_of(PlanRow).c
_PLAN = (
    select(_PLANS.number, _PLANS.revoked)
    .where(_PLANS.number == bindparam("of_number"))
    .with_for_update()
)

_Revoked = dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class _Received:
    """Reports that may be counted: all of them are of the plan's users."""

    promise: Promise
    names: list[str]
    """Users, in the order in which they first appear."""
    reports: tuple[MissReport, ...]
    risks: Mapping[str, float]
    """What was promised to those who had not reported before."""


class Receiver:
    """Counts the reports that come to one process, those that wait for each other together,
    whosever they are.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._counting = Together(self._count, MOST_REPORTS)

    def receive(
        self, database: Database, plan_id: str, reports: tuple[MissReport, ...]
    ) -> dict[str, Any]:
        """Count reports on a plan of the project, each once; what is known of the plan and of
        their users afterwards.

        Raises PlanNotFound, PlanNotReplayable, InvalidRequest where a user is not the plan's:
        nothing is counted then.
        """
        names = list(dict.fromkeys(report.user for report in reports))
        with database.reading() as session:
            promise = promise_of(session, plan_id)
            risks = risks_of(session, promise, names, reports)
        received = _Received(promise, names, reports, risks)
        return self._counting.carry_out(received, len(reports))

    def _count(self, every: Sequence[_Received]) -> list[dict[str, Any]]:
        """Count what was received, of any plans, in one transaction."""
        told: dict[int, dict[str, Any]] = {}
        plans: dict[int, list[int]] = {}
        for n, received in enumerate(every):
            plans.setdefault(received.promise.number, []).append(n)
        with self._database.writing() as session:
            # By number: of two processes neither holds a plan that the other waits for.
            for _, places in sorted(plans.items()):
                some = [every[n] for n in places]
                told |= zip(places, _count_of_plan(session, some), strict=True)
        return [told[n] for n in range(len(every))]


def _count_of_plan(session: Session, every: Sequence[_Received]) -> list[dict[str, Any]]:
    """Count what was received of one plan."""
    promise, now = every[0].promise, datetime.now(UTC)
    whole, revoked = _held(session, promise, now)
    users = _users(session, promise.number, {name for one in every for name in one.names})
    counts = []
    for received in every:
        new = 0
        for report in received.reports:
            user = users.get(report.user)
            if user is None:
                user = users[report.user] = _newcomer(promise, report.user, received.risks, now)
                session.add(user)
                whole.users += 1
                whole.wealth += user.e_value
            new += _count(whole, user, report, promise, now)
        counts.append({"counted": new, "repeated": len(received.reports) - new})
    whole.updated_at = now
    session.flush()
    told = _told(promise, whole, revoked)
    return [
        told | count | {"users": [_user(users[name]) for name in received.names[:_SHOWN]]}
        for count, received in zip(counts, every, strict=True)
    ]


def summary(session: Session, plan_id: str) -> dict[str, Any]:
    """What is known of a plan. Raises PlanNotFound, PlanNotReplayable."""
    promise = promise_of(session, plan_id)
    whole = session.get(PlanEvidenceRow, promise.number) or _nothing(promise, datetime.now(UTC))
    return _told(promise, whole, promise.revoked)


def list_users(
    session: Session, plan_id: str, after: str, limit: int, refuted: bool | None
) -> list[dict[str, Any]]:
    """Users who have reported, by id, from the first after one.

    Raises PlanNotFound, PlanNotReplayable.
    """
    promise = promise_of(session, plan_id)
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


def _held(session: Session, promise: Promise, now: datetime) -> tuple[PlanEvidenceRow, _Revoked]:
    """The evidence of a plan, held until the end of the transaction, and whether the plan is
    revoked. Raises PlanNotFound.
    """
    # The plan's row first: of two who report first only one makes the evidence.
    plan = session.connection().execute(_PLAN, {"of_number": promise.number}).one_or_none()
    if plan is None:
        raise PlanNotFound(f"The plan {promise.plan_id!r} was deleted meanwhile.")
    whole = session.get(PlanEvidenceRow, promise.number)
    if whole is None:
        whole = _nothing(promise, now)
        session.add(whole)
    return whole, plan.revoked


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


def _users(
    session: Session, plan_number: int, names: Collection[str]
) -> dict[str, UserEvidenceRow]:
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
    whole: PlanEvidenceRow,
    user: UserEvidenceRow,
    report: MissReport,
    promise: Promise,
    now: datetime,
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


def _told(promise: Promise, whole: PlanEvidenceRow, revoked: _Revoked) -> dict[str, Any]:
    silent = promise.users - whole.users
    told: dict[str, Any] = {
        "plan": promise.plan_id,
        "confidence": promise.confidence,
        "users_reporting": whole.users,
        "users_refuted": whole.refuted,
        "inferences": whole.inferences,
        "misses": whole.misses,
        "e_value": max(whole.wealth + silent, 0.0) / promise.users,
    }
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

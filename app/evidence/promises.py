"""What a plan promises of its users, as far as reports are held against it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from app.db import table_of
from app.errors import FieldError, InvalidRequest, PlanNotFound, PlanNotReplayable
from app.evidence.schemas import MissReport
from app.evidence.tables import UserEvidenceRow
from app.plans import requested, service, stored
from app.plans.robust.schemas import DEFAULT_CONFIDENCE
from app.plans.strangers import stranger

_USERS = table_of(UserEvidenceRow).c
_REPORTED = select(_USERS.user_id).where(
    _USERS.plan_number == bindparam("number"),
    _USERS.user_id.in_(bindparam("names", expanding=True)),
)


@dataclass(frozen=True, slots=True)
class Promise:
    """What a plan promises of its users as a whole."""

    plan_id: str
    number: int
    users: int
    confidence: float
    revoked: dict[str, Any] | None
    """As it was when the plan was read."""


def promise_of(session: Session, plan_id: str) -> Promise:
    """What reports are held against.

    Raises PlanNotFound, PlanNotEnded, and PlanNotReplayable where nothing is promised.
    """
    # Not the whole row: with its request it may be megabytes, and each report comes through here.
    found = stored.told(session, plan_id)
    if found is None:
        raise PlanNotFound(f"There is no plan {plan_id!r}.", plan_id)
    plan, answer = found
    service.require_ended(plan_id, plan.status)
    if plan.kind != "robust" or answer.result is None:
        raise PlanNotReplayable(
            f"The plan {plan_id!r} promises no risk: only robust plans with a result do."
        )
    if answer.options.get("margin") == "mean":
        raise PlanNotReplayable(
            f"The plan {plan_id!r} was made with the margin `mean`, which promises no risk."
        )
    confidence = answer.options.get("confidence", DEFAULT_CONFIDENCE)
    return Promise(plan_id, plan.number, plan.users, confidence, plan.revoked)


def risks_of(
    session: Session, promise: Promise, names: Sequence[str], reports: Iterable[MissReport]
) -> dict[str, float]:
    """The risk promised to each user who has not reported before. Raises InvalidRequest."""
    asked_for = {"number": promise.number, "names": names}
    known = set(session.connection().execute(_REPORTED, asked_for).scalars())
    fresh = [name for name in names if name not in known]
    if not fresh:
        return {}
    asked = requested.users_named(session, promise.number, fresh)
    if strangers := set(fresh) - asked.keys():
        faults: list[FieldError] = []
        for n, report in enumerate(reports):
            if report.user in strangers:
                who = stranger(session, promise.number, promise.plan_id, report.user, len(faults))
                faults.append(FieldError(f"/reports/{n}/user", who))
        raise InvalidRequest(faults)
    return {name: float(asked[name]["risk"]) for name in fresh}

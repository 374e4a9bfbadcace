"""What a plan promises of its users, as far as reports are held against it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.errors import FieldError, InvalidRequest, PlanNotFound, PlanNotReplayable
from app.evidence.schemas import MissReport
from app.evidence.tables import UserEvidenceRow
from app.plans import requested, service, stored
from app.plans.robust.schemas import DEFAULT_CONFIDENCE
from app.plans.schemas import INLINE_USERS
from app.plans.tables import PlanRow


@dataclass(frozen=True, slots=True)
class Promise:
    """What a plan promises of its users as a whole."""

    plan_id: str
    number: int
    users: int
    confidence: float


def promise_of(session: Session, plan_id: str) -> Promise:
    """What reports are held against.

    Raises PlanNotFound, PlanNotEnded, and PlanNotReplayable where nothing is promised.
    """
    # Not the whole row: with its request it may be megabytes, and each report comes through here.
    found = session.execute(
        select(PlanRow.number, PlanRow.kind, PlanRow.status, PlanRow.users, stored.ANSWER).where(
            PlanRow.id == plan_id
        )
    ).one_or_none()
    if found is None:
        raise PlanNotFound(f"There is no plan {plan_id!r}.")
    number, kind, status, users, kept = found
    service.require_ended(plan_id, status)
    answer = stored.Answer.read(kept)
    if kind != "robust" or answer.result is None:
        raise PlanNotReplayable(
            f"The plan {plan_id!r} promises no risk: only robust plans with a result do."
        )
    if answer.options.get("margin") == "mean":
        raise PlanNotReplayable(
            f"The plan {plan_id!r} was made with the margin `mean`, which promises no risk."
        )
    confidence = answer.options.get("confidence", DEFAULT_CONFIDENCE)
    return Promise(plan_id, number, users, confidence)


def risks_of(
    session: Session, promise: Promise, names: Sequence[str], reports: Iterable[MissReport]
) -> dict[str, float]:
    """The risk promised to each user who has not reported before. Raises InvalidRequest."""
    known = set(
        session.scalars(
            select(UserEvidenceRow.user_id).where(
                UserEvidenceRow.plan_number == promise.number, UserEvidenceRow.user_id.in_(names)
            )
        )
    )
    fresh = [name for name in names if name not in known]
    if not fresh:
        return {}
    asked = requested.users_named(session, promise.number, fresh)
    if strangers := set(fresh) - asked.keys():
        raise InvalidRequest(
            [
                FieldError(f"/reports/{n}/user", _stranger(session, promise, report.user))
                for n, report in enumerate(reports)
                if report.user in strangers
            ]
        )
    return {name: float(asked[name]["risk"]) for name in fresh}


def _stranger(session: Session, promise: Promise, name: str) -> str:
    near: list[str] = []
    if promise.users <= INLINE_USERS:
        row = session.get_one(PlanRow, promise.number)
        ids = [user["id"] for user in stored.users_of(session, row, 0, row.users)]
        near = get_close_matches(name, ids, n=3)
    meant = f": did you mean {' or '.join(map(repr, near))}?" if near else ""
    return f"the plan {promise.plan_id!r} says nothing of a user {name!r}{meant}"

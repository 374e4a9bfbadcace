"""Explanations as functions of a session."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from app.errors import NothingToExplain
from app.explanations import multiuser, robust, stopping, wording
from app.explanations.asked import asked_of
from app.plans import service as plans

Json = dict[str, Any]

_FAMILIES = {
    "robust": robust.explained,
    "stopping": stopping.explained,
    "multi-user": multiuser.explained,
}


def explained(session: Session, plan_id: str, user_id: str) -> Json:
    """Why a user of an ended plan has the cut it has, from what the plan was made of: nothing is
    stored.

    Raises PlanNotFound, PlanNotEnded, PlanUserNotFound, RevisionsUnknown, NothingToExplain.
    """
    row = plans.ended(session, plan_id)
    if row.kind not in _FAMILIES:
        raise NothingToExplain(
            f"The plan {plan_id!r} is {row.kind}: its tables say at which rates each cut is best."
        )
    asked = asked_of(session, row, user_id)
    told: Json = {
        "plan": row.id,
        "kind": row.kind,
        "user": user_id,
        **({} if asked.user.get("cell") is None else {"cell": asked.user["cell"]}),
        **_FAMILIES[row.kind](asked),
    }
    for cut in told["cuts"]:
        cut["sentence"] = wording.sentence(cut, told)
    return told | {"summary": wording.summary(told)}

"""Explanations over HTTP: parse, call, return."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from app.db import ReadSession
from app.errors import (
    InvalidRequest,
    NothingToExplain,
    PlanNotEnded,
    PlanNotFound,
    PlanUserNotFound,
    RevisionsUnknown,
)
from app.explanations import service
from app.explanations.schemas import Explanation
from app.hands import of_kind
from app.http.answers import rendered
from app.http.bodies import StrictRoute
from app.plans.routes import PlanIdPath
from app.problems import documented
from app.quantities import TEXT_PATTERN

router = APIRouter(prefix="/v1/plans/{plan_id}", tags=["Plans"], route_class=StrictRoute)


@router.get(
    "/explain",
    summary="Explain why a user has its cut",
    operation_id="explain_plan_user",
    response_model=Explanation,
    responses=documented(
        InvalidRequest,
        PlanNotFound,
        PlanUserNotFound,
        PlanNotEnded,
        RevisionsUnknown,
        NothingToExplain,
    ),
)
@of_kind("planning")
def explain_plan_user(
    session: ReadSession,
    plan_id: PlanIdPath,
    user: Annotated[
        str,
        Query(
            description="The `id` of a user in the plan's request.",
            pattern=TEXT_PATTERN,
            min_length=1,
            max_length=128,
        ),
    ],
) -> Response:
    """Each cut of one user in numbers and in a sentence, what would have to change for it to win,
    and what the cell owes to this user.

    From the stored request and the revisions that it was planned on; nothing is planned anew or
    stored.
    """
    return rendered(service.explained(session, plan_id, user))

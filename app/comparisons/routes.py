"""Comparisons over HTTP: parse, call, return."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response

from app.comparisons import service
from app.comparisons.difference import CHANGES
from app.comparisons.schemas import Change, Comparison, UserDifferencePage
from app.db import ReadSession
from app.errors import InvalidRequest, PlanNotEnded, PlanNotFound, PlansNotComparable
from app.http.answers import rendered
from app.http.bodies import StrictRoute
from app.http.paging import Cursor, Limit, encode_cursor, link_next, number_in
from app.plans.routes import PlanIdPath
from app.problems import documented
from app.quantities import TEXT_PATTERN

router = APIRouter(
    prefix="/v1/plans/{plan_id}/compare/{other_id}", tags=["Plans"], route_class=StrictRoute
)

OtherIdPath = Annotated[
    str,
    Path(
        description="The `id` of the plan that it is compared with: the later one, say.",
        pattern=TEXT_PATTERN,
        min_length=1,
        max_length=64,
    ),
]
_PROBLEMS = documented(InvalidRequest, PlanNotFound, PlanNotEnded, PlansNotComparable)


@router.get(
    "",
    summary="Compare two plans",
    operation_id="compare_plans",
    response_model=Comparison,
    responses=_PROBLEMS,
)
def compare_plans(session: ReadSession, plan_id: PlanIdPath, other_id: OtherIdPath) -> Response:
    """What distinguishes two ended plans of one kind: terms, revisions of profiles, who joined,
    left and changed and why, energy, time and cost before and after; in numbers and in words.
    """
    return rendered(service.compared(session, plan_id, other_id))


@router.get(
    "/users",
    summary="List the users whom two plans tell different things",
    operation_id="list_compared_users",
    response_model=UserDifferencePage,
    responses=_PROBLEMS,
)
def list_compared_users(
    session: ReadSession,
    request: Request,
    plan_id: PlanIdPath,
    other_id: OtherIdPath,
    change: Annotated[
        Change | None, Query(description="Only those who changed in this way.")
    ] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response:
    """Who changed, how and why: in the order of the second plan, then who left.

    A page may hold fewer than `limit`, or none, and have a `next_cursor` all the same: no more than
    131,072 users are looked at for one.
    """
    before, after = service.sides(session, plan_id, other_id)
    start = number_in(cursor) or 0
    changes = CHANGES if change is None else (change,)
    users, following = service.page(before, after, start, limit, changes)
    next_cursor = None if following is None else encode_cursor(following)
    response = rendered({"items": users, "next_cursor": next_cursor})
    link_next(request, response, next_cursor)
    return response

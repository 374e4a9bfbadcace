"""Plans that exist, over HTTP: found, listed, forgotten.

Each family has its own endpoint for new ones.
"""

from dataclasses import replace
from functools import partial
from operator import attrgetter
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Path, Query, Request, Response

from app.db import ReadSession, WriteSession, database_of
from app.errors import (
    InvalidRequest,
    PlanInUse,
    PlanNotCurrent,
    PlanNotEnded,
    PlanNotFound,
    PlanNotInfeasible,
    PlanUserNotFound,
    RevisionsUnknown,
)
from app.hands import of_kind
from app.http.answers import rendered
from app.http.bodies import StrictRoute
from app.http.etags import ETAGS, to_change
from app.http.media import CSV, EVENT, EVENTS, JSON, VARY, contents, preferred
from app.http.paging import Cursor, Limit, cut_page, link_next, number_in, rendered_page
from app.plans import columnar, jobs, names, service
from app.plans.answering import HEADERS
from app.plans.conditional import (
    IF_NONE_MATCH,
    REVOKED_HEADER,
    UNCHANGED,
    told_plan,
    told_user,
)
from app.plans.documents import (
    AnyPendingPlan,
    AnyPlan,
    AnyUserResult,
    PlanKind,
    PlanPage,
    PlanUserPage,
    summary,
)
from app.plans.events import stream
from app.plans.exports import exported
from app.plans.planning import answers, known_answer, ordered, require_webhooks
from app.plans.repairs import PlanRepairs, RepairsRequest
from app.plans.replan import replan
from app.plans.schemas import PlanPatch, PlanStatus
from app.plans.tags import replaceable
from app.problems import documented
from app.quantities import NAME_PATTERN, TEXT_PATTERN
from app.settings import Settings
from solvers.progress import Stop

router = APIRouter(prefix="/v1/plans", tags=["Plans"], route_class=StrictRoute)

PlanIdPath = Annotated[
    str,
    Path(
        description="Which plan: the `id` that its answers have.",
        pattern=TEXT_PATTERN,
        min_length=1,
        max_length=64,
    ),
]
UserIdPath = Annotated[
    str, Path(description="The `id` of a user in the plan's request.", min_length=1, max_length=128)
]
PlanName = Annotated[
    str, Query(pattern=NAME_PATTERN, description="The name that requests gave their plans.")
]


def _accept(
    accept: Annotated[
        str | None, Header(description="JSON in pages, or all users as CSV, Arrow or Parquet.")
    ] = None,
) -> None:
    """Declare what `preferred` reads."""


ACCEPT = Depends(_accept)


@router.get(
    "",
    summary="List plans, newest first",
    response_model=PlanPage,
    responses=documented(InvalidRequest),
)
def list_plans(
    session: ReadSession,
    request: Request,
    response: Response,
    status: Annotated[PlanStatus | None, Query(description="Only plans of this status.")] = None,
    kind: Annotated[PlanKind | None, Query(description="Only plans of this kind.")] = None,
    name: Annotated[
        PlanName | None, Query(description="Only plans to which requests gave this name.")
    ] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> PlanPage:
    """Plans, newest first."""
    before = number_in(cursor)
    rows = service.list_plans(session, status, kind, name, before, limit + 1)
    shown, following = cut_page(rows, limit, attrgetter("number"))
    link_next(request, response, following)
    return PlanPage(items=[summary(row) for row in shown], next_cursor=following)


@router.get(
    "/{plan_id}",
    summary="Read a plan",
    response_model=AnyPlan,
    dependencies=[IF_NONE_MATCH],
    responses=documented(InvalidRequest, PlanNotFound) | UNCHANGED,
)
def get_plan(session: ReadSession, request: Request, plan_id: PlanIdPath) -> Response:
    """A plan: as it was answered, or how far it has come."""
    return told_plan(session, request, service.head(session, plan_id))


def _if_match(
    if_match: Annotated[
        str | None,
        Header(
            json_schema_extra=ETAGS,
            description=(
                "Only replace the current plan: its ETag, or `*` whichever it is; 412 where the"
                " plan was replaced, or is about to be."
            ),
        ),
    ] = None,
) -> None:
    """Declare what `_replaces` reads."""


def _replaces(request: Request, plan_id: str) -> names.Condition | None:
    if "if-match" not in request.headers:
        return None
    tags = to_change(request.headers)
    return names.Condition(plan_id, None if tags is None else replaceable(tags))


@router.post(
    "/{plan_id}/replan",
    summary="Plan again with changes",
    status_code=201,
    response_model=AnyPlan,
    dependencies=[HEADERS, Depends(_if_match)],
    responses=answers(
        plan=AnyPlan,
        pending=AnyPendingPlan,
        known=AnyPlan,
        known_is="The ended plan of the same Idempotency-Key",
    )
    | documented(PlanNotFound, RevisionsUnknown, PlanNotCurrent),
    openapi_extra={
        "requestBody": {
            "content": {
                "application/merge-patch+json": {
                    "schema": {"$ref": "#/components/schemas/PlanPatch"}
                }
            }
        }
    },
)
@of_kind("planning")
def replan_plan(request: Request, plan_id: PlanIdPath, body: PlanPatch) -> Response:
    """A new plan from an earlier one: its request with a merge patch, on the same revisions of its
    profiles.

    The new plan says its `parent` and what `changed`. Pointers of faults and warnings name users by
    their ids, as the patch does. With `max_switches` a multi-user plan is held to the cuts, bits
    and codecs of its parent, and `steadiness` says what that costs.

    With `If-Match` a plan is made only to replace its parent: of two who ask at once, or while the
    other's plan is on its way, one is refused.
    """
    database = database_of(request)
    patch = {key: value for key, value in request.value.items() if key != "max_switches"}  # type: ignore[attr-defined]  # of StrictRoute
    settings: Settings = request.app.state.settings
    if (again := known_answer(request)) is not None:
        return again
    if (replaces := _replaces(request, plan_id)) is not None:
        with database.reading() as session:  # and again in the transaction that stores the plan
            names.require(session, replaces)
    order = replan(database, plan_id, patch, body.max_switches, request.state.limits.max_users)
    order = replace(order, replaces=replaces)
    require_webhooks(settings, order.prepared.request)
    return ordered(request, order)


@router.post(
    "/{plan_id}/repairs",
    summary="Say what would give an infeasible plan a plan, cheapest first",
    response_model=PlanRepairs,
    responses=documented(
        InvalidRequest, PlanNotFound, PlanNotEnded, PlanNotInfeasible, RevisionsUnknown
    ),
)
@of_kind("planning")
def repair_plan(request: Request, plan_id: PlanIdPath, body: RepairsRequest) -> Response:
    """Changes at prices that the caller names: users left out, deadlines loosened, risks raised,
    more of an uplink or a server. Each repair was planned and checked; nothing is stored.

    `patch` is what `POST /v1/plans/{id}/replan` takes to make that plan.
    """
    from app.plans.repairing import repaired

    return rendered(repaired(database_of(request), plan_id, body))


@router.post(
    "/{plan_id}/cancel",
    summary="Stop a plan",
    status_code=202,
    response_model=AnyPlan,
    responses=documented(InvalidRequest, PlanNotFound),
)
def cancel_plan(
    session: WriteSession,
    plan_id: PlanIdPath,
    keep_best: Annotated[
        bool, Query(description="Keep the best plan found so far, where there is one.")
    ] = False,
) -> Response:
    """Stop a plan that waits or is being solved; one that has ended stays as it is.

    A plan that waits is `cancelled` at once, one that is being solved within a second or so.
    """
    row = jobs.cancel(session, plan_id, Stop.KEEP_BEST if keep_best else Stop.DROP)
    return rendered(service.heading(session, row), 202, {"Location": f"/v1/plans/{plan_id}"})


@router.get(
    "/{plan_id}/events",
    summary="Follow a plan",
    responses=documented(InvalidRequest, PlanNotFound)
    | {
        200: {
            "description": (
                "`progress` events, then one `end`; the data is the plan without its users"
            ),
            "content": {EVENTS: {"schema": EVENT}},
        },
        204: {"description": "The plan has ended, and its `end` was received"},
    },
    response_class=Response,
)
def follow_plan(
    request: Request,
    plan_id: PlanIdPath,
    last_event_id: Annotated[
        str | None, Header(description="The id of the latest event received.")
    ] = None,
) -> Response:
    """Server-sent events: how far the plan has come, as it happens, until its end.

    Ids increase and are kept, so a reconnecting reader is sent what it missed; one with an unknown
    id, or none, is sent how things stand.
    """
    return stream(request, plan_id, last_event_id)


@router.delete(
    "/{plan_id}",
    summary="Forget a plan",
    status_code=204,
    responses=documented(InvalidRequest, PlanNotFound, PlanNotEnded, PlanInUse),
)
def delete_plan(session: WriteSession, plan_id: PlanIdPath) -> None:
    """Forget a plan that has ended."""
    service.forget(session, plan_id)


@router.get(
    "/{plan_id}/users",
    summary="List the users of a plan",
    dependencies=[ACCEPT],
    response_model=PlanUserPage,
    responses=documented(InvalidRequest, PlanNotFound, PlanNotEnded)
    | {
        200: {
            "content": contents(CSV, *columnar.READ),
            "description": "A page of users, or all of them in the media type that was asked for",
        }
    },
)
def list_plan_users(
    session: ReadSession,
    request: Request,
    plan_id: PlanIdPath,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response:
    """The users of a plan's result in the order of the request; of its reasons where it is
    infeasible.

    JSON comes in pages. With `Accept: text/csv`, `application/vnd.apache.arrow.stream` or
    `application/vnd.apache.parquet` all of them come at once; in CSV nested fields are named
    `outer.inner`.
    """
    media_type = preferred(request.headers, (JSON, CSV, *columnar.READ))
    if media_type != JSON:
        service.require_ended(plan_id, service.head(session, plan_id).status)
        return exported(request, media_type, partial(service.user_tables, plan_id=plan_id))
    start = number_in(cursor) or 0
    users = service.list_users(session, plan_id, start, limit + 1)
    return rendered_page(request, users, limit, lambda _: start + limit, VARY)


@router.get(
    "/{plan_id}/users/{user_id}",
    summary="Read what one device should do",
    response_model=AnyUserResult,
    dependencies=[IF_NONE_MATCH],
    responses=documented(InvalidRequest, PlanNotFound, PlanUserNotFound, PlanNotEnded)
    | {200: {"headers": REVOKED_HEADER}}
    | UNCHANGED,
)
def get_plan_user(
    session: ReadSession,
    request: Request,
    plan_id: PlanIdPath,
    user_id: UserIdPath,
) -> Response:
    """What one device should do: small, and unchanged for as long as the plan is there.

    `Plan-Revoked` says since when the plan is no longer trusted, if it is not.
    """
    return told_user(session, request, service.head(session, plan_id), user_id, {})

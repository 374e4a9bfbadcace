"""The current plan of a name over HTTP: what it is, what one device should do, when it changes."""

from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Header, Path, Query, Request, Response
from fastapi.responses import StreamingResponse

from app.db import ReadSession
from app.errors import InvalidRequest, NameEventNotFound, PlanNotFound, PlanUserNotFound
from app.http.bodies import StrictRoute
from app.http.media import CSV, EVENT, EVENTS, JSON, VARY, contents, preferred
from app.http.paging import Cursor, Limit, number_in, rendered_page
from app.plans import columnar, names, successions
from app.plans.conditional import (
    ASK_AGAIN,
    IF_NONE_MATCH,
    REVOKED_HEADER,
    UNCHANGED,
    told_plan,
    told_user,
)
from app.plans.current_schemas import ChangedUserPage
from app.plans.documents import AnyPlan, AnyUserResult
from app.plans.name_events import LARGEST_ID, stream
from app.plans.routes import ACCEPT, PlanName, UserIdPath
from app.problems import documented

router = APIRouter(prefix="/v1/plans/current", tags=["Plans"], route_class=StrictRoute)

_CONTENT_LOCATION = {
    "Content-Location": {
        "schema": {"type": "string"},
        "description": "The address of this answer under the plan that it comes from",
    }
}


@router.get(
    "",
    summary="The current plan of a name",
    response_model=AnyPlan,
    dependencies=[IF_NONE_MATCH],
    responses=documented(InvalidRequest, PlanNotFound)
    | {200: {"headers": _CONTENT_LOCATION}}
    | UNCHANGED,
)
def get_current_plan(
    session: ReadSession,
    request: Request,
    name: PlanName,
    any_ended: Annotated[
        bool, Query(alias="any", description="The newest that has ended, with a result or not.")
    ] = False,
) -> Response:
    """The newest plan of a name that has a result.

    Plans that failed, are infeasible or have not ended take nothing over. One that was revoked
    stays current, and says so, until a newer one has a result; only to delete it makes an older one
    current again.
    """
    row = names.named(session, name, any_ended=any_ended)
    answer = told_plan(session, request, row)
    answer.headers["Content-Location"] = f"/v1/plans/{row.id}"
    return answer


@router.get(
    "/users/{user_id}",
    summary="Read what one device should do now",
    response_model=AnyUserResult,
    dependencies=[IF_NONE_MATCH],
    responses=documented(InvalidRequest, PlanNotFound, PlanUserNotFound)
    | {200: {"headers": _CONTENT_LOCATION | REVOKED_HEADER}}
    | UNCHANGED,
)
def get_current_user(
    session: ReadSession, request: Request, name: PlanName, user_id: UserIdPath
) -> Response:
    """What one device should do by the current plan of a name: what a device polls.

    `Content-Location` says which plan it comes from, `Plan-Revoked` since when that is no longer
    trusted, if it is not. The ETag stays the same through plans that say the same of the device.
    """
    row = names.named(session, name)
    where = {"Content-Location": f"/v1/plans/{row.id}/users/{quote(user_id, safe='')}"}
    return told_user(session, request, row, user_id, ASK_AGAIN | where)


@router.get(
    "/events",
    summary="Follow the current plan of a name",
    responses=documented(InvalidRequest)
    | {
        200: {
            "description": (
                "`current` and `revoked` events without end; the data is a `CurrentPlanEvent`"
            ),
            "content": {EVENTS: {"schema": EVENT}},
        }
    },
    response_class=Response,
)
def follow_current_plan(
    request: Request,
    name: PlanName,
    last_event_id: Annotated[
        str | None, Header(description="The id of the latest event received.")
    ] = None,
) -> Response:
    """Server-sent events: each time that a name has another current plan, or the one it has is
    revoked, with the users whom it concerns.

    Ids increase and are kept, so a reconnecting reader is sent what it missed; one with an unknown
    id, or none, is first told how things stand. A name may be followed before it has a plan.
    """
    return stream(request, name, last_event_id)


@router.get(
    "/events/{event_id}/users",
    summary="List the users whom an event concerns",
    dependencies=[ACCEPT],
    response_model=ChangedUserPage,
    responses=documented(InvalidRequest, NameEventNotFound)
    | {
        200: {
            "content": contents(CSV, *columnar.READ),
            "description": "A page of users, or all of them in the media type that was asked for",
        }
    },
)
def list_changed_users(
    session: ReadSession,
    request: Request,
    event_id: Annotated[
        int, Path(ge=1, le=LARGEST_ID, description="The id of an event of the name.")
    ],
    name: PlanName,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response:
    """The users whom another current plan concerns, however many they are.

    JSON comes in pages; with `Accept: text/csv`, `application/vnd.apache.arrow.stream` or
    `application/vnd.apache.parquet` all of them come at once.
    """
    media_type = preferred(request.headers, (JSON, CSV, *columnar.READ))
    if media_type != JSON:
        table = successions.changed_users(session, name, event_id)
        return StreamingResponse(columnar.written(media_type, [table]), 200, VARY, media_type)
    start = number_in(cursor) or 0
    page = successions.changed_users(session, name, event_id, start, limit + 1)
    return rendered_page(request, page.to_pylist(), limit, lambda _: start + limit, VARY)

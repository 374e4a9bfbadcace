"""Plans over HTTP: parse, call, return."""

import hashlib
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends, Header, Path, Query, Request, Response

from app.bodies import StrictRoute
from app.db import Database, ReadSession, WriteSession
from app.errors import (
    BodyTooLarge,
    InvalidRequest,
    MalformedJson,
    PlanNotFound,
    PlanUserNotFound,
    TooManyUsers,
    UnsupportedMediaType,
)
from app.paging import Cursor, Limit, decode_cursor, encode_cursor, link_next
from app.plans import service
from app.plans.robust.schemas import RobustPlan, RobustRequest, RobustUserResult
from app.plans.schemas import Estimate, PlanKind, PlanPage, PlanStatus, PlanSummary, UserPage
from app.problems import documented
from app.quantities import NAME_PATTERN

router = APIRouter(prefix="/v1/plans", tags=["Plans"], route_class=StrictRoute)

PlanIdPath = Annotated[str, Path(description="The `id` of a plan.", min_length=1, max_length=64)]
UserIdPath = Annotated[str, Path(description="The `id` of a user in the plan's request.", min_length=1, max_length=128)]
PlanName = Annotated[str, Query(pattern=NAME_PATTERN, description="The name that requests gave their plans.")]
Json = Any


def _database(request: Request) -> Database:
    database: Database = request.app.state.database
    return database


def _few_enough(request: Request) -> None:
    """Refuse long lists of users before each of them is looked at."""
    body, most = getattr(request, "value", None), request.app.state.settings.max_users
    users = body.get("users") if isinstance(body, dict) else None
    if isinstance(users, list) and len(users) > most:
        raise TooManyUsers(len(users), most)


def _answer(content: Json, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    # Answers of a thousand users are made of plain values: orjson writes them as they are.
    return Response(orjson.dumps(content), status, headers, "application/json")


@router.post(
    "/robust",
    status_code=201,
    response_model=RobustPlan,
    dependencies=[Depends(_few_enough)],
    responses=documented(MalformedJson, BodyTooLarge, TooManyUsers, UnsupportedMediaType, InvalidRequest)
    | {
        200: {"model": Estimate, "description": "The answer to a dry run"},
        201: {"headers": {"Location": {"schema": {"type": "string"}, "description": "Address of the plan"}}},
    },
)
def plan_robust(
    request: Request,
    body: RobustRequest,
    dry_run: Annotated[bool, Query(description="Only validate and estimate; store nothing.")] = False,
) -> Response:
    """Cut, clock and bandwidth of every user at least energy, each late with probability at most its risk.

    The answer is proven: `certificate` holds a lower bound on every possible plan, and every constraint was checked
    again by code that shares nothing with the solver. A cell without a plan is answered as `infeasible`, with what
    would make it feasible.
    """
    database = _database(request)
    if dry_run:
        return _answer(service.estimate(database, body).model_dump(mode="json"))
    value = request.value  # type: ignore[attr-defined]  # a JSON request of StrictRoute
    document = service.plan(database, body, value)
    return _answer(document, 201, {"Location": f"/v1/plans/{document['id']}"})


@router.get("", response_model=PlanPage, responses=documented(InvalidRequest))
def list_plans(
    session: ReadSession,
    request: Request,
    response: Response,
    status: Annotated[PlanStatus | None, Query(description="Only plans of this status.")] = None,
    kind: Annotated[PlanKind | None, Query(description="Only plans of this kind.")] = None,
    name: Annotated[PlanName | None, Query()] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> PlanPage:
    """Plans, newest first."""
    before = int(decode_cursor(cursor, int)[0]) if cursor else None
    rows = service.list_plans(session, status, kind, name, before, limit + 1)
    page = PlanPage(
        items=[PlanSummary.model_validate(row, from_attributes=True) for row in rows[:limit]],
        next_cursor=encode_cursor(rows[limit - 1].number) if len(rows) > limit else None,
    )
    link_next(request, response, page.next_cursor)
    return page


@router.get("/current", response_model=RobustPlan, responses=documented(InvalidRequest, PlanNotFound))
def get_current_plan(session: ReadSession, name: PlanName) -> Response:
    """The newest plan of a name."""
    return _answer(service.current(session, name))


@router.get("/{plan_id}", response_model=RobustPlan, responses=documented(InvalidRequest, PlanNotFound))
def get_plan(session: ReadSession, plan_id: PlanIdPath) -> Response:
    """A plan, as it was answered."""
    return _answer(service.get(session, plan_id))


@router.delete("/{plan_id}", status_code=204, responses=documented(InvalidRequest, PlanNotFound))
def delete_plan(session: WriteSession, plan_id: PlanIdPath) -> None:
    """Forget a plan."""
    service.forget(session, plan_id)


@router.get("/{plan_id}/users", response_model=UserPage, responses=documented(InvalidRequest, PlanNotFound))
def list_plan_users(
    session: ReadSession, request: Request, plan_id: PlanIdPath, limit: Limit = 100, cursor: Cursor = None
) -> Response:
    """The users of a plan's result in the order of the request; of its reasons where it is infeasible."""
    start = int(decode_cursor(cursor, int)[0]) if cursor else 0
    users = service.list_users(session, plan_id, start, limit + 1)
    following = encode_cursor(start + limit) if len(users) > limit else None
    response = _answer({"items": users[:limit], "next_cursor": following})
    link_next(request, response, following)
    return response


@router.get(
    "/{plan_id}/users/{user_id}",
    response_model=RobustUserResult,
    responses=documented(InvalidRequest, PlanNotFound, PlanUserNotFound)
    | {304: {"description": "Unchanged since the ETag in If-None-Match"}},
)
def get_plan_user(
    session: ReadSession,
    plan_id: PlanIdPath,
    user_id: UserIdPath,
    if_none_match: Annotated[str | None, Header(description="ETag of the answer already held.")] = None,
) -> Response:
    """What one device should do: small, and unchanged for as long as the plan stands."""
    content = orjson.dumps(service.get_user(session, plan_id, user_id))
    etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    if if_none_match is not None and etag in if_none_match:
        return Response(status_code=304, headers={"ETag": etag})
    return Response(content, 200, {"ETag": etag}, "application/json")

"""What the doors of all families share: how a planning request is accepted and answered."""

from typing import Annotated, Any, TypeVar

import orjson
from fastapi import Depends, Query, Request, Response

from app.db import Database
from app.errors import BodyTooLarge, InvalidRequest, MalformedJson, TooManyUsers, UnsupportedMediaType
from app.plans import service
from app.plans.schemas import Estimate
from app.plans.schemas import Request as PlanRequest
from app.problems import documented

R = TypeVar("R", bound=PlanRequest)

DryRun = Annotated[bool, Query(description="Only validate and estimate; store nothing.")]


async def _few_enough(request: Request) -> None:
    """Refuse long lists of users before each of them is looked at."""
    body, most = getattr(request, "value", None), request.app.state.settings.max_users
    users = body.get("users") if isinstance(body, dict) else None
    if isinstance(users, list) and len(users) > most:
        raise TooManyUsers(len(users), most)


# The arguments of every route that takes a planning request.
DOOR: dict[str, Any] = {
    "status_code": 201,
    "dependencies": [Depends(_few_enough)],
    "responses": documented(MalformedJson, BodyTooLarge, TooManyUsers, UnsupportedMediaType, InvalidRequest)
    | {
        200: {"model": Estimate, "description": "The answer to a dry run"},
        201: {"headers": {"Location": {"schema": {"type": "string"}, "description": "Address of the plan"}}},
    },
}


def planned(request: Request, prepare: service.Prepare[R], body: R, *, dry_run: bool) -> Response:
    """Answer a planning request of any family."""
    database: Database = request.app.state.database
    if dry_run:
        return rendered(service.estimate(database, prepare, body).model_dump(mode="json"))
    document = service.plan(database, prepare, body, request.value)  # type: ignore[attr-defined]  # of StrictRoute
    return rendered(document, 201, {"Location": f"/v1/plans/{document['id']}"})


def rendered(content: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """JSON of plain values, however many: written as they are."""
    return Response(orjson.dumps(content), status, headers, "application/json")

"""Bundles over HTTP: parse, call, return."""

from collections.abc import Iterator
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Request, Response
from fastapi.responses import StreamingResponse

from app.bundles import service
from app.bundles.schemas import PlanBundle
from app.db import Database, ReadSession, database_of
from app.errors import (
    InvalidRequest,
    NothingToBundle,
    PlanNotEnded,
    PlanNotFound,
    RevisionsUnknown,
)
from app.http.answers import rendered
from app.http.bodies import StrictRoute
from app.http.media import CSV, JSON, VARY, contents, preferred
from app.plans import columnar
from app.plans import service as plans
from app.plans.exports import exported
from app.plans.routes import PlanIdPath
from app.problems import documented

router = APIRouter(prefix="/v1/plans/{plan_id}", tags=["Plans"], route_class=StrictRoute)

# JSON goes out in pieces of about this size.
_PIECE = 64 * 1024


def _accept(
    accept: Annotated[
        str | None,
        Header(description="JSON; of users in columns also Arrow or Parquet, to be sent again."),
    ] = None,
) -> None:
    """Declare what `preferred` reads."""


@router.get(
    "/request",
    summary="Read the request of a plan",
    operation_id="get_plan_request",
    dependencies=[Depends(_accept)],
    response_class=Response,
    responses=documented(InvalidRequest, PlanNotFound)
    | {
        200: {
            "description": "The request, in the media type that was asked for",
            "content": {
                JSON: {"schema": {"type": "object"}},
                **contents(*columnar.READ, CSV),
            },
        }
    },
)
def get_plan_request(session: ReadSession, request: Request, plan_id: PlanIdPath) -> Response:
    """The request as it was sent, without `webhook_url`, whose address may hold a secret.

    Of a request in columns JSON is everything but the users; with `Accept:
    application/vnd.apache.arrow.stream` or `application/vnd.apache.parquet` it is the whole request
    in columns, as it can be sent again, with `text/csv` its users.
    """
    row = plans.find(session, plan_id)
    offered = (JSON, *columnar.READ, CSV) if service.in_columns(row) else (JSON,)
    media_type = preferred(request.headers, offered)
    if media_type == JSON:
        return rendered(service.request(row), headers=VARY)
    return exported(
        request,
        media_type,
        lambda session: service.request_tables(session, plans.find(session, plan_id)),
    )


@router.get(
    "/bundle",
    summary="Read all that a plan was made of",
    operation_id="get_plan_bundle",
    response_model=PlanBundle,
    responses=documented(
        InvalidRequest, PlanNotFound, PlanNotEnded, RevisionsUnknown, NothingToBundle
    ),
)
def get_plan_bundle(session: ReadSession, request: Request, plan_id: PlanIdPath) -> Response:
    """Request, pinned profiles, options, versions, seeds, the samples behind the timings where the
    margin reads them, and digests of the answer.

    `splitplan replay bundle.json` makes the plan again from it, without a service, and says whether
    every digit agrees. Users in columns are Arrow streams of 4,096 rows, in base64.
    """
    service.bundled(session, plan_id)
    written = _written(database_of(request), plan_id)
    name = f'attachment; filename="{plan_id}.bundle.json"'
    return StreamingResponse(written, 200, {"Content-Disposition": name}, JSON)


def _written(database: Database, plan_id: str) -> Iterator[bytes]:
    pieces: list[str] = []
    size = 0
    with database.reading() as session:
        for piece in service.written(session, service.bundled(session, plan_id)):
            pieces.append(piece)
            size += len(piece)
            if size >= _PIECE:
                yield "".join(pieces).encode()
                pieces, size = [], 0
    yield "".join(pieces).encode()

"""Validations over HTTP: parse, call, return."""

from operator import itemgetter
from typing import Annotated

from fastapi import APIRouter, Path, Request, Response

from app.db import Database, ReadSession
from app.errors import (
    BodyTooLarge,
    InvalidRequest,
    MalformedJson,
    MalformedYaml,
    PlanNotEnded,
    PlanNotFound,
    PlanNotReplayable,
    UnsupportedMediaType,
    ValidationNotFound,
)
from app.http.answers import rendered
from app.http.bodies import StrictRoute
from app.http.paging import Cursor, Limit, decode_cursor, rendered_page
from app.plans.routes import PlanIdPath
from app.problems import documented
from app.validations import service
from app.validations.schemas import Validation, ValidationPage, ValidationRequest

router = APIRouter(
    prefix="/v1/plans/{plan_id}/validations", tags=["Validations"], route_class=StrictRoute
)

ValidationNumber = Annotated[
    int, Path(ge=1, le=999_999_999, description="Number within the plan, from 1.")
]


@router.post(
    "",
    summary="Replay a plan",
    status_code=201,
    response_model=Validation,
    responses=documented(
        MalformedJson,
        MalformedYaml,
        BodyTooLarge,
        UnsupportedMediaType,
        InvalidRequest,
        PlanNotFound,
        PlanNotEnded,
        PlanNotReplayable,
    )
    | {
        201: {
            "headers": {
                "Location": {
                    "schema": {"type": "string"},
                    "description": "Address of the validation",
                }
            }
        }
    },
)
def validate_plan(request: Request, plan_id: PlanIdPath, body: ValidationRequest) -> Response:
    """Replay a robust plan: how often would its users have been late?

    The plan is rebuilt from its request and the revisions it pinned, and checked. Then every user's
    total time is drawn from distributions that all have the mean and variance it was planned with.
    A plan made with the `cantelli` margin holds under each; one made with another margin need not,
    and `two_point` shows what that costs at most.
    """
    database: Database = request.app.state.database
    document = service.validate(database, plan_id, body)
    return rendered(
        document, 201, {"Location": f"/v1/plans/{plan_id}/validations/{document['number']}"}
    )


@router.get(
    "",
    summary="List the replays of a plan",
    response_model=ValidationPage,
    responses=documented(InvalidRequest, PlanNotFound),
)
def list_plan_validations(
    session: ReadSession,
    request: Request,
    plan_id: PlanIdPath,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response:
    """The validations of a plan, newest last, without their users."""
    after = int(decode_cursor(cursor, int)[0]) if cursor else 0
    found = service.list_validations(session, plan_id, after, limit + 1)
    return rendered_page(request, found, limit, itemgetter("number"))


@router.get(
    "/{number}",
    summary="Read a replay",
    response_model=Validation,
    responses=documented(InvalidRequest, PlanNotFound, ValidationNotFound),
)
def get_plan_validation(
    session: ReadSession, plan_id: PlanIdPath, number: ValidationNumber
) -> Response:
    """A validation, as it was answered."""
    return rendered(service.get(session, plan_id, number))

"""Validations over HTTP: parse, call, return."""

from operator import itemgetter
from typing import Annotated

from fastapi import APIRouter, Path, Request, Response

from app.db import ReadSession, WriteSession
from app.errors import (
    BodyTooLarge,
    InvalidRequest,
    KeyReused,
    MalformedJson,
    MalformedYaml,
    PlanNotEnded,
    PlanNotFound,
    PlanNotReplayable,
    QueueFull,
    StorageFull,
    TooManyAtOnce,
    UnsupportedMediaType,
    ValidationNotFound,
)
from app.http.answers import rendered
from app.http.bodies import StrictRoute
from app.http.paging import Cursor, Limit, number_in, rendered_page
from app.plans.answering import HEADERS, RETRY, located
from app.plans.routes import PlanIdPath
from app.plans.schemas import UNENDED
from app.problems import documented
from app.validations import jobs, service
from app.validations.ordering import ordered
from app.validations.schemas import (
    Validation,
    ValidationJob,
    ValidationOrJob,
    ValidationPage,
    ValidationRequest,
)

router = APIRouter(
    prefix="/v1/plans/{plan_id}/validations", tags=["Validations"], route_class=StrictRoute
)

ValidationNumber = Annotated[
    int, Path(ge=1, le=999_999_999, description="Number within the plan, from 1.")
]


_LOOK_AGAIN_S = 2
_AHEAD = located("validation")


@router.post(
    "",
    summary="Replay a plan",
    status_code=201,
    response_model=Validation,
    dependencies=[HEADERS],
    responses=documented(
        MalformedJson,
        MalformedYaml,
        BodyTooLarge,
        UnsupportedMediaType,
        InvalidRequest,
        PlanNotFound,
        PlanNotEnded,
        PlanNotReplayable,
        KeyReused,
        QueueFull,
        TooManyAtOnce,
        StorageFull,
    )
    | {
        200: {
            "model": ValidationOrJob,
            "description": "The ended validation of the same Idempotency-Key",
            "headers": _AHEAD,
        },
        201: {"description": "The validation", "headers": _AHEAD},
        202: {
            "model": ValidationJob,
            "description": "The plan is replayed in the background: look at the address",
            "headers": _AHEAD | RETRY,
        },
    },
)
def validate_plan(request: Request, plan_id: PlanIdPath, body: ValidationRequest) -> Response:
    """Replay a robust plan: how often would its users have been late?

    The plan is rebuilt from its request and the revisions it pinned, and checked. Then every user's
    total time is drawn from distributions that all have the mean and variance it was planned with.
    A plan made with the `cantelli` margin holds under each; one made with another margin need not,
    and `two_point` shows what that costs at most.

    More than 300 million draws (trials × users × distributions) are made in the background, fewer
    only on request; the same seed finds the same either way.
    """
    return ordered(request, plan_id, body)


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
    after = number_in(cursor) or 0
    found = service.list_validations(session, plan_id, after, limit + 1)
    return rendered_page(request, found, limit, itemgetter("number"))


@router.get(
    "/{number}",
    summary="Read a replay",
    response_model=ValidationOrJob,
    responses=documented(InvalidRequest, PlanNotFound, ValidationNotFound)
    | {200: {"headers": RETRY}},
)
def get_plan_validation(
    session: ReadSession, plan_id: PlanIdPath, number: ValidationNumber
) -> Response:
    """A validation: as it was answered, or how far it has come."""
    document = service.get(session, plan_id, number)
    again = {"Retry-After": str(_LOOK_AGAIN_S)} if document["status"] in UNENDED else {}
    return rendered(document, headers=again)


@router.post(
    "/{number}/cancel",
    summary="Stop a replay",
    status_code=202,
    response_model=ValidationOrJob,
    responses=documented(InvalidRequest, PlanNotFound, ValidationNotFound),
)
def cancel_plan_validation(
    session: WriteSession, plan_id: PlanIdPath, number: ValidationNumber
) -> Response:
    """Stop a validation that waits or is being replayed; one that has ended stays as it is.

    One that waits is `cancelled` at once, one that is being replayed within a second or so.
    """
    row = jobs.cancel(session, plan_id, number)
    address = f"/v1/plans/{plan_id}/validations/{number}"
    return rendered(service.document(plan_id, row), 202, {"Location": address})

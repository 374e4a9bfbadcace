"""Evidence over HTTP: parse, call, return."""

from operator import itemgetter
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from app.db import ReadSession, database_of
from app.errors import (
    BodyTooLarge,
    InvalidRequest,
    MalformedJson,
    MalformedYaml,
    PlanNotEnded,
    PlanNotFound,
    PlanNotReplayable,
    UnsupportedMediaType,
)
from app.evidence import service
from app.evidence.revocation import revoke
from app.evidence.schemas import MissReports, MissReportsCounted, PlanEvidence, UserEvidencePage
from app.http.answers import rendered
from app.http.bodies import StrictRoute
from app.http.paging import Cursor, Limit, decode_cursor, rendered_page
from app.plans.routes import PlanIdPath
from app.problems import documented

router = APIRouter(
    prefix="/v1/plans/{plan_id}/observations", tags=["Evidence"], route_class=StrictRoute
)


@router.post(
    "",
    summary="Report inferences and misses",
    response_model=MissReportsCounted,
    responses=documented(
        MalformedJson,
        MalformedYaml,
        BodyTooLarge,
        UnsupportedMediaType,
        InvalidRequest,
        PlanNotFound,
        PlanNotEnded,
        PlanNotReplayable,
    ),
)
def report_observations(request: Request, plan_id: PlanIdPath, body: MissReports) -> Response:
    """Count what users of a running robust plan saw: inferences, and how many were late.

    Each report counts once, however often and in whatever order it is sent. Where the evidence
    against the plan as a whole is beyond doubt the plan is revoked: it says so, its events and its
    webhook tell it, and with `options.on_revocation: "replan"` another is made.
    """
    database = database_of(request)
    receiver: service.Receiver = request.app.state.evidence
    told = receiver.receive(database, plan_id, body.reports)
    if "revoked" not in told and service.is_refuted(told):
        revoked = revoke(database, plan_id, told, request.state.limits.max_users)
        if revoked is not None:
            told["revoked"] = revoked
    return rendered(told)


@router.get(
    "",
    summary="How a plan stands against what its users saw",
    response_model=PlanEvidence,
    responses=documented(InvalidRequest, PlanNotFound, PlanNotEnded, PlanNotReplayable),
)
def get_plan_evidence(session: ReadSession, plan_id: PlanIdPath) -> Response:
    """The evidence against a plan as a whole."""
    return rendered(service.summary(session, plan_id))


@router.get(
    "/users",
    summary="List users who have reported",
    response_model=UserEvidencePage,
    responses=documented(InvalidRequest, PlanNotFound, PlanNotEnded, PlanNotReplayable),
)
def list_plan_evidence(
    session: ReadSession,
    request: Request,
    plan_id: PlanIdPath,
    refuted: Annotated[
        bool | None, Query(description="Only users whose own risk is refuted, or only the others.")
    ] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response:
    """Users who have reported, by id, and the evidence against the risk each was promised."""
    after = str(decode_cursor(cursor, str)[0]) if cursor else ""
    found = service.list_users(session, plan_id, after, limit + 1, refuted)
    return rendered_page(request, found, limit, itemgetter("user"))

"""Figures of plans over HTTP: parse, call, return."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy.orm import Session

from app.db import ReadSession
from app.errors import (
    FigureNotFound,
    InvalidRequest,
    PlanNotEnded,
    PlanNotFound,
    PlanUserNotFound,
)
from app.figures import plans
from app.figures.answering import (
    SVG,
    DrawnSize,
    FigureName,
    as_data,
    as_svg,
    list_of,
    tag_of,
)
from app.figures.description import Figure
from app.figures.schemas import FigureList
from app.http.bodies import StrictRoute
from app.plans.conditional import IF_NONE_MATCH, UNCHANGED
from app.plans.routes import PlanIdPath
from app.problems import documented

router = APIRouter(prefix="/v1/plans/{plan_id}/figures", tags=["Plans"], route_class=StrictRoute)

OfUser = Annotated[
    str | None,
    Query(
        description="Of one user alone, by its `id`; only of `decisions`.",
        min_length=1,
        max_length=128,
    ),
]
_FAULTS = documented(InvalidRequest, PlanNotFound, PlanUserNotFound, FigureNotFound, PlanNotEnded)


@router.get(
    "",
    summary="List the figures of a plan",
    operation_id="list_plan_figures",
    response_model=FigureList,
    responses=documented(InvalidRequest, PlanNotFound),
)
def list_plan_figures(session: ReadSession, plan_id: PlanIdPath) -> Response:
    """Which figures there are: that depends on what the plan says of its users. None where it has
    no result.
    """
    found = plans.listed(session, plan_id).values()
    address = f"/v1/plans/{plan_id}/figures"
    return list_of(address, [(each.name, each.title, each.takes_user) for each in found])


@router.get(
    "/{figure}.svg",
    summary="Draw a figure of a plan",
    operation_id="draw_plan_figure",
    dependencies=[IF_NONE_MATCH],
    response_class=Response,
    responses=_FAULTS | SVG | UNCHANGED,
)
def draw_plan_figure(
    session: ReadSession,
    request: Request,
    plan_id: PlanIdPath,
    figure: FigureName,
    size: DrawnSize = "wide",
    user: OfUser = None,
) -> Response:
    """A figure as SVG: light or dark as its reader wants it, told apart without colours too, and
    without scripts.

    Of more than 30 users it shows how many there are of a kind, so it is small however many they
    are. `progress` is there while a plan is being solved.
    """
    tag = _tag(session, plan_id, figure, size, user)
    return as_svg(request, tag, size, lambda: plans.figure(session, plan_id, figure, user))


@router.get(
    "/{figure}",
    summary="Read a figure of a plan as data",
    operation_id="get_plan_figure",
    dependencies=[IF_NONE_MATCH],
    response_model=Figure,
    responses=_FAULTS | UNCHANGED,
)
def get_plan_figure(
    session: ReadSession,
    request: Request,
    plan_id: PlanIdPath,
    figure: FigureName,
    user: OfUser = None,
) -> Response:
    """What is in a figure, in SI units: axes and marks, column by column, to be drawn with any
    tool.
    """
    tag = _tag(session, plan_id, figure, None, user)
    return as_data(request, tag, lambda: plans.figure(session, plan_id, figure, user))


def _tag(session: Session, plan_id: str, *what: str | None) -> str | None:
    return tag_of(plan_id, *what) if plans.is_final(session, plan_id) else None

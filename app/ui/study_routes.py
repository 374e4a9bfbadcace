"""The addresses of the pages that set plans side by side: two of them, or a grid of them."""

from typing import Annotated

from fastapi import APIRouter, Header, Query, Request, Response

from app.comparisons.schemas import Change
from app.db import ReadSession
from app.experiments import events
from app.experiments.routes import ExperimentIdPath
from app.figures.answering import DrawnSize, FigureName
from app.figures.experiment_routes import draw_experiment_figure
from app.http.bodies import StrictRoute
from app.http.paging import Cursor
from app.quantities import TEXT_PATTERN
from app.ui import compare, experiments
from app.ui.door import ROOT
from app.ui.routes import OR_EMPTY

router = APIRouter(prefix=ROOT, route_class=StrictRoute, include_in_schema=False)

_PlanId = Annotated[str | None, Query(pattern=TEXT_PATTERN, max_length=64), OR_EMPTY]


@router.get("/compare")
def show_compared(
    session: ReadSession,
    request: Request,
    before: _PlanId = None,
    after: _PlanId = None,
    change: Annotated[Change | None, OR_EMPTY] = None,
    cursor: Cursor = None,
) -> Response:
    """Two plans side by side, or where they are chosen."""
    return compare.show(session, request, (before, after), change, cursor)


@router.get("/experiments")
def show_experiments(session: ReadSession, request: Request, cursor: Cursor = None) -> Response:
    """Experiments, newest first."""
    return experiments.show_list(session, request, cursor)


@router.get("/experiments/{experiment_id}")
def show_experiment(
    session: ReadSession,
    request: Request,
    experiment_id: ExperimentIdPath,
    start: Annotated[int, Query(ge=0, le=10_000_000)] = 0,
) -> Response:
    """One experiment."""
    return experiments.show(session, request, experiment_id, start)


@router.get("/experiments/{experiment_id}/figures/{figure}.svg")
def draw_experiment(
    session: ReadSession,
    request: Request,
    experiment_id: ExperimentIdPath,
    figure: FigureName,
    size: DrawnSize = "wide",
) -> Response:
    """A figure of an experiment, where the browser's cookie is sent."""
    return draw_experiment_figure(session, request, experiment_id, figure, size)


@router.get("/experiments/{experiment_id}/events")
def follow_experiment(
    request: Request,
    experiment_id: ExperimentIdPath,
    last_event_id: Annotated[str | None, Header()] = None,
) -> Response:
    """What the API tells as it happens, where the browser's cookie is sent."""
    return events.stream(request, experiment_id, last_event_id)

"""Figures of experiments over HTTP: parse, call, return."""

from fastapi import APIRouter, Request, Response

from app.db import ReadSession
from app.errors import ExperimentNotFound, FigureNotFound, InvalidRequest
from app.experiments.routes import ExperimentIdPath
from app.figures import experiments
from app.figures.answering import SVG, DrawnSize, FigureName, as_data, as_svg, list_of
from app.figures.description import Figure
from app.figures.schemas import FigureList
from app.http.bodies import StrictRoute
from app.problems import documented

router = APIRouter(
    prefix="/v1/experiments/{experiment_id}/figures",
    tags=["Experiments"],
    route_class=StrictRoute,
)
_FAULTS = documented(InvalidRequest, ExperimentNotFound, FigureNotFound)


@router.get(
    "",
    summary="List the figures of an experiment",
    operation_id="list_experiment_figures",
    response_model=FigureList,
    responses=documented(InvalidRequest, ExperimentNotFound),
)
def list_experiment_figures(session: ReadSession, experiment_id: ExperimentIdPath) -> Response:
    """Which figures there are by now: `curves` where an axis has numbers, `pareto` where several
    measures are weighed.
    """
    found = experiments.listed(session, experiment_id)
    address = f"/v1/experiments/{experiment_id}/figures"
    return list_of(address, [(name, title, False) for name, title in found])


@router.get(
    "/{figure}.svg",
    summary="Draw a figure of an experiment",
    operation_id="draw_experiment_figure",
    response_class=Response,
    responses=_FAULTS | SVG,
)
def draw_experiment_figure(
    session: ReadSession,
    request: Request,
    experiment_id: ExperimentIdPath,
    figure: FigureName,
    size: DrawnSize = "wide",
) -> Response:
    """A figure of the points that are there, as SVG, also while others are being planned."""
    return as_svg(request, None, size, lambda: experiments.figure(session, experiment_id, figure))


@router.get(
    "/{figure}",
    summary="Read a figure of an experiment as data",
    operation_id="get_experiment_figure",
    response_model=Figure,
    responses=_FAULTS,
)
def get_experiment_figure(
    session: ReadSession, request: Request, experiment_id: ExperimentIdPath, figure: FigureName
) -> Response:
    """What is in a figure, in SI units: axes and marks, column by column."""
    return as_data(request, None, lambda: experiments.figure(session, experiment_id, figure))

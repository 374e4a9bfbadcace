"""Experiments over HTTP: parse, call, return."""

from functools import partial
from itertools import islice
from operator import itemgetter
from typing import Annotated

from fastapi import APIRouter, Header, Path, Query, Request, Response

from app.db import ReadSession, WriteSession
from app.errors import (
    BodyTooLarge,
    ExperimentNotEnded,
    ExperimentNotFound,
    InvalidRequest,
    KeyReused,
    MalformedJson,
    MalformedYaml,
    QueueFull,
    RevisionsUnknown,
    StorageFull,
    TooManyAtOnce,
    TooManyUsers,
    UnsupportedMediaType,
)
from app.experiments import jobs, service
from app.experiments.answers import (
    Experiment,
    ExperimentDifferencePage,
    ExperimentPage,
    ExperimentPointPage,
)
from app.experiments.events import stream
from app.experiments.ordering import ordered
from app.experiments.schemas import ExperimentRequest
from app.hands import of_kind
from app.http.answers import rendered
from app.http.bodies import StrictRoute
from app.http.media import CSV, EVENT, EVENTS, JSON, VARY, contents, preferred
from app.http.paging import Cursor, Limit, cut_page, link_next, number_in, rendered_page
from app.plans import columnar
from app.plans.answering import HEADERS, RETRY, located
from app.plans.exports import exported
from app.plans.routes import ACCEPT
from app.plans.schemas import UNENDED
from app.problems import documented
from app.quantities import TEXT_PATTERN
from solvers.progress import Stop

router = APIRouter(prefix="/v1/experiments", tags=["Experiments"], route_class=StrictRoute)

ExperimentIdPath = Annotated[
    str,
    Path(
        description="Which experiment: the `id` that its answers have.",
        pattern=TEXT_PATTERN,
        min_length=1,
        max_length=64,
    ),
]
_LOOK_AGAIN_S = 2
_AHEAD = located("experiment")


@router.post(
    "",
    summary="Plan one request in many ways",
    status_code=202,
    response_model=Experiment,
    dependencies=[HEADERS],
    responses=documented(
        MalformedJson,
        MalformedYaml,
        BodyTooLarge,
        TooManyUsers,
        UnsupportedMediaType,
        InvalidRequest,
        RevisionsUnknown,
        KeyReused,
        QueueFull,
        TooManyAtOnce,
        StorageFull,
    )
    | {
        200: {
            "model": Experiment,
            "description": "The ended experiment of the same Idempotency-Key",
            "headers": _AHEAD,
        },
        201: {
            "model": Experiment,
            "description": "The experiment, which ended within the `wait` that was preferred",
            "headers": _AHEAD,
        },
        202: {
            "description": (
                "Its points are planned in the background: look at the address, or listen to its"
                " events"
            ),
            "headers": _AHEAD | RETRY,
        },
    },
)
@of_kind("planning")
def make_experiment(request: Request, body: ExperimentRequest) -> Response:
    """Plan one request in many ways: every combination of the values of its axes is a point of a
    grid, planned and checked as a plan is, and told in a row of figures.

    The base is a request of any family, or the request of a plan on the revisions that it pinned.
    What names profiles is resolved once, when the experiment is accepted: all points stand on the
    same revisions. Workers take the points in blocks; what was planned stays, whatever happens to
    them.
    """
    return ordered(request, body)


@router.get(
    "",
    summary="List experiments, newest first",
    response_model=ExperimentPage,
    responses=documented(InvalidRequest),
)
def list_experiments(
    session: ReadSession,
    request: Request,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response:
    """Experiments in brief, newest first."""
    before = number_in(cursor)
    found = service.list_experiments(session, before, limit + 1)
    shown, following = cut_page(found, limit, itemgetter(0))
    items = [document for _, document in shown]
    response = rendered({"items": items, "next_cursor": following})
    link_next(request, response, following)
    return response


@router.get(
    "/{experiment_id}",
    summary="Read an experiment",
    response_model=Experiment,
    responses=documented(InvalidRequest, ExperimentNotFound) | {200: {"headers": RETRY}},
)
def get_experiment(session: ReadSession, experiment_id: ExperimentIdPath) -> Response:
    """An experiment: how far it has come, and what the points that are there show together."""
    document = service.get(session, experiment_id)
    again = {"Retry-After": str(_LOOK_AGAIN_S)} if document["status"] in UNENDED else {}
    return rendered(document, headers=again)


@router.get(
    "/{experiment_id}/points",
    summary="List the points of an experiment",
    dependencies=[ACCEPT],
    response_model=ExperimentPointPage,
    responses=documented(InvalidRequest, ExperimentNotFound)
    | {
        200: {
            "content": contents(CSV, *columnar.READ),
            "description": "A page of points, or all of them in the media type that was asked for",
        }
    },
)
def list_experiment_points(
    session: ReadSession,
    request: Request,
    experiment_id: ExperimentIdPath,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response:
    """The points that are there, in the order of the grid, also while others are being planned.

    JSON comes in pages. With `Accept: text/csv`, `application/vnd.apache.arrow.stream` or
    `application/vnd.apache.parquet` all of them come at once; in CSV nested fields are named
    `outer.inner`.
    """
    media_type = preferred(request.headers, (JSON, CSV, *columnar.READ))
    if media_type != JSON:
        service.find(session, experiment_id)
        tables = partial(service.point_tables, experiment_id=experiment_id)
        return exported(request, media_type, tables)
    start = number_in(cursor) or 0
    found = service.list_points(session, experiment_id, start, limit + 1)
    # A page goes on with the first point that it left out: others may come to be before it.
    shown = found[:limit]
    after = shown[-1]["index"] + 1 if shown else start
    return rendered_page(request, found, limit, lambda _: after, VARY)


@router.get(
    "/{experiment_id}/differences",
    summary="List paired differences",
    response_model=ExperimentDifferencePage,
    responses=documented(InvalidRequest, ExperimentNotFound),
)
def list_experiment_differences(
    session: ReadSession,
    request: Request,
    experiment_id: ExperimentIdPath,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response:
    """How the measures differ between each value of an axis and its first one, all else the same,
    over the seeds: both sides of each pair have the same seed. Empty without seeds.
    """
    start = number_in(cursor) or 0
    every = service.list_differences(session, experiment_id)
    found = list(islice(every, start, start + limit + 1))
    return rendered_page(request, found, limit, lambda _: start + limit)


@router.post(
    "/{experiment_id}/cancel",
    summary="Stop an experiment",
    status_code=202,
    response_model=Experiment,
    responses=documented(InvalidRequest, ExperimentNotFound),
)
def cancel_experiment(
    session: WriteSession,
    experiment_id: ExperimentIdPath,
    keep_best: Annotated[
        bool, Query(description="Keep also the points of blocks that are being worked on.")
    ] = False,
) -> Response:
    """Stop an experiment that waits or is worked on; one that has ended stays as it is.

    Blocks that ended keep their points. With `keep_best` those that are being worked on keep what
    they have so far.
    """
    jobs.cancel(session, experiment_id, Stop.KEEP_BEST if keep_best else Stop.DROP)
    document = service.get(session, experiment_id)
    return rendered(document, 202, {"Location": f"/v1/experiments/{experiment_id}"})


@router.get(
    "/{experiment_id}/events",
    summary="Follow an experiment",
    responses=documented(InvalidRequest, ExperimentNotFound)
    | {
        200: {
            "description": (
                "`progress` events, then one `end`; the data is the experiment as lists have it"
            ),
            "content": {EVENTS: {"schema": EVENT}},
        },
        204: {"description": "The experiment has ended, and its `end` was received"},
    },
    response_class=Response,
)
def follow_experiment(
    request: Request,
    experiment_id: ExperimentIdPath,
    last_event_id: Annotated[
        str | None, Header(description="The id of the latest event received.")
    ] = None,
) -> Response:
    """Server-sent events: how the experiment stands, each time that it has come further, until its
    end. Ids increase; whoever comes back is told how things stand now.
    """
    return stream(request, experiment_id, last_event_id)


@router.delete(
    "/{experiment_id}",
    summary="Forget an experiment",
    status_code=204,
    responses=documented(InvalidRequest, ExperimentNotFound, ExperimentNotEnded),
)
def delete_experiment(session: WriteSession, experiment_id: ExperimentIdPath) -> None:
    """Forget an experiment that has ended, with its points."""
    service.forget(session, experiment_id)

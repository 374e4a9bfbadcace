"""Figures of timings and devices over HTTP: the same addresses for both."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from app.db import ReadSession
from app.errors import FigureNotFound, InvalidRequest, ProfileNotFound, RevisionNotFound
from app.figures import profiles
from app.figures.answering import SVG, DrawnSize, FigureName, as_data, as_svg, list_of
from app.figures.description import Figure
from app.figures.schemas import FigureList
from app.http.bodies import StrictRoute
from app.problems import documented
from app.profiles.routes import ProfileName
from app.profiles.schemas.device import Device
from app.profiles.schemas.profile import Profile
from app.profiles.schemas.timing import Timing

OfRevision = Annotated[
    int | None,
    Query(ge=1, le=999_999_999, description="Of this revision; the latest where nothing is said."),
]
_FAULTS = documented(InvalidRequest, ProfileNotFound, RevisionNotFound, FigureNotFound)


def _router(kind: type[Profile]) -> APIRouter:
    """The routes of a kind of profile. What they draw rests on other profiles too, which may
    change, so it has no tag.
    """
    router = APIRouter(
        prefix=f"/v1/{kind.collection}/{{name}}/figures",
        tags=[kind.collection.capitalize()],
        route_class=StrictRoute,
    )
    for add in (_add_list, _add_drawing, _add_data):
        add(router, kind)
    return router


def _add_list(router: APIRouter, kind: type[Profile]) -> None:
    @router.get(
        "",
        summary=f"List the figures of a {kind.kind}",
        operation_id=f"list_{kind.kind}_figures",
        response_model=FigureList,
        responses=documented(InvalidRequest, ProfileNotFound, RevisionNotFound),
    )
    def list_figures(
        session: ReadSession, name: ProfileName, revision: OfRevision = None
    ) -> Response:
        """Which figures there are: of a timing none where its network or its device is gone."""
        found = profiles.listed(session, kind, name, revision)
        return list_of(f"/v1/{kind.collection}/{name}/figures", found)


def _add_drawing(router: APIRouter, kind: type[Profile]) -> None:
    @router.get(
        "/{figure}.svg",
        summary=f"Draw a figure of a {kind.kind}",
        operation_id=f"draw_{kind.kind}_figure",
        response_class=Response,
        responses=_FAULTS | SVG,
    )
    def draw_figure(
        session: ReadSession,
        request: Request,
        name: ProfileName,
        figure: FigureName,
        size: DrawnSize = "wide",
        revision: OfRevision = None,
    ) -> Response:
        """A figure as SVG, with what its numbers rest on: `times`, `clocks` and `energies` of a
        timing, `power` of a device.
        """
        return as_svg(
            request,
            None,
            size,
            lambda: profiles.figure(session, kind, name, revision, figure),
        )


def _add_data(router: APIRouter, kind: type[Profile]) -> None:
    @router.get(
        "/{figure}",
        summary=f"Read a figure of a {kind.kind} as data",
        operation_id=f"get_{kind.kind}_figure",
        response_model=Figure,
        responses=_FAULTS,
    )
    def get_figure(
        session: ReadSession,
        request: Request,
        name: ProfileName,
        figure: FigureName,
        revision: OfRevision = None,
    ) -> Response:
        """What is in a figure, in SI units: axes and marks, column by column."""
        return as_data(
            request, None, lambda: profiles.figure(session, kind, name, revision, figure)
        )


routers = [_router(Timing), _router(Device)]

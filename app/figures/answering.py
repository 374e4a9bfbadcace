"""Figures over HTTP, whatever they are of: as data, as drawings, by the tag of what is final."""

import hashlib
from collections.abc import Callable, Iterable
from importlib.metadata import version
from typing import Annotated, Any

import orjson
from fastapi import Path, Query, Request, Response

from app.figures.description import Figure
from app.figures.layout import Size
from app.figures.schemas import FigureEntry, FigureList
from app.figures.style import CSS, POLICY
from app.figures.svg import MEDIA_TYPE, drawn
from app.http.answers import rendered
from app.http.etags import held
from app.quantities import TEXT_PATTERN

FigureName = Annotated[
    str,
    Path(
        description="Which figure: a `name` of the list of them.",
        pattern=TEXT_PATTERN,
        min_length=1,
        max_length=64,
    ),
]
DrawnSize = Annotated[
    Size,
    Query(description="`wide` for a page or paper, `narrow` for a telephone."),
]
SVG: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The figure, with its title and words for who does not see it",
        "content": {MEDIA_TYPE: {"schema": {"type": "string"}}},
    },
}
_VERSION = version("splitplan")


def tag_of(*what: Any) -> str:
    """The tag of a drawing that will not change, made without drawing it."""
    return f'"{hashlib.sha256(orjson.dumps([_VERSION, CSS, *what])).hexdigest()[:32]}"'


def as_svg(request: Request, tag: str | None, size: Size, made: Callable[[], Figure]) -> Response:
    """A figure as a drawing, or that the caller holds it; without a tag it may still change."""
    return _told(request, tag, lambda headers: _drawing(made(), size, headers))


def as_data(request: Request, tag: str | None, made: Callable[[], Figure]) -> Response:
    """A figure as data, or that the caller holds it."""
    return _told(
        request, tag, lambda headers: rendered(made().model_dump(mode="json"), headers=headers)
    )


def _drawing(figure: Figure, size: Size, headers: dict[str, str]) -> Response:
    return Response(
        drawn(figure, size), 200, headers | {"Content-Security-Policy": POLICY}, MEDIA_TYPE
    )


def _told(
    request: Request, tag: str | None, made: Callable[[dict[str, str]], Response]
) -> Response:
    # What a cache may do follows from the tag: see app.http.protection.
    if tag is None:
        return made({})
    headers = {"ETag": tag}
    if held(request.headers, tag):
        return Response(status_code=304, headers=headers)
    return made(headers)


def list_of(address: str, found: Iterable[tuple[str, str, bool]]) -> Response:
    """The figures that there are: name, title and whether they take a user."""
    items = [
        FigureEntry(name=name, title=title, url=f"{address}/{name}", takes_user=takes)
        for name, title, takes in found
    ]
    return rendered(FigureList(items=items).model_dump())

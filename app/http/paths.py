"""The addresses of a service: which are near one that it has not, and what bodies they take."""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.routing import iter_route_contexts
from starlette.routing import BaseRoute

from app.http.media import JSON
from app.nearest import likeness

MODEL_IMPORT = "/v1/models/import"
"""Where models are sent as files, which may be larger than other bodies."""

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")

_PARAMETER = re.compile(r"\{(\w+)(?::\w+)?\}")

_ALIKE = 0.75
_SHOWN = 3
_LONGEST = 300


def addresses(app: FastAPI) -> Iterator[tuple[str, str]]:
    """Method and path template of every operation that is documented."""
    return ((method, template) for method, template, _ in _documented(app.state.features.routes()))


def readers_of(routes: Sequence[BaseRoute], media_type: str) -> Iterator[tuple[str, str]]:
    """Method and path template of the documented operations whose body may have a media type
    beside the one that their documentation says.
    """
    for method, template, route in _documented(routes):
        if route.body_field is not None and media_type in getattr(route, "takes", ()):
            yield method, template


def _documented(routes: Sequence[BaseRoute]) -> Iterator[tuple[str, str, Any]]:
    for context in iter_route_contexts(routes):
        route = context.original_route
        if getattr(route, "include_in_schema", False) and context.path is not None:
            for method in sorted(context.methods or ()):
                if method in METHODS:
                    yield method, _PARAMETER.sub(r"{\1}", context.path), route


def near_addresses(request: Request) -> list[str]:
    """Operations whose addresses are most like that of a request, the nearest first.

    What stands where an address has a parameter is taken for its value.
    """
    path = request.url.path.rstrip("/")[:_LONGEST]
    asked = [path, f"/v1{path}"]
    scored: dict[str, tuple[float, list[str]]] = {}
    for method, template in addresses(request.app):
        steps = template.split("/")
        score = max(likeness(one, _filled(steps, one.split("/"))) for one in asked)
        scored.setdefault(template, (score, []))[1].append(method)
    best = sorted(scored.items(), key=lambda entry: (-entry[1][0], entry[0]))[:_SHOWN]
    return [
        f"{'/'.join(methods)} {template}" for template, (score, methods) in best if score >= _ALIKE
    ]


def _filled(steps: list[str], given: list[str]) -> str:
    """A template with the steps of a path for its parameters, as far as it has any."""
    filled = [
        given[n] if _PARAMETER.fullmatch(step) and n < len(given) else step
        for n, step in enumerate(steps)
    ]
    return "/".join(filled)


def media_types(request: Request, path: str) -> list[str]:
    """What bodies a path takes with the method of a request, over all its routes."""
    found: dict[str, None] = {}
    for context in iter_route_contexts(request.app.routes):
        if context.path == path and request.method in (context.methods or ()):
            route = context.original_route
            body = (getattr(route, "openapi_extra", None) or {}).get("requestBody", {})
            found |= dict.fromkeys(body.get("content", ()))
            if getattr(route, "body_field", None) is not None or not body:
                found |= dict.fromkeys(getattr(route, "takes", (JSON,)))
    return list(found)


def below(request: Request) -> list[str]:
    """Operations of a request's method one step below its address."""
    path = request.url.path.rstrip("/")
    found = [
        template
        for method, template in addresses(request.app)
        if method == request.method and template.rpartition("/")[0] == path
    ]
    return [f"{request.method} {template}" for template in found]


def allowed_methods(request: Request) -> str:
    """All the methods the path has, over all its routes, as the documentation has them: those of
    the address that says most of it, not of one to which a part of it would be a name.
    """
    path = request.url.path.rstrip("/").removeprefix(request.scope.get("root_path", ""))
    steps = path.split("/")
    said: dict[int, set[str]] = {}
    for method, template in addresses(request.app):
        filled = _filled(template.split("/"), steps)
        if filled == path:
            names = sum(bool(_PARAMETER.fullmatch(step)) for step in template.split("/"))
            said.setdefault(names, set()).add(method)
    methods = said[min(said)] if said else _matching(request)
    if "GET" in methods:
        methods.add("HEAD")  # of `HeadLikeGet`
    return ", ".join(sorted(methods))


def _matching(request: Request) -> set[str]:
    """Methods of a path that no documentation has."""
    return {
        method
        for method in METHODS
        if any(
            route.matches({**request.scope, "method": method})[0].name == "FULL"
            for route in request.app.routes
        )
    }

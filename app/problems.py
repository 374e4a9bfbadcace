"""Failures as RFC 9457 problems: the one place where an exception becomes an answer."""

import logging
from collections.abc import Collection
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, FastAPI, Path, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from app import database_failures, examples, instants
from app.drivers import AWAY
from app.errors import (
    BodyTooLarge,
    DatabaseUnavailable,
    FieldError,
    HeadTooLarge,
    InvalidRequest,
    LimitMet,
    MalformedEncoding,
    MalformedJson,
    MalformedYaml,
    MethodNotAllowed,
    NothingHere,
    ProblemTypeNotFound,
    RequestTooSlow,
    SplitplanError,
    UnsupportedMediaType,
    in_one_line,
)
from app.field_errors import field_errors
from app.http.bodies import StrictRoute
from app.http.paths import allowed_methods, below, near_addresses
from app.nearest import is_it, nearest
from app.problem_types import PROBLEMS, ProblemType, problem_type
from app.telemetry import measures

MOST_ERRORS = 100
MEDIA_TYPE = "application/problem+json"
ROOT = "/v1/problem-types"

log = logging.getLogger(__name__)


class ProblemError(BaseModel):
    """One fault of the request."""

    pointer: str = Field(
        description="RFC 6901 pointer into the body; empty for the whole body or for a parameter."
    )
    detail: str = Field(description="What to mend.")
    parameter: str | None = Field(
        default=None, description="The query, path or header parameter, if it is one."
    )


class Problem(BaseModel):
    """RFC 9457 problem details."""

    type: str = Field(
        description=f"Stable relative reference into `GET {ROOT}`; it can be fetched."
    )
    title: str = Field(description="What kind of problem it is, the same for all of its type.")
    status: int = Field(description="The HTTP status of the answer.")
    detail: str = Field(description="What was wrong this time, and how to mend it.")
    instance: str | None = Field(
        default=None, description="Identifies this occurrence in the service's log."
    )
    errors: list[ProblemError] | None = Field(
        default=None, description=f"The first {MOST_ERRORS} faults."
    )


class ProblemTypeEntry(BaseModel):
    """An entry of the catalogue of problem types."""

    type: str = Field(description="What `type` of such an answer is.")
    title: str = Field(description="What kind of problem it is, in a few words.")
    status: int = Field(description="The HTTP status of such an answer.")
    remedy: str = Field(description="What a caller can do about it.")
    mend: str = Field(description="What `remedy` says, under its earlier name.", deprecated=True)


def problem(
    error: SplitplanError, instance: str | None = None, headers: dict[str, str] | None = None
) -> Response:
    """The answer that tells of `error`."""
    kind = problem_type(type(error))
    assert kind is not None, f"{type(error).__name__} has no row in PROBLEMS"
    if isinstance(error, LimitMet):
        measures.met(kind.slug)
    content: dict[str, Any] = {
        "type": f"{ROOT}/{kind.slug}",
        "title": kind.title,
        "status": kind.status,
        "detail": error.detail,
    }
    if instance is not None:
        content["instance"] = instance
    if error.errors:
        content["errors"] = [_entry(fault) for fault in error.errors[:MOST_ERRORS]]
    headers = {**error.headers, **(headers or {})}
    if error.retry_after_s is not None:
        headers["Retry-After"] = str(error.retry_after_s)
    return Response(_render(content), kind.status, headers, MEDIA_TYPE)


def _render(content: dict[str, Any]) -> bytes:
    try:
        return instants.json(content)
    except (
        orjson.JSONEncodeError
    ):  # a lone surrogate of the caller's, quoted in a detail or a pointer
        return instants.json(_printable(content))


def _printable(value: Any) -> Any:
    match value:
        case str():
            return value.encode("utf-8", "backslashreplace").decode()
        case dict():
            return {key: _printable(entry) for key, entry in value.items()}
        case list():
            return [_printable(entry) for entry in value]
    return value


def _entry(fault: FieldError) -> dict[str, str]:
    entry = {"pointer": fault.pointer, "detail": fault.detail}
    if fault.parameter is not None:
        entry["parameter"] = fault.parameter
    return entry


def handle_problems(app: FastAPI) -> None:
    """Turn every failure of `app` into a problem."""
    app.add_exception_handler(SplitplanError, _splitplan_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(HTTPException, _http_exception)
    for away in AWAY:
        app.add_exception_handler(away, _database_away)


async def _splitplan_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, SplitplanError)
    return problem(error)


async def _validation_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    field = getattr(request.scope.get("route"), "body_field", None)
    schema = None if field is None else field.field_info.annotation
    return problem(InvalidRequest(field_errors(error.errors(), error.body, schema)))


async def _database_away(_: Request, error: Exception) -> Response:
    return away_told(error)


def away_told(error: Exception) -> Response:
    """The answer where a database raised one of `AWAY`."""
    log.error("the database failed: %s", in_one_line(error))
    return problem(database_failures.told(error))


async def _http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    features = request.app.state.features
    if error.status_code in (404, 405) and not features.complete:
        # What is near may be of what nobody asked for yet.
        await run_in_threadpool(features.load_all)
    if error.status_code == 404:
        near = near_addresses(request)
        hint = f"; near it: {', '.join(near)}." if near else ". GET /openapi.json lists them all."
        return problem(NothingHere(f"Nothing has the address {request.url.path[:300]}{hint}"))
    if error.status_code == 405:
        allowed = allowed_methods(request)
        under = below(request)
        hint = f"; there are {', '.join(under)}." if under else "."
        detail = f"{request.url.path[:300]} has no {request.method}, only {allowed}{hint}"
        return problem(MethodNotAllowed(detail), headers={"Allow": allowed})
    raise error


_TAKEN = {
    "Accept-Encoding": {
        "schema": {"type": "string"},
        "description": "Where the body's Content-Encoding is none that is read: those that are",
    }
}


def documented(*errors: type[SplitplanError]) -> dict[int | str, dict[str, Any]]:
    """The `responses` of an operation that may fail with these (and, as all do, with what is wrong
    in a request).
    """
    return _told({*errors, InvalidRequest, DatabaseUnavailable})


def _told(errors: Collection[type[SplitplanError]]) -> dict[int | str, dict[str, Any]]:
    by_status: dict[int, list[ProblemType]] = {}
    for error in errors:
        kind = problem_type(error)
        assert kind is not None
        by_status.setdefault(kind.status, []).append(kind)
    return {
        status: {
            "description": "; ".join(sorted(f"{kind.title} (`{kind.slug}`)" for kind in kinds)),
            "content": {
                MEDIA_TYPE: {
                    "schema": {"$ref": "#/components/schemas/Problem"},
                    "examples": {
                        kind.slug: {"$ref": f"{examples.REFERENCE}{kind.slug}"} for kind in kinds
                    },
                }
            },
        }
        for status, kinds in sorted(by_status.items())
    }


router = APIRouter(prefix=ROOT, tags=["Problems"], route_class=StrictRoute)


@router.get(
    "", operation_id="list_problem_types", summary="List the problem types", responses=documented()
)
async def list_problem_types() -> list[ProblemTypeEntry]:
    """The catalogue of problem types: what `type` in an `application/problem+json` answer can
    be.
    """
    return [_catalogued(kind) for kind in PROBLEMS.values()]


@router.get(
    "/{slug}",
    operation_id="get_problem_type",
    summary="Read a problem type",
    responses=documented(ProblemTypeNotFound),
)
async def get_problem_type(
    slug: Annotated[str, Path(description="The last part of the `type` of such an answer.")],
) -> ProblemTypeEntry:
    """What one problem type means."""
    for kind in PROBLEMS.values():
        if kind.slug == slug:
            return _catalogued(kind)
    near = is_it(nearest(slug, [kind.slug for kind in PROBLEMS.values()]))
    raise ProblemTypeNotFound(f"There is no problem type {slug[:100]!r}{near or '.'}")


def _catalogued(kind: ProblemType) -> ProblemTypeEntry:
    return ProblemTypeEntry(
        type=f"{ROOT}/{kind.slug}",
        title=kind.title,
        status=kind.status,
        remedy=kind.remedy,
        mend=kind.remedy,
    )


def complete(document: dict[str, Any]) -> None:
    """Add to an OpenAPI document what `documented` refers to, and what can go wrong with any head
    and any body, with JSON and with the YAML in its place.
    """
    problem_schema = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    document["components"]["schemas"] |= {**problem_schema.pop("$defs"), "Problem": problem_schema}
    for path in document["paths"].values():
        for operation in path.values():
            content = operation.get("requestBody", {}).get("content", {})
            add(operation, HeadTooLarge)
            if content:
                add(operation, RequestTooSlow)
                add(operation, MalformedEncoding, BodyTooLarge, UnsupportedMediaType)
                media_type = operation["responses"]["415"]
                media_type["headers"] = media_type.get("headers", {}) | _TAKEN
            if "application/json" in content:
                add(operation, MalformedJson, MalformedYaml)


def add(operation: dict[str, Any], *errors: type[SplitplanError]) -> None:
    """Tell of an operation that it may fail with these, beside what is told of it already."""
    for status, told in _told(errors).items():
        known = operation["responses"].setdefault(str(status), told)
        if known is not told:
            titles = {*known["description"].split("; "), *told["description"].split("; ")}
            known["description"] = "; ".join(sorted(titles))
            examples_of(known).update(examples_of(told))


def examples_of(answer: dict[str, Any]) -> dict[str, Any]:
    """The examples of a documented problem."""
    found: dict[str, Any] = answer["content"][MEDIA_TYPE]["examples"]
    return found

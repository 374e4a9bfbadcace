"""How a request is read: JSON and YAML by the letter, only the
parameters an operation has.
"""

import json
from collections.abc import (
    Callable,
    Collection,
    Coroutine,
    Sequence,
)
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Any

from fastapi import Request, Response, params
from fastapi.dependencies.utils import get_flat_params
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool
from starlette.routing import Match
from starlette.types import Receive, Scope, Send

from app import about
from app.errors import (
    FieldError,
    InvalidRequest,
    MalformedJson,
    MalformedYaml,
    UnsupportedMediaType,
)
from app.http.calls import READING, Call
from app.http.media import JSON, YAML, MediaType, content_type
from app.http.paths import media_types
from app.http.places import Places
from app.nearest import is_it, nearest
from notation import yaml


def parse_json(body: bytes) -> Any:
    """JSON by RFC 8259, refusing what it leaves open: NaN, a key given twice, numbers too long to
    mean anything.

    1e999 becomes infinity here, so that the schema can say which field has it. Raises
    MalformedJson.
    """
    if not body:
        raise MalformedJson("The body is empty; send JSON.")
    try:
        return json.loads(body.decode("utf-8"), object_pairs_hook=_object, parse_constant=_constant)
    except UnicodeDecodeError as error:
        raise MalformedJson(f"The body is not UTF-8 (byte {error.start}).") from None
    except json.JSONDecodeError as error:
        raise MalformedJson(f"{error.msg} at line {error.lineno}, column {error.colno}.") from None
    except RecursionError:
        raise MalformedJson("The body is nested too deeply.") from None
    except ValueError:  # the interpreter's limit on the digits of an integer
        raise MalformedJson("The body has an integer of more than 4300 digits.") from None


def parse_yaml(body: bytes) -> Any:
    """The YAML that says what JSON can, in UTF-8. Raises MalformedYaml."""
    try:
        return yaml.parse(body.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise MalformedYaml(f"The body is not UTF-8 (byte {error.start}).") from None
    except yaml.MalformedYaml as error:
        raise MalformedYaml(f"The body is not YAML as it is read here: {error}.") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise MalformedJson(f"The key {twice[:100]!r} is given twice in one object.")
    return members


def _constant(name: str) -> None:
    raise MalformedJson(f"{name} is not a JSON number.")


def declared_as(request: Request, *expected: str) -> MediaType:
    """Which of the expected media types the body of a request is declared to be, in UTF-8 if it is
    text.

    Raises UnsupportedMediaType, naming what is expected.
    """
    declared = content_type(request.headers)
    send = _send(expected)
    if declared is None:
        raw = request.headers.get("content-type")
        said = "is missing" if raw is None else f"is no media type ({raw[:100]!r})"
        raise UnsupportedMediaType(f"The Content-Type of the body {said}: {send}.")
    if declared.charset != "utf-8":
        raise UnsupportedMediaType(f"The body is in {declared.charset[:100]}: send UTF-8.")
    if declared.essence not in expected:
        raise UnsupportedMediaType(f"The body is {declared.essence}: {send}.")
    return declared


def _send(expected: Sequence[str]) -> str:
    *others, last = expected
    return f"send {', '.join(others)} or {last}" if others else f"send {last}"


class _ReadRequest(Request):
    """A request whose body was read by the letter."""

    value: Any


async def _read(request: Request, path: str) -> _ReadRequest:
    """A request with what its body says. Raises UnsupportedMediaType, MalformedJson,
    MalformedYaml.
    """
    declared = content_type(request.headers)
    known = declared is not None and (declared.is_json or declared.is_yaml)
    if not known or declared is None or declared.charset != "utf-8":
        declared = declared_as(request, *(media_types(request, path) or [JSON]))
    read = _ReadRequest(request.scope, request.receive)
    content = await request.body()
    if declared.is_json:
        read.value = parse_json(content)
    else:
        # It takes several times as long as JSON, and others want to be heard meanwhile.
        read.value = await run_in_threadpool(parse_yaml, content)
    return read


class StrictRoute(APIRoute):
    """A route that refuses query parameters it does not have, and reads its body, JSON or YAML, by
    the letter.

    Use it as `APIRouter(route_class=StrictRoute)`; bodies are declared as usual.
    """

    takes: tuple[str, ...] = (JSON, YAML)
    """The media types of its bodies, where its documentation does not say them."""
    streams: bool = False
    """Whether it reads its bodies piece by piece, and looks itself after how many at once."""
    _handle: Callable[[Request], Coroutine[Any, Any, Response]] | None = None
    """What answers without FastAPI's help."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        call = Call.of(self)
        # What has coroutines is called by FastAPI, which has no say in how a body is read.
        assert call is not None or self.body_field is None, f"{self.path} takes a body"
        answer = super().get_route_handler() if call is None else call.respond
        fields = get_flat_params(self.dependant)
        known = {field.alias for field in fields if isinstance(field.field_info, params.Query)}
        told = {each["name"] for each in (self.openapi_extra or {}).get("parameters", ())}

        async def handle(request: Request) -> Response:
            if (plan_id := request.path_params.get("plan_id")) is not None:
                about.name_plan(plan_id)
            if request.scope["query_string"]:
                _require_known(request, known, told)
            asked = partial(answer, request)
            if call is not None and self.body_field is not None:
                read = await _read(request, self.path)
                asked = partial(call.respond, read, read.value)
            if request.method in READING or self.streams:
                return await asked()
            if self.body_field is None:
                await request.body()
            # Only now: nobody is waited for whose body is still on its way.
            async with _in_line(request):
                return await asked()

        self._handle = None if call is None else handle
        return handle

    def is_for(self, scope: Scope) -> bool:  # noqa: ARG002 (of those that share an address)
        """Whether a request to its address, by its method, is for it and not for another."""
        return True

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """As any route, but only what is for it."""
        return super().matches(scope) if self.is_for(scope) else (Match.NONE, {})

    async def answer_found(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request of which `scope` says that it is for this route."""
        if self._handle is None:
            await self.app(scope, receive, send)
            return
        # FastAPI would go through stacks of contexts that only its own calls need.
        response = await self._handle(Request(scope, receive, send))
        await response(scope, receive, send)


def _require_known(request: Request, known: Collection[str], told: Collection[str]) -> None:
    """Refuse query parameters that an operation has not. Raises InvalidRequest."""
    if unknown := request.query_params.keys() - known:
        raise InvalidRequest([_unknown(name[:100], known, told) for name in sorted(unknown)])


def _in_line(request: Request) -> AbstractAsyncContextManager[None]:
    """A place among the requests that may write. Raises DatabaseUnavailable where none is free in
    time.
    """
    places: Places = request.app.state.writers
    caller = request.state.caller
    project = None if caller.key_id is None else caller.project
    return places.place(project, request.app.state.settings.sqlite_busy_timeout_s)


def _unknown(name: str, known: Collection[str], told: Collection[str]) -> FieldError:
    if name in told:  # by the documentation, where another route with this path has it
        detail = f"query parameter {name}: is not for bodies of this media type"
    else:
        near = is_it(nearest(name, known))
        detail = f"this operation has no such query parameter: {name}{near}"
    return FieldError("", detail, parameter=name)

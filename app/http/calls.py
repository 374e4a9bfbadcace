"""An operation called whole in one thread: what it depends on, its session, its endpoint, its
answer.

FastAPI asks for a thread for each of these, four or five in a read, and to go to a thread and back
costs more than most of what is done there. Its own models say what is taken of a request and how an
answer is written, so that the document and the faults of a request are the same.
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from inspect import isasyncgenfunction, iscoroutinefunction, isgeneratorfunction
from operator import attrgetter
from types import NoneType
from typing import Any

from fastapi import Request, Response
from fastapi._compat import ModelField
from fastapi.dependencies.models import Dependant
from fastapi.dependencies.utils import request_params_to_args
from fastapi.exceptions import RequestValidationError, ResponseValidationError
from fastapi.routing import APIRoute

from app.hands import Hands, Kind, kind_of
from app.http.media import JSON

READING = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that change nothing."""


class Call:
    """What answers the requests of a route, whose functions are no coroutines."""

    def __init__(self, route: APIRoute) -> None:
        depends = [_Function(each) for each in route.dependant.dependencies]
        self._checks = [each for each in depends if not isgeneratorfunction(each.call)]
        self._opened = [each for each in depends if isgeneratorfunction(each.call)]
        self._endpoint = _Function(route.dependant)
        reads = READING.issuperset(route.methods or ())
        self._kind: Kind = kind_of(route.endpoint) or ("reading" if reads else "writing")
        self._answers = _Answers(route)

    @classmethod
    def of(cls, route: APIRoute) -> "Call | None":
        """Of a route that can be called so; None where something of it is more than a function."""
        return cls(route) if _is_plain(route.dependant) else None

    async def respond(self, request: Request, body: Any = None) -> Response:
        """The answer to a request. Raises RequestValidationError, and whatever its functions do."""
        hands: Hands = request.app.state.hands
        return await hands.do(self._kind, self._called, request, body)

    def _called(self, request: Request, body: Any) -> Response:
        said = Response()  # of which an endpoint sets headers
        del said.headers["content-length"]
        arguments: dict[str, Any] = {}
        faults: list[Any] = []
        for check in self._checks:
            found, wrong = check.arguments(request, said, body)
            faults += wrong
            value = None if wrong else check.call(**found)
            if check.name is not None:
                arguments[check.name] = value
        found, wrong = self._endpoint.arguments(request, said, body)
        if faults or wrong:
            raise RequestValidationError([*faults, *wrong], body=body)
        with ExitStack() as stack:  # only now: nobody waits for a turn to be told of faults
            for opened in self._opened:
                context = opened.open(request, said)
                arguments[str(opened.name)] = stack.enter_context(context)
            return self._answers.told(self._endpoint.call(**arguments, **found), said)


def _is_plain(endpoint: Dependant) -> bool:
    functions = [endpoint, *endpoint.dependencies]
    return (
        not any(each.dependencies for each in endpoint.dependencies)
        and not any(each.body_params for each in endpoint.dependencies)
        and len(endpoint.body_params) <= 1
        and not isgeneratorfunction(endpoint.call)
        and not any(_is_more(each) for each in functions)
    )


def _is_more(function: Dependant) -> bool:
    return bool(
        iscoroutinefunction(function.call)
        or isasyncgenfunction(function.call)
        or (isgeneratorfunction(function.call) and function.scope != "function")
        or function.cookie_params
        or function.background_tasks_param_name
        or function.security_scopes_param_name
        or function.http_connection_param_name
    )


class _Function:
    """A function, and what it takes of a request."""

    def __init__(self, dependant: Dependant) -> None:
        assert dependant.call is not None
        self.call: Callable[..., Any] = dependant.call
        self.name = dependant.name
        self._takes = dependant
        fields = {
            "path_params": dependant.path_params,
            "query_params": dependant.query_params,
            "headers": dependant.header_params,
        }
        self._parameters = [_Parameters(where, some) for where, some in fields.items() if some]

    def arguments(
        self, request: Request, said: Response, body: Any
    ) -> tuple[dict[str, Any], list[Any]]:
        """What it is called with, by name, and the faults in that."""
        takes = self._takes
        found: dict[str, Any] = {}
        faults: list[Any] = []
        for parameters in self._parameters:
            values, wrong = parameters.of(request)
            found |= values
            faults += wrong
        for field in takes.body_params:
            found[field.name], wrong = field.validate(body, found, loc=("body",))
            faults += wrong
        if takes.request_param_name is not None:
            found[takes.request_param_name] = request
        if takes.response_param_name is not None:
            found[takes.response_param_name] = said
        return found, faults

    def open(self, request: Request, said: Response) -> AbstractContextManager[Any]:
        """What it yields, for as long as that is needed."""
        found, _ = self.arguments(request, said, None)
        return contextmanager(self.call)(**found)


class _Parameters:
    """What a function takes of one part of a request."""

    def __init__(self, where: str, fields: list[ModelField]) -> None:
        self._given, self._fields = attrgetter(where), fields
        values, faults = request_params_to_args(fields, {})
        usual = not faults and _CONSTANT.issuperset(map(type, values.values()))
        self._otherwise = values if usual else None
        """What it takes where nothing of it is said, as with most requests."""
        aliases = {field.alias for field in fields} | {field.validation_alias for field in fields}
        self._names = {name for name in aliases if name is not None}
        self._names |= {name.replace("_", "-") for name in self._names}

    def of(self, request: Request) -> tuple[Mapping[str, Any], list[Any]]:
        """Values by the names of parameters, and the faults in them."""
        given = self._given(request)
        if self._otherwise is not None and not any(name in given for name in self._names):
            return self._otherwise, []
        return request_params_to_args(self._fields, given)


# Kinds of values that nobody can change.
_CONSTANT = frozenset({NoneType, bool, int, float, str})


class _Answers:
    """How what an endpoint returns is told."""

    def __init__(self, route: APIRoute) -> None:
        self._status = route.status_code or 200
        self._field = route.response_field
        self._options: Mapping[str, Any] = {
            "include": route.response_model_include,
            "exclude": route.response_model_exclude,
            "by_alias": route.response_model_by_alias,
            "exclude_unset": route.response_model_exclude_unset,
            "exclude_defaults": route.response_model_exclude_defaults,
            "exclude_none": route.response_model_exclude_none,
        }

    def told(self, returned: Any, said: Response) -> Response:
        """An answer as it is, or one with the schema that the route documents. Raises
        ResponseValidationError where it has not.
        """
        if isinstance(returned, Response):
            return returned
        if self._field is None:
            assert returned is None, "an answer with content has a schema"
            answer = Response(status_code=self._status)
        else:
            value, faults = self._field.validate(returned, {}, loc=("response",))
            if faults:
                raise ResponseValidationError(errors=faults, body=returned)
            content = self._field.serialize_json(value, **self._options)
            answer = Response(content, self._status, media_type=JSON)
        answer.headers.raw.extend(said.headers.raw)
        return answer

"""What goes wrong, as pages: the same status and words as the API's problem, and a way on."""

from typing import Any

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import Scope

from app.ui.rendering import page

_NOTHING = {"title": None, "detail": None, "errors": (), "instance": None}
_DROPPED = {"content-type", "content-length"}


def told(scope: Scope, status: int, headers: Headers, problem: dict[str, Any]) -> Response:
    """The page of a problem; where a key is asked for, the one that takes it."""
    if status == 401:
        answer = page(scope, "key.html", status, fault=problem.get("detail"), to=_address(scope))
    else:
        answer = page(scope, "fault.html", status, fault=_NOTHING | problem, code=status)
    for name, value in headers.items():
        if name not in _DROPPED:
            answer.headers.append(name, value)
    return answer


def _address(scope: Scope) -> str:
    """Where the browser wanted to go."""
    query = scope["query_string"].decode("latin-1")
    return f"{scope['path']}?{query}" if query else str(scope["path"])

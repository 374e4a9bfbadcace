"""Requests as they are seen from outside: named, timed, counted, traced, logged."""

import logging
import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app import about
from app.about import About
from app.telemetry import measures, traces

log = logging.getLogger(__name__)

_HEADER = b"x-request-id"


class Watched:
    """ASGI middleware, the outermost: every request has an id, which is answered, and is counted
    by the address of its operation, its method and how it went.
    """

    def __init__(self, app: ASGIApp, *, access_log: bool) -> None:
        self.app = app
        self._access_log = access_log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        begun = time.perf_counter()
        name = about.request_id(_header(scope, _HEADER))
        answer = _Answer(send, name.encode())
        measures.REQUESTS.in_progress += 1
        with about.Concerning(About(name)), traces.request(scope) as span:
            try:
                await self.app(scope, receive, answer.send)
            finally:
                measures.REQUESTS.in_progress -= 1
                elapsed_s = (answer.ended or time.perf_counter()) - begun
                route = _route(scope)
                measures.REQUESTS.count(scope["method"], route, answer.status, elapsed_s)
                traces.answered(span, scope["method"], route, answer.status)
                if self._access_log:
                    _log(scope, route, answer, elapsed_s)


class _Answer:
    """An answer on its way out."""

    def __init__(self, send: Send, name: bytes) -> None:
        self._send, self._name = send, name
        self.status = 499  # nobody waited for it, as other servers put it
        self.byte = 0
        self.ended: float | None = None
        self._endless = False

    async def send(self, message: Message) -> None:
        """Send a part, with the request's id in the head."""
        if message["type"] == "http.response.start":
            message["headers"] = headers = [*message["headers"], (_HEADER, self._name)]
            await self._send(message)
            self.status = message["status"]
            for name, value in headers:
                if name == b"content-type" and value.startswith(b"text/event-stream"):
                    # How long a caller listens says nothing of the service.
                    self.ended = time.perf_counter()
            return
        await self._send(message)
        self.byte += len(message.get("body", b""))


def _log(scope: Scope, route: str, answer: _Answer, elapsed_s: float) -> None:
    # Without the query, in which users may have put tokens.
    path = scope.get("raw_path", b"").decode("latin-1") or scope["path"]
    client = scope.get("client")
    caller = scope.get("state", {}).get("caller")  # of those who were let in
    told = {
        "client": client[0] if client else None,
        "caller": getattr(caller, "identity", None),
        "method": scope["method"],
        "path": path,
        "route": route,
        "status": answer.status,
        "elapsed_s": round(elapsed_s, 6),
        "answer_byte": answer.byte,
    }
    log.info("%s %s %d in %.3f s", scope["method"], path, answer.status, elapsed_s, extra=told)


def _header(scope: Scope, wanted: bytes) -> str | None:
    for name, value in scope["headers"]:
        if name == wanted:
            return str(value.decode("latin-1"))
    return None


def _route(scope: Scope) -> str:
    """The address of the operation as it is documented: there are only so many."""
    route = scope.get("route")
    return getattr(route, "path_format", None) or getattr(route, "path", None) or "unmatched"

"""The door of the pages: a key may come in a cookie there, and what goes wrong is told as a page.

It is loaded with the web, so it imports nothing that only pages need.
"""

import orjson
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.requests import cookie_parser
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.http.calls import READING
from app.http.media import content_type
from app.problems import MEDIA_TYPE

ROOT = "/ui"
COOKIE = "splitplan-key"
"""Holds the key of a browser that looks at pages; sent nowhere but below `ROOT`."""


class Pages:
    """ASGI middleware, before that which asks who comes."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not _is_page(scope):
            await self.app(scope, receive, send)
            return
        told = _Told(scope, send)
        await self.app(_with_key(scope), receive, told.send)


def _is_page(scope: Scope) -> bool:
    if scope["type"] != "http":
        return False
    path: str = scope["path"].removeprefix(scope.get("root_path", ""))
    return path == ROOT or path.startswith(f"{ROOT}/")


def _with_key(scope: Scope) -> Scope:
    """A request that changes nothing, with the key of its cookie as a program would send it.

    One that changes something has to bring its key itself, which no page of a stranger can.
    """
    headers = Headers(scope=scope)
    if scope["method"] not in READING or "authorization" in headers:
        return scope
    key = cookie_parser(headers.get("cookie", "")).get(COOKIE)
    if not key:
        return scope
    return {**scope, "headers": [*scope["headers"], (b"authorization", f"Bearer {key}".encode())]}


class _Told:
    """Hands an answer on, a problem as a page."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self._scope, self._send = scope, send
        self._problem: Message | None = None
        self._body = b""

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            kind = content_type(Headers(raw=message["headers"]))
            if kind is not None and kind.essence == MEDIA_TYPE:
                self._problem = message
                return
        elif self._problem is not None:
            self._body += message.get("body", b"")
            if not message.get("more_body", False):
                await self._tell(self._problem)
            return
        await self._send(message)

    async def _tell(self, start: Message) -> None:
        page = await run_in_threadpool(_page, self._scope, start, self._body)
        body = b"" if self._scope["method"] == "HEAD" else page.body
        await self._send({**start, "headers": page.raw_headers})
        await self._send({"type": "http.response.body", "body": body})


def _page(scope: Scope, start: Message, problem: bytes) -> Response:
    """The page of a problem, in a thread: the first one loads templates, which takes a while."""
    from app.ui import faults

    found = orjson.loads(problem) if problem else {}
    return faults.told(scope, start["status"], Headers(raw=start["headers"]), found)

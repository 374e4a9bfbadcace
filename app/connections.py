"""Connections: how much a caller may send before its request is understood, how long it may keep
the service waiting, and how long an answer waits to be read.

The parser under uvicorn bounds neither heads nor time. What is added here is looked after once for
all connections, by `sweep`, so that a request costs a few comparisons and no timer of its own.
"""

import asyncio
import logging
import time
from collections.abc import Collection
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from app.errors import HeadTooLarge, RequestTooSlow, SplitplanError, TooManyConnections
from app.settings import Settings

log = logging.getLogger(__name__)

# Requests sent ahead of the answers to earlier ones; common clients send none.
_MOST_AHEAD = 64
# So long what is still sent after a refusal is thrown away.
_LINGER_S = 2.0
# What a body must come to on the whole, beside never stopping for long.
_SLOWEST_BODY_BYTE_PER_S = 1024


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a caller may take."""

    head_byte: int
    head_s: float
    body_s: float
    """A body may stop for so long, and may come slowly for so long."""
    write_s: float
    connections: int

    @classmethod
    def of(cls, settings: Settings) -> "Bounds":
        """Those of the settings."""
        return cls(
            head_byte=settings.max_head_byte,
            head_s=settings.head_timeout_s,
            body_s=settings.body_timeout_s,
            write_s=settings.write_timeout_s,
            connections=settings.max_connections,
        )


def bounded(bounds: Bounds) -> type["Connection"]:
    """The protocol of a server, with these bounds."""
    return type("Bounded", (Connection,), {"bounds": bounds, "waiting": {}})


def sweep(connections: Collection[Any]) -> None:
    """End the connections that have kept the service waiting for too long."""
    now = time.monotonic()
    for connection in list(connections):
        if isinstance(connection, Connection):
            connection.look(now)


class Connection(HttpToolsProtocol):
    """A connection that is bounded in what it sends and in how long it takes."""

    bounds: Bounds
    waiting: dict["Connection", None]
    """Those of the server of which nothing is asked, and nothing half asked; who has waited longest
    comes first. To look through all of them for each that comes would take most of the time there
    is just when there are too many."""

    def __init__(
        self,
        config: Any,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._over = False  # nothing more is read
        self._over_since = 0.0
        self._told_byte = 0  # of the head, as far as the parser told of it
        self._raw_byte = 0  # of the head, as it came
        self._ended = 0  # requests whose body was read to its end
        self._head_since: float | None = None
        self._body_since: float | None = None
        self._body_byte = 0
        self._body_last = 0.0
        self._unread_byte = 0
        self._unread_since: float | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take a connection, in place of one that waits where there are too many."""
        super().connection_made(transport)  # type: ignore[arg-type]  # as uvicorn declares it
        self._head_since = time.monotonic()
        most = self.bounds.connections
        if len(self.connections) <= most:
            self._look_whether_it_waits()
        elif len(self.connections) > 2 * most:  # also of those that are told so
            self._abort()
        elif (first := next(iter(self.waiting), None)) is not None:
            self._look_whether_it_waits()
            self.connections.discard(first)
            first.end()
        else:
            detail = f"All {most} connections are in use."
            self._refuse(TooManyConnections(detail, retry_after_s=5))

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        self.waiting.pop(self, None)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on, unless the head has become too long."""
        if self._over:
            return
        ended = self._ended
        super().data_received(data)
        if self._head_since is not None and self._ended == ended and not self._over:
            self._raw_byte += len(data)  # the parser tells of a line when it has ended
            self._bound_head()
        self._look_whether_it_waits()

    def send_400_response(self, msg: str) -> None:
        """Say that this is no HTTP, unless something else was said."""
        if not self._over:
            super().send_400_response(msg)

    def on_message_begin(self) -> None:
        """Begin a head, after an answer or while one is written."""
        super().on_message_begin()
        self._head_since = time.monotonic()
        self._told_byte = self._raw_byte = 0

    def on_url(self, url: bytes) -> None:
        """Count a part of an address."""
        super().on_url(url)
        self._told_byte += len(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Count a line, also one that follows a body."""
        if self._over:
            return
        super().on_header(name, value)
        self._told_byte += len(name) + len(value) + 4
        self._bound_head()

    def on_headers_complete(self) -> None:
        """Begin an answer, and a body."""
        if self._over:
            return
        if len(self.pipeline) >= _MOST_AHEAD:
            log.warning("a connection asked %d times without reading, and is closed", _MOST_AHEAD)
            self._abort()
            return
        self._head_since = None
        self._body_since = self._body_last = time.monotonic()
        self._body_byte = 0
        super().on_headers_complete()
        self.cycle.transport = _Gentle(self)  # type: ignore[assignment]  # what a cycle uses of one

    def on_body(self, body: bytes) -> None:
        """Take a part of a body."""
        if self._over:
            return
        self._body_byte += len(body)
        self._body_last = time.monotonic()
        super().on_body(body)

    def on_message_complete(self) -> None:
        """End a body."""
        if self._over:
            return
        self._body_since = None
        if not self._is_answering():  # it was answered before all of it had come
            self._head_since = time.monotonic()
        self._told_byte = self._raw_byte = 0
        self._ended += 1
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Wait for the next head, or go on with it."""
        if self._over:
            return
        if self._body_since is None:
            self._head_since = time.monotonic()
        self._look_whether_it_waits()
        super().on_response_complete()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        # What nobody reads is made once, and not again for each request that was sent ahead.
        if self.flow.write_paused:
            app = _once_read(self.flow, cycle, app)
        super()._start_asgi_task(cycle, app)

    def look(self, now: float) -> None:
        """End it if it has kept the service waiting for too long."""
        if self._is_unread(now):
            log.warning("an answer was not read for %g s: its connection ends", self.bounds.write_s)
            self._abort()
        elif self._over:
            if now - self._over_since > _LINGER_S:
                self.transport.close()
        elif self.transport.is_closing():
            return
        elif self.flow.read_paused:
            # It is the service that does not read: time and bytes are counted anew.
            self._body_last, self._body_byte = now, 0
            self._body_since = None if self._body_since is None else now
            self._head_since = None if self._head_since is None else now
        elif self._body_since is not None:
            slow_s = now - self._body_since - self.bounds.body_s
            if now - self._body_last > self.bounds.body_s or (
                slow_s > 0.0 and self._body_byte < slow_s * _SLOWEST_BODY_BYTE_PER_S
            ):
                self._late("The body came too slowly, or stopped.")
        elif self._head_since is not None and not self._is_answering():
            # Between requests uvicorn's own time-out counts, until something comes.
            between = self.timeout_keep_alive_task is not None
            if not between and now - self._head_since > self.bounds.head_s:
                self._late("The head of the request came too slowly, or stopped.")

    def end(self) -> None:
        """Close, as soon as what was written is read."""
        self._over = True
        self.waiting.pop(self, None)
        self.transport.close()

    def part(self) -> None:
        """Say nothing more, and close once the other side has had the time to see what was said."""
        self._over, self._over_since = True, time.monotonic()
        if self._body_since is not None and self.transport.can_write_eof():
            self.transport.write_eof()
        else:
            self.transport.close()

    @property
    def _head_byte(self) -> int:
        return max(self._told_byte, self._raw_byte)

    def _late(self, detail: str) -> None:
        if self._head_byte or self._is_answering():
            self._refuse(RequestTooSlow(detail))
        else:
            self.end()

    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _look_whether_it_waits(self) -> None:
        """Be the last of those that wait, from now on, or none of them."""
        self.waiting.pop(self, None)
        busy = self._is_answering() or self._body_since is not None or self._head_byte
        if not busy and not self._over:
            self.waiting[self] = None

    def _is_unread(self, now: float) -> bool:
        """Whether what was written waits, and none of it was taken for too long."""
        left_byte = self.transport.get_write_buffer_size()
        if left_byte == 0 or left_byte < self._unread_byte:
            self._unread_since = None
        self._unread_byte = left_byte
        if left_byte and self._unread_since is None:
            self._unread_since = now
        return self._unread_since is not None and now - self._unread_since > self.bounds.write_s

    def _bound_head(self) -> None:
        if self._head_byte > self.bounds.head_byte:
            most = f"The head of a request may have at most {self.bounds.head_byte} bytes."
            self._refuse(HeadTooLarge(most))

    def _refuse(self, error: SplitplanError) -> None:
        """Say why, where nothing else is being said, and end."""
        began = self.cycle is not None and self.cycle.response_started
        if self.pipeline or (self._is_answering() and began):
            self._abort()
            return
        self.transport.write(_written(error))
        self._body_since = self._body_since or time.monotonic()
        self.part()
        if self.cycle is not None:  # whoever waits for the rest of a body
            self.cycle.disconnected = True
            self.cycle.message_event.set()

    def _abort(self) -> None:
        self._over = True
        self.transport.abort()


class _Gentle:
    """The transport as an answer sees it: closed before a body has come, it would be reset, and the
    answer lost.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def write(self, data: bytes) -> None:
        """Write a part of an answer."""
        self._connection.transport.write(data)

    def is_closing(self) -> bool:
        """Whether nobody is there any more."""
        return self._connection.transport.is_closing()

    def close(self) -> None:
        """End the connection after this answer."""
        self._connection.part()


def _once_read(flow: FlowControl, cycle: RequestResponseCycle, app: Any) -> Any:
    async def later(scope: Any, receive: Any, send: Any) -> None:
        await flow.drain()
        if cycle.transport.is_closing():
            cycle.disconnected = True  # and nobody is told
            return
        await app(scope, receive, send)

    return later


def _written(error: SplitplanError) -> bytes:
    """A problem as it goes over the wire."""
    from app.problems import problem  # with all that answers: see `serving.load`

    answer = problem(error, headers={"Connection": "close"})
    head = [f"HTTP/1.1 {answer.status_code} {HTTPStatus(answer.status_code).phrase}".encode()]
    head += [name + b": " + value for name, value in answer.raw_headers]
    return b"\r\n".join([*head, b"", bytes(answer.body)])

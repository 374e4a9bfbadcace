"""Bodies as they come in: no more bytes than a caller may send, and unpacked where they were
compressed.
"""

from collections.abc import Iterator, Mapping

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.errors import BodyTooLarge, TooMuchAtOnce, UnsupportedEncoding
from app.http.media import elements
from app.http.unpacking import CODINGS, Unpacking

# Nobody reads what is sent with these.
_UNREAD = frozenset({"GET", "HEAD"})


class BodyLimit:
    """ASGI middleware: stops reading a body at its limit, whether or not its length was declared,
    and unpacks one that comes as gzip up to there; all bodies that are being read may have
    `max_bodies_byte` together.

    The limit is what the caller may take (`request.state.limits`); the paths in `larger`, which
    keep their bodies on disk, have limits of their own.
    """

    def __init__(
        self, app: ASGIApp, max_bodies_byte: int, larger: Mapping[str, int] | None = None
    ) -> None:
        self.app = app
        self._held = _Held(max_bodies_byte)
        self.larger = dict(larger or {})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] in _UNREAD:
            await self.app(scope, receive, send)
            return
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        if scope["method"] == "POST" and path in self.larger:
            body = _Body(scope, receive, self.larger[path], None)
        else:
            body = _Body(scope, receive, scope["state"]["limits"].max_body_byte, self._held)

        async def send_closing(message: Message) -> None:
            # A body without a declared length may have no end: only closing the connection stops
            # it.
            if message["type"] == "http.response.start" and body.cut_off:
                message = {**message, "headers": [*message["headers"], (b"connection", b"close")]}
            await send(message)

        try:
            await self.app(scope, body.receive, send_closing)
        finally:
            body.let_go()


class _Held:
    """What all bodies that are being read take together."""

    def __init__(self, most_byte: int) -> None:
        self.most_byte = most_byte
        self.byte = 0


class _Body:
    """A body on its way in, counted as it is read, and unpacked before."""

    def __init__(self, scope: Scope, receive: Receive, most_byte: int, held: _Held | None) -> None:
        self._receive, self._most_byte, self._held = receive, most_byte, held
        self._came_byte = self._packed_byte = 0
        self.cut_off = False
        headers = MutableHeaders(scope=scope)
        self._declared = headers.get("content-length")
        self._codings = _codings(headers)
        self._unpacking: Unpacking | None = None
        self._pieces: Iterator[bytes] = iter(())
        self._ended = False
        if len(self._codings) == 1 and self._codings[0].lower() in CODINGS:
            self._codings, self._unpacking = [], Unpacking()
            # To those who read it, it is as long as it comes to.
            del headers["content-encoding"], headers["content-length"]

    def let_go(self) -> None:
        """It is held no longer."""
        if self._held is not None:
            self._held.byte -= self._came_byte

    async def receive(self) -> Message:
        """What comes next. Raises UnsupportedEncoding, MalformedEncoding, BodyTooLarge and
        TooMuchAtOnce.
        """
        if self._codings:
            coding = ", ".join(self._codings)[:100]
            detail = f"The body has the Content-Encoding {coding!r}: send gzip, or it as it is."
            raise UnsupportedEncoding(detail)
        declared = self._declared
        if declared is not None and declared.isdecimal() and int(declared) > self._most_byte:
            raise self._too_large()
        unpacking = self._unpacking
        message = await (self._receive() if unpacking is None else self._unpacked(unpacking))
        came = len(message.get("body", b""))
        self._came_byte += came
        if self._held is not None:
            self._held.byte += came
        self._require_room()
        return message

    async def _unpacked(self, unpacking: Unpacking) -> Message:
        """The next piece of what the body comes to."""
        while (piece := await run_in_threadpool(next, self._pieces, None)) is None:
            if self._ended:
                unpacking.end()
                self._unpacking = None  # what is received from now on is no body
                return {"type": "http.request", "body": b"", "more_body": False}
            message = await self._receive()
            if message["type"] != "http.request":
                return message
            packed = message.get("body", b"")
            self._ended = not message.get("more_body", False)
            self._packed_byte += len(packed)
            self._require_room()  # a stream may have a head without an end
            self._pieces = unpacking.pieces(packed)
        return {"type": "http.request", "body": piece, "more_body": True}

    def _require_room(self) -> None:
        if max(self._came_byte, self._packed_byte) > self._most_byte:
            self.cut_off = True
            raise self._too_large()
        held = self._held
        if held is not None and held.byte > held.most_byte:
            self.cut_off = True
            detail = f"All bodies together may have {held.most_byte} bytes at a time."
            raise TooMuchAtOnce(detail, retry_after_s=5)

    def _too_large(self) -> BodyTooLarge:
        unpacked = "" if self._unpacking is None else ", also once it is unpacked"
        return BodyTooLarge(f"The body may have at most {self._most_byte} bytes{unpacked}.")


def _codings(headers: Headers) -> list[str]:
    """What was done to a body on its way (RFC 9110, 8.4), in this order."""
    done = elements(headers, "content-encoding")
    return [coding for coding in done if coding.lower() != "identity"]

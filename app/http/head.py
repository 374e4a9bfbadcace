"""HEAD (RFC 9110, 9.3.2): wherever GET answers, and as it does, without the content."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send


class HeadLikeGet:
    """ASGI middleware: a HEAD request is answered with what GET would begin with.

    The work of a GET is done up to its first byte; what would follow is neither made nor sent, so
    that HEAD of a stream of events ends.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self.app(scope, receive, send)
            return
        answered = False

        async def send_head(message: Message) -> None:
            nonlocal answered
            if answered:
                raise _Enough
            await send(message)
            if message["type"] == "http.response.start":
                await send({"type": "http.response.body", "body": b""})
                answered = True

        asked = {**scope, "method": "GET"}
        try:
            await self.app(asked, receive, send_head)
        except* _Enough:
            pass
        finally:
            scope["route"] = asked.get("route")


class _Enough(Exception):
    """The head is out: nobody reads what follows."""

"""What nobody handled, as an answer that says nothing of its cause."""

import logging
import uuid

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.drivers import AWAY
from app.errors import InternalError, SplitplanError
from app.problems import away_told, problem

log = logging.getLogger(__name__)


class LastResort:
    """ASGI middleware: what nobody handled becomes a 500 with an id, and the log keeps the
    cause.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = False

        async def send_noted(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self.app(scope, receive, send_noted)
        except ClientDisconnect:
            return  # nobody is left to be told
        except SplitplanError as refused:  # by what stands before the routes
            await problem(refused)(scope, receive, send)
        except Exception as error:
            if isinstance(error, AWAY) and not started:  # when it was asked who asks
                await away_told(error)(scope, receive, send)
                return
            instance = uuid.uuid4().urn
            log.exception("%s %s failed: %s", scope["method"], scope["path"], instance)
            if started:
                raise  # half an answer is out: only breaking the connection tells the caller
            await problem(InternalError("The service failed; its log has the cause."), instance)(
                scope, receive, send
            )

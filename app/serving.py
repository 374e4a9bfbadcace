"""The HTTP service as a process: who may come in, where it listens, and how it stops."""

import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from types import FrameType

import uvicorn

from app.errors import ConfigurationError
from app.pool import WorkerPool
from app.settings import Settings

log = logging.getLogger("splitplan")


def require_guarded(settings: Settings, keys_made: Callable[[], bool]) -> None:
    """Where nobody is asked for a key, only this machine may come in. Raises ConfigurationError."""
    if not settings.is_loopback and not settings.allow_unauthenticated and not keys_made():
        raise ConfigurationError(
            f"{settings.host} is not a loopback address and there are no API keys: anyone who"
            " reaches it could change everything. Make one with `splitplan keys create`, or set"
            " SPLITPLAN_ALLOW_UNAUTHENTICATED=true if a proxy or container guards it"
        )


def listen(settings: Settings) -> socket.socket:
    """The socket that the service will answer on. Raises ConfigurationError."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        return socket.create_server((settings.host, settings.port), family=family, backlog=2048)
    except OSError as error:
        raise ConfigurationError(
            f"cannot listen on {settings.host} port {settings.port}:"
            f" {os.strerror(error.errno or 0)}"
        ) from None


def load() -> None:
    """Load all that answers, for whoever has something else to wait for meanwhile."""
    import app.main  # noqa: F401 (for its being loaded)


def serve_until_stopped(settings: Settings, listener: socket.socket) -> None:
    """Answer on a socket, with the workers of the settings beside, until a signal ends it."""
    from app.main import create_app  # most of what a start costs: see `load`

    app = create_app(settings)
    address, bound_port = listener.getsockname()[:2]
    url = f"http://[{address}]:{bound_port}" if ":" in address else f"http://{address}:{bound_port}"
    log.info("listening on %s, documentation at %s/docs", url, url)
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=settings.access_log,
        timeout_graceful_shutdown=10,
        server_header=False,
    )
    # The server hands each signal on once it has closed: it must end this block, not the
    # process on the spot.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))
    with WorkerPool(settings.workers, settings.shutdown_grace_s):
        DrainingServer(config, app.state.draining, settings.drain_s).run(sockets=[listener])


class DrainingServer(uvicorn.Server):
    """A server that says that it is about to close before it does."""

    def __init__(self, config: uvicorn.Config, draining: threading.Event, drain_s: float) -> None:
        super().__init__(config)
        self._draining, self._drain_s = draining, drain_s

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 (uvicorn's signature)
        """Close, now if told twice, whoever is still connected if told again."""
        # Not as inherited: that raises the signal once more at the end, which would kill this
        # process before its workers had their time to stop.
        told = self._draining.is_set()
        self._draining.set()
        if self.should_exit:
            self.force_exit = True
        elif told or self._drain_s == 0.0:
            self._close()
        else:
            timer = threading.Timer(self._drain_s, self._close)
            timer.daemon = True
            timer.start()

    def _close(self) -> None:
        self.should_exit = True

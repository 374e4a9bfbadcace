"""The HTTP service as a process: who may come in, where it listens, and how it stops."""

import logging
import os
import signal
import socket
import ssl
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import TYPE_CHECKING, Any

import uvicorn

from app import allocator
from app.allocator import undisturbed
from app.connections import Bounds, bounded, sweep
from app.errors import ConfigurationError
from app.pool import WorkerPool
from app.settings import Settings

if TYPE_CHECKING:
    from fastapi import FastAPI

log = logging.getLogger(__name__)

_SWITCH_S = 0.001


def require_guarded(settings: Settings, keys_made: Callable[[], bool]) -> None:
    """Where nobody is asked for a key, only this machine may come in. Raises ConfigurationError."""
    guarded = settings.is_loopback or settings.allow_unauthenticated or settings.oidc_issuer
    if not guarded and not keys_made():
        raise ConfigurationError(
            f"{settings.host} is not a loopback address and there are no API keys: anyone who"
            " reaches it could change everything. Make one with `splitplan keys create`, set"
            " SPLITPLAN_OIDC_ISSUER, or SPLITPLAN_ALLOW_UNAUTHENTICATED=true if a proxy or"
            " container guards it"
        )


def require_certificate(settings: Settings) -> None:
    """Whether the files for TLS are what they should be. Raises ConfigurationError."""
    if settings.tls_cert is None:
        return
    try:
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(
            settings.tls_cert, settings.tls_key, password=_no_password
        )
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        raise ConfigurationError(
            f"SPLITPLAN_TLS_CERT and SPLITPLAN_TLS_KEY do not make a certificate with its key:"
            f" {error}"
        ) from None


def _no_password() -> str:
    raise ValueError("the key is encrypted: the service can ask nobody for its password")


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
    with undisturbed():
        import app.main  # noqa: F401 (for its being loaded)


def serve_until_stopped(settings: Settings, listener: socket.socket) -> None:
    """Answer on a socket, with the workers of the settings beside, until a signal ends it."""
    allocator.keep_together()
    from app import metrics
    from app.main import create_app  # most of what a start costs: see `load`
    from app.telemetry import traces

    # Of several threads that compute the loop waits for each so long before it may go on.
    sys.setswitchinterval(_SWITCH_S)
    traces.start(settings, "web")
    app = create_app(settings)
    metrics.serve(app.state.metrics, settings)
    address, bound_port = listener.getsockname()[:2]
    scheme = "http" if settings.tls_cert is None else "https"
    host = f"[{address}]" if ":" in address else address
    url = f"{scheme}://{host}:{bound_port}"
    log.info("listening on %s, documentation at %s/docs", url, url)
    # The server hands each signal on once it has closed: it must end this block, not the
    # process on the spot.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))
    with WorkerPool(settings.workers, settings.shutdown_grace_s):
        server(settings, app, timeout_graceful_shutdown=10).run(sockets=[listener])


def server(settings: Settings, app: "FastAPI", **options: Any) -> "DrainingServer":
    """A server of an app, with the bounds of the settings; `options` are uvicorn's."""
    config = uvicorn.Config(
        app,
        **{"log_config": None} | options,
        access_log=False,  # requests are logged where their ids are known
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=list(settings.trusted_proxies),
        ssl_certfile=settings.tls_cert,
        ssl_keyfile=settings.tls_key,
        server_header=False,
        http=bounded(Bounds.of(settings)),
        ws="none",
        timeout_keep_alive=settings.idle_timeout_s,  # type: ignore[arg-type]  # a loop takes fractions, too
    )
    return DrainingServer(config, app.state.draining, settings.drain_s)


class DrainingServer(uvicorn.Server):
    """A server that says that it is about to close before it does."""

    def __init__(self, config: uvicorn.Config, draining: threading.Event, drain_s: float) -> None:
        super().__init__(config)
        self._draining, self._drain_s = draining, drain_s

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second: twice of these, look after the connections."""
        if counter % 5 == 0:
            sweep(self.server_state.connections)
        return await super().on_tick(counter)

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

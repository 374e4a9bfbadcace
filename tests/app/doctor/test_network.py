"""Whoever listens where the service is to."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import httpx

from app.doctor.network import ask
from app.settings import Settings
from tests.support.doctor import faults
from tests.support.servers import Service


def settings(port: int, **given: object) -> Settings:
    return Settings(database_url="sqlite:///x.db", port=port, **given)


@contextmanager
def another_program() -> Iterator[int]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"hello")

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def test_nobody_or_somebody_else() -> None:
    with another_program() as port:
        assert "service wrong: what listens on port" in faults(ask(settings(port)))
        assert "does not answer as the service does" in faults(
            ask(settings(port, tls_cert="/x", tls_key="/x"))
        ) or "nothing listens" in faults(ask(settings(port, tls_cert="/x", tls_key="/x")))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        told = faults(ask(settings(taken.getsockname()[1])))
    assert "service warning: nothing listens on 127.0.0.1" in told


def test_the_service_itself(idle: Service, idle_client: httpx.Client) -> None:
    port = int(idle.url.rpartition(":")[2])
    told = faults(ask(settings(port)))
    assert "service wrong: it is alive and not ready: No worker was heard of" in told

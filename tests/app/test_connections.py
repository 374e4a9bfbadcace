"""Connections that want too much, or do nothing: over real sockets, against the real server."""

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress

import httpx
import pytest

from app import migration
from app.db import open_database
from app.settings import Settings
from tests.support.background import eventually
from tests.support.builders import a_model
from tests.support.servers import Service

SOON_S = 60.0  # how long a test waits for what comes within a second


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service that waits for nobody."""
    settings = Settings(
        database_url=f"sqlite:///{tmp_path_factory.mktemp('guarded') / 'splitplan.db'}",
        max_head_byte=8192,
        head_timeout_s=0.3,
        body_timeout_s=0.3,
        idle_timeout_s=0.3,
        write_timeout_s=0.5,
        max_connections=8,
        max_body_byte=2**20,
        max_bodies_byte=2**21,
    )
    database = open_database(settings.database_url)
    migration.migrate(database)
    database.engine.dispose()
    with Service(settings) as service:
        yield service


class Caller:
    """A socket."""

    def __init__(self, service: Service) -> None:
        port = int(service.url.rpartition(":")[2])
        self.socket = socket.create_connection(("127.0.0.1", port), SOON_S)

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def rest(self) -> bytes:
        """All that comes until the service closes."""
        told = b""
        while data := self.socket.recv(65_536):
            told += data
        return told


@pytest.fixture
def caller(guarded: Service) -> Iterator[Caller]:
    caller = Caller(guarded)
    with caller.socket:
        yield caller


def status(told: bytes) -> int:
    return int(told.split(b" ", 2)[1])


POST = b"POST /v1/models HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"


@pytest.mark.parametrize(
    "parts",
    [
        (b"GET /livez HTTP/1.1\r\nHost: localhost\r\nA: ", b"x" * 9000, b"\r\n\r\n"),
        (b"GET /livez HTTP/1.1\r\nHost: localhost\r\n", *[b"A: x\r\n"] * 2000),
        (b"GET /livez?", b"x" * 9000),
        (b"\r\n" * 5000,),
        (POST + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n", *[b"A: x\r\n"] * 2000),
    ],
)
def test_a_long_head_is_refused(caller: Caller, parts: tuple[bytes, ...]) -> None:
    for part in parts:
        try:
            caller.send(part)
        except OSError:  # refused already
            break
    told = caller.rest()
    assert told == b"" or status(told) in (422, 431)
    assert b"A: x" not in parts or b"head-too-large" in told or status(told) == 422


def test_a_head_that_does_not_end_is_refused_too(guarded: Service, caller: Caller) -> None:
    """However much is sent, nothing of it is kept."""
    caller.send(b"GET /livez HTTP/1.1\r\nHost: localhost\r\nA: " + b"x" * 20_000)
    told = caller.rest()
    assert status(told) == 431
    assert b'"type":"/v1/problem-types/head-too-large"' in told
    assert b"at most 8192 bytes" in told


def test_a_head_in_its_bounds_is_read(guarded: Service) -> None:
    with httpx.Client(base_url=guarded.url, trust_env=False, verify=False) as client:
        assert client.get("/livez", headers={"A": "x" * 7000}).status_code == 200
        for _ in range(5):  # one after the other, each has its own
            assert client.get("/livez", headers={"A": "x" * 4000}).status_code == 200


@pytest.mark.parametrize(
    "begun",
    [
        b"GET /livez HTTP/1.1\r\nHo",
        POST + b"Content-Length: 9\r\n\r\n{",
        POST + b"Transfer-Encoding: chunked\r\n\r\n5\r\n{",
    ],
)
def test_what_stops_coming_is_ended(caller: Caller, begun: bytes) -> None:
    caller.send(begun)
    told = caller.rest()
    assert status(told) == 408
    assert b"request-too-slow" in told


def test_what_hardly_comes_is_ended(caller: Caller) -> None:
    caller.send(POST + b"Content-Length: 100000\r\n\r\n")
    caller.socket.settimeout(0.05)
    told = b""
    deadline = time.monotonic() + SOON_S
    while not told and time.monotonic() < deadline:
        caller.send(b" ")  # never silent for long
        try:
            told = caller.socket.recv(65_536)
        except TimeoutError:
            continue
    assert status(told) == 408


@pytest.mark.parametrize("asked", [b"", b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"])
def test_a_silent_connection_is_closed(caller: Caller, asked: bytes) -> None:
    caller.send(asked)
    assert caller.rest().count(b"HTTP/1.1") == (1 if asked else 0)


def test_one_that_is_answered_before_its_body_has_come_is_closed_too(caller: Caller) -> None:
    caller.send(POST.replace(b"models", b"nothing") + b"Content-Length: 2\r\n\r\n{")
    told = caller.socket.recv(65_536)
    assert status(told) == 404
    caller.send(b"}")
    caller.rest()  # and it does not wait for ever


def test_silent_connections_make_room(guarded: Service) -> None:
    with ExitStack() as stack:
        for _ in range(100):
            stack.enter_context(Caller(guarded).socket)
        for _ in range(5):
            assert httpx.get(f"{guarded.url}/livez", trust_env=False).status_code == 200
    server = guarded._server
    eventually(lambda: not server.server_state.connections, SOON_S)
    assert not server.config.http_protocol_class.waiting  # nobody is kept who has gone


def test_those_who_are_at_work_do_not(guarded: Service) -> None:
    with ExitStack() as stack:
        busy = [Caller(guarded) for _ in range(8)]
        for one in busy:
            stack.enter_context(one.socket)
            one.send(POST + b"Content-Length: 900000\r\n\r\n" + b" " * 100_000)
        refused = Caller(guarded)
        with refused.socket:
            told = refused.rest()
    assert status(told) == 503
    assert b"too-many-connections" in told
    assert b"retry-after: 5" in told.lower()


def test_bodies_have_a_bound_together(guarded: Service) -> None:
    with ExitStack() as stack:
        callers = [Caller(guarded) for _ in range(4)]
        for one in callers:
            stack.enter_context(one.socket)
            one.send(POST + b"Content-Length: 1000000\r\n\r\n" + b" " * 900_000)
        told = [one.rest() for one in callers]
    said = {status(one) for one in told}
    assert said == {408, 503}, told
    assert sum(b"too-much-at-once" in one for one in told) in (1, 2)


def test_answers_that_nobody_reads_are_given_up(guarded: Service) -> None:
    """Asked for often and never read, an answer is made once and its connection ends."""
    cut = a_model()["cuts"][1]
    cuts = [{**cut, "name": f"{n}-{'x' * 100}"} for n in range(300)]
    with httpx.Client(base_url=guarded.url, trust_env=False, verify=False) as client:
        model = a_model(name="deep", cuts=[a_model()["cuts"][0], *cuts, a_model()["cuts"][-1]])
        made = client.post("/v1/models", json=model)
        assert made.status_code == 201, made.text
        with ExitStack() as stack:
            callers = [Caller(guarded) for _ in range(4)]
            for one in callers:
                stack.enter_context(one.socket)
                one.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                one.send(b"GET /v1/models/deep HTTP/1.1\r\nHost: localhost\r\n\r\n" * 15)
            assert client.get("/livez").status_code == 200
            connections = guarded._server.server_state.connections
            eventually(lambda: not connections, SOON_S)


def test_a_connection_that_asks_on_and_on_is_ended(caller: Caller) -> None:
    caller.send(b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n" * 100)
    with suppress(ConnectionResetError):
        assert caller.rest().count(b"HTTP/1.1") < 100


def test_who_reads_all_gets_all(guarded: Service) -> None:
    """Requests sent ahead, in moderation, are answered in their order."""
    caller = Caller(guarded)
    with caller.socket:
        caller.send(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n" * 10)
        assert caller.rest().count(b'"alive"') == 10

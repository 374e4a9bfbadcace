"""Webhooks: signed, tried again, never to a private address, and bounded whatever answers."""

import itertools
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import certifi
import httpx
import orjson
import pytest
from pydantic import ValidationError
from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from app import migration, webhooks
from app.db import open_database
from app.plans.tables import PlanRow
from app.settings import Settings
from tests.support.background import a_small_cell, a_worker, eventually, read
from tests.support.loopback import Loopback, Quiet
from tests.support.robust.requests import ROBUST, assert_nothing_stored, pointers
from tests.support.servers import Service

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
Said = tuple[str, dict[str, str], bytes]


class Listener(Loopback):
    """A real HTTP server that hears messages and answers with a status."""

    def __init__(self) -> None:
        self.heard: list[Said] = []
        self.statuses: list[int] = []
        self.location: str | None = None
        listener = self

        class Handler(Quiet, BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                listener.heard.append(
                    (self.path, {k.lower(): v for k, v in self.headers.items()}, body)
                )
                self.send_response(listener.statuses.pop(0) if listener.statuses else 204)
                if listener.location is not None:
                    self.send_header("Location", listener.location)
                self.send_header("Content-Length", "0")
                self.end_headers()

        super().__init__(Handler)


@pytest.fixture
def listener() -> Iterator[Listener]:
    with Listener() as listener:
        yield listener


@pytest.fixture(scope="session")
def _telling(_idle: Service) -> Iterator[Service]:
    # A worker of the shared database would solve and tell what these tests solve and tell by hand.
    with Service(
        _idle.settings.model_copy(update={"webhook_secret": SECRET, "webhook_private": True})
    ) as service:
        yield service


@pytest.fixture
def telling(_telling: Service, idle: Service) -> Service:
    """A service without a worker, with empty tables, that may tell private addresses."""
    return _telling


@pytest.fixture
def caller(telling: Service) -> Iterator[httpx.Client]:
    """A caller of that service."""
    with httpx.Client(base_url=telling.url, timeout=60.0, trust_env=False, verify=False) as client:
        yield client


def a_told_plan(caller: httpx.Client, url: str) -> str:
    answer = caller.post(ROBUST, json=a_small_cell(webhook_url=url))
    assert answer.status_code == 201, answer.text
    assert answer.json()["webhook"] == {
        "url": "/".join(url.split("/")[:3]),
        "status": "waiting",
        "attempts": 0,
        "detail": None,
    }
    return str(answer.json()["id"])


def deliver(service: Service, plan_id: str, **settings: Any) -> tuple[int, float] | None:
    return webhooks.deliver(
        service.everything, service.settings.model_copy(update=settings), plan_id
    )


def due(service: Service) -> bool:
    """Whether a worker would tell something now."""
    telling = webhooks.Deliveries(service.everything, service.settings)
    with service.everything.reading() as session:
        return telling.due(session)


def waits(service: Service) -> bool:
    """Whether something is to be told, now or later."""
    with service.everything.reading() as session:
        return bool(session.scalars(select(PlanRow.id).where(PlanRow.webhook_waiting)).all())


def test_a_message_is_signed_and_says_what_ended(
    caller: httpx.Client, telling: Service, listener: Listener
) -> None:
    plan_id = a_told_plan(caller, f"http://localhost:{listener.port}/hooks/a?b=c")
    assert deliver(telling, plan_id) is None
    ((path, headers, body),) = listener.heard
    assert path == "/hooks/a?b=c"
    assert headers["host"] == f"localhost:{listener.port}"
    assert headers["content-type"] == "application/json"
    said = Webhook(SECRET).verify(body, headers)
    assert said.keys() == {"type", "timestamp", "data"}
    assert said["type"] == "plan.ended"
    document = read(caller, plan_id)
    assert said["timestamp"] == document["finished_at"]
    assert said["data"]["id"] == plan_id
    assert said["data"]["status"] == "solved"
    assert said["data"]["result"]["objective"] == document["result"]["objective"]
    assert "users" not in said["data"]["result"]
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(body.replace(b"solved", b"failed"), headers)
    assert document["webhook"]["status"] == "delivered"
    assert document["webhook"]["attempts"] == 1
    # Told once: nothing is due, and asking again tells nobody.
    assert deliver(telling, plan_id) is None
    assert not waits(telling)
    assert len(listener.heard) == 1


@pytest.mark.slow
def test_it_is_tried_again_for_a_day_and_then_no_more(
    caller: httpx.Client, telling: Service, listener: Listener
) -> None:
    plan_id = a_told_plan(caller, f"http://127.0.0.1:{listener.port}/")
    attempts = len(webhooks.PAUSES_S) + 1
    listener.statuses = [500, 503, 404, 400, 429, 301, 500, 500]
    assert len(listener.statuses) == attempts
    for attempt, pause_s in enumerate(webhooks.PAUSES_S, start=1):
        assert deliver(telling, plan_id) == (attempt, pause_s)
        told = read(caller, plan_id)["webhook"]
        assert (told["status"], told["attempts"]) == ("waiting", attempt)
        assert waits(telling), "and not before its time"
        assert not due(telling)
    assert deliver(telling, plan_id) is None
    told = read(caller, plan_id)["webhook"]
    assert (told["status"], told["attempts"], told["detail"]) == (
        "failed",
        attempts,
        "answered 500",
    )
    assert not waits(telling)
    assert sorted(webhooks.PAUSES_S) == list(webhooks.PAUSES_S)
    assert sum(webhooks.PAUSES_S) <= 86_400.0
    assert len({headers["webhook-id"] for _, headers, _ in listener.heard}) == 1, (
        "so that the receiver sees repeats"
    )
    assert read(caller, plan_id)["status"] == "solved", "the plan is none the worse"


def test_a_later_success_counts(caller: httpx.Client, telling: Service, listener: Listener) -> None:
    plan_id = a_told_plan(caller, f"http://127.0.0.1:{listener.port}/")
    listener.statuses = [500]
    assert deliver(telling, plan_id) is not None
    assert deliver(telling, plan_id) is None
    assert read(caller, plan_id)["webhook"]["status"] == "delivered"


def test_redirects_are_not_followed(
    caller: httpx.Client, telling: Service, listener: Listener
) -> None:
    plan_id = a_told_plan(caller, f"http://127.0.0.1:{listener.port}/")
    listener.statuses, listener.location = [307], f"http://127.0.0.1:{listener.port}/inside"
    assert deliver(telling, plan_id) is not None
    assert [path for path, _, _ in listener.heard] == ["/"]
    assert read(caller, plan_id)["webhook"]["detail"] == "answered 307"


def test_only_ended_plans_are_told_of(
    caller: httpx.Client, telling: Service, listener: Listener
) -> None:
    body = a_small_cell(webhook_url=f"http://127.0.0.1:{listener.port}/")
    plan_id = caller.post(ROBUST, json=body, headers={"Prefer": "respond-async"}).json()["id"]
    assert deliver(telling, plan_id) is None
    assert not due(telling)
    caller.post(f"/v1/plans/{plan_id}/cancel")
    assert due(telling)
    assert deliver(telling, plan_id) is None
    assert orjson.loads(listener.heard[0][2])["data"]["status"] == "cancelled"
    assert deliver(telling, "0" * 32) is None, "deleted meanwhile"


PRIVATE = [
    "127.0.0.1",
    "127.1",
    "2130706433",
    "0x7f000001",
    "0x7f.1",
    "017700000001",
    "0",
    "0.0.0.0",
    "10.0.0.1",
    "100.64.0.1",
    "169.254.169.254",
    "172.16.0.1",
    "192.168.0.1",
    "198.18.0.1",
    "224.0.0.1",
    "255.255.255.255",
    "localhost",
    "LOCALHOST",
    "[::]",
    "[::1]",
    "[::7f00:1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:10.0.0.1]",
    "[::ffff:0:127.0.0.1]",
    "[64:ff9b::7f00:1]",
    "[64:ff9b::a00:1]",
    "[2002:7f00:1::]",
    "[2001:0:4136:e378:8000:63bf:3fff:fdd2]",
    "[fc00::1]",
    "[fd00::1]",
    "[fe80::1]",
    "[fec0::1]",
    "[ff02::1]",
]


@pytest.mark.parametrize("host", PRIVATE)
def test_private_addresses_are_seen_in_every_spelling(host: str) -> None:
    url = httpx.URL(f"http://{host}:8000/")
    with pytest.raises(webhooks.Refused, match="private"):
        webhooks._address(url, private=False)
    assert webhooks._address(url, private=True)


@pytest.mark.slow
@pytest.mark.parametrize("host", ["127.0.0.1", "2130706433", "localhost", "[::ffff:127.0.0.1]"])
def test_private_addresses_are_not_told(
    caller: httpx.Client, telling: Service, listener: Listener, host: str
) -> None:
    plan_id = a_told_plan(caller, f"http://{host}:{listener.port}/")
    assert deliver(telling, plan_id, webhook_private=False) is None, "it is not tried again"
    assert read(caller, plan_id)["webhook"]["status"] == "failed"
    assert listener.heard == []


PUBLIC = [
    "1.1.1.1",
    "8.8.8.8",
    "93.184.216.34",
    "2606:4700:4700::1111",
    "64:ff9b::101:101",
    "::ffff:8.8.8.8",
]


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_may_be_told(address: str) -> None:
    url = httpx.URL(scheme="https", host=address, path="/")
    assert webhooks._address(url, private=False) == address


def test_a_name_with_one_private_address_is_private(
    caller: httpx.Client, telling: Service, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Names that we do not own cannot be made to resolve to what the test needs: the resolver is
    this test's.
    """

    def resolve(host: str, port: int, **_: object) -> list[tuple[Any, ...]]:
        assert host == "split.example"
        return [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))
            for address in ("8.8.8.8", "10.0.0.1")
        ]

    plan_id = a_told_plan(caller, f"http://split.example:{listener.port}/")
    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    assert deliver(telling, plan_id, webhook_private=False) is None
    monkeypatch.undo()
    assert "private" in read(caller, plan_id)["webhook"]["detail"]


def test_a_name_is_looked_up_once(
    caller: httpx.Client, telling: Service, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that resolves to a public address when it is looked at, and to a private one when it
    is called.
    """
    real, asked = socket.getaddrinfo, []

    def resolve(host: str, port: int, **options: Any) -> Any:
        if host in ("split.example", b"split.example"):
            asked.append(host)
            return real("127.0.0.1" if len(asked) == 1 else "10.255.255.1", port, **options)
        return real(host, port, **options)

    plan_id = a_told_plan(caller, f"http://split.example:{listener.port}/")
    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    assert deliver(telling, plan_id) is None
    assert len(asked) == 1
    assert len(listener.heard) == 1


def test_names_that_do_not_resolve_are_tried_again(caller: httpx.Client, telling: Service) -> None:
    plan_id = a_told_plan(caller, "http://nobody.invalid/")
    assert deliver(telling, plan_id) == (1, webhooks.PAUSES_S[0])


def test_nobody_listens(caller: httpx.Client, telling: Service) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        plan_id = a_told_plan(caller, f"http://127.0.0.1:{taken.getsockname()[1]}/")
        assert deliver(telling, plan_id) is not None
    assert read(caller, plan_id)["webhook"]["detail"]


@contextmanager
def answering(talk: Callable[[socket.socket], None]) -> Iterator[int]:
    """A server that answers one connection by hand; its port."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def run() -> None:
            with suppress(OSError):  # nobody came, or had enough, which is what is tested
                connection, _ = server.accept()
                with connection:
                    talk(connection)

        thread = threading.Thread(target=run)
        thread.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
        thread.join(timeout=30.0)
        assert not thread.is_alive()


def endless(connection: socket.socket) -> None:
    connection.recv(65536)
    connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        connection.sendall(b"10000\r\n" + bytes(0x10000) + b"\r\n")


def dripping(connection: socket.socket) -> None:
    connection.recv(65536)
    for byte in itertools.chain(b"HTTP/1.1 200 OK\r\nX: ", itertools.repeat(ord("y"))):
        connection.sendall(bytes([byte]))
        time.sleep(0.05)


def silent(connection: socket.socket) -> None:
    while connection.recv(65536):
        pass


def broken(connection: socket.socket) -> None:
    connection.recv(65536)
    connection.sendall(b"220 mail.example ESMTP\r\n")


def endless_headers(connection: socket.socket) -> None:
    connection.recv(65536)
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    while True:
        connection.sendall(b"X: " + b"y" * 65536 + b"\r\n")


@pytest.mark.parametrize(
    ("talk", "patience_s", "status"),
    [
        (endless, 60.0, "delivered"),  # its status was good, what follows is not read
        (dripping, 0.5, "waiting"),
        (silent, 0.5, "waiting"),
        (broken, 60.0, "waiting"),
        (endless_headers, 60.0, "waiting"),
    ],
)
def test_whatever_answers_is_bounded(
    caller: httpx.Client,
    telling: Service,
    monkeypatch: pytest.MonkeyPatch,
    talk: Callable[[socket.socket], None],
    patience_s: float,
    status: str,
) -> None:
    # What comes to no end by itself is what the limit is for; the rest may take a busy machine as
    # long as it likes.
    monkeypatch.setattr(webhooks, "_PATIENCE_S", patience_s)
    with answering(talk) as port:
        plan_id = a_told_plan(caller, f"http://127.0.0.1:{port}/")
        deliver(telling, plan_id)
    assert read(caller, plan_id)["webhook"]["status"] == status


# Over TLS.


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for `localhost` alone, and its key, in one file."""
    file = tmp_path_factory.mktemp("tls") / "localhost.pem"
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
    ]
    command += ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-days", "2"]
    subprocess.run(
        [*command, "-keyout", file, "-out", f"{file}.crt"],
        check=True,
        capture_output=True,
        timeout=30,
    )
    file.write_bytes(file.read_bytes() + Path(f"{file}.crt").read_bytes())
    return file


@pytest.fixture
def secured(listener: Listener, certificate: Path) -> Listener:
    """The listener behind TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    listener.server.socket = context.wrap_socket(listener.server.socket, server_side=True)
    return listener


def test_the_name_in_the_certificate_is_checked(
    caller: httpx.Client,
    telling: Service,
    secured: Listener,
    certificate: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stranger = a_told_plan(caller, f"https://localhost:{secured.port}/")
    assert deliver(telling, stranger) is not None
    assert "certificate verify failed" in read(caller, stranger)["webhook"]["detail"]

    monkeypatch.setattr(certifi, "where", lambda: str(certificate))  # now its issuer is known
    named = a_told_plan(caller, f"https://localhost:{secured.port}/")
    assert deliver(telling, named) is None, read(caller, named)["webhook"]
    other = a_told_plan(caller, f"https://127.0.0.1:{secured.port}/")
    assert deliver(telling, other) is not None, (
        "the certificate is for the name, not for the address"
    )
    assert "certificate" in read(caller, other)["webhook"]["detail"]
    assert len(secured.heard) == 1


# What a request may say of its webhook.


@pytest.mark.parametrize(
    "url",
    [
        "",
        "example.com",
        "ftp://example.com/",
        "http://",
        "http:///path",
        "http://user:password@example.com/",
        "http://example.com/#part",
        "http://exam ple.com/",
        "http://example.com/a b",
        "http://a..b/",
        "http://./",
        "http://[::1/",
        "http://[v1.x]/",
        "http://example.com:port/",
        "http://example.com:65536/",
        "http://example.com:-1/",
        "http://:80/",
        "http://\u2024/",
        "http://" + "a" * 64 + ".com/",
        "http://example.com/" + "a" * 2000,
        "file:///etc/passwd",
        17,
    ],
)
def test_what_cannot_be_called_is_refused(caller: httpx.Client, url: Any) -> None:
    assert pointers(caller.post(ROBUST, json=a_small_cell(webhook_url=url))) == ["/webhook_url"]
    assert_nothing_stored(caller)


def test_without_a_secret_there_are_no_webhooks(client: httpx.Client) -> None:
    body = a_small_cell(webhook_url="https://example.com/hook")
    for answer in (
        client.post(ROBUST, json=body),
        client.post(ROBUST, json=body, headers={"Prefer": "respond-async"}),
        client.post(f"{ROBUST}?dry_run=true", json=body),
    ):
        assert pointers(answer) == ["/webhook_url"]
    assert_nothing_stored(client)


@pytest.mark.parametrize(
    "secret", ["", "whsec_", "whsec_YWJj", "not base64", "whsec_\u00fc", SECRET + "!"]
)
def test_a_secret_that_cannot_sign_is_no_setting(secret: str) -> None:
    with pytest.raises(ValidationError, match="must be whsec_ and base64"):
        Settings(webhook_secret=secret)
    assert Settings(webhook_secret=SECRET).shown()["SPLITPLAN_WEBHOOK_SECRET"] == "***"


# From end to end.


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["sqlite"], indirect=True, scope="session")
def test_a_worker_tells_and_tells_again(
    new_database_url: str, tmp_path: Path, listener: Listener
) -> None:
    settings = Settings(
        database_url=new_database_url,
        webhook_secret=SECRET,
        webhook_private=True,
        sync_max_users=1000,
    )
    database = open_database(new_database_url)
    migration.migrate(database)
    database.engine.dispose()
    listener.statuses = [500, 500]
    url = f"http://127.0.0.1:{listener.port}/"
    with (
        Service(settings) as service,
        httpx.Client(base_url=service.url, trust_env=False, verify=False) as client,
        a_worker(
            settings,
            tmp_path / "log",
            "import app.webhooks\napp.webhooks.PAUSES_S = (0.1, 0.2, 0.4)",
        ) as worker,
    ):
        now = client.post(ROBUST, json=a_small_cell(webhook_url=url)).json()["id"]
        eventually(lambda: read(client, now)["webhook"]["status"] == "delivered")
        assert read(client, now)["webhook"]["attempts"] == 3
        later = client.post(
            ROBUST, json=a_small_cell(webhook_url=url), headers={"Prefer": "respond-async"}
        )
        eventually(lambda: read(client, later.json()["id"])["webhook"]["status"] == "delivered")
        assert len(listener.heard) == 4
        for _, headers, body in listener.heard:
            Webhook(SECRET).verify(body, headers)
        assert "Traceback" not in worker.log


class Silence:
    """A server that takes connections, hears what they say and never answers."""

    def __init__(self) -> None:
        self._server = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port: int = self._server.getsockname()[1]

    def __enter__(self) -> "Silence":
        return self

    def __exit__(self, *_: object) -> None:
        self._server.close()


@pytest.mark.slow
def test_who_never_answers_delays_nobody_else(
    caller: httpx.Client, telling: Service, listener: Listener
) -> None:
    """Two dozen silent receivers, each asked more often than it may be at a time, and then a good
    one: it is told before any of the others is given up.
    """
    with ExitStack() as stack:
        silent = [stack.enter_context(Silence()) for _ in range(24)]
        for receiver in silent:
            told = a_told_plan(caller, f"http://127.0.0.1:{receiver.port}/")
        with telling.everything.writing() as session:
            _many_for_one(session, told, webhooks._AT_ONCE)
        deliveries = webhooks.Deliveries(telling.everything, telling.settings)
        threading.Thread(target=deliveries.run, daemon=True).start()
        deliveries.bell.set()
        eventually(lambda: deliveries._busy.total() >= 24 + webhooks._AT_ONE - 1)
        good = a_told_plan(caller, f"http://127.0.0.1:{listener.port}/")
        deliveries.bell.set()
        eventually(lambda: read(caller, good)["webhook"]["status"] == "delivered")
        assert deliveries._busy.total() >= 24, "and the others are still waited for"
        assert max(deliveries._busy.values()) <= webhooks._AT_ONE
        with telling.everything.writing() as session:  # nothing more
            session.execute(update(PlanRow).values(webhook_waiting=False))
    eventually(lambda: not deliveries._busy)


def _many_for_one(session: Session, plan_id: str, count: int) -> None:
    """So many more plans that tell the receiver of one."""
    row = session.scalars(select(PlanRow).where(PlanRow.id == plan_id)).one()
    columns = [column.name for column in PlanRow.__table__.columns if column.name != "number"]
    given = {name: getattr(row, name) for name in columns}
    session.execute(
        insert(PlanRow), [given | {"id": f"{plan_id[:24]}{n:08}"} for n in range(count)]
    )

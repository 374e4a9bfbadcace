"""Nothing that is secret stands in an answer or in the log, whatever goes wrong."""

import logging
import secrets
from collections.abc import Iterator

import httpx
import pytest

from app.problem_types import PROBLEMS
from app.settings import LogFormat, Settings
from app.telemetry import logs
from tests.support.answers import slug
from tests.support.builders import a_device, a_server
from tests.support.robust.requests import ROBUST, a_cell, a_user
from tests.support.servers import Service

PASSWORD, TOKEN, KEY, PROFILE, ENVIRONMENT = (f"planted{n}{secrets.token_hex(8)}" for n in range(5))
SIGNING = "whsec_" + "cGxhbnRlZHBsYW50ZWRwbGFudGVkcGxhbnRlZDEyMzQ="


@pytest.fixture
def lines(settings: Settings) -> Iterator[list[str]]:
    """What the service writes to its log, of all levels that it logs."""
    found: list[str] = []
    told = settings.model_copy(update={"log_format": LogFormat.TEXT})
    handler = logging.Handler(logging.INFO)
    handler.setFormatter(logs.formatter(told))
    handler.emit = lambda record: found.append(handler.format(record))  # type: ignore[method-assign]
    handler.addFilter(lambda record: record.name != "httpx")  # the caller's own line
    root = logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    yield found
    root.setLevel(before)
    root.removeHandler(handler)


def provoked(client: httpx.Client) -> Iterator[httpx.Response]:
    """Requests that go wrong, with secrets in whatever a request carries."""
    bearer = {"Authorization": f"Bearer {KEY}"}
    hook = f"https://receiver.example/{TOKEN}?token={TOKEN}"
    yield client.post("/v1/devices", json=a_device(name="secret-device", description=PROFILE))
    yield client.post("/v1/devices", json=a_device(name="secret-device"))
    yield client.get("/v1/devices/secret-devise", headers=bearer)
    yield client.get("/v1/devices/secret-device@9", headers=bearer)
    yield client.get(f"/nowhere?token={TOKEN}", headers=bearer)
    yield client.patch("/v1/devices", headers=bearer)
    yield client.post("/v1/devices", content=b"{", headers={"Content-Type": "application/json"})
    yield client.post("/v1/devices", content=b"a: *b", headers={"Content-Type": "application/yaml"})
    yield client.post("/v1/devices", content=b"x", headers={"Content-Type": "image/png"})
    yield client.post(ROBUST, json=a_cell(a_user(device="secret-devise")), headers=bearer)
    yield client.post(ROBUST, json=a_cell(a_user(), webhook_url=hook), headers=bearer)
    yield client.get("/v1/plans/nothing", headers=bearer)
    yield client.put("/v1/servers/none", json=a_server(name="none"), headers=bearer)
    yield client.get("/internal", headers=bearer)
    yield client.get("/database", headers=bearer)
    yield client.get("/v1/devices?limit=x", headers={"X-Request-ID": "a b"} | bearer)


def test_no_answer_and_no_line_tells_a_secret(
    settings: Settings, lines: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLANTED", ENVIRONMENT)
    guarded = settings.model_copy(update={"webhook_secret": SIGNING, "access_log": True})
    seen: set[str] = set()
    with (
        Service(guarded) as service,
        httpx.Client(base_url=service.url, trust_env=False, verify=False) as client,
    ):
        from sqlalchemy import text

        @service.app.get("/internal")
        def internal() -> None:
            raise RuntimeError("a fault of the service")

        @service.app.get("/database")
        def of_the_database() -> None:
            with service.database.writing() as session:
                session.execute(text("SELECT * FROM nowhere WHERE a = :a"), {"a": PROFILE})

        for answer in provoked(client):
            written = f"{answer.headers} {answer.text}"
            if answer.is_error:
                seen.add(slug(answer))
                for planted in (TOKEN, KEY, PROFILE, ENVIRONMENT, SIGNING, "Traceback", ".py"):
                    assert planted not in written, (planted, answer.url, written)
        client.delete("/v1/devices/secret-device")
    assert seen >= {"internal-error", "invalid-request", "malformed-json", "not-found"}
    assert seen <= {kind.slug for kind in PROBLEMS.values()}
    assert any("a fault of the service" in line for line in lines)
    for line in lines:
        for planted in (TOKEN, KEY, PROFILE, ENVIRONMENT, SIGNING):
            assert planted not in line, line


@pytest.mark.slow
def test_a_database_that_refuses_tells_no_password(lines: list[str], settings: Settings) -> None:
    away = settings.model_copy(
        update={"database_url": f"postgresql://me:{PASSWORD}@127.0.0.1:1/none"}
    )
    with Service(away) as service:
        for path in ("/v1/devices", "/readyz", "/metrics"):
            answer = httpx.get(service.url + path, trust_env=False, timeout=60.0)
            assert PASSWORD not in f"{answer.headers} {answer.text}"
    assert lines
    assert not [line for line in lines if PASSWORD in line]

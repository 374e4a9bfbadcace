"""The door: who is asked for a key, who may come in, and what the others are told."""

import asyncio
import logging
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import event, select, update

from app.auth import service as auth
from app.auth.callers import ANYONE, Caller, required_scope, up_to
from app.auth.guard import Guard
from app.auth.tables import ApiKeyRow
from app.errors import NotAuthenticated
from app.settings import Settings
from tests.support.document import DOCUMENT
from tests.support.keys import a_key, bearing, id_of
from tests.support.servers import Service

pytestmark = pytest.mark.either

WRONG = f"spk_{'0' * 12}_{'0' * 64}"


def operations() -> list[tuple[str, str]]:
    """Method and a path of every operation that asks for a key."""
    return [
        (
            method.upper(),
            re.sub(r"\{(number|revision|event_id)\}", "1", path).replace("{", "").replace("}", ""),
        )
        for path, methods in DOCUMENT["paths"].items()
        for method, operation in methods.items()
        if operation["security"]
    ]


def test_nobody_is_asked_for_a_key_before_there_is_one(client: httpx.Client) -> None:
    assert client.get("/v1/devices").status_code == 200
    # What a proxy hands on is its own business; what looks like a key is looked at.
    other = {"Authorization": "Basic dXNlcjpwYXNz"}
    assert client.get("/v1/devices", headers=other).status_code == 200
    assert client.get("/v1/devices", headers=bearing(WRONG)).status_code == 401


def test_every_operation_asks_for_a_key(service: Service, client: httpx.Client) -> None:
    a_key(service)
    asked = operations()
    assert len(asked) > 60
    for method, path in asked:
        answer = client.request(method, path)
        assert answer.status_code == 401, (method, path)
        assert answer.json()["type"] == "/v1/problem-types/not-authenticated"
        assert answer.headers["WWW-Authenticate"] == 'Bearer realm="splitplan"'
        assert client.request(method, path, headers=bearing(WRONG)).status_code == 401
    head = client.head("/v1/devices")
    assert (head.status_code, head.content) == (401, b"")
    assert client.get("/v1/nowhere").status_code == 401, "nor which addresses there are"


def test_every_operation_asks_for_its_scope(service: Service, client: httpx.Client) -> None:
    keys = {scope: bearing(a_key(service, scope)) for scope in ("read", "plan")}
    below: dict[str, list[str]] = {"read": [], "plan": ["read"], "admin": ["read", "plan"]}
    for method, path in operations():
        needed = required_scope(method, path)
        for scope in below[needed]:
            answer = client.request(method, path, headers=keys[scope])
            assert answer.status_code == 403, (method, path, scope)
            assert answer.json()["type"] == "/v1/problem-types/scope-missing"
            told = f'Bearer realm="splitplan", error="insufficient_scope", scope="{needed}"'
            assert answer.headers["WWW-Authenticate"] == told
    assert client.get("/v1/devices", headers=keys["read"]).status_code == 200
    assert client.post("/v1/plans/robust", headers=keys["plan"], json={}).status_code == 422


@pytest.mark.slow
def test_what_everybody_may_ask(service: Service, client: httpx.Client) -> None:
    a_key(service)
    for path in ("/livez", "/openapi.json", "/docs", "/v1/problem-types"):
        assert client.get(path).status_code == 200, path
    assert client.get("/readyz").status_code in (200, 503)


def test_why_a_key_is_refused_is_told_in_the_header(service: Service, client: httpx.Client) -> None:
    a_key(service)
    told = client.get("/v1/devices", headers=bearing(WRONG)).headers["WWW-Authenticate"]
    why = 'error="invalid_token", error_description="This service has no such key."'
    assert told == f'Bearer realm="splitplan", {why}'
    long = client.get("/v1/devices", headers=bearing("x" * 20_000))
    assert (long.status_code, "at most 16384" in long.json()["detail"]) == (401, True)


@pytest.mark.parametrize(
    "sent",
    ["Bearer", "Bearer ", "bearer x", "Basic {key}", "{key}", "Bearer {key}x", "Bearer SPK{rest}"],
)
def test_what_is_no_key_is_refused(service: Service, client: httpx.Client, sent: str) -> None:
    key = a_key(service)
    headers = {"Authorization": sent.format(key=key, rest=key[3:]).strip()}
    assert client.get("/v1/devices", headers=headers).status_code == 401
    assert client.get("/v1/devices", headers={"Authorization": f"bearer  {key}"}).status_code == 200


def test_a_key_with_the_secret_of_another_is_refused(
    service: Service, client: httpx.Client
) -> None:
    one, other = a_key(service), a_key(service)
    mixed = f"spk_{id_of(one)}_{other.split('_')[2]}"
    answer = client.get("/v1/devices", headers=bearing(mixed))
    assert (answer.status_code, answer.json()["detail"]) == (401, "This service has no such key.")


def test_a_body_is_not_read_for_strangers(service: Service) -> None:
    a_key(service)
    host, port = service.url.removeprefix("http://").split(":")

    async def answered() -> bytes:
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(
            b"POST /v1/plans/robust HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            b"Content-Length: 60000000\r\n\r\n"
        )
        line = await reader.readline()
        writer.close()
        return line

    assert asyncio.run(answered()).startswith(b"HTTP/1.1 401")


def test_a_revoked_key_goes_on_for_as_long_as_is_set(
    service: Service, client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = a_key(service)
    assert client.get("/v1/devices", headers=bearing(key)).status_code == 200
    with service.database.writing() as session:
        assert auth.revoke(session, id_of(key)) is not None
    assert client.get("/v1/devices", headers=bearing(key)).status_code == 200
    monkeypatch.setattr(service.app.state.guard, "_believed_s", -1.0)
    service.app.state.guard.forget()
    answer = client.get("/v1/devices", headers=bearing(key))
    assert (answer.status_code, answer.json()["detail"]) == (401, "This key was revoked.")
    # The last key of a service does not open it again.
    assert client.get("/v1/devices").status_code == 401


def test_a_key_expires_while_it_is_believed(service: Service, client: httpx.Client) -> None:
    key = a_key(service, expires_at=datetime.now(UTC) + timedelta(hours=1))
    assert client.get("/v1/devices", headers=bearing(key)).status_code == 200
    looked = service.app.state.guard._looked
    (digest,) = looked
    over = datetime.now(UTC) - timedelta(seconds=1)
    known = looked[digest].known
    object.__setattr__(known, "expires_at", over)
    answer = client.get("/v1/devices", headers=bearing(key))
    assert answer.status_code == 401
    assert answer.json()["detail"].startswith("This key expired at ")


def test_a_use_is_noted_once_a_minute(service: Service, client: httpx.Client) -> None:
    key, guard = a_key(service), service.app.state.guard
    written: list[str] = []

    def note(_: Any, __: Any, statement: str, *___: Any) -> None:
        if statement.startswith("UPDATE api_key"):
            written.append(statement)

    guard._notes.submit(int).result()  # what the test before had noted
    event.listen(service.database.engine, "before_cursor_execute", note)
    try:
        for _ in range(5):
            guard.forget()
            assert client.get("/v1/devices", headers=bearing(key)).status_code == 200
            guard._notes.submit(int).result()
    finally:
        event.remove(service.database.engine, "before_cursor_execute", note)
    assert len(written) == 1
    with service.database.reading() as session:
        used = session.scalars(select(ApiKeyRow.last_used_at)).one()
    assert used is not None
    assert datetime.now(UTC) - used < timedelta(minutes=5)
    earlier = datetime.now(UTC) - timedelta(hours=1)
    with service.database.writing() as session:
        session.execute(update(ApiKeyRow).values(last_used_at=earlier))
        auth.note_use(session, id_of(key), earlier - timedelta(hours=1))
        assert session.scalars(select(ApiKeyRow.last_used_at)).one() == earlier


def test_a_key_is_never_logged(
    service: Service, client: httpx.Client, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    key = a_key(service)
    for sent in (key, key[:-1], f"{key}0"):
        client.get("/v1/devices", headers=bearing(sent))
        client.post("/v1/devices", headers=bearing(sent), json={})
    secret = key.split("_")[2]
    said = [record.getMessage() for record in caplog.records if record.name.startswith("splitplan")]
    assert not [line for line in said if secret in line]


def test_a_service_that_others_reach_is_never_open(service: Service) -> None:
    async def caller(**given: Any) -> Caller:
        guard = Guard(service.database, service.settings.model_copy(update=given))
        try:
            return await guard.caller_of(None, "GET", "/v1/plans")
        finally:
            guard.close()

    assert asyncio.run(caller()) is ANYONE
    assert asyncio.run(caller(host="::1")) is ANYONE
    assert asyncio.run(caller(host="0.0.0.0", allow_unauthenticated=True)) is ANYONE
    trusted = {"oidc_issuer": "https://id.example.org", "oidc_audience": ("plan",)}
    for closed in ({"host": "0.0.0.0"}, trusted, {**trusted, "allow_unauthenticated": True}):
        with pytest.raises(NotAuthenticated):
            asyncio.run(caller(**closed))


def test_the_document_says_what_each_operation_needs() -> None:
    plan = DOCUMENT["paths"]["/v1/plans/robust"]["post"]
    assert plan["security"] == [{"bearer": ["plan"]}, {}]
    assert {"401", "403"} <= plan["responses"].keys()
    assert DOCUMENT["paths"]["/livez"]["get"]["security"] == []
    assert up_to("plan") == {"read", "plan"}
    assert Settings().key_cache_s < 10.0

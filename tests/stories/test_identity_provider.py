"""A service beside a real OpenID Connect provider: who has its tokens may what they say, keys are
replaced while everybody works, and the provider goes away and comes back.
"""

import logging
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from app.auth import issuer
from app.settings import Settings
from tests.docs.excerpts import CHECKOUT, blocks
from tests.support.background import eventually
from tests.support.builders import a_device
from tests.support.identity import AUDIENCE, Key, Provider, claims, provider
from tests.support.keys import a_key, bearing
from tests.support.operator import environment
from tests.support.servers import Service, emptied
from tests.support.tools import Tools, fetched_or_skipped

pytestmark = [
    pytest.mark.slow,
    pytest.mark.parametrize("backend", ["sqlite"], indirect=True, scope="session"),
    pytest.mark.timeout(900),  # the first one installs the tools
]


@pytest.fixture(scope="module")
def tools() -> Tools:
    return fetched_or_skipped()


@pytest.fixture(scope="module")
def running_provider(tools: Tools) -> Iterator[Provider]:
    with provider(tools) as started:
        yield started


@pytest.fixture(scope="module")
def keys() -> tuple[Key, Key]:
    return Key.made("of-spring", "RS256"), Key.made("of-autumn", "ES256")


@pytest.fixture(scope="module")
def trusting(settings: Settings, running_provider: Provider) -> Iterator[Service]:
    """A service that was started before its provider was there."""
    running_provider.order("down")
    trusted = {"oidc_issuer": running_provider.url, "oidc_audience": (AUDIENCE,)}
    named = settings.model_copy(update={**trusted, "oidc_project_claim": "team"})
    with pytest.MonkeyPatch.context() as patient, Service(named) as service:
        patient.setattr(issuer, "_TIMEOUT_S", 60.0)  # others may have the processors
        # A question that is on its way when the provider comes would wait for its silence.
        eventually(lambda: service.app.state.guard._tokens.issuer._failed)
        running_provider.order("up")
        yield service


@pytest.fixture
def id_provider(running_provider: Provider, keys: tuple[Key, Key]) -> Provider:
    running_provider.publish(keys[0])
    return running_provider


@pytest.fixture
def client(trusting: Service, id_provider: Provider) -> Iterator[httpx.Client]:
    """A client of that service, which knows nothing of its provider's keys yet."""
    emptied(trusting)
    forget(trusting)
    with httpx.Client(base_url=trusting.url, timeout=60.0, trust_env=False, verify=False) as made:
        yield made


def forget(service: Service) -> None:
    service.app.state.guard.forget()
    asked = service.app.state.guard._tokens.issuer
    asked._seen_at = asked._not_before = float("-inf")


def status(client: httpx.Client, token: str, path: str = "/v1/devices") -> int:
    return client.get(path, headers=bearing(token)).status_code


def test_programs_and_people_come_with_tokens(
    client: httpx.Client, id_provider: Provider, trusting: Service
) -> None:
    answer = client.get("/v1/devices")
    assert answer.status_code == 401, "nobody made a key, and yet the service is not open"
    assert f"a token of {id_provider.url}" in answer.json()["detail"]
    planner = bearing(id_provider.token("controller", "splitplan:plan"))
    assert client.get("/v1/devices", headers=planner).status_code == 200
    assert client.post("/v1/plans/robust", headers=planner, json={}).status_code == 422
    refused = client.post("/v1/devices", headers=planner, json=a_device())
    assert refused.status_code == 403
    assert "a token with the scope `splitplan:admin`; yours has `plan`" in refused.json()["detail"]
    told = 'Bearer realm="splitplan", error="insufficient_scope", scope="splitplan:admin"'
    assert refused.headers["WWW-Authenticate"] == told
    admin = bearing(id_provider.token("controller", "splitplan:admin"))
    assert client.post("/v1/devices", headers=admin, json=a_device()).status_code == 201
    nothing = bearing(id_provider.token("controller", ""))
    assert client.get("/v1/devices", headers=nothing).status_code == 403
    ada = id_provider.tokens_of_person("ada")
    assert status(client, ada["access_token"]) == 200
    refused = client.get("/v1/devices", headers=bearing(ada["id_token"]))
    assert refused.status_code == 401, "it says who she is, to another program"
    assert "for another service" in refused.headers["WWW-Authenticate"]
    assert status(client, a_key(trusting, "read")) == 200, "keys go on beside"


def test_tokens_are_of_the_project_that_they_name(
    client: httpx.Client, id_provider: Provider, trusting: Service
) -> None:
    of_hall = bearing(id_provider.token("hall", "splitplan:admin"))
    assert client.post("/v1/devices", headers=of_hall, json=a_device()).status_code == 201
    others = {
        "hall": [of_hall, bearing(a_key(trusting, project="hall"))],
        "default": [bearing(id_provider.token("controller")), bearing(a_key(trusting))],
    }
    for project, callers in others.items():
        for caller in callers:
            seen = client.get("/v1/devices", headers=caller).json()["items"]
            assert len(seen) == (1 if project == "hall" else 0), project


def test_the_page_does_what_it_says(
    client: httpx.Client, id_provider: Provider, trusting: Service, tmp_path: Path
) -> None:
    mine = f"run by: {Path(__file__).relative_to(CHECKOUT)}"
    page = blocks(CHECKOUT / "docs" / "security.md")
    (shown,) = (each for each in page if f"{each.what}: {each.detail}" == mine)
    commands = shown.content.replace("https://id.example.org", id_provider.url)
    commands = commands.replace("http://127.0.0.1:8000", trusting.url)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["sh", "-euc", commands],
        env=environment(SECRET="secret of controller", PATH=path, NO_PROXY="*"),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith('{"items":[]')


def test_what_the_provider_would_never_issue(
    client: httpx.Client, id_provider: Provider, keys: tuple[Key, Key]
) -> None:
    """Signed by its own keys, where that is what it takes."""
    url, now, ours = id_provider.url, int(time.time()), keys[0]
    assert status(client, ours.signed(claims(url, team="default"))) == 200
    head, body, _ = id_provider.token("controller").split(".")
    signature = id_provider.token("hall").split(".")[2]
    forged = {
        "has expired": ours.signed(claims(url, exp=now - 60)),
        "for another service": ours.signed(claims(url, aud="https://other.example")),
        "another issuer": ours.signed(claims("https://id.example")),
        "signature of this token is wrong": f"{head}.{body}.{signature}",
        "a key that its issuer has not": keys[1].signed(claims(url)),
        "names no projects": ours.signed(claims(url)),
        "at most 16384 characters": ours.signed(claims(url, groups=["x" * 20_000])),
    }
    for why, token in forged.items():
        answer = client.get("/v1/devices", headers=bearing(token))
        assert answer.status_code == 401, why
        assert answer.json()["type"] == "/v1/problem-types/not-authenticated"
        assert why in answer.json()["detail"]
        told = answer.headers["WWW-Authenticate"]
        assert told.startswith('Bearer realm="splitplan", error="invalid_token", error_desc')
        assert why in told


def test_the_provider_s_keys_are_replaced(
    client: httpx.Client, id_provider: Provider, trusting: Service, keys: tuple[Key, Key]
) -> None:
    spring, autumn = keys
    before = id_provider.token("controller")
    assert status(client, before) == 200
    id_provider.publish(autumn, spring)
    after = id_provider.token("controller")
    assert status(client, after) == 200, "a key that is not known yet is asked for"
    assert status(client, before) == 200
    id_provider.publish(autumn)  # the old one is withdrawn
    forget(trusting)
    assert status(client, after) == 200
    assert status(client, before) == 401


def test_the_provider_goes_away_and_comes_back(
    client: httpx.Client,
    id_provider: Provider,
    trusting: Service,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    token, key = id_provider.token("controller"), a_key(trusting, "read")
    assert status(client, token) == 200
    id_provider.order("down")
    trusting.app.state.guard.forget()
    assert status(client, token) == 200, "its keys are known"
    forget(trusting)
    caplog.set_level(logging.INFO)
    answer = client.get("/v1/devices", headers=bearing(token))
    assert answer.status_code == 503
    assert answer.json()["type"] == "/v1/problem-types/issuer-unavailable"
    assert int(answer.headers["Retry-After"]) in range(1, 11)
    assert status(client, key) == 200
    assert status(client, "neither.of.them") == 401
    told = client.get("/metrics", headers=bearing(a_key(trusting))).text
    assert "splitplan_issuer_up 0.0\n" in told
    assert client.get("/livez").status_code == 200
    id_provider.order("up")
    id_provider.order("silence")  # it takes the call, and says nothing
    monkeypatch.setattr(issuer, "_TIMEOUT_S", 0.2)
    forget(trusting)
    assert status(client, token) == 503
    assert status(client, key) == 200
    id_provider.publish(Key.made("new"))
    forget(trusting)
    assert status(client, id_provider.token("controller")) == 200
    said = [each.getMessage() for each in caplog.records if each.name.startswith("app.")]
    assert any("no answer in time" in line for line in said)
    assert any(f"tokens of {id_provider.url} are accepted" in line for line in said)
    assert not [line for line in said if token.split(".")[1] in line]

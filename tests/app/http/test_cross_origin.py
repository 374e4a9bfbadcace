"""Who may call from a page of a browser."""

from collections.abc import Iterator

import httpx
import pytest
from pydantic import ValidationError

from app.settings import Settings
from tests.support.answers import slug
from tests.support.builders import a_device
from tests.support.keys import a_key
from tests.support.servers import Service

pytestmark = pytest.mark.either

OURS, THEIRS = "https://a.example", "https://b.example"


@pytest.fixture
def shared(settings: Settings, service: Service) -> Iterator[httpx.Client]:
    """A caller of a service that pages of one origin may call."""
    with (
        Service(settings.model_copy(update={"cors_origins": (OURS,)})) as sharing,
        httpx.Client(base_url=sharing.url, trust_env=False, verify=False) as client,
    ):
        yield client


def asking(
    origin: str, method: str = "PUT", headers: str = "authorization,if-match"
) -> dict[str, str]:
    """What a browser sends before it calls."""
    return {
        "Origin": origin,
        "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": headers,
    }


def test_pages_of_chosen_origins_may_call_and_no_other(
    shared: httpx.Client, service: Service
) -> None:
    a_key(service)  # nobody has one when asking whether to ask
    allowed = shared.options("/v1/devices/x", headers=asking(OURS))
    assert allowed.status_code == 200
    assert allowed.headers["access-control-allow-origin"] == OURS
    assert {"GET", "PUT", "DELETE"} <= set(
        allowed.headers["access-control-allow-methods"].split(", ")
    )
    for refused in (
        asking(THEIRS), asking("null"), asking(f"{OURS}.evil.example"), asking(OURS, "TRACE"),
        asking(OURS, headers="x-other"),
        asking(OURS) | {"Access-Control-Request-Private-Network": "true"},
    ):  # fmt: skip
        answer = shared.options("/v1/devices/x", headers=refused)
        assert (answer.status_code, slug(answer)) == (400, "cross-origin-refused"), refused
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.headers["content-length"] == str(len(answer.content))
        assert "Origin" in answer.headers["vary"]
        mine = refused["Origin"] == OURS
        assert answer.headers.get("access-control-allow-origin") == (OURS if mine else None)
        assert THEIRS not in answer.text
    for origin, allowed_origin in ((OURS, OURS), (THEIRS, None)):
        answer = shared.get("/livez", headers={"Origin": origin})
        assert answer.headers.get("access-control-allow-origin") == allowed_origin


def test_no_cache_takes_the_answer_for_one_page_for_that_of_another(shared: httpx.Client) -> None:
    shared.post("/v1/devices", json=a_device())
    for path in ("/v1/devices/camera-cpu", "/nowhere", "/docs"):
        for headers in ({}, {"Origin": OURS}, {"Origin": THEIRS}):
            answer = shared.get(path, headers=headers)
            assert "Origin" in answer.headers["vary"].split(", "), (path, headers)
            assert "access-control-allow-credentials" not in answer.headers


@pytest.mark.parametrize(
    "origin", ["*", "https://*.example", "null", "https://a.example/", "a.example"]
)
def test_an_origin_is_named_exactly(origin: str) -> None:
    with pytest.raises(ValidationError, match="not an exact origin"):
        Settings(cors_origins=origin)  # type: ignore[arg-type]  # as the environment has it


def test_no_page_may_call_by_default(client: httpx.Client) -> None:
    for answer in (
        client.get("/livez", headers={"Origin": OURS}),
        client.options("/v1/devices", headers=asking(OURS)),
    ):
        assert not [name for name in answer.headers if name.startswith("access-control")]
    assert slug(answer) == "method-not-allowed"

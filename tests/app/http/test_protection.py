"""What browsers are told, and for which hosts the service answers."""

import httpx
import pytest

from app.settings import Settings
from tests.support.answers import slug
from tests.support.builders import a_device
from tests.support.keys import a_key, bearing
from tests.support.servers import Service


def test_every_answer_is_safe_in_a_browser(client: httpx.Client) -> None:
    client.post("/v1/devices", json=a_device())
    for path, kept in {
        "/v1/devices/camera-cpu": "private, no-cache",
        "/v1/devices": "no-store",
        "/nowhere": "no-store",
        "/metrics": "no-store",
        "/docs": "no-store",
        "/static-offline-docs/swagger-ui.css": "public, max-age=86400",
    }.items():
        headers = client.get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cache-control"] == kept, path
        policy = headers["content-security-policy"]
        assert policy.startswith("default-src 'none'")
        assert "script-src 'self' 'sha256-" in policy if path == "/docs" else "script" not in policy
        assert "strict-transport-security" not in headers


@pytest.mark.slow
@pytest.mark.either
@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("plans.example.org", 200), ("PLANS.example.org:8000", 200), ("a.below.org", 200),
        ("[::1]:80", 200), ("below.org", 400), ("evil.org", 400), ("plans.example.org.evil", 400),
    ],
)  # fmt: skip
def test_only_known_hosts_are_answered(settings: Settings, host: str, status: int) -> None:
    named = ("plans.example.org", "*.below.org", "[::1]")
    with Service(settings.model_copy(update={"allowed_hosts": named})) as service:
        answer = httpx.get(f"{service.url}/livez", headers={"Host": host}, trust_env=False)
    assert answer.status_code == status
    assert status == 200 or slug(answer) == "host-unknown"
    assert "x-request-id" in answer.headers


LED_HERE = "page.attacker.example"


@pytest.mark.either
def test_a_page_that_led_a_browser_here_reaches_nothing(
    service: Service, client: httpx.Client
) -> None:
    """DNS rebinding: a stranger's name is looked up as 127.0.0.1, without any setting."""
    device = a_device()
    for method, path in (
        ("GET", "/v1/devices"), ("POST", "/v1/devices"), ("GET", "/metrics"), ("GET", "/nowhere"),
    ):  # fmt: skip
        answer = client.request(method, path, headers={"Host": f"{LED_HERE}:8000"}, json=device)
        assert (answer.status_code, slug(answer)) == (400, "host-unknown"), path
        assert LED_HERE not in answer.text
    assert client.get("/v1/devices").json()["items"] == []
    for host in (
        "localhost:1",
        "LocalHost",
        "plans.localhost",
        "127.0.0.1",
        "[::1]:8000",
        "10.0.0.7",
    ):
        assert client.get("/v1/devices", headers={"Host": host}).status_code == 200, host
    for host in ("localhost.attacker.example", "127.0.0.1.attacker.example", "1.2.3.4.5", "[x]"):
        assert client.get("/v1/devices", headers={"Host": host}).status_code == 400, host
    # A stranger's page has no key; who has one may come by whatever name a proxy goes by.
    headers = bearing(a_key(service, "read")) | {"Host": "plans.example.org"}
    assert client.get("/v1/devices", headers=headers).status_code == 200


@pytest.mark.either
@pytest.mark.parametrize(
    "given", [{"allowed_hosts": ("*",)}, {"host": "0.0.0.0", "allow_unauthenticated": True}]
)
def test_any_host_is_answered_where_that_is_set(
    settings: Settings, service: Service, given: dict[str, object]
) -> None:
    with Service(settings.model_copy(update=given)) as open_to_all:
        at = f"{open_to_all.url}/v1/devices"
        answer = httpx.get(at, headers={"Host": LED_HERE}, trust_env=False)
    assert answer.status_code == 200

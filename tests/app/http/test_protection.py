"""What browsers are told, who may call from a page, and for which hosts the service answers."""

import httpx
import pytest

from app.settings import Settings
from tests.support.answers import slug
from tests.support.builders import a_device
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


def test_pages_of_chosen_origins_may_call_and_no_other(settings: Settings) -> None:
    shared = settings.model_copy(update={"cors_origins": ("https://a.example",)})
    asked = {"Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "if-match"}
    with Service(shared) as service:
        at = f"{service.url}/v1/devices/x"
        for origin, allowed in (
            ("https://a.example", "https://a.example"),
            ("https://b.example", None),
        ):
            preflight = httpx.options(at, headers={"Origin": origin, **asked}, trust_env=False)
            assert preflight.headers.get("access-control-allow-origin") == allowed
            refused = httpx.get(at, headers={"Origin": origin}, trust_env=False)
            assert refused.status_code == 404
            assert refused.headers.get("access-control-allow-origin") == allowed


def test_no_page_may_call_by_default(client: httpx.Client) -> None:
    answer = client.get("/livez", headers={"Origin": "https://a.example"})
    assert not [name for name in answer.headers if name.startswith("access-control")]


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

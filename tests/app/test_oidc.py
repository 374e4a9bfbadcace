"""Settings of an identity provider: what is refused before anybody could come in by it."""

import pytest

from app.oidc import is_confidential
from tests.support.operator import failed, splitplan

GIVEN = {
    "SPLITPLAN_OIDC_ISSUER": "https://id.example.org/realms/x",
    "SPLITPLAN_OIDC_AUDIENCE": "https://plan.example.org, plan",
}


def test_settings_are_told() -> None:
    told = splitplan("settings", **GIVEN).stdout
    assert "SPLITPLAN_OIDC_AUDIENCE=https://plan.example.org,plan\n" in told
    assert "SPLITPLAN_OIDC_PLAN=splitplan:plan\n" in told


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"ISSUER": "http://id.example.org"}, "OIDC_ISSUER: must be the https://"),
        ({"ISSUER": "https://id.example.org/?x=1"}, "OIDC_ISSUER: must be the https://"),
        ({"ISSUER": "id.example.org"}, "OIDC_ISSUER: must be the https://"),
        ({"AUDIENCE": ""}, "set both or neither"),
        ({"ALGORITHMS": "RS256,HS256"}, "'HS256' is not one of RS256"),
        ({"ALGORITHMS": "none"}, "'none' is not one of RS256"),
        ({"ALGORITHMS": ""}, "'' is not one of RS256"),
        ({"PLANS": "x"}, "is it SPLITPLAN_OIDC_PLAN?"),
    ],
    ids=str,
)
def test_what_is_refused(changed: dict[str, str], told: str) -> None:
    others = {f"SPLITPLAN_OIDC_{name}": value for name, value in changed.items()}
    assert told in failed(splitplan("settings", **GIVEN | others))


def test_an_audience_without_an_issuer() -> None:
    only = {"SPLITPLAN_OIDC_AUDIENCE": "plan"}
    assert "set both or neither" in failed(splitplan("settings", **only))


@pytest.mark.parametrize(
    ("url", "good"),
    [
        ("https://id.example.org", True),
        ("http://127.0.0.1:8080/x", True),
        ("http://[::1]:8080", True),
        ("http://localhost", True),
        ("http://localhost.example.org", False),
        ("http://127.0.0.1@id.example.org", False),
        ("https://user:secret@id.example.org", False),
        ("https://id.example.org/#x", False),
        ("https:///x", False),
        ("https://[::1", False),
        ("file:///etc/passwd", False),
        ("https://id.example.org/a b", False),
        ("", False),
    ],
)
def test_nobody_between_here_and_there(url: str, good: bool) -> None:
    assert is_confidential(url) is good

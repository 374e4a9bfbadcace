"""Callers who ask too often: who is counted, and what they are told."""

from collections.abc import Iterator

import httpx
import pytest

from app.auth.rates import Rates
from app.auth.throttle import _network
from app.settings import Settings
from app.telemetry import measures
from tests.support.answers import slug
from tests.support.keys import a_key, bearing
from tests.support.servers import Service, emptied

pytestmark = pytest.mark.either


@pytest.fixture
def limited(settings: Settings) -> Iterator[Service]:
    """A service that answers five requests of a key, and three of an address, and no more: its
    clock stands.
    """
    rates = {"requests_per_second": 0.5, "address_requests_per_second": 0.3}
    with Service(settings.model_copy(update=rates)) as service:
        service.app.state.throttle.rates = Rates(clock=lambda: 1e6)
        yield emptied(service)


def left(answer: httpx.Response) -> str:
    """What an answer says is left."""
    return answer.headers["RateLimit"]


def met() -> float:
    """How many requests were refused."""
    name, limit = "splitplan_refused_by_limit_total", {"type": "too-many-requests"}
    return measures.WEB.get_sample_value(name, limit) or 0.0


def test_a_key_that_asks_too_often(limited: Service) -> None:
    reader, other = bearing(a_key(limited, "read")), bearing(a_key(limited, "admin"))
    with httpx.Client(base_url=limited.url, trust_env=False, verify=False) as client:
        found = client.get("/v1/devices", headers=reader)
        assert found.headers["RateLimit-Policy"] == '"requests";q=5;w=10'
        assert left(found) == '"requests";r=4;t=2'
        # Whatever the answer, it counts, and says what is left.
        assert left(client.get("/v1/devices/none", headers=reader)) == '"requests";r=3;t=4'
        assert left(client.post("/v1/devices", json={}, headers=reader)) == '"requests";r=2;t=6'
        assert left(client.head("/v1/plans", headers=reader)) == '"requests";r=1;t=8'
        assert left(client.get("/v1/plans", headers=reader)) == '"requests";r=0;t=2'
        counted = met()
        refused = client.post("/v1/devices", content=b"not read", headers=reader)
        assert met() == counted + 1
        assert (refused.status_code, slug(refused)) == (429, "too-many-requests")
        assert refused.headers["Retry-After"] == "2"
        assert refused.headers.get_list("RateLimit") == ['"requests";r=0;t=2']
        assert refused.headers["RateLimit-Policy"] == '"requests";q=5;w=10'
        assert "0.5 times a second, and 5 times at once" in refused.json()["detail"]
        assert client.get("/v1/devices", headers=other).status_code == 200, "another key"


def test_whoever_comes_without_a_good_key_is_counted_by_address(limited: Service) -> None:
    key = bearing(a_key(limited, "read"))
    wrong = [bearing(f"spk_{n:012x}_{0:064x}") for n in range(4)]
    with httpx.Client(base_url=limited.url, trust_env=False, verify=False) as client:
        assert client.get("/v1/devices", headers=key).status_code == 200
        assert left(client.get("/v1/problem-types")) == '"requests";r=2;t=4'
        assert client.get("/v1/devices", headers=wrong[0]).status_code == 401
        refused = client.get("/v1/devices")
        assert (refused.status_code, left(refused)) == (401, '"requests";r=0;t=4')
        for headers in (wrong[0], wrong[1], {}):
            refused = client.get("/v1/devices", headers=headers)
            assert (refused.status_code, refused.headers["Retry-After"]) == (429, "4")
        assert len(limited.app.state.guard._looked) == 2, "keys are not looked at any more"
        assert client.get("/v1/problem-types").status_code == 429
        assert client.get("/livez").status_code == 200
        assert "RateLimit" not in client.get("/readyz").headers
        assert client.get("/v1/devices", headers=key).status_code == 200, "a good key goes on"


def test_nobody_is_counted_where_nobody_is_asked_for_a_key(client: httpx.Client) -> None:
    for path in ("/v1/devices", "/v1/problem-types"):
        answer = client.get(path)
        assert "RateLimit" not in answer.headers
        assert "RateLimit-Policy" not in answer.headers


def test_a_key_has_a_limit_by_default(service: Service, client: httpx.Client) -> None:
    answer = client.get("/v1/devices", headers=bearing(a_key(service, "read")))
    assert answer.headers["RateLimit-Policy"] == '"requests";q=3000;w=10'
    assert "RateLimit" not in client.get("/v1/problem-types").headers, "from this machine"


@pytest.mark.parametrize(
    ("address", "found"),
    [
        ("192.0.2.7", ("192.0.2.7", False)),
        ("::ffff:192.0.2.7", ("192.0.2.7", False)),
        ("2001:db8:1:2:3:4:5:6", ("2001:db8:1:2::/64", False)),
        ("fe80::1%eth0", ("fe80::/64", False)),
        ("127.0.0.9", ("127.0.0.9", True)),
        ("::1", ("::1", True)),
        ("", ("", True)),
    ],
)
def test_whose_an_address_is(address: str, found: tuple[str, bool]) -> None:
    assert _network(address) == found

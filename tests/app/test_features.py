"""Features are loaded by the first request that may be for them, and by no other."""

from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from fastapi import APIRouter, FastAPI

from app.features import FEATURES, Feature, Features
from app.http.bodies import StrictRoute
from app.main import create_app
from app.settings import Settings
from tests.support.servers import Service

NOWHERE = Settings.model_construct(database_url="sqlite:///never-opened.db")


def test_all_are_told_of_in_the_same_order_whoever_was_asked_first() -> None:
    first, then = create_app(NOWHERE).state.features, create_app(NOWHERE).state.features
    for number in reversed(range(len(FEATURES))):
        then.load([number])
    addresses = [
        [route.path for each in features.routes() for route in each.original_router.routes]
        for features in (first, then)
    ]
    assert addresses[0] == addresses[1]
    assert len(addresses[0]) > 60


def test_an_address_that_would_never_be_found_is_a_fault_of_its_feature() -> None:
    router = APIRouter(route_class=StrictRoute)

    @router.get("/elsewhere")
    def get() -> None: ...

    features = Features(FastAPI(), [Feature(("/here",), lambda _: [router])])
    assert features.left_for("/elsewhere", "") == []
    with pytest.raises(AssertionError, match="/elsewhere would never be found"):
        features.load(features.left_for("/behind/here/x", "/behind"))


def test_many_who_ask_first_are_all_answered(service: Service, client: httpx.Client) -> None:
    paths = ("/v1/plans", "/v1/devices", "/v1/timings", "/v1/catalogue", "/readyz", "/v1/plans/x")
    with Service(service.settings) as another, ThreadPoolExecutor(12) as callers:
        asked = [f"{another.url}{path}" for path in paths * 4]
        answers = list(
            callers.map(lambda url: httpx.get(url, verify=False, trust_env=False), asked)
        )
    assert [answer.status_code for answer in answers] == [
        client.get(path).status_code for path in paths * 4
    ]


def test_what_is_near_is_told_of_features_that_nobody_asked_for(client: httpx.Client) -> None:
    assert "GET /v1/devices" in client.get("/v1/device").json()["detail"]
    answer = client.delete("/v1/catalogue")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD")

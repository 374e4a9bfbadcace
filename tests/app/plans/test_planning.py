"""Idempotency-Key: the same key with the same body is the same plan, however often it is sent."""

import copy
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import orjson
import pytest

from tests.support.background import LATER, a_small_cell, ended, read
from tests.support.builders import Body
from tests.support.multiuser.requests import MULTI_USER
from tests.support.robust.requests import ROBUST, a_cell, a_user, assert_nothing_stored, refusal
from tests.support.servers import Service

KEY = {"Idempotency-Key": "order-1"}
PATCH = {"Content-Type": "application/merge-patch+json"}


def plans(client: httpx.Client) -> int:
    return len(client.get("/v1/plans?limit=1000").json()["items"])


def test_the_same_request_is_the_same_plan(client: httpx.Client) -> None:
    first = client.post(ROBUST, json=a_small_cell(), headers=KEY)
    assert first.status_code == 201
    again = client.post(ROBUST, json=a_small_cell(), headers=KEY)
    assert again.status_code == 200
    assert again.content == first.content
    assert again.headers["location"] == first.headers["location"]
    assert plans(client) == 1


def test_the_same_json_in_other_words_is_the_same_request(client: httpx.Client) -> None:
    body = a_small_cell(bandwidth_hz=10_000_000)
    first = client.post(ROBUST, json=body, headers=KEY)
    turned = {name: body[name] for name in reversed(body)} | {"bandwidth_hz": 1.0e7}
    again = client.post(
        ROBUST,
        content=orjson.dumps(turned, option=orjson.OPT_INDENT_2),
        headers=KEY | {"Content-Type": "application/json"},
    )
    assert again.status_code == 200, again.text
    assert again.json()["id"] == first.json()["id"]


def test_another_body_is_refused(client: httpx.Client) -> None:
    client.post(ROBUST, json=a_small_cell(), headers=KEY)
    # A default that is spelled out is another request: what was sent counts, not what it means.
    for other in (
        a_small_cell(bandwidth_hz=2e7),
        a_small_cell(priority="normal"),
        a_cell(a_user(), a_user(id="b")),
    ):
        problem = refusal(
            client.post(ROBUST, json=other, headers=KEY), 422, "idempotency-key-reused"
        )
        assert "order-1" not in problem["detail"]
    assert plans(client) == 1


def test_preferences_are_no_part_of_the_request(client: httpx.Client, worker: str) -> None:
    first = client.post(ROBUST, json=a_small_cell(), headers=KEY | LATER)
    assert first.status_code == 202
    plan_id = first.json()["id"]
    document = ended(client, plan_id)
    for prefer in ({}, LATER, {"Prefer": "wait=1"}):
        again = client.post(ROBUST, json=a_small_cell(), headers=KEY | prefer)
        assert again.status_code == 200
        assert again.json() == document
    assert plans(client) == 1


def test_a_plan_that_has_not_ended_is_found_too(idle_client: httpx.Client) -> None:
    first = idle_client.post(ROBUST, json=a_small_cell(), headers=KEY | LATER)  # nobody solves it
    for prefer in (LATER, {"Prefer": "wait=0"}):
        again = idle_client.post(ROBUST, json=a_small_cell(), headers=KEY | prefer)
        assert again.status_code == 202
        assert again.headers["retry-after"] == "1"
        assert again.headers["location"] == first.headers["location"]
        assert again.json()["status"] == "queued"
    assert plans(idle_client) == 1


def test_a_key_counts_for_its_address(client: httpx.Client) -> None:
    first = client.post(ROBUST, json=a_small_cell(), headers=KEY).json()
    body = copy.deepcopy(a_small_cell()) | {"weights": {"latency_per_s": 1.0, "loss": 0.0}}
    body["users"] = [
        {name: value for name, value in user.items() if name not in ("gain_db", "risk")}
        | {"spectral_efficiency_bps_per_hz": 4.0}
        for user in body["users"]
    ]
    other = client.post(MULTI_USER, json=body, headers=KEY)
    assert other.status_code == 201, other.text
    assert other.json()["id"] != first["id"]
    assert (
        client.post(ROBUST, json=a_small_cell(), headers={"Idempotency-Key": "order-2"}).status_code
        == 201
    )
    assert plans(client) == 3


def test_whatever_stores_nothing_leaves_the_key_free(client: httpx.Client) -> None:
    wrong = a_small_cell(bandwidth_hz=-1.0)
    assert client.post(ROBUST, json=wrong, headers=KEY).status_code == 422
    absent = a_cell(a_user(device="nobody"))
    assert client.post(ROBUST, json=absent, headers=KEY).status_code == 422
    assert (
        client.post(f"{ROBUST}?dry_run=true", json=a_small_cell(), headers=KEY).status_code == 200
    )
    assert_nothing_stored(client)
    assert client.post(ROBUST, json=a_small_cell(), headers=KEY).status_code == 201


def test_a_dry_run_asks_for_no_key(client: httpx.Client) -> None:
    client.post(ROBUST, json=a_small_cell(), headers=KEY)
    for body in (a_small_cell(), a_small_cell(bandwidth_hz=2e7)):
        estimate = client.post(f"{ROBUST}?dry_run=true", json=body, headers=KEY)
        assert estimate.status_code == 200
        assert "id" not in estimate.json()
        assert estimate.json()["solve_s"] > 0.0


def test_a_deleted_plan_frees_its_key(client: httpx.Client) -> None:
    first = client.post(ROBUST, json=a_small_cell(), headers=KEY).json()["id"]
    assert client.delete(f"/v1/plans/{first}").status_code == 204
    again = client.post(ROBUST, json=a_small_cell(bandwidth_hz=2e7), headers=KEY)
    assert again.status_code == 201
    assert again.json()["id"] != first


@pytest.mark.parametrize("key", ["", "k" * 256])
def test_a_key_has_1_to_255_characters(client: httpx.Client, key: str) -> None:
    answer = client.post(ROBUST, json=a_small_cell(), headers={"Idempotency-Key": key})
    refusal(answer, 422, "invalid-request")
    assert_nothing_stored(client)


@pytest.mark.parametrize("key", ["k" * 255, "\u00e9", "a b\tc", "%00", "'; DROP TABLE plan; --"])
def test_odd_keys_are_keys(client: httpx.Client, key: str) -> None:
    headers = {"Idempotency-Key": key.encode("latin-1")}
    first = client.post(ROBUST, json=a_small_cell(), headers=headers)
    assert first.status_code == 201, first.text
    assert (
        client.post(ROBUST, json=a_small_cell(), headers=headers).json()["id"] == first.json()["id"]
    )


@pytest.mark.parametrize("at_once", [2, 8])
@pytest.mark.parametrize("prefer", [{}, LATER], ids=["sync", "async"])
def test_requests_at_the_same_time_make_one_plan(
    client: httpx.Client, worker: str, at_once: int, prefer: dict[str, str]
) -> None:
    def post(_: int) -> httpx.Response:
        return client.post(ROBUST, json=a_small_cell(), headers=KEY | prefer)

    with ThreadPoolExecutor(at_once) as callers:
        answers = list(callers.map(post, range(at_once)))
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert plans(client) == 1
    document = ended(client, answers[0].json()["id"])
    if not prefer:  # the losers wait for the winner's answer
        assert Counter(answer.status_code for answer in answers) == {201: 1, 200: at_once - 1}
        assert all(answer.json() == document for answer in answers)


@pytest.mark.slow
def test_many_keys_at_the_same_time(client: httpx.Client) -> None:
    def post(n: int) -> tuple[int, str]:
        key = f"order-{n % 6}"
        answer = client.post(ROBUST, json=a_small_cell(name=key), headers={"Idempotency-Key": key})
        assert answer.status_code in (200, 201), answer.text
        return n % 6, answer.json()["id"]

    with ThreadPoolExecutor(12) as callers:
        found = set(callers.map(post, range(48)))
    assert len(found) == 6
    assert plans(client) == 6


@pytest.mark.slow
def test_a_key_that_is_posted_and_deleted_at_once_never_fails(client: httpx.Client) -> None:
    def work(n: int) -> None:
        answer = client.post(ROBUST, json=a_small_cell(), headers=KEY)
        assert answer.status_code in (200, 201, 202), answer.text
        assert client.delete(answer.headers["location"]).status_code in (204, 404, 409)

    with ThreadPoolExecutor(6) as callers:
        list(callers.map(work, range(36)))
    assert client.post(ROBUST, json=a_small_cell(), headers=KEY).status_code in (200, 201)


def test_planning_again_keeps_keys_too(client: httpx.Client) -> None:
    parent = client.post(ROBUST, json=a_small_cell()).json()["id"]
    path, patch = f"/v1/plans/{parent}/replan", {"bandwidth_hz": 2e7}
    first = client.post(path, json=patch, headers=KEY | PATCH)
    assert first.status_code == 201, first.text
    again = client.post(path, json=patch, headers=KEY | PATCH)
    assert again.status_code == 200
    assert again.content == first.content
    refusal(
        client.post(path, json={"bandwidth_hz": 3e7}, headers=KEY | PATCH),
        422,
        "idempotency-key-reused",
    )
    # The child's own address is another place.
    beyond = client.post(f"/v1/plans/{first.json()['id']}/replan", json=patch, headers=KEY | PATCH)
    assert beyond.status_code == 201
    assert plans(client) == 3


def test_a_key_survives_what_it_was_planned_with(client: httpx.Client) -> None:
    """The second answer is the plan as it stands, even where the request could not be accepted any
    more.
    """
    parent = client.post(ROBUST, json=a_small_cell()).json()["id"]
    path = f"/v1/plans/{parent}/replan"
    first = client.post(path, json={"bandwidth_hz": 2e7}, headers=KEY | PATCH)
    assert client.delete(f"/v1/plans/{parent}").status_code == 204
    again = client.post(path, json={"bandwidth_hz": 2e7}, headers=KEY | PATCH)
    assert again.status_code == 200
    assert again.json()["id"] == first.json()["id"]


@pytest.fixture
def restarted(service: Service) -> Iterator[httpx.Client]:
    """Another service on the same database."""
    with (
        Service(service.settings) as other,
        httpx.Client(base_url=other.url, timeout=60.0, trust_env=False, verify=False) as client,
    ):
        yield client


@pytest.mark.slow
def test_a_key_holds_across_services_and_restarts(
    client: httpx.Client, restarted: httpx.Client
) -> None:
    first = client.post(ROBUST, json=a_small_cell(), headers=KEY)
    again = restarted.post(ROBUST, json=a_small_cell(), headers=KEY)
    assert again.status_code == 200
    assert again.content == first.content
    assert read(restarted, first.json()["id"]) == first.json()


def test_the_digest_sees_through_spelling_only() -> None:
    from app.plans.orders import digest

    def of(body: Body) -> str:
        return digest(body)

    assert of({"a": 1, "b": [2.0]}) == of({"b": [2], "a": 1.0})
    assert of({"a": 0.0}) == of({"a": -0.0})
    assert of({"a": 1e300}) == of({"a": 10**300}) or float(10**300) != 10**300
    assert len({of({"a": value}) for value in (1, True, "1", None, [1], {"1": 1}, 1.5)}) == 7

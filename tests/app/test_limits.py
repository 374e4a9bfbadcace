"""What callers may take: settings, and what keys have of their own."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from app.auth import service as auth
from app.auth.callers import Scope
from app.limits import NONE, OwnLimits, limits
from app.settings import Settings
from tests.support.answers import slug
from tests.support.keys import bearing
from tests.support.robust.requests import ROBUST, a_cell
from tests.support.servers import Service

LATER = {"Prefer": "respond-async"}


def a_client(
    service: Service, own: OwnLimits = NONE, project: str = "default", scope: Scope = "admin"
) -> httpx.Client:
    """A client with a key that has limits of its own."""
    with service.everything.writing() as session:
        key = auth.create(session, "own", project, scope, None, own)
    service.app.state.guard.forget()
    return httpx.Client(
        base_url=service.url, headers=bearing(key), timeout=60.0, trust_env=False, verify=False
    )


def test_settings_then_what_is_sound_for_many_then_what_a_key_has() -> None:
    plain = Settings(database_url="sqlite:///x.db")
    alone, many = (limits(plain, of_many=each) for each in (False, True))
    assert (alone.requests_per_second, many.requests_per_second) == (None, 300.0)
    assert (alone.max_plans_at_once, many.max_plans_at_once) == (None, 1000)
    assert alone.max_users == many.max_users == plain.max_users
    told = plain.model_copy(update={"max_plans_at_once": 7})
    assert limits(told, of_many=False).max_plans_at_once == 7
    own = OwnLimits(max_plans_at_once=3, max_users=2)
    assert limits(told, of_many=True, own=own).max_plans_at_once == 3
    assert OwnLimits.read(own.given() | {"of_a_later_release": 1}) == own


def test_a_key_has_limits_of_its_own(service: Service) -> None:
    body = a_cell(*({"id": str(n)} for n in range(3)))
    with a_client(service, OwnLimits(max_users=2, max_body_byte=2000)) as few:
        refused = few.post(ROBUST, json=body)
        assert (refused.status_code, slug(refused)) == (413, "too-many-users")
        assert "the 2 that one request may have" in refused.json()["detail"]
        refused = few.post(
            ROBUST, content=b" " * 2001, headers={"Content-Type": "application/json"}
        )
        assert (refused.status_code, slug(refused)) == (413, "body-too-large")
    with a_client(service) as plain:
        assert slug(plain.post(ROBUST, json=body)) == "invalid-request"


@pytest.fixture
def busy(idle: Service) -> Iterator[tuple[httpx.Client, httpx.Client]]:
    """Two clients of two projects that may have three plans at once each, and no worker."""
    own = OwnLimits(max_plans_at_once=3)
    with a_client(idle, own, "mine") as mine, a_client(idle, own, "theirs") as theirs:
        yield mine, theirs


def test_a_project_has_so_many_plans_at_once(busy: tuple[httpx.Client, httpx.Client]) -> None:
    mine, theirs = busy

    def order(n: int) -> httpx.Response:
        return mine.post(ROBUST, json=a_cell(), headers=LATER | {"Idempotency-Key": str(n)})

    with ThreadPoolExecutor(8) as clients:
        answers = list(clients.map(order, range(8)))
    accepted = [n for n, answer in enumerate(answers) if answer.status_code == 202]
    refused = [answer for answer in answers if answer.status_code != 202]
    assert len(accepted) == 3, "however many ask at once"
    assert {(each.status_code, slug(each)) for each in refused} == {(429, "too-many-at-once")}
    assert all(int(each.headers["Retry-After"]) >= 1 for each in refused)
    again = order(accepted[0])
    assert again.status_code == 202, "what was accepted is"
    assert again.json()["id"] == answers[accepted[0]].json()["id"]
    assert theirs.post(ROBUST, json=a_cell(), headers=LATER).status_code == 202, "another project"
    assert mine.post(ROBUST, json=a_cell()).status_code == 201, "what need not wait in line"
    cancelled = mine.post(f"/v1/plans/{again.json()['id']}/cancel")
    assert cancelled.json()["status"] == "cancelled"
    assert order(9).status_code == 202


def test_one_key_twice_at_once_takes_one_place(busy: tuple[httpx.Client, httpx.Client]) -> None:
    mine, _ = busy
    for n in range(2):
        assert mine.post(ROBUST, json=a_cell(), headers=LATER).status_code == 202, n

    def order(_: int) -> httpx.Response:
        return mine.post(ROBUST, json=a_cell(), headers=LATER | {"Idempotency-Key": "same"})

    with ThreadPoolExecutor(4) as clients:
        answers = list(clients.map(order, range(4)))
    assert [answer.status_code for answer in answers] == [202] * 4
    assert len({answer.json()["id"] for answer in answers}) == 1

"""Heads of plans: whose they are, and how often the database is asked for what a request needs."""

import httpx
import pytest

from app.plans import heads
from tests.support.databases import asked
from tests.support.robust.requests import a_cell, a_user, plan
from tests.support.servers import Service

HALL = a_cell(a_user(id="a"), a_user(id="b"), name="hall")


def test_heads_are_of_their_project_alone(client: httpx.Client, service: Service) -> None:
    first, second = plan(client, HALL), plan(client, HALL)
    unnamed = plan(client, {key: value for key, value in HALL.items() if key != "name"})
    with service.database.reading() as session:
        head = heads.by_id(session, first["id"])
        assert head is not None
        assert (head.id, head.users, head.has_result) == (first["id"], 2, True)
        now = heads.current(session, "hall")
        assert now is not None
        assert now.id == second["id"]
        assert now == heads.newest_ended(session, "hall") == heads.successor(session, head)
        assert heads.current_but_for(session, "hall", now.number) == head
        assert heads.successor(session, now) is None
        listed = heads.newest_first(session, 9)
        assert [each.id for each in listed] == [unnamed["id"], second["id"], first["id"]]
        assert heads.newest_first(session, 1, now.number, name="hall", kind=None) == [head]
    with service.everything.of("other").reading() as session:
        assert heads.by_id(session, first["id"]) is None
        assert heads.current(session, "hall") is None
        assert heads.current_but_for(session, "hall", 0) is None
        assert heads.successor(session, head) is None
        assert heads.newest_ended(session, "hall") is None
        assert heads.newest_first(session, 9) == []


@pytest.mark.either
def test_a_request_asks_the_database_for_each_thing_once(client: httpx.Client) -> None:
    plan_id = plan(client, HALL)["id"]
    most = {
        f"plans/{plan_id}": 3,
        f"plans/{plan_id}/users/a": 2,
        f"plans/{plan_id}/events": 4,
        "plans/current?name=hall": 3,
        "plans/current/users/a?name=hall": 2,
        "plans?limit=20": 1,
    }
    for address, count in most.items():
        with asked() as seen:
            assert client.get(f"/v1/{address}").status_code == 200
        assert len(seen) <= count, seen
    with asked() as seen:
        plan(client, HALL)
    assert len(seen) <= 11, seen

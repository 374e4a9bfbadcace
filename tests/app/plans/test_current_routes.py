"""The current plan of a name: who is it, who may replace it, what is told when it changes."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from pydantic import TypeAdapter

from app.plans import jobs, name_events, successions
from app.plans.backlog import PLANS
from app.plans.current_schemas import CurrentPlanEvent
from app.plans.orders import Order
from tests.support import background
from tests.support.background import LATER, Event, submit
from tests.support.builders import Body
from tests.support.robust.requests import ROBUST, a_cell, a_user, plan, refusal
from tests.support.servers import Service
from tests.support.working import taken, worked_off

CURRENT = "/v1/plans/current"


def a_hall(*ids: str, **fields: Any) -> Body:
    """A cell of that name whose users differ in their ids alone."""
    return a_cell(*(a_user(id=user) for user in ids), name="hall", **fields)


def hopeless() -> Body:
    """A cell of the same name that no plan keeps."""
    return a_cell(a_user(id="a", deadline_s=1e-6), name="hall")


def replanned(client: httpx.Client, plan_id: str, patch: Body, **headers: str) -> httpx.Response:
    return client.post(f"/v1/plans/{plan_id}/replan", json=patch, headers=headers)


@contextmanager
def listening(
    client: httpx.Client, after: str | None = None, name: str = "hall"
) -> Iterator[Iterator[Event]]:
    """The events of a name as they come."""
    headers = {} if after is None else {"Last-Event-ID": after}
    address = f"{CURRENT}/events?name={name}"
    with client.stream("GET", address, headers=headers) as answer:
        assert answer.status_code == 200, answer.read()
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.headers["cache-control"] == "no-store"
        yield checked(background.events(answer))


def checked(told: Iterator[Event]) -> Iterator[Event]:
    """Events, each as it is documented."""
    for event in told:
        TypeAdapter(CurrentPlanEvent).validate_python(event[2])  # refuses what is not documented
        yield event


def test_only_a_result_takes_over(client: httpx.Client) -> None:
    refusal(client.get(f"{CURRENT}?name=hall"), 404, "plan-not-found")
    first = plan(client, a_hall("a"))
    failed = client.post(ROBUST, json=hopeless()).json()
    assert failed["status"] == "infeasible"
    answer = client.get(f"{CURRENT}?name=hall")
    assert answer.json() == first
    assert answer.headers["content-location"] == f"/v1/plans/{first['id']}"
    assert client.get(f"{CURRENT}?name=hall&any=true").json() == failed
    second = plan(client, a_hall("a", "b"))
    assert client.get(f"{CURRENT}?name=hall").json() == second
    assert client.get(f"{CURRENT}?name=hall&any=true").json() == second
    for newest, then in ((second, first), (first, None)):
        assert client.delete(f"/v1/plans/{newest['id']}").status_code == 204
        left = client.get(f"{CURRENT}?name=hall")
        assert left.status_code == 404 if then is None else left.json() == then


def test_who_holds_a_plan_is_told_so(client: httpx.Client) -> None:
    first = plan(client, a_hall("a"))
    for address in (f"{CURRENT}?name=hall", f"/v1/plans/{first['id']}"):
        tag = client.get(address).headers["etag"]
        same = client.get(address, headers={"If-None-Match": f"W/{tag}"})
        assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", tag)
    plan(client, a_hall("a", "b"))
    assert client.get(f"{CURRENT}?name=hall", headers={"If-None-Match": tag}).status_code == 200
    assert client.get(address, headers={"If-None-Match": tag}).status_code == 304


def test_a_running_plan_has_a_tag_for_each_step(idle_client: httpx.Client, idle: Service) -> None:
    plan_id = submit(idle_client, a_hall("a"))
    tags = [idle_client.get(f"/v1/plans/{plan_id}").headers["etag"]]
    assert taken(idle.database, PLANS, plan_id) is not None
    tags.append(idle_client.get(f"/v1/plans/{plan_id}").headers["etag"])
    idle_client.post(f"/v1/plans/{plan_id}/cancel?keep_best=true")
    jobs.end(idle.database, plan_id, jobs.stopped("cancelled"))
    tags.append(idle_client.get(f"/v1/plans/{plan_id}").headers["etag"])
    assert len(set(tags)) == 3


def test_a_device_polls_what_it_should_do_now(client: httpx.Client) -> None:
    refusal(client.get(f"{CURRENT}/users/a?name=hall"), 404, "plan-not-found")
    first = plan(client, a_hall("ä b"))
    answer = client.get(f"{CURRENT}/users/ä b?name=hall")
    assert answer.json() == first["result"]["users"][0]
    assert answer.headers["cache-control"] == "no-cache"
    address = answer.headers["content-location"]
    assert address == f"/v1/plans/{first['id']}/users/%C3%A4%20b"
    assert client.get(address).content == answer.content
    again = plan(client, a_hall("ä b"))
    held = {"If-None-Match": answer.headers["etag"]}
    same = client.get(f"{CURRENT}/users/ä b?name=hall", headers=held)
    assert same.status_code == 304, "another plan says the same"
    assert same.headers["content-location"].startswith(f"/v1/plans/{again['id']}/")
    assert "plan-revoked" not in same.headers
    refusal(client.get(f"{CURRENT}/users/b?name=hall"), 404, "plan-user-not-found")


def test_only_the_current_plan_is_replaced(client: httpx.Client) -> None:
    first = plan(client, a_hall("a", "b"))
    tag = client.get(f"/v1/plans/{first['id']}").headers["etag"]
    stale = replanned(client, first["id"], {}, **{"If-Match": '"other"'})
    refusal(stale, 412, "plan-not-current")
    assert "changed since" in stale.json()["detail"]
    refusal(replanned(client, first["id"], {}, **{"If-Match": f"W/{tag}"}), 412, "plan-not-current")
    refusal(replanned(client, first["id"], {}, **{"If-Match": "x"}), 422, "invalid-request")
    # One that comes to nothing replaces nothing.
    none = replanned(
        client, first["id"], {"users": {"a": {"deadline_s": 1e-6}}}, **{"If-Match": tag}
    )
    assert (none.status_code, none.json()["status"]) == (201, "infeasible")
    second = replanned(client, first["id"], {"users": {"b": None}}, **{"If-Match": tag})
    assert second.status_code == 201
    late = replanned(client, first["id"], {"users": {"a": None}}, **{"If-Match": "*"})
    refusal(late, 412, "plan-not-current")
    assert f"replaced by the plan {second.json()['id']!r}" in late.json()["detail"]
    refusal(replanned(client, none.json()["id"], {}, **{"If-Match": "*"}), 412, "plan-not-current")
    refusal(replanned(client, "0" * 32, {}, **{"If-Match": "*"}), 404, "plan-not-found")
    assert len(client.get("/v1/plans?name=hall").json()["items"]) == 3
    assert replanned(client, first["id"], {}).status_code == 201, "without a condition"


def test_a_plan_on_its_way_keeps_others_off(idle_client: httpx.Client, idle: Service) -> None:
    first = plan(idle_client, a_hall("a", "b"))["id"]
    way = replanned(idle_client, first, {}, **{"If-Match": "*"}, **LATER)
    assert way.status_code == 202
    for how in ({}, LATER):
        late = replanned(idle_client, first, {}, **{"If-Match": "*"}, **how)
        refusal(late, 412, "plan-not-current")
        assert "being replaced by" in late.json()["detail"]
    idle_client.post(f"/v1/plans/{way.json()['id']}/cancel")
    assert replanned(idle_client, first, {}, **{"If-Match": "*"}).status_code == 201


@pytest.mark.parametrize("how", [{}, LATER], ids=["at once", "in the background"])
@pytest.mark.parametrize("name", ["hall", None])
def test_of_two_at_once_one_replaces_a_plan(
    idle_client: httpx.Client,
    monkeypatch: pytest.MonkeyPatch,
    how: dict[str, str],
    name: str | None,
) -> None:
    """Both have looked, and found the plan current, before either is stored."""
    first = plan(idle_client, a_cell(a_user(id="a"), **({} if name is None else {"name": name})))
    both = threading.Barrier(2, timeout=60.0)
    prepared = Order.__init__

    def meets(*args: Any, **fields: Any) -> None:
        prepared(*args, **fields)
        if fields.get("replaces") is not None:
            both.wait()

    monkeypatch.setattr(Order, "__init__", meets)
    with ThreadPoolExecutor(2) as orchestrators:
        answers = list(
            orchestrators.map(
                lambda _: replanned(idle_client, first["id"], {}, **{"If-Match": "*"}, **how),
                range(2),
            )
        )
    assert sorted(answer.status_code for answer in answers) == [202 if how else 201, 412]
    assert len(idle_client.get("/v1/plans").json()["items"]) == 2


def test_the_same_request_twice_at_once_is_one_plan(
    client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = plan(client, a_hall("a"))
    both = threading.Barrier(2, timeout=60.0)
    prepared = Order.__init__

    def meets(*args: Any, **fields: Any) -> None:
        prepared(*args, **fields)
        if fields.get("replaces") is not None:
            both.wait()

    monkeypatch.setattr(Order, "__init__", meets)
    headers = {"If-Match": "*", "Idempotency-Key": "once"}
    with ThreadPoolExecutor(2) as same:
        found = list(same.map(lambda _: replanned(client, first["id"], {}, **headers), range(2)))
    assert sorted(answer.status_code for answer in found) == [200, 201]
    assert found[0].json()["id"] == found[1].json()["id"]
    monkeypatch.undo()
    assert replanned(client, first["id"], {}, **headers).status_code == 200, "and later too"


def test_a_name_is_followed(client: httpx.Client) -> None:
    """From before its first plan to after its last, with whom each change concerns."""
    with listening(client) as told:
        nothing, kind, data = next(told)
        assert (kind, data["because"], data["plan"]) == ("current", "asked", None)
        first = plan(client, a_hall("a", "b", "c"))
        one, kind, data = next(told)
        assert (kind, data["because"]) == ("current", "ended")
        assert (data["plan"], data["previous"], data["changes"]) == (first["id"], None, None)
        assert (data["kind"], data["status"], data["users_count"]) == ("robust", "solved", 3)
        assert client.post(ROBUST, json=hopeless()).status_code == 201  # takes nothing over
        patch = {"users": {"a": {"risk": 0.9}, "b": None, "d": a_user(id=None)}}
        second = replanned(client, first["id"], patch).json()
        two, _, data = next(told)
        assert (data["plan"], data["previous"]) == (second["id"], first["id"])
        before, after = ({u["id"]: u for u in p["result"]["users"]} for p in (first, second))
        moved = [
            {"id": user, "change": "changed"}
            for user in after
            if user in before and carried(before[user]) != carried(after[user])
        ]
        changes = data["changes"]
        users = [{"id": "d", "change": "added"}, *moved, {"id": "b", "change": "removed"}]
        assert changes == {"added": 1, "removed": 1, "changed": len(moved), "users": users}
        page = client.get(f"{CURRENT}/events/{two}/users?name=hall")
        assert page.json() == {"items": users, "next_cursor": None}
        assert client.delete(f"/v1/plans/{second['id']}").status_code == 204
        three, _, data = next(told)
        assert (data["because"], data["plan"]) == ("deleted", first["id"])
        assert data["changes"]["added"] == data["changes"]["removed"] == 1
        assert client.delete(f"/v1/plans/{first['id']}").status_code == 204
        four, _, data = next(told)
        assert (data["because"], data["plan"], data["changes"]) == ("deleted", None, None)
    assert nothing == 0 < one < two < three < four
    # Who comes back is told what was missed, and who never was here how things stand.
    with listening(client, str(one)) as told:
        assert [next(told)[0] for _ in range(3)] == [two, three, four]
    for unknown in ("x", "-1", "", "9" * 30, str(four + 1), None):
        with listening(client, unknown) as told:
            number, _, data = next(told)
            assert (number, data["because"], data["plan"]) == (four, "asked", None)
    refusal(client.get(f"{CURRENT}/events/{two}/users?name=room"), 404, "name-event-not-found")
    for bad in ("", "?name=", "?name=A B"):
        assert client.get(f"{CURRENT}/events{bad}").status_code == 422


def carried(user: Body) -> Body:
    """What a user of a robust plan carries out."""
    from app.plans.robust.family import ROBUST as FAMILY

    return {field: user.get(field) for field in FAMILY.carries}


def test_a_plan_of_the_background_takes_over(idle_client: httpx.Client, idle: Service) -> None:
    """And one that was ordered before the current plan, but ends after it, does not."""
    slow, quick = (submit(idle_client, a_hall(user)) for user in "ab")
    with listening(idle_client) as told:
        assert next(told)[2]["plan"] is None
        worked_off(idle.database, PLANS, quick)
        assert next(told)[2]["plan"] == quick
        worked_off(idle.database, PLANS, slow)
        newest = submit(idle_client, a_hall("b", "c"))
        worked_off(idle.database, PLANS, newest)
        data = next(told)[2]
        assert (data["plan"], data["previous"]) == (newest, quick)
        assert data["changes"]["added"] == 1
    assert idle_client.get(f"{CURRENT}?name=hall").json()["id"] == newest


def test_many_changes_have_an_address_of_their_own(
    client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(successions, "INLINE_USERS", 2)
    monkeypatch.setattr(successions.columnar, "BLOCK_ROWS", 2)
    plan(client, a_hall("a"))
    plan(client, a_hall("b", "c", "d", "e"))
    with listening(client, "0") as told:
        assert next(told)[2]["changes"] is None
        number, _, data = next(told)
    assert "users" not in data["changes"]
    assert client.get(data["changes"]["users_url"]).json()["items"][-1] == {
        "id": "a",
        "change": "removed",
    }
    page = client.get(f"{CURRENT}/events/{number}/users?name=hall&limit=3")
    assert page.status_code == 200
    changes = client.get(f"{CURRENT}?name=hall").json()
    assert changes["users_count"] == 4
    ids = [user["id"] for user in page.json()["items"]]
    rest = client.get(page.links["next"]["url"]).json()
    assert [*ids, *(user["id"] for user in rest["items"])] == ["b", "c", "d", "e", "a"]
    everyone = client.get(
        f"{CURRENT}/events/{number}/users?name=hall", headers={"Accept": "text/csv"}
    )
    assert everyone.text.splitlines()[0] == '"id","change"'
    assert len(everyone.text.splitlines()) == 6


def test_old_events_are_forgotten(client: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(successions, "MOST_EVENTS", 2)
    plan(client, a_hall("a"))
    with listening(client) as told:
        first = next(told)[0]
        for _ in range(3):
            plan(client, a_hall("a"))
            last = next(told)[0]
    with listening(client, str(first)) as told:
        number, _, data = next(told)
        assert (number, data["because"]) == (last, "asked"), "who was away too long holds nothing"


def test_listeners_share_one_look(
    client: httpx.Client, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twenty who follow a name cost the database no more than one does."""
    reads: list[int] = []
    since = name_events._since

    def counted(database: Any, name: str, after: int) -> Any:
        reads.append(after)
        return since(database, name, after)

    monkeypatch.setattr(name_events, "_since", counted)
    monkeypatch.setattr(name_events, "_HEARTBEAT_S", 0.2)
    started = threading.Barrier(21, timeout=60.0)

    def follow(_: int) -> str:
        with (
            httpx.Client(base_url=service.url, timeout=60.0, trust_env=False, verify=False) as mine,
            listening(mine) as told,
        ):
            assert next(told)[2]["plan"] is None
            started.wait()
            return str(next(told)[2]["plan"])

    with ThreadPoolExecutor(20) as readers:
        heard = [readers.submit(follow, n) for n in range(20)]
        started.wait()
        made = plan(client, a_hall("a"))["id"]
        assert {told.result(timeout=60.0) for told in heard} == {made}
    assert len(reads) <= 2
    background.eventually(lambda: not service.app.state.names._feeds)


def test_silence_is_broken_and_streams_end_with_the_service(
    client: httpx.Client, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(name_events, "_HEARTBEAT_S", 0.2)
    draining: threading.Event = service.app.state.draining
    with client.stream("GET", f"{CURRENT}/events?name=hall") as answer:
        lines = answer.iter_lines()
        assert next(line for line in lines if line.startswith(":"))
        draining.set()
        try:
            assert not [line for line in lines if line.startswith("data")]
        finally:
            draining.clear()

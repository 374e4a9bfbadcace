"""A plan as server-sent events: nothing missed, nothing twice, one end."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from app.plans import events, jobs, taking
from app.plans.backlog import PLANS
from app.plans.tables import PlanEventRow, PlanRow
from tests.support.background import (
    UNENDED,
    Event,
    a_small_cell,
    eventually,
    followed,
    following,
    read,
    submit,
    submit_long,
    under_way,
)
from tests.support.robust.requests import ROBUST, refusal
from tests.support.servers import Service
from tests.support.stopping.requests import store_profiles
from tests.support.working import taken


def ids(told: list[Event]) -> list[int]:
    return [event_id for event_id, _, _ in told]


def kinds(told: list[Event]) -> list[str]:
    return [kind for _, kind, _ in told]


def heading(document: dict[str, Any]) -> dict[str, Any]:
    """A plan as events tell it: without its users."""
    if document["result"] is None:
        return document
    return document | {
        "result": {name: value for name, value in document["result"].items() if name != "users"}
        | {"users_url": f"/v1/plans/{document['id']}/users"}
    }


def assert_whole(told: list[Event]) -> None:
    """Ids increase, and there is one end, at the end."""
    assert ids(told) == sorted(set(ids(told)))
    assert kinds(told) == ["progress"] * (len(told) - 1) + ["end"]


def test_a_plan_is_followed_to_its_end(client: httpx.Client, worker: str) -> None:
    store_profiles(client)
    plan_id = submit_long(client, 250)
    told = followed(client, plan_id)
    assert_whole(told)
    assert len(told) >= 3
    for _, kind, document in told:
        assert document["id"] == plan_id
        if kind == "progress":
            assert document["status"] in UNENDED
            assert document["result"] is None
            assert document["finished_at"] is None
            assert document["progress"].keys() == {"fraction", "stage", "objective", "bound", "gap"}
    fractions = [
        document["progress"]["fraction"]
        for _, _, document in told[:-1]
        if document["status"] == "running"
    ]
    assert fractions == sorted(fractions)
    assert fractions[-1] > 0.0
    assert told[-1][2] == heading(read(client, plan_id))
    assert told[-1][2]["status"] == "solved"


def test_a_reader_who_comes_back_misses_nothing(client: httpx.Client, worker: str) -> None:
    store_profiles(client)
    plan_id = submit_long(client, 250)
    first: list[Event] = []
    with following(client, plan_id) as told:
        for event in told:
            first.append(event)
            if event[2].get("progress", {}).get("fraction", 0.0) > 0.0:
                break
    rest = followed(client, plan_id, str(first[-1][0]))
    assert_whole(first + rest)
    # Whoever asks from the first one on hears the same again.
    again = followed(client, plan_id, str(first[0][0]))
    assert ids(again) == ids(first)[1:] + ids(rest)


def test_after_the_end_there_is_nothing(client: httpx.Client) -> None:
    plan_id = client.post(ROBUST, json=a_small_cell()).json()["id"]
    told = followed(client, plan_id)
    assert kinds(told) == ["end"], "plans that were answered at once have an end too"
    assert told[0][2] == heading(read(client, plan_id))
    whole = client.get(f"/v1/plans/{plan_id}/events")
    assert whole.headers["content-length"] == str(len(whole.content)), "nothing is waited for"
    assert whole.headers["content-type"].startswith("text/event-stream")
    answer = client.get(f"/v1/plans/{plan_id}/events", headers={"Last-Event-ID": str(told[0][0])})
    assert answer.status_code == 204
    assert answer.content == b""


@pytest.mark.parametrize(
    "unknown", ["x", "-1", "1.5", "", "9" * 18, "9" * 19, "9" * 5000, "\u00b2", "1 2", "0x1"]
)
def test_an_unknown_event_gets_how_things_stand(client: httpx.Client, unknown: str) -> None:
    plan_id = client.post(ROBUST, json=a_small_cell()).json()["id"]
    headers = {"Last-Event-ID": unknown.encode("latin-1")}
    with client.stream("GET", f"/v1/plans/{plan_id}/events", headers=headers) as answer:
        assert answer.status_code == 200
        assert kinds(list(events_of(answer))) == ["end"]


def events_of(answer: httpx.Response) -> list[Event]:
    from tests.support import background

    return list(background.events(answer))


def test_an_event_of_another_plan_is_unknown(client: httpx.Client) -> None:
    one, other = (client.post(ROBUST, json=a_small_cell()).json()["id"] for _ in range(2))
    (there,) = followed(client, other)
    assert kinds(followed(client, one, str(there[0]))) == ["end"]


def test_from_zero_on_is_everything(idle_client: httpx.Client) -> None:
    plan_id = submit(idle_client, a_small_cell())
    idle_client.post(f"/v1/plans/{plan_id}/cancel")
    told = followed(idle_client, plan_id, "0")
    assert_whole(told)
    assert [document["status"] for _, _, document in told] == ["queued", "cancelled"]
    assert "failure" not in told[0][2]


def test_many_events_come_in_pages(
    idle_client: httpx.Client, idle: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "_PAGE", 2)
    plan_id = submit(idle_client, a_small_cell())
    for _ in range(4):
        piece = taken(idle.database, PLANS, plan_id)
        assert piece is not None
        taking.hand_back(idle.everything, PLANS, [piece])
    idle_client.post(f"/v1/plans/{plan_id}/cancel")
    told = followed(idle_client, plan_id, "0")
    assert_whole(told)
    assert [document["status"] for _, _, document in told] == [
        "queued",
        *["running", "queued"] * 4,
        "cancelled",
    ]


def test_a_failure_is_told_at_the_end_alone(idle_client: httpx.Client, idle: Service) -> None:
    from app.plans.service import failed

    plan_id = submit(idle_client, a_small_cell())
    assert jobs.end(idle.database, plan_id, failed("crashed", "It died."))
    first, last = followed(idle_client, plan_id, "0")
    assert "failure" not in first[2]
    assert last[2]["failure"] == {"reason": "crashed", "detail": "It died."}


def test_plans_older_than_events_have_an_end(client: httpx.Client, service: Service) -> None:
    plan_id = client.post(ROBUST, json=a_small_cell()).json()["id"]
    with service.database.writing() as session:
        for event in session.scalars(select(PlanEventRow)):
            session.delete(event)
    assert [(event_id, kind) for event_id, kind, _ in followed(client, plan_id)] == [(0, "end")]
    answer = client.get(f"/v1/plans/{plan_id}/events", headers={"Last-Event-ID": "0"})
    assert answer.status_code == 204


def test_silence_is_broken_by_heartbeats(
    idle_client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "_HEARTBEAT_S", 0.2)
    plan_id = submit(idle_client, a_small_cell())  # nobody solves it
    with idle_client.stream("GET", f"/v1/plans/{plan_id}/events") as answer:
        assert answer.headers["cache-control"] == "no-store"
        beats = 0
        for line in answer.iter_lines():
            beats += line.startswith(":")
            if beats == 2:
                break
    assert beats == 2


def test_a_plan_that_is_deleted_ends_its_stream(idle_client: httpx.Client, idle: Service) -> None:
    plan_id = submit(idle_client, a_small_cell())
    with following(idle_client, plan_id) as told:
        assert next(told)[2]["status"] == "queued"
        with idle.database.writing() as session:
            session.delete(session.scalars(select(PlanRow).where(PlanRow.id == plan_id)).one())
        assert list(told) == []
    refusal(idle_client.get(f"/v1/plans/{plan_id}/events"), 404, "plan-not-found")


def test_an_end_is_heard_by_all(idle_client: httpx.Client) -> None:
    plan_id = submit(idle_client, a_small_cell())
    started = threading.Barrier(11, timeout=60.0)

    def follow(_: int) -> list[Event]:
        with following(idle_client, plan_id) as told:
            first = next(told)
            started.wait()
            return [first, *told]

    with ThreadPoolExecutor(10) as readers:
        heard = [readers.submit(follow, n) for n in range(10)]
        started.wait()
        idle_client.post(f"/v1/plans/{plan_id}/cancel")
        for told in heard:
            assert kinds(told.result(timeout=30.0)) == ["progress", "end"]


def test_a_reader_who_leaves_is_forgotten(idle_client: httpx.Client, idle: Service) -> None:
    plan_id = submit(idle_client, a_small_cell())
    for _ in range(20):
        with following(idle_client, plan_id) as told:
            next(told)
    eventually(lambda: not idle._server.server_state.tasks)


def test_streams_end_when_the_service_is_about_to_stop(
    idle_client: httpx.Client, idle: Service
) -> None:
    plan_id = submit(idle_client, a_small_cell())
    draining: threading.Event = idle.app.state.draining
    try:
        with following(idle_client, plan_id) as told:
            next(told)
            draining.set()
            refusal(idle_client.get("/readyz"), 503, "not-ready")
            assert list(told) == [], "without an end: the reader comes back"
    finally:
        draining.clear()


def test_a_cancelled_plan_tells_its_end(client: httpx.Client, worker: str) -> None:
    store_profiles(client)
    plan_id = submit_long(client)
    under_way(client, plan_id)
    with following(client, plan_id) as told:
        next(told)
        client.post(f"/v1/plans/{plan_id}/cancel")
        last = list(told)[-1]
    assert (last[1], last[2]["status"]) == ("end", "cancelled")

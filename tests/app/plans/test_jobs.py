"""Plans as jobs: accepted now and solved later, stopped, waited for, in the order of their
priority.
"""

import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from app.http.media import ARROW, CSV, JSON, PARQUET
from app.http.paging import encode_cursor
from app.plans import durable, jobs, taking
from app.plans.backlog import PLANS
from app.plans.robust import run as robust
from app.plans.tables import PlanEventRow, PlanRow
from app.settings import Settings
from solvers.outcome import RefutedAnswer
from tests.support.background import (
    LATER,
    UNENDED,
    a_long_fleet,
    a_small_cell,
    ended,
    eventually,
    read,
    submit,
    submit_long,
    under_way,
)
from tests.support.builders import Body
from tests.support.robust.requests import ROBUST, a_cell, a_user, assert_nothing_stored, refusal
from tests.support.servers import Service
from tests.support.stopping.requests import STOPPING, store_profiles
from tests.support.working import taken, worked_off

PATCH = {"Content-Type": "application/merge-patch+json"}
TIMES = ("id", "created_at", "started_at", "finished_at")
MANY = 6


@pytest.fixture(scope="session")
def hasty(running: Service, settings: Settings) -> Iterator[Service]:
    """A service on the same database that answers only few users at once, and not for long."""
    shorter = settings.model_copy(update={"sync_max_users": MANY - 1, "sync_max_s": 0.3})
    with Service(shorter) as service:
        yield service


@pytest.fixture
def caller(service: Service, hasty: Service) -> Iterator[httpx.Client]:
    """A caller of the hasty service; the tables are empty."""
    with httpx.Client(base_url=hasty.url, timeout=60.0, trust_env=False, verify=False) as client:
        yield client


def a_crowd(count: int = MANY) -> Body:
    return a_cell(*(a_user(id=f"camera-{n}", gain_db=-90.0 - 2.0 * n) for n in range(count)))


def told(document: dict[str, Any]) -> dict[str, Any]:
    """A plan but for who it is, when it was made, and how long that took."""
    kept = {name: value for name, value in document.items() if name not in TIMES}
    return kept | {"provenance": {**document["provenance"], "solve_s": None}}


def assert_accepted(answer: httpx.Response) -> str:
    """A plan under way: where it is, when to look again, and nothing of its result; its id."""
    assert answer.status_code == 202, answer.text
    document = answer.json()
    assert document["status"] in UNENDED
    assert document["result"] is None
    assert document["finished_at"] is None
    assert document["provenance"]["solve_s"] is None
    assert document["progress"].keys() == {"fraction", "stage", "objective", "bound", "gap"}
    assert answer.headers["location"] == f"/v1/plans/{document['id']}"
    assert 1 <= int(answer.headers["retry-after"]) <= 60
    return str(document["id"])


# Accepted, at once or later.


def test_a_small_plan_is_answered_at_once(caller: httpx.Client) -> None:
    answer = caller.post(ROBUST, json=a_small_cell())
    assert answer.status_code == 201
    assert answer.json()["status"] == "solved"
    assert "progress" not in answer.json()
    assert "preference-applied" not in answer.headers
    assert caller.get(answer.headers["location"]).content == answer.content


def test_whoever_prefers_is_answered_later(idle_client: httpx.Client) -> None:
    answer = idle_client.post(ROBUST, json=a_small_cell(), headers=LATER)
    plan_id = assert_accepted(answer)
    assert answer.headers["preference-applied"] == "respond-async"
    assert answer.json()["status"] == "queued"
    assert answer.json()["started_at"] is None
    assert idle_client.get("/v1/plans?status=queued").json()["items"][0]["id"] == plan_id


def test_many_users_are_answered_later(caller: httpx.Client, worker: str) -> None:
    answer = caller.post(ROBUST, json=a_crowd())
    plan_id = assert_accepted(answer)
    assert "preference-applied" not in answer.headers
    assert ended(caller, plan_id)["status"] == "solved"
    assert caller.post(ROBUST, json=a_crowd(MANY - 1)).status_code == 201


@pytest.mark.parametrize(
    "body", [a_small_cell(), a_cell(a_user(deadline_s=1e-4))], ids=["solved", "infeasible"]
)
def test_later_is_the_same_answer(client: httpx.Client, worker: str, body: Body) -> None:
    now = client.post(ROBUST, json=body).json()
    later = ended(client, submit(client, body))
    assert told(later) == told(now)
    assert now["status"] in ("solved", "infeasible")
    began, finished = (
        datetime.fromisoformat(later[name]) for name in ("started_at", "finished_at")
    )
    assert datetime.fromisoformat(later["created_at"]) <= began <= finished


def test_a_plan_that_takes_too_long_goes_on_in_the_background(
    caller: httpx.Client, worker: str
) -> None:
    store_profiles(caller)
    answer = caller.post(STOPPING, json=a_long_fleet(MANY - 1), headers={"Prefer": "wait=0"})
    plan_id = assert_accepted(answer)
    assert answer.headers["preference-applied"] == "wait=0"
    document = ended(caller, plan_id)
    assert document["status"] == "solved"


def test_a_key_goes_with_the_plan_into_the_background(caller: httpx.Client, worker: str) -> None:
    store_profiles(caller)
    headers = {"Idempotency-Key": "long", "Prefer": "wait=0"}
    answer = caller.post(STOPPING, json=a_long_fleet(MANY - 1), headers=headers)
    plan_id = assert_accepted(answer)
    document = ended(caller, plan_id)
    assert document["status"] == "solved"
    again = caller.post(STOPPING, json=a_long_fleet(MANY - 1), headers=headers)
    assert again.status_code == 200
    assert again.json() == document


def test_waiting_brings_the_answer(caller: httpx.Client, worker: str) -> None:
    answer = caller.post(ROBUST, json=a_crowd(), headers={"Prefer": "wait=30"})
    assert answer.status_code == 201
    assert answer.headers["preference-applied"] == "wait=30"
    assert "retry-after" not in answer.headers
    assert answer.json() == read(caller, answer.json()["id"])
    later = caller.post(ROBUST, json=a_small_cell(), headers={"Prefer": "respond-async, wait=30"})
    assert later.status_code == 201
    assert later.headers["preference-applied"] == "wait=30", "it was not answered later"


def test_waiting_ends(idle_client: httpx.Client) -> None:
    began = time.monotonic()
    # Nobody solves it
    answer = idle_client.post(ROBUST, json=a_crowd(), headers={"Prefer": "wait=0.6"})
    waited_s = time.monotonic() - began
    assert_accepted(answer)
    assert answer.headers["preference-applied"] == "wait=0.6"
    assert waited_s >= 0.6


@pytest.mark.slow
def test_those_who_wait_leave_room_for_others(idle_client: httpx.Client) -> None:
    """Each of them holds a thread of the web: were there no limit, nothing else would be answered
    meanwhile.
    """
    # More than the web has threads; nobody solves these.
    plan_id = submit(idle_client, a_small_cell(), **{"Idempotency-Key": "slow"})
    headers = {"Idempotency-Key": "slow", "Prefer": "wait=3"}
    with (
        httpx.Client(
            base_url=idle_client.base_url,
            timeout=60.0,
            trust_env=False,
            verify=False,
            limits=httpx.Limits(max_connections=60),
        ) as crowd,
        ThreadPoolExecutor(45) as callers,
    ):
        waiting = [
            callers.submit(crowd.post, ROBUST, json=a_small_cell(), headers=headers)
            for _ in range(45)
        ]
        eventually(lambda: sum(answer.done() for answer in waiting) >= 20)
        assert read(idle_client, plan_id)["status"] == "queued"
        assert not all(answer.done() for answer in waiting), "nobody waited"
        assert {answer.result().status_code for answer in waiting} == {202}


def test_a_dry_run_stores_nothing(caller: httpx.Client) -> None:
    for prefer in ({}, LATER):
        answer = caller.post(f"{ROBUST}?dry_run=true", json=a_crowd(), headers=prefer)
        assert answer.status_code == 200
        assert "location" not in answer.headers
        assert answer.json()["users"] == MANY
    assert_nothing_stored(caller)


def test_a_refuted_answer_is_a_plan_that_failed(
    client: httpx.Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuted(*_: object) -> None:
        wrong = SimpleNamespace(objective="the secret evidence", lower_bound=0.0, violations=())
        raise RefutedAnswer(wrong, wrong)  # type: ignore[arg-type]  # what it reads of them is there

    monkeypatch.setattr(robust, "answer", refuted)
    answer = client.post(ROBUST, json=a_small_cell())
    assert answer.status_code == 201
    document = answer.json()
    assert document["status"] == "failed"
    assert document["result"] is None
    assert document["failure"]["reason"] == "refuted"
    assert "secret" not in answer.text
    assert "the secret evidence" in caplog.text
    assert document["id"] in caplog.text
    assert client.get(answer.headers["location"]).content == answer.content
    assert client.delete(answer.headers["location"]).status_code == 204


def test_a_broken_solver_is_a_plan_that_failed(
    client: httpx.Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("the secret evidence")

    monkeypatch.setattr(robust, "answer", broken)
    answer = client.post(ROBUST, json=a_small_cell(), headers={"Idempotency-Key": "broken"})
    assert answer.status_code == 201
    assert answer.json()["failure"]["reason"] == "internal"
    assert "secret" not in answer.text
    assert "ZeroDivisionError" in caplog.text


@pytest.mark.parametrize("place", [2**31, 2**63])
def test_a_place_beyond_all_plans_is_no_place(client: httpx.Client, place: int) -> None:
    plan_id = client.post(ROBUST, json=a_small_cell()).json()["id"]
    for address in ("/v1/plans", f"/v1/plans/{plan_id}/users"):
        refusal(
            client.get(address, params={"cursor": encode_cursor(place)}), 422, "invalid-request"
        )
        assert client.get(address, params={"cursor": encode_cursor(2**31 - 1)}).status_code == 200


@pytest.mark.parametrize("accept", [JSON, CSV, ARROW, PARQUET])
def test_a_plan_that_has_not_ended_says_nothing_of_its_users(
    idle: Service, idle_client: httpx.Client, accept: str
) -> None:
    """Nothing at all would read as a plan of nobody, and a user that is not there as a typo."""
    plan_id = submit(idle_client, a_small_cell())
    for running in (False, True):
        if running:
            claimed(idle, plan_id)
        for path in ("users", "users/camera"):
            answer = idle_client.get(f"/v1/plans/{plan_id}/{path}", headers={"Accept": accept})
            refusal(answer, 409, "plan-not-ended")
            assert answer.headers["Retry-After"] == "2"
        report = {"user": "camera", "sequence": 1, "inferences": 1, "misses": 0}
        for path, body in (("observations", {"reports": [report]}), ("validations", {})):
            answer = idle_client.post(f"/v1/plans/{plan_id}/{path}", json=body)
            refusal(answer, 409, "plan-not-ended")
            assert answer.headers["Retry-After"] == "2"


# Stopped.


def cancel(client: httpx.Client, plan_id: str, query: str = "") -> dict[str, Any]:
    answer = client.post(f"/v1/plans/{plan_id}/cancel{query}")
    assert answer.status_code == 202, answer.text
    assert answer.headers["location"] == f"/v1/plans/{plan_id}"
    return dict(answer.json())


def test_a_queued_plan_is_cancelled_at_once(idle_client: httpx.Client) -> None:
    plan_id = submit(idle_client, a_small_cell())  # nobody solves it
    document = cancel(idle_client, plan_id)
    assert document["status"] == "cancelled"
    assert document["result"] is None
    assert document["finished_at"] is not None
    assert cancel(idle_client, plan_id) == document
    assert cancel(idle_client, plan_id, "?keep_best=true") == document
    assert idle_client.delete(f"/v1/plans/{plan_id}").status_code == 204


def test_a_cancelled_plan_is_not_solved_later(
    client: httpx.Client, service: Service, worker: str
) -> None:
    store_profiles(client)
    first = submit_long(client)
    second = submit(client, a_small_cell(priority="low"))
    cancel(client, second)
    cancel(client, first)
    ended(client, first)
    time.sleep(0.5)
    document = read(client, second)
    assert document["status"] in ("cancelled", "solved")
    assert (document["result"] is None) == (document["status"] == "cancelled")


def test_a_running_plan_is_cancelled_long_before_its_end(client: httpx.Client, worker: str) -> None:
    store_profiles(client)
    plan_id = submit_long(client)
    under_way(client, plan_id)
    assert cancel(client, plan_id)["status"] == "running"
    document = ended(client, plan_id)
    assert document["status"] == "cancelled"
    assert document["result"] is None
    assert "failure" not in document
    assert cancel(client, plan_id)["status"] == "cancelled"
    # Its slot is free again.
    assert ended(client, submit_long(client, 5))["status"] == "solved"


def test_the_best_plan_so_far_is_kept(client: httpx.Client, worker: str) -> None:
    store_profiles(client)
    plan_id = submit_long(client, 900)
    under_way(client, plan_id)
    cancel(client, plan_id, "?keep_best=true")
    document = ended(client, plan_id)
    # What the solver had left follows a simpler rule; all of it is checked.
    assert document["status"] in ("cancelled", "solved")
    assert document["result"]["certificate"]["holds"]
    assert len(document["result"]["users"]) == 900
    if document["status"] == "cancelled":
        assert document["result"]["certificate"]["status"] == "feasible"


def test_to_drop_is_more_than_to_keep(client: httpx.Client, worker: str) -> None:
    store_profiles(client)
    plan_id = submit_long(client)
    under_way(client, plan_id)
    cancel(client, plan_id)
    cancel(client, plan_id, "?keep_best=true")
    document = ended(client, plan_id)
    assert document["status"] == "cancelled"
    assert document["result"] is None


def test_an_ended_plan_stays_as_it_is(client: httpx.Client) -> None:
    plan = client.post(ROBUST, json=a_small_cell()).json()
    assert cancel(client, plan["id"])["status"] == "solved"
    assert read(client, plan["id"]) == plan


def test_who_is_not_there_cannot_be_stopped(client: httpx.Client) -> None:
    refusal(client.post(f"/v1/plans/{'0' * 32}/cancel"), 404, "plan-not-found")
    refusal(client.post(f"/v1/plans/{'0' * 32}/cancel?keep_best=perhaps"), 422, "invalid-request")


def test_a_time_limit_ends_a_plan_with_what_it_has(client: httpx.Client, worker: str) -> None:
    store_profiles(client)
    plan_id = submit_long(client, 100, options={"time_limit_s": 0.1})
    document = ended(client, plan_id)
    assert document["status"] == "timed_out"
    assert document["result"]["certificate"]["holds"]
    assert document["result"]["certificate"]["status"] == "feasible"


def test_an_unended_plan_cannot_be_deleted(idle_client: httpx.Client) -> None:
    plan_id = submit(idle_client, a_small_cell())
    problem = refusal(idle_client.delete(f"/v1/plans/{plan_id}"), 409, "plan-not-ended")
    assert "queued" in problem["detail"]
    cancel(idle_client, plan_id)
    assert idle_client.delete(f"/v1/plans/{plan_id}").status_code == 204
    refusal(idle_client.get(f"/v1/plans/{plan_id}"), 404, "plan-not-found")


def test_a_parent_in_use_cannot_be_deleted(idle_client: httpx.Client) -> None:
    parent = idle_client.post(ROBUST, json=a_small_cell()).json()["id"]
    child = idle_client.post(
        f"/v1/plans/{parent}/replan", json={"bandwidth_hz": 2e7}, headers=PATCH | LATER
    )
    assert_accepted(child)
    problem = refusal(idle_client.delete(f"/v1/plans/{parent}"), 409, "plan-in-use")
    assert child.json()["id"] in problem["detail"]
    cancel(idle_client, child.json()["id"])
    assert idle_client.delete(f"/v1/plans/{parent}").status_code == 204


def test_a_plan_made_again_later_is_told_from_its_parent(client: httpx.Client, worker: str) -> None:
    parent = client.post(ROBUST, json=a_crowd()).json()["id"]
    patch = {"bandwidth_hz": 1e6, "users": {"camera-1": None}}
    now = client.post(f"/v1/plans/{parent}/replan", json=patch, headers=PATCH)
    later = client.post(f"/v1/plans/{parent}/replan", json=patch, headers=PATCH | LATER)
    document = ended(client, assert_accepted(later))
    assert document["parent"] == parent
    assert told(document) == told(now.json())


# In line.


@pytest.mark.slow
def test_the_line_has_an_end(idle_client: httpx.Client, idle: Service) -> None:
    with idle.database.reading() as session:
        assert durable.waiting(session, PlanRow) == 0
    for _ in range(10):
        submit(idle_client, a_small_cell())
    for body, headers in (
        (a_small_cell(), LATER),
        (a_crowd(), {}),
        (a_crowd(), {"Idempotency-Key": "late"}),
    ):
        answer = idle_client.post(ROBUST, json=body, headers=headers)
        refusal(answer, 503, "queue-full")
        assert int(answer.headers["retry-after"]) >= 1
    assert len(idle_client.get("/v1/plans?limit=1000").json()["items"]) == 10
    assert idle_client.post(ROBUST, json=a_small_cell()).status_code == 201, (
        "it need not wait in line"
    )
    cancel(idle_client, idle_client.get("/v1/plans?status=queued").json()["items"][0]["id"])
    assert (
        idle_client.post(ROBUST, json=a_crowd(), headers={"Idempotency-Key": "late"}).status_code
        == 202
    )


def test_who_is_in_a_hurry_goes_first(
    caller: httpx.Client, worker: str, settings: Settings
) -> None:
    store_profiles(caller)
    busy = [submit_long(caller) for _ in range(settings.slots)]
    for plan_id in busy:
        under_way(caller, plan_id)
    # What has more users than are answered at once goes through the same slots.
    line = {
        priority: caller.post(ROBUST, json=a_crowd() | {"priority": priority}).json()["id"]
        for priority in ("low", "normal", "high")
    }
    for plan_id in busy:
        cancel(caller, plan_id)
    began = {priority: ended(caller, plan_id)["started_at"] for priority, plan_id in line.items()}
    if settings.slots == 1:
        assert began["high"] < began["normal"] < began["low"]
    assert began["high"] < began["low"]


def test_small_plans_do_not_wait_for_long_ones(caller: httpx.Client, worker: str) -> None:
    store_profiles(caller)
    long = [submit_long(caller) for _ in range(os.cpu_count() or 2)]
    under_way(caller, long[0])
    assert (
        ended(caller, submit(caller, a_small_cell(), Prefer="respond-async"))["status"] == "solved"
    )
    assert read(caller, long[-1])["status"] in UNENDED
    for plan_id in long:
        cancel(caller, plan_id)
    for plan_id in long:
        ended(caller, plan_id)


def test_many_at_once_all_end_once(client: httpx.Client, service: Service, worker: str) -> None:
    with ThreadPoolExecutor(8) as callers:
        found = list(
            callers.map(lambda n: submit(client, a_small_cell(name=f"n-{n % 3}")), range(40))
        )
    for plan_id in found:
        assert ended(client, plan_id)["status"] == "solved"
    with service.database.reading() as session:
        # Where one takes long, what was taken with it goes back in line: an attempt more, no death.
        assert set(session.scalars(select(PlanRow.deaths))) == {0}
        over = session.scalars(
            select(PlanEventRow.plan_number).where(PlanEventRow.status.not_in(UNENDED))
        ).all()
    assert len(over) == len(set(over)) == 40


# Attempts, as functions.


def claimed(service: Service, plan_id: str) -> jobs.Claim:
    piece = taken(service.database, PLANS, plan_id)
    assert piece is not None
    with service.database.reading() as session:
        found = jobs.claim(session, piece)
        assert found is not None
        return found[0]


def test_only_the_latest_attempt_may_end_a_plan(idle_client: httpx.Client, idle: Service) -> None:
    plan_id = submit(idle_client, a_small_cell())
    first = claimed(idle, plan_id)
    second = claimed(idle, plan_id)  # the first was taken for dead
    assert (first.taken.attempt, second.taken.attempt) == (1, 2)
    assert not jobs.finish(idle.database, first, jobs.stopped("timed_out"))
    assert read(idle_client, plan_id)["status"] == "running"
    assert jobs.finish(idle.database, second, jobs.stopped("cancelled"))
    assert not jobs.finish(idle.database, second, jobs.stopped("timed_out"))
    assert read(idle_client, plan_id)["status"] == "cancelled"
    assert taken(idle.database, PLANS, plan_id) is None


def test_what_is_handed_back_is_nobodys(idle_client: httpx.Client, idle: Service) -> None:
    plan_id = submit(idle_client, a_small_cell())
    mine = claimed(idle, plan_id)
    assert taking.hand_back(idle.everything, PLANS, [mine.taken]) == 1
    assert read(idle_client, plan_id)["status"] == "queued"
    assert not jobs.finish(idle.database, mine, jobs.stopped("cancelled"))
    worked_off(idle.database, PLANS, plan_id)
    assert read(idle_client, plan_id)["status"] == "solved"
    worked_off(idle.database, PLANS, plan_id)  # once more changes nothing


def test_a_plan_asked_to_stop_is_not_begun_again(idle_client: httpx.Client, idle: Service) -> None:
    plan_id = submit(idle_client, a_small_cell())
    claimed(idle, plan_id)
    cancel(idle_client, plan_id)
    assert durable.wanted_stopped(idle.database, PlanRow) == {plan_id: "drop"}
    assert taken(idle.database, PLANS, plan_id) is None
    assert read(idle_client, plan_id)["status"] == "cancelled"
    assert durable.wanted_stopped(idle.database, PlanRow) == {}


@pytest.mark.slow
def test_old_plans_are_forgotten_but_for_those_in_use(
    idle_client: httpx.Client, idle: Service
) -> None:
    def post(**fields: Any) -> str:
        return str(idle_client.post(ROBUST, json=a_small_cell(**fields)).json()["id"])

    nameless, older, newest = post(), post(name="cell"), post(name="cell")
    parent = post()
    child = idle_client.post(
        f"/v1/plans/{parent}/replan", json={"bandwidth_hz": 2e7}, headers=PATCH | LATER
    ).json()["id"]
    waiting = submit(idle_client, a_small_cell(name="cell"))
    with idle.database.writing() as session:
        for row in session.scalars(select(PlanRow)):
            row.created_at = datetime.now(UTC) - timedelta(days=10)
            if row.finished_at is not None:
                row.finished_at = datetime.now(UTC) - timedelta(days=10)
    recent = post()
    assert jobs.forget_old(idle.database, retain_days=30.0) == 0
    assert jobs.forget_old(idle.database, retain_days=9.0, most=1) == 1
    assert jobs.forget_old(idle.database, retain_days=9.0) == 1
    assert jobs.forget_old(idle.database, retain_days=9.0) == 0
    left = {item["id"] for item in idle_client.get("/v1/plans").json()["items"]}
    assert left == {newest, parent, child, waiting, recent}
    assert {nameless, older}.isdisjoint(left)
    with idle.database.reading() as session:
        numbers = set(session.scalars(select(PlanRow.number)))
        assert set(session.scalars(select(PlanEventRow.plan_number))) <= numbers

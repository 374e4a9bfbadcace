"""Validations in the background: accepted, replayed, stopped, fenced."""

import time
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from app.plans import durable, taking
from app.validations import jobs, ordering, replaying
from app.validations.schemas import Validation, ValidationJob, ValidationPage
from app.validations.tables import ValidationRow
from solvers.outcome import Certificate
from tests.support.answers import pointers, slug
from tests.support.background import LATER, eventually
from tests.support.builders import Body
from tests.support.robust.requests import (
    a_cell,
    a_crowd,
    a_stored_cell,
    a_user,
    plan,
    store_profiles,
)
from tests.support.servers import Service
from tests.support.working import taken, worked_off

ASKED = {"trials": 300, "seed": 7}


@pytest.fixture
def planned(idle_client: httpx.Client) -> Body:
    return plan(idle_client, a_cell(*(a_user(id=f"camera-{n}") for n in range(4))))


def validations(document: Body) -> str:
    return f"/v1/plans/{document['id']}/validations"


def accepted(client: httpx.Client, document: Body, **headers: str) -> Body:
    """A validation that is put in line."""
    answer = client.post(validations(document), json=ASKED, headers={**LATER, **headers})
    assert answer.status_code == 202, answer.text
    ValidationJob.model_validate(answer.json())
    assert int(answer.headers["retry-after"]) >= 1
    assert answer.headers["preference-applied"] == "respond-async"
    assert answer.headers["location"] == f"{validations(document)}/{answer.json()['number']}"
    return dict(answer.json())


def ids(service: Service) -> list[str]:
    with service.database.reading() as session:
        return list(session.scalars(select(ValidationRow.id).order_by(ValidationRow.number)))


def read(client: httpx.Client, job: Body) -> Body:
    answer = client.get(f"/v1/plans/{job['plan_id']}/validations/{job['number']}")
    assert answer.status_code == 200, answer.text
    assert ("retry-after" in answer.headers) == (answer.json()["status"] in ("queued", "running"))
    return dict(answer.json())


def claimed(service: Service, validation_id: str) -> jobs.Claim:
    piece = taken(service.database, jobs.VALIDATIONS, validation_id)
    assert piece is not None
    mine = jobs.claim(service.database, piece)
    assert mine is not None
    return mine


def findings(document: Body) -> Body:
    return {name: value for name, value in document.items() if name not in ("number", "created_at")}


def test_the_background_finds_what_is_found_at_once(
    idle: Service, idle_client: httpx.Client, planned: Body
) -> None:
    at_once = idle_client.post(validations(planned), json=ASKED)
    assert at_once.status_code == 201
    key = {"Idempotency-Key": "night"}
    job = accepted(idle_client, planned, **key)
    assert (job["status"], job["progress"]) == ("queued", {"fraction": 0.0, "stage": "queued"})
    assert accepted(idle_client, planned, **key) == read(idle_client, job) == job
    listed = idle_client.get(validations(planned)).json()
    assert [each["object"] for each in listed["items"]] == ["validation", "validation_job"]
    ValidationPage.model_validate(listed)
    worked_off(idle.database, jobs.VALIDATIONS, ids(idle)[1])
    ended = read(idle_client, job)
    Validation.model_validate(ended)
    assert findings(ended) == findings(at_once.json())
    again = idle_client.post(validations(planned), json=ASKED, headers=key)
    assert (again.status_code, again.json()) == (200, ended)
    other = idle_client.post(validations(planned), json={**ASKED, "seed": 8}, headers=key)
    assert (other.status_code, slug(other)) == (422, "idempotency-key-reused")
    # What has ended stays as it is.
    cancelled = idle_client.post(f"{validations(planned)}/{job['number']}/cancel")
    assert (cancelled.status_code, cancelled.json()) == (202, ended)


def test_a_key_at_once_is_one_validation(idle_client: httpx.Client, planned: Body) -> None:
    key = {"Idempotency-Key": "day"}
    first, second = (
        idle_client.post(validations(planned), json=ASKED, headers=key) for _ in range(2)
    )
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json() == second.json()


def test_large_ones_and_those_not_waited_for_go_to_the_background(
    idle_client: httpx.Client, planned: Body, monkeypatch: pytest.MonkeyPatch
) -> None:
    hurried = idle_client.post(validations(planned), json=ASKED, headers={"Prefer": "wait=0"})
    assert hurried.status_code == 202
    monkeypatch.setattr(ordering, "AT_ONCE_DRAWS", 300 * 4 * 3 - 1)
    large = idle_client.post(validations(planned), json=ASKED)
    assert (large.status_code, large.json()["status"]) == (202, "queued")
    monkeypatch.setattr(replaying, "MOST_DRAWS", 300 * 4 * 3 - 1)
    refused = idle_client.post(validations(planned), json=ASKED)
    assert pointers(refused) == ["/trials"]
    assert "at most 299 trials" in refused.json()["detail"]


def test_only_the_latest_attempt_ends_it(
    idle: Service, idle_client: httpx.Client, planned: Body
) -> None:
    job = accepted(idle_client, planned)
    (one,) = ids(idle)
    first = claimed(idle, one)
    taking.hand_back(idle.everything, jobs.VALIDATIONS, [first.taken])
    assert read(idle_client, job)["status"] == "queued"
    second = claimed(idle, one)
    assert second.taken.attempt == first.taken.attempt + 1
    crashed = durable.Ending("failed", "crashed", "died")
    assert not jobs.finish(idle.database, first, crashed)
    assert read(idle_client, job)["status"] == "running"
    assert jobs.finish(idle.database, second, crashed)
    ended = read(idle_client, job)
    assert (ended["status"], ended["failure"]) == (
        "failed",
        {"reason": "crashed", "detail": "died"},
    )
    ValidationJob.model_validate(ended)
    assert taken(idle.database, jobs.VALIDATIONS, one) is None


def test_stopping_one_that_waits_and_one_that_runs(
    idle: Service, idle_client: httpx.Client, planned: Body
) -> None:
    waits, runs = accepted(idle_client, planned), accepted(idle_client, planned)
    first, second = ids(idle)
    stopped = idle_client.post(f"{validations(planned)}/{waits['number']}/cancel")
    assert (stopped.status_code, stopped.json()["status"]) == (202, "cancelled")
    assert stopped.json()["finished_at"] is not None
    worked_off(idle.database, jobs.VALIDATIONS, first)
    assert read(idle_client, waits)["status"] == "cancelled"
    claimed(idle, second)
    asked = idle_client.post(f"{validations(planned)}/{runs['number']}/cancel")
    assert asked.json()["status"] == "running"
    assert durable.wanted_stopped(idle.database, jobs.VALIDATIONS.rows) == {second: "drop"}
    assert taken(idle.database, jobs.VALIDATIONS, second) is None
    assert read(idle_client, runs)["status"] == "cancelled"
    unknown = idle_client.post(f"{validations(planned)}/99/cancel")
    assert (unknown.status_code, slug(unknown)) == (404, "validation-not-found")


def test_a_plan_takes_its_validations_along(
    idle: Service, idle_client: httpx.Client, planned: Body, monkeypatch: pytest.MonkeyPatch
) -> None:
    accepted(idle_client, planned)
    (one,) = ids(idle)
    prepared = replaying.prepared

    def deleted(*arguments: Any) -> object:
        assert idle_client.delete(f"/v1/plans/{planned['id']}").status_code == 204
        return prepared(*arguments)

    monkeypatch.setattr(replaying, "prepared", deleted)
    worked_off(idle.database, jobs.VALIDATIONS, one)
    assert ids(idle) == []


@pytest.mark.parametrize("reason", ["refuted", "internal"])
def test_a_fault_of_ours_is_said(
    idle: Service,
    idle_client: httpx.Client,
    planned: Body,
    monkeypatch: pytest.MonkeyPatch,
    reason: str,
) -> None:
    job = accepted(idle_client, planned)

    def fail(*_: object) -> None:
        if reason == "refuted":
            raise replaying.RefutedPlan(
                "p", 1.0, Certificate(objective=2.0, used={}, violations=())
            )
        raise ZeroDivisionError

    monkeypatch.setattr(replaying, "replayed", fail)
    worked_off(idle.database, jobs.VALIDATIONS, ids(idle)[0])
    ended = read(idle_client, job)
    ValidationJob.model_validate(ended)
    assert (ended["status"], ended["failure"]["reason"]) == ("failed", reason)


def test_so_many_may_wait(idle_client: httpx.Client, planned: Body) -> None:
    for _ in range(10):
        accepted(idle_client, planned)
    full = idle_client.post(validations(planned), json=ASKED, headers=LATER)
    assert (full.status_code, slug(full)) == (503, "queue-full")
    assert len(idle_client.get(validations(planned)).json()["items"]) == 10


@pytest.mark.slow
def test_a_worker_tells_how_far_it_has_come_and_stops(client: httpx.Client, worker: str) -> None:
    store_profiles(client)
    document = plan(client, a_stored_cell(*a_crowd(8)))
    quick = client.post(validations(document), json=ASKED, headers=LATER).json()
    eventually(lambda: read(client, quick)["status"] == "replayed")
    asked = {"trials": 1_000_000, "distributions": ["gamma"], "seed": int(time.time())}
    long = client.post(validations(document), json=asked, headers=LATER).json()
    eventually(lambda: read(client, long)["status"] != "queued")
    assert client.post(f"{validations(document)}/{long['number']}/cancel").status_code == 202
    eventually(lambda: read(client, long)["status"] in ("cancelled", "replayed"))

"""Workers that are silent, plans that are stuck, receivers that are away, keys nobody uses."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import update

from app import workers
from app.auth import service as auth
from app.auth.tables import ApiKeyRow
from app.doctor import keys, work
from app.doctor.findings import Finding
from app.plans.tables import PlanRow
from app.settings import Settings
from app.telemetry import measures
from app.workers import WorkerRow
from tests.support.background import a_small_cell, submit
from tests.support.doctor import faults
from tests.support.servers import Service

HOUR = timedelta(hours=1)
FAILED = {"failure": {"reason": "internal"}}


@pytest.fixture
def plan_id(idle: Service, idle_client: httpx.Client) -> str:
    """A plan in line of a service without a worker."""
    return submit(idle_client, a_small_cell())


def change(service: Service, **values: Any) -> None:
    with service.database.writing() as session:
        session.execute(update(PlanRow).values(**values))


@pytest.fixture
def told(idle: Service) -> Callable[..., str]:
    def told(look: Callable[..., Iterator[Finding]], *more: Any) -> str:
        with idle.database.reading() as session:
            given = more or (work.heard(session, idle.settings),)
            return faults(look(session, *given))

    return told


def beat(service: Service, told: str | None = None, silent_s: float = 0.0) -> None:
    with service.database.writing() as session:
        workers.beat(session, "w1", 1, told)
        session.execute(update(WorkerRow).values(beat_s=WorkerRow.beat_s - silent_s))


def test_who_works(idle: Service, plan_id: str, told: Callable[..., str]) -> None:
    assert "workers wrong: no worker lives, and 1 plans wait for one" in told(work.workers)
    beat(idle, measures.snapshot())
    assert told(work.workers) == ""
    beat(idle, measures.snapshot().replace('"version":"', '"version":"9.9.'))
    assert "versions warning: this program is" in told(work.workers)
    beat(idle, silent_s=100.0)
    assert "silent, and taken for dead: w1 for 100 s" in told(work.workers)


def test_what_does_not_come_to_its_end(
    idle: Service, plan_id: str, told: Callable[..., str]
) -> None:
    assert told(work.plans) == ""
    now = datetime.now(UTC)
    change(idle, created_at=now - HOUR)
    assert "plans warning: the oldest plan in line has waited for 36" in told(work.plans)
    change(idle, status="running", taken_by="gone", started_at=now)
    assert f"with workers that do not live: {plan_id}" in told(work.plans)
    beat(idle)
    change(idle, taken_by="w1", started_at=now - 10 * HOUR)
    assert "long after their time limit" in told(work.plans)
    change(idle, started_at=now, deaths=2)
    assert "workers died on them" in told(work.plans)
    change(idle, status="failed", finished_at=now, deaths=0, answer=FAILED)
    assert f"failed by a fault of the service: {plan_id}" in told(work.plans)
    change(idle, finished_at=now - 48 * HOUR)
    assert told(work.plans) == ""


def test_receivers_that_are_not_reached(
    idle: Service, plan_id: str, told: Callable[..., str]
) -> None:
    secret = Settings(webhook_secret="whsec_" + "c2VjcmV0" * 6)
    assert told(work.webhooks, secret) == ""
    notice = {
        "url": "https://hooks.example/token?t=planted",
        "status": "waiting",
        "attempts": 3,
        "detail": "answered 500",
    }
    now = datetime.now(UTC)
    change(idle, status="solved", finished_at=now, webhook=notice, webhook_waiting=True)
    found = told(work.webhooks, secret)
    assert "https://hooks.example was not reached for 1 plans" in found
    assert "planted" not in found
    without = told(work.webhooks, Settings(webhook_secret=None))
    assert "webhooks wrong: 1 receivers are to be told" in without
    change(idle, webhook=notice | {"status": "delivered"}, webhook_waiting=False)
    assert told(work.webhooks, secret) == ""


def test_keys_that_should_not_be(idle: Service, told: Callable[..., str]) -> None:
    def made(name: str, expires_at: datetime | None = None) -> None:
        with idle.database.writing() as session:
            auth.create(session, name, "default", "read", expires_at)

    def changed(**values: Any) -> None:
        with idle.database.writing() as session:
            session.execute(update(ApiKeyRow).values(**values))

    now = datetime.now(UTC)
    made("old", now + HOUR)
    assert "(old)" in told(keys.look, idle.settings)
    assert "keys warning: expire within 14 days" in told(keys.look, idle.settings)
    changed(expires_at=now - HOUR)
    found = told(keys.look, idle.settings)
    assert "keys wrong: every key is revoked or expired" in found
    assert "keys warning: expired: " in found
    changed(expires_at=None, created_at=now - 1000 * HOUR)
    assert "keys warning: never used in 30 days" in told(keys.look, idle.settings)
    changed(last_used_at=now)
    assert told(keys.look, idle.settings) == ""
    changed(revoked_at=now)
    assert "nobody may come in" in told(keys.look, idle.settings)

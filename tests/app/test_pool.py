"""The workers that `serve` keeps beside itself."""

import contextlib
import logging
import os
import signal
from pathlib import Path

import httpx
import pytest

from app import migration, pool
from app.db import open_database
from app.pool import WorkerPool
from app.settings import Settings
from tests.support.background import (
    a_small_cell,
    ended,
    eventually,
    lives,
    submit,
    submit_long,
    under_way,
)
from tests.support.servers import Service
from tests.support.stopping.requests import store_profiles

pytestmark = pytest.mark.slow


def workers() -> set[int]:
    """The workers of this process, the one that the tests share among them."""
    found = set()
    for task in Path("/proc/self/task").iterdir():
        with contextlib.suppress(
            FileNotFoundError, ProcessLookupError
        ):  # a thread, or a child, that has just ended
            for child in (task / "children").read_text().split():
                if b"command\0worker" in Path(f"/proc/{child}/cmdline").read_bytes():
                    found.add(int(child))
    return found


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True, scope="session")
def test_a_worker_that_dies_is_replaced_and_one_that_is_told_stops(
    new_database_url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("SPLITPLAN_DATABASE_URL", new_database_url)
    monkeypatch.setenv("SPLITPLAN_LEASE_S", "1")  # how soon another one goes on with its plan
    database = open_database(new_database_url)
    migration.migrate(database)
    database.engine.dispose()
    others = workers()
    with (
        Service(Settings(database_url=new_database_url)) as service,
        httpx.Client(base_url=service.url, timeout=60.0, trust_env=False, verify=False) as client,
    ):
        store_profiles(client)
        with WorkerPool(1, grace_s=30.0):
            plan_id = submit_long(client)
            under_way(client, plan_id)
            (first,) = workers() - others
            with caplog.at_level(logging.ERROR, "app"):
                os.kill(first, signal.SIGKILL)
                assert ended(client, plan_id)["status"] == "solved"
            assert "a worker ended with code -9: another one starts" in caplog.text
            (second,) = workers() - others
            assert second != first
            assert ended(client, submit(client, a_small_cell()))["status"] == "solved"
        assert workers() == others
        eventually(lambda: not lives(second))


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True, scope="session")
def test_a_worker_that_cannot_start_is_tried_again_ever_more_rarely(
    new_database_url: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("SPLITPLAN_DATABASE_URL", new_database_url)  # never migrated
    monkeypatch.setattr(pool, "_PAUSE_S", 0.05)
    with caplog.at_level(logging.ERROR, "app"), WorkerPool(1, grace_s=1.0):
        eventually(lambda: "starts in 0.2 s" in caplog.text)
    said = [line for line in capfd.readouterr().err.splitlines() if line.startswith("Error")]
    assert said
    assert all("run `splitplan migrate`" in line for line in said)

"""A real `splitplan serve` that is killed, told to stop, and started twice: every accepted plan
ends, and once.
"""

import signal
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from app.db import Database, open_database
from app.plans.tables import PlanEventRow, PlanRow
from tests.support.background import (
    UNENDED,
    a_long_fleet,
    a_small_cell,
    ended,
    eventually,
    followed,
    following,
    lives,
    submit,
    submit_long,
    under_way,
)
from tests.support.operator import Serving, installed, serving
from tests.support.robust.requests import ROBUST
from tests.support.stopping.requests import STOPPING, store_profiles

KEY = {"Idempotency-Key": "night"}
pytestmark = pytest.mark.slow

on_sqlite = pytest.mark.parametrize("backend", ["sqlite"], indirect=True, scope="session")


def calling(service: Serving) -> httpx.Client:
    return httpx.Client(base_url=service.url, timeout=60.0, trust_env=False, verify=False)


def family_of(process: "subprocess.Popen[Any]") -> list[int]:
    """The processes below one."""
    found, parents = [], [process.pid]
    while parents:
        for task in Path(f"/proc/{parents.pop()}/task").iterdir():
            children = [int(child) for child in (task / "children").read_text().split()]
            found += children
            parents += children
    return found


def ready(client: httpx.Client) -> None:
    eventually(lambda: client.get("/readyz").status_code == 200, 60.0)


def plans(database: Database) -> dict[str, tuple[str, int, int]]:
    """Of every plan its status, how often it was begun, and how often it ended."""
    with database.reading() as session:
        over = list(
            session.scalars(
                select(PlanEventRow.plan_number).where(PlanEventRow.status.not_in(UNENDED))
            )
        )
        rows = session.scalars(select(PlanRow)).all()
        return {row.id: (row.status, row.attempt, over.count(row.number)) for row in rows}


@on_sqlite  # on Postgres: benchmarks/chaos.py
def test_every_accepted_plan_ends_once_though_all_is_killed(
    new_database_url: str, tmp_path: Path
) -> None:
    settings = {
        "SPLITPLAN_DATABASE_URL": new_database_url,
        "SPLITPLAN_SYNC_MAX_S": "60",
        "SPLITPLAN_LEASE_S": "1",
    }
    lost: list[str] = []

    def wait_for_an_answer(client: httpx.Client) -> None:
        try:
            client.post(STOPPING, json=a_long_fleet(1000), headers=KEY)
        except httpx.TransportError as failure:
            lost.append(str(failure))

    with serving(tmp_path / "log", "--migrate", **settings) as service, calling(service) as client:
        ready(client)
        store_profiles(client)
        done = submit(client, a_small_cell())
        assert ended(client, done)["status"] == "solved"
        long = submit_long(client)
        under_way(client, long)
        # Answered at once, but not before the lights go out.
        caller = threading.Thread(target=wait_for_an_answer, args=(client,))
        caller.start()
        time.sleep(0.5)
        waiting = [submit(client, a_small_cell()) for _ in range(3)]
        family = family_of(service.process)
        assert len(family) >= 2
        service.kill()
        # Nobody told them: they see for themselves that they are alone.
        eventually(lambda: not any(lives(process) for process in family), 10.0)
        caller.join(timeout=30.0)
    assert lost, "the answer came before the end"

    with serving(tmp_path / "log", **settings) as service, calling(service) as client:
        # What was not answered was not stored either: its key is free, and whoever tries again is
        # answered.
        again = client.post(STOPPING, json=a_long_fleet(1000), headers=KEY)
        assert again.status_code == 201, again.text
        accepted = [long, again.json()["id"], *waiting]
        for plan_id in accepted:
            assert ended(client, plan_id)["status"] == "solved"
        assert (
            client.post(STOPPING, json=a_long_fleet(1000), headers=KEY).json()["id"]
            == again.json()["id"]
        )
        family = family_of(service.process)
        service.process.send_signal(signal.SIGTERM)
        assert service.process.wait(timeout=60.0) == 0
        eventually(lambda: not any(lives(process) for process in family), 10.0)

    database = open_database(new_database_url).of("default")
    found = plans(database)
    database.engine.dispose()
    assert found.keys() == {done, *accepted}
    assert {(status, ends) for status, _, ends in found.values()} == {("solved", 1)}
    assert found[done][1] == 1
    assert found[long][1] == 2


@on_sqlite
def test_a_service_that_is_told_to_stop_says_so_and_finishes(
    new_database_url: str, tmp_path: Path
) -> None:
    settings = {
        "SPLITPLAN_DATABASE_URL": new_database_url,
        "SPLITPLAN_DRAIN_S": "1.5",
        "SPLITPLAN_SHUTDOWN_GRACE_S": "60",
    }
    with serving(tmp_path / "log", "--migrate", **settings) as service, calling(service) as client:
        ready(client)
        store_profiles(client)
        plan_id = submit_long(client)
        under_way(client, plan_id)
        family = family_of(service.process)
        with following(client, plan_id) as told:
            assert next(told)[1] == "progress"
            service.process.send_signal(signal.SIGTERM)
            answer = eventually(
                lambda: (found := client.get("/readyz")).status_code == 503 and found
            )
            assert answer.json()["detail"] == "The service is about to stop."
            assert client.get("/livez").status_code == 200, "it still answers"
            assert "end" not in [kind for _, kind, _ in told], "readers are sent elsewhere"
        assert service.process.wait(timeout=90.0) == 0
        eventually(lambda: not any(lives(process) for process in family), 10.0)
        with pytest.raises(httpx.TransportError):
            client.get("/livez")
    database = open_database(new_database_url).of("default")
    assert plans(database) == {plan_id: ("solved", 1, 1)}
    database.engine.dispose()


@pytest.mark.soak
@on_sqlite
def test_an_sqlite_database_has_one_worker(new_database_url: str, tmp_path: Path) -> None:
    settings = {"SPLITPLAN_DATABASE_URL": new_database_url}
    with serving(tmp_path / "log", "--migrate", **settings) as service, calling(service) as client:
        ready(client)
        second = installed("worker", **settings)
        assert second.returncode == 1
        (line,) = second.stderr.splitlines()
        assert line.startswith("Error: another worker holds ")
        # A second service does no harm either: it answers, and the first one's worker works for
        # both.
        with serving(tmp_path / "other", **settings) as other, calling(other) as visitor:
            plan_id = submit(visitor, a_small_cell())
            assert ended(visitor, plan_id)["status"] == "solved"
            assert [kind for _, kind, _ in followed(visitor, plan_id)] == ["end"]
        assert ended(client, submit(client, a_small_cell()))["status"] == "solved"
        assert client.post(ROBUST, json=a_small_cell()).status_code == 201

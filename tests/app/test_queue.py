"""The queue: where it is kept, what it knows, and that it may be lost."""

import sqlite3
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from app.errors import ConfigurationError
from app.queue import Engine, Queue, engine_url
from tests.support.background import a_small_cell, ended, eventually, submit
from tests.support.engines import EngineProcess, jobs
from tests.support.servers import Service


def test_the_queue_is_kept_beside_the_plans() -> None:
    assert engine_url("sqlite:////data/splitplan.db") == "sqlite:////data/splitplan.jobs.db"
    assert engine_url("sqlite:///plans") == "sqlite:///plans.jobs"
    # The password is needed here, and must not be starred out.
    for scheme in ("postgres", "postgresql", "postgresql+psycopg"):
        assert engine_url(f"{scheme}://me:s%40crt@db:5433/plans?sslmode=require") == (
            "postgresql://me:s%40crt@db:5433/plans?sslmode=require"
        )


def test_a_queue_that_no_worker_has_set_up_does_not_answer(new_database_url: str) -> None:
    queue = Queue(new_database_url)
    try:
        assert not queue.answers()
    finally:
        queue.close()


def test_plans_are_accepted_though_the_queue_is_not_there(new_database_url: str) -> None:
    """What is queued is only an id: a worker finds the plan without it."""
    from app import migration
    from app.db import open_database
    from app.settings import Settings

    database = open_database(new_database_url)
    migration.migrate(database)
    database.engine.dispose()
    with (
        Service(Settings(database_url=new_database_url)) as service,
        httpx.Client(base_url=service.url, timeout=60.0, trust_env=False, verify=False) as client,
    ):
        submit(client, a_small_cell())
        answer = client.get("/readyz")
        assert answer.status_code == 503
        assert "No worker" in answer.json()["detail"]


@pytest.fixture
def queue(service: Service, worker: str) -> Queue:
    """The queue of a service that has a worker."""
    queue: Queue = service.app.state.queue
    eventually(queue.answers)
    return queue


def test_who_is_in_line_twice_is_solved_once(
    client: httpx.Client, service: Service, queue: Queue
) -> None:
    from sqlalchemy import select

    from app.plans.tables import PlanRow

    plan_id = submit(client, a_small_cell())
    for _ in range(5):
        queue.put("quick", plan_id)
    assert ended(client, plan_id)["status"] == "solved"
    queue.put("quick", plan_id)
    time.sleep(0.3)
    with service.database.reading() as session:
        assert session.scalars(select(PlanRow.attempt)).one() == 1


def test_a_plan_that_its_workers_die_of_is_given_up(
    client: httpx.Client, service: Service, queue: Queue
) -> None:
    from sqlalchemy import update

    from app.plans.tables import PlanRow

    plan_id = submit(client, a_small_cell())
    ended(client, plan_id)
    # Its job is over and forgotten.
    eventually(lambda: queue.unknown(("quick", "plan"), [plan_id]) == {plan_id})
    with service.database.writing() as session:
        session.execute(update(PlanRow).values(status="running", finished_at=None, attempt=20))
    queue.put("quick", plan_id)
    document = ended(client, plan_id)
    assert document["status"] == "failed"
    assert document["failure"]["reason"] == "crashed"
    assert "20 times" in document["failure"]["detail"]


def test_it_knows_which_plans_no_job_cares_for(queue: Queue) -> None:
    stranger, later = uuid.uuid4().hex, uuid.uuid4().hex
    queue.put("quick", later, delay_s=3600.0)
    assert queue.unknown(("quick", "plan"), [stranger, later]) == {stranger}
    assert queue.unknown(("quick", "plan"), []) == set()


def test_a_job_of_a_plan_that_is_not_there_ends(queue: Queue) -> None:
    gone = uuid.uuid4().hex
    queue.put("quick", gone)
    eventually(lambda: queue.unknown(("quick", "plan"), [gone]) == {gone})


def test_records_of_ended_jobs_are_forgotten(client: httpx.Client, queue: Queue) -> None:
    plan_id = submit(client, a_small_cell())
    ended(client, plan_id)
    later = uuid.uuid4().hex
    queue.put("quick", later, delay_s=3600.0)
    assert queue.forget_before(time.time() - 86_400.0) == 0
    eventually(lambda: queue.forget_before(time.time() + 86_400.0) >= 1)
    assert queue.forget_before(time.time() + 86_400.0, most=1) <= 1
    assert queue.unknown(("quick", "plan"), [later]) == set(), "those that have not ended stay"


def test_an_sqlite_database_has_one_engine(tmp_path: Path) -> None:
    def nothing(_: str) -> None:
        """Never called."""

    url = f"sqlite:///{tmp_path / 'splitplan.db'}"
    first, second = (Engine(url, 1, {"plan": nothing}) for _ in range(2))
    first._take_lock()
    with pytest.raises(
        ConfigurationError, match=r"another worker holds .*splitplan\.jobs\.db\.lock"
    ):
        second.start()
    assert first.name == "local"
    assert first._lock is not None
    assert second._lock is not None
    first._lock.close()
    second._lock.close()


@pytest.mark.slow
class TestTakingOver:
    """What is asked of the job engine beyond its public interface: to take over what dead workers
    were at.

    The method is private to the engine, so a new release of it may change anything here without a
    word.
    """

    @pytest.fixture
    def backend(self) -> str:
        """On SQLite there is one worker at most, and nobody to take over."""
        return "postgresql"

    @pytest.fixture
    def workers(self, new_database_url: str, tmp_path: Path) -> Iterator[list[EngineProcess]]:
        """Three: the first is at two plans, the second at one, the third at none."""
        first = EngineProcess(new_database_url, tmp_path)
        running = [first]
        queue = Queue(new_database_url)
        try:
            assert first.name
            for plan in ("one", "two"):
                queue.put("plan", plan)
            first.wait_for("begins", 2)
            running += [
                EngineProcess(new_database_url, tmp_path),
                EngineProcess(new_database_url, tmp_path),
            ]
            assert running[1].name != running[2].name
            queue.put("plan", "three")
            while not (begun := [worker for worker in running[1:] if worker.said("begins")]):
                time.sleep(0.02)
            yield [first, *begun, *(worker for worker in running[1:] if worker not in begun)]
        finally:
            queue.close()
            for worker in running:
                worker.kill()

    def test_only_what_the_named_dead_were_at_is_begun_again_and_once(
        self, new_database_url: str, workers: list[EngineProcess]
    ) -> None:
        dead, busy, idle = workers
        dead.kill()

        idle.take_over("nobody-of-that-name")
        idle.take_over()
        time.sleep(0.5)
        assert idle.said("begins") == []
        assert jobs(new_database_url)["one"] == ("PENDING", dead.name)

        # Both ask, at about the same time, and one of them twice.
        busy.tell("take_over", dead.name)
        idle.take_over(dead.name)
        idle.take_over(dead.name)
        deadline = time.monotonic() + 30.0
        while len(busy.said("begins") + idle.said("begins")) < 3 and time.monotonic() < deadline:
            time.sleep(0.02)
        time.sleep(0.5)
        assert sorted(busy.said("begins") + idle.said("begins")) == ["one", "three", "two"]
        assert jobs(new_database_url)["three"] == ("PENDING", busy.name), (
            "the living keep what they are at"
        )
        assert {status for status, _ in jobs(new_database_url).values()} == {"PENDING"}
        assert dead.name not in {executor for _, executor in jobs(new_database_url).values()}

    def test_who_was_taken_for_dead_can_end_nothing_any_more(
        self, new_database_url: str, workers: list[EngineProcess]
    ) -> None:
        frozen, _, idle = workers
        idle.take_over(frozen.name)
        deadline = time.monotonic() + 30.0
        while (
            frozen.name in {executor for _, executor in jobs(new_database_url).values()}
            and time.monotonic() < deadline
        ):
            time.sleep(0.02)
        status, owner = jobs(new_database_url)["one"]
        assert (status, owner != frozen.name) == ("PENDING", True)

        frozen.tell("end", "one")
        time.sleep(0.5)
        assert jobs(new_database_url)["one"] == ("PENDING", owner), (
            "the late result counts for nothing"
        )

        new = next(worker for worker in workers if worker.name == owner)
        new.tell("end", "one")
        while jobs(new_database_url)["one"][0] == "PENDING" and time.monotonic() < deadline:
            time.sleep(0.02)
        assert jobs(new_database_url)["one"] == ("SUCCESS", owner)


@pytest.mark.slow
def test_an_embedded_engine_starts_with_the_sqlite_of_this_python(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'splitplan.db'}"
    worker, queue = EngineProcess(url, tmp_path), Queue(url)
    try:
        assert worker.name == "local"
        queue.put("quick", "one")
        assert worker.wait_for("begins") == ["one"]
        assert queue.unknown(["quick"], ["one", "two"]) == {"two"}

        # A job that ended before its plan did is in nobody's way.
        worker.tell("end", "one")
        deadline = time.monotonic() + 30.0
        while "one" not in queue.unknown(["quick"], ["one"]) and time.monotonic() < deadline:
            time.sleep(0.02)
        queue.put("quick", "one")
        assert worker.wait_for("begins", 2) == ["one", "one"]
    finally:
        queue.close()
        worker.kill()


@pytest.mark.slow
def test_a_job_survives_any_number_of_dead_workers(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'splitplan.db'}"
    first, queue = EngineProcess(url, tmp_path), Queue(url)
    second: EngineProcess | None = None
    try:
        assert first.name == "local"
        queue.put("quick", "one")
        first.wait_for("begins")
        first.kill()
        with sqlite3.connect(tmp_path / "splitplan.jobs.db") as database:
            assert (
                database.execute("UPDATE workflow_status SET recovery_attempts = 1000").rowcount
                == 1
            )
        database.close()
        second = EngineProcess(url, tmp_path)
        assert second.wait_for("begins") == ["one"]
    finally:
        queue.close()
        for worker in (first, *([second] if second is not None else [])):
            worker.kill()

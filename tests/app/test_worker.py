"""A worker whose solvers hang, crash and are killed, and that is itself frozen, killed and told to
stop.
"""

import os
import re
import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest
from sqlalchemy import select

from app import migration
from app.db import open_database
from app.errors import ConfigurationError
from app.plans.tables import PlanEventRow, PlanRow
from app.settings import Settings
from app.worker import Worker
from tests.support.background import (
    WorkerProcess,
    a_long_fleet,
    a_small_cell,
    a_worker,
    ended,
    eventually,
    lives,
    parent_of,
    read,
    solvers_of,
    submit,
    submit_long,
    under_way,
)
from tests.support.robust.requests import ROBUST
from tests.support.servers import Service
from tests.support.stopping.requests import STOPPING, store_profiles

pytestmark = pytest.mark.slow

on_sqlite = pytest.mark.parametrize("backend", ["sqlite"], indirect=True, scope="session")
on_postgres = pytest.mark.parametrize("backend", ["postgresql"], indirect=True, scope="session")

# What takes minutes, in fractions of a second.
IMPATIENT = "import app.slots as s\ns._OVERTIME, s._OVERTIME_S = 1.0, 1.0"


class Place:
    """A service without a worker on a database of its own, with profiles in it."""

    def __init__(
        self, service: Service, client: httpx.Client, folder: Path, stack: ExitStack
    ) -> None:
        self.service, self.client = service, client
        self._folder, self._stack, self._workers = folder, stack, 0

    def worker(self, first: str = IMPATIENT) -> WorkerProcess:
        """One more worker."""
        self._workers += 1
        log = self._folder / f"worker-{self._workers}.log"
        return self._stack.enter_context(a_worker(self.service.settings, log, first))

    def attempts(self, plan_id: str) -> int:
        """How often a plan was begun."""
        with self.service.database.reading() as session:
            return session.scalars(select(PlanRow.attempt).where(PlanRow.id == plan_id)).one()

    def ends(self) -> int:
        """How often a plan has ended."""
        over = ("solved", "infeasible", "failed", "cancelled", "timed_out")
        with self.service.database.reading() as session:
            return len(
                session.scalars(select(PlanEventRow.id).where(PlanEventRow.status.in_(over))).all()
            )


@contextmanager
def a_place(settings: Settings, folder: Path) -> Iterator[Place]:
    database = open_database(settings.database_url).of("default")
    migration.migrate(database)
    database.engine.dispose()
    with ExitStack() as stack:
        service = stack.enter_context(Service(settings))
        client = stack.enter_context(
            httpx.Client(base_url=service.url, timeout=60.0, trust_env=False, verify=False)
        )
        store_profiles(client)
        yield Place(service, client, folder, stack)


@pytest.fixture
def place(new_database_url: str, tmp_path: Path) -> Iterator[Place]:
    """A service without a worker."""
    settings = Settings(
        database_url=new_database_url, slots=1, lease_s=1.0, sync_max_users=5, shutdown_grace_s=30.0
    )
    with a_place(settings, tmp_path) as place:
        yield place


def kill_solver(worker: WorkerProcess, solver: int) -> None:
    assert lives(solver)
    signal_to(solver, signal.SIGKILL)
    eventually(lambda: not lives(solver))


def signal_to(process: int, number: signal.Signals) -> None:
    import os

    os.kill(process, number)


@pytest.mark.soak
@pytest.mark.slow  # nine solving processes are started one after the other
@on_sqlite
def test_solvers_that_crash_and_hang(place: Place) -> None:
    client = place.client
    worker = place.worker()
    # Once is an accident.
    plan_id = submit_long(client)
    under_way(client, plan_id)
    kill_solver(worker, worker.solver())
    assert ended(client, plan_id)["status"] == "solved"
    assert place.attempts(plan_id) == 2
    assert re.search(rf"plan {plan_id}: its process ended with .*-9.* \(1 of 3\)", worker.log)

    # Three times is the plan's own fault.
    plan_id = submit_long(client)
    for attempt in (1, 2, 3):
        eventually(lambda attempt=attempt: place.attempts(plan_id) == attempt)  # type: ignore[misc]
        kill_solver(worker, worker.solver())
    document = ended(client, plan_id)
    assert document["status"] == "failed"
    assert document["result"] is None
    assert document["failure"]["reason"] == "crashed"
    assert "3 times" in document["failure"]["detail"]
    assert place.attempts(plan_id) == 3

    # One that hangs is stopped some time after its limit.
    plan_id = submit_long(client, options={"time_limit_s": 1.0})
    eventually(lambda: place.attempts(plan_id) == 1)
    hung = worker.solver()
    signal_to(hung, signal.SIGSTOP)
    document = ended(client, plan_id)
    assert (document["status"], document["result"]) == ("timed_out", None)
    eventually(lambda: not lives(hung))

    # One that is cancelled is gone.
    plan_id = submit_long(client)
    under_way(client, plan_id)
    dropped = worker.solver()
    client.post(f"/v1/plans/{plan_id}/cancel")
    eventually(lambda: not lives(dropped), 10.0)
    assert ended(client, plan_id)["status"] == "cancelled"

    # And the slot is as good as new.
    assert ended(client, submit_long(client, 5))["status"] == "solved"
    assert place.ends() == 5
    assert "Traceback" not in worker.log


@on_sqlite
def test_a_worker_takes_what_was_there_before_it(place: Place) -> None:
    client, database = place.client, place.service.database
    accepted = [submit(client, a_small_cell()) for _ in range(3)]
    begun = submit(client, a_small_cell())
    with database.writing() as session:  # as a service leaves it that is killed while it answers
        row = session.scalars(select(PlanRow).where(PlanRow.id == begun)).one()
        row.status, row.attempt = "running", 1
    place.worker()
    for plan_id in (*accepted, begun):
        assert ended(client, plan_id)["status"] == "solved"
    assert place.attempts(begun) == 2
    assert place.ends() == 4
    with pytest.raises(ConfigurationError, match=r"another worker holds .*\.lock"):
        Worker(place.service.settings).run(threading.Event())


# Plans of two robots stand still as long as there is no file of that name; run in every process of
# a worker, once what solves is there.
GATED = """
import sys
if "multiprocessing.forkserver" in " ".join(sys.orig_argv):
    import pathlib, time
    import app.plans.service as service
    honest = service.attempted
    def attempted(plan_id, prepared, progress):
        while prepared.users == 2 and not pathlib.Path({gate!r}).exists():
            time.sleep(0.01)
        return honest(plan_id, prepared, progress)
    service.attempted = attempted
"""


@pytest.mark.soak
@pytest.mark.parametrize("how", ["killed", "cancelled", "hangs", "goes on"])
def test_what_befalls_one_of_a_batch_befalls_it_alone(
    place: Place, tmp_path: Path, how: str
) -> None:
    """Seven small plans are taken together; the third of them stands still until something is done
    to it, and the others do not wait for that for long.
    """
    client, gate = place.client, tmp_path / "gate"
    limit = {"options": {"time_limit_s": 0.2}} if how == "hangs" else {}
    still = a_long_fleet(2, **limit)
    small = [submit(client, a_small_cell()) for _ in range(2)]
    one = submit(client, still, STOPPING)
    small += [submit(client, a_small_cell()) for _ in range(4)]
    (tmp_path / "gated.py").write_text(GATED.format(gate=str(gate)))
    worker = place.worker(
        f"{IMPATIENT}\nimport os; os.environ['PYTHONPATH'] = {str(tmp_path)!r}\n"
        "import app.children as c; c._FORKSERVER.set_forkserver_preload(['gated', 'app.children'])"
    )
    for plan_id in small:
        assert ended(client, plan_id)["status"] == "solved"
    assert how == "hangs" or read(client, one)["status"] == "running"
    assert place.attempts(one) == 1
    if how == "cancelled":
        client.post(f"/v1/plans/{one}/cancel")
    elif how == "killed":
        kill_solver(worker, min(solvers_of(worker.process.pid)))  # the first one
        eventually(lambda: place.attempts(one) == 2)
        gate.touch()
    elif how == "goes on":
        gate.touch()
    otherwise = {"cancelled": "cancelled", "hangs": "timed_out"}
    assert ended(client, one)["status"] == otherwise.get(how, "solved")
    assert place.ends() == 7
    assert ended(client, submit(client, a_small_cell()))["status"] == "solved"
    assert "Traceback" not in worker.log


@pytest.mark.soak
@on_sqlite
def test_a_worker_that_is_told_to_stop_finishes_first(place: Place) -> None:
    client, worker = place.client, place.worker()
    plan_id = submit_long(client)
    waiting = submit_long(client, 10)
    under_way(client, plan_id)
    worker.send(signal.SIGTERM)
    assert worker.process.wait(timeout=60.0) == 0
    assert read(client, plan_id)["status"] == "solved"
    assert read(client, waiting)["status"] == "queued"
    assert "0 handed back" in worker.log
    assert place.attempts(plan_id) == 1
    place.worker()
    assert ended(client, waiting)["status"] == "solved"


@pytest.mark.soak
@on_sqlite
def test_a_plan_that_outlasts_the_grace_is_handed_back(
    new_database_url: str, tmp_path: Path
) -> None:
    settings = Settings(database_url=new_database_url, slots=1, lease_s=1.0, shutdown_grace_s=0.5)
    with a_place(settings, tmp_path) as place:
        client, worker = place.client, place.worker()
        plan_id = submit_long(client)
        under_way(client, plan_id)
        solver = worker.solver()
        worker.send(signal.SIGTERM)
        assert worker.process.wait(timeout=60.0) == 0
        assert "1 handed back" in worker.log
        eventually(lambda: not lives(solver))
        document = read(client, plan_id)
        assert (document["status"], document["result"]) == ("queued", None)
        place.worker()
        assert ended(client, plan_id)["status"] == "solved"
        assert place.ends() == 1


@pytest.mark.soak
@on_sqlite
def test_a_killed_worker_takes_its_solvers_along(place: Place) -> None:
    client, worker = place.client, place.worker()
    plan_id = submit_long(client)
    under_way(client, plan_id)
    solver = worker.solver()
    worker.send(signal.SIGKILL)
    worker.process.wait(timeout=30.0)
    eventually(lambda: not lives(solver), 10.0)
    assert read(client, plan_id)["status"] == "running"
    assert eventually(lambda: client.get("/readyz").status_code == 503), (
        "nobody is heard of any more"
    )
    place.worker()
    assert ended(client, plan_id)["status"] == "solved"
    assert place.attempts(plan_id) == 2
    assert place.ends() == 1
    assert client.get("/readyz").status_code == 200


@pytest.mark.soak
@on_sqlite
def test_a_killed_worker_leaves_its_validation_to_another(place: Place) -> None:
    client, worker = place.client, place.worker()
    planned = client.post(ROBUST, json=a_small_cell()).json()
    path = f"/v1/plans/{planned['id']}/validations"
    asked = {"trials": 1_000_000, "distributions": ["gamma", "lognormal"]}
    found = client.post(path, json=asked).json()
    later = {"Prefer": "respond-async"}
    job = client.post(path, json=asked, headers=later).headers["location"]
    eventually(lambda: client.get(job).json()["status"] != "queued")
    worker.send(signal.SIGKILL)
    worker.process.wait(timeout=30.0)
    place.worker()
    ended = eventually(lambda: document if "laws" in (document := client.get(job).json()) else None)
    assert (ended["laws"], ended["number"]) == (found["laws"], found["number"] + 1)


@pytest.mark.soak
@on_sqlite
def test_what_solvers_are_copied_from_is_idle_and_may_die(place: Place) -> None:
    client, worker = place.client, place.worker()
    plan_id = submit_long(client)
    under_way(client, plan_id)
    solver = worker.solver()
    original = parent_of(solver)
    assert len(list(Path(f"/proc/{original}/task").iterdir())) == 1, "no thread to lose in a copy"
    opened = [str(file.readlink()) for file in Path(f"/proc/{original}/fd").iterdir()]
    assert not [file for file in opened if ".db" in file], "no connection to share with a copy"
    os.kill(original, signal.SIGKILL)
    assert ended(client, plan_id)["status"] == "solved"
    after = submit(client, a_small_cell())
    assert ended(client, after)["status"] == "solved"
    assert place.ends() == 2, "whatever was computed twice, it ended once"
    assert worker.process.poll() is None
    worker.send(signal.SIGKILL)
    worker.process.wait(timeout=30.0)
    eventually(lambda: not lives(solver), 10.0)


@pytest.mark.soak
@on_postgres
def test_a_frozen_worker_is_taken_over_and_fenced_off(place: Place) -> None:
    client, frozen = place.client, place.worker()
    plan_id = submit_long(client)
    under_way(client, plan_id)
    solver = frozen.solver()
    for process in (solver, frozen.process.pid):
        signal_to(process, signal.SIGSTOP)
    other = place.worker()
    eventually(lambda: place.attempts(plan_id) == 2)
    # Both are at it now: the first one's answer would come later, and must not count.
    for process in (frozen.process.pid, solver):
        signal_to(process, signal.SIGCONT)
    assert ended(client, plan_id)["status"] == "solved"
    assert place.attempts(plan_id) == 2
    assert place.ends() == 1
    # And the frozen one works again.
    found = [submit_long(client, 10) for _ in range(6)]
    assert {ended(client, one)["status"] for one in found} == {"solved"}
    assert "Traceback" not in frozen.log + other.log


@on_postgres
def test_workers_share_the_work(place: Place) -> None:
    client = place.client
    one, other = place.worker(), place.worker()
    found = [submit_long(client, 60) for _ in range(4)]
    eventually(lambda: sum(read(client, plan_id)["status"] == "running" for plan_id in found) == 2)
    for plan_id in found:
        assert ended(client, plan_id)["status"] == "solved"
        assert place.attempts(plan_id) == 1
    assert client.get("/readyz").json()["workers"] == 2
    for worker in (one, other):
        worker.send(signal.SIGTERM)
    for worker in (one, other):
        assert worker.process.wait(timeout=60.0) == 0
    answer = client.get("/readyz")
    assert answer.status_code == 503, "whoever ends says so at once"

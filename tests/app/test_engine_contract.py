"""What is asked of the job engine beyond its public doors: taking over what dead workers were at.

The method is private to the engine, so a new release of it may change anything here without a word.
"""

import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, make_url, text

from app.queue import Queue

# A worker whose jobs end when it is told to, and whose takeovers are asked for by name.
PROGRAM = """
import os, sys, threading
from collections import defaultdict
from app.queue import Engine
told = defaultdict(threading.Event)
def say(line):
    os.write(1, f"{line}\\n".encode())  # in one piece, whichever threads speak
def work(plan_id):
    say(f"begins {plan_id}")
    told[plan_id].wait()
engine = Engine(sys.argv[1], 2, work, work, work)
engine.start()
say(f"is {engine.name}")
for line in sys.stdin:
    word, *names = line.split()
    if word == "end":
        told[names[0]].set()
    else:
        engine.take_over(names)
        say("took over")
"""


class Worker:
    """An engine in a process of its own."""

    def __init__(self, url: str, folder: Path) -> None:
        self._log = folder / f"{len(list(folder.glob('*.log')))}.log"
        with self._log.open("wb") as written:
            self.process = subprocess.Popen(
                [sys.executable, "-c", PROGRAM, url],
                stdin=subprocess.PIPE,
                stdout=written,
                text=True,
            )

    @property
    def name(self) -> str:
        return self.wait_for("is")[0]

    def said(self, word: str) -> list[str]:
        """What followed a word, each time it was said."""
        lines = [line.split() for line in self._log.read_text().splitlines()]
        return [line[1] for line in lines if len(line) > 1 and line[0] == word]

    def wait_for(self, word: str, times: int = 1) -> list[str]:
        deadline = time.monotonic() + 60.0
        while len(found := self.said(word)) < times:
            assert self.process.poll() is None, "the engine ended"
            assert time.monotonic() < deadline, self._log.read_text()
            time.sleep(0.02)
        return found

    def tell(self, *words: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(" ".join(words) + "\n")
        self.process.stdin.flush()

    def take_over(self, *names: str) -> None:
        times = len(self.said("took"))
        self.tell("take_over", *names)
        self.wait_for("took", times + 1)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        if self.process.stdin is not None:
            self.process.stdin.close()


def jobs(url: str) -> dict[str, tuple[str, str | None]]:
    """Status and executor of each plan's job."""
    engine = create_engine(make_url(url).set(drivername="postgresql+psycopg"))
    with engine.connect() as connection:
        rows = connection.execute(
            text("SELECT workflow_uuid, status, executor_id FROM dbos.workflow_status")
        ).all()
    engine.dispose()
    return {job.rpartition("-")[2]: (status, executor) for job, status, executor in rows}


@pytest.fixture
def backend() -> str:
    """On SQLite there is one worker at most, and nobody to take over."""
    return "postgresql"


@pytest.fixture
def workers(new_database_url: str, tmp_path: Path) -> Iterator[list[Worker]]:
    """Three: the first is at two plans, the second at one, the third at none."""
    first = Worker(new_database_url, tmp_path)
    running = [first]
    queue = Queue(new_database_url)
    try:
        assert first.name
        for plan in ("one", "two"):
            queue.put("plan", plan)
        first.wait_for("begins", 2)
        running += [Worker(new_database_url, tmp_path), Worker(new_database_url, tmp_path)]
        assert running[1].name != running[2].name
        queue.put("plan", "three")
        while not (begun := [worker for worker in running[1:] if worker.said("begins")]):
            time.sleep(0.02)
        yield [first, *begun, *(worker for worker in running[1:] if worker not in begun)]
    finally:
        queue.close()
        for worker in running:
            worker.kill()


@pytest.mark.slow
def test_only_what_the_named_dead_were_at_is_begun_again_and_once(
    new_database_url: str, workers: list[Worker]
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


@pytest.mark.slow
def test_who_was_taken_for_dead_can_end_nothing_any_more(
    new_database_url: str, workers: list[Worker]
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
    assert jobs(new_database_url)["one"] == ("PENDING", owner), "the late result counts for nothing"

    new = next(worker for worker in workers if worker.name == owner)
    new.tell("end", "one")
    while jobs(new_database_url)["one"][0] == "PENDING" and time.monotonic() < deadline:
        time.sleep(0.02)
    assert jobs(new_database_url)["one"] == ("SUCCESS", owner)


@pytest.mark.slow
def test_an_embedded_engine_starts_with_the_sqlite_of_this_python(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'splitplan.db'}"
    worker, queue = Worker(url, tmp_path), Queue(url)
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
    first, queue = Worker(url, tmp_path), Queue(url)
    second: Worker | None = None
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
        second = Worker(url, tmp_path)
        assert second.wait_for("begins") == ["one"]
    finally:
        queue.close()
        for worker in (first, *([second] if second is not None else [])):
            worker.kill()

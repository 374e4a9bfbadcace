"""What an earlier build has left behind is finished by this one: a database of it whose processes
were killed at work (`benchmarks/earlier_plans.py`), and that build itself beside this one.
"""

import gzip
import json
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from sqlalchemy import func, select

from app import migration
from app.db import Database, open_database
from app.plans.tables import PlanEventRow, PlanRow
from app.settings import Settings
from benchmarks import baseline
from benchmarks.rig import Process
from tests.support.background import (
    UNENDED,
    a_small_cell,
    a_worker,
    ended,
    eventually,
    submit,
    submit_long,
)
from tests.support.operator import failed, splitplan
from tests.support.robust.requests import ROBUST
from tests.support.servers import Service
from tests.support.stopping.requests import store_profiles

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent / "earlier"


@pytest.fixture
def earlier(new_database_url: str, backend: str) -> Iterator[Database]:
    """The database as it was left, at the schema of then."""
    statements = gzip.decompress((HERE / f"{backend}.sql.gz").read_bytes()).decode()
    if backend == "sqlite":
        with sqlite3.connect(new_database_url.removeprefix("sqlite:///")) as file:
            file.executescript(statements)
        file.close()
    else:
        with psycopg.connect(new_database_url, autocommit=True) as connection:
            connection.execute(statements.encode())
    database = open_database(new_database_url)
    yield database
    database.engine.dispose()


def ends(database: Database) -> dict[str, int]:
    """How often each plan that has events has ended."""
    over = PlanEventRow.status.not_in(UNENDED)
    with database.reading() as session:
        counted = select(PlanRow.id, func.count()).join(
            PlanEventRow, PlanEventRow.plan_number == PlanRow.number
        )
        found = session.execute(counted.where(over).group_by(PlanRow.id))
        return {plan_id: times for plan_id, times in found}  # noqa: C416 - rows are no pairs to mypy


def keeps(told: Any, before: Any) -> bool:
    """Whether an answer says all that it said before; it may say more, and instants end with Z."""
    if isinstance(before, dict):
        return isinstance(told, dict) and all(
            name in told and keeps(told[name], value) for name, value in before.items()
        )
    if isinstance(before, list):
        return len(told) == len(before) and all(map(keeps, told, before))
    if isinstance(before, str):
        before = before.replace("+00:00", "Z")
    return bool(told == before)


def test_plans_of_an_earlier_build_are_kept_and_finished(
    earlier: Database, new_database_url: str, backend: str, tmp_path: Path
) -> None:
    asked = json.loads((HERE / f"{backend}.json").read_text())
    told = failed(splitplan("worker", SPLITPLAN_DATABASE_URL=new_database_url))
    assert "splitplan migrate" in told, "nobody works on a schema that is not his own"
    migration.migrate(earlier)
    settings = Settings(database_url=new_database_url, lease_s=1.0)
    with (
        Service(settings) as service,
        a_worker(settings, tmp_path / "log"),
        httpx.Client(base_url=service.url, timeout=60.0, trust_env=False, verify=False) as client,
    ):
        for answer in asked["ended"]:
            assert keeps(client.get(f"/v1/plans/{answer['id']}").json(), answer)
        unended = [asked["running"], *asked["waiting"]]
        for plan_id in unended:
            assert ended(client, plan_id)["status"] == "solved"
        again = client.post(ROBUST, json=a_small_cell(), headers={"Idempotency-Key": "kept"})
        assert again.json()["id"] == asked["waiting"][-1]
    assert {plan_id: ends(earlier)[plan_id] for plan_id in unended} == dict.fromkeys(unended, 1)
    with earlier.reading() as session:
        begun = select(PlanRow.attempt).where(PlanRow.id == asked["running"])
        assert session.scalars(begun).one() == 2


@pytest.fixture(scope="module")
def program() -> Iterator[Path]:
    """The files of the earlier build."""
    known = ["git", "cat-file", "-e", f"{baseline.COMMIT}^{{commit}}"]
    if subprocess.run(known, cwd=baseline.CHECKOUT, capture_output=True).returncode != 0:
        pytest.skip(f"this clone has no commit {baseline.COMMIT}")
    with baseline.laid_out(baseline.COMMIT) as folder:
        yield folder


class Writers:
    """Clients that have small plans solved later, until they are told to stop."""

    def __init__(self, url: str) -> None:
        self.accepted: list[str] = []
        self.refused: list[int] = []
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._write, args=(url,)) for _ in range(3)]

    def __enter__(self) -> "Writers":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(timeout=120.0)

    def more(self, count: int = 20) -> None:
        """Wait until so many more were accepted."""
        wanted = len(self.accepted) + count
        eventually(lambda: len(self.accepted) >= wanted)

    def _write(self, url: str) -> None:
        later = {"Prefer": "respond-async"}
        with httpx.Client(base_url=url, timeout=60.0, trust_env=False, verify=False) as client:
            while not self._stop.is_set():
                answer = client.post(ROBUST, json=a_small_cell(), headers=later)
                if answer.status_code == 202:
                    self.accepted.append(answer.json()["id"])
                else:
                    self.refused.append(answer.status_code)


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_an_earlier_build_is_replaced_while_it_works(
    program: Path, new_database_url: str, tmp_path: Path
) -> None:
    """Its web goes on answering while the schema changes under it; what it accepted before, during
    and after is finished by this build, once. Its own processes refuse to start from then on.
    """
    given = {"database_url": new_database_url, "lease_s": 2}
    settings = Settings(database_url=new_database_url, lease_s=1.0)
    with ExitStack() as stack:

        def start(*words: str, **more: object) -> Process:
            process = Process(tmp_path, *words, checkout=program, **given, **more)
            stack.callback(process.popen.wait)
            stack.callback(process.popen.kill)
            return process

        web = start("serve", "--migrate", "--port", "0", workers=0)
        url = web.address()
        worker = start("worker")
        worker.name()
        old = stack.enter_context(httpx.Client(base_url=url, timeout=60.0, trust_env=False))
        store_profiles(old)
        long = submit_long(old)
        eventually(lambda: old.get(f"/v1/plans/{long}").json()["status"] == "running")
        with Writers(url) as writers:
            writers.more()
            migrate = [sys.executable, "-m", "app.command", "migrate"]
            Process(tmp_path, "migrate", command=migrate[:-1], **given).popen.wait(120.0)
            writers.more()
            worker.signal(signal.SIGKILL, whole=True)
            writers.more()
            stack.enter_context(a_worker(settings, tmp_path / "this.log"))
            writers.more()
        assert set(writers.refused) <= {503}
        for words in (("serve", "--port", "0"), ("worker",)):
            late = start(*words)
            assert late.popen.wait(60.0) == 1
            (line,) = late.log.read_text().splitlines()
            assert line.startswith("Error: ")
        new = stack.enter_context(Service(settings))
        client = stack.enter_context(
            httpx.Client(base_url=new.url, timeout=60.0, trust_env=False, verify=False)
        )
        accepted = [long, *writers.accepted]
        for plan_id in accepted:
            assert ended(client, plan_id)["status"] == "solved"
            assert old.get(f"/v1/plans/{plan_id}").status_code == 200
        submit(client, a_small_cell())
    database = open_database(new_database_url)
    counted = ends(database)
    database.engine.dispose()
    assert {plan_id: counted.get(plan_id) for plan_id in accepted} == dict.fromkeys(accepted, 1)

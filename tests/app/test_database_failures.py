"""Databases that are held, full, read-only or gone: who is told what, and who is answered still."""

import errno
import os
import resource
import shutil
import sqlite3
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import httpx
import orjson
import pytest
from sqlalchemy import Connection, Engine, event, select, text
from sqlalchemy.exc import OperationalError

from app import migration
from app.database_failures import told
from app.db import open_database
from app.drivers import AWAY
from app.errors import DatabaseBusy, DatabaseFull, DatabaseReadOnly, DatabaseUnavailable
from app.experiments.tables import ExperimentRow
from app.plans import jobs
from app.plans.backlog import PLANS
from app.plans.tables import PlanRow
from app.settings import Settings
from tests.support.background import a_small_cell, submit
from tests.support.builders import a_device, a_server
from tests.support.servers import Service
from tests.support.working import Silent, taken


@pytest.fixture
def impatient(new_database_url: str) -> Iterator[Service]:
    settings = Settings(database_url=new_database_url, lock_timeout_s=0.5, workers=0)
    database = open_database(settings.database_url)
    migration.migrate(database)
    database.engine.dispose()
    with Service(settings) as service:
        yield service


def client_of(service: Service) -> httpx.Client:
    return httpx.Client(base_url=service.url, timeout=60.0, trust_env=False, verify=False)


@contextmanager
def unwritable(service: Service, how: str) -> Iterator[None]:
    """A database that may only be read, or that has no room."""
    engine = service.database.engine
    if engine.dialect.name == "sqlite":
        forbid, allow = {
            "read-only": ("query_only = 1", "query_only = 0"),
            "full": ("max_page_count = 1", "max_page_count = 1073741823"),
        }[how]
        now = forbid
        with closing(sqlite3.connect(str(engine.url.database))) as connection:
            connection.execute("VACUUM")  # what migrations left free would be room

        def begin(connection: Connection) -> None:
            connection.exec_driver_sql(f"PRAGMA {now}")

        event.listen(engine, "begin", begin, insert=True)
        yield
        now = allow
    else:
        set_read_only(engine, "on")
        yield
        set_read_only(engine, "off")


def set_read_only(engine: Engine, which: str) -> None:
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        name = connection.exec_driver_sql("SELECT current_database()").scalar_one()
        connection.exec_driver_sql("SET default_transaction_read_only = off")
        connection.exec_driver_sql(
            f"ALTER DATABASE {name} SET default_transaction_read_only = {which}"
        )
        connection.exec_driver_sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    engine.dispose()


@pytest.mark.slow
@pytest.mark.parametrize("how", ["read-only", "full"])
def test_where_nothing_can_be_written_nothing_is_lost(
    impatient: Service, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = impatient.database
    if how == "full" and database.engine.dialect.name == "postgresql":
        pytest.skip("a test has no disk of its own to fill")
    monkeypatch.setattr(jobs, "_PATIENCE_S", 0.0)
    with client_of(impatient) as client:
        plan_id = submit(client, a_small_cell())
        piece = taken(database, PLANS, plan_id)
        assert piece is not None
        with unwritable(impatient, how):
            names = (f"camera-{n}" for n in range(30))
            answers = (client.post("/v1/devices", json=a_device(name=name)) for name in names)
            refused = next(answer for answer in answers if answer.status_code != 201)
            assert (refused.status_code, refused.headers["Retry-After"]) == (503, "2")
            assert refused.json()["type"] == f"/v1/problem-types/database-{how}"
            with pytest.raises(AWAY):
                PLANS.run(database, [piece], Silent())
            assert client.get(f"/v1/plans/{plan_id}").json()["status"] == "running"
        PLANS.run(database, [piece], Silent())
        assert client.get(f"/v1/plans/{plan_id}").json()["status"] == "solved"
        again = a_device(name=orjson.loads(refused.request.content)["name"])
        assert client.post("/v1/devices", json=again).status_code == 201


@pytest.mark.slow
def test_one_hot_row_holds_up_nobody_else(impatient: Service) -> None:
    with client_of(impatient) as client:
        for body, at in ((a_device(), "devices"), (a_server(), "servers")):
            assert client.post(f"/v1/{at}", json=body).status_code == 201

        def put(n: int) -> int:
            body = a_device(tx_power_w=0.1 + n / 1000.0)
            headers = {"If-Match": "*"}
            return client.put("/v1/devices/camera-cpu", json=body, headers=headers).status_code

        with ThreadPoolExecutor(60) as callers:
            puts = [callers.submit(put, n) for n in range(60)]
            reads = [client.get("/v1/servers/edge-gpu").status_code for _ in range(20)]
            said = Counter(one.result() for one in puts)
    assert reads == [200] * 20
    assert set(said) <= {200, 503}, said
    assert said[200] >= 1, said


@pytest.mark.slow
def test_a_locked_table_does_not_take_the_service_with_it(impatient: Service) -> None:
    if impatient.database.engine.dialect.name == "sqlite":
        pytest.skip("SQLite has no locks on tables, and its readers wait for nobody")
    with client_of(impatient) as client, impatient.database.engine.connect() as migrating:
        migrating.execute(text("LOCK TABLE profile IN ACCESS EXCLUSIVE MODE"))
        with ThreadPoolExecutor(45) as callers:
            reads = [callers.submit(client.get, "/v1/devices") for _ in range(45)]
            assert client.get("/livez").status_code == 200
            ready = client.get("/readyz")
            answers = [one.result() for one in reads]
        assert "No worker was heard of" in ready.text, ready.text
        assert {one.status_code for one in answers} == {503}
        assert {one.json()["type"].rpartition("/")[2] for one in answers} == {"database-busy"}
        assert all(one.headers["Retry-After"] == "2" for one in answers)
        migrating.rollback()
        assert client.get("/v1/devices").status_code == 200


def test_a_file_that_is_gone_is_told_by_readyz(tmp_path: Path) -> None:
    file = tmp_path / "splitplan.db"
    database = open_database(f"sqlite:///{file}")
    migration.migrate(database)
    database.engine.dispose()
    settings = Settings(database_url=f"sqlite:///{file}", workers=0, key_cache_s=0.0)
    with Service(settings) as service, client_of(service) as client:
        assert client.post("/v1/devices", json=a_device()).status_code == 201
        shutil.move(file, tmp_path / "away.db")
        for refused in (client.post("/v1/servers", json=a_server()), client.get("/readyz")):
            assert refused.status_code == 503
            assert refused.json()["type"].endswith("/database-replaced")
        shutil.move(tmp_path / "away.db", file)
        assert client.post("/v1/servers", json=a_server()).status_code == 201


def test_a_full_or_read_only_file_is_told_apart(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "x.db")
    connection.execute("CREATE TABLE t (x)")
    connection.execute("PRAGMA max_page_count = 2")
    with pytest.raises(sqlite3.OperationalError) as full:
        connection.execute("INSERT INTO t VALUES (zeroblob(100000))")
    connection.execute("PRAGMA query_only = 1")
    with pytest.raises(sqlite3.OperationalError) as read_only:
        connection.execute("INSERT INTO t VALUES (1)")
    connection.close()
    late = TimeoutError("writers waited")
    for cause, kind in (
        (full.value, DatabaseFull),
        (read_only.value, DatabaseReadOnly),
        (late, DatabaseBusy),
        (OSError("away"), DatabaseUnavailable),
    ):
        assert type(told(OperationalError("", None, cause))) is kind


@contextmanager
def no_larger_than(byte: int) -> Iterator[None]:
    """A process whose files may have so many bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (byte, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def refused(connection: Connection) -> OperationalError:
    with pytest.raises(OperationalError) as refused:
        connection.exec_driver_sql("INSERT INTO t VALUES (zeroblob(4000000))")
    return refused.value


def test_a_file_that_may_not_grow_and_a_used_up_quota_are_no_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = open_database(f"sqlite:///{tmp_path / 'x.db'}")
    with database.engine.connect() as connection:
        connection.exec_driver_sql("CREATE TABLE t (x)")
        connection.commit()
        with no_larger_than(1_000_000):
            full = refused(connection)
        assert type(told(full)) is DatabaseFull, full

        # SQLite is refused by the size of its file, which nothing else here tells any more.
        wide = resource.RLIM_INFINITY
        quota = OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))
        broken = OSError(errno.EIO, os.strerror(errno.EIO))
        for says, kind in ((quota, DatabaseFull), (broken, DatabaseUnavailable)):

            def fsync(_: int, says: OSError = says) -> None:
                raise says

            with no_larger_than(1_000_000), monkeypatch.context() as patched:
                patched.setattr(resource, "getrlimit", lambda _: (wide, wide))
                patched.setattr(os, "fsync", fsync)
                failure = refused(connection)
            assert type(told(failure)) is kind, failure
    database.engine.dispose()


def test_what_was_accepted_is_told_though_nobody_can_look_at_it_then(
    impatient: Service,
) -> None:
    def away(_: Connection, __: object, text: str, *___: object) -> None:
        if text.startswith(("SELECT plan.status", "SELECT experiment.")):
            raise OperationalError(text, None, TimeoutError("held by others"))

    app_database = impatient.app.state.database
    watched = {app_database.engine, app_database._readers.of_all}
    for engine in watched:
        event.listen(engine, "before_cursor_execute", away)
    with client_of(impatient) as client:
        headers = {"Prefer": "respond-async, wait=5"}
        answer = client.post("/v1/plans/robust", json=a_small_cell(), headers=headers)
        asked = {
            "base": {"kind": "robust", "request": a_small_cell()},
            "axes": [{"pointer": "/bandwidth_hz", "values": [1e7, 2e7]}],
        }
        experiment = client.post("/v1/experiments", json=asked, headers=headers)
    assert (answer.status_code, experiment.status_code) == (202, 202), experiment.text
    for engine in watched:
        event.remove(engine, "before_cursor_execute", away)
    with impatient.database.reading() as session:
        assert session.scalar(select(PlanRow.id)) == answer.json()["id"]
        stored = session.scalar(select(ExperimentRow.id))
    assert stored == experiment.json()["id"]
    with client_of(impatient) as client:
        assert client.get(f"/v1/experiments/{stored}").json() == experiment.json()

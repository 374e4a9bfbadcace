"""A service whose plans nobody solves in the background."""

from collections.abc import Iterator

import httpx
import pytest

from app import migration
from app.db import Base, open_database
from app.settings import Settings
from tests.support.databases import empty_database
from tests.support.servers import Service


@pytest.fixture(scope="session")
def _idle(backend: str, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Service]:
    for url in empty_database(backend, tmp_path_factory.mktemp("idle"), request):
        database = open_database(url)
        migration.migrate(database)
        database.engine.dispose()
        with Service(Settings(database_url=url, sync_max_users=5, max_queued=10)) as service:
            yield service


@pytest.fixture
def idle(_idle: Service) -> Service:
    """A service without a worker, with empty tables, that answers five users at once and lets ten plans wait."""
    with _idle.database.writing() as session:
        for table in reversed(Base.metadata.sorted_tables):
            session.execute(table.delete())
    return _idle


@pytest.fixture
def idle_client(idle: Service) -> Iterator[httpx.Client]:
    """An HTTP client of the service without a worker."""
    with httpx.Client(base_url=idle.url, timeout=60.0, trust_env=False, verify=False) as client:
        yield client

"""Liveness and readiness."""

import httpx
import pytest

from app import migration, workers
from app.db import open_database
from app.settings import Settings
from solvers.compiled.library import described
from tests.support.servers import Service


def test_a_running_service_is_alive_and_ready(
    client: httpx.Client, service: Service, worker: str, backend: str
) -> None:
    assert client.get("/livez").json() == {"status": "alive"}
    with service.database.writing() as session:
        workers.beat(session, worker, slots=1)
    ready = client.get("/readyz")
    assert ready.status_code == 200, ready.text
    assert ready.json() == {
        "status": "ready",
        "database": backend,
        "schema_version": migration.newest(),
        "workers": 1,
        "waiting": 0,
        "kernel": described(),
    }


@pytest.mark.parametrize("revision", [None, "0001"])
def test_an_old_schema_is_not_ready(new_database_url: str, revision: str | None) -> None:
    if revision is not None:
        database = open_database(new_database_url)
        migration.migrate(database, revision)
        database.engine.dispose()
        if revision == migration.newest():
            pytest.skip("there is only one schema version")
    with Service(Settings(database_url=new_database_url)) as service:
        answer = httpx.get(f"{service.url}/readyz", trust_env=False)
        assert answer.status_code == 503
        assert answer.json()["type"] == "/v1/problem-types/not-ready"
        assert "splitplan migrate" in answer.json()["detail"]
        assert httpx.get(f"{service.url}/livez", trust_env=False).status_code == 200

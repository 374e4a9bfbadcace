"""Where a database may be brought to: nothing is lost unsaid, nor what is accepted meanwhile."""

import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from alembic import command
from alembic.util import CommandError
from sqlalchemy import text

from app import migration
from app.contents import Contents, contents, lost
from app.db import Database, open_database
from app.settings import Settings
from tests.support.builders import a_device
from tests.support.operator import failed, splitplan
from tests.support.robust.requests import ROBUST, a_cell, a_user, store_profiles
from tests.support.servers import Service


@pytest.fixture
def database(new_database_url: str) -> Iterator[Database]:
    database = open_database(new_database_url)
    yield database
    database.engine.dispose()


def held(database: Database) -> Contents:
    with database.writing() as session:
        return contents(session.connection(), frozenset({"alembic_version", "plan.stored_byte"}))


def version(database: Database) -> str | None:
    with database.reading() as session:
        return migration.current(session.connection())


@pytest.mark.slow
def test_going_back_loses_nothing_that_nobody_said_may_be(
    database: Database, new_database_url: str
) -> None:
    def to(*where: str) -> object:
        return splitplan("migrate", "--to", *where, SPLITPLAN_DATABASE_URL=new_database_url)

    assert "there is no schema version 0815" in failed(to("0815"))
    assert to("head").returncode == 0
    with database.writing() as session:
        session.connection().exec_driver_sql(
            "INSERT INTO plan (id, kind, status, users, created_at, request, request_hash, answer,"
            " priority, has_result, revoked) VALUES ('a', 'robust', 'solved', 1, '2026-01-01',"
            " '{}', '', '{\"result\": {}}', 'high', true, '{\"why\": \"evidence\"}')"
        )
    before = held(database)
    # Which plans have a result is found out again on the way up.
    assert to("0010").returncode == 0
    assert version(database) == "0010"
    assert to("head").returncode == 0
    assert lost(before, held(database)) == []
    told = failed(to("0009"))
    assert "1 of 1 values of plan.revoked" in told
    assert "--lose-data" in told
    assert (version(database), lost(before, held(database))) == (migration.newest(), [])
    assert "1 of 1 rows of plan" in failed(to("base"))
    assert to("0004", "--lose-data").returncode == 0
    assert version(database) == "0004"
    assert to("head").returncode == 0
    assert {name.rpartition(" ")[2] for name in lost(before, held(database))} == {
        "plan.priority",
        "plan.revoked",
    }
    with database.writing() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    assert "9999, made by a newer release" in failed(to("head"))


def test_alembic_alone_does_not_go_back(
    database: Database, new_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It asks nobody whether something is lost."""
    monkeypatch.setenv("SPLITPLAN_DATABASE_URL", new_database_url)
    command.upgrade(migration.configuration(), "head")
    before = held(database)
    for where in ("-1", "base"):
        with pytest.raises(CommandError, match="splitplan migrate --to"):
            command.downgrade(migration.configuration(), where)
    assert version(database) == migration.newest()
    assert held(database) == before


def next_release(folder: Path) -> Path:
    """The migrations with one more, which makes the table of plans again and takes its time."""
    shutil.copytree(Path(next(iter(migration.migrations.__path__))), folder)
    (folder / "versions" / "9999_next.py").write_text(f"""
import time
import sqlalchemy as sa
from alembic import op

revision, down_revision = "9999", "{migration.newest()}"

def upgrade():
    op.add_column("plan", sa.Column("next", sa.Integer(), nullable=False, server_default="7"))
    op.add_column("profile", sa.Column("next", sa.Integer(), nullable=True))
    op.execute("UPDATE plan SET next = number")
    time.sleep(0.5)

def downgrade():
    op.drop_column("profile", "next")
    op.drop_column("plan", "next")
""")
    return folder


@pytest.mark.slow
def test_what_is_accepted_while_the_next_release_migrates_is_kept(
    database: Database, new_database_url: str, tmp_path: Path
) -> None:
    migration.migrate(database)
    accepted: list[str] = []
    refused: list[int] = []
    stop = threading.Event()
    settings = Settings(database_url=new_database_url, sqlite_busy_timeout_s=0.2)

    def write(url: str, writer: int) -> None:
        with httpx.Client(base_url=url, timeout=60.0, trust_env=False, verify=False) as client:
            for number in range(10_000):
                name = f"written-{writer}-{number}"
                answers = (
                    client.post("/v1/devices", json=a_device(name=name)),
                    client.post(ROBUST, json=a_cell(a_user())),
                )
                for answer in answers:
                    if answer.status_code == 201:
                        accepted.append(answer.headers["location"])
                    else:
                        refused.append(answer.status_code)
                if stop.is_set():
                    return

    with (
        Service(settings) as service,
        httpx.Client(base_url=service.url, trust_env=False, verify=False) as client,
    ):
        store_profiles(client)
        writers = [threading.Thread(target=write, args=(service.url, n)) for n in range(3)]
        for writer in writers:
            writer.start()
        while len(accepted) < 10:
            stop.wait(0.01)
        config = migration.configuration(database)
        folder = str(next_release(tmp_path / "next")).replace("%", "%%")
        config.set_main_option("script_location", folder)
        command.upgrade(config, "head")
        migrated = len(accepted)
        while len(accepted) < migrated + 10:  # the old web goes on answering
            stop.wait(0.01)
        stop.set()
        for writer in writers:
            writer.join(timeout=60.0)
        assert client.get("/readyz").status_code == 503
        gone = [place for place in accepted if client.get(place).status_code != 200]
    assert gone == []
    assert set(refused) <= {503}
    with database.reading() as session:
        assert session.scalar(text("SELECT count(*) FROM plan WHERE next = number")) > 0
        plans = set(session.scalars(text("SELECT '/v1/plans/' || id FROM plan")))
        names = set(session.scalars(text("SELECT '/v1/devices/' || name FROM profile")))
    assert plans | {name for name in names if "/written-" in name} == set(accepted)

"""Up, no drift, down: on both databases."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from subprocess import PIPE, STDOUT

import pytest
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text
from sqlalchemy.exc import IntegrityError

from app import migration
from app.db import Database, open_database
from app.errors import ConfigurationError


@pytest.fixture
def database(new_database_url: str) -> Iterator[Database]:
    database = open_database(new_database_url)
    yield database
    database.engine.dispose()


def tables(database: Database) -> set[str]:
    return set(inspect(database.engine).get_table_names()) - {"alembic_version"}


def version(database: Database) -> str | None:
    with database.reading() as session:
        return migration.current(session.connection())


@pytest.mark.slow
def test_up_without_drift_and_down_again(database: Database) -> None:
    assert version(database) is None
    migration.migrate(database)
    assert version(database) == migration.newest()
    assert {"profile", "profile_revision"} <= tables(database)
    # Raises if the tables and the migrations differ.
    command.check(migration.configuration(database))
    command.downgrade(migration.configuration(database), "base")
    assert tables(database) == set()
    migration.migrate(database)
    assert version(database) == migration.newest()


@pytest.mark.slow
def test_every_version_can_be_reached_and_left(database: Database) -> None:
    script = ScriptDirectory.from_config(migration.configuration())
    assert migration.newest() == script.get_current_head()
    for revision in reversed([entry.revision for entry in script.walk_revisions()]):
        migration.migrate(database, revision)
        command.downgrade(migration.configuration(database), "-1")
        migration.migrate(database, revision)
        assert version(database) == revision


@pytest.mark.slow
def test_several_processes_may_migrate_at_once(new_database_url: str) -> None:
    command_line = [str(Path(sys.executable).with_name("splitplan")), "migrate"]
    environment = {**os.environ, "SPLITPLAN_DATABASE_URL": new_database_url}
    running = [
        subprocess.Popen(command_line, env=environment, stdout=PIPE, stderr=STDOUT)
        for _ in range(2)
    ]
    outputs = [process.communicate(timeout=60)[0] for process in running]
    assert [process.returncode for process in running] == [0, 0], outputs


def test_a_failed_migration_changes_nothing(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = ScriptDirectory.from_config(migration.configuration())
    first = script.get_revision("0001").module

    def fails() -> None:
        create()
        raise RuntimeError("half way")

    create = first.upgrade
    monkeypatch.setattr(ScriptDirectory, "from_config", lambda _: script)
    monkeypatch.setattr(first, "upgrade", fails)
    with pytest.raises(RuntimeError, match="half way"):
        migration.migrate(database, "0001")
    assert tables(database) == set()
    monkeypatch.undo()
    migration.migrate(database)
    assert version(database) == migration.newest()


def a_plan(kind: str) -> str:
    return (
        "INSERT INTO plan (id, kind, status, users, created_at, request, request_hash, answer) "
        f"VALUES ('{kind}', '{kind}', 'solved', 1, '2026-01-01', '{{}}', '', '{{}}')"
    )


@pytest.mark.slow
def test_kinds_of_plans_are_open_from_0008_on(database: Database) -> None:
    """Both ways with rows in the tables, none of which are lost but those that 0007 cannot hold."""

    def kinds() -> set[str]:
        with database.reading() as session:
            return set(session.scalars(text("SELECT kind FROM plan")))

    def told() -> int:
        with database.reading() as session:
            return session.scalars(text("SELECT count(*) FROM plan_users")).one()

    migration.migrate(database, "0007")
    with database.writing() as session:
        session.execute(text(a_plan("robust")))
        number = session.scalars(text("SELECT number FROM plan")).one()
        session.execute(text(f"INSERT INTO plan_users VALUES ({number}, 0, '[]', '[]')"))
    with pytest.raises(IntegrityError), database.writing() as session:
        session.execute(text(a_plan("unheard-of")))
    migration.migrate(database, "0008")
    with database.writing() as session:
        session.execute(text(a_plan("unheard-of")))
    assert (kinds(), told()) == ({"robust", "unheard-of"}, 1)
    with pytest.raises(IntegrityError), database.writing() as session:
        session.execute(text("UPDATE plan SET status = 'unheard-of'"))
    command.downgrade(migration.configuration(database), "-1")
    assert (kinds(), told()) == ({"robust"}, 1)
    with pytest.raises(IntegrityError), database.writing() as session:
        session.execute(text(a_plan("unheard-of")))
    if database.engine.dialect.name == "sqlite":
        with database.reading() as session:
            assert session.scalars(text("PRAGMA integrity_check")).all() == ["ok"]


@pytest.mark.slow
def test_plans_know_whether_they_have_a_result_from_0011_on(database: Database) -> None:
    migration.migrate(database, "0010")
    with database.writing() as session:
        for kind, result in (("robust", "{}"), ("stopping", "null")):
            plan = a_plan(kind).removesuffix("'{}')") + f"'{{\"result\":{result}}}')"
            session.connection().exec_driver_sql(plan)
    migration.migrate(database)
    with database.reading() as session:
        having = session.scalars(text("SELECT kind FROM plan WHERE has_result")).all()
    assert having == ["robust"]
    command.downgrade(migration.configuration(database), "0010")
    migration.migrate(database)


@pytest.mark.slow
def test_measurements_are_of_power_too_from_0009_on(database: Database) -> None:
    """Both ways with rows and their samples, none of which are lost but those of power."""

    def counts() -> tuple[int, int]:
        with database.reading() as session:
            return (
                session.scalars(text("SELECT count(*) FROM measurement")).one(),
                session.scalars(text("SELECT count(*) FROM measured_samples")).one(),
            )

    def measured(number: int, kind: str) -> None:
        values = f"1, {number}, '{kind}', 1, '2026-01-01', '{{}}', '{{}}'"
        columns = "profile_id, number, kind, revision, created_at, summary, details"
        with database.writing() as session:
            session.execute(text(f"INSERT INTO measurement ({columns}) VALUES ({values})"))
            key = session.scalars(text("SELECT max(id) FROM measurement")).one()
            session.execute(
                text(f"INSERT INTO measured_samples VALUES ({key}, :content)"),
                {"content": b"samples"},
            )

    migration.migrate(database, "0008")
    with database.writing() as session:
        session.execute(
            text(
                "INSERT INTO profile (id, kind, name, latest, hidden)"
                " VALUES (1, 'device', 'camera', 1, false)"
            )
        )
    measured(1, "samples")
    with pytest.raises(IntegrityError):
        measured(2, "power")
    migration.migrate(database, "0009")
    assert counts() == (1, 1)
    measured(2, "power")
    with pytest.raises(IntegrityError):
        measured(3, "unheard-of")
    command.downgrade(migration.configuration(database), "0008")
    assert counts() == (1, 1)
    with pytest.raises(IntegrityError):
        measured(2, "power")
    migration.migrate(database)
    measured(2, "power")
    assert counts() == (2, 2)


@pytest.mark.slow
def test_projects_come_and_go_from_0016_on(database: Database) -> None:
    """Both ways with rows that others refer to; what projects were promised is never mixed."""

    def ran(*statements: str) -> None:
        with database.writing() as session:
            for statement in statements:
                session.connection().exec_driver_sql(statement)

    def found(what: str) -> set[tuple[object, ...]]:
        with database.reading() as session:
            return {tuple(row) for row in session.execute(text(what))}

    def a_profile(key: int, project: str, name: str) -> list[str]:
        values = f"({key}, '{project}', 'server', '{name}', 1, false)"
        columns = "profile_id, id, number, created_at, body"
        body = f"{key}, '{'0' * 31}{key}', 1, '2026-01-01', '{{}}'"
        return [
            f"INSERT INTO profile (id, project, kind, name, latest, hidden) VALUES {values}",
            f"INSERT INTO profile_revision ({columns}) VALUES ({body})",
        ]

    migration.migrate(database, "0015")
    ran(
        a_plan("robust"),
        "INSERT INTO plan_event (plan_number, created_at, status) VALUES (1, '2026-01-01', 'x')",
        "INSERT INTO plan_name (name, event) VALUES ('hall', 1)",
        "INSERT INTO name_event (name, kind, data) VALUES ('hall', 'current', '{}')",
    )
    ran(
        *(
            each.replace("project, ", "").replace("'default', ", "")
            for each in a_profile(1, "default", "edge")
        )
    )
    migration.migrate(database, "0016")
    assert found("SELECT plan.project, plan_event.status FROM plan, plan_event") == {
        ("default", "x")
    }
    assert found("SELECT project, name FROM name_event") == {("default", "hall")}
    ran(*a_profile(2, "shared", "edge"), *a_profile(3, "shared", "cloud"))
    back = migration.configuration(database)
    ran(*a_profile(4, "other", "edge"))
    with pytest.raises(ConfigurationError, match="project 'other'"):
        command.downgrade(back, "0015")
    assert len(found("SELECT id FROM profile")) == 4
    ran("DELETE FROM profile_revision WHERE profile_id = 4", "DELETE FROM profile WHERE id = 4")
    key = "'k', 'd', 'n', 'other', 'read', '2026-01-01'"
    ran(f"INSERT INTO api_key (id, digest, name, project, scope, created_at) VALUES ({key})")
    with pytest.raises(ConfigurationError, match="the key k"):
        command.downgrade(back, "0015")
    ran("UPDATE api_key SET revoked_at = '2026-01-01'")
    command.downgrade(back, "0015")
    assert found("SELECT id, name FROM profile") == {(1, "edge"), (3, "cloud")}
    assert found("SELECT profile_id FROM profile_revision") == {(1,), (3,)}
    assert found("SELECT name, status FROM name_event, plan_event") == {("hall", "x")}

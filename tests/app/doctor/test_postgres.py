"""Servers that refuse, are too small, or keep another time."""

import time
from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, create_engine, make_url, text

from app import migration
from app.db import open_database
from app.doctor import opening, postgres
from app.settings import Settings
from tests.support.doctor import faults, told


@pytest.fixture
def backend() -> str:
    return "postgresql"


@pytest.fixture
def settings(new_database_url: str) -> Settings:
    database = open_database(new_database_url)
    migration.migrate(database)
    database.engine.dispose()
    return Settings(database_url=new_database_url)


@pytest.fixture
def owner(settings: Settings) -> Iterator[Engine]:
    """Whoever may do everything, at once."""
    address = make_url(settings.database_url).set(drivername="postgresql+psycopg")
    engine = create_engine(address, isolation_level="AUTOCOMMIT")
    yield engine
    engine.dispose()


def run(owner: Engine, *statements: str) -> None:
    with owner.connect() as connection:
        for statement in statements:
            connection.execute(text(statement))


def look(settings: Settings) -> str:
    with opening.looking(settings) as session:
        return faults(postgres.look(session.connection(), settings))


def test_a_sound_server_is_looked_at_and_cannot_be_changed(settings: Settings) -> None:
    assert look(settings) == ""
    with opening.looking(settings) as session, pytest.raises(RuntimeError, match="DELETE"):
        session.execute(text("DELETE FROM plan"))


def test_what_a_role_may_not(settings: Settings, owner: Engine) -> None:
    run(
        owner, "DROP ROLE IF EXISTS limited",
        "CREATE ROLE limited LOGIN PASSWORD 'planted-pw' CONNECTION LIMIT 14",
        "GRANT SELECT ON ALL TABLES IN SCHEMA public TO limited",
        "GRANT INSERT, UPDATE, DELETE ON plan TO limited",
        "ALTER ROLE limited SET default_transaction_read_only = on",
    )  # fmt: skip
    url = make_url(settings.database_url).set(username="limited", password="planted-pw")
    limited = Settings(database_url=url.render_as_string(hide_password=False))
    try:
        assert "is set to be read only" in look(limited)
        with opening.looking(limited) as session:
            connection = session.connection()
            rights = faults(postgres.rights(connection))
            room = faults(postgres.room(connection, limited, workers=2))
        assert "rights wrong: the role limited may not INSERT on" in rights
        assert " on plan," not in rights
        assert "the role is limited to 14 connections" in room
        assert "database-busy" in room
        run(owner, "REVOKE SELECT ON alembic_version FROM limited")
        found = told(1, SPLITPLAN_DATABASE_URL=limited.database_url, SPLITPLAN_PORT="0")
        assert "permission denied for table alembic_version" in found["database"]["says"]
        assert "planted-pw" not in str(found)
    finally:
        run(owner, "DROP OWNED BY limited", "DROP ROLE limited")


def test_transactions_left_open_and_migrations(
    settings: Settings, owner: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "_IDLE_S", 0.0)
    engine = create_engine(owner.url)
    with engine.connect() as idle:
        idle.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": migration.LOCK})
        found = look(settings)
    engine.dispose()
    assert "1 sessions have left a transaction open" in found
    assert "schema warning: a migration is under way" in found


def test_clocks_that_do_not_agree(settings: Settings) -> None:
    with opening.looking(settings) as session:
        connection = session.connection()
        assert faults(postgres.clocks(connection)) == ""
        late = faults(postgres.clocks(connection, lambda: time.time() - 100.0))
        early = faults(postgres.clocks(connection, lambda: time.time() + 100.0))
    assert "clock is 100.0 s ahead of this machine's" in late
    assert "clock is 100.0 s behind this machine's" in early

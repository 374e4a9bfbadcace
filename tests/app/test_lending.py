"""A server that gives fewer connections than are wanted at once."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import create_engine, make_url, text
from sqlalchemy.exc import OperationalError

from app.database_failures import told
from app.db import Database, open_database
from app.errors import DatabaseBusy

CONNECTIONS, AT_ONCE = 3, 16


@pytest.fixture
def backend() -> str:
    return "postgresql"


@pytest.fixture
def few(new_database_url: str) -> Iterator[Database]:
    """A database of which a role gets few connections."""
    address = make_url(new_database_url).set(drivername="postgresql+psycopg")
    owner = create_engine(address, isolation_level="AUTOCOMMIT")
    with owner.connect() as connection:
        connection.execute(text("DROP ROLE IF EXISTS few"))
        connection.execute(text(f"CREATE ROLE few LOGIN CONNECTION LIMIT {CONNECTIONS}"))
    database = open_database(address.set(username="few").render_as_string(hide_password=False))
    yield database
    database.engine.dispose()
    with owner.connect() as connection:
        connection.execute(text("DROP ROLE few"))
    owner.dispose()


def test_who_finds_no_connection_left_waits_for_one_whoever_had_it(few: Database) -> None:
    """Readers have idle ones when writers come, and the other way round."""
    together = threading.Barrier(AT_ONCE)

    def ask(n: int) -> object:
        together.wait()
        with few.reading() if n % 2 else few.writing() as session:
            return session.scalar(text("SELECT 1 FROM pg_sleep(0.02)"))

    with ThreadPoolExecutor(AT_ONCE) as threads:
        for _ in range(3):
            assert list(threads.map(ask, range(AT_ONCE))) == [1] * AT_ONCE
    with few.looking() as session:
        assert session.scalar(text("SELECT 1")) == 1


def test_who_waited_in_vain_is_told_why(few: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(few.engine.pool), "timeout", lambda _: 0.1)
    held = [few.engine.connect() for _ in range(CONNECTIONS)]
    with pytest.raises(OperationalError) as refused, few.reading() as session:
        session.execute(text("SELECT 1"))
    assert isinstance(told(refused.value), DatabaseBusy)
    for connection in held:
        connection.close()

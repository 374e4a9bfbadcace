"""What the databases promise."""

import threading
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from sqlalchemy import Column, Connection, Integer, MetaData, Table, event, select, text
from sqlalchemy.exc import IntegrityError, OperationalError, ProgrammingError, StatementError
from sqlalchemy.orm import Session

from app.db import Database, Json, UtcDateTime, open_database
from app.errors import ProfileExists
from app.profiles import service as profiles
from app.profiles.schemas.device import Device
from tests.support.background import eventually
from tests.support.builders import a_device
from tests.support.servers import Service


def test_sqlite_is_durable_and_checks_foreign_keys(tmp_path: Path) -> None:
    database = open_database(f"sqlite:///{tmp_path}/plans.db")
    with database.reading() as session:
        settings = {
            pragma: session.execute(text(f"PRAGMA {pragma}")).scalar_one()
            for pragma in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    database.engine.dispose()
    assert settings == {
        "journal_mode": "wal",
        "synchronous": 2,
        "foreign_keys": 1,
        "busy_timeout": 30_000,
    }


def test_a_reader_sees_one_snapshot_and_blocks_nobody(service: Service, backend: str) -> None:
    if backend != "sqlite":
        pytest.skip("on Postgres each statement sees the newest commit")
    with service.database.reading() as reader:
        assert profiles.list_latest(reader, Device, None, 10) == []
        with service.database.writing() as writer:
            profiles.create(writer, Device.model_validate(a_device()))
        assert profiles.list_latest(reader, Device, None, 10) == []
    with service.database.reading() as reader:
        assert len(profiles.list_latest(reader, Device, None, 10)) == 1


def test_a_reader_does_not_wait_for_a_writer(service: Service) -> None:
    seen: list[int] = []

    def read() -> None:
        with service.database.reading() as session:
            seen.append(len(profiles.list_latest(session, Device, None, 10)))

    with service.database.writing() as writer:
        profiles.create(writer, Device.model_validate(a_device()))
        reader = threading.Thread(target=read)
        reader.start()
        reader.join(timeout=10.0)
        assert seen == [0], "and does not see what is not committed"


def test_a_read_session_cannot_write_on_postgres(service: Service, backend: str) -> None:
    if backend == "sqlite":
        pytest.skip("SQLite has no read-only transactions")
    with (
        service.database.reading() as session,
        pytest.raises(RuntimeError, match="may not do this: INSERT"),
    ):
        profiles.create(session, Device.model_validate(a_device()))


def test_a_connection_that_the_server_ended_is_replaced(service: Service, backend: str) -> None:
    if backend == "sqlite":
        pytest.skip("SQLite has no server")
    database = service.database
    ways = (database.reading, database.writing, database.looking)
    for way in ways:
        with way() as session:
            assert session.scalar(text("SELECT 1")) == 1
    others = "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as other:
        ended = text(f"SELECT count(pg_terminate_backend(pid)) {others}")
        assert other.scalar(ended) >= 2
        left = text(f"SELECT count(*) {others}")
        eventually(lambda: other.scalar(left) == 0)  # each has said so before it ended
    for way in ways:
        with way() as session:
            assert session.scalar(text("SELECT 1")) == 1


def test_writers_of_one_service_are_refused_in_time_and_lose_no_connection(
    new_database_url: str, backend: str
) -> None:
    if backend != "sqlite":
        pytest.skip("on Postgres writers wait for rows, not for each other")
    database = open_database(new_database_url, sqlite_busy_timeout_s=0.05)
    with (
        database.writing(),
        pytest.raises(OperationalError, match="writers waited"),
        database.writing(),
    ):
        pytest.fail("two writers at once")
    with database.writing() as session:
        assert session.scalar(text("SELECT 1")) == 1
    database.engine.dispose()


def written(database: Database, asked: list[tuple[str, str]]) -> tuple[list[int], list[object]]:
    """How many transactions were committed for writers who all came while another wrote, each a
    device of a project by its name; and what each was told.
    """
    told: list[object] = [None] * len(asked)
    commits: list[int] = []

    def write(n: int) -> None:
        project, name = asked[n]

        def act(session: Session) -> int:
            profiles.create(session, Device.model_validate(a_device(name=name)))
            return len(profiles.list_latest(session, Device, None, 10))

        try:
            told[n] = database.of(project).write_together(act)
        except ProfileExists as refused:
            told[n] = type(refused)

    threads = [threading.Thread(target=write, args=(n,)) for n in range(len(asked))]
    together = database._together
    assert together is not None
    with database.writing():  # the first waits for this one, and the others for the first
        for n, thread in enumerate(threads):
            thread.start()
            while not together._acting or len(together._waiting) < n:
                assert thread.is_alive()
    event.listen(database.engine, "commit", lambda _: commits.append(1))
    for thread in threads:
        thread.join()
    return commits, told


def test_a_transaction_that_sqlite_does_not_begin_is_told_as_what_else_fails(
    tmp_path: Path,
) -> None:
    database = open_database(f"sqlite:///{tmp_path}/x.db")
    told: list[str] = []
    event.listen(database.engine, "handle_error", lambda context: told.append(context.statement))
    with database.engine.connect() as connection:
        opened = connection.connection.driver_connection
        assert opened is not None
        opened.close()
        with pytest.raises(ProgrammingError, match="closed database"):
            connection.begin()
    assert told[0] == "BEGIN"
    database.engine.dispose()


def test_writers_who_wait_share_a_commit_and_see_their_own_project(
    service: Service, backend: str
) -> None:
    if backend != "sqlite":
        pytest.skip("Postgres has commits reach the disk together by itself")
    asked = [("one", "a"), ("one", "b"), ("two", "b"), ("one", "c"), ("two", "c"), ("two", "d")]
    commits, told = written(service.database, asked)
    assert told == [1, 2, 1, 3, 2, 3]
    assert len(commits) <= 2, "of the first, and of the others"


def test_one_who_is_refused_takes_nobody_along(service: Service, backend: str) -> None:
    if backend != "sqlite":
        pytest.skip("on Postgres everybody has a transaction of their own")
    asked = [("one", "a"), ("one", "b"), ("one", "a"), ("one", "c")]
    _, told = written(service.database, asked)
    assert told == [1, 2, ProfileExists, 3]
    with service.database.of("one").reading() as session:
        assert len(profiles.list_latest(session, Device, None, 10)) == 3


def test_nobody_is_told_that_something_is_stored_which_is_not(
    service: Service, backend: str
) -> None:
    if backend != "sqlite":
        pytest.skip("on Postgres everybody has a transaction of their own")

    def fail(_: Connection) -> None:
        raise OperationalError("COMMIT", None, OSError("no space left"))

    event.listen(service.database.engine, "commit", fail)
    with pytest.raises(OperationalError, match="no space left"):
        service.database.of("one").write_together(
            lambda session: profiles.create(session, Device.model_validate(a_device()))
        )
    event.remove(service.database.engine, "commit", fail)
    with service.database.of("one").reading() as session:
        assert profiles.list_latest(session, Device, None, 10) == []


@pytest.fixture
def notes(new_database_url: str) -> tuple[Database, Table]:
    database = open_database(new_database_url)
    table = Table(
        "note",
        MetaData(),
        Column("id", Integer, primary_key=True),
        Column("at", UtcDateTime),
        Column("what", Json),
    )
    with database.writing() as session:
        table.create(session.connection())
    return database, table


def test_instants_and_json_come_back_as_they_were(notes: tuple[Database, Table]) -> None:
    database, table = notes
    instant = datetime(2026, 3, 29, 3, 30, 0, 123456, tzinfo=timezone(timedelta(hours=2)))
    what = {
        "large": 2**63 - 1,
        "small": 5e-324,
        "exact": 0.1,
        "kappa": 1e-27,
        "text": "µs × 2",
        "list": [1, None, True],
        "longer": 2**70,
    }
    with database.writing() as session:
        session.execute(table.insert().values(id=1, at=instant, what=what))
    with database.reading() as session:
        row = session.execute(select(table)).one()
    assert row.at == instant
    assert row.at.tzinfo is UTC
    assert row.what == what
    assert isinstance(row.what["large"], int)
    database.engine.dispose()


def test_what_would_be_stored_wrongly_is_refused(notes: tuple[Database, Table]) -> None:
    database, table = notes
    for wrong in (
        {"at": datetime(2026, 1, 1)},
        {"what": {"x": float("nan")}},
        {"what": {"x": [None, -float("inf")]}},
    ):
        with pytest.raises((StatementError, ValueError)), database.writing() as session:
            session.execute(table.insert().values(wrong))
    database.engine.dispose()


def test_a_refused_commit_leaves_nothing_open(tmp_path: Path) -> None:
    """SQLite goes on with the transaction: the next on the connection would be within it."""
    database = open_database(f"sqlite:///{tmp_path}/plans.db")
    with database.writing() as session:
        session.execute(text("CREATE TABLE kept (n INTEGER PRIMARY KEY)"))
        session.execute(
            text("CREATE TABLE part (n INTEGER REFERENCES kept DEFERRABLE INITIALLY DEFERRED)")
        )
    with pytest.raises(IntegrityError), database.writing() as session:
        session.execute(text("INSERT INTO part VALUES (7)"))
    with database.writing() as session:
        session.execute(text("INSERT INTO kept VALUES (1)"))
    with database.reading() as session:
        assert session.scalars(text("SELECT n FROM kept UNION SELECT n FROM part")).all() == [1]
    database.engine.dispose()


def test_other_databases_are_refused() -> None:
    with pytest.raises(ValueError, match="mysql is not supported"):
        open_database("mysql://localhost/x")


@pytest.mark.parametrize("replaced", [False, True])
def test_a_database_file_that_is_gone_is_not_written_to(tmp_path: Path, replaced: bool) -> None:
    """Open connections would write into a file without a name, new ones make an empty one."""
    path = tmp_path / "plans.db"
    database = open_database(f"sqlite:///{path}")
    with database.writing() as session:
        session.execute(text("CREATE TABLE kept (n INTEGER)"))
    path.unlink()
    if replaced:
        path.touch()
    for ways in (database.writing, database.reading):
        with pytest.raises(OperationalError, match="deleted or replaced"), ways() as session:
            session.execute(text("SELECT 1"))
    database.engine.dispose()
    with (
        pytest.raises(OperationalError, match="deleted or replaced"),
        database.writing() as session,
    ):
        session.execute(text("CREATE TABLE lost (n INTEGER)"))
    assert not path.exists() or path.stat().st_size == 0


def test_a_file_that_is_replaced_while_it_is_opened_is_not_written_to(tmp_path: Path) -> None:
    """As when a backup is restored while the first connection waits for its lock."""
    path, other = tmp_path / "plans.db", tmp_path / "other.db"
    path.touch()
    other.touch()
    database = open_database(f"sqlite:///{path}")
    event.listen(database.engine, "connect", lambda *_: other.replace(path), insert=True, once=True)
    with pytest.raises(OperationalError, match="replaced"), database.writing() as session:
        session.execute(text("CREATE TABLE lost (n INTEGER)"))
    database.engine.dispose()


def test_a_database_file_that_is_put_back_is_used_again(tmp_path: Path) -> None:
    path = tmp_path / "plans.db"
    database = open_database(f"sqlite:///{path}")
    with database.writing() as session:
        session.execute(text("CREATE TABLE kept (n INTEGER)"))
    path.rename(tmp_path / "away.db")
    with pytest.raises(OperationalError), database.reading() as session:
        session.execute(text("SELECT n FROM kept"))
    (tmp_path / "away.db").rename(path)
    with database.writing() as session:
        session.execute(text("INSERT INTO kept VALUES (1)"))
    with database.reading() as session:
        assert session.execute(text("SELECT n FROM kept")).scalar_one() == 1

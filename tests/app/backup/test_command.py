"""A backup is whole whoever writes meanwhile, comes back as it was, and nothing else is taken for
one.
"""

import fcntl
import resource
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from app import migration
from app.contents import Contents, contents, lost
from app.db import Database, open_database
from tests.support.operator import failed, splitplan


def url_of(path: Path) -> dict[str, str]:
    return {"SPLITPLAN_DATABASE_URL": f"sqlite:///{path}"}


@contextmanager
def opened(path: Path) -> Iterator[Database]:
    database = open_database(f"sqlite:///{path}")
    yield database
    database.engine.dispose()


def store(connection: sqlite3.Connection, name: str) -> None:
    """A profile with its revision, in one transaction."""
    with connection:
        made = connection.execute(
            "INSERT INTO profile (kind, name, latest, hidden) VALUES ('device', ?, 1, 0)", [name]
        )
        connection.execute(
            "INSERT INTO profile_revision (id, profile_id, number, created_at, body)"
            " VALUES (?, ?, 1, '2026-01-01', '{}')",
            [f"{made.lastrowid:032x}", made.lastrowid],
        )


def names(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as database:
        found = database.execute(
            "SELECT name FROM profile JOIN profile_revision ON profile_id = profile.id ORDER BY 1"
        )
        return [row[0] for row in found]


@pytest.fixture
def database(tmp_path: Path, _migrated: Path) -> Path:
    """A database at the newest schema with one profile, the service's own way of writing it."""
    path = tmp_path / "data" / "splitplan.db"
    path.parent.mkdir()
    path.write_bytes(_migrated.read_bytes())
    return path


@pytest.fixture(scope="session")
def _migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("backup") / "splitplan.db"
    with opened(path) as database:
        migration.migrate(database)
    with closing(sqlite3.connect(path)) as connection:
        store(connection, "camera")
    return path


def held(path: Path) -> Contents:
    with opened(path) as database, database.reading() as session:
        return contents(session.connection(), frozenset())


def everything(folder: Path) -> dict[str, bytes]:
    """All files but the locks that are left behind, and what a reader of a log leaves."""
    return {
        path.name: path.read_bytes()
        for path in folder.iterdir()
        if not path.name.endswith((".lock", "-shm", "-wal"))
    }


def test_a_backup_is_of_one_instant_while_others_write(database: Path, tmp_path: Path) -> None:
    stop = threading.Event()
    written: list[str] = []

    def write() -> None:
        with closing(sqlite3.connect(database, timeout=60.0)) as connection:
            while not stop.is_set():
                store(connection, name := f"camera-{len(written):06}")
                written.append(name)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for copy in range(3):
            known = len(written)
            ran = splitplan("backup", str(tmp_path / f"{copy}.db"), **url_of(database))
            assert ran.returncode == 0, ran.stderr
            copied = names(tmp_path / f"{copy}.db")
            assert copied == ["camera", *written[: len(copied) - 1]]
            assert len(copied) > known, "what was stored before it began is in it"
    finally:
        stop.set()
        writer.join(timeout=60.0)
    assert names(database) == ["camera", *written]
    assert {path.name for path in tmp_path.iterdir() if path.is_file()} == {"0.db", "1.db", "2.db"}
    assert (tmp_path / "0.db").stat().st_mode & 0o777 == 0o600


def test_what_is_restored_is_what_was_backed_up(database: Path, tmp_path: Path) -> None:
    backup = tmp_path / "backup.db"
    splitplan("backup", str(backup), **url_of(database))
    with closing(sqlite3.connect(database)) as connection:
        store(connection, "later")
    told = splitplan("restore", str(backup), **url_of(database))
    assert told.returncode == 0, told.stderr
    (kept,) = database.parent.glob("splitplan.db.before-*")
    assert str(kept) in told.stdout
    assert (names(database), names(kept)) == (["camera"], ["camera", "later"])
    assert lost(held(backup), held(database)) == []
    elsewhere = tmp_path / "a" / "b" / "other.db"
    assert splitplan("restore", str(backup), **url_of(elsewhere)).returncode == 0
    assert names(elsewhere) == ["camera"]
    assert list(elsewhere.parent.glob("*before*")) == []


def test_an_older_schema_is_migrated(tmp_path: Path) -> None:
    old, new = tmp_path / "old.db", tmp_path / "new.db"
    with opened(old) as database:
        migration.migrate(database, "0008")
    with closing(sqlite3.connect(old)) as connection:
        store(connection, "camera")
    before = old.read_bytes()
    told = splitplan("restore", str(old), **url_of(new))
    assert told.returncode == 0, told.stderr
    assert "migrated from 0008" in told.stdout
    assert names(new) == ["camera"]
    assert old.read_bytes() == before
    with opened(new) as database, database.reading() as session:
        assert migration.current(session.connection()) == migration.newest()


def of_a_newer_release(path: Path) -> None:
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")


def of_another_program(path: Path) -> None:
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("DROP TABLE profile")


def never_migrated(path: Path) -> None:
    path.unlink()
    sqlite3.connect(path).close()
    path.touch()


def damaged(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[8192 : len(content) // 2] = bytes(len(content) // 2 - 8192)
    path.write_bytes(content)


def orphaned(path: Path) -> None:
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("DELETE FROM profile")


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (of_a_newer_release, "9999, made by a newer release"),
        (of_another_program, "is no database of Splitplan"),
        (never_migrated, "is no database of Splitplan"),
        (lambda path: path.write_text("hello" * 999), "is no database of Splitplan"),
        (damaged, "damaged|is no database"),
        (orphaned, "is damaged: rows of profile_revision belong to none"),
        (lambda path: path.unlink(), "there is no file"),
    ],
)
def test_what_is_no_backup_changes_nothing(
    database: Path, tmp_path: Path, spoil: Callable[[Path], object], why: str
) -> None:
    backup = tmp_path / "backup.db"
    splitplan("backup", str(backup), **url_of(database))
    spoil(backup)
    before = everything(database.parent)
    told = failed(splitplan("restore", str(backup), **url_of(database)))
    assert any(each in told for each in why.split("|")), told
    assert everything(database.parent) == before


def test_nothing_is_restored_under_a_service(database: Path, tmp_path: Path) -> None:
    backup = tmp_path / "backup.db"
    splitplan("backup", str(backup), **url_of(database))
    before = everything(database.parent)
    assert "the database itself" in failed(splitplan("restore", str(database), **url_of(database)))
    with opened(database) as web:
        with web.reading() as session:
            assert migration.current(session.connection())
        # Its connection is idle now, and still there.
        assert "is in use" in failed(splitplan("restore", str(backup), **url_of(database)))
    with database.with_name("splitplan.db.lock").open("w") as worker:
        fcntl.flock(worker, fcntl.LOCK_EX)
        told = failed(splitplan("restore", str(backup), **url_of(database)))
    assert "stop the service first" in told
    assert everything(database.parent) == before
    assert splitplan("restore", str(backup), **url_of(database)).returncode == 0


def test_a_damaged_database_is_replaced_and_kept(database: Path, tmp_path: Path) -> None:
    backup = tmp_path / "backup.db"
    splitplan("backup", str(backup), **url_of(database))
    spoilt = b"nothing that SQLite knows" + database.read_bytes()
    database.write_bytes(spoilt)
    assert "no database" in failed(splitplan("backup", str(tmp_path / "b"), **url_of(database)))
    told = splitplan("restore", str(backup), **url_of(database))
    assert told.returncode == 0, told.stderr
    (kept,) = database.parent.glob("*.before-*")
    assert kept.read_bytes() == spoilt
    assert names(database) == ["camera"]


def test_a_backup_that_cannot_be_made_leaves_nothing(database: Path, tmp_path: Path) -> None:
    there = tmp_path / "there.db"
    there.write_text("somebody's")
    assert "overwrites nothing" in failed(splitplan("backup", str(there), **url_of(database)))
    assert there.read_text() == "somebody's"
    nowhere = tmp_path / "no" / "folder.db"
    assert "No such file" in failed(splitplan("backup", str(nowhere), **url_of(database)))
    missing = url_of(tmp_path / "missing.db")
    assert "there is no database" in failed(splitplan("backup", str(nowhere), **missing))
    assert not (tmp_path / "missing.db").exists()
    limit, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, most))
    try:
        failed(splitplan("backup", str(tmp_path / "full.db"), **url_of(database)))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, most))
    assert {path.name for path in tmp_path.iterdir()} == {"there.db", "data"}


def test_postgres_has_its_own_tools() -> None:
    url = {"SPLITPLAN_DATABASE_URL": "postgresql://planner:secret@host/plans"}
    for command in ("backup", "restore"):
        told = failed(splitplan(command, "file", **url))
        assert "pg_dump --format=custom --exclude-schema=dbos" in told
        assert "pg_restore" in told
        assert "secret" not in told

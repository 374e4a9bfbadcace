"""A database in one file: made without stopping whoever writes, checked, and put back."""

import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import mkstemp

from sqlalchemy import make_url
from sqlalchemy.exc import SQLAlchemyError

from app import migration
from app.db import open_database
from app.errors import ConfigurationError, in_one_line
from app.workers import hold_alone

_BUSY = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
# Whoever serves holds the database for hours, a command for less than this.
_PATIENCE_S = 5.0


@dataclass(frozen=True, slots=True)
class Restored:
    """What was put back: the schema that the backup had, and where the database before it is."""

    version: str
    kept: Path | None


def back_up(database_url: str, file: Path) -> str:
    """Copy a SQLite database as it is at one instant into a new file, while others write to it.

    Returns the version of its schema. Raises ConfigurationError, and leaves nothing, where the
    database is not there or damaged, or the file is.
    """
    source = _database_file(database_url)
    if not source.is_file():
        raise ConfigurationError(f"there is no database {source}")
    with _told(file), _reserved(file), _new_beside(file) as part:
        with closing(_open(source, "rw")) as database, _no_backup(source):
            _copy(database, part)
        version = _checked(part, f"the copy of {source}")
        _put(part, file)
    return version


def restore(database_url: str, file: Path) -> Restored:
    """Put the database of a backup, brought to the newest schema, in the place of the one there.

    That one is kept beside. Raises ConfigurationError, and changes nothing, where the file is no
    backup, is damaged or is of a newer schema, and where somebody uses the database.
    """
    target = _database_file(database_url)
    if not file.is_file():
        raise ConfigurationError(f"there is no file {file}")
    if target.exists() and file.samefile(target):
        raise ConfigurationError(f"{file} is the database itself")
    with _told(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        with hold_alone(database_url), _new_beside(target) as part:
            with closing(_open(file, "ro")) as kept, _no_backup(file):
                _copy(kept, part)
            version = _checked(part, str(file))
            _migrate(part)
            _owned_like(target if target.exists() else target.parent, part)
            with _unused(target):
                before = _set_aside(target)
                _put(part, target)
    return Restored(version, before)


def _database_file(database_url: str) -> Path:
    url = make_url(database_url)
    if url.get_backend_name() != "sqlite":
        shown = url.set(drivername="postgresql").render_as_string(hide_password=True)
        raise ConfigurationError(
            "Postgres has its own: `pg_dump --format=custom --exclude-schema=dbos"
            f" --file=splitplan.dump {shown}`, and to restore into an empty database `pg_restore"
            " --exit-on-error --single-transaction --no-owner --dbname=...`; see docs/operating.md"
        )
    assert url.database is not None
    return Path(url.database).expanduser()


def _open(path: Path, mode: str, timeout_s: float = 30.0) -> sqlite3.Connection:
    address = f"{path.absolute().as_uri()}?mode={mode}"
    return sqlite3.connect(address, uri=True, isolation_level=None, timeout=timeout_s)


def _copy(database: sqlite3.Connection, part: Path) -> None:
    """One snapshot, with what is in the log alone; without a log of its own, so one file is all."""
    with closing(_open(part, "rw")) as copy:
        database.backup(copy)
        copy.execute("PRAGMA journal_mode = DELETE")


@contextmanager
def _reserved(file: Path) -> Iterator[None]:
    """Nobody else makes this file meanwhile; gone again where it could not be made."""
    try:
        file.touch(exist_ok=False, mode=0o600)
    except FileExistsError:
        raise ConfigurationError(f"{file} exists: a backup overwrites nothing") from None
    try:
        yield
    except BaseException:
        file.unlink(missing_ok=True)
        raise


@contextmanager
def _new_beside(file: Path) -> Iterator[Path]:
    """A new file in the same folder, its owner's alone; gone unless it was put in place."""
    number, name = mkstemp(prefix=f".{file.name}.", suffix=".part", dir=file.parent)
    os.close(number)
    try:
        yield Path(name)
    finally:
        for ending in ("", "-journal", "-wal", "-shm"):
            Path(name + ending).unlink(missing_ok=True)


def _put(part: Path, file: Path) -> None:
    """Put a finished file in its place at once, so that a power cut leaves one or the other."""
    for path in (part, file.parent):
        number = os.open(path, os.O_RDONLY)
        try:
            os.fsync(number)
        finally:
            os.close(number)
        if path == part:
            part.replace(file)


def _checked(path: Path, name: str) -> str:
    """The version of a schema that this program knows, of a database that is whole."""
    with closing(_open(path, "ro")) as database, _no_backup(name):
        versions = [row[0] for row in database.execute("SELECT version_num FROM alembic_version")]
        database.execute("SELECT 1 FROM profile LIMIT 1")
        found = [row[0] for row in database.execute("PRAGMA integrity_check(3)")]
        lost = database.execute("PRAGMA foreign_key_check").fetchone()
    if found != ["ok"] or lost is not None:
        why = "; ".join(found) if found != ["ok"] else f"rows of {lost[0]} belong to none"
        raise ConfigurationError(f"{name} is damaged: {why}")
    if len(versions) != 1:
        raise ConfigurationError(f"{name} was never migrated: it is no database of Splitplan")
    migration.require_known(versions[0], name)
    return str(versions[0])


@contextmanager
def _no_backup(name: object) -> Iterator[None]:
    try:
        yield
    except sqlite3.DatabaseError as error:
        raise ConfigurationError(f"{name} is no database of Splitplan: {error}") from None


@contextmanager
def _told(file: Path) -> Iterator[None]:
    """What the disk or the database refuses, in one line."""
    try:
        yield
    except (OSError, sqlite3.Error, SQLAlchemyError) as error:
        cause = in_one_line(getattr(error, "orig", None) or error)
        raise ConfigurationError(f"{file}: {cause}") from None


@contextmanager
def _unused(target: Path) -> Iterator[None]:
    """Nobody else has the database open, and whoever opens it waits; it has no log meanwhile."""
    if not target.exists():
        yield
        return
    with closing(_open(target, "rw", _PATIENCE_S)) as database:
        try:
            # Refused while another connection is open, even one that does nothing.
            database.execute("PRAGMA journal_mode = DELETE")
            database.execute("BEGIN EXCLUSIVE")
        except sqlite3.DatabaseError as error:
            if error.sqlite_errorcode & 0xFF in _BUSY:
                raise ConfigurationError(
                    f"{target} is in use: stop the service, then restore"
                ) from None
            # It is damaged, which may be why another is put in its place.
        yield


def _migrate(part: Path) -> None:
    database = open_database(f"sqlite:///{part}")
    try:
        migration.migrate(database)
    finally:
        database.engine.dispose()
    with closing(_open(part, "rw")) as whole:
        whole.execute("PRAGMA journal_mode = DELETE")
    _checked(part, "the migrated database")


def _owned_like(model: Path, part: Path) -> None:
    """Who restores may be another than who serves."""
    status = model.stat()
    if model.is_file():
        part.chmod(stat.S_IMODE(status.st_mode))
    with suppress(PermissionError):
        os.chown(part, status.st_uid, status.st_gid)


def _set_aside(target: Path) -> Path | None:
    """Give the database before a second name, with the log of one too damaged to be rid of it."""
    if not target.exists():
        return None
    stamp = f"{datetime.now(UTC):%Y%m%dT%H%M%S%fZ}"
    kept = target.with_name(f"{target.name}.before-{stamp}")
    for ending in ("-wal", "-journal"):
        with suppress(FileNotFoundError):
            Path(f"{target}{ending}").rename(f"{kept}{ending}")
    Path(f"{target}-shm").unlink(missing_ok=True)
    try:
        kept.hardlink_to(target)
    except OSError:  # not on every file system
        target.rename(kept)
    return kept

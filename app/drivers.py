"""What a database's driver is told: how connections and transactions begin; and what it says when
it refuses.
"""

import errno
import os
import re
import resource
import select
import sqlite3
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection, ExceptionContext
from sqlalchemy.exc import (
    InterfaceError,
    InternalError,
    InvalidatePoolError,
    OperationalError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import ConnectionPoolEntry, PoolResetState

AWAY = (OperationalError, InterfaceError, PoolTimeout)
"""What a database raises that is gone, or cannot do now what it does at other times: what was asked
may go well when it is asked again."""

# Of what Postgres's driver calls internal errors: a server that may only be read, and sessions that
# it ended for being idle or at one transaction for too long.
_NOT_NOW = frozenset({"25006", "25P03", "25P04"})

_READS = re.compile(r"\s*(SELECT|SHOW|VALUES|WITH)\b", re.IGNORECASE)
# A volume without room: all of it is taken, a quota used up, a file as large as it may be.
_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
# What must still go into a file and onto its volume for there to be room.
_SOME_BYTE = 64 * 1024
# So long a connection may have been idle that is believed to be there still.
_SILENT_S = 30.0
_CACHE_KB = 512


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a statement of a web may wait on Postgres before its request is refused [s]."""

    lock_s: float
    statement_s: float


def be_patient(patience: Patience, connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
    """For so long: a pooler may refuse options in the place where a connection begins."""
    cursor = connection.cursor()
    for name, seconds in (
        ("lock_timeout", patience.lock_s),
        ("statement_timeout", patience.statement_s),
        ("idle_in_transaction_session_timeout", 2.0 * patience.statement_s),
    ):
        cursor.execute(f"SET {name} = {round(1000.0 * seconds)}")
    cursor.close()
    connection.commit()


def replace_the_dead(engine: Engine) -> None:
    """Have a connection to Postgres that has ended replaced when somebody wants it.

    A server that goes away says something, and says nothing else to those who ask nothing; of a
    network that forgets who was silent for long nobody is told.
    """
    from psycopg import Error  # takes a while to load, and on SQLite nobody needs it

    def back(_: Any, record: ConnectionPoolEntry) -> None:
        record.info["idle_since"] = time.monotonic()

    def wanted(connection: Any, record: ConnectionPoolEntry, _: Any) -> None:
        now = time.monotonic()
        try:
            silent_s = now - record.info.get("idle_since", now)
            if silent_s > _SILENT_S or _has_come(connection.fileno()):
                engine.dialect.do_ping(connection)
        except Error as ended:
            raise InvalidatePoolError from ended

    event.listen(engine, "checkin", back)
    event.listen(engine, "checkout", wanted)


def _has_come(file: int) -> bool:
    """Whether there is something to read."""
    poll = select.poll()
    poll.register(file, select.POLLIN)
    return bool(poll.poll(0))


def refuse_changes(_: Connection, __: Any, text: str, ___: Any, context: Any, ____: bool) -> None:
    """Refuse to change anything in a session that reads: nothing would take it back. Raises
    RuntimeError.
    """
    if context.isinsert or context.isupdate or context.isdelete or not _READS.match(text):
        raise RuntimeError(f"a session that reads may not do this: {text}")


def not_now(context: ExceptionContext) -> Exception | None:
    """What the driver calls an internal error, and is none, as any other refusal."""
    error = context.sqlalchemy_exception
    state = getattr(context.original_exception, "sqlstate", None)
    if not isinstance(error, InternalError) or state not in _NOT_NOW:
        return None
    return OperationalError(
        *(error.statement, error.params, context.original_exception),
        hide_parameters=error.hide_parameters,
        connection_invalidated=context.is_disconnect,
    )


class NoRoom(Exception):
    """The volume takes nothing more, or the file may not grow."""


def no_room(file: Path, context: ExceptionContext) -> Exception | None:
    """What SQLite calls an error of input or output, and is a quota that is used up, or a limit on
    the size of files: of what a volume refuses it knows a full disk alone.
    """
    error = context.sqlalchemy_exception
    code = getattr(context.original_exception, "sqlite_errorcode", 0)
    if error is None or code & 0xFF != sqlite3.SQLITE_IOERR or not _is_full(file):
        return None
    cause = NoRoom(str(context.original_exception))
    return OperationalError(
        error.statement, error.params, cause, hide_parameters=error.hide_parameters
    )


def _is_full(file: Path) -> bool:
    largest_byte, _ = resource.getrlimit(resource.RLIMIT_FSIZE)
    if largest_byte != resource.RLIM_INFINITY:
        for each in (file, Path(f"{file}-wal")):
            if each.exists() and each.stat().st_size + _SOME_BYTE > largest_byte:
                return True
    try:
        with tempfile.TemporaryFile(dir=file.parent) as tried:
            tried.write(bytes(_SOME_BYTE))
            tried.flush()
            os.fsync(tried.fileno())
    except OSError as refused:
        return refused.errno in _NO_ROOM
    return False


def configure_sqlite(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
    connection.isolation_level = (
        None  # the driver opens no transaction by itself: begin_sqlite does
    )
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode = WAL")  # readers and the writer do not block each other
    cursor.execute("PRAGMA synchronous = FULL")  # what was answered survives a power cut
    cursor.execute("PRAGMA foreign_keys = ON")
    # Each connection has a cache of its own, thrown away whenever another has written: 2 MB each
    # by default.
    cursor.execute(f"PRAGMA cache_size = {-_CACHE_KB}")
    cursor.close()


def begin_sqlite(connection: Connection) -> None:
    # A deferred transaction that turns into a writer fails at once when another writer came
    # between; one that takes the lock first waits for its turn (the busy timeout).
    immediate = connection.get_execution_options().get("sqlite_immediate", False)
    begin = "BEGIN IMMEDIATE" if immediate else "BEGIN"
    opened = connection.connection.driver_connection
    assert isinstance(opened, sqlite3.Connection)
    try:
        opened.execute(begin)  # as a statement it would take as long as what is asked afterwards
    except sqlite3.Error as refused:
        if getattr(refused, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY:
            raise OperationalError(begin, None, refused) from refused
        connection.exec_driver_sql(begin)  # so that it is told as what else fails is


def end_sqlite(connection: DBAPIConnection, _: ConnectionPoolEntry, __: PoolResetState) -> None:
    """End a transaction that a refused commit left open; of most there is nothing to end."""
    assert isinstance(connection, sqlite3.Connection)
    if connection.in_transaction:
        connection.rollback()

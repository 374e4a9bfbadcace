"""What a database's driver is told: how JSON is written, how connections and transactions begin;
and what it says when it refuses.
"""

import json
from dataclasses import dataclass

import orjson
from sqlalchemy import Connection
from sqlalchemy.engine.interfaces import DBAPIConnection, ExceptionContext
from sqlalchemy.exc import InterfaceError, InternalError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import ConnectionPoolEntry

AWAY = (OperationalError, InterfaceError, PoolTimeout)
"""What a database raises that is gone, or cannot do now what it does at other times: what was asked
may go well when it is asked again."""

# Of what Postgres's driver calls internal errors: a server that may only be read, and sessions that
# it ended for being idle or at one transaction for too long.
_NOT_NOW = frozenset({"25006", "25P03", "25P04"})

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


def written(value: object) -> str:
    """JSON. Raises ValueError for NaN."""
    try:
        told = orjson.dumps(value)
    except TypeError:  # longer integers, other keys than strings
        pass
    else:
        # Null is how orjson writes NaN, too, without a word.
        if b"null" not in told or orjson.loads(told) == value:
            return told.decode()
    return json.dumps(value, allow_nan=False, separators=(",", ":"), ensure_ascii=False)


def json_byte(value: object) -> int:
    """How long a value is as JSON in a row [byte]."""
    try:
        return len(orjson.dumps(value))
    except TypeError:
        return len(written(value))


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
    connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")

"""What a database's driver is told: how JSON is written, how connections and transactions begin."""

import json
from dataclasses import dataclass

import orjson
from sqlalchemy import Connection
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry


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


def configure_sqlite(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
    connection.isolation_level = (
        None  # the driver opens no transaction by itself: begin_sqlite does
    )
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode = WAL")  # readers and the writer do not block each other
    cursor.execute("PRAGMA synchronous = FULL")  # what was answered survives a power cut
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()


def begin_sqlite(connection: Connection) -> None:
    # A deferred transaction that turns into a writer fails at once when another writer came
    # between; one that takes the lock first waits for its turn (the busy timeout).
    immediate = connection.get_execution_options().get("sqlite_immediate", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")

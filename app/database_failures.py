"""What a database says when it refuses, as a failure that can be told."""

import sqlite3

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from app.drivers import NoRoom
from app.errors import (
    DatabaseBusy,
    DatabaseFull,
    DatabaseReadOnly,
    DatabaseReplaced,
    DatabaseUnavailable,
)
from app.lending import none_left
from app.same_file import Replaced

# By SQLSTATE, which an error carries: a web on SQLite does not load Postgres's driver.
_OF_POSTGRES: dict[str, type[DatabaseUnavailable]] = {
    "55P03": DatabaseBusy,  # lock not available
    "57014": DatabaseBusy,  # query cancelled
    "40P01": DatabaseBusy,  # deadlock detected
    "53100": DatabaseFull,
    "25006": DatabaseReadOnly,  # read-only transaction
}
# The low byte of a code of SQLite says what kind it is.
_OF_SQLITE: dict[int, type[DatabaseUnavailable]] = {
    sqlite3.SQLITE_BUSY: DatabaseBusy,
    sqlite3.SQLITE_LOCKED: DatabaseBusy,
    sqlite3.SQLITE_FULL: DatabaseFull,
    sqlite3.SQLITE_READONLY: DatabaseReadOnly,
}
_WORDS: dict[type[DatabaseUnavailable], str] = {
    DatabaseBusy: "What the request needs is held by others; nothing was changed.",
    DatabaseFull: "The database has no room left; nothing was changed.",
    DatabaseReadOnly: "The database cannot be written to; nothing was changed.",
    DatabaseReplaced: "The file of the database was deleted or replaced; nothing was changed.",
}


def told(error: Exception) -> DatabaseUnavailable:
    """Why a database refused, as far as it says."""
    kind = _kind(error)
    return DatabaseUnavailable() if kind is DatabaseUnavailable else kind(_WORDS[kind])


def _kind(error: Exception) -> type[DatabaseUnavailable]:
    if isinstance(error, PoolTimeout):
        return DatabaseBusy
    cause = error.orig if isinstance(error, DBAPIError) else None
    if isinstance(cause, TimeoutError) or none_left(cause):
        return DatabaseBusy
    if isinstance(cause, Replaced):
        return DatabaseReplaced
    if isinstance(cause, NoRoom):
        return DatabaseFull
    if isinstance(cause, sqlite3.Error):
        code = getattr(cause, "sqlite_errorcode", 0)
        return _OF_SQLITE.get(code & 0xFF, DatabaseUnavailable)
    return _OF_POSTGRES.get(getattr(cause, "sqlstate", None) or "", DatabaseUnavailable)

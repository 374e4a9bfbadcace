"""The file of a SQLite database, watched: is it still the one that was opened?"""

from pathlib import Path

from sqlalchemy import Connection, Dialect, Engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import ConnectionPoolEntry


class Replaced(Exception):
    """The file of the database is no longer the one that was opened."""


class SameFile:
    """Refuses to go on where the file of a SQLite database was deleted or replaced.

    Connections that are open would write into a file that has no name any more, and new ones would
    make an empty file: what was answered as stored would be gone.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: tuple[int, int] | None = None

    def watch(self, engine: Engine) -> None:
        """Look before every connection and every transaction."""
        event.listen(engine, "do_connect", self._before_connecting)
        event.listen(engine, "connect", self._connected)
        event.listen(engine, "begin", self._begin, insert=True)

    def _found(self) -> tuple[int, int] | None:
        try:
            status = self._path.stat()
        except OSError:
            return None
        return status.st_dev, status.st_ino

    def _require(self) -> None:
        if self._known is not None and self._found() != self._known:
            gone = "deleted or replaced while in use: put it back, or restart on the one to use"
            raise OperationalError("BEGIN", None, Replaced(f"{self._path} was {gone}"))

    def _before_connecting(self, _: Dialect, entry: ConnectionPoolEntry, *__: object) -> None:
        self._require()
        entry.info[SameFile] = self._found()

    def _connected(self, _: DBAPIConnection, entry: ConnectionPoolEntry) -> None:
        opened = entry.info.pop(SameFile)
        if self._known is None:
            self._known = self._found()
            # A new connection may wait for a lock while another file takes the place of its own.
            if opened is not None and opened != self._known:
                self._known = opened
                self._require()

    def _begin(self, _: Connection) -> None:
        self._require()

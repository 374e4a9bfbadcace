"""News of work, from whoever stores it to the workers: Postgres tells (NOTIFY), and of SQLite one
asks cheaply whether anything was written.

What is told is only that there is something to look for. Whoever misses it looks all the same,
every second.
"""

import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Literal, cast

from sqlalchemy import func, make_url, select
from sqlalchemy.orm import Session

from app.errors import in_one_line

log = logging.getLogger(__name__)

Lane = Literal["quick", "plan", "validation", "experiment", "webhook"]

_CHANNEL = "splitplan_work"
# Without news one looks all the same: a note may be lost, and not every pooler hands them on.
_LOOK_S = 1.0
# Asking SQLite whether something was written takes microseconds.
_ASK_S = 0.025
# A connection that says nothing for so long may be dead: it is asked something.
_SILENCE_S = 30.0


def tell(session: Session, lane: Lane) -> None:
    """Have the workers told of new work once this transaction is committed."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(select(func.pg_notify(_CHANNEL, lane)))


class News:
    """Wakes those who wait for work of a lane."""

    def __init__(
        self,
        database_url: str,
        lanes: Mapping[Lane, Sequence[threading.Event]],
        look: Callable[[], set[Lane]],
    ) -> None:
        """`look` says of which lanes there is work."""
        self._url, self._lanes, self._look = make_url(database_url), lanes, look
        self._ending = threading.Event()

    def follow(self) -> None:
        """Wake those who wait, for ever; the database may go and come back."""
        failing = False
        while True:
            try:
                for lanes in self._heard():
                    for lane in self._look() if lanes is None else lanes:
                        for bell in self._lanes[lane]:
                            bell.set()
                    failing = False
            except Exception as failure:  # the database is away: it may come back
                if not failing:
                    log.warning("news of work cannot be heard: %s", in_one_line(failure))
                failing = True
            time.sleep(_LOOK_S)

    def _heard(self) -> Iterator[set[Lane] | None]:
        """The lanes of which news came; None where one has to look.

        Raises a database's error where it is away.
        """
        if self._url.get_backend_name() == "sqlite":
            yield from self._written()
        else:
            yield from self._told()

    def _told(self) -> Iterator[set[Lane] | None]:
        import psycopg

        address = self._url.set(drivername="postgresql").render_as_string(hide_password=False)
        with psycopg.connect(address, autocommit=True, connect_timeout=5) as connection:
            connection.execute(f"LISTEN {_CHANNEL}")
            asked = time.monotonic()
            while True:
                yield None
                until = time.monotonic() + _LOOK_S
                while (left_s := until - time.monotonic()) > 0.0:
                    for note in connection.notifies(timeout=left_s, stop_after=1):
                        if note.payload in self._lanes:
                            yield {cast(Lane, note.payload)}
                if time.monotonic() - asked > _SILENCE_S:
                    connection.execute("SELECT 1")
                    asked = time.monotonic()

    def _written(self) -> Iterator[set[Lane] | None]:
        seen, looked = -1, 0.0
        connection = sqlite3.connect(f"file:{self._url.database}?mode=ro", uri=True)
        try:
            while True:
                ((version,),) = connection.execute("PRAGMA data_version")
                if version != seen or time.monotonic() - looked > _LOOK_S:
                    seen, looked = version, time.monotonic()
                    yield None
                time.sleep(_ASK_S)
        finally:
            connection.close()

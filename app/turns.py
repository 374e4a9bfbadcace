"""Turns: whoever comes first goes first."""

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Lock

from sqlalchemy.exc import OperationalError

from app.hands import resting


class Turns:
    """A lock that is handed on in the order in which it was asked for.

    SQLite's own way to wait is to sleep and to try again, longer each time, so a newcomer is often
    served before those who wait, and of many writers at once some never are.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._waiting: deque[Event] = deque()
        self._taken = False

    def __len__(self) -> int:
        """How many wait."""
        return len(self._waiting)

    def take(self, within_s: float) -> bool:
        """Wait for the turn; False where it does not come in time."""
        with self._lock:
            if not self._taken:
                self._taken = True
                return True
            mine = Event()
            self._waiting.append(mine)
        resting()
        if mine.wait(within_s):
            return True
        with self._lock:
            if mine.is_set():  # it came at the last moment
                return True
            self._waiting.remove(mine)
            return False

    def hand_on(self) -> None:
        """Give the turn to whoever has waited longest."""
        with self._lock:
            if self._waiting:
                self._waiting.popleft().set()
            else:
                self._taken = False

    @contextmanager
    def one(self, within_s: float) -> Iterator[None]:
        """The turn of one writer of this process; other processes are waited for by SQLite's lock.

        Raises OperationalError where it does not come in time.
        """
        if not self.take(within_s):
            late = TimeoutError(f"writers waited for more than {within_s:g} s")
            raise OperationalError("BEGIN IMMEDIATE", None, late)
        try:
            yield
        finally:
            self.hand_on()

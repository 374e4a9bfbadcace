"""Connections to a Postgres that gives fewer than all pools want: who finds none left waits for one
of ours, and has the other pools close those that lie idle.
"""

import time
from typing import Any, ClassVar
from weakref import WeakSet

from sqlalchemy.pool import ConnectionPoolEntry, QueuePool
from sqlalchemy.util import queue

# What the server says to a connection that is one too many, for all, a role or a database. It comes
# without an SQLSTATE: the driver is told nothing else before it is let in.
_NONE_LEFT = ("too many clients", "too many connections", "connection slots")
_LOOK_S = 0.05


def none_left(refused: BaseException | None) -> bool:
    """Whether a connection was refused because there are too many already."""
    said = str(refused)
    return any(words in said for words in _NONE_LEFT)


class LendingPool(QueuePool):
    """A pool that takes what the server gives, and waits as long as for one of its own connections
    before it refuses.
    """

    _all: ClassVar["WeakSet[LendingPool]"] = WeakSet()

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._all.add(self)

    def _do_get(self) -> ConnectionPoolEntry:
        until = time.monotonic() + self.timeout()
        while True:
            try:
                return super()._do_get()
            except Exception as refused:
                if not none_left(refused) or time.monotonic() > until:
                    raise
            for other in tuple(self._all):
                if other is not self:
                    other._close_idle()
            try:
                return self._pool.get(True, _LOOK_S)
            except queue.Empty:
                continue

    def _close_idle(self) -> None:
        """Close what nobody uses, for others to have."""
        while True:
            try:
                idle = self._pool.get(False)
            except queue.Empty:
                return
            try:
                idle.close()
            finally:
                self._dec_overflow()


class KeepingPool(LendingPool):
    """One that keeps its own for itself: whoever looks whether the database is there has one at any
    time.
    """

    def _close_idle(self) -> None:
        return

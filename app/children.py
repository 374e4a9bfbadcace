"""The child processes of a worker, each working off what it is given until it is told to stop or is
killed.

They are copied from a process that has loaded all that solves, runs no thread and holds no
connection: that takes hundredths of a second, and shares its memory.
"""

import contextlib
import gc
import logging
import multiprocessing
import os
import signal
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from typing import Literal, Self

from app import arrow
from app.db import Database, open_database
from app.drivers import AWAY
from app.errors import in_one_line
from app.experiments.jobs import EXPERIMENTS
from app.plans import families
from app.plans.backlog import PLANS
from app.plans.durable import Taken
from app.settings import Settings
from app.telemetry import logs, measures, traces
from app.telemetry.measures import Solve
from app.validations import replaying  # noqa: F401 (for its being loaded: see `families.load`)
from app.validations.jobs import VALIDATIONS
from solvers import later

log = logging.getLogger(__name__)

# All that is done in the background.
WORK = {kind.noun: kind for kind in (PLANS, VALIDATIONS, EXPERIMENTS)}

_FORKSERVER = multiprocessing.get_context("forkserver")
_FORKSERVER.set_forkserver_preload(
    [*(library.__name__ for library in (*arrow.LIBRARIES, *later.LIBRARIES)), __name__]
)
# Arrow's allocator would start a thread when it is loaded there.
os.environ.setdefault("JE_ARROW_MALLOC_CONF", "background_thread:false")


# One that is copied is ready at once; the first waits until its original has loaded.
_START_S = 180.0


@dataclass(frozen=True, slots=True)
class Said:
    """What a child says of pieces of its work, or of itself."""

    what: Literal["ready", "at", "ended", "broken", "done", "away"]
    work_ids: Sequence[str] = ()
    solves: Sequence[Solve] = ()
    """How its solvers ended since it spoke last, for the worker to count."""


class Gone(Exception):
    """The child has ended, by itself or by force."""

    def __init__(self, code: int | None) -> None:
        super().__init__(code)
        self.code = code


class Child:
    """A process that does one piece of work after the other."""

    def __init__(self, settings: Settings) -> None:
        """Start it. Raises OSError, EOFError."""
        self._words, theirs = _FORKSERVER.Pipe()
        held, self._tether = _FORKSERVER.Pipe(duplex=False)
        self._process = _FORKSERVER.Process(
            target=_work, args=(settings, theirs, held), daemon=True
        )
        with theirs, held:
            self._process.start()

    @classmethod
    def ready(cls, settings: Settings) -> Self:
        """One that is ready to work. Raises OSError, EOFError, Gone."""
        child = cls(settings)
        if child.hear(_START_S) is None:
            child.kill()
            raise TimeoutError(f"a child was not ready within {_START_S:g} s")
        return child

    def give(self, noun: str, taken: Sequence[Taken]) -> None:
        """Have it work these off, in this order. Raises Gone."""
        self._send((noun, list(taken)))

    def stop_early(self) -> None:
        """Have it begin nothing more of what it was given. Raises Gone."""
        self._send(None)

    def hear(self, within_s: float | None) -> Said | None:
        """What it says next; None where it says nothing in time. Raises Gone."""
        try:
            if not self._words.poll(within_s):
                return None
            said: Said = self._words.recv()
            return said
        except (EOFError, OSError):
            raise Gone(self._code()) from None

    def kill(self) -> None:
        """End it, whatever it is at; `hear` raises Gone then."""
        # A copy whose original was killed is nobody's child, and ends with the tether all the same.
        self._tether.close()
        pid = self._process.pid
        assert pid is not None
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)

    def _send(self, words: object) -> None:
        try:
            self._words.send(words)
        except OSError:
            raise Gone(self._code()) from None

    def _code(self) -> int | None:
        self._process.join(5.0)
        code = self._process.exitcode
        self._words.close()
        self._tether.close()
        return code


def make_ready() -> None:
    """Start the process that children are copies of, so that the first need not wait for it."""
    forkserver.ensure_running()


_solves: list[Solve] = []


class _Teller:
    """Tells the parent, and hears whether that has enough."""

    def __init__(self, words: Connection) -> None:
        self._words = words

    def at(self, work_id: str) -> None:
        self._words.send(Said("at", (work_id,)))

    def ended(self, work_ids: Sequence[str]) -> None:
        solves = tuple(_solves)
        _solves.clear()
        self._words.send(Said("ended", tuple(work_ids), solves))

    def broken(self, work_id: str) -> None:
        self._words.send(Said("broken", (work_id,)))

    def enough(self) -> bool:
        return self._words.poll()


def _work(settings: Settings, words: Connection, tether: Connection) -> None:
    """Work off what comes, until the parent is gone, however that ends."""
    for number in (signal.SIGINT, signal.SIGTERM):  # meant for the parent, which decides
        signal.signal(number, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(tether,), daemon=True).start()
    logs.start(settings)
    traces.start(settings, "solver")
    measures.tell(_solves.append)
    settings.choose_kernel()
    database = open_database(settings.database_url, settings.sqlite_busy_timeout_s)
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):  # nobody is there
        words.send(Said("ready"))
        while True:
            if (given := words.recv()) is not None:  # else told to stop early, after it had stopped
                _work_off(database, words, *given)


def _work_off(database: Database, words: Connection, noun: str, taken: Sequence[Taken]) -> None:
    try:
        WORK[noun].run(database, taken, _Teller(words))
    except AWAY as away:
        log.error("the database was away for too long: %s", in_one_line(away))
        words.send(Said("away"))
    else:
        words.send(Said("done"))


def _end_with(tether: Connection) -> None:
    with contextlib.suppress(EOFError, OSError):
        tether.recv_bytes()  # nothing is ever sent: it ends when the parent closes it, or is gone
    os._exit(1)


families.load()
# What is there by now is there for good: no collection of garbage shall write into memory that
# copies share.
gc.collect()
gc.freeze()

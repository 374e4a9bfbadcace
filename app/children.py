"""The child processes of a worker, each at one piece of work at a time, from claiming it to storing
its answer.
"""

import multiprocessing
import os
import signal
import threading
from dataclasses import dataclass
from multiprocessing.process import BaseProcess

from pebble import ProcessFuture, ProcessPool

from app import about, arrow
from app.about import About
from app.db import Database, open_database
from app.plans.backlog import PLANS
from app.settings import Settings
from app.telemetry import logs, measures, traces
from app.telemetry.measures import Solve
from app.validations.jobs import VALIDATIONS
from solvers import later

# All that is done in the background.
WORK = {kind.noun: kind for kind in (PLANS, VALIDATIONS)}

# A process that has loaded what solves, runs no thread and holds no connection: a child is a copy
# of it, made in milliseconds, that shares its memory.
_FORKSERVER = multiprocessing.get_context("forkserver")
_FORKSERVER.set_forkserver_preload(
    [__name__, *(library.__name__ for library in (*arrow.LIBRARIES, *later.LIBRARIES))]
)
# Arrow's allocator would start a thread when it is loaded there.
os.environ.setdefault("JE_ARROW_MALLOC_CONF", "background_thread:false")
# Memory that large work left behind goes back to the system with its process.
_TASKS = 200


@dataclass(frozen=True, slots=True)
class Context:
    """What a child's lines and traces are about, whoever asked for the work."""

    about: About
    traceparent: str | None


class ChildPool:
    """Child processes, started when first needed and kept warm; a broken one is made again."""

    def __init__(self, settings: Settings, size: int) -> None:
        self._settings, self._size = settings, size
        self._pool: ProcessPool | None = None
        self._lock = threading.Lock()

    def submit(
        self, noun: str, work_id: str, limit_s: float | None, context: Context
    ) -> "ProcessFuture[list[Solve]]":
        """Have a child do a piece of work, at most for so long once it has begun."""
        with self._lock:
            if self._pool is None or not self._pool.active:
                self._pool = ProcessPool(
                    self._size,
                    context=_FORKSERVER,
                    initializer=_begin,
                    initargs=(self._settings,),
                    max_tasks=_TASKS,
                )
            return self._pool.schedule(_run, args=(noun, work_id, context), timeout=limit_s)

    def kill(self) -> None:
        """End the children, whatever they are at."""
        if self._pool is not None:
            self._pool.stop()  # type: ignore[no-untyped-call]  # the library forgot
            self._pool.join(5.0)


_child: Database
_solved: list[Solve] = []


def _begin(settings: Settings) -> None:
    """Set up a child: its own connections, and an end with its parent, however that one ends."""
    global _child
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # meant for the parent, which decides
    parent = multiprocessing.parent_process()
    assert parent is not None
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    logs.start(settings)
    traces.start(settings, "solver")
    measures.tell(_solved.append)
    settings.choose_kernel()
    _child = open_database(settings.database_url, settings.sqlite_busy_timeout_s)


def _end_with(parent: BaseProcess) -> None:
    parent.join()
    os._exit(1)


def _run(noun: str, work_id: str, context: Context) -> list[Solve]:
    """Do a piece of work; how its solvers ended, for the worker to count."""
    with (
        about.concerning(context.about),
        traces.span(f"solver of {noun}", context.traceparent),
    ):
        WORK[noun].run(_child, work_id)
    done = _solved.copy()
    _solved.clear()
    return done

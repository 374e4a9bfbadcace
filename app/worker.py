"""The worker process: takes plans and validations from the queue and has each done in a child
process that can be killed.

The child does the work, from claiming it to storing its answer. This process only watches, so that
it can answer for its work even while some of it takes all the processor or crashes.
"""

import contextlib
import logging
import os
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import CancelledError
from concurrent.futures import TimeoutError as TooLate
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass

from pebble import ProcessExpired, ProcessFuture
from sqlalchemy.exc import InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from app import about, webhooks, workers
from app.about import About
from app.children import WORK, ChildPool, Context
from app.db import open_database
from app.errors import in_one_line
from app.plans import durable, jobs
from app.plans.backlog import PLANS
from app.plans.durable import Ending, RunLimits, Work
from app.queue import Engine, Queue
from app.settings import Settings
from app.telemetry import measures, traces
from app.telemetry.measures import Solve
from app.validations.jobs import VALIDATIONS
from solvers.progress import Stop

log = logging.getLogger(__name__)

# How often a worker looks whether some of its work is to be stopped, and how often for work that
# nobody cares for.
_LOOK_S = 0.2
_SWEEP_S = 60.0
_RETENTION_S = 3600.0
# A solver asked for its best so far gets so long to check and store it.
_KEEP_S = 20.0
# Work whose process dies so often by itself is given up.
_CRASHES = 3
# Work that was begun so often without an end is given up: it may be what its workers die of.
_ATTEMPTS = 20
# The engine's records of ended jobs are of no use to anyone after a day.
_RECORDS_S = 86_400.0
# A solver minds its own time limit; one that does not is stopped here.
_OVERTIME, _OVERTIME_S = 1.5, 120.0


@dataclass(slots=True)
class _Running:
    """A piece of work that a child process is at, or will be."""

    future: "ProcessFuture[list[Solve]]"
    asked_to_stop: float | None = None
    stopped: bool = False


class Worker:
    """One worker: an engine, its child processes, and the threads that look after them."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._database = open_database(settings.database_url, settings.sqlite_busy_timeout_s)
        self._queue = Queue(settings.database_url)
        self._engine = Engine(
            settings.database_url,
            settings.slots,
            {
                "quick": self._solve_quick,
                "plan": self._solve_long,
                "validation": self._validate,
                "webhook": self._deliver,
            },
        )
        self._long = ChildPool(settings, settings.slots)
        self._quick = ChildPool(settings, 1)
        # Of their own, so that no plan waits for a validation.
        self._validations = ChildPool(settings, 1)
        self._running: dict[str, _Running] = {}
        self._ending = threading.Event()
        self._beaten = time.monotonic()
        self._told: str | None = None
        """What the database knows of what this worker has counted."""

    def run(self, stop: threading.Event) -> None:
        """Work until told to stop. Raises ConfigurationError where there may be no other worker."""
        self._engine.start()
        self._beat()
        log.info(
            "worker %s solves %d long plans at a time", self._engine.name, self._settings.slots
        )
        self._sweep(0.0)
        for look, every_s in (
            (self._beat, self._settings.lease_s / 3.0),
            (self._tidy, _SWEEP_S),
            (self._stop_as_asked, _LOOK_S),
        ):
            threading.Thread(target=self._again, args=(look, every_s), daemon=True).start()
        stop.wait()
        self._end()

    def _solve_long(self, plan_id: str) -> None:
        self._have_done(PLANS, plan_id, self._long)

    def _solve_quick(self, plan_id: str) -> None:
        self._have_done(PLANS, plan_id, self._quick)

    def _validate(self, validation_id: str) -> None:
        self._have_done(VALIDATIONS, validation_id, self._validations)

    def _have_done(self, kind: Work, work_id: str, pool: ChildPool) -> None:
        """Have a child do a piece of work; come back when it has ended."""
        limits = jobs.insisting(lambda: kind.limits(self._database, work_id))
        if limits is None:
            return
        what = About(limits.origin.request_id)
        setattr(what, f"{kind.noun}_id", work_id)
        within = limits.origin.traceparent
        with about.concerning(what), traces.span(f"{kind.noun} in a worker", within):
            if limits.accepted_at is not None and limits.attempts == 0:
                traces.waited(limits.accepted_at, within, f"{kind.noun} in line")
            self._have_it_done(kind, limits, pool)

    def _have_it_done(self, kind: Work, limits: RunLimits, pool: ChildPool) -> None:
        work_id = limits.work_id
        if limits.attempts < _ATTEMPTS:
            self._do_in_child(kind, limits, pool)
        else:
            detail = (
                f"The {kind.noun} was begun {limits.attempts} times and never ended: the"
                " workers' log says why."
            )
            self._end_work(kind, work_id, Ending("failed", "crashed", detail))
        if limits.has_webhook:
            self._queue.put("webhook", work_id)

    def _do_in_child(self, kind: Work, work: RunLimits, pool: ChildPool) -> None:
        work_id, limit_s = (
            work.work_id,
            None if work.time_limit_s is None else _OVERTIME * work.time_limit_s + _OVERTIME_S,
        )
        context = Context(about.current(), traces.traceparent())
        for crashes in range(1, _CRASHES + 1):
            self._block_if_ending()
            try:
                running = self._running[work_id] = _Running(
                    pool.submit(kind.noun, work_id, limit_s, context)
                )
                for solve in running.future.result():
                    measures.IN_WORKER.count(solve)
                return
            except (CancelledError, TooLate) as cut:
                self._block_if_ending()
                late = isinstance(cut, TooLate)
                self._end_work(kind, work_id, Ending("timed_out" if late else "cancelled"))
                return
            except (ProcessExpired, BrokenProcessPool) as crash:
                self._block_if_ending()
                measures.CRASHES.inc()
                code = crash.exitcode if isinstance(crash, ProcessExpired) else "no code"
                died = f"its process ended with {code} ({crashes} of {_CRASHES})"
                log.error("%s %s: %s", kind.noun, work_id, died)
                reason = f"Its process died {crashes} times, lastly with exit code {code}."
            except (OperationalError, InterfaceError, PoolTimeout):
                raise  # the database was away for too long: the sweep puts the work back in line
            except Exception:  # it can be neither read nor stored, and will not be next time either
                self._block_if_ending()
                log.exception("%s %s failed outside of its solver", kind.noun, work_id)
                detail = (
                    "The service failed around its work. The workers' log has the cause, under the"
                    f" id of the {kind.noun}."
                )
                self._end_work(kind, work_id, Ending("failed", "internal", detail))
                return
            finally:
                self._running.pop(work_id, None)
        self._end_work(kind, work_id, Ending("failed", "crashed", reason))

    def _end_work(self, kind: Work, work_id: str, ending: Ending) -> None:
        jobs.insisting(lambda: kind.end(self._database, work_id, ending))

    def _block_if_ending(self) -> None:
        """A job that comes back while the worker ends would count as done: it must stay undone, for
        the next worker.
        """
        if self._ending.is_set():
            threading.Event().wait()

    def _deliver(self, plan_id: str) -> None:
        if (following := webhooks.deliver(self._database, self._settings, plan_id)) is not None:
            turn, pause_s = following
            self._queue.put("webhook", plan_id, turn=turn, delay_s=pause_s)

    def _beat(self) -> None:
        """Say that this worker lives, and take over from those that do not."""
        told = measures.snapshot()
        cut_off = time.monotonic() - self._beaten > self._settings.lease_s
        with self._database.writing() as session:
            news = None if told == self._told else told
            workers.beat(session, self._engine.name, self._settings.slots, news)
            silent = workers.silent(session, self._settings.lease_s)
        self._beaten, self._told = time.monotonic(), told
        # Who was frozen or without a database cannot tell the dead from those that were so too:
        # they have a lease more.
        if not cut_off:
            self._engine.take_over(silent)

    def _stop_as_asked(self) -> None:
        """Stop the work that someone asked to stop."""
        if not self._running:
            return
        wanted: dict[str, Stop] = {}
        for kind in WORK.values():
            wanted |= durable.wanted_stopped(self._database, kind.rows)
        for work_id, running in list(self._running.items()):
            stop = wanted.get(work_id)
            if stop is None:
                continue
            running.asked_to_stop = running.asked_to_stop or time.monotonic()
            if stop is Stop.DROP or time.monotonic() - running.asked_to_stop > _KEEP_S:
                running.future.cancel()  # type: ignore[no-untyped-call]  # the library forgot

    def _tidy(self) -> None:
        self._sweep(_SWEEP_S)
        self._queue.forget_before(time.time() - _RECORDS_S)
        if self._settings.retain_days is not None:
            while jobs.forget_old(self._database, self._settings.retain_days):
                pass

    def _sweep(self, older_than_s: float) -> None:
        """Put unended work back in line that no job cares for."""
        for kind in WORK.values():
            after = ""
            while found := kind.unended(self._database, older_than_s, after):
                after = found[-1].work_id
                lost = self._queue.unknown(kind.lanes, [work.work_id for work in found])
                for work in found:
                    if work.work_id in lost:
                        small = work.users <= self._settings.sync_max_users
                        lane = kind.lanes[0 if small else -1]
                        self._queue.put(lane, work.work_id, work.priority)
        for plan_id, turn in webhooks.due(self._database):
            self._queue.put("webhook", plan_id, turn=turn)

    def _again(self, look: Callable[[], None], every_s: float) -> None:
        failing = False
        while not self._ending.wait(every_s):
            try:
                look()
            except (
                Exception
            ) as failure:  # the database or the queue is away: the next look may succeed
                if not failing:
                    log.warning("worker %s: %s", self._engine.name, in_one_line(failure))
                failing = True
            else:
                if failing:
                    log.info("worker %s: all is well again", self._engine.name)
                failing = False

    def _end(self) -> None:
        """Take nothing new, give what runs its time, hand the rest back, and be gone."""
        log.info("worker %s stops: %d are being worked on", self._engine.name, len(self._running))
        self._engine.stop(self._settings.shutdown_grace_s if self._running else 0.0)
        self._ending.set()
        left = list(self._running)
        for pool in (self._long, self._quick, self._validations):
            pool.kill()
        with contextlib.suppress(
            SQLAlchemyError
        ):  # without a database nothing is lost either: the lease runs out
            for kind in WORK.values():
                kind.hand_back(self._database, left)
            with self._database.writing() as session:
                workers.leave(session, self._engine.name, self._settings.lease_s)
        traces.stop()
        log.info("worker %s stopped, %d handed back", self._engine.name, len(left))
        sys.stderr.flush()
        # The threads of work that was handed back stand still for ever.
        os._exit(0)

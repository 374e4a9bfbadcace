"""The worker process: takes plans from the queue and has each solved in a child process that can be
killed.

The child does the work, from claiming the plan to storing its answer. This process only watches, so
that it can answer for its plans even while one of them takes all the processor or crashes.
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

from app import webhooks, workers
from app.children import ChildPool
from app.db import open_database
from app.errors import in_one_line
from app.plans import backlog, jobs, service
from app.plans.family import Outcome
from app.queue import Engine, Queue
from app.settings import Settings
from solvers.progress import Stop

log = logging.getLogger("splitplan")

# How often a worker looks whether one of its plans is to be stopped, and how often for plans that
# nobody cares for.
_LOOK_S = 0.2
_SWEEP_S = 60.0
_RETENTION_S = 3600.0
# A solver asked for its best so far gets so long to check and store it.
_KEEP_S = 20.0
# A plan whose process dies so often by itself is given up.
_CRASHES = 3
# A plan that was begun so often without an end is given up: it may be what its workers die of.
_ATTEMPTS = 20
# The engine's records of ended jobs are of no use to anyone after a day.
_RECORDS_S = 86_400.0
# A solver minds its own time limit; one that does not is stopped here.
_OVERTIME, _OVERTIME_S = 1.5, 120.0


@dataclass(slots=True)
class _Running:
    """A plan that a child process is at, or will be."""

    future: "ProcessFuture[None]"
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
            self._solve_long,
            self._solve_quick,
            self._deliver,
        )
        self._long = ChildPool(settings, settings.slots)
        self._quick = ChildPool(settings, 1)
        self._running: dict[str, _Running] = {}
        self._ending = threading.Event()
        self._beaten = time.monotonic()

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
        self._solve(plan_id, self._long)

    def _solve_quick(self, plan_id: str) -> None:
        self._solve(plan_id, self._quick)

    def _solve(self, plan_id: str, pool: ChildPool) -> None:
        """Have a child solve a plan; come back when the plan has ended."""
        plan = jobs.insisting(lambda: backlog.run_limits(self._database, plan_id))
        if plan is not None:
            if plan.attempts < _ATTEMPTS:
                self._solve_in_child(plan, pool)
            else:
                detail = (
                    f"The plan was begun {plan.attempts} times and never ended: the workers' log"
                    " says why."
                )
                self._end_plan(plan_id, service.failed("crashed", detail))
            if plan.has_webhook:
                self._queue.put("webhook", plan_id)

    def _solve_in_child(self, plan: backlog.RunLimits, pool: ChildPool) -> None:
        plan_id, limit_s = (
            plan.plan_id,
            None if plan.time_limit_s is None else _OVERTIME * plan.time_limit_s + _OVERTIME_S,
        )
        for crashes in range(1, _CRASHES + 1):
            self._block_if_ending()
            try:
                running = self._running[plan_id] = _Running(pool.submit(plan_id, limit_s))
                running.future.result()
                return
            except (CancelledError, TooLate) as cut:
                self._block_if_ending()
                ended = jobs.stopped("timed_out" if isinstance(cut, TooLate) else "cancelled")
                self._end_plan(plan_id, ended)
                return
            except (ProcessExpired, BrokenProcessPool) as crash:
                self._block_if_ending()
                code = crash.exitcode if isinstance(crash, ProcessExpired) else "no code"
                log.error(
                    "plan %s: its process ended with %s (%d of %d)",
                    plan_id,
                    code,
                    crashes,
                    _CRASHES,
                )
                reason = f"The solving process died {crashes} times, lastly with exit code {code}."
            except (OperationalError, InterfaceError, PoolTimeout):
                raise  # the database was away for too long: the sweep puts the plan back in line
            except Exception:  # it can be neither read nor stored, and will not be next time either
                self._block_if_ending()
                log.exception("plan %s failed outside of its solver", plan_id)
                detail = (
                    "The service failed around solving. The workers' log has the cause, under the"
                    " plan's id."
                )
                self._end_plan(plan_id, service.failed("internal", detail))
                return
            finally:
                self._running.pop(plan_id, None)
        self._end_plan(plan_id, service.failed("crashed", reason))

    def _end_plan(self, plan_id: str, outcome: Outcome) -> None:
        jobs.insisting(lambda: jobs.end(self._database, plan_id, outcome))

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
        cut_off = time.monotonic() - self._beaten > self._settings.lease_s
        with self._database.writing() as session:
            workers.beat(session, self._engine.name, self._settings.slots)
            silent = workers.silent(session, self._settings.lease_s)
        self._beaten = time.monotonic()
        # Who was frozen or without a database cannot tell the dead from those that were so too:
        # they have a lease more.
        if not cut_off:
            self._engine.take_over(silent)

    def _stop_as_asked(self) -> None:
        """Stop the plans that someone asked to stop."""
        if not self._running:
            return
        wanted = jobs.wanted_stopped(self._database)
        for plan_id, running in list(self._running.items()):
            stop = wanted.get(plan_id)
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
        """Put unended plans back in line that no job cares for."""
        after = ""
        while found := backlog.unended(self._database, older_than_s, after):
            after = found[-1].plan_id
            lost = self._queue.unknown(("quick", "plan"), [plan.plan_id for plan in found])
            for plan in found:
                if plan.plan_id in lost:
                    small = plan.users <= self._settings.sync_max_users
                    self._queue.put("quick" if small else "plan", plan.plan_id, plan.priority)
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
        log.info(
            "worker %s stops: %d plans are being solved", self._engine.name, len(self._running)
        )
        self._engine.stop(self._settings.shutdown_grace_s if self._running else 0.0)
        self._ending.set()
        left = list(self._running)
        for pool in (self._long, self._quick):
            pool.kill()
        with contextlib.suppress(
            SQLAlchemyError
        ):  # without a database nothing is lost either: the lease runs out
            backlog.hand_back(self._database, left)
            with self._database.writing() as session:
                workers.leave(session, self._engine.name, self._settings.lease_s)
        log.info("worker %s stopped, %d plans handed back", self._engine.name, len(left))
        sys.stderr.flush()
        # The threads of plans that were handed back stand still for ever.
        os._exit(0)

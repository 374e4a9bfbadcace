"""The worker process: takes plans, validations and blocks of experiments and has each done in a
child process that can be killed.

The child does the work, from reading it to storing its answer. This process only watches, so that
it can answer for its work even while some of it takes all the processor or crashes.
"""

import contextlib
import logging
import os
import socket
import sys
import threading
import time
import uuid
from collections.abc import Callable
from typing import IO

from sqlalchemy import make_url
from sqlalchemy.exc import SQLAlchemyError

from app import workers
from app.children import WORK, make_ready
from app.db import open_database
from app.errors import in_one_line
from app.experiments.jobs import EXPERIMENTS
from app.news import Lane, News
from app.plans import durable, jobs, taking
from app.plans.backlog import PLANS
from app.plans.durable import Line, Taken
from app.settings import Settings
from app.slots import Slot
from app.telemetry import measures, traces
from app.validations.jobs import VALIDATIONS
from app.webhooks import Deliveries
from solvers.progress import Stop

log = logging.getLogger(__name__)

# How often a worker looks whether some of its work is to be stopped.
_LOOK_S = 0.2
_TIDY_S = 60.0
# How often for work that it has and does not know of: what it takes just now it knows by the next.
_STRAYS_S = 10.0
# Small plans take milliseconds: so many are taken, and their answers stored, at a time.
_BATCH = 16


class Worker:
    """One worker: its slots, and the threads that look after them."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._database = open_database(settings.database_url, settings.sqlite_busy_timeout_s)
        self._embedded = make_url(settings.database_url).get_backend_name() == "sqlite"
        self._lock: IO[str] | None = None
        self.name = f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
        self._deliveries = Deliveries(self._database, settings)
        place = (self.name, settings, self._database)
        quick, long = Line(PLANS, "quick", _BATCH), Line(PLANS, "plan", 1)
        spare = Slot(quick, *place)
        slots: dict[Lane, list[Slot]] = {
            "quick": [Slot(quick, *place, spare=spare), spare],
            "plan": [Slot(long, *place) for _ in range(settings.slots)],
            # Of its own, so that no plan waits for a validation.
            "validation": [Slot(Line(VALIDATIONS, "validation", 1), *place)],
            "experiment": [
                Slot(Line(EXPERIMENTS, "experiment", 1), *place) for _ in range(settings.slots)
            ],
        }
        self._slots = [slot for some in slots.values() for slot in some]
        bells: dict[Lane, list[threading.Event]] = {
            lane: [slot.bell for slot in some] for lane, some in slots.items()
        }
        bells["webhook"] = [self._deliveries.bell]
        self._news = News(settings.database_url, bells, self._in_line)
        self._ending = threading.Event()
        self._beaten = time.monotonic()
        self._strays: set[Taken] = set()
        self._told: str | None = None
        """What the database knows of what this worker has counted."""

    def run(self, stop: threading.Event) -> None:
        """Work until told to stop. Raises ConfigurationError where there may be no other worker."""
        if self._embedded:
            self._lock = workers.only_worker(self._settings.database_url)
        make_ready()
        self._beat()
        log.info("worker %s solves %d long plans at a time", self.name, self._settings.slots)
        for slot in self._slots:
            threading.Thread(target=slot.run, daemon=True).start()
        for run in (self._deliveries.run, self._news.follow):
            threading.Thread(target=run, daemon=True).start()
        for look, every_s in (
            (self._beat, self._settings.lease_s / 3.0),
            (self._find_strays, _STRAYS_S),
            (self._tidy, _TIDY_S),
            (self._stop_as_asked, _LOOK_S),
        ):
            threading.Thread(target=self._again, args=(look, every_s), daemon=True).start()
        stop.wait()
        self._end()

    def _in_line(self) -> set[Lane]:
        """The lanes of which there is work."""
        with self._database.reading() as session:
            lanes = taking.in_line(session, list(WORK.values()))
            return lanes | ({"webhook"} if self._deliveries.due(session) else set())

    def _beat(self) -> None:
        """Say that this worker lives, and put back in line what those had who do not."""
        told = measures.snapshot()
        cut_off = time.monotonic() - self._beaten > self._settings.lease_s
        with self._database.writing() as session:
            news = None if told == self._told else told
            workers.beat(session, self.name, self._settings.slots, news)
            living = workers.alive(session, self._settings.lease_s)
        self._beaten, self._told = time.monotonic(), told
        # Who was frozen or without a database cannot tell the dead from those that were so too:
        # they have a lease more.
        if not cut_off:
            for kind in WORK.values():
                # On SQLite there is nobody else, whatever was heard of the one before.
                found = taking.take_over(
                    self._database, kind, {self.name} if self._embedded else living
                )
                if found:
                    log.info("%d %ss of dead workers are in line again", found, kind.noun)

    def _find_strays(self) -> None:
        """Put back in line what this worker has and does not know of: whoever takes something may
        lose the database before it hears that it has it.
        """
        seen: set[Taken] = set()
        for kind in WORK.values():
            had = taking.taken_by(self._database, kind, self.name)
            known = set().union(*(slot.left for slot in self._slots))
            strays = {piece for piece in had if piece.work_id not in known}
            # Seen twice: the first time it may have been taken, or have ended, just now.
            taking.hand_back(self._database, kind, [*(strays & self._strays)])
            seen |= strays
        self._strays = seen

    def _stop_as_asked(self) -> None:
        """Stop the work that someone asked to stop."""
        if not any(slot.left for slot in self._slots):
            return
        wanted: dict[str, Stop] = {}
        for kind in WORK.values():
            wanted |= durable.wanted_stopped(self._database, kind.rows)
        if wanted:
            for slot in self._slots:
                slot.stop_as_asked(wanted)

    def _tidy(self) -> None:
        if self._settings.retain_days is not None:
            while jobs.forget_old(self._database, self._settings.retain_days):
                pass

    def _again(self, look: Callable[[], None], every_s: float) -> None:
        failing = False
        while not self._ending.wait(every_s):
            try:
                look()
            except Exception as failure:  # the database is away: the next look may succeed
                if not failing:
                    log.warning("worker %s: %s", self.name, in_one_line(failure))
                failing = True
            else:
                if failing:
                    log.info("worker %s: all is well again", self.name)
                failing = False

    def _end(self) -> None:
        """Take nothing new, give what runs its time, hand the rest back, and be gone."""
        busy = sum(len(slot.left) for slot in self._slots)
        log.info("worker %s stops: %d are being worked on", self.name, busy)
        for slot in self._slots:
            slot.stop()
        until = time.monotonic() + self._settings.shutdown_grace_s
        while any(slot.left for slot in self._slots) and time.monotonic() < until:
            time.sleep(0.02)
        self._ending.set()
        left = 0
        with contextlib.suppress(
            SQLAlchemyError
        ):  # without a database nothing is lost either: the lease runs out
            for slot in self._slots:
                left += slot.abandon()
            with self._database.writing() as session:
                workers.leave(session, self.name, self._settings.lease_s)
        traces.stop()
        log.info("worker %s stopped, %d handed back", self.name, left)
        sys.stderr.flush()
        # The threads of work that was handed back stand still for ever.
        os._exit(0)

"""How the service follows the solves of its plans, and stops them."""

import logging
import math
import threading
import time
from types import TracebackType
from typing import Self

from sqlalchemy import ColumnElement, select
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from app.db import Database
from app.errors import in_one_line
from app.plans import service
from app.plans.tables import PlanRow
from solvers.progress import Cancelled, Progress, Step, Stop

log = logging.getLogger("splitplan")

# How often a running plan tells how far it has come, and asks whether it is still wanted.
_WRITE_S = 0.3


def for_at_most(seconds: float) -> Progress:
    """Progress that nobody follows, of a solve that is dropped after so many seconds."""
    until = time.monotonic() + seconds
    return Progress(
        time_limit_s=math.inf, stop=lambda: Stop.DROP if time.monotonic() > until else None
    )


class Superseded(Cancelled):
    """Another attempt has the plan, or it has ended, or it is gone."""


class ProgressWriter:
    """Writes into the database how far an attempt has come, and reads whether it is still wanted.

    It has a thread of its own, since solvers look up when they please. `progress` is what a solver
    is given; it raises `Superseded` in a solver whose attempt lost its plan.
    """

    def __init__(
        self, database: Database, plan_id: str, number: int, holds: ColumnElement[bool]
    ) -> None:
        self._database, self._plan_id, self._number, self._holds = database, plan_id, number, holds
        self._latest: Step | None = None
        self._written: Step | None = None
        self._stop: Stop | None = None
        self._superseded = False
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._write, name=f"progress-{plan_id}", daemon=True)
        self.progress = Progress(self._hear, time_limit_s=math.inf, stop=self._asked)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _: object, __: TracebackType | None
    ) -> None:
        self._done.set()
        self._thread.join()

    @property
    def stop(self) -> Stop | None:
        """Whether, and how, someone asked to stop."""
        return self._stop

    def _hear(self, step: Step) -> None:
        self._latest = step

    def _asked(self) -> Stop | None:
        if self._superseded:
            raise Superseded
        return self._stop

    def _write(self) -> None:
        while not self._done.wait(_WRITE_S):
            try:
                self._write_once()
            except (OperationalError, InterfaceError, PoolTimeout) as away:
                log.warning(
                    "plan %s cannot tell its progress: %s", self._plan_id, in_one_line(away)
                )

    def _write_once(self) -> None:
        latest = self._latest
        news = latest is not None and latest != self._written
        with self._database.writing() if news else self._database.reading() as session:
            mine = select(PlanRow.cancel).where(self._holds)
            # Held, so that nobody ends the plan in between: an event after its end would leave its
            # readers waiting.
            found = session.execute(mine.with_for_update() if news else mine).one_or_none()
            if found is not None and news:
                service.tell(session, self._number, "running", latest)
        self._superseded = found is None
        self._stop = Stop(found.cancel) if found is not None and found.cancel else None
        self._written = latest

"""How the service follows its solves and replays, and stops them."""

import logging
import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from app.drivers import AWAY
from app.errors import in_one_line
from solvers.progress import Cancelled, Progress, Step, Stop

log = logging.getLogger(__name__)

# How often what runs tells how far it has come, and asks whether it is still wanted.
_WRITE_S = 0.3


def for_at_most(seconds: float) -> Progress:
    """Progress that nobody follows, of a solve that is dropped after so many seconds."""
    until = time.monotonic() + seconds
    return Progress(
        time_limit_s=math.inf, stop=lambda: Stop.DROP if time.monotonic() > until else None
    )


class Superseded(Cancelled):
    """Another attempt has the work, or it has ended, or it is gone."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Whether the work is still this attempt's, and how someone asked to stop it."""

    holds: bool
    stop: Stop | None = None


Report = Callable[[Step | None], Standing]
"""Writes the news of an attempt, if there are any, and reads how it stands, in one transaction."""


class ProgressWriter:
    """Writes into the database how far an attempt has come, and reads whether it is still wanted.

    It has a thread of its own, since solvers look up when they please; most plans end before there
    is anything to tell, and need none. `progress` is what a solver is given; it raises `Superseded`
    in a solver whose attempt lost its work.
    """

    def __init__(self, name: str, report: Report) -> None:
        self._name, self._report = name, report
        self._latest: Step | None = None
        self._written: Step | None = None
        self._stop: Stop | None = None
        self._superseded = False
        self._done = threading.Event()
        self._begun = time.monotonic()
        self._thread: threading.Thread | None = None
        self.progress = Progress(self._hear, time_limit_s=math.inf, stop=self._asked)

    def __enter__(self) -> Self:
        self._begun = time.monotonic()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _: object, __: TracebackType | None
    ) -> None:
        self._done.set()
        if self._thread is not None:
            self._thread.join()

    @property
    def stop(self) -> Stop | None:
        """Whether, and how, someone asked to stop."""
        return self._stop

    def _hear(self, step: Step) -> None:
        self._latest = step
        self._look()

    def _asked(self) -> Stop | None:
        self._look()
        if self._superseded:
            raise Superseded
        return self._stop

    def _look(self) -> None:
        if self._thread is None and time.monotonic() - self._begun > _WRITE_S:
            name = f"progress of {self._name}"
            self._thread = threading.Thread(target=self._write, name=name, daemon=True)
            self._thread.start()

    def _write(self) -> None:
        while True:
            try:
                self._write_once()
            except AWAY as away:
                log.warning("%s cannot tell its progress: %s", self._name, in_one_line(away))
            if self._done.wait(_WRITE_S):
                return

    def _write_once(self) -> None:
        latest = self._latest
        standing = self._report(latest if latest != self._written else None)
        self._superseded, self._stop = not standing.holds, standing.stop
        self._written = latest

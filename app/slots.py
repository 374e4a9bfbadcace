"""The slots of a worker: each takes work of its lane, in batches where it is small, and watches
over the child process that does it.

A child is killed for one piece: what that was is ended, or begun again where the child died by
itself; the rest of its batch goes on in the next child, or back in line where it would wait.
"""

import contextlib
import logging
import threading
import time
from collections.abc import Mapping, Sequence

from sqlalchemy.exc import SQLAlchemyError

from app.children import Child, Gone, Said
from app.db import Database
from app.errors import in_one_line
from app.plans import durable, taking
from app.plans.durable import Ending, Line, Taken
from app.plans.jobs import insisting
from app.settings import Settings
from app.telemetry import measures
from solvers.progress import Stop

log = logging.getLogger(__name__)

# A solver asked for its best so far gets so long to check and store it.
_KEEP_S = 20.0
# Work whose process dies so often by itself is given up.
_CRASHES = 3
# A solver minds its own time limit; one that does not is stopped here.
_OVERTIME, _OVERTIME_S = 1.5, 120.0
# The rest of a batch does not wait longer for one of it.
_PATIENCE_S = 0.5
# Memory that large work left behind goes back to the system with its process.
_PIECES = 200
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 10.0


class Slot:
    """Takes work of one lane for a worker, again and again, into a child of its own."""

    def __init__(
        self,
        line: Line,
        worker: str,
        settings: Settings,
        database: Database,
        spare: "Slot | None" = None,
    ) -> None:
        """`spare` takes of the same line while this one is at one piece for long."""
        self._line, self._worker = line, worker
        self._settings, self._database = settings, database
        self._spare, self._spared = spare, False
        self._resting = threading.Event()  # while another slot takes what there is
        if spare is not None:
            spare._resting.set()
        self.bell = threading.Event()
        self._ending, self._lock = threading.Event(), threading.Lock()
        self._left: dict[str, Taken] = {}  # taken and not ended, in its order
        self._at: str | None = None
        self._since, self._done = 0.0, 0
        self._asked_to_stop: dict[str, float] = {}
        self._killed_for: tuple[str, Ending] | None = None  # and how that ends
        self._crashes: dict[str, int] = {}
        self._child: Child | None = None

    @property
    def left(self) -> set[str]:
        """What it has taken and not ended."""
        return set(self._left)

    def run(self) -> None:
        """Take work and have it done until told to stop; nothing that goes wrong ends it."""
        pause_s = _FIRST_PAUSE_S
        while not self._ending.is_set():
            try:
                self._hand_back(list(self._left))  # what went wrong the last time
                self.bell.wait()
                self.bell.clear()
                while self._take():
                    while self._left:
                        self._work_off()
                    pause_s = _FIRST_PAUSE_S
            except Exception as failure:
                if isinstance(failure, SQLAlchemyError | OSError | EOFError | Gone):
                    log.warning("%s slot: %s", self._line.lane, in_one_line(failure))
                else:
                    log.exception("%s slot", self._line.lane)
                self._give_up_child()
                self._ending.wait(pause_s)
                self.bell.set()
                pause_s = min(2.0 * pause_s, _LONGEST_PAUSE_S)

    def stop_as_asked(self, wanted: Mapping[str, Stop]) -> None:
        """Stop the work that someone asked to stop."""
        with self._lock:
            asked = [work_id for work_id in self._left if work_id in wanted]
            for work_id in asked:
                since = self._asked_to_stop.setdefault(work_id, time.monotonic())
                if work_id != self._at:
                    continue
                if wanted[work_id] is Stop.DROP or time.monotonic() - since > _KEEP_S:
                    self._kill(work_id, Ending("cancelled"))
            # What was not begun has nothing to keep.
            ended = [work_id for work_id in asked if work_id != self._at]
        for work_id in ended:
            self._end_here(work_id, Ending("cancelled"))

    def stop(self) -> None:
        """Take nothing more, and begin nothing more of what was taken."""
        self._ending.set()
        self.bell.set()
        with self._lock, contextlib.suppress(Gone):
            if self._child is not None and self._left:
                self._child.stop_early()

    def abandon(self) -> int:
        """Kill the child and put back in line what it was at; how many pieces."""
        with self._lock:
            left = list(self._left.values())
            if self._child is not None:
                self._child.kill()
        return taking.hand_back(self._database, self._line.kind, left)

    def _take(self) -> bool:
        if self._ending.is_set() or self._resting.is_set():
            return False
        line = self._line
        taken = taking.take(self._database, line.kind, line.lane, self._worker, line.most)
        with self._lock:
            self._left = {p.work_id: durable.traced(line.kind.noun, p) for p in taken}
            self._crashes.clear()
            self._asked_to_stop.clear()
        return bool(taken)

    def _work_off(self) -> None:
        """Give a child all that is left and see to it; what is left then was not begun, or is begun
        again.
        """
        child = self._warm_child()
        with self._lock:
            self._at, self._killed_for = None, None
            given = list(self._left.values())
        try:
            child.give(self._line.kind.noun, given)
            while (said := child.hear(self._patience_s())) is None or said.what != "done":
                if said is None:
                    self._overdue()
                elif said.what == "away":
                    self._hand_back(list(self._left))
                else:
                    self._note(said)
        except Gone as gone:
            self._child = None
            self._died(gone.code)
            return
        with self._lock:
            self._at = None
            self._rest_spare()
        if self._left:  # it was told to stop early
            self._hand_back(list(self._left))
        self._done += len(given)
        if self._done >= _PIECES * self._line.most:
            self._give_up_child()

    def _warm_child(self) -> Child:
        """The child, ready to work. Raises OSError, EOFError, Gone where none can be started."""
        if self._child is None:
            child, self._done = Child.ready(self._settings), 0
            with self._lock:
                self._child = child
        return self._child

    def _give_up_child(self) -> None:
        with self._lock:
            if self._child is not None:
                self._child.kill()
                self._child = None

    def _note(self, said: Said) -> None:
        if said.what == "broken":
            for work_id in said.work_ids:
                self._end_here(work_id, durable.broken(self._line.kind.noun))
        for solve in said.solves:
            measures.IN_WORKER.count(solve)
        with self._lock:
            if said.what == "at":
                self._rest_spare()
                (self._at,), self._since = said.work_ids, time.monotonic()
            else:
                self._forget(said.work_ids)

    def _patience_s(self) -> float | None:
        """How long to wait for a word of the child."""
        with self._lock:
            if self._at is None:
                return None
            until = [self._since + limit_s for limit_s in (self._limit_s(),) if limit_s is not None]
            if not self._spared:
                until.append(self._since + _PATIENCE_S)
            return max(0.0, min(until) - time.monotonic()) if until else None

    def _limit_s(self) -> float | None:
        piece = self._left.get(self._at or "")
        # What is not wanted any more the child will find, in no time.
        limit_s = 0.0 if piece is None else piece.time_limit_s
        return None if limit_s is None else _OVERTIME * limit_s + _OVERTIME_S

    def _others(self) -> list[str]:
        """What was taken with the piece that the child is at: solved and not stored yet, or not
        begun.
        """
        return [work_id for work_id in self._left if work_id != self._at]

    def _overdue(self) -> None:
        """The child is at one piece for long: that one is stopped, or the rest goes back in
        line.
        """
        with self._lock:
            took_s, limit_s, others = (
                time.monotonic() - self._since,
                self._limit_s(),
                self._others(),
            )
            if limit_s is not None and took_s >= limit_s:
                self._kill(str(self._at), Ending("timed_out"))
            elif took_s < _PATIENCE_S:
                return
            else:
                self._spared = True
                if self._child is not None and others:
                    with contextlib.suppress(Gone):
                        self._child.stop_early()
        self._hand_back(others)
        if self._spare is not None:
            self._spare._resting.clear()
            self._spare.bell.set()

    def _rest_spare(self) -> None:
        self._spared = False
        if self._spare is not None:
            self._spare._resting.set()

    def _kill(self, work_id: str, ending: Ending) -> None:
        self._killed_for = self._killed_for or (work_id, ending)
        if self._child is not None:
            self._child.kill()

    def _died(self, code: int | None) -> None:
        """See to what a child was at that is gone."""
        if self._ending.is_set():
            threading.Event().wait()  # the worker that ends hands back what it was at
        with self._lock:
            self._rest_spare()
            at, killed_for, self._at = self._at, self._killed_for, None
            # Before it said what it is at, it was about to begin the first.
            first = next(iter(self._left.values()), None)
            piece = first if at is None else self._left.get(at)
        if killed_for is not None:  # which may have ended, and the child gone on
            if killed_for[0] in self._left:
                self._end_here(*killed_for)
        elif piece is not None:
            self._crashed(piece, code)

    def _crashed(self, piece: Taken, code: int | None) -> None:
        """A child died by itself: what it was at is begun again, last, or given up."""
        kind, work_id = self._line.kind, piece.work_id
        crashes = self._crashes[work_id] = self._crashes.get(work_id, 0) + 1
        measures.CRASHES.inc()
        died = f"its process ended with {code} ({crashes} of {_CRASHES})"
        with durable.concerning(kind.noun, piece):
            log.error("%s %s: %s", kind.noun, work_id, died)
        if crashes == _CRASHES:
            reason = f"Its process died {crashes} times, lastly with exit code {code}."
            self._end_here(work_id, Ending("failed", "crashed", reason))
            return
        self._warm_child()  # what is begun again has someone at it
        again = insisting(lambda: taking.take_again(self._database, kind, piece))
        with self._lock:
            self._forget([work_id])
            if again is not None:
                self._left[work_id] = again

    def _end_here(self, work_id: str, ending: Ending) -> None:
        insisting(lambda: self._line.kind.end(self._database, work_id, ending))
        with self._lock:
            self._forget([work_id])

    def _hand_back(self, work_ids: Sequence[str]) -> None:
        with self._lock:
            pieces = [self._left[work_id] for work_id in work_ids if work_id in self._left]
        insisting(lambda: taking.hand_back(self._database, self._line.kind, pieces))
        with self._lock:
            self._forget(work_ids)

    def _forget(self, work_ids: Sequence[str]) -> None:
        for work_id in work_ids:
            self._left.pop(work_id, None)

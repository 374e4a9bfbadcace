"""The threads that work on requests: a few at a time, in the order in which those came.

Threads of one interpreter take turns, and each that comes back from a statement waits until those
that compute let it: with a dozen at work a request of thirty statements takes a second, and all of
them together take longer than one after the other. A thread that waits for something else does not
count.
"""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from functools import partial
from queue import SimpleQueue
from typing import Any, Literal, TypeVar

Kind = Literal["reading", "planning", "writing"]
"""Work of one kind does not wait behind work of another."""
ON_SQLITE: Mapping[Kind, int] = {"reading": 3, "planning": 2, "writing": 2}
"""So many of each are at work at a time."""
ON_POSTGRES: Mapping[Kind, int] = {"reading": 6, "planning": 3, "writing": 6}
"""More: most of their time a server works for them."""
MOST = 40
"""Threads in all, with those that wait."""

LONG_S = 0.2
"""Whoever has been at work for longer counts no more: those behind have their own time."""

T = TypeVar("T")
Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])


def of_kind(kind: Kind) -> Callable[[Endpoint], Endpoint]:
    """Say of an endpoint which kind of work it is, if not the one that its method says."""

    def said(endpoint: Endpoint) -> Endpoint:
        endpoint.__dict__["kind_of_work"] = kind
        return endpoint

    return said


def kind_of(endpoint: Callable[..., Any]) -> Kind | None:
    """Which kind of work was said of an endpoint."""
    kind: Kind | None = getattr(endpoint, "kind_of_work", None)
    return kind


@dataclass(slots=True, eq=False)
class _Job:
    """A call that somebody in an event loop waits for."""

    lane: "_Lane"
    call: Callable[[], Any]
    context: Context
    loop: asyncio.AbstractEventLoop
    told: "asyncio.Future[Any]"
    begun: float = 0.0
    counts: bool = False

    def run(self) -> None:
        """Make the call, and tell what it returned or raised."""
        try:
            tell = partial(_tell, self.told, self.context.run(self.call))
        except BaseException as fault:
            tell = partial(_tell_fault, self.told, fault)
        with suppress(RuntimeError):  # the loop has ended, and nobody waits
            self.loop.call_soon_threadsafe(tell)


def _tell(told: "asyncio.Future[Any]", value: Any) -> None:
    if not told.done():
        told.set_result(value)


def _tell_fault(told: "asyncio.Future[Any]", fault: BaseException) -> None:
    if not told.done():
        told.set_exception(fault)


@dataclass(slots=True, eq=False)
class _Lane:
    """Work of a kind."""

    most: int
    waiting: deque[_Job] = field(default_factory=deque)
    at_work: set[_Job] = field(default_factory=set)

    def next(self) -> _Job | None:
        """The call that may begin now, if one may; it is at work then."""
        while self.waiting and len(self.at_work) < self.most:
            job = self.waiting.popleft()
            if not job.told.cancelled():  # whoever wanted it has gone
                job.begun = time.monotonic()
                self.at_work.add(job)
                return job
        return None


class Hands:
    """Threads that make calls for an event loop."""

    _here = threading.local()

    def __init__(
        self,
        most: Mapping[Kind, int] = ON_SQLITE,
        threads: int = MOST,
        long_s: float = LONG_S,
    ) -> None:
        self._long_s = long_s
        self._lanes = {kind: _Lane(many) for kind, many in most.items()}
        self._lock = threading.Lock()
        # Who became idle last has the next call: the others' memory may be of use to somebody else.
        self._idle: list[SimpleQueue[_Job | None]] = []
        self._threads = self._not_hired = threads
        self._ended = threading.Condition(self._lock)
        self._closed = False
        self._look_again: asyncio.TimerHandle | None = None

    async def do(self, kind: Kind, call: Callable[..., T], *given: Any) -> T:
        """What a call returns that one of the threads makes. Raises what it raises."""
        loop = asyncio.get_running_loop()
        lane = self._lanes[kind]
        job = _Job(lane, partial(call, *given), copy_context(), loop, loop.create_future())
        with self._lock:
            lane.waiting.append(job)
            self._begin(lane)
            late = bool(lane.waiting)
        if late and self._look_again is None:
            self._look_again = loop.call_later(self._long_s, self._look, loop)
        returned: T = await job.told
        return returned

    def close(self, within_s: float = 5.0) -> None:
        """Have the threads end, once they have nothing to do, and wait for that so long: what they
        use may go then.
        """
        with self._ended:
            self._closed = True
            while self._idle:
                self._idle.pop().put(None)
            self._ended.wait_for(lambda: self._not_hired == self._threads, within_s)

    def _begin(self, lane: _Lane) -> None:
        """Hand on what may begin."""
        while (self._idle or self._not_hired) and (job := lane.next()) is not None:
            if self._idle:
                self._idle.pop().put(job)
                continue
            self._not_hired -= 1
            given: SimpleQueue[_Job | None] = SimpleQueue()
            given.put(job)
            threading.Thread(target=self._work, args=(given,), name="hand", daemon=True).start()

    def _work(self, given: "SimpleQueue[_Job | None]") -> None:
        while (job := given.get()) is not None:
            while job is not None:
                self._here.at = self, job
                job.run()
                self._here.at = None
                with self._lock:
                    job.lane.at_work.discard(job)
                    nexts = (lane.next() for lane in self._lanes.values())
                    job = next((each for each in nexts if each is not None), None)
                    if job is None and self._closed:
                        given.put(None)
                    elif job is None:
                        self._idle.append(given)
        with self._ended:
            self._not_hired += 1
            self._ended.notify_all()

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        """Go on beside those who have been at work for long."""
        before = time.monotonic() - self._long_s
        with self._lock:
            for lane in self._lanes.values():
                lane.at_work = {job for job in lane.at_work if job.begun > before}
                self._begin(lane)
            late = any(lane.waiting for lane in self._lanes.values())
        self._look_again = loop.call_later(self._long_s, self._look, loop) if late else None

    def _rest(self, job: _Job) -> None:
        with self._lock:
            job.lane.at_work.discard(job)
            self._begin(job.lane)


def resting() -> None:
    """Say in a thread that it waits from now on, rather than computes."""
    at: tuple[Hands, _Job] | None = getattr(Hands._here, "at", None)
    if at is not None:
        at[0]._rest(at[1])

"""Requests on a schedule that no answer changes.

A client that waits for an answer before it asks again measures a stalled service by a single slow
answer. Here every request has its instant, and what it took is counted from there.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field

from benchmarks.lean_client import Answer, Broken

Send = Callable[[], Awaitable[Answer]]


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of request, what it asks, and the statuses that are no fault."""

    name: str
    share: float
    send: Send
    good: frozenset[int] = frozenset({200})


@dataclass(slots=True)
class Seen:
    """What became of the requests of one kind."""

    took_s: list[float] = field(default_factory=list)
    """From the scheduled instant to the last byte."""
    faults: Counter[str] = field(default_factory=Counter)
    """Answers that are none of the good ones, by status and problem type."""


@dataclass(slots=True)
class Outcome:
    """What became of all requests."""

    seen: dict[str, Seen]
    late_s: list[float] = field(default_factory=list)
    """How long after its instant each request was begun: what the client itself adds."""
    most_open: int = 0
    """The largest number of requests without an answer at a time."""


async def drive(schedule: Iterator[Kind], rate_hz: float, seconds: float) -> Outcome:
    """Send a request of the schedule every 1/rate_hz, for so long; wait for all answers."""
    outcome = Outcome({})
    open_requests: set[asyncio.Task[None]] = set()

    async def ask(kind: Kind, at: float) -> None:
        seen = outcome.seen.setdefault(kind.name, Seen())
        outcome.late_s.append(time.perf_counter() - at)
        try:
            answer = await kind.send()
        except Broken as failure:
            seen.faults[str(failure)] += 1
        else:
            if answer.status_code not in kind.good:
                seen.faults[answer.told] += 1
        seen.took_s.append(time.perf_counter() - at)

    begun = time.perf_counter()
    for number in range(round(rate_hz * seconds)):
        at = begun + number / rate_hz
        if (left := at - time.perf_counter()) > 0.0:
            await asyncio.sleep(left)
        elif number % 10 == 0:
            await asyncio.sleep(0)  # late: answers must be read all the same
        task = asyncio.create_task(ask(next(schedule), at))
        open_requests.add(task)
        task.add_done_callback(open_requests.discard)
        outcome.most_open = max(outcome.most_open, len(open_requests))
    while open_requests:
        await asyncio.wait(open_requests)
    return outcome

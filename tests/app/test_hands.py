"""Threads that make calls for an event loop."""

import asyncio
import gc
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import pytest

from app.hands import Hands, Kind, resting
from tests.support.background import eventually

ONE_EACH: dict[Kind, int] = {"reading": 1, "planning": 1, "writing": 1}
NEVER_S, SOON_S = 3600.0, 30.0


@contextmanager
def hands(threads: int = 8, long_s: float = NEVER_S) -> Iterator[Hands]:
    made = Hands(ONE_EACH, threads, long_s)
    try:
        yield made
    finally:
        made.close()


def test_a_few_are_at_work_in_the_order_in_which_they_came() -> None:
    at_work, most, order = 0, 0, []

    def work(n: int) -> int:
        nonlocal at_work, most
        at_work += 1
        most = max(most, at_work)
        order.append(n)
        at_work -= 1
        return n

    async def crowd(few: Hands) -> list[int]:
        return await asyncio.gather(*(few.do("reading", work, n) for n in range(200)))

    with hands() as few:
        assert asyncio.run(crowd(few)) == list(range(200)) == order
    assert most == 1


def test_who_rests_counts_no_more() -> None:
    """And work of another kind is waited for by nobody."""
    free = threading.Event()

    def wait(rest: Callable[[], None]) -> bool:
        rest()
        return free.wait(SOON_S)

    async def crowd(few: Hands, rest: Callable[[], None]) -> None:
        waiting = [asyncio.create_task(few.do("writing", wait, rest)) for _ in range(3)]
        await asyncio.sleep(0.0)
        assert await few.do("reading", int) == 0
        if rest is not resting:  # those behind the first have not begun
            free.set()
        else:
            await few.do("writing", free.set)
        assert all(await asyncio.gather(*waiting))

    for rest in (resting, lambda: None):
        free.clear()
        with hands() as few:
            asyncio.run(crowd(few, rest))
    resting()  # nobody's thread


def test_who_is_at_work_for_long_is_not_waited_for() -> None:
    free = threading.Event()

    async def crowd(few: Hands) -> None:
        long = asyncio.create_task(few.do("planning", free.wait, SOON_S))
        await asyncio.sleep(0.0)
        await few.do("planning", free.set)
        assert await long

    with hands(long_s=0.05) as few:
        asyncio.run(crowd(few))


def test_threads_have_an_end() -> None:
    """Whoever comes then is begun when one of them is free."""
    free = threading.Event()
    all_wait = threading.Barrier(3, free.set)

    def wait() -> int:
        resting()
        if not free.is_set():
            all_wait.wait(SOON_S)
        return threading.get_ident()

    async def crowd(few: Hands) -> list[int]:
        waiting = [asyncio.create_task(few.do("writing", wait)) for _ in range(20)]
        return await asyncio.gather(*waiting)

    with hands(threads=3) as few:
        assert len(set(asyncio.run(crowd(few)))) <= 3


def test_what_is_raised_is_raised_and_contexts_are_kept() -> None:
    name: ContextVar[str] = ContextVar("name")

    def fail() -> None:
        raise LookupError(name.get())

    async def ask(few: Hands) -> None:
        name.set("mine")
        with pytest.raises(LookupError, match="mine"):
            await few.do("reading", fail)
        assert await few.do("reading", name.get) == "mine"

    with hands() as few:
        asyncio.run(ask(few))


def test_what_nobody_waits_for_any_more_is_not_begun() -> None:
    free = threading.Event()
    begun: list[str] = []

    async def crowd(few: Hands) -> None:
        first = asyncio.create_task(few.do("reading", free.wait, SOON_S))
        gone = asyncio.create_task(few.do("reading", begun.append, "gone"))
        await asyncio.sleep(0.0)
        gone.cancel()
        await asyncio.sleep(0.0)
        free.set()
        assert await first
        await few.do("reading", begun.append, "after")

    with hands() as few:
        asyncio.run(crowd(few))
    assert begun == ["after"]


def test_nothing_is_kept_of_what_was_done() -> None:
    class Body:
        """A large one."""

    async def ask(few: Hands) -> "weakref.ref[Body]":
        body = Body()
        await few.do("reading", id, body)
        return weakref.ref(body)

    with hands() as few:
        kept = asyncio.run(ask(few))

        def gone() -> bool:
            gc.collect()
            return kept() is None

        eventually(gone)  # the thread may still be on its way back


def test_who_closes_waits_for_those_at_work() -> None:
    """Also for one whose caller has gone."""
    free, ended = threading.Event(), threading.Event()

    def work() -> None:
        free.wait(SOON_S)
        ended.set()

    async def go(few: Hands) -> None:
        asking = asyncio.create_task(few.do("reading", work))
        await asyncio.sleep(0.0)
        asking.cancel()

    few = Hands(ONE_EACH)
    asyncio.run(go(few))
    few.close(within_s=0.01)
    assert not ended.is_set()
    threading.Timer(0.05, free.set).start()
    few.close(SOON_S)
    assert ended.is_set()


def test_the_threads_end() -> None:
    with hands() as few:
        thread = asyncio.run(few.do("reading", threading.current_thread))
    thread.join(SOON_S)
    assert not thread.is_alive()
    for _ in range(20):  # more than it has threads: who comes late is served by new ones
        thread = asyncio.run(few.do("reading", threading.current_thread))
        thread.join(SOON_S)

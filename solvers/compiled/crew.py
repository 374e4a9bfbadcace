"""Work on one solve by all processors that the process may use."""

import os
import threading
from collections.abc import Callable
from typing import TypeVar

ResultT = TypeVar("ResultT")

# Below so many parts a second thread costs more than it takes over.
_WORTH_HELP = 4


def parts(count: int, size: int) -> list[tuple[int, int]]:
    """Stretches of at most `size`, however many processors there are: sums over them are the same
    everywhere.
    """
    return [(start, min(start + size, count)) for start in range(0, count, size)]


def processors() -> int:
    """How many the process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def each(
    call: Callable[[int, int], ResultT],
    stretches: list[tuple[int, int]],
    look_up: Callable[[float], None],
) -> list[ResultT]:
    """What `call` returns for every stretch, in their order.

    `call` must let other threads run, as calls of the library do. `look_up` is told by this thread
    how much is done after every stretch of its own, and ends all by raising.
    """
    results: dict[int, ResultT] = {}
    failed: list[BaseException] = []
    waiting = iter(range(len(stretches)))
    lock = threading.Lock()

    def work(after: Callable[[float], None]) -> None:
        while not failed:
            with lock:
                k = next(waiting, None)
            if k is None:
                return
            results[k] = call(*stretches[k])
            after(len(results) / len(stretches))

    def help_out() -> None:
        try:
            work(lambda _: None)
        except BaseException as error:  # told by the thread that asked
            failed.append(error)

    helpers = min(processors(), len(stretches)) - 1 if len(stretches) >= _WORTH_HELP else 0
    threads = [threading.Thread(target=help_out, daemon=True) for _ in range(helpers)]
    for thread in threads:
        thread.start()
    try:
        work(look_up)
    except BaseException as error:
        failed.append(error)
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]
    return [results[k] for k in range(len(stretches))]

"""How this process gets its memory, and gives it back."""

import ctypes
import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager

# malloc.h of the GNU C library.
_M_ARENA_MAX = -8
_ARENAS = 2


def keep_together() -> None:
    """Have all threads take memory from two places, where the C library is GNU's.

    By itself it opens eight for each processor, and what a thread frees in one of them is of no use
    to others: a web of forty threads holds most of what it ever needed several times over. Whoever
    sets MALLOC_ARENA_MAX knows better. To be called before threads begin.
    """
    if "MALLOC_ARENA_MAX" in os.environ:
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:  # others have none, or no such parameter and say so by returning 0
        mallopt(_M_ARENA_MAX, _ARENAS)


@contextmanager
def undisturbed() -> Iterator[None]:
    """While something is loaded that stays: to look through all of it for garbage, again and again
    while it grows, takes a fifth of the time of loading it.
    """
    gc.disable()
    try:
        yield
        gc.freeze()
    finally:
        gc.enable()

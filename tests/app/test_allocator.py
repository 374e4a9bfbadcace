"""How many places threads take memory from."""

import os
import subprocess
import sys

import pytest

# Threads that live at the same time have each a place of its own, as long as there may be more.
THREADS = """
import ctypes, sys, threading
from app import allocator
if sys.argv[1] == "together":
    allocator.keep_together()
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
all_here = threading.Barrier(9)
def allocate():
    libc.malloc(1000)
    all_here.wait()
    all_here.wait()
threads = [threading.Thread(target=allocate) for _ in range(8)]
for thread in threads:
    thread.start()
all_here.wait()
libc.malloc_info(0, ctypes.c_void_p.in_dll(libc, "stdout"))
libc.fflush(None)
all_here.wait()
"""


def arenas(how: str, **environment: str) -> int:
    told = subprocess.run(
        [sys.executable, "-c", THREADS, how],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return told.stdout.count("<heap nr=")


@pytest.mark.skipif(
    not hasattr(os, "confstr") or "glibc" not in (os.confstr("CS_GNU_LIBC_VERSION") or ""),
    reason="another C library has no arenas",
)
def test_threads_share_two_arenas_unless_the_operator_says_otherwise() -> None:
    assert arenas("apart") > 2
    assert arenas("together") == 2
    assert arenas("together", MALLOC_ARENA_MAX="4") == 4

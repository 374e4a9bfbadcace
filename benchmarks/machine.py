"""What a figure was measured on, and how."""

import os
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import scipy


def describe() -> str:
    """Cores, processor and versions in one line."""
    names = [
        line.split(":", 1)[1].strip()
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        if line.startswith("model name")
    ]
    cores = len(os.sched_getaffinity(0))
    return (
        f"{cores} cores of {names[0] if names else platform.processor() or 'an unnamed processor'},"
        f" Python {platform.python_version()}, numpy {np.__version__}, scipy {scipy.__version__}"
    )


def seconds(call: Callable[[], object], runs: int) -> tuple[float, float, float]:
    """Least, median and largest wall time of some runs after one that does not count."""
    call()
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times), statistics.median(times), max(times)

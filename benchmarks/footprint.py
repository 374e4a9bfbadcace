"""What processes hold and spend, looked at again and again, and whether it grows."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import numpy as np
import psutil

_EVERY_S = 5.0
# Caches fill, pools open their connections, threads begin: what comes after must be flat.
_WARM = 0.3
# So much in ten minutes is no growth that a person would see: a page of a cache here and there.
FLAT_MB_PER_MIN = 1.0
_DRAWN, _BLOCKS = 2000, 8


@dataclass(slots=True)
class Sample:
    """What groups of processes held at an instant."""

    at_s: float
    rss_mb: dict[str, float]
    pss_mb: dict[str, float]
    """Memory that processes share is counted once."""
    stored_mb: float


@dataclass(slots=True)
class Footprint:
    """Samples of groups of processes, and the processor time that each group took."""

    samples: list[Sample] = field(default_factory=list)
    spent_s: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0


def _held(processes: list[psutil.Process]) -> tuple[float, float]:
    rss = pss = 0.0
    for process in processes:
        with suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
            held = process.memory_full_info()
            rss, pss = rss + held.rss / 1e6, pss + held.pss / 1e6
    return rss, pss


def processor_s(processes: list[psutil.Process]) -> float:
    """Processor time of processes and of those of their children that have ended [s]."""
    total = 0.0
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            spent = process.cpu_times()
            total += spent.user + spent.system + spent.children_user + spent.children_system
    return total


Groups = Callable[[], dict[str, list[psutil.Process]]]


@contextmanager
def watched(groups: Groups, stored_byte: Callable[[], int]) -> Iterator[Footprint]:
    """Look at groups of processes and at what is stored every few seconds."""
    kept, enough, begun = Footprint(), threading.Event(), time.monotonic()

    def look() -> None:
        held = {name: _held(processes) for name, processes in groups().items()}
        kept.samples.append(
            Sample(
                time.monotonic() - begun,
                {name: rss for name, (rss, _) in held.items()},
                {name: pss for name, (_, pss) in held.items()},
                stored_byte() / 1e6,
            )
        )

    def run() -> None:
        look()
        while not enough.wait(_EVERY_S):
            look()
        look()

    before = {name: processor_s(processes) for name, processes in groups().items()}
    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield kept
    finally:
        enough.set()
        thread.join()
        kept.seconds = time.monotonic() - begun
        for name, processes in groups().items():
            kept.spent_s[name] = processor_s(processes) - before.get(name, 0.0)


def growth_mb_per_min(samples: list[Sample], name: str) -> tuple[float, float, float]:
    """The slope of what a group holds once it is warm, and a 95 % interval: blocks of neighbours
    are drawn together, since what is held at an instant is much the same as just before.
    """
    end = samples[-1].at_s
    warm = [sample for sample in samples if sample.at_s >= _WARM * end]
    minutes = np.array([sample.at_s / 60.0 for sample in warm])
    held = np.array([sample.pss_mb[name] for sample in warm])
    slope, at = np.polyfit(minutes, held, 1)
    left = held - (slope * minutes + at)
    chance, length = np.random.default_rng(1), max(1, len(warm) // _BLOCKS)
    drawn = []
    for _ in range(_DRAWN):
        starts = chance.integers(0, len(warm) - length + 1, -(-len(warm) // length))
        noise = np.concatenate([left[start : start + length] for start in starts])[: len(warm)]
        drawn.append(np.polyfit(minutes, slope * minutes + at + noise, 1)[0])
    least, most = np.quantile(drawn, (0.025, 0.975))
    return float(slope), float(least), float(most)


def print_by_minute(kept: Footprint) -> None:
    """What each group held at the end of each minute, and whether that grows."""
    names = list(kept.samples[-1].pss_mb)
    print(f"| minute | {' | '.join(f'{name}, MB PSS (RSS)' for name in names)} | stored, MB |")
    print(f"|{'---|' * (len(names) + 2)}")
    ends = np.array([sample.at_s for sample in kept.samples])
    instants = [*np.arange(0.0, ends[-1] - 15.0, 60.0), ends[-1]]
    for sample in (kept.samples[int(np.argmin(abs(ends - at)))] for at in instants):
        told = " | ".join(f"{sample.pss_mb[n]:.0f} ({sample.rss_mb[n]:.0f})" for n in names)
        print(f"| {sample.at_s / 60.0:.1f} | {told} | {sample.stored_mb:.1f} |")
    print()
    print("| | MB more per minute, once warm | 95 % interval | verdict | processors taken |")
    print("|---|---|---|---|---|")
    for name in names:
        slope, least, most = growth_mb_per_min(kept.samples, name)
        verdict = "flat" if most <= FLAT_MB_PER_MIN else "not shown to be flat"
        taken = kept.spent_s[name] / kept.seconds
        print(f"| {name} | {slope:+.2f} | {least:+.2f} to {most:+.2f} | {verdict} | {taken:.2f} |")
    print()

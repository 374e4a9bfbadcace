"""The measurement itself: warm up, visit cut after cut in the order of the schedule, keep every
sample.
"""

import gc
import resource
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from profiler.clocks import Clock
from profiler.journal import Journal, Reading, Sitting, Visit
from profiler.network import Network
from profiler.runtime import Runner, Tensors
from profiler.schedule import Block, Stop, blocks

# a loaded half keeps its weights once, rearranged for its kernels; those it uses as they are it
# shares
_COPIES = 1.1
_LOADED_BYTE = 16_000_000  # and its tensors and code beside them
_MEMORY_SHARE = 0.5


@dataclass(frozen=True)
class Plan:
    """How much to measure.

    Attributes
    ----------
    repetitions : visits of each cut at each clock in each session
    sessions : how often to begin anew, `gap_s` apart: two agree only if the machine is the same
        then
    warm_up : runs of each cut that do not count, whenever it is loaded
    parts : "device", "server" or both; both are run in one go, so that what they have in common
        shows
    clocks_hz : clocks to set, None for the one that is
    """

    repetitions: int = 50
    sessions: int = 2
    warm_up: int = 10
    gap_s: float = 30.0
    parts: tuple[str, ...] = ("device", "server")
    clocks_hz: tuple[float | None, ...] = (None,)
    threads: int = 1
    provider: str = "CPUExecutionProvider"
    seed: int = 0
    memory_byte: int | None = None

    @property
    def visits(self) -> int:
        """Of each cut, over all sessions."""
        return self.repetitions * self.sessions * len(self.clocks_hz)


class _Loaded:
    """One cut, ready to run."""

    def __init__(self, network: Network, cut: int, plan: Plan) -> None:
        halves = network.halves(cut)
        self._feeds: Tensors = network.feeds
        self._meter = _meter(plan.threads)
        device = Runner(halves.device, plan.threads, plan.provider)
        if "device" in plan.parts:
            self._device: Runner | None = device
        else:
            self._device = None
            self._feeds = network.feeds | device(network.feeds)
        self._server = (
            Runner(halves.server, plan.threads, plan.provider) if "server" in plan.parts else None
        )

    def run(self) -> tuple[Reading | None, Reading | None]:
        """Both halves in one go; a half in which there is nothing to run has no reading."""
        feeds, device = self._feeds, None
        if self._device is not None and self._device.half.model:
            crossed, device = self._meter(self._device, feeds)
            feeds = feeds | crossed
        server = None
        if self._server is not None and self._server.half.model:
            _, server = self._meter(self._server, feeds)
        return device, server


def measure(
    network: Network,
    plan: Plan,
    clock: Clock,
    journal: Journal,
    progress: Callable[[int, int], None],
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Visit what the journal does not hold yet; `progress` is told visits done and to do.

    An order that was interrupted goes on where it stopped, as a sitting of its own: another process
    measured it. Raises ClockUnavailable.
    """
    done = {(visit.session, Stop(visit.round, visit.clock, visit.cut)) for visit in journal.visits}
    total = plan.visits * len(network.cuts)
    loads_byte = _loads_byte(network, plan.parts)
    memory_byte = plan.memory_byte or int(_MEMORY_SHARE * free_byte())
    sat = False
    for session in range(plan.sessions):
        seed = f"{plan.seed}/{session}"
        planned = blocks(loads_byte, len(plan.clocks_hz), plan.repetitions, memory_byte, seed)
        open_blocks = [
            Block(cuts, stops)
            for cuts, all_stops in planned
            if (stops := tuple(stop for stop in all_stops if (session, stop) not in done))
        ]
        if not open_blocks:
            continue
        if sat:
            sleep(plan.gap_s)
        sat = True
        sitting = journal.sit(Sitting(session, datetime.now(timezone.utc).isoformat()))
        order = 0
        for block in open_blocks:
            order = _measure(
                network, plan, clock, journal, block, (session, sitting, order), progress, total
            )
        journal.sync()


def _measure(
    network: Network,
    plan: Plan,
    clock: Clock,
    journal: Journal,
    block: Block,
    place: tuple[int, int, int],
    progress: Callable[[int, int], None],
    total: int,
) -> int:
    session, sitting, order = place
    wanted = {stop.cut for stop in block.stops}
    loaded = {cut: _Loaded(network, cut, plan) for cut in block.cuts if cut in wanted}
    for _ in range(plan.warm_up):
        for each in loaded.values():
            each.run()
    now = None
    gc.collect()
    gc.disable()
    try:
        for stop in block.stops:
            requested_hz = plan.clocks_hz[stop.clock]
            if requested_hz is not None and stop.clock != now:
                clock.set_hz(requested_hz)
                now = stop.clock
            before_hz = clock.read_hz()
            device, server = loaded[stop.cut].run()
            after_hz = clock.read_hz()
            journal.add(
                Visit(
                    session, sitting, stop.round, stop.clock, stop.cut, order,
                    requested_hz, before_hz, after_hz, device, server,
                )
            )  # fmt: skip
            order += 1
            progress(len(journal.visits), total)
    finally:
        gc.enable()
    return order


def _loads_byte(network: Network, parts: tuple[str, ...]) -> list[int]:
    """What each cut takes while it is loaded, about [byte]."""
    whole = network.cuts[-1].parameter_byte
    return [
        _LOADED_BYTE
        + int(
            _COPIES
            * (
                ("device" in parts) * cut.parameter_byte
                + ("server" in parts) * (whole - cut.parameter_byte)
            )
        )
        for cut in network.cuts
    ]


def free_byte(meminfo: Path = Path("/proc/meminfo")) -> int:
    """Memory that can be taken without driving anything out [byte]."""
    for line in meminfo.read_text(encoding="ascii").splitlines():
        name, _, rest = line.partition(":")
        if name == "MemAvailable":
            return int(rest.split()[0]) * 1024
    raise OSError(f"{meminfo} does not say how much memory is free: give --memory-mb")


def _meter(threads: int) -> Callable[[Runner, Tensors], tuple[Tensors, Reading]]:
    """One thread runs in this one; several are counted with the whole process."""
    who = resource.RUSAGE_THREAD if threads == 1 else resource.RUSAGE_SELF
    cpu = time.thread_time if threads == 1 else time.process_time

    def metered(runner: Runner, feeds: Tensors) -> tuple[Tensors, Reading]:
        switches, cpu_s, start_s = resource.getrusage(who).ru_nivcsw, cpu(), time.perf_counter()
        outputs = runner(feeds)
        time_s = time.perf_counter() - start_s
        return outputs, Reading(time_s, cpu() - cpu_s, resource.getrusage(who).ru_nivcsw - switches)

    return metered

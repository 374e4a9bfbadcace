"""The clocks of a board: those of its cores, a device's under devfreq, and several at once."""

import platform
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from profiler.clocks import Clock, ClockUnavailable, SysfsClock, number, same

_IN_KHZ = 1e7  # no device under devfreq stops at 10 MHz: its driver counts in kHz
_COUNTING = ("x86_64", "amd64", "i686", "i386")  # whose scaling_cur_freq is counted, not repeated


class Together(Clock):
    """Several clocks held as one: those of the cores that a run is on.

    Threads wait for the slowest core, so that is the clock of a run; that the cores differed is
    told.
    """

    def __init__(self, clocks: Sequence[SysfsClock]) -> None:
        super().__init__()
        self._clocks = tuple(clocks)
        self._apart = 0

    @property
    def source(self) -> str:
        """The files that are read."""
        return "the lowest of those " + ", ".join(clock.source for clock in self._clocks)

    def read_hz(self) -> float | None:
        """The clock of the slowest [Hz]. Raises ClockUnavailable."""
        told = [hz for clock in self._clocks if (hz := clock.read_hz()) is not None]
        self._apart += not same(min(told), max(told))
        return min(told)

    def doubts(self) -> tuple[str, ...]:
        """What each of them tells, and whether they differed."""
        told = dict.fromkeys(doubt for clock in self._clocks for doubt in clock.doubts())
        apart = f"the cores had different clocks in {self._apart} readings: the slowest is told"
        return (*told, *([apart] if self._apart else []))

    def levels_hz(self) -> tuple[float, ...]:
        """The clocks that all of them offer, ascending [Hz]. Raises ClockUnavailable."""
        first, *others = (clock.levels_hz() for clock in self._clocks)
        common = tuple(
            hz for hz in first if all(any(same(hz, each) for each in one) for one in others)
        )
        if not common:
            raise ClockUnavailable("the cores have no clock in common: choose cores of one kind")
        return common

    def set_hz(self, level_hz: float) -> None:
        """Hold a clock [Hz] on all of them. Raises ClockUnavailable."""
        for clock in self._clocks:
            clock.set_hz(level_hz)

    def limits(self) -> tuple[str, str]:
        """The limits of each, in order. Raises ClockUnavailable."""
        least, most = zip(*(clock.limits() for clock in self._clocks), strict=True)
        return " ".join(least), " ".join(most)

    def give_back(self, limits: tuple[str, str]) -> None:
        """Let `restore` give back these limits."""
        for clock, *its in zip(self._clocks, *(text.split() for text in limits), strict=True):
            clock.give_back((its[0], its[1]))

    def restore(self) -> None:
        """Give the limits back that were found."""
        for clock in self._clocks:
            clock.restore()


class Beside(Clock):
    """A clock beside which another is watched: a GPU waits for its CPU, whose clock counts too."""

    def __init__(self, clock: Clock, other: Clock, name: str) -> None:
        super().__init__()
        self._clock, self._other, self._name = clock, other, name
        self._seen: list[float] = []

    @property
    def source(self) -> str:
        """Where the clock itself is read."""
        return self._clock.source

    def read_hz(self) -> float | None:
        """The clock now [Hz]; the other one is noted. Raises ClockUnavailable."""
        seen = self._other.read_hz()
        if seen is not None:
            self._seen = [min([seen, *self._seen]), max([seen, *self._seen])]
        return self._clock.read_hz()

    @property
    def beside(self) -> str:
        """What was read of the other, for the measurement's record."""
        return f"{self._seen[0]:.6g} to {self._seen[1]:.6g} Hz" if self._seen else "not read"

    def doubts(self) -> tuple[str, ...]:
        """Those of the clock, and whether the other one moved."""
        moved = (
            [
                f"the clock of the {self._name} was {self.beside}, and times depend on it: hold it"
                " with --cpu-clock"
            ]
            if self._seen and not same(*self._seen)
            else []
        )
        return (*self._clock.doubts(), *moved)

    def levels_hz(self) -> tuple[float, ...]:
        """The clocks on offer, ascending [Hz]."""
        return self._clock.levels_hz()

    def set_hz(self, level_hz: float) -> None:
        """Hold a clock [Hz]. Raises ClockUnavailable."""
        self._clock.set_hz(level_hz)

    def limits(self) -> tuple[str, str]:
        """The limits of the clock itself. Raises ClockUnavailable."""
        return self._clock.limits()

    def give_back(self, limits: tuple[str, str]) -> None:
        """Let `restore` give back these limits."""
        self._clock.give_back(limits)

    def restore(self) -> None:
        """Give both back as they were found."""
        self._clock.restore()
        self._other.restore()


def chosen_clock(
    cores: Sequence[int],
    root: Path,
    *,
    declared_hz: float | None = None,
    devfreq: str | None = None,
    cpu_hz: float | None = None,
    setting: bool = False,
    tell: Callable[[str], None],
) -> Clock:
    """What tells the clock; a machine that does not is no fault unless clocks are to be set.

    Parameters
    ----------
    declared_hz : the operator's word for it, which nobody checks
    devfreq : the device whose clock it is, with that of the cores beside it
    cpu_hz : at which to hold the cores beside such a device
    setting : whether clocks are to be set

    Raises
    ------
    ClockUnavailable, ValueError
    """
    if cpu_hz is not None and devfreq is None:
        raise ValueError("--cpu-clock is the clock beside a --devfreq device's: use --clocks")
    if declared_hz is not None:
        if setting:
            raise ValueError(
                "--frequency-hz declares a clock that nobody reads: it cannot go with --clocks"
            )
        return Clock(declared_hz)
    device = None if devfreq is None else devfreq_clock(devfreq, root)
    try:
        clock = cpu_clock(cores, root)
    except ClockUnavailable as error:
        if cpu_hz is not None or (setting and device is None):
            raise
        tell(f"{error}: {'frequency_hz stays null' if device is None else 'it is not recorded'}")
        clock = Clock()
    if device is None:
        return clock
    if cpu_hz is not None:
        clock.set_hz(cpu_hz)
    return Beside(device, clock, "CPU")


def cpu_clock(cores: Iterable[int], root: Path = Path("/sys"), machine: str | None = None) -> Clock:
    """The clock of some cores; where they have several, all are read and set together. `machine`
    is the architecture, by default this one's. Raises ClockUnavailable.
    """
    wanted = set(cores)
    folder = root / "devices/system/cpu/cpufreq"
    policies = [path for path in sorted(folder.glob("policy*")) if wanted & _cores(path)]
    if not policies:
        raise ClockUnavailable(f"{folder} tells no clock of the cores {sorted(wanted)}")
    counting = (machine or platform.machine()).lower() in _COUNTING
    clocks = [_of_policy(policy, counting) for policy in policies]
    return clocks[0] if len(clocks) == 1 else Together(clocks)


def _of_policy(policy: Path, counting: bool) -> SysfsClock:
    # What was counted over the last milliseconds, the hardware's word, the governor's.
    asked = policy / "scaling_cur_freq"
    return SysfsClock(
        least=policy / "scaling_min_freq",
        most=policy / "scaling_max_freq",
        readings=(policy / "cpuinfo_avg_freq", policy / "cpuinfo_cur_freq", asked),
        offered=policy / "scaling_available_frequencies",
        span=(policy / "cpuinfo_min_freq", policy / "cpuinfo_max_freq"),
        unit_hz=1e3,
        boost=((policy / "boost", policy.parent / "boost"), policy / "scaling_boost_frequencies"),
        repeated=() if counting else (asked,),
    )


def devfreq_clock(name: str, root: Path = Path("/sys")) -> SysfsClock:
    """The clock of a device under devfreq, a Jetson's GPU say; names differ from board to board.

    Raises ClockUnavailable.
    """
    folder = root / "class/devfreq"
    if not (folder / name).is_dir():
        there = ", ".join(path.name for path in sorted(folder.glob("*"))) or "none"
        raise ClockUnavailable(f"{folder} has no {name!r}: there is {there}")
    device = folder / name
    highest = max(map(float, _text(device / "available_frequencies").split()), default=None)
    highest = number(device / "max_freq") if highest is None else highest
    return SysfsClock(
        least=device / "min_freq",
        most=device / "max_freq",
        readings=(device / "cur_freq",),
        offered=device / "available_frequencies",
        span=(device / "min_freq", device / "max_freq"),
        unit_hz=1e3 if highest is not None and 0.0 < highest < _IN_KHZ else 1.0,
    )


def _cores(policy: Path) -> set[int]:
    for name in ("affected_cpus", "related_cpus"):
        if (policy / name).is_file():
            return {int(word) for word in (policy / name).read_text().split()}
    return set()


def _text(path: Path) -> str:
    return path.read_text() if path.is_file() else ""

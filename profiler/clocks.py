"""Clocks of a device, through Linux's sysfs: read before and after every sample, set where that is
permitted.

What a kernel was asked for is not what a processor does: a hot board slows down and says nothing.
So only the clock that was read counts as measured.
"""

import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

TOLERANCE = 0.01  # readings within this fraction of each other are one clock
_SETTLE_S = 0.2
_POLL_S = 0.005
_TRIES = 5  # of a reading that the kernel has not ready


class ClockUnavailable(Exception):
    """A clock that cannot be read or set; the message says why and what else to do."""


def same(first_hz: float, second_hz: float) -> bool:
    """Whether two readings are one clock."""
    return abs(first_hz - second_hz) <= TOLERANCE * max(first_hz, second_hz)


class Clock:
    """A clock nobody can read: measurements say null, or what the operator declares."""

    def __init__(self, declared_hz: float | None = None) -> None:
        self.declared_hz = declared_hz

    @property
    def source(self) -> str:
        """Where `read_hz` comes from, for the measurement's record."""
        return (
            "none: this machine does not tell its clock"
            if self.declared_hz is None
            else "declared by the operator"
        )

    def read_hz(self) -> float | None:
        """The clock now [Hz]; 0 of a device that sleeps."""
        return self.declared_hz

    def doubts(self) -> tuple[str, ...]:
        """Why the clock may be another than the one that is read, in words."""
        return ()

    def levels_hz(self) -> tuple[float, ...]:
        """The clocks on offer, ascending [Hz]. Raises ClockUnavailable."""
        raise ClockUnavailable("this machine's clock cannot be set: leave --clocks out")

    def set_hz(self, level_hz: float) -> None:
        """Hold a clock [Hz] until the end. Raises ClockUnavailable."""
        raise ClockUnavailable(
            f"this machine's clock cannot be set to {level_hz:g} Hz: leave --clocks out"
        )

    def limits(self) -> tuple[str, str]:
        """The lower and upper limit, in the words of the kernel. Raises ClockUnavailable."""
        raise ClockUnavailable("this machine's clock has no limits: leave --clocks out")

    def give_back(self, limits: tuple[str, str]) -> None:
        """Let `restore` give back these limits: a run that was killed left its own behind."""

    def __enter__(self) -> "Clock":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.restore()

    def restore(self) -> None:
        """Give the limits back that were found."""


class SysfsClock(Clock):
    """A clock whose limits and reading are files.

    Parameters
    ----------
    least, most : files that hold the limits
    readings : files that may tell the clock, best first
    offered : file that lists the levels; without one any clock between the limits of `span` may be
        asked for
    span : files with the lowest and highest possible clock
    unit_hz : what 1 in a file means
    boost : files that say whether clocks above those on offer may be taken; and those clocks
    repeated : readings that only repeat what was asked for
    """

    def __init__(
        self,
        least: Path,
        most: Path,
        readings: Sequence[Path],
        offered: Path,
        span: tuple[Path, Path],
        unit_hz: float,
        boost: tuple[Sequence[Path], Path] | None = None,
        repeated: Sequence[Path] = (),
    ) -> None:
        super().__init__()
        self._least, self._most, self._offered, self._span, self._unit_hz = (
            least,
            most,
            offered,
            span,
            unit_hz,
        )
        self._boost, self._repeated = boost, tuple(repeated)
        self._reading = next((path for path in readings if _patiently(path) is not None), None)
        if self._reading is None:
            raise ClockUnavailable(f"none of {', '.join(map(str, readings))} can be read")
        self._found: tuple[str, str] | None = None

    @property
    def source(self) -> str:
        """The file that is read."""
        return f"read from {self._reading}"

    def read_hz(self) -> float | None:
        """The clock now [Hz]; 0 of a device that sleeps. Raises ClockUnavailable if the file that
        told it no longer does.
        """
        number = _patiently(self._reading) if self._reading is not None else None
        if number is None:
            raise ClockUnavailable(f"{self._reading} cannot be read any more")
        return number * self._unit_hz

    def levels_hz(self) -> tuple[float, ...]:
        """The clocks on offer, ascending [Hz]; lowest and highest alone where the driver has no
        list.
        """
        if self._offered.is_file():
            words = self._offered.read_text().split()
            if self._boosted() and self._boost is not None and self._boost[1].is_file():
                words += self._boost[1].read_text().split()
            return tuple(sorted({float(word) * self._unit_hz for word in words}))
        ends = [number(path) for path in self._span]
        return tuple(sorted({end * self._unit_hz for end in ends if end is not None}))

    def set_hz(self, level_hz: float) -> None:
        """Hold a clock [Hz] by setting both limits to it, then wait until it is reached, but not
        for ever.

        Raises ClockUnavailable where that is not permitted or the clock is not on offer.
        """
        levels = self.levels_hz()
        nearest = min(levels, key=lambda level: abs(level - level_hz), default=level_hz)
        if self._offered.is_file() and not same(nearest, level_hz):
            raise ClockUnavailable(
                f"{level_hz:g} Hz is not on offer: {' '.join(f'{level:g}' for level in levels)}"
            )
        if levels and not levels[0] * (1 - TOLERANCE) <= level_hz <= levels[-1] * (1 + TOLERANCE):
            raise ClockUnavailable(
                f"{level_hz:g} Hz is not between {levels[0]:g} and {levels[-1]:g} Hz"
            )
        wanted = nearest if same(nearest, level_hz) else level_hz
        text = str(round(wanted / self._unit_hz))
        if self._found is None:
            self._found = self.limits()
        try:
            self._write(text, text)
        except OSError as error:
            raise _not_permitted(error) from error
        held = self.limits()
        if not all(same(float(limit) * self._unit_hz, wanted) for limit in held):
            raise ClockUnavailable(
                f"{level_hz:g} Hz was asked for, and {self._most.parent} keeps to {held[0]} to"
                f" {held[1]}: something else limits it (heat, a power mode), lift that first"
            )
        deadline = time.monotonic() + _SETTLE_S
        while not same(self.read_hz() or 0.0, wanted) and time.monotonic() < deadline:
            time.sleep(_POLL_S)

    def doubts(self) -> tuple[str, ...]:
        """Why the clock may be another than the one that is read, in words."""
        told = []
        if self._reading in self._repeated:
            told.append(
                f"{self._reading} repeats what was asked for, it is no reading: a board that slows"
                " down is not seen; run as root, who may read cpuinfo_cur_freq"
            )
        if self._boosted():
            told.append(
                f"boost is on ({self._boosted()}): the highest clock may be exceeded; write 0 there"
                " to hold it"
            )
        return tuple(told)

    def _boosted(self) -> Path | None:
        """The file that says that boost is on."""
        switches = () if self._boost is None else self._boost[0]
        return next((path for path in switches if number(path) == 1.0), None)

    def limits(self) -> tuple[str, str]:
        """The lower and upper limit, in the words of the kernel. Raises ClockUnavailable."""
        try:
            return self._least.read_text().strip(), self._most.read_text().strip()
        except OSError as error:
            raise _not_permitted(error) from error

    def give_back(self, limits: tuple[str, str]) -> None:
        """Let `restore` give back these limits: a run that was killed left its own behind."""
        self._found = limits

    def restore(self) -> None:
        """Give the limits back that were found."""
        # Who may not set a clock has nothing to give back, and was told why.
        if self._found is not None and self._found != self.limits():
            self._write(*self._found)
        self._found = None

    def _write(self, least: str, most: str) -> None:
        # The kernel refuses limits that cross, so on the way up the upper one goes first, on the
        # way down the lower.
        try:
            self._most.write_text(most)
            self._least.write_text(least)
        except OSError:
            self._least.write_text(least)
            self._most.write_text(most)


def _not_permitted(error: OSError) -> ClockUnavailable:
    return ClockUnavailable(
        f"the clock cannot be set ({error.filename}: {error.strerror}): run as root, or fix it by"
        " other means and leave --clocks out"
    )


def _patiently(path: Path) -> float | None:
    """What a file says, asked again where the kernel has just nothing to say: a core slept."""
    for _ in range(_TRIES):
        try:
            return float(path.read_text())
        except BlockingIOError:
            time.sleep(_POLL_S)
        except (OSError, ValueError):
            return None
    return None


def number(path: Path) -> float | None:
    """What a file says, None where nobody may read it or the driver says <unknown>."""
    try:
        return float(path.read_text())
    except (OSError, ValueError):
        return None

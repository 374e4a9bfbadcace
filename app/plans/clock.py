"""One clock per device, and what each cut takes there: for the families that do not choose the
clock.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.errors import FieldError
from app.profiles.schemas.device import Device
from app.profiles.schemas.model import Model
from app.profiles.schemas.timing import Timing, TimingCut, TimingLevel

# The same clock, written by two people.
_SAME_CLOCK = 1e-6


@dataclass(frozen=True, slots=True)
class AtClock:
    """Mean time of the device's part of every cut at one clock; faults point into the user's
    entry.
    """

    frequency_hz: float
    mean_s: NDArray[np.float64]  # (cuts,) NaN where a fault says why
    levels: tuple[TimingLevel | None, ...]  # of each cut, what was measured at this clock
    faults: tuple[FieldError, ...]


def at_clock(device: Device, model: Model, timing: Timing, frequency_hz: float | None) -> AtClock:
    """Measured levels as they were measured, the fit elsewhere; default: the highest clock the
    device offers.
    """
    offered = device.frequency_levels_hz
    clock = frequency_hz or (offered[-1] if offered else device.frequency_max_hz)
    if not device.frequency_min_hz <= clock <= device.frequency_max_hz:
        unfit = (
            f"device {device.name!r} runs at {device.frequency_min_hz:g} to"
            f" {device.frequency_max_hz:g} Hz"
        )
    elif offered and not any(same_clock(level, clock) for level in offered):
        nearest = min(offered, key=lambda level: abs(level - clock))
        unfit = (
            f"device {device.name!r} has no such clock: the nearest it offers is {nearest:.10g} Hz"
        )
    else:
        mean_s = np.array(
            [
                _mean_s(cut.flop, entry, clock, listed=offered is not None)
                for cut, entry in zip(model.cuts, timing.cuts, strict=True)
            ]
        )
        levels = tuple(_level(entry, clock) for entry in timing.cuts)
        return AtClock(clock, mean_s, levels, tuple(_faults(timing, mean_s, clock)))
    unknown = np.full(len(model.cuts), math.nan)
    return AtClock(clock, unknown, (None,) * len(unknown), (FieldError("/frequency_hz", unfit),))


def _mean_s(flop: int, entry: TimingCut, clock: float, *, listed: bool) -> float:
    """Time of one cut; NaN where nobody measured it at this clock.

    Levels beat the fit on devices that list clocks.
    """
    fitted = entry.flop_per_cycle is not None
    if (listed or not fitted) and (level := _level(entry, clock)) is not None:
        return level.mean_s
    if entry.flop_per_cycle is None:
        return math.nan
    return flop / entry.flop_per_cycle / clock + (entry.overhead_s or 0.0)


def _level(entry: TimingCut, clock: float) -> TimingLevel | None:
    return next(
        (level for level in entry.levels or () if same_clock(level.frequency_hz, clock)), None
    )


def _faults(timing: Timing, mean_s: NDArray[np.float64], clock: float) -> Iterator[FieldError]:
    for m, (entry, seconds) in enumerate(zip(timing.cuts, mean_s, strict=True)):
        if math.isnan(seconds):
            measured = ", ".join(f"{level.frequency_hz:.10g}" for level in entry.levels or ())
            detail = f"cut {m} was not measured at {clock:.10g} Hz and has no flop_per_cycle"
            yield FieldError("/device_timing", f"{detail}: say frequency_hz, one of {measured}")
            return


def same_clock(one: float, other: float) -> bool:
    """Whether two numbers mean one clock."""
    return abs(one - other) <= _SAME_CLOCK * other

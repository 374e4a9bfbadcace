"""Measured times as columns, the clocks that they stand for, and rows that belong together."""

from dataclasses import dataclass, fields
from typing import Literal

import numpy as np

from solvers.arrays import Booleans, Floats, Integers
from solvers.records import freeze, require

Part = Literal["device", "server"]
# The layers up to a cut, and those after it; by code 0 and 1.
PARTS: tuple[Part, Part] = (
    "device",
    "server",
)
FEWEST_SAMPLES = 10  # of a part at a clock; with fewer its variance is a guess
ENOUGH_SAMPLES = 30
SAME_CLOCK = 0.01  # relative width within which measured clocks are one


@dataclass(frozen=True, slots=True, kw_only=True)
class Samples:
    """Measured times, one row each, in the order in which they were sent; all (rows,)."""

    session: Integers
    cut: Integers
    part: Integers  # index of PARTS
    frequency_hz: Floats  # measured; NaN: not known
    requested_hz: Floats  # NaN: not said
    # running index within the session, the same for the two parts of one inference; -1: not said
    order: Integers
    time_s: Floats
    cpu_time_s: Floats  # NaN: not said
    involuntary_switches: Floats  # NaN: not said

    def __post_init__(self) -> None:
        freeze(self)
        for field in fields(self):
            require(
                len(getattr(self, field.name)) == len(self.time_s),
                f"{field.name}: one entry per row",
            )

    def __len__(self) -> int:
        return len(self.time_s)

    def take(self, rows: Integers | Booleans) -> "Samples":
        """Some of the rows."""
        return Samples(**{field.name: getattr(self, field.name)[rows] for field in fields(self)})


def nominal_hz(frequency_hz: Floats, levels_hz: Floats | None = None) -> Floats:
    """The clock that each measured clock stands for: a level of the device within 1 %, or the mean
    of its like.

    Measured clocks that are no level are gathered from below into groups no wider than 1 %.
    """
    named = np.array(frequency_hz)
    if levels_hz is not None and len(levels_hz):
        place = np.clip(np.searchsorted(levels_hz, frequency_hz), 1, max(len(levels_hz) - 1, 1))
        low, high = levels_hz[place - 1], levels_hz[min(1, len(levels_hz) - 1) :][place - 1]
        nearest = np.where(np.abs(frequency_hz - low) <= np.abs(frequency_hz - high), low, high)
        close = np.abs(frequency_hz - nearest) <= SAME_CLOCK * nearest
        named[close] = nearest[close]
    else:
        close = np.zeros(len(named), dtype=np.bool_)
    free = np.nonzero(~close & np.isfinite(named))[0]
    clocks, inverse = np.unique(named[free], return_inverse=True)
    group = np.zeros(len(clocks), dtype=np.int64)
    begin = 0
    while begin < len(clocks):
        end = int(np.searchsorted(clocks, clocks[begin] * (1.0 + SAME_CLOCK), side="right"))
        group[begin:end] = begin
        begin = end
    if len(free):
        rows = group[inverse]
        named[free] = (np.bincount(rows, named[free]) / np.maximum(np.bincount(rows), 1))[rows]
    return named


def groups(rows: Integers, *keys: Integers | Floats) -> list[Integers]:
    """The rows with equal keys, ascending by key, in the order given; NaN equals NaN."""
    if len(rows) == 0:
        return []
    codes = [np.unique(key, return_inverse=True)[1].reshape(-1) for key in keys]
    order = np.lexsort(codes[::-1])
    changed = np.any([np.diff(code[order]) != 0 for code in codes], axis=0)
    return np.split(rows[order], np.nonzero(changed)[0] + 1)

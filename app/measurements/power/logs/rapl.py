"""Readings of an energy counter over time, as Linux's powercap has them for RAPL.

Columns: a time stamp (`time_s`, `timestamp_ns`, …), the counter (`energy_uj`), and, as far as
known, the clock and `max_energy_range_uj`, at which the counter begins again. Two readings that
follow each other make a power.
"""

from dataclasses import dataclass

from app.measurements.power.logs.columns import RANGES, table
from app.measurements.power.logs.lines import (
    LARGEST_POWER_W,
    How,
    Stretch,
    enough,
    refusal,
    some,
    stretches,
    within,
)
from app.measurements.power.sheet import Collected, PowerSheet

_RANGE = "max_energy_range_uj"
_SAME_CLOCK = 0.01


@dataclass(frozen=True, slots=True)
class _Reading:
    at_s: float
    energy_j: float
    range_j: float | None
    frequency_hz: float | None


def read_rapl(body: bytes, how: How) -> PowerSheet:
    """Powers between readings of one stretch; where the clock changed in between, none.

    Raises InvalidRequest.
    """
    collected = Collected()
    of_line = {number: stretch for number, _, stretch in stretches(body, how)}
    before: tuple[_Reading, Stretch] | None = None
    for number, cells in table(body, (_RANGE,)):
        stretch = of_line[number]
        reading = _reading(number, cells, stretch)
        if before is not None and before[1] is stretch:
            _between(collected, number, before[0], reading, stretch)
            enough(collected, number)
        before = reading, stretch
    return some(collected, "two readings of a counter that follow each other").sheet()


def _reading(number: int, cells: dict[str, tuple[str, float]], stretch: Stretch) -> _Reading:
    found = {}
    for name, (text, factor) in cells.items():
        if text:
            found[name] = within(number, name, text, 0.0, 1e300) * factor
    for name in ("time_s", "energy_j"):
        if name not in found:
            raise refusal(number, f"{name} is missing: a reading is a time stamp and a counter")
    clock = found.get("frequency_hz", stretch.frequency_hz)
    if clock is not None:
        within(number, "frequency_hz", repr(clock), *RANGES["frequency_hz"])
    whole = 1e-6 * found[_RANGE] if _RANGE in found else None
    return _Reading(found["time_s"], found["energy_j"], whole, clock)


def _between(
    collected: Collected, number: int, before: _Reading, now: _Reading, stretch: Stretch
) -> None:
    """The power between two readings, as a row."""
    passed = now.at_s - before.at_s
    if passed <= 0.0:
        raise refusal(number, "is not later than the reading before: sort by time, or mark a run")
    spent = now.energy_j - before.energy_j
    if spent < 0.0:
        if now.range_j is None:
            raise refusal(
                number, f"the counter began again: add the column {_RANGE} to say at what value"
            )
        spent += now.range_j
        if not 0.0 <= spent <= now.range_j:
            raise refusal(
                number, f"the counter fell by more than its {_RANGE}: is its unit that of energy?"
            )
    power = within(number, "the power since the line before", repr(spent / passed), 0.0,
                   LARGEST_POWER_W)  # fmt: skip
    told = {} if stretch.time_s is None else {"time_s": stretch.time_s}
    clocks = [one.frequency_hz for one in (before, now) if one.frequency_hz is not None]
    if clocks and max(clocks) > (1.0 + _SAME_CLOCK) * min(clocks):
        collected.dropped += 1
        return
    if clocks:
        told["frequency_hz"] = clocks[-1]
    elif not stretch.idle:
        raise refusal(
            number, "does not say its clock: add a column frequency_mhz, or say frequency_hz"
        )
    collected.add(stretch.workload, stretch.name, number, told | {"power_w": power})

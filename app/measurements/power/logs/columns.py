"""Plain CSV: clock, time and energy (or power) of one inference in a row, units in the heading."""

import csv
from collections.abc import Iterator

from app.measurements.power.logs.lines import (
    LARGEST_CLOCK_HZ,
    LARGEST_POWER_W,
    LARGEST_TIME_S,
    LEAST_CLOCK_HZ,
    NAME,
    How,
    enough,
    lines_of,
    refusal,
    some,
    within,
)
from app.measurements.power.logs.units import known_column
from app.measurements.power.sheet import IDLE, Collected, PowerSheet

_NAMES = ("workload", "run")
RANGES = {
    "frequency_hz": (LEAST_CLOCK_HZ, LARGEST_CLOCK_HZ),
    "time_s": (1e-12, LARGEST_TIME_S),
    "wait_s": (0.0, LARGEST_TIME_S),
    "energy_j": (0.0, LARGEST_POWER_W * LARGEST_TIME_S),
    "power_w": (0.0, LARGEST_POWER_W),
    "idle_w": (0.0, LARGEST_POWER_W),
}


def read_columns(body: bytes, how: How) -> PowerSheet:
    """Rows with a clock and an energy with its time, or a power.

    Also `wait_s`, `idle_w`, `workload` (`idle`: nothing ran) and `run`; rows that name no run are
    each their own. Raises InvalidRequest.
    """
    collected = Collected()
    for number, cells in table(body, _NAMES):
        numbers = {
            name: _number(number, name, text, factor)
            for name, (text, factor) in cells.items()
            if name not in _NAMES and text
        }
        named = {name: cells[name][0] for name in _NAMES if name in cells and cells[name][0]}
        for name, text in named.items():
            if not NAME.fullmatch(text):
                raise refusal(number, f"{name} must be a text of at most 200 characters")
        workload = named.get("workload", "busy")
        if how.frequency_hz is not None:
            numbers.setdefault("frequency_hz", how.frequency_hz)
        if detail := _missing(numbers, idle=workload == IDLE):
            raise refusal(number, detail)
        collected.add(workload, named.get("run", f"line {number}"), number, numbers)
        enough(collected, number)
    return some(collected, "rows").sheet()


def table(body: bytes, also: tuple[str, ...]) -> Iterator[tuple[int, dict[str, tuple[str, float]]]]:
    """Rows of a CSV with a heading: by field the text and the factor to its unit.

    Comments (`#`) are passed over. Raises InvalidRequest.
    """
    fields: list[tuple[str, float]] = []
    for number, line in lines_of(body):
        if line.startswith("#"):
            continue
        try:
            cells = [cell.strip() for cell in next(csv.reader([line], strict=True))]
        except csv.Error as error:
            raise refusal(number, f"is no CSV: {error}") from None
        if not fields:
            fields = [known_column(number, cell, also) for cell in cells]
            names = [name for name, _ in fields]
            if twice := next((name for name in names if names.count(name) > 1), None):
                raise refusal(number, f"has two columns of {twice}")
            continue
        if len(cells) != len(fields):
            raise refusal(
                number, f"has {len(cells)} cells under a heading of {len(fields)}: fill the gaps"
            )
        yield (
            number,
            {name: (cell, unit) for (name, unit), cell in zip(fields, cells, strict=True)},
        )


def _number(line: int, name: str, text: str, factor: float) -> float:
    least, most = RANGES[name]
    value = within(line, name, text, -1e300, 1e300) * factor
    return within(line, name, repr(value), least, most)


def _missing(numbers: dict[str, float], *, idle: bool) -> str | None:
    """What a row lacks, or has too much of."""
    energy, power = "energy_j" in numbers, "power_w" in numbers
    if energy == power:
        return "give one of energy and power" + (", not both" if energy else "")
    if idle:
        return "where nothing runs there is a power, no energy" if energy else None
    if "frequency_hz" not in numbers:
        return "frequency_hz is missing: give the clock"
    if energy and "time_s" not in numbers:
        return "time_s is missing: an energy is of an inference that took some time"
    if power and numbers.get("wait_s"):
        return "wait_s belongs to an energy: give the power while computing without it"
    return None

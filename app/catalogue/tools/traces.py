"""Recorded uplinks: mahimahi's packet opportunities and CSV with a rate whose column, or whose row,
names its unit, as rates of equal periods.
"""

import csv
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from statistics import median

from app.catalogue.tools.lines import FileFault, lines_of, number_of

PACKET_BIT = 8 * 1500  # what one opportunity of a mahimahi trace lets through
MOST_SAMPLES = 1_000_000
_BIT = dict.fromkeys(("bps", "bit/s", "bits/s", "bit_s", "bit/sec", "bits/sec"), 1.0)
_PREFIX = {"": 1.0, "k": 1e3, "m": 1e6, "g": 1e9}
RATE_UNITS = {prefix + unit: p * u for prefix, p in _PREFIX.items() for unit, u in _BIT.items()}
TIME_UNITS = {"s": 1.0, "sec": 1.0, "second": 1.0, "seconds": 1.0, "ms": 1e-3, "us": 1e-6}
# A gap of more than this many usual steps is one where nothing was recorded.
_GAP = 1.5


def mahimahi(file: Path, period_s: float) -> list[float]:
    """Rates [bit/s] over equal periods; a last period that the trace does not fill is left out.

    Each line is a millisecond at which one packet of 1,500 bytes may leave.
    """
    counts: list[int] = []
    before = 0
    for number, line in lines_of(file):
        text = line.strip()
        if not text:
            continue
        if not text.isascii() or not text.isdigit() or len(text) > 15:
            detail = f"{text[:40]!r} is no whole number of milliseconds: is this a mahimahi trace?"
            raise FileFault(file, f"line {number}", detail)
        stamp = int(text)
        if stamp < before:
            detail = f"{stamp} ms comes behind {before} ms: sort the trace"
            raise FileFault(file, f"line {number}", detail)
        before = stamp
        # The stamp n is the end of the n-th millisecond, so a period ends with a stamp of its own.
        place = max(0, -(-stamp // max(1, round(1e3 * period_s))) - 1)
        if place >= MOST_SAMPLES:
            detail = f"more than {MOST_SAMPLES} periods: make them longer"
            raise FileFault(file, f"line {number}", detail)
        counts.extend([0] * (place + 1 - len(counts)))
        counts[place] += 1
    whole = int(before // max(1, round(1e3 * period_s)))
    if not whole:
        detail = f"ends after {before} ms, within its first period: make periods shorter"
        raise FileFault(file, "the trace", detail)
    return [PACKET_BIT * count / period_s for count in counts[:whole]]


def table(file: Path, column: str | None, period_s: float | None) -> tuple[list[float], float]:
    """Rates [bit/s] of a CSV and their period [s]: as recorded, or the means of given periods.

    Rows of a rate and its unit, without a header, are `period_s` apart.
    """
    header = next(csv.reader([next(lines_of(file), (1, ""))[1]]), [])
    if len(header) == 2 and header[1].strip().lower() in RATE_UNITS:
        if period_s is None:
            detail = "the rows say no time: say how far they are apart with --period-s"
            raise FileFault(file, "the table", detail)
        return list(_rows(file)), period_s
    times, rates, lines = _columns(file, column)
    steps = [after - before for before, after in pairwise(times)]
    usual = median(steps)
    for step, line in zip(steps, lines[1:], strict=True):
        if step <= 0.0:
            raise FileFault(file, f"line {line}", "is not later than the line before: sort by time")
        if step > _GAP * usual and (period_s is None or step > period_s):
            raise FileFault(
                file,
                f"line {line}",
                f"comes {step:g} s behind the line before, where {usual:g} s is usual: nothing says"
                " what the channel did; cut the file there, or mean over longer periods",
            )
    if period_s is None or abs(period_s - usual) < 1e-6 * usual:
        return rates, usual
    return list(_means(file, times, rates, period_s)), period_s


def _rows(file: Path) -> Iterator[float]:
    for number, line in lines_of(file):
        if not line.strip():
            continue
        where = f"line {number}"
        row = next(csv.reader([line]), [])
        if len(row) != 2 or row[1].strip().lower() not in RATE_UNITS:
            detail = f"{line[:60]!r} is no rate with its unit, as 3.5,Mbits/sec is"
            raise FileFault(file, where, detail)
        if number > MOST_SAMPLES:
            raise FileFault(file, where, f"a trace has at most {MOST_SAMPLES} samples")
        yield RATE_UNITS[row[1].strip().lower()] * number_of(file, where, "the rate", row[0])


def _means(file: Path, times: list[float], rates: list[float], period_s: float) -> Iterator[float]:
    """Means over periods from the first sample on; the last one may be short and is left out."""
    place, total, count = 0, 0.0, 0
    for time_s, rate in zip(times, rates, strict=True):
        now = int((time_s - times[0]) / period_s + 1e-9)
        if now >= MOST_SAMPLES:
            raise FileFault(
                file, "the table", f"more than {MOST_SAMPLES} periods: make them longer"
            )
        if now > place:
            yield total / count
            if now > place + 1:
                detail = f"{place * period_s:g} s after the first sample a period of it is empty"
                raise FileFault(file, "the table", f"{detail}: mean over longer ones")
            place, total, count = now, 0.0, 0
        total, count = total + rate, count + 1
    if place == 0:
        raise FileFault(file, "the table", "is shorter than a period: make it shorter")


def _columns(file: Path, column: str | None) -> tuple[list[float], list[float], list[int]]:
    numbered = lines_of(file)
    header = next(csv.reader([next(numbered, (1, ""))[1]]), [])
    time_at, per_time = _found(file, header, None, TIME_UNITS, "time", "time_s or time_ms")
    rate_at, per_rate = _found(
        file, header, column, RATE_UNITS, "rate", "rate_bps, throughput_mbps or uplink (Mbit/s)"
    )
    times, rates, lines = [], [], []
    for number, line in numbered:
        if not line.strip():
            continue
        where = f"line {number}"
        row = next(csv.reader([line]), [])
        if len(row) <= max(time_at, rate_at):
            raise FileFault(file, where, f"has {len(row)} of {len(header)} columns")
        times.append(per_time * number_of(file, where, header[time_at], row[time_at]))
        rates.append(per_rate * number_of(file, where, header[rate_at], row[rate_at]))
        lines.append(number)
        if len(rates) > MOST_SAMPLES:
            raise FileFault(file, where, f"a trace has at most {MOST_SAMPLES} samples")
    if len(rates) < 2:
        raise FileFault(file, "the table", "has fewer than two samples")
    return times, rates, lines


def _found(
    file: Path,
    header: list[str],
    wanted: str | None,
    units: dict[str, float],
    what: str,
    example: str,
) -> tuple[int, float]:
    """Place and unit of the one column that names a unit of this kind."""
    found = [
        (place, units[unit])
        for place, name in enumerate(header)
        if (unit := _unit(name, units)) and wanted in (None, name.strip())
        if what != "time" or _is_time(name)
    ]
    if len(found) == 1:
        return found[0]
    names = ", ".join(repr(name) for name in header[:20])
    if not found:
        meant = "no column" if wanted is None else f"no column {wanted!r}"
        detail = f"{meant} names a {what} with its unit, as {example} do: {names}"
    else:
        detail = f"several columns may be the {what} ({names}): say which with --column"
    raise FileFault(file, "line 1", detail)


def _is_time(name: str) -> bool:
    lowered = name.strip().lower()
    return "time" in lowered or lowered.startswith("t_") or lowered in ("second", "seconds")


def _unit(name: str, units: dict[str, float]) -> str | None:
    """The unit at the end of a column's name: behind an underscore, or in brackets.

    Bytes are written with a capital B and are none of these.
    """
    text = name.strip()
    if bracketed := re.search(r"[\[(]\s*([^\])]+?)\s*[\])]$", text):
        said = bracketed[1]
    else:
        said = next((text[-len(u) :] for u in _longest(units) if _ends(text, u)), "")
    if "B" in said:
        return None
    return said.lower() if said.lower() in units else None


def _ends(text: str, unit: str) -> bool:
    lowered = text.lower()
    return lowered == unit or lowered.endswith((f"_{unit}", f" {unit}"))


def _longest(units: dict[str, float]) -> list[str]:
    return sorted(units, key=len, reverse=True)

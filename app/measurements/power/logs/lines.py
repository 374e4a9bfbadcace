"""What all files of lines have in common: their limits, their marks, and how they are refused."""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from app.errors import FieldError, InvalidRequest
from app.measurements.power.sheet import IDLE, MOST_SAMPLES, Collected

LONGEST_LINE, MOST_LINES = 4096, 1_000_000
LEAST_CLOCK_HZ, LARGEST_CLOCK_HZ = 1e3, 1e12
LARGEST_POWER_W = 1e6
LARGEST_TIME_S = 1e6
NAME = re.compile(r"[^\x00-\x1f\x7f]{1,200}")
_MARK = re.compile(r"#\s*(run|idle)\b(.*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class How:
    """How a file is to be read, where it does not say so itself."""

    rail: str | None = None
    clock: Literal["cpu", "gpu"] = "gpu"
    frequency_hz: float | None = None
    busy_percent: float = 30.0


_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f]")


@dataclass(slots=True)
class Stretch:
    """Lines that were measured together: a run of one workload, or of none."""

    name: str
    workload: str
    frequency_hz: float | None
    time_s: float | None = None

    @property
    def idle(self) -> bool:
        return self.workload == IDLE


def refusal(line: int, detail: str) -> InvalidRequest:
    """What is wrong in a line, and what to do."""
    return InvalidRequest([FieldError(f"/lines/{line}", f"line {line}: {detail}")])


def lines_of(body: bytes) -> Iterator[tuple[int, str]]:
    """The lines that say something, with their numbers from 1. Raises InvalidRequest."""
    if body.count(b"\n") > MOST_LINES:
        detail = f"more than {MOST_LINES} lines: send them in several measurements"
        raise InvalidRequest([FieldError("", detail)])
    for number, raw in enumerate(body.removeprefix(b"\xef\xbb\xbf").split(b"\n"), start=1):
        if len(raw) > LONGEST_LINE:
            raise refusal(number, f"is longer than {LONGEST_LINE} byte: is this a text file?")
        try:
            line = raw.decode().strip()
        except UnicodeDecodeError:
            raise refusal(number, "is no UTF-8: is this a text file?") from None
        if _CONTROL.search(line):  # a name with a NUL in it cannot be stored
            raise refusal(number, "has a control character: is this a text file?")
        if line:
            yield number, line


def stretches(body: bytes, how: How) -> Iterator[tuple[int, str, Stretch]]:
    """Lines with the stretch that each is of.

    `# run [NAME] [frequency_hz=…] [time_s=…] [workload=…]` begins a run, `# idle [frequency_hz=…]`
    one in which nothing ran; other lines with `#` are comments.
    """
    stretch = Stretch("1", "busy", how.frequency_hz)
    begun = 1
    for number, line in lines_of(body):
        if not line.startswith("#"):
            yield number, line, stretch
        elif found := _MARK.fullmatch(line):
            begun += 1
            stretch = _marked(number, found[1], found[2].split(), str(begun), how)


def _marked(number: int, kind: str, words: list[str], name: str, how: How) -> Stretch:
    """The stretch that a mark begins."""
    stretch = Stretch(name, IDLE if kind == "idle" else "busy", how.frequency_hz)
    for place, word in enumerate(words):
        key, is_pair, value = word.partition("=")
        if not is_pair and place == 0:
            stretch.name = word[:200]
        elif key == "frequency_hz":
            stretch.frequency_hz = within(number, key, value, LEAST_CLOCK_HZ, LARGEST_CLOCK_HZ)
        elif key == "time_s" and kind == "run":
            stretch.time_s = within(number, key, value, 1e-12, LARGEST_TIME_S)
        elif key == "workload" and kind == "run" and NAME.fullmatch(value):
            stretch.workload = value
        else:
            what = "frequency_hz=…" + (", time_s=… and workload=…" if kind == "run" else "")
            raise refusal(number, f"{word[:50]!r} says nothing here: a `# {kind}` takes {what}")
    return stretch


def within(line: int, name: str, text: str, least: float, most: float) -> float:
    """A number in its range. Raises InvalidRequest."""
    try:
        value = float(text)
    except ValueError:
        raise refusal(line, f"{name} must be a number, not {text[:50]!r}") from None
    if not (math.isfinite(value) and least <= value <= most):
        raise refusal(line, f"{name} must be from {least:g} to {most:g}, not {text[:50]}")
    return value


def enough(collected: Collected, line: int) -> None:
    """Stop before a file holds more than is kept. Raises InvalidRequest."""
    if len(collected) > MOST_SAMPLES:
        raise refusal(line, f"more than {MOST_SAMPLES} samples: send them in several measurements")


def some(collected: Collected, what: str) -> Collected:
    """Refuse a file from which nothing came. Raises InvalidRequest."""
    if not len(collected):
        dropped = f"; {collected.dropped} lines were not busy enough" if collected.dropped else ""
        raise InvalidRequest([FieldError("", f"has no {what}{dropped}")])
    return collected

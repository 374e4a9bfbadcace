"""Files of other tools: read line by line, never without end, and told where they are at fault."""

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from app.errors import ConfigurationError

MOST_BYTE = 256 * 2**20
MOST_LINES = 10_000_000
MOST_CHARACTERS = 100_000


class FileFault(ConfigurationError):
    """A file that cannot be read: where, and what to do."""

    def __init__(self, file: Path, where: str, detail: str) -> None:
        super().__init__(f"{file}: {where}: {detail}")


def lines_of(file: Path) -> Iterator[tuple[int, str]]:
    """Numbered lines of a text file, without their ends and a byte order mark."""
    with file.open(encoding="utf-8-sig", errors="strict") as opened:
        number = 0
        while True:
            try:
                line = opened.readline(MOST_CHARACTERS + 1)
            except UnicodeDecodeError:
                raise FileFault(file, f"line {number + 1}", "is not text in UTF-8") from None
            if not line:
                return
            number += 1
            if len(line) > MOST_CHARACTERS:
                detail = f"is longer than {MOST_CHARACTERS} characters"
                raise FileFault(file, f"line {number}", detail)
            if "\0" in line:
                raise FileFault(file, f"line {number}", "holds a NUL byte: is it text?")
            if number > MOST_LINES:
                detail = f"a file has at most {MOST_LINES} lines: split it"
                raise FileFault(file, f"line {number}", detail)
            yield number, line.rstrip("\r\n")


def json_of(file: Path) -> Any:
    """The JSON of a file; JSON's numbers only."""
    size = file.stat().st_size
    if size > MOST_BYTE:
        raise FileFault(file, f"{size} bytes", f"more than {MOST_BYTE}: profile fewer runs")

    def refused(constant: str) -> float:
        raise ValueError(f"{constant} is no number of JSON")

    try:
        return json.loads(file.read_bytes(), parse_constant=refused)
    except json.JSONDecodeError as error:
        raise FileFault(file, f"line {error.lineno}", f"is no JSON: {error.msg}") from None
    except (UnicodeDecodeError, ValueError, RecursionError) as error:
        raise FileFault(file, "the file", f"is no JSON: {error}") from None


def number_of(file: Path, where: str, name: str, value: object, least: float = 0.0) -> float:
    """A finite number of at least `least`, written as one or in text."""
    try:
        found = float(value) if isinstance(value, int | float | str) else math.nan
    except (ValueError, OverflowError):
        found = math.nan
    if isinstance(value, bool) or not math.isfinite(found) or found < least:
        raise FileFault(
            file, where, f"{name} is {value!r}: give a number of at least {least:g}"
        ) from None
    return found

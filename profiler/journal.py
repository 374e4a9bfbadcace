"""Samples on their way to a file: appended line by line, so that a kill loses none but the one
being written.
"""

import json
import os
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

SCHEMA_VERSION = 1


class JournalConflict(Exception):
    """A journal that is in the way, or that another run wrote."""


class Reading(NamedTuple):
    """One run of one half: wall time [s], processor time of its thread [s], times it was driven off
    its core.
    """

    time_s: float
    cpu_time_s: float
    involuntary_switches: int


class Visit(NamedTuple):
    """One pass through a cut: both halves, or the one that was asked for."""

    session: int
    """The planned session; one that was interrupted goes on in another sitting."""
    sitting: int
    round: int
    clock: int
    cut: int
    order: int
    requested_hz: float | None
    before_hz: float | None
    after_hz: float | None
    device: Reading | None
    server: Reading | None


class Sitting(NamedTuple):
    """A stretch in which one process measured without a break."""

    session: int
    started_at: str


class Journal:
    """An append-only file of JSON lines: a header, the clock's limits, then sittings and visits."""

    def __init__(self, path: Path, header: dict[str, Any], resume: bool = False) -> None:
        """Begin a journal, or go on with one. Raises JournalConflict."""
        self.path = path
        self.sittings: list[Sitting] = []
        self.visits: list[Visit] = []
        self._limits: tuple[str, str] | None = None
        header = {"schema_version": SCHEMA_VERSION} | header
        if path.exists():
            if not resume:
                raise JournalConflict(
                    f"{path} holds an unfinished run: go on with --resume, or delete it"
                )
            self._read(header)
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        if not self._begun:
            self._append(header)

    _begun = False

    def __enter__(self) -> "Journal":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.close()

    def sit(self, sitting: Sitting) -> int:
        """Begin a sitting; returns its number."""
        self._append({"sitting": sitting})
        self.sittings.append(sitting)
        return len(self.sittings) - 1

    def add(self, visit: Visit) -> None:
        """Keep a visit: it is the kernel's when this returns, and outlives this process."""
        self._append({"visit": visit})
        self.visits.append(visit)

    def first_limits(self, limits: tuple[str, str]) -> tuple[str, str]:
        """The clock's limits as the first sitting found them; these are kept if this is the
        first.
        """
        if self._limits is None:
            self._append({"limits": limits})
            self.sync()
            self._limits = limits
        return self._limits

    def sync(self) -> None:
        """Make what was added outlive the machine as well."""
        os.fsync(self._file)

    def close(self) -> None:
        """Let go of the file; it stays."""
        os.close(self._file)

    def _append(self, line: dict[str, Any]) -> None:
        os.write(self._file, json.dumps(line, separators=(",", ":")).encode() + b"\n")

    def _read(self, header: dict[str, Any]) -> None:
        content = self.path.read_bytes()
        whole = content[: content.rfind(b"\n") + 1]  # a kill may have cut the last line
        if len(whole) < len(content):
            os.truncate(self.path, len(whole))
        for number, text in enumerate(whole.splitlines(), start=1):
            try:
                line = json.loads(text)
                if number == 1:
                    self._compare(line, header)
                elif "sitting" in line:
                    self.sittings.append(Sitting(*line["sitting"]))
                elif "limits" in line:
                    least, most = line["limits"]
                    self._limits = (str(least), str(most))
                else:
                    *fields, device, server = line["visit"]
                    readings = (part and Reading(*part) for part in (device, server))
                    self.visits.append(Visit(*fields, *readings))
            except (ValueError, KeyError, TypeError) as error:
                raise JournalConflict(
                    f"{self.path}, line {number}, is no line of a journal: {error}"
                ) from error
            self._begun = True

    def _compare(self, found: dict[str, Any], header: dict[str, Any]) -> None:
        wanted = json.loads(json.dumps(header))
        for name in sorted({*found, *wanted}):
            if found.get(name) != wanted.get(name):
                raise JournalConflict(
                    f"{self.path} is of another run: its {name} is {found.get(name)!r}, not"
                    f" {wanted.get(name)!r}"
                )

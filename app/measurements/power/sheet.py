"""Measured energies and powers as columns, as they were sent and as they are kept."""

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any

import numpy as np

from solvers.arrays import Booleans, Floats, Integers

IDLE = "idle"  # the workload of a stretch in which nothing ran
MOST_SAMPLES = 200_000  # of one measurement
NUMBERS = ("frequency_hz", "time_s", "energy_j", "power_w", "idle_w", "wait_s")


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerRows:
    """One measured energy or power in a row, in the order of measurement; all (rows,)."""

    frequency_hz: Floats  # NaN: not known (idle rows only)
    time_s: Floats  # of one inference; NaN: not known
    energy_j: Floats  # of one inference, waiting included; NaN: the power was measured
    power_w: Floats  # NaN: the energy was measured
    idle_w: Floats  # NaN: not said
    wait_s: Floats
    workload: Integers  # index of `workloads`
    run: Integers  # index of `runs`

    def __len__(self) -> int:
        return len(self.frequency_hz)

    def take(self, rows: Booleans) -> "PowerRows":
        """Some of the rows."""
        return PowerRows(**{one.name: getattr(self, one.name)[rows] for one in fields(self)})


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerSheet:
    """Rows with the names of what ran, and where each stood in the body."""

    rows: PowerRows
    workloads: tuple[str, ...]
    runs: tuple[str, ...]
    started_at: datetime | None = None  # of the latest run
    part_of_device: bool = False  # the meter saw a part only: its idle power is not the device's
    dropped: int = 0  # lines of a log in which the device was not busy
    places: tuple[str, ...] = field(default=(), repr=False)  # JSON: pointer of each row's set
    inside: tuple[int, ...] = field(default=(), repr=False)  # and its place in it
    lines: tuple[int, ...] = field(default=(), repr=False)  # text: its line, from 1

    def idle(self) -> Booleans:
        """Rows in which nothing ran."""
        codes = [code for code, name in enumerate(self.workloads) if name == IDLE]
        return np.isin(self.rows.workload, codes)

    def pointer(self, row: int, name: str) -> str:
        """Where a field of a row stands."""
        if not self.places:
            return f"/lines/{self.lines[row]}/{name}"
        whole = name in ("frequency_hz", "idle_w")
        return f"{self.places[row]}/{name}" + ("" if whole else f"/{self.inside[row]}")


class Collected:
    """Rows as they are read, with the names that they mention."""

    def __init__(self) -> None:
        self.columns: dict[str, list[float]] = {name: [] for name in NUMBERS}
        self.workload: list[int] = []
        self.run: list[int] = []
        self.lines: list[int] = []
        self.dropped = 0
        self._workloads: dict[str, int] = {}
        self._runs: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self.run)

    def add(self, workload: str, run: str, line: int, numbers: Mapping[str, float]) -> None:
        """A row; numbers that are not given are not known, waiting is none."""
        for name in NUMBERS:
            self.columns[name].append(numbers.get(name, 0.0 if name == "wait_s" else float("nan")))
        self.workload.append(self._workloads.setdefault(workload, len(self._workloads)))
        self.run.append(self._runs.setdefault(run, len(self._runs)))
        self.lines.append(line)

    def rows(self) -> PowerRows:
        """The columns."""
        return PowerRows(
            **{name: np.array(values, dtype=np.float64) for name, values in self.columns.items()},
            workload=np.array(self.workload, dtype=np.int64),
            run=np.array(self.run, dtype=np.int64),
        )

    def sheet(self, *, part_of_device: bool = False) -> PowerSheet:
        """What was read from lines."""
        return PowerSheet(
            rows=self.rows(),
            workloads=tuple(self._workloads),
            runs=tuple(self._runs),
            part_of_device=part_of_device,
            dropped=self.dropped,
            lines=tuple(self.lines),
        )

    @property
    def names(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Of workloads and of runs, by code."""
        return tuple(self._workloads), tuple(self._runs)


def pack(rows: PowerRows) -> bytes:
    """Rows as compressed columns."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **{one.name: getattr(rows, one.name) for one in fields(rows)})
    return buffer.getvalue()


def unpack(content: bytes) -> PowerRows:
    """What `pack` made."""
    with np.load(io.BytesIO(content), allow_pickle=False) as columns:
        return PowerRows(**{one.name: columns[one.name] for one in fields(PowerRows)})


def as_csv(rows: PowerRows, workloads: list[str], runs: list[str]) -> Iterator[bytes]:
    """Rows as CSV that can be sent again, in blocks."""
    yield (",".join([*NUMBERS, "workload", "run"]) + "\n").encode()
    columns = [getattr(rows, name).tolist() for name in NUMBERS]
    for begin in range(0, len(rows), 10_000):
        lines = []
        for row in range(begin, min(begin + 10_000, len(rows))):
            numbers = ["" if (value := one[row]) != value else repr(value) for one in columns]
            names = [workloads[rows.workload[row]], runs[rows.run[row]]]
            quoted = [f'"{name.replace(chr(34), chr(34) * 2)}"' for name in names]
            lines.append(",".join([*numbers, *quoted]))
        yield ("\n".join(lines) + "\n").encode()


def as_json(rows: PowerRows, workloads: list[str], runs: list[str]) -> dict[str, Any]:
    """Rows as the body of a measurement, a session for each run."""
    sessions = []
    for code, _ in enumerate(runs):
        samples: list[dict[str, Any]] = []
        held: tuple[Any, ...] | None = None
        for row in np.flatnonzero(rows.run == code).tolist():
            known = [
                name
                for name in ("time_s", "energy_j", "power_w", "wait_s")
                if not np.isnan(getattr(rows, name)[row])
                and not (name == "wait_s" and np.isnan(rows.energy_j[row]))
            ]
            head = {
                "workload": workloads[rows.workload[row]],
                "frequency_hz": _known(rows.frequency_hz[row]),
                "idle_w": _known(rows.idle_w[row]),
            }
            if (key := (*head.values(), *known)) != held:
                held = key
                told = {name: value for name, value in head.items() if value is not None}
                samples.append(told | {name: [] for name in known})
            for name in known:
                samples[-1][name].append(float(getattr(rows, name)[row]))
        sessions.append({"samples": samples})
    return {"sessions": sessions}


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)

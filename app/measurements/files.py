"""Samples between their forms: JSON as the profiler writes it, rows of CSV or Parquet, columns for
the science.
"""

import io
import itertools
import os
import subprocess
import sys
import threading
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.errors import FieldError, InvalidRequest, TooMuchAtOnce
from app.http.media import CSV
from app.measurements.schemas.files import MOST_SAMPLES, MeasurementFile, ObservationFile
from app.samples.packing import unpack
from solvers.arrays import Integers
from solvers.measurement.samples import PARTS, Samples

READER = ("-m", "app.measurements.reader")
_READER_S = 60.0
# What one takes times this is what all take together.
_turns = threading.BoundedSemaphore(2)
_OPTIONAL = ("cpu_time_s", "involuntary_switches")


@dataclass(frozen=True, slots=True)
class SampleTable:
    """Samples with where each row stood in the body, for whoever must mend it."""

    samples: Samples
    started_at: tuple[datetime | None, ...]  # of each session
    starts: tuple[int, ...] = ()  # JSON: the first row of each set
    places: tuple[str, ...] = ()  # and its pointer

    def pointer(self, row: int, field: str) -> str:
        """Where a field of a row stands."""
        if not self.places:
            return f"/rows/{row}/{field}"
        entry = bisect_right(self.starts, row) - 1
        one_each = field in ("time_s", "order", *_OPTIONAL)
        return f"{self.places[entry]}/{field}" + (
            f"/{row - self.starts[entry]}" if one_each else ""
        )


def from_json(file: MeasurementFile) -> SampleTable:
    """The samples of a measurement file."""
    entries = [
        (n, m, entry)
        for n, session in enumerate(file.sessions)
        for m, entry in enumerate(session.samples)
    ]
    counts = [len(entry.time_s) for _, _, entry in entries]

    def repeated(values: Iterable[Any], kind: type) -> NDArray[Any]:
        return np.repeat(np.array(list(values), dtype=kind), counts)

    def listed(field: str, absent: float, kind: type = np.float64) -> NDArray[Any]:
        given = (getattr(entry, field) for _, _, entry in entries)
        blocks = [
            np.full(n, absent) if some is None else some
            for some, n in zip(given, counts, strict=True)
        ]
        return np.concatenate([np.asarray(block, dtype=kind) for block in blocks])

    nan = float("nan")
    samples = Samples(
        session=repeated((n for n, _, _ in entries), np.int64),
        cut=repeated((entry.cut for _, _, entry in entries), np.int64),
        part=repeated((PARTS.index(entry.part) for _, _, entry in entries), np.int64),
        frequency_hz=repeated((entry.frequency_hz or nan for _, _, entry in entries), np.float64),
        requested_hz=repeated((entry.requested_hz or nan for _, _, entry in entries), np.float64),
        order=listed("order", -1, np.int64),
        time_s=listed("time_s", nan),
        cpu_time_s=listed("cpu_time_s", nan),
        involuntary_switches=listed("involuntary_switches", nan),
    )
    return SampleTable(
        samples=samples,
        started_at=tuple(session.started_at for session in file.sessions),
        starts=tuple(itertools.accumulate(counts, initial=0))[:-1],
        places=tuple(f"/sessions/{n}/samples/{m}" for n, m, _ in entries),
    )


def from_rows(body: bytes, media_type: str) -> SampleTable:
    """The samples of a CSV or Parquet file with a header: cut, part, time_s, and what else a set of
    samples may have.

    It is read by a process of its own with little memory and time, so that a hostile file harms
    nobody. Raises InvalidRequest, TooMuchAtOnce.
    """
    if not _turns.acquire(timeout=_READER_S):
        raise TooMuchAtOnce("Samples of others are being read.", retry_after_s=5)
    try:
        samples = _read_apart(body, "csv" if media_type == CSV else "parquet")
    finally:
        _turns.release()
    return SampleTable(samples=samples, started_at=(None,) * (int(samples.session.max()) + 1))


def _read_apart(body: bytes, form: str) -> Samples:
    # Only what Python itself needs from the environment: no settings, no passwords.
    environment = {
        name: os.environ[name]
        for name in ("PATH", "PYTHONPATH", "HOME", "LANG")
        if name in os.environ
    }
    try:
        read = subprocess.run(  # noqa: S603 (our own interpreter and module)
            [sys.executable, *READER, form, str(MOST_SAMPLES)],
            input=body,
            capture_output=True,
            timeout=_READER_S,
            env=environment,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise InvalidRequest(
            [FieldError("", f"reading it as {form} takes too long: send fewer samples")]
        ) from None
    if read.returncode == 3:
        pointer, _, detail = read.stderr.decode("utf-8", "replace").partition("\t")
        raise InvalidRequest([FieldError(pointer, detail)])
    if read.returncode != 0:
        raise InvalidRequest(
            [FieldError("", f"cannot be read as {form}: it is damaged, or larger than it looks")]
        )
    return unpack(read.stdout)


def pack_observations(file: ObservationFile) -> bytes:
    """Observed times as compressed columns."""
    parts = ("time_s", "device_s", "server_s")
    given = [
        (n, k, getattr(one, part))
        for n, one in enumerate(file.observations)
        for k, part in enumerate(parts)
    ]
    kept = [(n, k, times) for n, k, times in given if times is not None]
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer,
        users=np.array([one.user for one in file.observations]),
        entry=np.array([(n, k, len(times)) for n, k, times in kept], dtype=np.int64),
        time_s=np.concatenate([np.asarray(times) for _, _, times in kept]),
    )
    return buffer.getvalue()


def observations_as_json(content: bytes, plan: str) -> dict[str, Any]:
    """What `pack_observations` made, as it was sent."""
    with np.load(io.BytesIO(content), allow_pickle=False) as columns:
        users, entries, times = columns["users"].tolist(), columns["entry"], columns["time_s"]
    told: list[dict[str, Any]] = [{"user": user} for user in users]
    for (n, k, _), block in zip(
        entries.tolist(), np.split(times, np.cumsum(entries[:-1, 2])), strict=True
    ):
        told[n][("time_s", "device_s", "server_s")[k]] = block.tolist()
    return {"plan": plan, "observations": told}


def as_json(
    samples: Samples, header: dict[str, Any], started_at: list[str | None]
) -> dict[str, Any]:
    """Samples as a measurement file: runs of rows that share session, cut, part and clock."""
    keys = [samples.session, samples.cut, samples.part, samples.frequency_hz, samples.requested_hz]
    stacked = np.stack([np.nan_to_num(np.asarray(key, dtype=np.float64), nan=-1.0) for key in keys])
    edges = np.nonzero(np.any(np.diff(stacked, axis=1) != 0.0, axis=0))[0] + 1
    sessions: list[dict[str, Any]] = [
        {**({} if start is None else {"started_at": start}), "samples": []} for start in started_at
    ]
    for at in np.split(np.arange(len(samples)), edges):
        sessions[int(samples.session[at[0]])]["samples"].append(_set(samples, at))
    return {"schema_version": 1, **header, "sessions": sessions}


def _set(samples: Samples, at: Integers) -> dict[str, Any]:
    first = int(at[0])
    told: dict[str, Any] = {
        "cut": int(samples.cut[first]),
        "part": PARTS[int(samples.part[first])],
        "frequency_hz": _known(samples.frequency_hz[first]),
        "time_s": samples.time_s[at].tolist(),
    }
    if np.isfinite(samples.requested_hz[first]):
        told["requested_hz"] = float(samples.requested_hz[first])
    for field in _OPTIONAL:
        values = getattr(samples, field)[at]
        if np.isfinite(values).all():
            told[field] = (
                values.tolist() if field == "cpu_time_s" else values.astype(np.int64).tolist()
            )
    if samples.order[first] >= 0:
        told["order"] = samples.order[at].tolist()
    return told


def as_csv(samples: Samples) -> Iterator[bytes]:
    """Samples as rows of CSV, in blocks."""
    yield (",".join(COLUMNS) + "\n").encode()
    columns = _columns(samples)
    for begin in range(0, len(samples), 10_000):
        block = [column[begin : begin + 10_000] for column in columns.values()]
        rows = zip(*([_text(value) for value in column] for column in block), strict=True)
        yield ("\n".join(",".join(row) for row in rows) + "\n").encode()


def as_parquet(samples: Samples) -> bytes:
    """Samples as a Parquet file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    kinds = {"part": pa.string(), **dict.fromkeys(("session", "cut", "order"), pa.int64())}
    columns = {
        name: pa.array(column, kinds.get(name, pa.float64()))
        for name, column in _columns(samples).items()
    }
    table = pa.table(columns)
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    return bytes(sink.getvalue())


COLUMNS = tuple(field.name for field in fields(Samples))


def _columns(samples: Samples) -> dict[str, list[Any]]:
    """Every column as plain values, null where nothing was said."""
    told: dict[str, list[Any]] = {}
    for name in COLUMNS:
        values = getattr(samples, name)
        match name:
            case "part":
                told[name] = [PARTS[code] for code in values.tolist()]
            case "order":
                told[name] = [None if value < 0 else value for value in values.tolist()]
            case _ if values.dtype == np.float64:
                told[name] = [None if value != value else value for value in values.tolist()]
            case _:
                told[name] = values.tolist()
    return told


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None

"""A process of its own that reads one CSV or Parquet file of samples:
`python -m app.measurements.reader csv 1000`.

The file comes in on standard input, columns go out on standard output. It may be hostile, so memory
and processor time are limited before a byte of it is looked at; whoever started this process
survives whatever becomes of it. Ends with 3, and `pointer TAB detail` on standard error, where it
can say what is wrong.
"""

import io
import resource
import sys
from typing import Any

MEMORY_BYTE = 3 * 2**30  # address space, of which the libraries take one
PROCESSOR_S = 40
_UNPACKED_BYTE = 128 * 2**20

_INTEGERS = ("session", "cut", "order")
_NUMBERS = ("frequency_hz", "requested_hz", "time_s", "cpu_time_s", "involuntary_switches")
_REQUIRED = ("cut", "part", "time_s")
_LARGEST_NUMBER = 1e60
_RANGES = {  # those of the JSON schema, without loading it
    "frequency_hz": (1e3, 1e12),
    "requested_hz": (1e3, 1e12),
    "time_s": (0.0, 1e6),
    "cpu_time_s": (0.0, 1e6),
}


class Refused(Exception):
    """What is wrong with the file: a pointer and words."""


def main() -> None:
    """Read what comes in, with limits; end with 3 where it is refused."""
    form, most = sys.argv[1], int(sys.argv[2])
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTE, MEMORY_BYTE))
    resource.setrlimit(resource.RLIMIT_CPU, (PROCESSOR_S, PROCESSOR_S))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    import numpy as np
    import pyarrow as pa

    pa.set_cpu_count(1)
    pa.set_io_thread_count(1)
    try:
        columns = read(form, sys.stdin.buffer.read(), most)
    except Refused as refused:
        pointer, detail = refused.args
        sys.stderr.write(
            f"{pointer}\t{''.join(letter if letter.isprintable() else ' ' for letter in detail)}"
        )
        sys.stderr.flush()
        sys.exit(3)
    np.savez(sys.stdout.buffer, **columns)
    sys.stdout.buffer.flush()


def read(form: str, body: bytes, most: int) -> dict[str, Any]:
    """The columns of a CSV or Parquet file of at most so many samples, all there, in their ranges.

    Raises Refused.
    """
    import pyarrow as pa

    try:
        table = _csv(body, most) if form == "csv" else _parquet(body, most)
    except (pa.ArrowException, OSError) as error:
        words = str(error).splitlines()
        raise Refused(
            "", f"cannot be read as {form}: {words[0][:200] if words else 'damaged'}"
        ) from None
    columns = {name: table.column(name) for name in table.column_names}
    for name in _REQUIRED:
        if name not in columns:
            raise Refused("", f"has no column {name!r}")
    if table.num_rows == 0:
        raise Refused("", "has no rows")
    return {
        "part": _parts(columns["part"]),
        **{name: _floats(name, columns.get(name), table.num_rows) for name in _NUMBERS},
        **{name: _integers(name, columns.get(name), table.num_rows) for name in _INTEGERS},
    }


def _csv(body: bytes, most: int) -> Any:
    import pyarrow as pa
    from pyarrow import csv

    # Everything as text first: a reader that guesses types guesses differently with every file.
    header = body[:10_000].split(b"\n", 1)[0].decode("utf-8", "replace")
    names = [name.strip().strip('"') for name in header.lstrip("\ufeff").split(",")]
    _known_columns(names)
    text = dict.fromkeys(names, pa.string())
    options = csv.ConvertOptions(column_types=text, strings_can_be_null=True, null_values=[""])
    reading = csv.ReadOptions(column_names=names, skip_rows=1, use_threads=False)
    table = csv.read_csv(io.BytesIO(body), reading, convert_options=options)
    _few(table.num_rows, most)
    return table


def _parquet(body: bytes, most: int) -> Any:
    import pyarrow as pa
    from pyarrow import parquet

    from app import columns
    from app.errors import BodyTooLarge

    file = parquet.ParquetFile(pa.BufferReader(body))
    unnamed = columns.unnamed_index(file.schema_arrow)
    _known_columns([name for name in file.schema_arrow.names if name not in unnamed])
    _few(file.metadata.num_rows, most)
    unpacked = sum(file.metadata.row_group(n).total_byte_size for n in range(file.num_row_groups))
    if unpacked > _UNPACKED_BYTE:
        raise Refused("", f"unpacks to more than {_UNPACKED_BYTE} bytes: send fewer samples")
    # A text of its dictionary may be meant by every row: it is kept once.
    texts = [field.name for field in file.schema_arrow if columns.is_text(field.type)]
    file = parquet.ParquetFile(pa.BufferReader(body), read_dictionary=texts)
    table = file.read(use_threads=False)
    table.validate(full=True)
    try:
        table = columns.plain(table, _UNPACKED_BYTE)
    except BodyTooLarge as large:
        raise Refused("", large.detail) from None
    for field in table.schema:
        kind = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
        if field.name == "part" and not columns.is_text(kind):
            raise Refused("", f"column 'part' must be text, not {kind}")
        numeric = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_null(kind)
        if field.name != "part" and not numeric:
            raise Refused("", f"column {field.name!r} must be numbers, not {kind}")
    return table


def _known_columns(names: list[str]) -> None:
    known = {"part", *_INTEGERS, *_NUMBERS}
    for n, name in enumerate(names):
        if name not in known:
            raise Refused(
                "", f"has a column {name[:50]!r}; those read here are {', '.join(sorted(known))}"
            )
        if name in names[:n]:
            raise Refused("", f"has the column {name!r} twice")


def _few(rows: int, most: int) -> None:
    if rows > most:
        raise Refused("", f"{rows} samples are more than the {most} of one measurement")


def _parts(column: Any) -> Any:
    import numpy as np
    import pyarrow as pa
    from pyarrow import compute

    text = column.cast(pa.string())
    codes = np.full(len(text), -1)
    for code, name in enumerate(("device", "server")):
        codes[compute.equal(text, name).fill_null(False).to_numpy()] = code
    wrong = np.nonzero(codes < 0)[0]
    if len(wrong):
        raise Refused(f"/rows/{wrong[0]}/part", "must be 'device' or 'server'")
    return codes


def _values(name: str, column: Any) -> Any:
    """Numbers of a column, NaN where there is none."""
    import numpy as np
    import pyarrow as pa

    if not pa.types.is_string(column.type):
        values = column.cast(pa.float64(), safe=False).to_numpy()
        given_nan = np.isnan(values) & ~column.is_null().to_numpy()
    else:
        text = column.to_pylist()
        values = np.full(len(text), np.nan)
        for row, entry in enumerate(text):
            if entry is not None:
                try:
                    values[row] = float(entry)
                except ValueError:
                    raise Refused(f"/rows/{row}/{name}", "must be a number") from None
        given_nan = np.isnan(values) & ~column.is_null().to_numpy()
    if given_nan.any():
        raise Refused(
            f"/rows/{np.nonzero(given_nan)[0][0]}/{name}", "must be a number: NaN is none"
        )
    return values


def _floats(name: str, column: Any, rows: int) -> Any:
    import numpy as np

    if column is None:
        return np.full(rows, np.nan)
    values = _values(name, column)
    least, largest = _RANGES.get(name, (0.0, _LARGEST_NUMBER))
    for wrong, detail in (
        (values < least, f"must be at least {least:g}"),
        (values > largest, f"must be at most {largest:g}"),
        (np.isnan(values) & (name == "time_s"), "is required"),
    ):
        if wrong.any():
            raise Refused(f"/rows/{np.nonzero(wrong)[0][0]}/{name}", detail)
    return values


def _integers(name: str, column: Any, rows: int) -> Any:
    import numpy as np

    absent = {"session": 0, "cut": 0, "order": -1}[name]
    if column is None:
        return np.full(rows, absent, dtype=np.int64)
    values = _values(name, column)
    missing = np.isnan(values)
    most = {"session": 999, "cut": 9_999, "order": 2**53}[name]
    with np.errstate(invalid="ignore"):
        wrong = ~missing & ((values < 0) | (values > most) | (values != np.floor(values)))
    if name != "order":
        wrong |= missing
    elif missing.any() and not missing.all():
        raise Refused(
            f"/rows/{np.nonzero(missing)[0][0]}/order", "is missing here, but not everywhere"
        )
    if wrong.any():
        raise Refused(
            f"/rows/{np.nonzero(wrong)[0][0]}/{name}", f"must be a whole number from 0 to {most}"
        )
    return np.where(missing, absent, values).astype(np.int64)


if __name__ == "__main__":
    main()

"""A process of its own that reads Arrow, Parquet and the rows of CSV, and answers them as an Arrow
stream in plain types: `python -m app.column_reader BYTES`.

What a file claims is held against the bounds before anything is unpacked, and what comes out again
while it is; every buffer is validated in full. Beyond that the limit of memory holds.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from app import columns
from app.apart import answer_all
from app.arrow import csv, ipc, pa, pq
from app.errors import BodyTooLarge
from app.http.media import ARROW, CSV, PARQUET

_ARROW_FILE = b"ARROW1"
_BLOCK_BYTE = 8 * 2**20
_ROWS = 8192
_NUMBER_BYTE = 8


class TooMany(Exception):
    """More rows than asked for: their number."""


class Bounds:
    """How much a table may hold."""

    def __init__(self, rows: int, columns: int, byte: int) -> None:
        self.rows, self.columns, self.byte = rows, columns, byte
        self._rows = self._byte = 0

    def claim(self, rows: int, width: int, byte: int = 0) -> None:
        """Raises TooMany or BodyTooLarge where a table says of itself that it has more."""
        if rows > self.rows:
            raise TooMany(rows)
        if width > self.columns:
            raise BodyTooLarge(f"The columns may be at most {self.columns}.")
        self._within(byte)

    def take(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """A batch of rows, counted."""
        self._rows += batch.num_rows
        self._byte += batch.nbytes
        self.claim(self._rows, batch.num_columns, self._byte)
        return batch

    def _within(self, byte: int) -> None:
        if byte > self.byte:
            raise BodyTooLarge(
                f"The columns may have at most {self.byte} bytes once they are unpacked."
            )


def answer(told: dict[str, Any], body: memoryview) -> tuple[dict[str, Any], list[pa.Buffer]]:
    """A table as a stream, or what is wrong with it."""
    bounds = Bounds(told["rows"], told["columns"], told["byte"])
    try:
        if told["form"] == CSV:
            table = _csv(body, told["names"], told["separator"], bounds)
        else:
            read = {ARROW: _arrow, PARQUET: _parquet}[told["form"]]
            table = read(pa.py_buffer(body), bounds)
            table.validate(full=True)
            table = columns.plain(table, bounds.byte)
        return {"rows": table.num_rows}, [_stream(table)]
    except TooMany as many:
        return {"too_many": many.args[0]}, []
    except BodyTooLarge as large:
        return {"too_large": large.detail}, []
    except MemoryError:  # Arrow's own is one
        return {"too_large": "The columns take more memory than one request may have."}, []
    except (pa.ArrowException, OSError, ValueError, KeyError, IndexError, RecursionError) as bad:
        said = str(bad).strip().splitlines()
        return {"damaged": said[0][:200] if said else "it cannot be read"}, []


def _stream(table: pa.Table) -> pa.Buffer:
    sink = pa.BufferOutputStream()
    # One dictionary for a column: a stream has no other way to say several.
    with ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table.unify_dictionaries())
    return sink.getvalue()


def _arrow(body: pa.Buffer, bounds: Bounds) -> pa.Table:
    # The format of files is a stream with a table of contents, and is sent as one.
    is_file = body[: len(_ARROW_FILE)].to_pybytes() == _ARROW_FILE
    source = pa.BufferReader(body)
    with ipc.open_file(source) if is_file else ipc.open_stream(source) as reader:
        bounds.claim(0, len(reader.schema))
        batches = [bounds.take(batch) for batch in _batches(reader)]
        return pa.Table.from_batches(batches, reader.schema)


def _batches(reader: Any) -> Iterator[pa.RecordBatch]:
    if isinstance(reader, ipc.RecordBatchFileReader):
        return (reader.get_batch(n) for n in range(reader.num_record_batches))
    return iter(reader)


def _parquet(body: pa.Buffer, bounds: Bounds) -> pa.Table:
    file = pq.ParquetFile(pa.BufferReader(body), memory_map=False)
    claimed = file.metadata
    groups = [claimed.row_group(n).total_byte_size for n in range(claimed.num_row_groups)]
    bounds.claim(claimed.num_rows, claimed.num_columns, sum(groups))
    # A text of the dictionary may be meant by every row: it is kept once, and counted by `plain`.
    texts = [field.name for field in file.schema_arrow if columns.is_text(field.type)]
    file = pq.ParquetFile(pa.BufferReader(body), memory_map=False, read_dictionary=texts)
    batches = [
        bounds.take(batch) for batch in file.iter_batches(batch_size=_ROWS, use_threads=False)
    ]
    table = pa.Table.from_batches(batches, file.schema_arrow)
    # Some writers put it into the schema, some beside it.
    return table.replace_schema_metadata((claimed.metadata or {}) | (table.schema.metadata or {}))


def _csv(rows: memoryview, names: list[str], separator: str, bounds: Bounds) -> pa.Table:
    """Cells as texts, null where they are empty."""
    schema = pa.schema([(name, pa.string()) for name in names])
    with csv.open_csv(
        pa.BufferReader(pa.py_buffer(rows)),
        csv.ReadOptions(column_names=names, block_size=_BLOCK_BYTE, use_threads=False),
        csv.ParseOptions(delimiter=separator, newlines_in_values=b'"' in bytes(rows)),
        csv.ConvertOptions(
            column_types=schema,
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=True,
        ),
    ) as reader:
        return pa.Table.from_batches([bounds.take(batch) for batch in reader], schema)


if __name__ == "__main__":
    pa.set_cpu_count(1)
    pa.set_io_thread_count(1)
    answer_all(answer)

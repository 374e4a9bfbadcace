"""Many users as columns: in the database, in blocks of which a reader takes one, and out as Arrow,
Parquet or CSV.

A column has the name and the meaning of the field of the same name in JSON; nested fields are
structs.
"""

from __future__ import annotations

import io
import json
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import IO, Any, Literal

from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session

from app.arrow import csv, ipc, pa, pc, pq
from app.http.media import ARROW, CSV, PARQUET
from app.plans.dictionaries import trimmed
from app.plans.tables import PlanColumnsRow, PlanIndexRow

Part = Literal["request", "users"]
Json = dict[str, Any]

READ = (ARROW, PARQUET)

# The key of the schema's metadata under which the rest of the request is, as JSON.
METADATA = b"splitplan"

# A device asks for one row: a block is as much as is read for it.
BLOCK_ROWS = 4096
_INDEX_ROWS = 16_384
# What a Parquet answer may take in memory before it goes to disk.
_SPOOLED_BYTE = 32 * 2**20


@dataclass(frozen=True, slots=True)
class Bulk:
    """A request in columns: everything but the users as JSON, and the users."""

    terms: Any
    users: pa.Table
    digest: str
    """SHA-256 of the body."""

    @property
    def packed(self) -> Packed:
        """The users as they are stored."""
        return packed(self.users)


@dataclass(frozen=True, slots=True)
class Packed:
    """A table as it is stored: blocks of rows, and where each user is."""

    blocks: list[bytes]
    places: list[tuple[str, bytes]]

    @property
    def byte(self) -> int:
        """What it takes [byte]."""
        return sum(map(len, self.blocks)) + sum(len(data) for _, data in self.places)


def packed(table: pa.Table, ids: pa.ChunkedArray | None = None) -> Packed:
    """A table in blocks, and with `ids` the index of its rows."""
    blocks = [
        _packed(trimmed(table.slice(start, BLOCK_ROWS)))
        for start in range(0, max(table.num_rows, 1), BLOCK_ROWS)
    ]
    places = []
    if ids is not None:
        order = pc.sort_indices(ids)
        ids = ids.take(order)
        for start in range(0, len(ids), _INDEX_ROWS):
            part = pa.table(
                {"id": ids.slice(start, _INDEX_ROWS), "row": order.slice(start, _INDEX_ROWS)}
            )
            places.append((part["id"][0].as_py(), _packed(part)))
    return Packed(blocks, places)


def store(session: Session, plan_number: int, part: Part, packed: Packed) -> None:
    """Store a packed table."""
    for block, data in enumerate(packed.blocks):
        row = {"plan_number": plan_number, "part": part, "block": block, "data": data}
        session.execute(insert(PlanColumnsRow).values(row))
    for first_id, data in packed.places:
        session.execute(
            insert(PlanIndexRow).values(plan_number=plan_number, first_id=first_id, data=data)
        )


def forget(session: Session, plan_numbers: Sequence[int]) -> None:
    """Delete what is stored of plans."""
    session.execute(delete(PlanColumnsRow).where(PlanColumnsRow.plan_number.in_(plan_numbers)))
    session.execute(delete(PlanIndexRow).where(PlanIndexRow.plan_number.in_(plan_numbers)))


def load(
    session: Session, plan_number: int, part: Part, start: int = 0, limit: int | None = None
) -> pa.Table | None:
    """Rows of a stored table from a position on; None where there is no such table."""
    blocks = select(PlanColumnsRow.data).where(
        PlanColumnsRow.plan_number == plan_number, PlanColumnsRow.part == part
    )
    if limit is not None:
        blocks = blocks.where(
            PlanColumnsRow.block.between(start // BLOCK_ROWS, (start + limit - 1) // BLOCK_ROWS)
        )
    tables = [unpacked(data) for data in session.scalars(blocks.order_by(PlanColumnsRow.block))]
    if not tables:
        return None
    table = pa.concat_tables(tables)
    return table if limit is None else table.slice(start % BLOCK_ROWS, limit)


def some(session: Session, plan_number: int, part: Part, rows: Sequence[int]) -> list[Json]:
    """Single rows of a stored table, in the order in which they are named."""
    found: dict[int, Json] = {}
    for mine, table in taken(session, plan_number, part, rows):
        found |= zip(mine, table.to_pylist(), strict=True)
    return [found[row] for row in rows]


def taken(
    session: Session, plan_number: int, part: Part, rows: Sequence[int]
) -> Iterator[tuple[list[int], pa.Table]]:
    """The same block by block, with which rows these are; nothing where there is no such table."""
    places: dict[int, list[int]] = {}
    for row in rows:
        places.setdefault(row // BLOCK_ROWS, []).append(row)
    for block, mine in places.items():
        table = load(session, plan_number, part, block * BLOCK_ROWS, BLOCK_ROWS)
        if table is not None:
            yield mine, table.take([row % BLOCK_ROWS for row in mine])


def column(session: Session, plan_number: int, part: Part, field: str) -> pa.ChunkedArray:
    """A column of a stored table, of a struct where the field has dots, without the others; nulls
    where there is no such field.
    """
    first, *within = field.split(".")
    chunks = []
    for data in packed_blocks(session, plan_number, part):
        with ipc.open_stream(pa.BufferReader(data)) as reader:
            place = reader.schema.get_field_index(first)
        if place < 0:
            chunks.append(pa.nulls(unpacked(data).num_rows, pa.float64()))
            continue
        which = ipc.IpcReadOptions(included_fields=[place])
        with ipc.open_stream(pa.BufferReader(data), options=which) as reader:
            values = reader.read_all()[first].combine_chunks()
        for step in within:
            values = pc.struct_field(values, step)
        chunks.append(values.dictionary_decode() if _is_coded(values) else values)
    return pa.chunked_array(chunks)


def _is_coded(values: pa.Array) -> bool:
    return bool(pa.types.is_dictionary(values.type))


def index(session: Session, plan_number: int) -> Iterator[pa.Table]:
    """The ids of a plan's users in their order, with the row of each, part by part."""
    data = select(PlanIndexRow.data).where(PlanIndexRow.plan_number == plan_number)
    return (unpacked(each) for each in session.scalars(data.order_by(PlanIndexRow.first_id)))


def blocks(session: Session, plan_number: int, part: Part) -> Iterator[pa.Table]:
    """A stored table, block by block."""
    return (unpacked(data) for data in packed_blocks(session, plan_number, part))


def packed_blocks(session: Session, plan_number: int, part: Part) -> Iterator[bytes]:
    """The same as Arrow streams."""
    mine = (PlanColumnsRow.plan_number == plan_number) & (PlanColumnsRow.part == part)
    numbers = select(PlanColumnsRow.block).where(mine).order_by(PlanColumnsRow.block)
    for block in session.scalars(numbers).all():
        data = select(PlanColumnsRow.data).where(mine, PlanColumnsRow.block == block)
        yield session.scalars(data).one()


def find(session: Session, plan_number: int, user_id: str) -> dict[str, Any] | None:
    """The row of one user; None where the plan has no such user."""
    place = select(PlanIndexRow.data).where(
        PlanIndexRow.plan_number == plan_number, PlanIndexRow.first_id <= user_id
    )
    found = session.scalars(place.order_by(PlanIndexRow.first_id.desc()).limit(1)).one_or_none()
    if found is None:
        return None
    part = unpacked(found)
    position = pc.index(part["id"], pa.scalar(user_id, part["id"].type)).as_py()
    if position < 0:
        return None
    table = load(session, plan_number, "users", part["row"][position].as_py(), 1)
    assert table is not None
    row: dict[str, Any] = table.to_pylist()[0]
    return row


def written(media_type: str, tables: Iterable[pa.Table]) -> Iterator[bytes]:
    """Tables of one schema as a file of a media type, piece by piece."""
    if media_type == PARQUET:
        yield from _written_parquet(tables)
        return
    sink = io.BytesIO()
    writer = None
    for table in tables:
        shown = _flat(table) if media_type == CSV else table
        if writer is None:
            kind = csv.CSVWriter if media_type == CSV else ipc.new_stream
            writer = kind(sink, shown.schema)
        writer.write_table(shown)
        yield _drained(sink)
    if writer is not None:
        writer.close()
        yield _drained(sink)


def _written_parquet(tables: Iterable[pa.Table]) -> Iterator[bytes]:
    # A Parquet file ends with its directory, but is read from there: it has to be whole before it
    # is sent.
    with tempfile.SpooledTemporaryFile(max_size=_SPOOLED_BYTE) as file:
        writer = None
        for table in tables:
            writer = writer or pq.ParquetWriter(file, table.schema, compression="zstd")
            writer.write_table(table)
        if writer is not None:
            writer.close()
        file.seek(0)
        while piece := file.read(2**20):
            yield piece


def _drained(sink: IO[bytes]) -> bytes:
    sink.seek(0)
    piece = sink.read()
    sink.seek(0)
    sink.truncate()
    return piece


def _flat(table: pa.Table) -> pa.Table:
    """Structs as columns `outer.inner`, lists as JSON: what CSV can hold."""
    while any(pa.types.is_struct(field.type) for field in table.schema):
        table = table.flatten()
    for n, field in enumerate(table.schema):
        if pa.types.is_nested(field.type):
            texts = [None if value is None else json.dumps(value) for value in table[n].to_pylist()]
            table = table.set_column(n, field.name, pa.array(texts, pa.string()))
    return table


def _packed(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with ipc.new_stream(
        sink, table.schema, options=ipc.IpcWriteOptions(compression="zstd")
    ) as writer:
        writer.write_table(table)
    packed: bytes = sink.getvalue().to_pybytes()
    return packed


def unpacked(data: bytes) -> pa.Table:
    """A table from one of its blocks."""
    with ipc.open_stream(pa.BufferReader(data)) as reader:
        return reader.read_all()

"""The points of an experiment as a table: in the database, and as they are told."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from typing import Any

from app.arrow import ipc, pa
from app.experiments.grid import Grid
from app.plans.family import Outline

_TEXTS = frozenset({"status", "reason"})
FIGURES = tuple(field.name for field in fields(Outline) if field.name not in _TEXTS)
"""What is said of a point in numbers."""

Row = dict[str, Any]


def packed(outlines: Mapping[int, Outline]) -> bytes:
    """Outlines by the index of their points, as they are stored."""
    order = sorted(outlines)
    columns: dict[str, Any] = {"index": pa.array(order, pa.int64())}
    for field in fields(Outline):
        kind = pa.string() if field.name in _TEXTS else pa.float64()
        values = [getattr(outlines[index], field.name) for index in order]
        columns[field.name] = pa.array(values, kind)
    table = pa.table(columns)
    sink = pa.BufferOutputStream()
    options = ipc.IpcWriteOptions(compression="zstd")
    with ipc.new_stream(sink, table.schema, options=options) as writer:
        writer.write_table(table)
    data: bytes = sink.getvalue().to_pybytes()
    return data


def told(grid: Grid, stored: pa.Table) -> list[Row]:
    """Points as JSON has them."""
    return [_point(grid, row) for row in stored.to_pylist()]


def _point(grid: Grid, row: Row) -> Row:
    index = row.pop("index")
    seed = {} if grid.seeds is None else {"seed": grid.seed(index)}
    return {"index": index, "parameters": grid.parameters(index), **seed, **row}


def tables(grid: Grid, stored: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """Points as columns, of one schema however many there are; none: one table without rows."""
    empty = True
    for table in stored:
        empty = False
        yield _columns(grid, table)
    if empty:
        yield _columns(grid, unpacked(packed({})))


def unpacked(data: bytes) -> pa.Table:
    """A stored table."""
    with ipc.open_stream(pa.BufferReader(data)) as reader:
        return reader.read_all()


def _columns(grid: Grid, table: pa.Table) -> pa.Table:
    index = table["index"].to_pylist()
    parameters: dict[str, pa.Array] = {}
    chosen = [grid.parameters(point) for point in index]
    for axis in grid.axes:
        kind = pa.float64() if axis.numbers else pa.string()
        values = [_as(axis.numbers, point[axis.name]) for point in chosen]
        parameters[axis.name] = pa.array(values, kind)
    columns: dict[str, Any] = {"index": table["index"].combine_chunks()}
    if parameters:
        names, arrays = list(parameters), list(parameters.values())
        columns["parameters"] = pa.StructArray.from_arrays(arrays, names=names)
    if grid.seeds is not None:
        columns["seed"] = pa.array([grid.seed(point) for point in index], pa.int64())
    rest: Sequence[str] = [name for name in table.column_names if name != "index"]
    return pa.table(columns | {name: table[name] for name in rest})


def _as(numbers: bool, value: float | str) -> float | str:
    """Beside texts a number is told as one too."""
    return value if numbers or isinstance(value, str) else repr(value)

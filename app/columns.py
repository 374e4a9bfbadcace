"""Columns of strangers as plain ones: how a tool stores a text or a number says nothing about it.

Polars, DuckDB, pandas and Arrow's own writers hold the same values as dictionaries, views, runs,
decimals or types of an extension. What is read here has one type for each kind of value; a type
that stands for none of them is left as it is, for whoever looks at the columns to refuse by name.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import numpy as np

from app.arrow import pa, pc
from app.errors import BodyTooLarge

# A column that pandas adds for the positions of rows, where they are no longer 0, 1, 2...
_UNNAMED_INDEX = re.compile(r"__index_level_\d+__")


def plain(table: pa.Table, max_byte: int) -> pa.Table:
    """The same values in plain types: texts as `string` (or a dictionary of it, where one was
    sent), decimals as `float64`, UUIDs as texts, structs and lists of such; without the column that
    pandas makes of an index without a name.

    Raises BodyTooLarge where texts that are written once and meant often take more than `max_byte`
    bytes, and what pyarrow raises of arrays that contradict themselves.
    """
    table = table.drop_columns(unnamed_index(table.schema))
    left_byte = max_byte

    def spend(byte: int) -> None:
        nonlocal left_byte
        left_byte -= byte
        if left_byte < 0:
            raise BodyTooLarge(
                f"The columns may have at most {max_byte} bytes once they are unpacked."
            )

    for n, field in enumerate(table.schema):
        if not _is_plain(field.type):
            chunks = [_plain(chunk, spend, outermost=True) for chunk in table[n].chunks]
            column = pa.chunked_array(chunks, chunks[0].type if chunks else _plain_type(field.type))
            table = table.set_column(n, field.name, column)
    return table


def nested(table: pa.Table) -> pa.Table:
    """A table with its columns `outer.inner` as structs, null where nothing of one is said: that is
    what they are called where there are no structs.

    Raises ValueError where a column is there both whole and in parts.
    """
    places: dict[str, list[str]] = {}
    for name in table.column_names:
        places.setdefault(name.partition(".")[0], []).append(name)
    made: dict[str, Any] = {}
    for outer, names in places.items():
        if names == [outer]:
            made[outer] = table[outer]
            continue
        if outer in names:
            raise ValueError(f"column {outer[:100]} is there both whole and in parts")
        parts = [table[name].combine_chunks() for name in names]
        said = [part.is_valid().to_numpy(zero_copy_only=False) for part in parts]
        inner = [name.partition(".")[2] for name in names]
        mask = pa.array(~np.logical_or.reduce(said))
        made[outer] = pa.StructArray.from_arrays(parts, inner, mask=mask)
    return table if len(made) == table.num_columns else pa.table(made)


def unnamed_index(schema: pa.Schema) -> list[str]:
    """Columns that hold an index of pandas which has no name: positions of rows, and no data."""
    try:
        described = json.loads((schema.metadata or {}).get(b"pandas", b"{}"))
        index = described.get("index_columns", [])
    except (ValueError, AttributeError, RecursionError):
        return []  # somebody else's metadata under that name
    names = [name for name in index if isinstance(name, str) and _UNNAMED_INDEX.fullmatch(name)]
    return [name for name in names if schema.names.count(name) == 1]


def is_text(kind: pa.DataType) -> bool:
    """Whether values are texts."""
    return bool(
        pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    )


def _is_plain(kind: pa.DataType) -> bool:
    return bool(pa.types.is_primitive(kind) or pa.types.is_string(kind))


def _is_list(kind: pa.DataType) -> bool:
    return any(
        told(kind)
        for told in (
            pa.types.is_list,
            pa.types.is_large_list,
            pa.types.is_list_view,
            pa.types.is_large_list_view,
            pa.types.is_fixed_size_list,
        )
    )


def _plain_type(kind: pa.DataType) -> pa.DataType:
    """The type of a column without rows."""
    return _plain(pa.array([], kind), lambda _: None, outermost=True).type


# A text without a copy (`string_view`) cannot be taken by an index: values come before places.
def _plain(array: Any, spend: Callable[[int], None], *, outermost: bool = False) -> Any:
    kind = array.type
    if isinstance(kind, pa.UuidType):
        return pa.array([None if one is None else str(one) for one in array.to_pylist()], "string")
    if pa.types.is_run_end_encoded(kind):
        return _runs(array, spend)
    if pa.types.is_dictionary(kind):
        values = _plain(array.dictionary, spend)
        _meant(values, array.indices, spend)
        if outermost and pa.types.is_string(values.type):
            return pa.DictionaryArray.from_arrays(array.indices.cast(pa.int32()), values)
        return values.take(array.indices)
    if is_text(kind):
        return array.cast(pa.string())
    if pa.types.is_decimal(kind):
        return array.cast(pa.float64())
    if pa.types.is_struct(kind):
        parts = [_plain(part, spend) for part in array.flatten()]
        return pa.StructArray.from_arrays(
            parts, [one.name for one in kind], mask=array.is_null(), type=None
        )
    if _is_list(kind):
        return _listed(array, spend)
    return array


def _runs(array: Any, spend: Callable[[int], None]) -> Any:
    """Runs of values one by one."""
    values = _plain(array.values, spend)
    places = pa.array(range(len(values)), pa.int64())
    runs = pa.RunEndEncodedArray.from_arrays(array.run_ends.cast(pa.int64()), places)
    at = pc.run_end_decode(runs.slice(array.offset, len(array)))
    _meant(values, at, spend)
    return values.take(at)


def _meant(values: Any, indices: Any, spend: Callable[[int], None]) -> None:
    """Count what texts take that are written once and meant as often as an index says."""
    if is_text(values.type):
        spend(pc.sum(pc.binary_length(values).take(indices)).as_py() or 0)


def _listed(array: Any, spend: Callable[[int], None]) -> Any:
    """Lists of any layout as lists with offsets of 32 bits."""
    lengths = pc.fill_null(pc.list_value_length(array), 0)
    ends = pc.cumulative_sum(lengths.cast(pa.int32()))
    offsets = pa.concat_arrays([pa.array([0], pa.int32()), ends])
    mask = array.is_null() if array.null_count else None
    return pa.ListArray.from_arrays(offsets, _plain(array.flatten(), spend), mask=mask)

"""Values as 64 bits each, so that many are compared at once: equal values have equal codes.

A number is its own code, whatever type it was stored in; texts and lists are hashed with a key of
this process. Two different values among 10⁶ have the same code with a chance of 3e-8.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from app.arrow import pa, pc
from app.plans.browsing import value_of
from solvers.arrays import Floats

Codes = NDArray[np.uint64]
Part: TypeAlias = "Sequence[Mapping[str, Any]] | pa.Table"
"""Users as JSON, or in columns."""

_NOTHING = np.uint64(0)
_MASK = 2**64 - 1


def said(value: Any) -> Any:
    """A value without what is null in it: columns say what JSON leaves out."""
    if isinstance(value, Mapping):
        return {name: said(value[name]) for name in sorted(value) if value[name] is not None}
    if isinstance(value, list | tuple):
        return [said(member) for member in value]
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


def code(value: Any) -> int:
    """The code of one value that is no number."""
    return 0 if value is None else hash(repr(said(value))) & _MASK


def mixed(codes: Codes) -> Codes:
    """Codes whose bits all depend on each other (the finaliser of SplitMix64); 0 stays 0."""
    with np.errstate(over="ignore"):
        codes = (codes ^ (codes >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        codes = (codes ^ (codes >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return codes ^ (codes >> np.uint64(31))


def together(columns: Mapping[str, Codes], rows: int) -> Codes:
    """One code for all columns of a row; those that say nothing add nothing."""
    whole = np.zeros(rows, np.uint64)
    for name, codes in columns.items():
        salt = np.uint64(code(name) | 1)
        with np.errstate(over="ignore"):
            whole += np.where(codes == _NOTHING, _NOTHING, mixed(codes ^ salt))
    return whole


def numbers(part: Part, path: str) -> Floats:
    """A field of numbers, `outer.inner` where it is nested; NaN where it is not said."""
    if isinstance(part, pa.Table):
        column = _column(part, path)
        if column is None or not pa.types.is_floating(column.type):
            return np.full(len(part), np.nan)
        return np.asarray(column.to_numpy(zero_copy_only=False), np.float64)
    return np.array([_number(value_of(entry, path)) for entry in part], np.float64)


def texts(part: Part, path: str) -> list[Any]:
    """A field as it is said, None where it is not."""
    if isinstance(part, pa.Table):
        column = _column(part, path)
        return [None] * len(part) if column is None else column.to_pylist()
    return [value_of(entry, path) for entry in part]


def coded(part: Part, path: str) -> Codes:
    """A field, whatever it holds."""
    if isinstance(part, pa.Table):
        column = _column(part, path)
        if column is None:
            return np.zeros(len(part), np.uint64)
        if pa.types.is_integer(column.type) or pa.types.is_floating(column.type):
            return _of_numbers(column.cast(pa.float64()).to_numpy(zero_copy_only=False))
        if pa.types.is_dictionary(column.type) or pa.types.is_string(column.type):
            return _of_texts(column)
    return _of_values(texts(part, path))


def _column(table: pa.Table, path: str) -> pa.Array | None:
    outer, *inner = path.split(".")
    if outer not in table.column_names:
        return None
    column = table[outer].combine_chunks()
    for name in inner:
        if not pa.types.is_struct(column.type) or column.type.get_field_index(name) < 0:
            return None
        column = pc.struct_field(column, name)
    return column


def _of_texts(column: pa.Array) -> Codes:
    if not pa.types.is_dictionary(column.type):
        column = pc.dictionary_encode(column)
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    known = np.array([code(text) for text in column.dictionary.to_pylist()] + [0], np.uint64)
    indices: Codes = known[pc.fill_null(column.indices, -1).to_numpy(zero_copy_only=False)]
    return indices


def _of_values(values: Sequence[Any]) -> Codes:
    found = np.array([0 if _is_number(value) else code(value) for value in values], np.uint64)
    some = np.array([_number(value) for value in values], np.float64)
    return np.where(np.isnan(some), found, _of_numbers(some))


def _of_numbers(values: Floats) -> Codes:
    """Bits of the numbers, never 0; 0 of NaN."""
    bits = (np.asarray(values, np.float64) + 0.0).view(np.uint64)
    return np.where(np.isnan(values), _NOTHING, mixed(bits ^ np.uint64(0x9E3779B97F4A7C15)))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _number(value: Any) -> float:
    return float(value) if _is_number(value) else np.nan

"""What a plan says of all its users, field by field: a million are a few arrays, never objects."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from app.plans.browsing import value_of
from solvers.arrays import Floats, Integers

if TYPE_CHECKING:
    import pyarrow as pa

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Texts:
    """A column of texts of which most come again: the position of each, -1 where there is none."""

    codes: Integers
    texts: list[str]

    def told(self) -> list[str]:
        """The texts themselves, empty where there is none."""
        texts = [*self.texts, ""]
        return [texts[code] for code in self.codes.tolist()]


@dataclass(frozen=True, slots=True)
class Columns:
    """Fields by their dotted names; NaN is null, and one that nobody has is not among them."""

    numbers: dict[str, Floats]
    texts: dict[str, Texts]
    users: int


def columns(parts: Iterable[Any], numbers: Sequence[str], texts: Sequence[str] = ()) -> Columns:
    """Some fields of all users, from parts as they are stored."""
    found: dict[str, list[Floats]] = {name: [] for name in numbers}
    codes: dict[str, list[Integers]] = {name: [] for name in texts}
    known: dict[str, dict[str, int]] = {name: {} for name in texts}
    users = 0
    for part in parts:
        users += len(part)
        for name in numbers:
            found[name].append(_numbers(part, name))
        for name in texts:
            codes[name].append(_codes(part, name, known[name]))
    whole = {name: np.concatenate([*each, np.empty(0)]) for name, each in found.items()}
    for each in whole.values():
        each[~np.isfinite(each)] = np.nan
    none = np.empty(0, np.int64)
    coded = {
        name: Texts(np.concatenate([*each, none]), list(known[name]))
        for name, each in codes.items()
    }
    return Columns(
        {name: each for name, each in whole.items() if np.any(np.isfinite(each))},
        {name: each for name, each in coded.items() if each.texts},
        users,
    )


def rows(parts: Iterable[Any]) -> Iterator[Json]:
    """All users as objects, one part after the other."""
    for part in parts:
        yield from part if isinstance(part, list) else part.to_pylist()


def _numbers(part: Any, name: str) -> Floats:
    if isinstance(part, list):
        values = [value_of(entry, name) for entry in part]
        return np.array([np.nan if value is None else value for value in values], np.float64)
    column = _column(part, name)
    if column is None:
        return np.full(len(part), np.nan)
    numbers: NDArray[Any] = column.cast("float64").to_numpy(zero_copy_only=False)
    return numbers


def _codes(part: Any, name: str, known: dict[str, int]) -> Integers:
    if isinstance(part, list):
        values = [value_of(entry, name) for entry in part]
        codes = [-1 if each is None else known.setdefault(each, len(known)) for each in values]
        return np.array(codes, np.int64)
    column = _column(part, name)
    if column is None:
        return np.full(len(part), -1)
    if not hasattr(column, "dictionary"):
        column = column.dictionary_encode()
    places = [known.setdefault(each, len(known)) for each in column.dictionary.to_pylist()]
    indices = column.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    found: Integers = np.array([*places, -1])[indices]
    return found


def _column(table: pa.Table, name: str) -> Any:
    """A column as one array, also one within structs; None where there is none."""
    first, *inner = name.split(".")
    if first not in table.column_names:
        return None
    column = table[first].combine_chunks()
    for step in inner:
        names = [column.type.field(n).name for n in range(column.type.num_fields)]
        if step not in names:
            return None
        column = column.field(step)
    return column

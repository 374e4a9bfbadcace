"""Columns as tools store them: whatever the type, the values are the same."""

import json
import uuid
from collections.abc import Callable
from typing import Any

import hypothesis.strategies as st
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given

from app.columns import plain, unnamed_index
from app.errors import BodyTooLarge

TEXTS = [None, "door", "", "lobby", "door", "é"]
NUMBERS = [None, 1.5, -2.25, 0.0, 1.5]
PLENTY = 10_000


def as_dictionary(index: pa.DataType, value: pa.DataType) -> Callable[[list[Any]], pa.Array]:
    """What polars (Categorical, Enum), DuckDB and pandas make of few different values."""

    def encoded(values: list[Any]) -> pa.Array:
        told = list(dict.fromkeys(one for one in values if one is not None)) or [values[0]]
        at = [None if one is None else told.index(one) for one in values]
        return pa.DictionaryArray.from_arrays(pa.array(at, index), pa.array(told, value))

    return encoded


def as_type(kind: pa.DataType) -> Callable[[list[Any]], pa.Array]:
    return lambda values: pa.array(values, kind)


def as_runs(kind: pa.DataType) -> Callable[[list[Any]], pa.Array]:
    return lambda values: pc.run_end_encode(pa.array(values, kind), pa.int16())


TEXT_FORMS = {
    "string": as_type(pa.string()),
    "large_string": as_type(pa.large_string()),
    "string_view": as_type(pa.string_view()),
    "pandas category": as_dictionary(pa.int8(), pa.large_string()),
    "polars categorical": as_dictionary(pa.uint32(), pa.string_view()),
    "long index": as_dictionary(pa.int64(), pa.string()),
    "runs": as_runs(pa.string()),
    "long runs": as_runs(pa.large_string()),
    "runs of views": lambda values: pa.RunEndEncodedArray.from_arrays(
        pa.array(range(1, len(values) + 1), pa.int32()), pa.array(values, pa.string_view())
    ),
}
NUMBER_FORMS = {
    "double": as_type(pa.float64()),
    "float": as_type(pa.float32()),
    "half": as_type(pa.float16()),
    "decimal": lambda values: pa.array(values, pa.float64()).cast(pa.decimal128(18, 4)),
    "wide decimal": lambda values: pa.array(values, pa.float64()).cast(pa.decimal256(60, 20)),
    "dictionary": as_dictionary(pa.uint16(), pa.float64()),
    "runs": as_runs(pa.float64()),
}
FORMS = [
    *((name, make, TEXTS, pa.string()) for name, make in TEXT_FORMS.items()),
    *((name, make, NUMBERS, None) for name, make in NUMBER_FORMS.items()),
]


@pytest.mark.parametrize(("name", "make", "values", "kind"), FORMS, ids=[one[0] for one in FORMS])
@given(cut=st.tuples(st.integers(0, 4), st.integers(0, 5)), twice=st.booleans())
def test_how_a_value_is_stored_says_nothing(
    name: str, make: Callable[..., pa.Array], values: list[Any], kind: Any, cut: Any, twice: bool
) -> None:
    array = make(values)
    chunks = [array.slice(*cut), array] if twice else [array.slice(*cut)]
    table = plain(pa.table({"x": pa.chunked_array(chunks)}), PLENTY)
    table.validate(full=True)
    meant = values[cut[0] : sum(cut)] + (values if twice else [])
    assert table["x"].to_pylist() == meant
    found = table.schema.field("x").type
    if kind is None:
        assert pa.types.is_floating(found)
    else:
        assert found in (pa.string(), pa.dictionary(pa.int32(), pa.string()))


@pytest.mark.parametrize(
    "layout",
    [
        pa.list_,
        pa.large_list,
        pa.list_view,
        pa.large_list_view,
    ],
)
@pytest.mark.parametrize(
    "text", [pa.string(), pa.string_view(), pa.dictionary(pa.int8(), pa.string())], ids=str
)
def test_lists_of_any_layout(layout: Callable[..., pa.DataType], text: pa.DataType) -> None:
    values = [["a", "b"], None, [], ["b", None], ["c"]]
    array = pa.array(values, layout(text))
    for start in range(len(values)):
        table = plain(pa.table({"x": array.slice(start)}), PLENTY)
        table.validate(full=True)
        assert table["x"].to_pylist() == values[start:]
        assert table.schema.field("x").type == pa.list_(pa.string())


def test_structs_of_decimals_and_views() -> None:
    values = [{"snr_db": 12.5, "of": "a"}, None, {"snr_db": None, "of": "b"}]
    plainly = pa.struct([("snr_db", pa.float64()), ("of", pa.string())])
    kind = pa.struct([("snr_db", pa.decimal128(9, 3)), ("of", pa.string_view())])
    array = pa.array(values, plainly).cast(kind)
    table = plain(pa.table({"x": array.slice(1)}), PLENTY)
    assert table["x"].to_pylist() == values[1:]
    assert table.schema.field("x").type == plainly


def test_a_uuid_is_its_text() -> None:
    ids = [uuid.UUID(int=7), None]
    storage = pa.array([ids[0].bytes, None], pa.binary(16))
    table = plain(pa.table({"id": pa.ExtensionArray.from_storage(pa.uuid(), storage)}), PLENTY)
    assert table["id"].to_pylist() == [str(ids[0]), None]


def test_no_rows_have_plain_types_too() -> None:
    kinds = [pa.string_view(), pa.dictionary(pa.uint32(), pa.large_string()), pa.decimal128(5, 1)]
    kinds += [pa.run_end_encoded(pa.int32(), pa.string()), pa.list_view(pa.string()), pa.uuid()]
    table = pa.table({str(n): pa.array([], kind) for n, kind in enumerate(kinds)})
    empty = pa.Table.from_batches([], table.schema)
    for one in (table, empty):
        assert [field.type for field in plain(one, 0).schema] == [
            pa.string(),
            pa.dictionary(pa.int32(), pa.string()),
            pa.float64(),
            pa.string(),
            pa.list_(pa.string()),
            pa.string(),
        ]


def test_what_stands_for_no_value_is_left_for_whoever_refuses_it() -> None:
    kinds = [pa.bool_(), pa.binary(), pa.timestamp("s"), pa.null()]
    table = pa.table({str(n): pa.nulls(2, kind) for n, kind in enumerate(kinds)})
    assert plain(table, 0) == table


@pytest.mark.parametrize("make", [as_dictionary(pa.int32(), pa.string()), as_runs(pa.string())])
def test_texts_written_once_and_meant_often_are_counted(
    make: Callable[[list[Any]], pa.Array],
) -> None:
    table = pa.table({"x": make(["x" * 100] * 50), "y": make(["y" * 100] * 50)})
    assert plain(table, 10_000)["y"].to_pylist() == ["y" * 100] * 50
    with pytest.raises(BodyTooLarge, match="at most 9999 bytes"):
        plain(table, 9_999)


def test_an_index_without_a_name_is_no_column() -> None:
    described = {"index_columns": ["__index_level_0__", "id", {"kind": "range"}, "gone"]}
    table = pa.table({"id": ["a"], "__index_level_0__": [7]})
    told = table.replace_schema_metadata({"pandas": json.dumps(described)})
    assert plain(told, PLENTY).column_names == ["id"]
    assert plain(table, PLENTY).column_names == ["id", "__index_level_0__"]
    for odd in ("{", "[]", '{"index_columns": 3}'[:-4] + "[3]}", "[" * 100_000):
        assert unnamed_index(table.replace_schema_metadata({"pandas": odd}).schema) == []

"""What is said of inputs: dimensions by others, none at all, and values."""

import numpy as np
import pytest
from onnx import ModelProto, numpy_helper

from solvers.onnx_reader import Unreadable, parse_value, read
from tests.support.onnx.graphs import a_model, with_choice

Shape = tuple[int, ...]


def two_inputs(first: str, second: str) -> ModelProto:
    model = a_model("net (float[n] a, float[m] b) => (float[k] c) { c = Concat <axis = 0> (a, b) }")
    for given, name in zip(model.graph.input, (first, second), strict=True):
        given.type.tensor_type.shape.dim[0].dim_param = name
    return model


@pytest.mark.parametrize(
    ("first", "second", "given", "expected"),
    [
        ("n", "2*n", {"a": 3}, (3, 6)),
        ("n", "2*n", {"b": 6}, (3, 6)),
        ("2*n", "3*n", {"a": 4}, (4, 6)),
        ("past", "past + 1", {"a": 0}, (0, 1)),
        ("past", "past+1", {"b": 1}, (0, 1)),
        ("n", "floor(n/2)", {"a": 7}, (7, 3)),
        ("batch-size", "batch-size", {"a": 7}, (7, 7)),
        ("unk-1", "unk-2", {"a": 7, "b": 5}, (7, 5)),
    ],
)
def test_dimensions_said_by_others_hold_together(
    first: str, second: str, given: dict[str, int], expected: tuple[int, int]
) -> None:
    content = two_inputs(first, second).SerializeToString()
    shapes = {name: (size,) for name, size in given.items()}
    found = read(content, shapes).shapes
    assert (found["a"], found["b"]) == ((expected[0],), (expected[1],))


@pytest.mark.parametrize(
    ("second", "given", "why"),
    [
        ("2*n", {"a": 3, "b": 5}, "'2*n' is given as 5, and is 6 by the others"),
        ("2*n", {"b": 5}, "'2*n' is given as 5, which no 'n' makes"),
        ("n**n**n**n", {"a": 9}, "open dimensions"),
        ("n-9", {"a": 3}, "open dimensions"),
    ],
)
def test_dimensions_that_do_not_hold_together(second: str, given: dict[str, int], why: str) -> None:
    content = two_inputs("n", second).SerializeToString()
    with pytest.raises(Unreadable) as refused:
        read(content, {name: (size,) for name, size in given.items()})
    assert why in refused.value.detail
    assert refused.value.option == "shapes"


def test_a_cache_may_be_empty() -> None:
    model = a_model(
        "net (float[b, 1, 8] x, float[b, past, 8] cache) => (float y) {"
        " k = MatMul (x, w) y = Concat <axis = 1> (cache, k) }",
        weights={"w": (8, 8)},
    )
    network = read(model.SerializeToString(), {"x": (1, 1, 8), "cache": (1, 0, 8)})
    assert network.shapes["cache"] == (1, 0, 8)
    assert [cut.feature_byte for cut in network.cuts] == [32, 0]


def test_a_value_decides_an_if() -> None:
    content = with_choice().SerializeToString()
    whole = {rate: read(content, values={"sr": (rate,)}) for rate in (16000, 8000)}
    assert [whole[rate].cuts[-1].flop for rate in (16000, 8000)] == [2 * 16, 4 * 16]
    assert read(content).cuts[-1].flop == 4 * 16  # the larger branch
    assert set(whole[8000].shapes) == {"x"}
    assert whole[8000].values["sr"] == np.array(8000)


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ({"sr": (8000.5,)}, "do not fit its type, int64"),
        ({"sr": (1, 2)}, "given 2 numbers"),
        ({"rate": (1,)}, "has no input 'rate'; its inputs: 'x', 'sr'"),
    ],
)
def test_values_that_do_not_fit(value: dict[str, tuple[float, ...]], why: str) -> None:
    with pytest.raises(Unreadable, match=why) as refused:
        read(with_choice().SerializeToString(), values=value)
    assert refused.value.option == "values"


def test_a_value_says_its_shape() -> None:
    model = a_model("net (float[1, 4] x, int64[n] rows) => (float y) { y = Reshape (x, rows) }")
    with pytest.raises(Unreadable):
        read(model.SerializeToString())
    found = read(model.SerializeToString(), values={"rows": (2, 2)})
    assert found.values["rows"].tolist() == [2, 2]
    model.graph.input[1].type.tensor_type.ClearField("shape")
    assert read(model.SerializeToString(), values={"rows": (2, 2)}).cuts == found.cuts
    model.graph.initializer.append(numpy_helper.from_array(np.array([4]), "rows"))
    with pytest.raises(Unreadable, match="its inputs: 'x'"):
        read(model.SerializeToString(), values={"rows": (2, 2)})


@pytest.mark.parametrize(
    ("text", "expected"),
    [("sr:16000", ("sr", (16000,))), ("a:b:-1,2.5,true", ("a:b", (-1, 2.5, True)))],
)
def test_values_are_parsed(text: str, expected: tuple[str, tuple[float, ...]]) -> None:
    assert parse_value(text) == expected


@pytest.mark.parametrize("text", ["sr", "sr:", ":1", "sr:x", "sr:nan", "sr:1e999"])
def test_values_of_another_form(text: str) -> None:
    with pytest.raises(Unreadable, match="not of the form"):
        parse_value(text)

"""Shape arithmetic does what onnx's own reference implementation does."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

from solvers.onnx_reader.arithmetic import Unevaluable, evaluate

Array = NDArray[Any]


def ints(*values: int) -> Array:
    return np.array(values, np.int64)


SHAPE = ints(2, 3, 224, 224)
CASES: list[tuple[str, int, list[Array], dict[str, Any]]] = [
    ("Add", 14, [SHAPE, ints(1)], {}),
    ("Sub", 14, [SHAPE, ints(5)], {}),
    ("Mul", 14, [SHAPE, ints(2)], {}),
    ("Div", 14, [ints(7, -7, 7, -7), ints(2, 2, -2, -2)], {}),
    ("Div", 14, [np.array([7.0, 1.0], np.float32), np.array([2.0, 0.5], np.float32)], {}),
    ("Mod", 13, [ints(7, -7, 7, -7), ints(3, 3, -3, -3)], {}),
    ("Mod", 13, [ints(7, -7, 7, -7), ints(3, 3, -3, -3)], {"fmod": 1}),
    ("Pow", 15, [ints(2, 3), ints(3)], {}),
    ("Min", 13, [SHAPE, ints(100), ints(3)], {}),
    ("Max", 13, [SHAPE, ints(100)], {}),
    ("Sum", 13, [np.ones(3, np.float32), np.ones(1, np.float32)], {}),
    ("Neg", 13, [SHAPE], {}),
    ("Abs", 13, [-SHAPE], {}),
    ("Floor", 13, [np.array([1.5, -1.5], np.float32)], {}),
    ("Ceil", 13, [np.array([1.5, -1.5], np.float32)], {}),
    ("Round", 11, [np.array([0.5, 1.5, -2.5], np.float32)], {}),
    ("Sqrt", 13, [np.array([4.0, 9.0], np.float32)], {}),
    ("Not", 1, [np.array([True, False])], {}),
    ("And", 7, [np.array([True, False]), np.array([True, True])], {}),
    ("Or", 7, [np.array([True, False]), np.array([False, False])], {}),
    ("Equal", 13, [SHAPE, ints(3)], {}),
    ("Less", 13, [SHAPE, ints(3)], {}),
    ("LessOrEqual", 16, [SHAPE, ints(3)], {}),
    ("Greater", 13, [SHAPE, ints(3)], {}),
    ("GreaterOrEqual", 16, [SHAPE, ints(3)], {}),
    ("Where", 16, [np.array([True, False, True, False]), SHAPE, -SHAPE], {}),
    ("Cast", 13, [SHAPE], {"to": TensorProto.FLOAT}),
    ("Cast", 13, [np.array([1.9, -1.9], np.float32)], {"to": TensorProto.INT64}),
    ("Clip", 13, [SHAPE, np.array(3), np.array(100)], {}),
    ("Gather", 13, [SHAPE, ints(0, -1)], {"axis": 0}),
    ("Gather", 13, [SHAPE, np.array(2, np.int64)], {}),
    ("Concat", 13, [SHAPE, ints(7)], {"axis": 0}),
    ("Slice", 13, [SHAPE, ints(1), ints(3)], {}),
    ("Slice", 13, [SHAPE, ints(1), ints(2**63 - 1), ints(0)], {}),
    ("Slice", 13, [SHAPE, ints(-1), ints(-(2**63)), ints(0), ints(-1)], {}),
    ("Slice", 13, [SHAPE, ints(3), ints(-5), ints(0), ints(-2)], {}),
    ("Slice", 9, [SHAPE], {"starts": [0], "ends": [-2]}),
    ("Slice", 9, [SHAPE.reshape(2, 2)], {"starts": [1], "ends": [2], "axes": [1]}),
    ("Split", 13, [SHAPE, ints(1, 3)], {}),
    ("Unsqueeze", 13, [SHAPE, ints(0, 2)], {}),
    ("Unsqueeze", 11, [np.array(3, np.int64)], {"axes": [0]}),
    ("Squeeze", 13, [SHAPE.reshape(1, 4, 1), ints(0)], {}),
    ("Squeeze", 13, [SHAPE.reshape(1, 4, 1)], {}),
    ("Squeeze", 11, [SHAPE.reshape(1, 4, 1)], {"axes": [2]}),
    ("Reshape", 14, [SHAPE, ints(0, -1)], {}),
    ("Reshape", 14, [SHAPE, ints(2, 2)], {}),
    ("Flatten", 13, [SHAPE.reshape(1, 2, 2)], {"axis": 2}),
    ("Transpose", 13, [SHAPE.reshape(2, 2)], {}),
    ("Transpose", 13, [SHAPE.reshape(1, 2, 2)], {"perm": [2, 0, 1]}),
    (
        "ConstantOfShape",
        9,
        [ints(2, 3)],
        {"value": helper.make_tensor("value", TensorProto.INT64, [1], [-1])},
    ),
    ("ConstantOfShape", 9, [ints(2)], {}),
    ("Expand", 13, [ints(7), ints(2, 3)], {}),
    ("Expand", 13, [SHAPE.reshape(4, 1), ints(1, 3)], {}),
    ("Tile", 13, [SHAPE, ints(2)], {}),
    ("Range", 11, [np.array(2, np.int64), np.array(11, np.int64), np.array(3, np.int64)], {}),
    (
        "Range",
        11,
        [np.array(0.5, np.float32), np.array(-1.0, np.float32), np.array(-0.5, np.float32)],
        {},
    ),
    ("ReduceProd", 13, [SHAPE], {"axes": [0], "keepdims": 0}),
    ("ReduceProd", 18, [SHAPE.reshape(2, 2), ints(1)], {}),
    ("ReduceSum", 13, [SHAPE, ints(0)], {"keepdims": 0}),
    ("ReduceSum", 13, [SHAPE], {"noop_with_empty_axes": 1}),
    ("ReduceMin", 18, [SHAPE, ints(0)], {"keepdims": 0}),
    ("ReduceMax", 13, [SHAPE], {}),
    ("Identity", 13, [SHAPE], {}),
]


@pytest.mark.slow
@pytest.mark.parametrize(("operator", "opset", "inputs", "attributes"), CASES)
def test_results_are_the_references(
    operator: str, opset: int, inputs: list[Array], attributes: dict[str, Any]
) -> None:
    names = [f"in{place}" for place in range(len(inputs))]
    outputs = ["out0", "out1"] if operator == "Split" else ["out0"]
    node = helper.make_node(operator, names, outputs, **attributes)
    given = [
        helper.make_tensor_value_info(
            name, helper.np_dtype_to_tensor_dtype(np.asarray(value).dtype), np.shape(value)
        )
        for name, value in zip(names, inputs, strict=True)
    ]
    made = [helper.make_tensor_value_info(name, TensorProto.INT64, None) for name in outputs]
    model = helper.make_model(
        helper.make_graph([node], "one", given, made),
        opset_imports=[helper.make_opsetid("", opset)],
        ir_version=8,
    )
    expected = ReferenceEvaluator(model).run(None, dict(zip(names, inputs, strict=True)))
    found = evaluate(operator, inputs, attributes, len(outputs))
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)
        assert one.dtype == np.asarray(other).dtype


@pytest.mark.parametrize(
    ("operator", "inputs", "attributes"),
    [
        ("Conv", [SHAPE, SHAPE], {}),
        ("Div", [SHAPE, ints(0)], {}),
        ("Mod", [SHAPE, ints(0)], {}),
        ("Range", [ints(0), ints(1), ints(0)], {}),
        ("Gather", [SHAPE, ints(9)], {}),
        ("Reshape", [SHAPE, ints(3, 3)], {}),
        ("Slice", [SHAPE, None, ints(1)], {}),
        ("Cast", [SHAPE], {"to": TensorProto.STRING}),
        ("Unsqueeze", [SHAPE], {}),
        ("Concat", [SHAPE, SHAPE.reshape(2, 2)], {"axis": 0}),
        ("Split", [SHAPE], {}),
        ("Add", [SHAPE], {}),
    ],
)
def test_what_makes_no_sense_stays_unknown(
    operator: str, inputs: list[Array], attributes: dict[str, Any]
) -> None:
    with pytest.raises(Unevaluable):
        evaluate(operator, inputs, attributes, 1)


def test_a_node_with_more_outputs_than_results_stays_unknown() -> None:
    with pytest.raises(Unevaluable):
        evaluate("Split", [SHAPE, ints(1, 3)], {}, 3)

"""onnxruntime's own operators: results as large as it makes them, and their work."""

from typing import Any

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import ModelProto, ValueInfoProto, helper, numpy_helper

from solvers.onnx_reader.network import Given
from solvers.onnx_reader.trace import trace

Array = NDArray[Any]
RNG = np.random.default_rng(3)
MICROSOFT, NCHWC, NHWC = "com.microsoft", "com.microsoft.nchwc", "com.ms.internal.nhwc"
EXACT = [np.float32(0.05), np.uint8(120)]  # a scale and a zero point


def f(*shape: int) -> Array:
    return RNG.normal(size=shape).astype(np.float32)


def u8(*shape: int) -> Array:
    return RNG.integers(0, 255, shape).astype(np.uint8)


def i8(*shape: int) -> Array:
    return RNG.integers(-99, 99, shape).astype(np.int8)


def ints(*values: int) -> Array:
    return np.array(values, np.int32)


def a_node(
    operator: str,
    inputs: list[Any],
    outputs: int,
    domain: str,
    attributes: dict[str, object],
) -> tuple[ModelProto, dict[str, Array]]:
    """A network of this node, whose first input comes from outside."""
    names = ["" if value is None else f"in{place}" for place, value in enumerate(inputs)]
    node = helper.make_node(
        operator, names, [f"out{place}" for place in range(outputs)], domain=domain, **attributes
    )
    arrays = {
        name: np.asarray(value)
        for name, value in zip(names, inputs, strict=True)
        if value is not None
    }
    given = {name: array for name, array in arrays.items() if name == "in0"}
    graph = helper.make_graph(
        [node],
        "one",
        [
            helper.make_tensor_value_info(
                name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape
            )
            for name, array in given.items()
        ],
        [ValueInfoProto(name=name) for name in node.output],
        [
            numpy_helper.from_array(array, name)
            for name, array in arrays.items()
            if name not in given
        ],
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid(domain, 1)]
    if domain == "":
        opsets.pop()
    return helper.make_model(graph, opset_imports=opsets, ir_version=9), given


# Operator, inputs, outputs, attributes, multiply-accumulates.
CASES: list[tuple[str, list[Any], int, dict[str, object], int]] = [
    (
        "FusedConv",
        [f(2, 4, 9, 8), f(6, 2, 3, 3), f(6)],
        1,
        {"group": 2, "strides": [2, 1], "pads": [1, 1, 1, 1], "activation": "Relu"},
        2 * 5 * 8 * 6 * 2 * 9,
    ),
    (
        "FusedGemm",
        [f(4, 3), f(5, 4), f(5)],
        1,
        {"transA": 1, "transB": 1, "activation": "Relu"},
        60,
    ),
    ("FusedMatMul", [f(2, 3, 4), f(2, 5, 4)], 1, {"transB": 1}, 2 * 3 * 4 * 5),
    ("FusedMatMul", [f(2, 4, 3), f(4, 5)], 1, {"transA": 1, "alpha": 0.5}, 2 * 3 * 4 * 5),
    ("FusedMatMul", [f(2, 4, 3), f(4, 3, 5)], 1, {"transBatchA": 1}, 4 * 2 * 3 * 5),
    ("TransposeMatMul", [f(2, 3, 4), f(2, 5, 4)], 1, {"transB": 1}, 2 * 3 * 4 * 5),
    ("QGemm", [u8(3, 4), *EXACT, u8(5, 4), *EXACT, None, *EXACT], 1, {"transB": 1}, 60),
    ("QGemm", [u8(3, 4), *EXACT, u8(4, 5), *EXACT], 1, {}, 60),
    (
        "QLinearConv",
        [u8(1, 6, 7, 4), *EXACT, u8(8, 4, 3, 3), *EXACT, *EXACT],
        1,
        {"channels_last": 1},
        4 * 5 * 8 * 36,
    ),
    ("MatMulIntegerToFloat", [u8(2, 3, 4), u8(4, 5), np.float32(1), np.float32(1)], 1, {}, 120),
    ("DynamicQuantizeMatMul", [f(2, 3, 4), u8(4, 5), np.float32(1), np.uint8(3)], 1, {}, 120),
    (
        "DynamicQuantizeLSTM",
        [
            f(5, 2, 3),
            i8(2, 3, 16),
            i8(2, 4, 16),
            None,
            None,
            None,
            None,
            None,
            f(2),
            i8(2) * 0,
            f(2),
            i8(2) * 0,
        ],
        3,
        {"hidden_size": 4, "direction": "bidirectional"},
        5 * 2 * 2 * 16 * 7,
    ),
    (
        "MatMulNBits",
        [f(2, 3, 64), u8(10, 2, 16), f(20)],
        1,
        {"K": 64, "N": 10, "bits": 4, "block_size": 32},
        6 * 64 * 10,
    ),
    (
        "MatMulBnb4",
        [f(3, 64), u8(320), f(10)],
        1,
        {"K": 64, "N": 10, "block_size": 64, "quant_type": 1},
        3 * 64 * 10,
    ),
    ("QLinearAdd", [u8(2, 3), *EXACT, u8(4, 1, 3), *EXACT, *EXACT], 1, {}, 0),
    (
        "QLinearMul",
        [
            i8(2, 3),
            np.float32(1),
            np.int8(0),
            i8(3),
            np.float32(1),
            np.int8(0),
            np.float32(1),
            np.int8(0),
        ],
        1,
        {},
        0,
    ),
    ("QLinearConcat", [*EXACT, u8(2, 3), *EXACT, u8(2, 4), *EXACT], 1, {"axis": 1}, 0),
    ("QLinearLeakyRelu", [u8(2, 3), *EXACT, *EXACT], 1, {"alpha": 0.1}, 0),
    ("QLinearSigmoid", [u8(2, 3), *EXACT, *EXACT], 1, {}, 0),
    ("QLinearSoftmax", [u8(2, 3), *EXACT, *EXACT], 1, {"opset": 13}, 0),
    ("QLinearWhere", [np.ones((2, 1), bool), u8(3), *EXACT, u8(2, 3), *EXACT, *EXACT], 1, {}, 0),
    (
        "QLinearAveragePool",
        [u8(1, 3, 7, 6), *EXACT, *EXACT],
        1,
        {"kernel_shape": [3, 3], "strides": [2, 2]},
        0,
    ),
    (
        "QLinearAveragePool",
        [u8(1, 7, 6, 3), *EXACT, *EXACT],
        1,
        {"kernel_shape": [3, 3], "channels_last": 1},
        0,
    ),
    ("QLinearGlobalAveragePool", [u8(1, 7, 6, 3), *EXACT, *EXACT], 1, {"channels_last": 1}, 0),
    ("QLinearGlobalAveragePool", [u8(1, 3, 7, 6), *EXACT, *EXACT], 1, {}, 0),
    ("QuantizeLinear", [f(2, 3), np.float32(0.1), np.uint16(7)], 1, {}, 0),
    ("DequantizeLinear", [u8(2, 3), *EXACT], 1, {}, 0),
    ("SkipLayerNormalization", [f(2, 3, 8), f(2, 3, 8), f(8), f(8), f(8)], 4, {}, 0),
    ("SkipSimplifiedLayerNormalization", [f(2, 3, 8), f(2, 3, 8), f(8)], 4, {}, 0),
    (
        "EmbedLayerNormalization",
        [
            ints(1, 2, 3).reshape(1, 3),
            ints(0, 0, 0).reshape(1, 3),
            f(9, 8),
            f(9, 8),
            f(2, 8),
            f(8),
            f(8),
            ints(1, 1, 0).reshape(1, 3),
        ],
        3,
        {},
        0,
    ),
    ("BiasGelu", [f(2, 8), f(8)], 1, {}, 0),
    ("FastGelu", [f(2, 8), f(8)], 1, {}, 0),
    ("Gelu", [f(2, 8)], 1, {}, 0),
    ("QuickGelu", [f(2, 8)], 1, {}, 0),
    (
        "RotaryEmbedding",
        [f(1, 3, 16), np.zeros((1, 3), np.int64), f(9, 4), f(9, 4)],
        1,
        {"num_heads": 2},
        0,
    ),
    (
        "GatherBlockQuantized",
        [u8(10, 16), np.array([[1, 2]]), f(10, 1)],
        1,
        {"block_size": 32, "bits": 4},
        0,
    ),
    ("CausalConvWithState", [f(1, 4, 6), f(4, 1, 3)], 2, {}, 4 * 6 * 3),
    (
        "Attention",
        [f(2, 3, 8), f(8, 24), f(24)],
        2,
        {"num_heads": 2},
        2 * 3 * 8 * 24 + 2 * 2 * 9 * 8,
    ),
    (
        "Attention",
        [f(2, 3, 8), f(8, 24), f(24), None, f(2, 2, 2, 5, 4)],
        2,
        {"num_heads": 2, "unidirectional": 1},
        2 * 3 * 8 * 24 + 2 * 2 * 3 * 8 * 8,
    ),
    (
        "Attention",
        [f(2, 3, 8), f(8, 20), f(20)],
        1,
        {"num_heads": 2, "qkv_hidden_sizes": [8, 8, 4]},
        2 * 3 * 8 * 20 + 2 * 2 * 9 * 6,
    ),
    (
        "QAttention",
        [
            u8(2, 3, 8),
            i8(8, 24),
            f(24),
            np.float32(1),
            np.float32(1),
            None,
            np.uint8(1),
            np.int8(0),
        ],
        1,
        {"num_heads": 2},
        2 * 3 * 8 * 24 + 2 * 2 * 9 * 8,
    ),
    (
        "MultiHeadAttention",
        [f(2, 3, 8), f(2, 5, 8), f(2, 5, 8)],
        1,
        {"num_heads": 2},
        2 * 2 * 3 * 5 * 8,
    ),
    (
        "MultiHeadAttention",
        [f(2, 3, 8), f(2, 3, 8), f(2, 3, 8), None, None, None, f(2, 2, 4, 4), f(2, 2, 4, 4)],
        3,
        {"num_heads": 2},
        2 * 2 * 3 * 7 * 8,
    ),
    (
        "MultiHeadAttention",
        [f(2, 3, 8), f(2, 2, 5, 4), f(2, 2, 5, 4)],
        1,
        {"num_heads": 2},
        2 * 2 * 3 * 5 * 8,
    ),
    (
        "GroupQueryAttention",
        [f(1, 3, 64), f(1, 3, 32), f(1, 3, 32), None, None, ints(2), ints(3)],
        3,
        {"num_heads": 4, "kv_num_heads": 2},
        4 * 9 * 32,
    ),
    (
        "GroupQueryAttention",
        [f(1, 1, 128), None, None, f(1, 2, 5, 16), f(1, 2, 5, 16), ints(5), np.int32(6)],
        3,
        {"num_heads": 4, "kv_num_heads": 2},
        4 * 6 * 32,
    ),
    (
        "LinearAttention",
        [f(1, 3, 16), f(1, 3, 16), f(1, 3, 32)],
        2,
        {"q_num_heads": 2, "kv_num_heads": 2, "update_rule": "linear"},
        3 * 8 * 16 * 4,
    ),
    (
        "MoE",
        [f(3, 8), f(3, 4), f(4, 8, 16), f(4, 16), f(4, 16, 8), f(4, 8)],
        1,
        {"k": 2, "activation_type": "relu"},
        3 * 2 * 256,
    ),
    ("Pad", [f(2, 3), np.array([0, 1, 0, 2])], 1, {}, 0),
    ("GatherND", [f(2, 3), np.array([[0], [1]])], 1, {}, 0),
    ("Trilu", [f(3, 3)], 1, {}, 0),
    ("Inverse", [f(3, 3)], 1, {}, 0),
    (
        "MaxpoolWithMask",
        [f(1, 2, 6, 6), np.ones((1, 2, 6, 6), np.int32)],
        1,
        {"kernel_shape": [2, 2]},
        0,
    ),
    ("GridSample", [f(1, 2, 6, 6), f(1, 3, 4, 2)], 1, {}, 0),
    ("NhwcMaxPool", [u8(1, 6, 6, 2)], 1, {"kernel_shape": [2, 2], "strides": [2, 2]}, 0),
    ("SimplifiedLayerNormalization", [f(2, 8), f(8)], 2, {"domain": ""}, 0),
    ("LayerNormalization", [f(2, 8), f(8)], 3, {"domain": "", "opset": 15}, 0),
    (
        "Conv",
        [f(1, 3, 9, 9), f(16, 3, 3, 3)],
        1,
        {"domain": NCHWC, "strides": [2, 2]},
        16 * 16 * 27,
    ),
    ("MaxPool", [f(1, 16, 9, 9)], 1, {"domain": NCHWC, "kernel_shape": [2, 2]}, 0),
    (
        "AveragePool",
        [f(1, 16, 9, 9)],
        1,
        {"domain": NCHWC, "kernel_shape": [3, 3], "strides": [2, 2]},
        0,
    ),
    ("GlobalAveragePool", [f(1, 16, 9, 9)], 1, {"domain": NCHWC}, 0),
    ("ReorderInput", [f(1, 16, 9, 9)], 1, {"domain": NCHWC}, 0),
    ("ReorderInput", [f(1, 9, 9, 16)], 1, {"domain": NCHWC, "channels_last": 1}, 0),
    ("ReorderOutput", [f(1, 16, 9, 9)], 1, {"domain": NCHWC, "channels": 11}, 0),
    (
        "ReorderOutput",
        [f(1, 16, 9, 9)],
        1,
        {"domain": NCHWC, "channels": 12, "channels_last": 1},
        0,
    ),
    (
        "Upsample",
        [f(1, 16, 4, 4)],
        1,
        {"domain": NCHWC, "scales": [1, 1, 2, 2], "mode": "nearest"},
        0,
    ),
]


@pytest.mark.parametrize(("operator", "inputs", "outputs", "attributes", "mac"), CASES)
def test_results_are_as_onnxruntime_makes_them(
    operator: str,
    inputs: list[Any],
    outputs: int,
    attributes: dict[str, object],
    mac: int,
) -> None:
    kept = dict(attributes)
    domain = str(kept.pop("domain", MICROSOFT))
    opset = kept.pop("opset", 17) if domain == "" else 17
    model, feeds = a_node(operator, inputs, outputs, domain, kept)
    model.opset_import[0].version = opset
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    made = dict(zip([o.name for o in session.get_outputs()], session.run(None, feeds), strict=True))
    found = trace(model, Given({}))
    assert sum(node.flop or 0 for node in found.nodes) == 2 * mac
    assert {n: (v.size, v.nbytes) for n, v in made.items() if v is not None and v.size} == {
        n: (found.sizes[n].elements, found.sizes[n].byte)
        for n, v in made.items()
        if v is not None and v.size
    }
    assert not found.uncounted
    assert not found.unknown

#!/bin/sh
# onnxruntime 1.31.1 on x86-64 runs a Mul by one number a channel as a Conv, and its profile names no
# node of the file.
#
# At the default optimisation level (ORT_ENABLE_ALL) activations are kept in blocks of channels, and
# the pass that does so writes such a Mul (a batch norm that could not be folded, as before the first
# ReLU of a DenseNet layer) as a depthwise convolution. The profile says op_name Conv for it, and
# kernels are named for the tensors they make, not for nodes: "d_mul_nchwc" for the node "scaled",
# "b_nchwc" for "first". Who adds up times of convolutions, or finds a cut's kernels by node names or
# by counting convolutions, is wrong: DenseNet-121 has 120 in the file and 182 in the profile.
# ORT_ENABLE_EXTENDED keeps Mul and names.
#
# Seen: extended first FusedConv, pooled MaxPool, scaled Mul, rectified Relu, second Conv;
# all b_nchwc Conv, c_nchwc MaxPool, d_mul_nchwc Conv, y_nchwc Conv between two reorderings.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check --only-binary :all: \
    onnxruntime==1.31.1 onnx==1.23.2 numpy==2.4.0
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import json

import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

C = 32
rng = np.random.default_rng(0)


def weight(name, *shape):
    return numpy_helper.from_array(rng.standard_normal(shape).astype(np.float32), name)


nodes = [
    helper.make_node("Conv", ["x", "w1"], ["a"], name="first", pads=[1] * 4),
    helper.make_node("Relu", ["a"], ["b"], name="activated"),
    helper.make_node("MaxPool", ["b"], ["c"], name="pooled", kernel_shape=[2, 2], strides=[2, 2]),
    helper.make_node("Mul", ["c", "scale"], ["d"], name="scaled"),
    helper.make_node("Relu", ["d"], ["e"], name="rectified"),
    helper.make_node("Conv", ["e", "w2"], ["y"], name="second", pads=[1] * 4),
]
float32 = TensorProto.FLOAT
graph = helper.make_graph(
    nodes,
    "g",
    [helper.make_tensor_value_info("x", float32, [1, C, 16, 16])],
    [helper.make_tensor_value_info("y", float32, [1, C, 8, 8])],
    [weight("w1", C, C, 3, 3), weight("w2", C, C, 3, 3), weight("scale", C, 1, 1)],
)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def kernels(level):
    options = onnxruntime.SessionOptions()
    options.enable_profiling = True
    options.graph_optimization_level = level
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    session.run(None, {"x": np.ones((1, C, 16, 16), np.float32)})
    with open(session.end_profiling()) as profile:
        events = json.load(profile)
    end = "_kernel_time"
    return [
        (event["name"].removesuffix(end), event["args"]["op_name"])
        for event in events
        if event["name"].endswith(end)
    ]


levels = onnxruntime.GraphOptimizationLevel
extended, everything = kernels(levels.ORT_ENABLE_EXTENDED), kernels(levels.ORT_ENABLE_ALL)
print("extended", extended)
print("all", everything)
assert ("scaled", "Mul") in extended
assert ("d_mul_nchwc", "Conv") in everything, "the Mul is told as one now"
assert [operator for _, operator in everything].count("Conv") == 3
assert not {name for name, _ in everything} & {node.name for node in nodes}
PYTHON

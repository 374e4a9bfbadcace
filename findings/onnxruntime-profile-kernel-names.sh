#!/bin/sh
# onnxruntime 1.22.1's profile names one and the same fused kernel in three ways, by the level of
# optimization: by its node, by the node that swallowed it, by a tensor that is no node.
#
# Conv -> Relu, nodes /c1/Conv and /c1/Relu. Without layout changes the fused kernel is called
# /c1/Conv (the time of the ReLU is in it, and nothing is called /c1/Relu any more). With them (x86,
# the default) it is called /c1/Relu_output_0_nchwc: the *tensor* that the ReLU made and a suffix,
# followed by a kernel ReorderOutput that no node of the file stands for. Whoever joins a profile with
# a network by node names loses the fused layers at one level and all convolutions at the other.
#
# Seen on x86:
#   ORT_ENABLE_BASIC ['/c1/Conv', '/c1/Relu', '/p/Pool']
#   ORT_ENABLE_EXTENDED ['/c1/Conv', '/p/Pool']
#   ORT_ENABLE_ALL ['/c1/Relu_output_0_nchwc', 'ReorderOutput...', '/p/Pool']
set -eu
[ "$(uname -m)" = x86_64 ] || { echo "x86 only: other machines keep the layout"; exit 0; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check --only-binary :all: \
    --target "$folder/lib" onnxruntime==1.22.1 onnx==1.18.0 numpy==2.2.6
cd "$folder"
PYTHONPATH="$folder/lib" python3 - <<'PYTHON'
import json

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

weights = numpy_helper.from_array(np.ones((8, 3, 3, 3), np.float32), "w")
nodes = [
    helper.make_node("Conv", ["x", "w"], ["/c1/Conv_output_0"], name="/c1/Conv", pads=[1] * 4),
    helper.make_node("Relu", ["/c1/Conv_output_0"], ["/c1/Relu_output_0"], name="/c1/Relu"),
    helper.make_node("ReduceSum", ["/c1/Relu_output_0"], ["y"], name="/p/Pool", keepdims=0),
]
shape = [1, 3, 32, 32]
graph = helper.make_graph(
    nodes,
    "net",
    [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
    [helper.make_tensor_value_info("y", TensorProto.FLOAT, [])],
    [weights],
)
opset = [helper.make_opsetid("", 17)]
model = helper.make_model(graph, opset_imports=opset, ir_version=8).SerializeToString()
seen = {}
for level in ("ORT_ENABLE_BASIC", "ORT_ENABLE_EXTENDED", "ORT_ENABLE_ALL"):
    options = ort.SessionOptions()
    options.enable_profiling = True
    options.intra_op_num_threads = 1
    options.graph_optimization_level = getattr(ort.GraphOptimizationLevel, level)
    session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    session.run(None, {"x": np.zeros(shape, np.float32)})
    with open(session.end_profiling()) as profile:
        events = json.load(profile)
    end = "_kernel_time"
    seen[level] = [e["name"][: -len(end)] for e in events if e["name"].endswith(end)]
    print(level, seen[level])
assert seen["ORT_ENABLE_BASIC"][:2] == ["/c1/Conv", "/c1/Relu"], "other names at the basic level"
assert seen["ORT_ENABLE_EXTENDED"][0] == "/c1/Conv", "another name of the fused kernel"
assert seen["ORT_ENABLE_ALL"][0] == "/c1/Relu_output_0_nchwc", "another name with layout changes"
assert seen["ORT_ENABLE_ALL"][1].startswith("ReorderOutput")
PYTHON

#!/bin/sh
# What InferenceSession.run of onnxruntime 1.31.1 makes of a tensor that numpy has no type for depends
# on the type: float8 comes out as uint8, and says no word of it; bfloat16, int4 and int2 raise.
#
# The bits of float8 look like whole numbers, so whoever saves them and feeds them back is refused, or
# computes with codes. run_with_ort_values() hands out all of them as they are, and takes them as
# inputs of the next session: the only way to carry such a tensor from one half of a network to the
# other. numpy() of such a value behaves as run() does.
#
# Seen: float8e4m3fn uint8 [56 170]; bfloat16, int4: RuntimeError "No corresponding Numpy type for
# Tensor Type"; by way of OrtValues every network gives what it gives unsplit.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check --only-binary :all: \
    onnxruntime==1.31.1 onnx==1.23.2
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import numpy as np
import onnxruntime
from onnx import TensorProto, helper

FLOAT = TensorProto.FLOAT
x = np.array([[1.0, -0.3]], np.float32)


def session(node, read, kind, written, to):
    graph = helper.make_graph(
        [node],
        "half",
        [helper.make_tensor_value_info(read, kind, [1, 2])],
        [helper.make_tensor_value_info(written, to, [1, 2])],
    )
    opsets = [helper.make_opsetid("", 21)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=10)
    return onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )


for name in ("FLOAT8E4M3FN", "BFLOAT16", "INT4"):
    kind = getattr(TensorProto, name)
    first = session(helper.make_node("Cast", ["x"], ["q"], to=kind), "x", FLOAT, "q", kind)
    then = session(helper.make_node("Cast", ["q"], ["y"], to=FLOAT), "q", kind, "y", FLOAT)
    try:
        (seen,) = first.run(None, {"x": x})
        print(name.lower(), seen.dtype, seen.ravel())
        assert name == "FLOAT8E4M3FN" and seen.dtype == np.uint8, f"{name} comes out"
    except RuntimeError as refused:
        print(name.lower(), refused)
        assert name != "FLOAT8E4M3FN" and "No corresponding Numpy type" in str(refused)
    fed = {"x": onnxruntime.OrtValue.ortvalue_from_numpy(x)}
    (own,) = first.run_with_ort_values(None, fed)
    (back,) = then.run_with_ort_values(None, {"q": own})
    assert own.element_type() == kind
    assert np.allclose(back.numpy(), [[1.0, 0.0 if name == "INT4" else -0.3]], atol=0.02)
PYTHON

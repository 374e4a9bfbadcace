"""What cannot run is refused, held against onnxruntime: it refuses the same and runs the mend."""

import re

import numpy as np
import onnxruntime
import pytest
from onnx import ModelProto, helper, numpy_helper

from solvers.onnx_reader import Unreadable, parse_shape, read
from tests.support.onnx.graphs import a_model

Shape = tuple[int, ...]
PICTURE: Shape = (8, 3, 3, 3)


def runs(model: ModelProto, x: Shape) -> bool:
    """Whether onnxruntime runs the network on such an input."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        element = model.graph.input[0].type.tensor_type.elem_type
        session.run(None, {"x": np.ones(x, helper.tensor_dtype_to_np_dtype(element))})
    except Exception:  # its exceptions have no common base
        return False
    return True


@pytest.mark.parametrize(
    ("text", "weights", "wrong", "mended", "why"),
    [
        ("y = Conv (x, w)", {"w": PICTURE}, "1,1,9,9", "1,3,9,9", "takes 3 channels"),
        ("y = Conv (x, w)", {"w": PICTURE}, "1,9,9,3", "1,3,9,9", "not the 9 on axis 1"),
        ("y = Conv <group = 2> (x, w)", {"w": PICTURE}, "1,3,9,9", "1,6,9,9", "takes 6 channels"),
        (
            "t = Transpose <perm = [0, 3, 1, 2]> (x) y = Conv (t, w)",
            {"w": PICTURE},
            "1,3,9,9",
            "1,9,9,3",
            "its data is 't'",
        ),
        ("y = ConvTranspose (x, w)", {"w": PICTURE}, "1,3,9,9", "1,8,9,9", "takes 8 channels"),
        (
            "y = LSTM <hidden_size = 16> (x, W, R)",
            {"W": (1, 64, 8), "R": (1, 64, 16)},
            "5,1,9",
            "5,1,8",
            "8 wide",
        ),
        (
            "y = GRU <hidden_size = 16> (x, W, R)",
            {"W": (1, 48, 8), "R": (1, 48, 16)},
            "5,1,9",
            "5,1,8",
            "8 wide",
        ),
        (
            "y = RNN <hidden_size = 16> (x, W, R)",
            {"W": (1, 16, 8), "R": (1, 16, 16)},
            "5,1,9",
            "5,1,8",
            "8 wide",
        ),
        ("y = LayerNormalization (x, w)", {"w": (4,)}, "2,5,3", "2,5,4", "normalises (3)"),
        ("y = InstanceNormalization (x, w, w)", {"w": (4,)}, "2,5,3", "2,4,3", "takes 4 channels"),
        (
            "c = Conv (x, w) r = Reshape (c, rows) y = MatMul (r, w2)",
            {"w": (8, 8, 1, 1), "w2": (512, 4)},
            "2,8,8,8",
            "1,8,8,8",
            "the node 'r' (Reshape) cannot make 512 elements",
        ),
    ],
)
def test_what_onnxruntime_refuses(
    text: str, weights: dict[str, Shape], wrong: str, mended: str, why: str
) -> None:
    rank = len(mended.split(","))
    open_dims = ", ".join(f"d{axis}" for axis in range(rank))
    model = a_model(f"net (float[{open_dims}] x) => (y) {{ {text} }}", weights=weights)
    model.graph.output[0].type.tensor_type.elem_type = 1
    if "rows" in text:
        model.graph.initializer.append(numpy_helper.from_array(np.array([1, 512]), "rows"))
    bad, good = (dict([parse_shape(f"x:{dims}")]) for dims in (wrong, mended))
    with pytest.raises(Unreadable, match=re.escape(why)) as refused:
        read(model.SerializeToString(), bad)
    assert refused.value.option == "shapes"
    assert f"shape=x:{mended} would fit" in refused.value.detail
    assert read(model.SerializeToString(), good).cuts[-1].flop >= 0
    assert not runs(model, bad["x"])
    assert runs(model, good["x"])


def test_a_network_that_never_fits_has_no_mend() -> None:
    model = a_model(
        "net (uint8[n, c, h, w] x) => (int32 y) { y = ConvInteger (x, w) }",
    )
    model.graph.initializer.append(numpy_helper.from_array(np.ones(PICTURE, np.int8), "w"))
    with pytest.raises(Unreadable, match="is shape=x:1,4,1,1 right") as refused:
        read(model.SerializeToString(), {"x": (1, 4, 1, 1)})
    assert "3 channels" in refused.value.detail
    with pytest.raises(Unreadable, match="smaller than the kernel"):
        read(model.SerializeToString(), {"x": (1, 3, 2, 1)})
    assert read(model.SerializeToString(), {"x": (1, 3, 3, 3)}).cuts[-1].flop == 2 * 8 * 27

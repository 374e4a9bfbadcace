"""What only the runtime knows: types without numpy, versions it reads, what it says when it does
not run.
"""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from profiler.network import WeightsMissing, open_network
from profiler.runtime import CannotRun, Runner, most_ir, run_split
from profiler.split import Graph, Half
from solvers.onnx_reader import Options

PASSED = [
    ("bfloat16", TensorProto.BFLOAT16),
    ("float8", TensorProto.FLOAT8E4M3FN),
    ("int4", TensorProto.INT4),
    ("uint4", TensorProto.UINT4),
    ("int2", TensorProto.INT2),
]


def a_net(kind: int, weight: TensorProto | None = None, opset: int = 21) -> onnx.ModelProto:
    """A bottleneck of a small type between two layers."""
    small = kind in (TensorProto.INT4, TensorProto.UINT4, TensorProto.INT2)
    into, out = (
        (
            helper.make_node("QuantizeLinear", ["a", "s", "z"], ["q"]),
            helper.make_node("DequantizeLinear", ["q", "s", "z"], ["b"]),
        )
        if small
        else (
            helper.make_node("Cast", ["a"], ["q"], to=kind),
            helper.make_node("Cast", ["q"], ["b"], to=TensorProto.FLOAT),
        )
    )
    rng = np.random.default_rng(0)
    weights = [
        numpy_helper.from_array(rng.standard_normal((8, 8)).astype(np.float32), name)
        for name in ("w1", "w2")
    ]
    if small:
        weights += [
            numpy_helper.from_array(np.float32(0.5), "s"),
            helper.make_tensor("z", kind, [], [0]),
        ]
    nodes = [
        helper.make_node("MatMul", ["x", "w1"], ["a"]),
        into,
        out,
        helper.make_node("MatMul", ["b", "w2"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 8])],
        weights,
    )
    opsets = [helper.make_opsetid("", opset)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=13 if opset > 21 else 10)


@pytest.mark.parametrize(("name", "kind"), PASSED, ids=[name for name, _ in PASSED])
def test_types_that_numpy_has_not_cross_a_cut(name: str, kind: int) -> None:
    model = a_net(kind, opset=25 if name == "int2" else 21)
    whole = onnxruntime.InferenceSession(model.SerializeToString())
    feeds = {"x": np.linspace(-1.0, 1.0, 8, dtype=np.float32).reshape(1, 8)}
    (expected,) = whole.run(None, feeds)
    halves = Graph(model).halves(["q"])
    crossed = Runner(halves.device, 1)(feeds)
    assert isinstance(crossed["q"], onnxruntime.OrtValue)
    assert crossed["q"].element_type() == kind
    np.testing.assert_array_equal(run_split(halves, feeds)["y"], expected)


def test_inputs_of_a_type_that_numpy_has_not(tmp_path: Path) -> None:
    graph = helper.make_graph(
        [
            helper.make_node("Cast", ["x"], ["a"], to=TensorProto.FLOAT),
            helper.make_node("MatMul", ["a", "w"], ["y"]),
        ],
        "net",
        [helper.make_tensor_value_info("x", TensorProto.BFLOAT16, [1, 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 8])],
        [numpy_helper.from_array(np.eye(8, dtype=np.float32), "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    path = tmp_path / "net.onnx"
    onnx.save(model, path)
    network = open_network(path)
    assert network.feeds["x"].dtype.name == "bfloat16"
    made = run_split(network.halves(0), network.feeds)
    np.testing.assert_array_equal(made["y"], network.feeds["x"].astype(np.float32))
    assert np.any(made["y"] != 0.0)


def test_a_newer_format_is_written_as_the_runtime_reads_it(tmp_path: Path) -> None:
    assert 10 <= most_ir() < 1_000
    model = a_net(TensorProto.BFLOAT16)
    model.ir_version = most_ir() + 1
    path = tmp_path / "net.onnx"
    onnx.save(model, path)
    network = open_network(path, options=Options(max_tensors=1))
    for cut in range(len(network.cuts)):
        assert set(run_split(network.halves(cut), network.feeds)) >= {"y"}
    assert onnx.load_from_string(network.halves(1).device.model).ir_version == most_ir()


def test_what_the_runtime_does_not_run_is_said_in_one_line() -> None:
    model = a_net(TensorProto.BFLOAT16)
    model.opset_import[0].version = 99
    half = Half(model.SerializeToString(), inputs=("x",), outputs=("y",), folder=None)
    with pytest.raises(CannotRun) as refused:
        Runner(half, 1)
    said = str(refused.value)
    assert said.startswith(f"onnxruntime {onnxruntime.__version__}: ")
    assert "opset" in said
    assert "\n" not in said
    assert "/onnxruntime_src/" not in said


@pytest.mark.parametrize("field", ["int32_data", "raw_data"])
@pytest.mark.parametrize(("kind", "per_byte"), [(TensorProto.INT4, 2), (TensorProto.INT2, 4)])
def test_weights_of_less_than_a_byte_are_stored_as_they_are_packed(
    tmp_path: Path, field: str, kind: int, per_byte: int
) -> None:
    rng = np.random.default_rng(1)
    most = 2 ** (8 // per_byte - 1)
    codes = rng.integers(-most, most, (160, 160))
    tensor = helper.make_tensor("wq", kind, codes.shape, codes.ravel().tolist())
    if field == "raw_data":
        tensor = numpy_helper.from_array(numpy_helper.to_array(tensor), "wq")
    graph = helper.make_graph(
        [
            helper.make_node("DequantizeLinear", ["wq", "s"], ["w"]),
            helper.make_node("MatMul", ["x", "w"], ["a"]),
            helper.make_node("Relu", ["a"], ["y"]),
        ],
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 160])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 160])],
        [tensor, numpy_helper.from_array(np.float32(0.5), "s")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 25)], ir_version=13)
    halves = Graph(model, folder=tmp_path).halves(["a"])
    assert (tmp_path / "weights.bin").stat().st_size == 160 * 160 // per_byte
    x = rng.standard_normal((1, 160)).astype(np.float32)
    whole = onnxruntime.InferenceSession(model.SerializeToString())
    np.testing.assert_array_equal(run_split(halves, {"x": x})["y"], whole.run(None, {"x": x})[0])


def test_missing_weights_are_said_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    model = a_net(TensorProto.BFLOAT16)
    stripped = model.graph.initializer[0]
    stripped.ClearField("raw_data")
    onnx.save(model, path)
    with pytest.raises(WeightsMissing, match=r"no values for 1 of its weights \('w1'\): they were"):
        open_network(path)
    stripped.data_location = TensorProto.EXTERNAL
    stripped.external_data.add(key="location", value="weights.bin")
    path.write_bytes(model.SerializeToString())
    with pytest.raises(WeightsMissing, match=r"another file cannot be read: [^\n]+$"):
        open_network(path)

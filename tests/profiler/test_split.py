"""Halves of real networks, run one after the other, give what the whole gives."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import ModelProto, helper
from onnxruntime import quantization
from onnxruntime.transformers.float16 import convert_float_to_float16

from profiler.network import open_network
from profiler.runtime import Runner, run_split
from profiler.split import Graph, NotACut, UnknownTensor
from solvers.onnx_reader import Options
from tests.support.onnx import graphs
from tests.support.onnx.graphs import a_model
from tests.support.profiler import nets

Tensors = dict[str, NDArray[Any]]


def whole(model: ModelProto, feeds: Tensors) -> Tensors:
    """The unsplit output, straight from the file."""
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, feeds), strict=True))


def assert_equal(got: Tensors, expected: Tensors) -> None:
    for name, values in expected.items():
        np.testing.assert_allclose(got[name], values, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("net", "cuts"),
    [(nets.a_classifier, 8), (nets.a_branching_net, 2), (nets.a_net_with_an_early_result, 3)],
)
@pytest.mark.parametrize("stored", [False, True], ids=["weights within", "weights in a file"])
def test_every_cut_gives_the_unsplit_output(
    net: Callable[[], ModelProto], cuts: int, stored: bool, tmp_path: Path
) -> None:
    model = net()
    feeds = nets.an_image()
    expected = whole(model, feeds)
    assert not np.allclose(expected["scores"], whole(model, nets.an_image(1))["scores"])
    network = open_network(
        nets.saved(model, tmp_path), feeds=feeds, folder=tmp_path if stored else None
    )
    assert len(network.cuts) >= cuts
    for cut in range(len(network.cuts)):
        halves = network.halves(cut)
        assert_equal(run_split(halves, feeds), expected)
        for half in (halves.device, halves.server):
            if half.model and not stored:
                onnx.checker.check_model(onnx.load_from_string(half.model), full_check=True)


def test_cuts_of_several_tensors() -> None:
    model = nets.a_branching_net()
    halves = Graph(model).halves(["left_relu", "right", "image"])
    assert halves.device.outputs == ("left_relu", "right")
    assert halves.server.inputs == ("image", "left_relu", "right")
    assert_equal(run_split(halves, nets.an_image()), whole(model, nets.an_image()))


def test_cuts_of_several_tensors_of_the_reader(tmp_path: Path) -> None:
    model = nets.a_branching_net()
    feeds = nets.an_image()
    network = open_network(nets.saved(model, tmp_path), options=Options(max_tensors=3), feeds=feeds)
    several = [cut for cut in range(len(network.cuts)) if len(network.cuts[cut].tensors) > 1]
    assert several
    for cut in several:
        assert_equal(run_split(network.halves(cut), feeds), whole(model, feeds))


@pytest.mark.parametrize(
    ("model", "shapes", "most"),
    [
        (graphs.qdq("uint8"), {"x": (1, 4, 8, 8)}, 2),
        (graphs.qdq("int8"), {"x": (1, 4, 8, 8)}, 1),
        (graphs.transformer(layers=2), {"x": (2, 6, 8), "mask": (2, 6)}, 4),
    ],
    ids=["uint8", "int8", "transformer"],
)
def test_halves_at_the_boundaries_of_kernels(
    model: ModelProto, shapes: dict[str, tuple[int, ...]], most: int, tmp_path: Path
) -> None:
    options = Options(max_tensors=most, fusion_boundaries=True)
    network = open_network(nets.saved(model, tmp_path), shapes=shapes, options=options)
    assert len(network.cuts) >= 5
    expected = whole(model, network.feeds)
    for cut in range(len(network.cuts)):
        assert_equal(run_split(network.halves(cut), network.feeds), expected)


@pytest.mark.parametrize("rate", [16000, 8000])
def test_an_input_with_a_fixed_value_is_part_of_both_halves(rate: int, tmp_path: Path) -> None:
    model = graphs.with_choice()
    network = open_network(nets.saved(model, tmp_path), values={"sr": (rate,)})
    assert [cut.tensors for cut in network.cuts] == [("x",), ("bent",), ()]
    expected = whole(model, {**network.feeds, "sr": np.array(rate)})
    for cut in range(len(network.cuts)):
        assert_equal(run_split(network.halves(cut), network.feeds), expected)


@pytest.mark.parametrize("sizes", [{}, {"found": (3,)}])
@pytest.mark.parametrize("measured", [False, True])
def test_halves_of_what_depends_on_the_data(
    sizes: dict[str, tuple[int, ...]], measured: bool, tmp_path: Path
) -> None:
    """However many boxes there are: the size that was given is not what they are split by."""
    model = graphs.two_stages(measured=measured)
    network = open_network(nets.saved(model, tmp_path), sizes=sizes)
    expected = whole(model, network.feeds)
    assert len(expected["result"]) != 3
    for cut in range(len(network.cuts)):
        assert_equal(run_split(network.halves(cut), network.feeds), expected)


def test_each_half_has_its_own_weights_only() -> None:
    halves = Graph(nets.a_classifier()).halves(["pool1"])
    sizes = [
        [list(tensor.dims) for tensor in onnx.load_from_string(half.model).graph.initializer]
        for half in (halves.device, halves.server)
    ]
    assert sizes == [[[8, 3, 3, 3]], [[16, 8, 3, 3], [10, 1024]]]


def test_at_the_ends_one_side_does_everything() -> None:
    graph = Graph(nets.a_classifier())
    first, last = graph.halves(["image"]), graph.halves([])
    assert (first.device.model, last.server.model) == (b"", b"")
    assert len(onnx.load_from_string(first.server.model).graph.node) == 7
    assert last.device.outputs == ("scores",)


def test_a_result_made_on_the_device_crosses() -> None:
    halves = Graph(nets.a_net_with_an_early_result()).halves(["conv1"])
    assert halves.device.outputs == ("conv1",)
    halves = Graph(nets.a_net_with_an_early_result()).halves(["relu1"])
    assert halves.device.outputs == ("relu1", "early")
    assert halves.server.outputs == ("scores",)


@pytest.mark.parametrize("tensors", [["relu1"], ["relu1", "high"], ["conv1"], ["chosen"]])
def test_what_the_bodies_of_an_if_take_from_around_them_crosses(tensors: Sequence[str]) -> None:
    model = nets.a_net_with_a_capturing_if()
    for seed in range(3):
        feeds = nets.an_image(seed)
        assert_equal(run_split(Graph(model).halves(tensors), feeds), whole(model, feeds))


def test_a_tensor_that_a_body_takes_cannot_be_left_behind() -> None:
    with pytest.raises(NotACut, match="'scores' depends on them, but also on the input 'image'"):
        Graph(nets.a_net_with_a_capturing_if()).halves(["high"])


def test_tensors_that_do_not_part_the_graph_are_refused() -> None:
    with pytest.raises(NotACut, match="'left_relu'"):
        Graph(nets.a_branching_net()).halves(["left_relu"])


def test_unknown_tensors_are_refused() -> None:
    with pytest.raises(UnknownTensor, match="no tensor 'w1' that depends on its inputs"):
        Graph(nets.a_classifier()).halves(["w1"])


def test_weights_that_are_inputs_as_before_ir_4(tmp_path: Path) -> None:
    model = nets.a_classifier()
    model.ir_version = 3
    for tensor in model.graph.initializer:
        model.graph.input.append(nets.value(tensor.name, tensor.dims))
    feeds = nets.an_image()
    network = open_network(nets.saved(model, tmp_path), feeds=feeds)
    for cut in range(len(network.cuts)):
        halves = network.halves(cut)
        assert_equal(run_split(halves, feeds), whole(nets.a_classifier(), feeds))
        assert set(halves.device.inputs) <= {"image"}


def test_open_dimensions_are_bound(tmp_path: Path) -> None:
    path = nets.saved(nets.a_classifier(image=("batch", 3, 16, 16)), tmp_path)
    network = open_network(path, shapes={"image": (1, 3, 16, 16)}, feeds=nets.an_image())
    halves = network.halves(3)
    (crossing,) = onnx.load_from_string(halves.server.model).graph.input
    assert [dim.dim_value for dim in crossing.type.tensor_type.shape.dim] == [1, 8, 8, 8]
    assert_equal(run_split(halves, network.feeds), whole(nets.a_classifier(), nets.an_image()))


def test_sizes_that_are_computed_do_not_cross(tmp_path: Path) -> None:
    """A Reshape to the Shape of an early tensor: its values are constants once the input's
    dimensions are known.
    """
    nodes = [
        helper.make_node("Conv", ["image", "w1"], ["conv1"], pads=[1, 1, 1, 1]),
        helper.make_node("Shape", ["conv1"], ["size"]),
        helper.make_node("Flatten", ["conv1"], ["flat"]),
        helper.make_node("Relu", ["flat"], ["relu"]),
        helper.make_node("Reshape", ["relu", "size"], ["scores"]),
    ]
    model = nets.a_net(nodes, nets.weights(("w1", (3, 3, 3, 3))))
    network = open_network(nets.saved(model, tmp_path), feeds=nets.an_image())
    (cut,) = (n for n, cut in enumerate(network.cuts) if cut.tensors == ("relu",))
    assert_equal(run_split(network.halves(cut), network.feeds), whole(model, network.feeds))


def test_halves_of_a_graph_that_a_runtime_folded_are_folded_again(tmp_path: Path) -> None:
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.optimized_model_filepath = str(tmp_path / "folded.onnx")
    onnxruntime.InferenceSession(
        nets.a_classifier().SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    folded = onnx.load(tmp_path / "folded.onnx")
    graph = Graph(folded)
    feeds = nets.an_image()
    inner = [name for node in folded.graph.node for name in node.output if name != "scores"]
    assert len(inner) >= 3
    for name in inner:
        if not graph.untyped([name]):
            assert_equal(run_split(graph.halves([name]), feeds), whole(nets.a_classifier(), feeds))


def test_what_a_custom_operator_hides_is_learnt_from_a_run(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Conv", ["image", "w1"], ["conv1"], pads=[1, 1, 1, 1]),
        helper.make_node(
            "FusedConv", ["conv1", "w2"], ["fused"], domain="com.microsoft", pads=[1, 1, 1, 1]
        ),
        helper.make_node("Relu", ["fused"], ["scores"]),
    ]
    model = nets.a_classifier()
    made = nets.weights(("w1", (3, 3, 3, 3)), ("w2", (3, 3, 3, 3)))
    graph = helper.make_graph(
        nodes,
        "net",
        [nets.value("image", nets.IMAGE)],
        [nets.value("scores", nets.IMAGE)],
        [onnx.numpy_helper.from_array(array, name) for name, array in made.items()],
    )
    model = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)],
        ir_version=8,
    )
    split = Graph(model)
    assert split.untyped(["conv1", "fused"]) == ("fused",)
    with pytest.raises(UnknownTensor, match="type of tensor 'fused'"):
        split.halves(["fused"])
    shown = Runner(split.exposing(["fused"]), threads=1)(nets.an_image())["fused"]
    split.learn("fused", helper.np_dtype_to_tensor_dtype(shown.dtype), shown.shape)
    assert_equal(run_split(split.halves(["fused"]), nets.an_image()), whole(model, nets.an_image()))


def an_external_shape(folder: Path) -> Path:
    """A network with a shape and a weight in a file beside it."""
    path = folder / "net.onnx"
    constants = {
        "shape": np.array([1, 16]),
        "w": np.linspace(-1, 1, 64, dtype=np.float32).reshape(16, 4),
    }
    model = helper.make_model(
        helper.make_graph(
            [
                helper.make_node("Reshape", ["x", "shape"], ["r"]),
                helper.make_node("MatMul", ["r", "w"], ["y"]),
            ],
            "net",
            [helper.make_tensor_value_info("x", 1, [1, 2, 8])],
            [helper.make_tensor_value_info("y", 1, [1, 4])],
            [onnx.numpy_helper.from_array(value, name) for name, value in constants.items()],
        ),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=8,
    )
    onnx.save(model, path, save_as_external_data=True, location="weights.bin", size_threshold=0)
    return path


def test_a_shape_in_another_file_is_read_there(tmp_path: Path) -> None:
    network = open_network(an_external_shape(tmp_path))
    assert [cut.tensors for cut in network.cuts] == [("x",), ("r",), ()]
    expected = Runner(network.graph.exposing(()), threads=1)(network.feeds)
    assert_equal(run_split(network.halves(1), network.feeds), expected)


def optimised(source: Path, target: Path) -> None:
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(target)
    options.log_severity_level = 3
    onnxruntime.InferenceSession(str(source), options, providers=["CPUExecutionProvider"])


class Calibration(quantization.CalibrationDataReader):  # type: ignore[misc]
    """One image of noise."""

    def __init__(self) -> None:
        noise = np.random.default_rng(1).normal(size=(1, 16, 8, 8)).astype(np.float32)
        self.feeds = iter([{"x": noise}])

    def get_next(self) -> Any:
        return next(self.feeds, None)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("tool", "own"),
    [("QDQ", 0), ("QOperator", 2), ("dynamic", 0), ("optimised", 1), ("half", 0)],
)
def test_what_onnxruntimes_tools_write_is_cut_and_split(
    tool: str, own: int, tmp_path: Path
) -> None:
    """`python -m benchmarks.onnx_tools` does this with networks of full size."""
    source, target = tmp_path / "plain.onnx", tmp_path / f"{tool.lower()}.onnx"
    model = a_model(
        """
        net (float[1, 16, 8, 8] x) => (float[1, 10] y) {
            c = Conv <kernel_shape = [3, 3], pads = [1, 1, 1, 1]> (x, w1)
            r = Relu (c)
            m = MaxPool <kernel_shape = [2, 2], strides = [2, 2]> (r)
            d = Conv <kernel_shape = [1, 1]> (m, w2)
            s = Add (d, m)
            p = GlobalAveragePool (s)
            f = Flatten (p)
            y = Gemm (f, w3, b3)
        }
        """,
        weights={"w1": (16, 16, 3, 3), "w2": (16, 16, 1, 1), "w3": (16, 10), "b3": (10,)},
    )
    onnx.save(model, source)
    if tool == "dynamic":
        quantization.quantize_dynamic(source, target)
    elif tool == "optimised":
        optimised(source, target)
    elif tool == "half":
        onnx.save(convert_float_to_float16(model, keep_io_types=True), target)
    else:
        quantization.quantize_static(
            source, target, Calibration(), quant_format=quantization.QuantFormat[tool]
        )
    network = open_network(target)
    operators = {n.op_type for n in onnx.load(target).graph.node if n.domain not in ("", "ai.onnx")}
    assert len(operators) >= own
    assert network.cuts[-1].flop == 2 * (64 * 16 * 144 + 16 * 16 * 16 + 160)
    expected = Runner(network.graph.exposing(()), threads=1)(network.feeds)
    scale = float(np.abs(expected["y"]).max())
    for cut in range(len(network.cuts)):
        got = run_split(network.halves(cut), network.feeds)
        assert np.abs(got["y"] - expected["y"]).max() < 0.02 * scale

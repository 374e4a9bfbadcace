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

from profiler.network import open_network
from profiler.runtime import Runner, run_split
from profiler.split import Graph, NotACut, UnknownTensor
from solvers.onnx_reader import Options
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

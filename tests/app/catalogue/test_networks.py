"""The networks count what their authors count."""

from dataclasses import dataclass
from itertools import pairwise, product

import onnx
import pytest

from app.catalogue.networks import (
    FLOAT32_BYTE,
    NETWORKS,
    Graph,
    Layer,
    Network,
    Shape,
    Tensor,
    chain,
    concatenate,
    conv,
    cuts,
    depthwise,
    flatten,
    inverted_residual,
    linear,
    onnx_model,
    pool,
    residual,
    squeeze_excite,
)
from solvers.onnx_reader import Options, read

# GMAC (torchvision calls them GFLOPS), to its own digits, and parameters: the `_ops` and
# `num_params` of its weights.
PUBLISHED = {
    "alexnet": (0.714, 61_100_840),
    "vgg16": (15.470, 138_357_544),
    "vgg19": (19.632, 143_667_240),
    "resnet18": (1.814, 11_689_512),
    "resnet50": (4.089, 25_557_032),
    "resnet152": (11.514, 60_192_808),
    "mobilenet-v2": (0.301, 3_504_872),
    "mobilenet-v3-large": (0.217, 5_483_032),
    "squeezenet1-1": (0.349, 1_235_496),
}

each_network = pytest.mark.parametrize("network", NETWORKS, ids=lambda network: network.name)


def test_every_published_network_is_there() -> None:
    assert [network.name for network in NETWORKS] == list(PUBLISHED)


@each_network
def test_counts_are_the_published_ones(network: Network) -> None:
    *_, whole = cuts(network)
    gmac, parameters = PUBLISHED[network.name]
    assert whole.flop / 2e9 == pytest.approx(gmac, abs=0.0005)
    assert whole.parameter_byte == FLOAT32_BYTE * parameters


@each_network
def test_cuts_run_from_nothing_to_everything(network: Network) -> None:
    first, *_, last = every = list(cuts(network))
    assert (first.name, first.flop, first.parameter_byte) == ("input", 0, 0)
    assert first.feature_byte == 3 * 224 * 224 * FLOAT32_BYTE
    assert (last.name, last.feature_byte) == (network.stages[-1][0], 0)
    assert all(cut.feature_byte > 0 for cut in every[:-1])
    assert len({cut.name for cut in every}) == len(every)
    for before, after in pairwise(every):
        assert before.flop <= after.flop
        assert before.parameter_byte <= after.parameter_byte


@pytest.mark.parametrize(
    ("name", "features"),
    [
        (
            "alexnet",
            {
                "conv1": 64 * 55 * 55,
                "pool1": 64 * 27 * 27,
                "conv2": 192 * 27 * 27,
                "pool2": 192 * 13 * 13,
                "conv3": 384 * 13 * 13,
                "conv4": 256 * 13 * 13,
                "conv5": 256 * 13 * 13,
                "pool5": 256 * 6 * 6,
                "fc6": 4096,
                "fc7": 4096,
            },
        ),
        (
            "resnet50",
            {
                "conv1": 64 * 112 * 112,
                "pool1": 64 * 56 * 56,
                "layer1.2": 256 * 56 * 56,
                "layer2.3": 512 * 28 * 28,
                "layer3.5": 1024 * 14 * 14,
                "layer4.2": 2048 * 7 * 7,
                "avgpool": 2048,
            },
        ),
        ("vgg16", {"conv1_1": 64 * 224 * 224, "pool3": 256 * 28 * 28, "pool5": 512 * 7 * 7}),
        (
            "mobilenet-v2",
            {
                "block1": 16 * 112 * 112,
                "block3": 24 * 56 * 56,
                "block17": 320 * 7 * 7,
                "conv2": 1280 * 49,
            },
        ),
        (
            "mobilenet-v3-large",
            {"block1": 16 * 112 * 112, "block12": 112 * 14 * 14, "conv2": 960 * 49, "fc1": 1280},
        ),
        (
            "squeezenet1-1",
            {"conv1": 64 * 111 * 111, "fire2.squeeze": 16 * 55 * 55, "pool3": 128 * 27 * 27},
        ),
    ],
)
def test_features_have_the_sizes_of_the_architecture(name: str, features: dict[str, int]) -> None:
    network = next(network for network in NETWORKS if network.name == name)
    elements = {cut.name: cut.feature_elements for cut in cuts(network)}
    assert {cut: elements[cut] for cut in features} == features


@each_network
def test_the_graph_is_valid_onnx(network: Network) -> None:
    model = onnx_model(network)
    graph = model.graph
    for weight in [
        weight for weight in graph.initializer if weight.data_location == onnx.TensorProto.EXTERNAL
    ]:
        # The checker looks for the file of a weight that is kept elsewhere; an input needs none.
        graph.input.append(
            onnx.helper.make_tensor_value_info(weight.name, onnx.TensorProto.FLOAT, weight.dims)
        )
        graph.initializer.remove(weight)
    onnx.checker.check_model(model, full_check=True)


@pytest.mark.parametrize(
    "name", ["alexnet", "vgg16", "vgg19", "resnet18", "resnet50", "resnet152", "squeezenet1-1"]
)
def test_every_fusion_boundary_of_chains_and_residual_networks_is_shipped(name: str) -> None:
    """MobileNet's blocks can be cut inside too, where the tensors are wider than at either end."""
    network = next(network for network in NETWORKS if network.name == name)
    found = read(onnx_model(network).SerializeToString(), options=Options(fusion_boundaries=True))
    assert list(found.cuts) == cuts(network)
    assert found.notes == ()


def test_a_stage_where_a_second_tensor_lives_is_refused() -> None:
    def add_the_input(graph: Graph, tensor: Tensor) -> Tensor:
        return graph.add("Add", [tensor.name, graph.input.name], tensor.shape)

    network = Network(
        "net", (("a", conv(3, 3)), ("b", conv(3, 3)), ("sum", add_the_input)), "nobody"
    )
    with pytest.raises(ValueError, match=r"net cannot be cut at .*'b'"):
        cuts(network)


@dataclass(frozen=True)
class Applied:
    """A layer at work on one shape, as the reader counts it."""

    elements: int
    mac: int
    parameters: int
    shape: Shape


def applied(layer: Layer, shape: Shape) -> Applied:
    graph = Graph(shape)
    result = layer(graph, graph.input)
    # A view of the result can be cut before the end, so the result's own size is seen.
    end = graph.add("Softmax", [result.name], result.shape)
    network = read(graph.model(end).SerializeToString())
    (cut,) = (cut for cut in network.cuts if cut.tensors == (result.name,))
    whole = network.cuts[-1]
    assert cut.feature_elements == result.shape.elements, (
        "the layer and onnx's own rules disagree about the shape"
    )
    return Applied(cut.feature_elements, whole.flop // 2, network.parameters, result.shape)


def counted_by_hand(
    channels: int, shape: Shape, kernel: int, stride: int, padding: int
) -> tuple[int, int]:
    """Output elements and multiply-accumulates of a convolution, window by window."""
    last_row, last_column = shape.height + 2 * padding - kernel, shape.width + 2 * padding - kernel
    windows = len(list(product(range(0, last_row + 1, stride), range(0, last_column + 1, stride))))
    return channels * windows, channels * windows * shape.channels * kernel * kernel


@pytest.mark.parametrize(
    ("kernel", "stride", "padding"), [(1, 1, 0), (3, 1, 1), (3, 2, 0), (5, 2, 2), (7, 3, 3)]
)
def test_a_convolution_counts_its_windows(kernel: int, stride: int, padding: int) -> None:
    shape = Shape(3, 17, 23)
    found = applied(conv(8, kernel, stride=stride, padding=padding, bias=True), shape)
    assert (found.elements, found.mac) == counted_by_hand(8, shape, kernel, stride, padding)
    assert found.parameters == 8 * (3 * kernel * kernel + 1)


def test_groups_divide_the_work() -> None:
    shape = Shape(12, 9, 9)
    whole, grouped = applied(conv(12, 3), shape), applied(conv(12, 3, groups=4), shape)
    assert (whole.mac, whole.parameters) == (4 * grouped.mac, 4 * grouped.parameters)
    assert applied(depthwise(3), shape).mac == whole.mac // 12


@pytest.mark.parametrize(
    ("size", "ceil", "expected"), [(7, False, 3), (7, True, 3), (8, False, 3), (8, True, 4)]
)
def test_pooling_keeps_or_drops_the_incomplete_window(size: int, ceil: bool, expected: int) -> None:
    assert applied(pool(3, 2, ceil=ceil), Shape(5, size, size)).elements == 5 * expected * expected


def test_a_linear_layer_is_given_a_flat_tensor() -> None:
    found = applied(chain(flatten, linear(10)), Shape(4, 3, 2))
    assert (found.elements, found.mac, found.parameters) == (10, 240, 250)
    with pytest.raises(ValueError, match="fully connected"):
        applied(linear(10), Shape(4, 3, 2))


def test_branches_add_up() -> None:
    shape = Shape(16, 8, 8)
    branch, shortcut = conv(32, 3, stride=2), conv(32, 1, stride=2)
    both = applied(residual(branch, shortcut), shape)
    assert both.mac == applied(branch, shape).mac + applied(shortcut, shape).mac
    assert both.shape == Shape(32, 4, 4)
    side_by_side = applied(concatenate(conv(8, 1), conv(24, 3)), shape)
    assert side_by_side.shape == Shape(32, 8, 8)
    assert side_by_side.mac == (8 + 24 * 9) * 16 * 64


def test_a_gate_leaves_the_shape_alone() -> None:
    gate = applied(squeeze_excite(4), Shape(16, 8, 8))
    assert (gate.shape, gate.mac, gate.parameters) == (
        Shape(16, 8, 8),
        2 * 16 * 4,
        2 * 16 * 4 + 16 + 4,
    )


def test_an_inverted_residual_expands_only_when_it_must() -> None:
    shape = Shape(16, 8, 8)
    plain = applied(inverted_residual(16, expanded=16), shape)
    assert plain.mac == applied(chain(depthwise(3), conv(16, 1, batch_norm=True)), shape).mac
    assert applied(inverted_residual(16, expanded=96), shape).mac == plain.mac * 6 + 16 * 96 * 64


@pytest.mark.parametrize(
    "misfit", [residual(conv(8, 3)), concatenate(conv(8, 1), conv(8, 3, stride=2))]
)
def test_shapes_that_do_not_fit_are_refused(misfit: Layer) -> None:
    with pytest.raises(ValueError, match=r"residual adds|too many values"):
        applied(misfit, Shape(16, 8, 8))

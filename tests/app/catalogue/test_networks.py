"""The networks count what their authors count."""

from itertools import pairwise

import onnx
import pytest

from app.catalogue.networks import NETWORKS
from app.catalogue.stages import Network, cuts, onnx_model
from solvers.onnx_reader import Options, read

FLOAT32_BYTE = 4

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
    "resnet101": (7.801, 44_549_160),
    "densenet121": (2.834, 7_978_856),
    "densenet169": (3.360, 14_149_480),
    "densenet201": (4.291, 20_013_928),
    "mobilenet-v1": (0.569, 4_231_976),
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

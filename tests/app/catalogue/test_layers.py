"""Layers count what is counted by hand."""

from dataclasses import dataclass
from itertools import product

import pytest

from app.catalogue.graphs import Graph, Shape
from app.catalogue.layers import (
    Layer,
    average_pool,
    batch_norm,
    chain,
    concatenate,
    conv,
    dense,
    depthwise,
    flatten,
    inverted_residual,
    linear,
    pool,
    residual,
    squeeze_excite,
)
from solvers.onnx_reader import read


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


def test_dense_layer_keeps_what_it_reads() -> None:
    """32 channels more: of all before, 128 by a 1 × 1 convolution, then 3 × 3."""
    made = applied(dense(32), Shape(64, 7, 7))
    assert made.shape == Shape(96, 7, 7)
    assert made.mac == 49 * (64 * 128 + 9 * 128 * 32)
    assert made.parameters == 2 * 64 + 64 * 128 + 2 * 128 + 9 * 128 * 32


def test_windows_of_an_average_do_not_overlap() -> None:
    made = applied(chain(batch_norm, average_pool(2)), Shape(8, 7, 6))
    assert (made.shape, made.mac, made.parameters) == (Shape(8, 3, 3), 0, 16)

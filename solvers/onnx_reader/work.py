"""What a node computes, in FLOP: 2 × multiply-accumulates of the operators that do the work; all
else counts 0.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from solvers.onnx_reader.attention import attention, flexible, linear
from solvers.onnx_reader.einsum import einsum
from solvers.onnx_reader.shapes import Mac, Shapes
from solvers.onnx_reader.shapes import known as _known

# Multiply-accumulates by another name, which the count leaves out: a reader of the figures should
# know. Those of ai.onnx.ml are classical learners.
_UNCOUNTED = frozenset(
    {
        ("", "DFT"),
        ("", "STFT"),
        *(
            ("ai.onnx.ml", name)
            for name in (
                "LinearClassifier", "LinearRegressor", "SVMClassifier", "SVMRegressor",
                "TreeEnsemble", "TreeEnsembleClassifier", "TreeEnsembleRegressor",
            )
        ),
    }
)  # fmt: skip


def standard_mac(domain: str, operator: str) -> Mac | None:
    """How the multiply-accumulates of one of the standard's operators are counted; None where it
    counts 0.

    It raises SizeUnknown; ValueError if the shapes make no sense.
    """
    return _MAC.get((domain, operator))


def hides_work(domain: str, operator: str) -> bool:
    """Whether a standard operator multiplies and counts 0 all the same."""
    return (domain, operator) in _UNCOUNTED


def convolution(data: int, weight: int) -> Mac:
    def mac(inputs: Shapes, outputs: Shapes, _: Mapping[str, Any]) -> int:
        _known(inputs, data, 2)
        # Weights are (out, in / groups, kernel...): each result is a sum over all but the first
        # axis.
        return math.prod(_known(outputs, 0, 2)) * math.prod(_known(inputs, weight, 2)[1:])

    return mac


def transposed_convolution(inputs: Shapes, _: Shapes, __: Mapping[str, Any]) -> int:
    # Weights are (in, out / groups, kernel...): each element that comes in is spread over all but
    # the first axis.
    return math.prod(_known(inputs, 0, 2)) * math.prod(_known(inputs, 1, 2)[1:])


def gemm(inputs: Shapes, outputs: Shapes, attributes: Mapping[str, Any]) -> int:
    left = _known(inputs, 0, 2)
    return math.prod(_known(outputs, 0, 2)) * (left[0] if attributes.get("transA") else left[1])


def matrix_product(left: int, right: int) -> Mac:
    def mac(inputs: Shapes, outputs: Shapes, _: Mapping[str, Any]) -> int:
        _known(inputs, right, 1)
        return math.prod(_known(outputs, 0, 0)) * _known(inputs, left, 1)[-1]

    return mac


def recurrent(gates: int) -> Mac:
    def mac(inputs: Shapes, _: Shapes, __: Mapping[str, Any]) -> int:
        sequence = _known(inputs, 0, 3)
        # W is (directions, gates × hidden, in), R is (directions, gates × hidden, hidden).
        directions, rows, width = _known(inputs, 1, 3)[:3]
        hidden = _known(inputs, 2, 3)[2]
        if rows != gates * hidden:
            raise ValueError(f"{rows} rows of weights for {gates} gates of {hidden} units")
        # steps × batch, in either layout.
        return sequence[0] * sequence[1] * directions * rows * (width + hidden)

    return mac


def depthwise(inputs: Shapes, outputs: Shapes, _: Mapping[str, Any]) -> int:
    # Weights are (channels, 1, kernel): a result sums over its own channel alone.
    return math.prod(_known(outputs, 0, 2)) * math.prod(_known(inputs, 1, 3)[2:])


_MAC: Mapping[tuple[str, str], Mac] = {
    ("", "Conv"): convolution(0, 1),
    ("", "ConvInteger"): convolution(0, 1),
    ("", "QLinearConv"): convolution(0, 3),
    ("", "DeformConv"): convolution(0, 1),
    ("", "ConvTranspose"): transposed_convolution,
    ("", "CausalConvWithState"): depthwise,
    ("", "Gemm"): gemm,
    ("", "MatMul"): matrix_product(0, 1),
    ("", "MatMulInteger"): matrix_product(0, 1),
    ("", "QLinearMatMul"): matrix_product(0, 3),
    ("", "Einsum"): einsum,
    ("", "RNN"): recurrent(1),
    ("", "GRU"): recurrent(3),
    ("", "LSTM"): recurrent(4),
    ("", "Attention"): attention,
    ("", "LinearAttention"): linear,
    ("ai.onnx.preview", "FlexAttention"): flexible,
}

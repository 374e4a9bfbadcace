"""What a node computes, in FLOP: 2 × multiply-accumulates of the operators that do the work; all
else counts 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

Shape = tuple[int, ...]
Shapes = Sequence[Shape | None]
Mac = Callable[[Shapes, Shapes, Mapping[str, Any]], int]

# Multiply-accumulates by another name, which the count leaves out: a reader of the figures should
# know.
UNCOUNTED = frozenset(
    {
        "Attention",
        "CausalConvWithState",
        "DeformConv",
        "DFT",
        "Einsum",
        "FlexAttention",
        "LinearAttention",
        "RNN",
        "STFT",
    }
)


class SizeUnknown(Exception):
    """An operator that counts reads or writes a tensor whose size is not known."""


def flop(operator: str, inputs: Shapes, outputs: Shapes, attributes: Mapping[str, Any]) -> int:
    """FLOP of one node of the default domain.

    Raises SizeUnknown; ValueError if the shapes make no sense.
    """
    mac = _MAC.get(operator)
    return 0 if mac is None else 2 * mac(inputs, outputs, attributes)


def counts(operator: str) -> bool:
    """Whether the operator's work is counted at all."""
    return operator in _MAC


def _known(shapes: Shapes, position: int, least_rank: int) -> Shape:
    shape = shapes[position] if position < len(shapes) else None
    if shape is None:
        raise SizeUnknown
    if len(shape) < least_rank:
        raise ValueError(f"a tensor of {len(shape)} dimensions where {least_rank} are needed")
    return shape


def _convolution(data: int, weight: int) -> Mac:
    def mac(inputs: Shapes, outputs: Shapes, _: Mapping[str, Any]) -> int:
        _known(inputs, data, 2)
        # Weights are (out, in / groups, kernel...): each result is a sum over all but the first
        # axis.
        return math.prod(_known(outputs, 0, 2)) * math.prod(_known(inputs, weight, 2)[1:])

    return mac


def _transposed_convolution(inputs: Shapes, _: Shapes, __: Mapping[str, Any]) -> int:
    # Weights are (in, out / groups, kernel...): each element that comes in is spread over all but
    # the first axis.
    return math.prod(_known(inputs, 0, 2)) * math.prod(_known(inputs, 1, 2)[1:])


def _gemm(inputs: Shapes, outputs: Shapes, attributes: Mapping[str, Any]) -> int:
    left = _known(inputs, 0, 2)
    return math.prod(_known(outputs, 0, 2)) * (left[0] if attributes.get("transA") else left[1])


def _matrix_product(left: int, right: int) -> Mac:
    def mac(inputs: Shapes, outputs: Shapes, _: Mapping[str, Any]) -> int:
        _known(inputs, right, 1)
        return math.prod(_known(outputs, 0, 0)) * _known(inputs, left, 1)[-1]

    return mac


def _recurrent(gates: int) -> Mac:
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


_MAC: Mapping[str, Mac] = {
    "Conv": _convolution(0, 1),
    "ConvInteger": _convolution(0, 1),
    "QLinearConv": _convolution(0, 3),
    "ConvTranspose": _transposed_convolution,
    "Gemm": _gemm,
    "MatMul": _matrix_product(0, 1),
    "MatMulInteger": _matrix_product(0, 1),
    "QLinearMatMul": _matrix_product(0, 3),
    "LSTM": _recurrent(4),
    "GRU": _recurrent(3),
}

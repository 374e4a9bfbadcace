"""Results and work of onnxruntime's own operators that have no like among the standard's."""

from __future__ import annotations

import math
from collections.abc import Sequence

from onnx import TensorProto

from solvers.onnx_reader.forms import Call, Result, Results, Work, inferred
from solvers.onnx_reader.shapes import Shape, Shapes, known


def matrix(left: int = 0, right: int = 1, element: int | None = None) -> Results:
    """A product with the transpositions that a FusedMatMul may ask for."""

    def results(call: Call) -> list[Result]:
        shapes = [
            turned(call, call.shape(position, 1), side)
            for position, side in ((left, "A"), (right, "B"))
        ]
        (first, second), kind = shapes, call.element(left if element is None else element)
        inner = second[-2] if len(second) > 1 else second[0]
        if first[-1] != inner:
            raise ValueError(f"a product of {first[-1]} columns and {inner} rows")
        batch = broadcast([first[:-2], second[:-2]])
        return [(kind, (*batch, *first[-2:-1], *(second[-1:] if len(second) > 1 else ())))]

    return results


def turned(call: Call, shape: Shape, side: str) -> Shape:
    if len(shape) < 2:
        return shape
    if call.attributes.get(f"transBatch{side}"):
        shape = (*shape[1:-1], shape[0], shape[-1])
    return (*shape[:-2], shape[-1], shape[-2]) if call.attributes.get(f"trans{side}") else shape


def turned_product(call: Call, outputs: Shapes) -> int:
    return math.prod(known(outputs, 0, 0)) * turned(call, call.shape(0, 1), "A")[-1]


def broadcast(shapes: Sequence[Shape]) -> Shape:
    rank = max(map(len, shapes), default=0)
    sizes = []
    for axis in range(rank):
        found = {shape[axis - rank] for shape in shapes if axis >= rank - len(shape)} - {1}
        if len(found) > 1:
            raise ValueError("inputs whose dimensions do not fit together")
        sizes.append(found.pop() if found else 1)
    return tuple(sizes)


def together(*positions: int, element: int) -> Results:
    """Elements of several inputs, each with each."""
    return lambda call: [
        (call.element(element), broadcast([call.shape(position) for position in positions]))
    ]


def packed_product(call: Call) -> list[Result]:
    """A matrix product whose weights are packed: attributes say how large they are."""
    rows = call.shape(0, 1)
    turned = call.attributes.get("transB", 1) == 0
    columns = call.whole("K" if turned else "N")
    return [(call.element(0), (*rows[:-1], columns))]


def packed_work(call: Call, outputs: Shapes) -> int:
    return math.prod(known(outputs, 0, 1)) * call.shape(0, 1)[-1]


def packed_projections(call: Call) -> list[Result]:
    rows, kind = call.shape(0, 1), call.element(0)
    widths = [call.whole(name) for name in ("Nq", "Nkv", "Nkv")]
    return [*((kind, (*rows[:-1], width)) for width in widths), (kind, rows)]


def packed_projections_work(call: Call, _: Shapes) -> int:
    return math.prod(call.shape(0, 1)) * (call.whole("Nq") + 2 * call.whole("Nkv"))


def packed_gates(call: Call) -> list[Result]:
    rows, kind = call.shape(0, 1), call.element(0)
    return [(kind, (*rows[:-1], call.whole("N"))), (kind, rows)]


def packed_by_shape(call: Call) -> list[Result]:
    shape = call.values[2]
    columns = None if shape is None else int(shape.reshape(-1)[-1])
    rows = call.shape(0, 1)
    return [(call.element(0), None if columns is None else (*rows[:-1], columns))]


def quantised_gemm(call: Call) -> list[Result]:
    ((_, shape),) = inferred("Gemm", call, (0, 3), quantised=True)
    kind = call.element(8) if call.has(8) else TensorProto.FLOAT
    return [(kind, shape)]


def quantised_concat(call: Call) -> list[Result]:
    ((_, shape),) = inferred("Concat", call, range(2, len(call.types), 3), quantised=True)
    return [(call.element(1), shape)]


def dynamic_lstm(call: Call) -> list[Result]:
    steps, batch = call.shape(0, 3)[:2]
    directions, hidden = call.shape(2, 3)[:2]  # (directions, hidden, 4 × hidden)
    kind, state = call.element(0), (directions, batch, hidden)
    return [(kind, (steps, *state)), (kind, state), (kind, state)]


def dynamic_lstm_work(call: Call, _: Shapes) -> int:
    steps, batch, width = call.shape(0, 3)[:3]
    directions, hidden, rows = call.shape(2, 3)[:3]
    return steps * batch * directions * rows * (width + hidden)


def normalised(call: Call) -> list[Result]:
    """A norm: its result, mean and deviation of each row, and the sum that was normalised."""
    shape, kind = call.shape(0, 1), call.element(0)
    axis = call.whole("axis", -1)
    kept = (*shape[:axis], *[1] * len(shape[axis:]))
    return [(kind, shape), (TensorProto.FLOAT, kept), (TensorProto.FLOAT, kept), (kind, shape)]


def simplified(call: Call) -> list[Result]:
    output, deviation, *_ = normalised(call)
    return [output, deviation]


def embedded(element: int) -> Results:
    def results(call: Call) -> list[Result]:
        batch, length = call.shape(0, 2)[:2]
        output = (call.element(element), (batch, length, call.shape(2, 2)[1]))
        return [output, (call.element(0), (batch,)), output]

    return results


def grouped_norm(call: Call) -> list[Result]:
    return [(call.element(0), call.shape(0))] * 2


def experts(*matrices: int, packed: bool) -> Work:
    """Each token goes through the matrices of k experts, which are their weights after the first
    axis; several quantised ones may lie in a byte.
    """

    def work(call: Call, _: Shapes) -> int:
        tokens = math.prod(call.shape(0, 2)[:-1])
        elements = sum(math.prod(call.shape(place, 3)[1:]) for place in matrices if call.has(place))
        in_a_byte = 8 // call.whole("expert_weight_bits", 4) if packed else 1
        return tokens * call.whole("k", 1) * elements * in_a_byte

    return work


def gathered_blocks(call: Call) -> list[Result]:
    data, indices = call.shape(0, 1), call.shape(1)
    axis = call.whole("gather_axis", 0) % len(data)
    packed = call.element(0) == TensorProto.UINT8
    last = data[-1] * (8 // call.whole("bits", 4) if packed else 1)
    data = (*data[:-1], last)
    return [(call.element(2), (*data[:axis], *indices, *data[axis + 1 :]))]


def turned_pairs(call: Call) -> list[Result]:
    return [(call.element(1), call.shape(1)), (call.element(3), call.shape(3))]


def state_of_convolution(call: Call) -> list[Result]:
    """A causal convolution and what it remembers of the last steps."""
    shape, weight, kind = call.shape(0, 3), call.shape(1, 3), call.element(0)
    kept = (weight[-1] - 1) * call.whole("dilation", 1)
    state = (
        (shape[0], kept, *shape[2:])
        if call.attributes.get("channels_last")
        else (*shape[:-1], kept)
    )
    window = call.whole("state_window", 0)
    return [(kind, shape), (kind, (window, *state) if window else state)]


def dequantised(call: Call) -> list[Result]:
    return [(call.element(1), call.shape(0))]


def quantised(call: Call) -> list[Result]:
    return [(call.element(2) if call.has(2) else TensorProto.UINT8, call.shape(0))]


def sampled(call: Call) -> list[Result]:
    return [(call.element(0), (*call.shape(0, 4)[:2], *call.shape(1, 4)[1:-1]))]


def halved(call: Call) -> list[Result]:
    shape = call.shape(0, 1)
    return [(call.element(0), (*shape[:-1], shape[-1] // 2))]


def relative_bias(call: Call) -> list[Result]:
    lengths = call.number(1), call.number(2)
    known_lengths = [length for length in lengths if length is not None]
    heads = call.shape(0, 2)[1]
    shape = (1, heads, *known_lengths) if len(known_lengths) == 2 else None
    return [(call.element(0), shape)]


def blocked_in(call: Call) -> list[Result]:
    """Channels are filled up to whole blocks; they become the second axis if they were the last."""
    shape = call.shape(0, 3)
    if call.attributes.get("channels_last"):
        shape = (shape[0], shape[-1], *shape[1:-1])
    return [(call.element(0), (shape[0], -(-shape[1] // call.block) * call.block, *shape[2:]))]


def blocked_out(call: Call) -> list[Result]:
    shape, channels = call.shape(0, 3), call.whole("channels")
    if call.attributes.get("channels_last"):
        return [(call.element(0), (shape[0], *shape[2:], channels))]
    return [(call.element(0), (shape[0], channels, *shape[2:]))]


def enlarged(call: Call) -> list[Result]:
    scales = call.attributes.get("scales") or [1] * len(call.shape(0))
    shape = tuple(int(dim * scale) for dim, scale in zip(call.shape(0), scales, strict=True))
    return [(call.element(0), shape)]

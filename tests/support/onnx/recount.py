"""What a network takes, counted again: from the shapes that a runtime really makes, with formulas
of its own.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import onnxruntime
from onnx import ModelProto, NodeProto, ValueInfoProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

Tensors = Mapping[str, Any]
"""Arrays by name; what is no tensor (a sequence) is among them as it is."""
Shape = tuple[int, ...]


def run(model: ModelProto, feeds: Tensors) -> dict[str, Any]:
    """Every tensor of the graph as onnxruntime makes it, without any optimisation."""
    shown = ModelProto()
    shown.CopyFrom(model)
    known = {value.name for value in shown.graph.output}
    made = [name for node in shown.graph.node for name in node.output if name]
    shown.graph.output.extend(ValueInfoProto(name=name) for name in made if name not in known)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        shown.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    names = [output.name for output in session.get_outputs()]
    used = {value.name for value in session.get_inputs()}
    given = {name: value for name, value in feeds.items() if name in used}
    found = dict(zip(names, session.run(names, given), strict=True))
    return dict(feeds) | found | _stored(model)


def run_by_reference(model: ModelProto, feeds: Tensors) -> dict[str, Any]:
    """The same by onnx's own evaluator, for operators that onnxruntime does not know yet."""
    made = ReferenceEvaluator(model).run(None, dict(feeds), intermediate=True)
    assert isinstance(made, dict)
    return made | dict(feeds) | _stored(model)


def _stored(model: ModelProto) -> dict[str, Any]:
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}


def mac(model: ModelProto, tensors: Tensors, inputs: Sequence[str]) -> int:
    """Multiply-accumulates of the nodes that depend on an input. Raises KeyError for a body that
    works.
    """
    varying = set(inputs)
    total = 0
    for node in model.graph.node:
        if node.domain in ("", "ai.onnx") and node.op_type == "Shape":
            continue  # constant with fixed dimensions
        if varying.isdisjoint(_reads(node)):
            continue
        varying.update(node.output)
        if node.op_type in ("If", "Loop", "Scan") and _works(node):
            raise KeyError(node.op_type)
        count = COUNTS.get((node.domain.replace("ai.onnx", "", 1), node.op_type))
        if count is not None:
            shapes = [
                tuple(np.shape(tensors[name])) if name else None
                for name in (*node.input, *node.output)
            ]
            total += count(
                shapes[: len(node.input)],
                shapes[len(node.input) :],
                {each.name: helper.get_attribute_value(each) for each in node.attribute},
            )
    return total


def _reads(node: NodeProto) -> set[str]:
    read = set(node.input) - {""}
    for attribute in node.attribute:
        for inner in attribute.g.node:
            read |= _reads(inner)
    return read


def _works(node: NodeProto) -> bool:
    return any(
        (inner.domain, inner.op_type) in COUNTS or _works(inner)
        for attribute in node.attribute
        for inner in attribute.g.node
    )


Count = Callable[[list[Any], list[Any], dict[str, Any]], int]


def convolution(data: int, weight: int) -> Count:
    """Each of M filters over C / groups channels at each place."""

    def count(ins: list[Any], outs: list[Any], attributes: dict[str, Any]) -> int:
        (batch, channels, *_), (filters, *_), places = ins[data], ins[weight], outs[0][2:]
        group = attributes.get("group", 1)
        kernel = math.prod(ins[weight][2:])
        return batch * math.prod(places) * filters * (channels // group) * kernel

    return count


def transposed(ins: list[Any], outs: list[Any], attributes: dict[str, Any]) -> int:
    """The gradient of a convolution from its result to its data."""
    batch, channels, *places = ins[0]
    filters, group = outs[0][1], attributes.get("group", 1)
    return int(batch * math.prod(places) * channels * (filters // group) * math.prod(ins[1][2:]))


def product(left: int, right: int) -> Count:
    """As numpy.matmul."""

    def count(ins: list[Any], outs: list[Any], _: dict[str, Any]) -> int:
        first = ins[left] if len(ins[left]) > 1 else (1, *ins[left])
        second = ins[right] if len(ins[right]) > 1 else (*ins[right], 1)
        batch = math.prod(np.broadcast_shapes(first[:-2], second[:-2]))
        return int(batch * first[-2] * first[-1] * second[-1])

    return count


def gemm(ins: list[Any], outs: list[Any], attributes: dict[str, Any]) -> int:
    """Rows, columns and what lies between."""
    inner = ins[0][0] if attributes.get("transA") else ins[0][1]
    return int(outs[0][0] * outs[0][1] * inner)


def einsum(ins: list[Any], outs: list[Any], attributes: dict[str, Any]) -> int:
    """Two operands whose common labels are summed; one operand has no products."""
    terms, _, result = attributes["equation"].decode().replace(" ", "").partition("->")
    if len(ins) != 2:
        assert len(ins) == 1
        return 0
    dots = max(
        len(shape) - len(term.replace("...", ""))
        for shape, term in zip(ins, terms.split(","), strict=True)
    )
    labels = "0123456789"[:dots]
    left, right = (term.replace("...", labels) for term in terms.split(","))
    result = result.replace("...", labels)
    if not set(left) & set(right) - set(result):
        return 0
    sizes: dict[str, int] = {}
    for term, shape in zip((left, right), ins, strict=True):
        for label, size in zip(term, shape, strict=True):
            sizes[label] = max(size, sizes.get(label, 0))
    alone = {label for label in left if label not in right + result}
    alone |= {label for label in right if label not in left + result}
    return math.prod(size for label, size in sizes.items() if label not in alone)


def recurrent(gates: int) -> Count:
    """Every gate of every unit reads the input and the state."""

    def count(ins: list[Any], outs: list[Any], attributes: dict[str, Any]) -> int:
        steps, batch, width = ins[0]
        directions, hidden = ins[2][0], ins[2][2]
        return int(steps * batch * directions * gates * hidden * (width + hidden))

    return count


def attention(ins: list[Any], outs: list[Any], attributes: dict[str, Any]) -> int:
    """Scores of B·Hq·S·T pairs over D, and as many over Dv."""
    query, key, value = ins[:3]
    if len(query) == 3:
        heads, key_heads = attributes["q_num_heads"], attributes["kv_num_heads"]
        query = (query[0], heads, query[1], query[2] // heads)
        key = (key[0], key_heads, key[1], key[2] // key_heads)
        value = (value[0], key_heads, value[1], value[2] // key_heads)
    past = ins[4][2] if len(ins) > 4 and ins[4] else 0
    batch, heads, steps, width = query
    return int(batch * heads * steps * (past + key[2]) * (width + value[3]))


def linear_attention(ins: list[Any], outs: list[Any], attributes: dict[str, Any]) -> int:
    """An outer product per token into each state and one product of each query with its state; the
    delta rules read the state once more.
    """
    state = outs[1] if len(outs) > 1 and outs[1] else None
    heads, key_heads = attributes["q_num_heads"], attributes["kv_num_heads"]
    width, value_width = ins[1][2] // key_heads, ins[2][2] // key_heads
    assert state is None or state[1:] == (key_heads, width, value_width)
    delta = attributes.get("update_rule", b"gated_delta").endswith(b"delta")
    tokens = ins[0][0] * ins[0][1]
    return int(tokens * width * value_width * (key_heads * (1 + delta) + heads))


def causal(ins: list[Any], outs: list[Any], attributes: dict[str, Any]) -> int:
    """One filter of each channel."""
    return int(math.prod(outs[0]) * ins[1][2])


COUNTS: Mapping[tuple[str, str], Count] = {
    ("", "Conv"): convolution(0, 1),
    ("", "ConvInteger"): convolution(0, 1),
    ("", "DeformConv"): convolution(0, 1),
    ("", "QLinearConv"): convolution(0, 3),
    ("", "ConvTranspose"): transposed,
    ("", "MatMul"): product(0, 1),
    ("", "MatMulInteger"): product(0, 1),
    ("", "QLinearMatMul"): product(0, 3),
    ("", "Gemm"): gemm,
    ("", "Einsum"): einsum,
    ("", "RNN"): recurrent(1),
    ("", "GRU"): recurrent(3),
    ("", "LSTM"): recurrent(4),
    ("", "Attention"): attention,
    ("", "LinearAttention"): linear_attention,
    ("", "CausalConvWithState"): causal,
    (".preview", "FlexAttention"): attention,
}

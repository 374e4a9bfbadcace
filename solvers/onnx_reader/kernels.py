"""What a runtime computes in one kernel, and where it has to write a tensor out."""

from __future__ import annotations

from solvers.onnx_reader.frontiers import Frontier
from solvers.onnx_reader.sized import Node, Trace

# What a runtime computes in the kernel before it, without another pass over memory, and views that
# compute nothing.
_FUSED = frozenset(
    {
        "Add", "BatchNormalization", "Cast", "Celu", "Clip", "DequantizeLinear", "Div", "Elu",
        "Erf", "Exp", "Flatten", "Gelu", "HardSigmoid", "HardSwish", "LeakyRelu", "LogSoftmax",
        "Mish", "Mul", "Neg", "PRelu", "Pow", "QuantizeLinear", "Relu", "Reshape", "Selu",
        "Sigmoid", "Softmax", "Softplus", "Softsign", "Sqrt", "Squeeze", "Sub", "Sum", "Swish",
        "Tanh", "ThresholdedRelu", "Unsqueeze",
    }
)  # fmt: skip
_CONVERSIONS = frozenset({"Cast", "CastLike", "DequantizeLinear"})
_VIEWS = frozenset({"Flatten", "Reshape", "Squeeze", "Transpose", "Unsqueeze"})


class Kernels:
    """Which tensors lie between kernels, and which frontiers.

    `boundaries` are the tensors that a runtime has to write out: those not read by one node alone
    that is fused to what makes them. A node that makes more bytes of each element (a
    DequantizeLinear, a Cast to a wider type, and a view of what one of them makes) belongs to
    those that read it, so that the narrow tensor is the boundary.
    """

    def __init__(self, traced: Trace) -> None:
        readers: dict[str, list[int]] = {}
        for position, node in enumerate(traced.nodes):
            for name in node.inputs:
                readers.setdefault(name, []).append(position)
        widened: set[str] = set()
        results = set(traced.outputs)
        widening = set[int]()
        for position, node in enumerate(traced.nodes):
            if _widens(node, traced) or _shows(node, widened, readers):
                widening.add(position)
                widened.update(set(node.outputs) - results)
        fused = {
            position
            for position, node in enumerate(traced.nodes)
            if node.operator in _FUSED and position not in widening
        }
        self.boundaries = {
            name
            for name in {*readers, *results}
            if name in traced.shapes
            or name in results
            or len(readers[name]) > 1
            or not fused.issuperset(readers[name])
        }
        self._widened = {name: readers.get(name, []) for name in widened}
        self.boundaries -= {name for name, by in self._widened.items() if len(by) < 2}

    def parts(self, frontier: Frontier) -> bool:
        """Whether no node before the frontier belongs to those behind it: the same cut before that
        node sends less.
        """
        return all(
            any(position in frontier.before for position in self._widened[name])
            for name in frontier.tensors
            if name in self._widened
        )


def _widens(node: Node, traced: Trace) -> bool:
    """Whether it makes the elements of a tensor wider."""
    if node.operator not in _CONVERSIONS or not node.inputs:
        return False
    before, after = traced.sizes.get(node.inputs[0]), traced.sizes.get(node.outputs[0])
    return before is not None and after is not None and after.byte > before.byte


def _shows(node: Node, widened: set[str], readers: dict[str, list[int]]) -> bool:
    """Whether it is a view of what was made wider, the only one to read it."""
    return (
        node.operator in _VIEWS
        and not widened.isdisjoint(node.inputs[:1])
        and len(readers[node.inputs[0]]) == 1
    )

"""A graph with its sizes, as one walk leaves it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from solvers.onnx_reader.network import Array
from solvers.onnx_reader.shapes import Shape
from solvers.onnx_reader.sizes import Size


@dataclass(frozen=True)
class Node:
    """A node that depends on an input; names are those of tensors that do too. `flop` is None where
    its work is not known.
    """

    operator: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    flop: int | None
    weights: frozenset[int]


@dataclass(frozen=True)
class Trace:
    """The graph in topological order, without what is constant and what no result needs.

    `sizes` has no entry for a tensor whose size is not known; `weights` is indexed by
    `Node.weights`; `stopped` says why the work of some nodes is not known; `signed` are the tensors
    of int8 that a QuantizeLinear makes or a DequantizeLinear reads.
    """

    nodes: tuple[Node, ...]
    shapes: Mapping[str, Shape]
    outputs: tuple[str, ...]
    sizes: Mapping[str, Size]
    weights: Sequence[Size]
    shape_values: Mapping[str, tuple[int, ...]]
    uncounted: tuple[str, ...]
    unknown: tuple[str, ...] = ()
    signed: frozenset[str] = frozenset()
    stopped: str | None = None
    values: Mapping[str, Array] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

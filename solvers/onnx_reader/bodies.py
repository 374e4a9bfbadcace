"""The parts of a graph that run under a condition or several times: If, Loop and Scan."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from onnx import GraphProto, NodeProto, TensorProto, TypeProto

from solvers.onnx_reader.assumed import Sizes
from solvers.onnx_reader.graph import called
from solvers.onnx_reader.network import Unreadable, WorkUnknown
from solvers.onnx_reader.operators import bounded, domain_of
from solvers.onnx_reader.rounds import rounds_of
from solvers.onnx_reader.scope import Scope
from solvers.onnx_reader.sizes import merged, shape_of, tensor_type, with_axis


@dataclass(frozen=True)
class Body:
    """A walked body: its work, its weights and the types of its results."""

    flop: int
    weights: frozenset[int]
    types: tuple[TypeProto, ...]


class Bodies:
    """Walks the bodies of nodes as often as it takes.

    `walk` walks a body once, given the types of its inputs; `notes` is added to.
    """

    def __init__(
        self,
        walk: Callable[[GraphProto, Sequence[TypeProto], Scope], Body],
        opset: int,
        notes: list[str],
        sizes: Sizes,
    ) -> None:
        self._walk, self._opset, self._notes, self._sizes = walk, opset, notes, sizes

    def walked(
        self, node: NodeProto, inputs: Sequence[str], attributes: Mapping[str, Any], scope: Scope
    ) -> Body:
        """The work and results of an If, Loop or Scan. Raises Unreadable."""
        if domain_of(node) == "" and node.op_type in ("If", "Loop", "Scan"):
            try:
                body = getattr(self, f"_{node.op_type.lower()}")(node, inputs, attributes, scope)
            except (KeyError, IndexError):
                raise Unreadable(f"{called(node)} does not fit its bodies") from None
            if len(body.types) < len(node.output):
                raise Unreadable(f"{called(node)} has more outputs than its bodies make")
            bounded(body.flop, node)
            return body  # type: ignore[no-any-return]
        raise Unreadable(
            f"{called(node)} has a body, and is none of If, Loop and Scan: its work is not known"
        )

    def _if(
        self, node: NodeProto, inputs: Sequence[str], attributes: Mapping[str, Any], scope: Scope
    ) -> Body:
        branches: list[Body] = []
        refused: Unreadable | None = None
        condition = scope.constants.get(inputs[0])
        for name, when in (("then_branch", True), ("else_branch", False)):
            if condition is not None and bool(condition.all()) != when:
                continue
            try:
                branches.append(self._walk(attributes[name], (), scope))
            except Unreadable as error:
                refused = error
        if refused is not None:
            if not branches:
                raise refused
            # One for other dimensions of the input: with these it could only fail.
            self._notes.append(
                f"Of {called(node)} only one branch counts; the other cannot run: {refused.detail}."
            )
        types = [merged(pair) for pair in zip(*(branch.types for branch in branches), strict=False)]
        # Either branch may run: the device is asked for the larger one, and both have their weights
        # there.
        weights = frozenset().union(*(branch.weights for branch in branches))
        return Body(max(branch.flop for branch in branches), weights, tuple(types))

    def _loop(
        self, node: NodeProto, inputs: Sequence[str], attributes: Mapping[str, Any], scope: Scope
    ) -> Body:
        graph, state = attributes["body"], [scope.types[name] for name in inputs[2:]]
        counters = [tensor_type(TensorProto.INT64, ()), tensor_type(TensorProto.BOOL, ())]
        body = self._walk(graph, [*counters, *state], scope)
        after = body.types[1 : 1 + len(state)]
        settled = [merged(pair) for pair in zip(state, after, strict=False)]
        if any(
            shape_of(before) != shape_of(then) for before, then in zip(state, settled, strict=False)
        ):
            state = settled
            body = self._walk(graph, [*counters, *state], scope)
        trips = scope.constants.get(inputs[0]) if inputs[0] else None
        if trips is None or int(trips.reshape(-1)[0]) >= 2**31:
            rounds = self._sizes.rounds(node)
            if rounds is None:
                rounds = rounds_of(graph, inputs, scope)
            trips = None if rounds is None else np.array(rounds)
        if trips is None:
            if body.flop:
                raise WorkUnknown(
                    f"{called(node)} does work, and how often it runs is not known before it runs"
                )
            scans = [with_axis(type_, 0, None) for type_ in body.types[1 + len(state) :]]
            return Body(0, body.weights, (*state, *scans))
        count = max(0, int(trips.reshape(-1)[0]))
        scans = [with_axis(type_, 0, count) for type_ in body.types[1 + len(state) :]]
        return Body(count * body.flop, body.weights, (*state, *scans))

    def _scan(
        self, node: NodeProto, inputs: Sequence[str], attributes: Mapping[str, Any], scope: Scope
    ) -> Body:
        if self._opset < 9:
            raise Unreadable(
                f"{called(node)} is the Scan of opset 8: export the network for opset 9 or newer"
            )
        graph, scanned = attributes["body"], int(attributes["num_scan_inputs"])
        states = len(inputs) - scanned
        if not 0 < scanned <= len(inputs):
            raise Unreadable(f"{called(node)} scans {scanned} of its {len(inputs)} inputs")
        axes = attributes.get("scan_input_axes", [0] * scanned)
        out_axes = attributes.get("scan_output_axes", [0] * (len(graph.output) - states))
        given = [scope.types[name] for name in inputs[:states]]
        count: int | None = None
        for name, axis in zip(inputs[states:], axes, strict=False):
            shape = shape_of(scope.types[name])
            if shape is None:
                raise Unreadable(
                    f"{called(node)} scans {name!r}, whose size is not known before it runs"
                )
            count = shape[axis]
            axis %= len(shape)
            element = scope.types[name].tensor_type.elem_type
            given.append(tensor_type(element, (*shape[:axis], *shape[axis + 1 :])))
        assert count is not None
        body = self._walk(graph, given, scope)
        scans = [
            with_axis(type_, axis, count)
            for type_, axis in zip(body.types[states:], out_axes, strict=False)
        ]
        return Body(count * body.flop, body.weights, (*body.types[:states], *scans))

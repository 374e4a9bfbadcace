"""How often a Loop runs whose condition counts to a constant, found by counting."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from onnx import GraphProto, NodeProto, TensorProto, helper

from solvers.onnx_reader import arithmetic
from solvers.onnx_reader.graph import bodies_of
from solvers.onnx_reader.scope import Scope
from solvers.onnx_reader.sizes import Value, constant_size, constant_value

MOST_EVALUATIONS = 50_000  # of nodes: about a second


def rounds_of(graph: GraphProto, inputs: Sequence[str], scope: Scope) -> int | None:
    """The rounds of a Loop with this body and these inputs; None where the data decides them, or
    counting takes too long.
    """
    formals = [formal.name for formal in graph.input]
    results = [output.name for output in graph.output]
    after = dict(zip(formals[2:], results[1:], strict=False))
    maker = {name: place for place, node in enumerate(graph.node) for name in node.output}
    places, states = _behind(graph, maker, results[0], after)
    nodes = [graph.node[place] for place in sorted(places)]
    if any(node.domain not in ("", "ai.onnx") or bodies_of(node) for node in nodes):
        return None
    begun = scope.constants.get(inputs[1]) if inputs[1] else np.array(True)
    known: dict[str, Value] = dict(zip(formals[1:2], [begun], strict=False))
    for name, given in zip(formals[2:], inputs[2:], strict=False):
        known[name] = scope.constants.get(given)
    for tensor in graph.initializer:
        known[tensor.name] = constant_value(tensor, constant_size(tensor))
    if begun is None or any(known.get(name) is None for name in states if name != formals[0]):
        return None
    rounds = 0
    while bool(np.all(known[formals[1]])):
        if (rounds + 1) * max(len(nodes), 1) > MOST_EVALUATIONS or (rounds and not states):
            return None
        known[formals[0]] = np.array(rounds)
        values = dict(known)
        for node in nodes:
            if not _evaluate(node, values, scope):
                return None
        condition = _value(results[0], values, scope)
        state = {name: _value(after[name], values, scope) for name in states if name in after}
        if condition is None or any(value is None for value in state.values()):
            return None
        known |= {**state, formals[1]: condition}
        rounds += 1
    return rounds


def _behind(
    graph: GraphProto, maker: Mapping[str, int], condition: str, after: Mapping[str, str]
) -> tuple[set[int], set[str]]:
    """The nodes that say whether there is another round, and the states that they read."""
    formals = {formal.name for formal in graph.input}
    places, states, waiting = set[int](), set[str](), [condition]
    while waiting:
        name = waiting.pop()
        if name in formals and name not in states:
            states.add(name)
            if name in after:
                waiting.append(after[name])
        elif name in maker and maker[name] not in places:
            places.add(maker[name])
            waiting += graph.node[maker[name]].input
    return places, states


def _evaluate(node: NodeProto, values: dict[str, Value], scope: Scope) -> bool:
    """Add the results of a node to the values; whether that can be done."""
    attributes: dict[str, Any] = {
        attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute
    }
    if node.op_type in ("Constant", "Identity"):
        found = _value(node.input[0], values, scope) if node.input else _constant(attributes)
        values[node.output[0]] = found
        return found is not None
    given = [_value(name, values, scope) if name else None for name in node.input]
    if any(value is None for value, name in zip(given, node.input, strict=True) if name):
        return False
    try:
        found_all = arithmetic.evaluate(node.op_type, given, attributes, len(node.output))
    except arithmetic.Unevaluable:
        return False
    values.update(zip(node.output, found_all, strict=False))
    return all(value.size <= 4096 for value in found_all)


def _constant(attributes: Mapping[str, Any]) -> Value:
    for kind, given in attributes.items():
        if kind == "value" and isinstance(given, TensorProto):
            return constant_value(given, constant_size(given))
        if kind in ("value_int", "value_ints"):
            return np.array(given, np.int64)
        if kind in ("value_float", "value_floats"):
            return np.array(given, np.float32)
    return None


def _value(name: str, values: Mapping[str, Value], scope: Scope) -> Value:
    return values[name] if name in values else scope.constants.get(scope.resolved(name))

"""The graph with its sizes: every node that depends on an input, what it computes, and the weights
that it needs.

One walk in topological order. onnx's own rules give each node's result types from its input types
and, where an input is a small constant, from its value; shape arithmetic is evaluated on the way
(`arithmetic`), so that nothing stays open once the inputs' dimensions are fixed. Nothing of the
network is computed and no other file is opened.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

import numpy as np
from onnx import (
    GraphProto,
    ModelProto,
    NodeProto,
    TensorProto,
    TypeProto,
    checker,
    helper,
    inliner,
)

from solvers.onnx_reader.assumed import Sizes
from solvers.onnx_reader.bodies import Bodies, Body
from solvers.onnx_reader.constants import Constants
from solvers.onnx_reader.declared import Declared
from solvers.onnx_reader.graph import (
    bodies_of,
    called,
    captured_by,
    in_order,
    inputs_of,
    read_in,
    require_text,
)
from solvers.onnx_reader.inputs import fixed_inputs, fixed_values, shapes_of_values
from solvers.onnx_reader.network import Array, DoesNotFit, Given, Unreadable, WorkUnknown
from solvers.onnx_reader.operators import (
    Operator,
    attributes_of,
    call_of,
    domain_of,
    flop_of,
    operator_of,
    opsets_of,
    own_types_of,
    require_fit,
    require_ports,
    types_of,
)
from solvers.onnx_reader.runtime_operators import channel_block
from solvers.onnx_reader.scope import Scope
from solvers.onnx_reader.shapes import Shape
from solvers.onnx_reader.sized import Node, Trace
from solvers.onnx_reader.sizes import (
    LARGEST_VALUE,
    first_line,
    shape_of,
    size_of,
)

MOST_VISITS = 1_000_000  # nodes, those in bodies once for every time that a body is walked
MOST_MENDS = 5  # other dimensions that are tried where those given do not fit

_RANDOM = frozenset(
    {
        "RandomNormal",
        "RandomUniform",
        "RandomNormalLike",
        "RandomUniformLike",
        "Bernoulli",
        "Multinomial",
    }
)


def trace(model: ModelProto, given: Given) -> Trace:
    """Walk the graph with what is given of its inputs. Raises Unreadable."""
    walk = _Walk(model, given)
    try:
        try:
            found = walk.whole()
        except Unreadable:
            if not walk.sizes.learnt():
                raise
        if walk.sizes.learnt():
            walk = _Walk(model, given, walk.sizes)
            found = walk.whole()
        return found
    except DoesNotFit as error:
        detail, option = error.detail, error.option
        if given.shapes:
            option = "shapes"
            mend = _mend(model, given, error)
            detail += f": {mend} would fit" if mend else f": is {_told(given.shapes)} right?"
        raise Unreadable(". ".join([detail, *walk.constants.missing()]), option) from error
    except Unreadable as error:
        why = " ".join(walk.constants.missing())
        if not why:
            raise
        raise Unreadable(f"{error.detail}. {why}", error.option) from error


def _mend(model: ModelProto, given: Given, error: DoesNotFit) -> str | None:
    """Other dimensions of the inputs with which everything fits: the one that a node wants, a
    picture with its channels elsewhere, a batch of 1.
    """
    for other in islice(_others(given.shapes, error), MOST_MENDS):
        try:
            _Walk(model, replace(given, shapes=other)).whole()
        except Unreadable:
            continue
        return _told({name: dims for name, dims in other.items() if dims != given.shapes[name]})
    return None


def _others(
    shapes: Mapping[str, Sequence[int]], error: DoesNotFit
) -> Iterator[dict[str, tuple[int, ...]]]:
    told = {name: tuple(dims) for name, dims in shapes.items()}
    for name, dims in told.items():
        if len(dims) == 4:
            yield {**told, name: (dims[0], dims[2], dims[3], dims[1])}
            yield {**told, name: (dims[0], dims[3], dims[1], dims[2])}
    if error.tensor in told and error.axis is not None and error.wanted is not None:
        dims = told[error.tensor]
        yield {
            **told,
            error.tensor: (*dims[: error.axis], error.wanted, *dims[error.axis + 1 :]),
        }
    if any(dims and dims[0] > 1 for dims in told.values()):
        yield {name: (1, *dims[1:]) if dims else dims for name, dims in told.items()}


def _told(shapes: Mapping[str, Sequence[int]]) -> str:
    return ", ".join(f"shape={name}:{','.join(map(str, dims))}" for name, dims in shapes.items())


class _Walk:
    def __init__(self, model: ModelProto, given: Given, before: Sizes | None = None) -> None:
        self.given = given
        self.sizes = Sizes(given.sizes, before)
        self.stopped: str | None = None
        self.beyond: set[str] = set()  # what is made of results of unknown work
        self.opsets = opsets_of(model)
        self.visible = {name for node in model.graph.node for name in node.output}
        if model.functions:
            try:
                model = inliner.inline_local_functions(model)
            except (RuntimeError, ValueError, checker.ValidationError) as error:
                raise Unreadable(
                    f"its functions cannot be put in place: {first_line(error)}"
                ) from error
            self.opsets = opsets_of(model)
        self.model = model
        self.opset_imports = [
            helper.make_opsetid(domain, version) for domain, version in self.opsets.items()
        ]
        self.constants = Constants()
        self.shape_values: dict[str, tuple[int, ...]] = {}
        self.uncounted: dict[str, None] = {}
        self.unknown: dict[str, None] = {}
        self.notes: list[str] = []
        self.bodies = Bodies(self._walk_body, self.opsets[""], self.notes, self.sizes)
        self.visits = 0
        self.read = read_in(model.graph)
        self.block = channel_block(model.graph)
        self.declared = Declared(model.graph, {}, self.sizes)

    def whole(self) -> Trace:
        graph = self.model.graph
        require_text(graph)
        if not graph.node:
            raise Unreadable("the file has no graph, or one without nodes: it is not an ONNX model")
        scope = Scope(ChainMap(), ChainMap(), ChainMap(), ChainMap())
        self.constants.define_initializers(graph, scope)
        inputs, known = self._given(scope)
        nodes = []
        for node in in_order(graph):
            traced = self._visit(node, scope)
            if traced is not None:
                nodes.append(traced)
            if node.op_type in ("Shape", "Size"):
                value = scope.constants.get(node.output[0])
                if value is not None and not self._is_constant(node.input[0], scope):
                    self.shape_values[node.output[0]] = tuple(np.ravel(value).tolist())
        results = _results(graph, scope)
        self.sizes.require_used()
        needed = _needed(nodes, results)
        read = {name for node in needed for name in node.inputs} | set(results)
        tensors = [*inputs, *(name for node in needed for name in node.outputs)]
        sizes = {
            name: size
            for name in tensors
            if (name in self.visible or name in inputs)
            and (size := size_of(scope.types[name])) is not None
        }
        return Trace(
            nodes=tuple(needed),
            shapes=_shapes({name: inputs[name] for name in inputs if name in read}),
            outputs=results,
            sizes=sizes,
            weights=self.constants.sizes,
            shape_values=self.shape_values,
            uncounted=tuple(self.uncounted),
            unknown=tuple(self.unknown),
            stopped=self.stopped and ". ".join([self.stopped, *self.constants.missing()]),
            values=known,
            signed=frozenset(
                name
                for node in needed
                for name in _quantised(node)
                if scope.types[name].tensor_type.elem_type == TensorProto.INT8
            ),
            notes=(*self.notes, *self.constants.missing(), *self.constants.bare()),
        )

    def _given(self, scope: Scope) -> tuple[dict[str, TypeProto], dict[str, Array]]:
        """The inputs that vary with their types, and those that are constants."""
        graph = self.model.graph
        given = inputs_of(graph)
        values = self.given.values
        types = fixed_inputs(given, shapes_of_values(given, self.given.shapes, values))
        known = fixed_values(types, values)
        for name, array in known.items():
            value = array if array.size <= LARGEST_VALUE else None
            scope.define_constant(name, types[name], value, frozenset())
        inputs = {name: type_ for name, type_ in types.items() if name not in known}
        scope.types.update(inputs)
        self.declared = Declared(graph, types, self.sizes)
        return inputs, known

    def _is_constant(self, name: str, scope: Scope) -> bool:
        return scope.resolved(name) in scope.constants

    def _visit(self, node: NodeProto, scope: Scope) -> Node | None:
        """Define what the node makes; None if that is constant or only another name."""
        self.visits += 1
        if self.visits > MOST_VISITS:
            raise Unreadable(f"its graph and bodies have more than {MOST_VISITS} nodes")
        explicit, reads = self._reads(node, scope)
        variable = tuple(name for name in reads if name not in scope.constants)
        operator = operator_of(node, self.opsets)
        require_ports(node, operator)
        attributes = attributes_of(node, operator)

        if self._is_known(node, explicit, attributes, scope):
            return None
        weights = self.constants.weights_of(node, explicit, reads, scope)
        flop: int | None = 0
        try:
            if bodies_of(node):
                body = self.bodies.walked(node, explicit, attributes, scope)
                flop, weights, types = body.flop, weights | body.weights, list(body.types)
            else:
                types, flop = self._computed(node, operator, explicit, attributes, scope)
        except Unreadable as error:
            if scope.is_inner or not self._is_beyond(variable, error):
                raise
            types, flop = [self.declared.completed(n, TypeProto()) for n in node.output], None
            self.beyond.update(node.output)
            self.stopped = self.stopped or error.detail
        types = self._sized(node, variable, types)
        if not variable and node.op_type not in _RANDOM:
            self.constants.define_results(node, explicit, types, attributes, weights, scope)
            return None
        if operator.hides_work:
            known = operator.schema is not None or operator.form is not None
            (self.uncounted if known else self.unknown)[operator.name] = None
        for name, type_ in zip(node.output, types, strict=False):
            if name:
                scope.types[name] = type_
        return Node(node.op_type, variable, tuple(filter(None, node.output)), flop, weights)

    def _is_beyond(self, reads: Sequence[str], error: Unreadable) -> bool:
        """Whether a node's work is not known because of the data."""
        return isinstance(error, WorkUnknown) or not self.beyond.isdisjoint(reads)

    def _sized(
        self, node: NodeProto, reads: Sequence[str], types: Sequence[TypeProto]
    ) -> list[TypeProto]:
        """The types of results that vary, with the sizes that are given for them."""
        if not reads or not self.sizes.given:
            return list(types)
        return self.sizes.filled(node, reads, types)

    def _computed(
        self,
        node: NodeProto,
        operator: Operator,
        inputs: Sequence[str],
        attributes: Mapping[str, Any],
        scope: Scope,
    ) -> tuple[list[TypeProto], int]:
        """The types of the node's results and its work."""
        call = call_of(node, inputs, attributes, scope, self.block)
        if operator.schema is not None:
            types = types_of(node, operator.schema, inputs, scope, self.opset_imports)
        elif operator.form is not None:
            types = own_types_of(node, operator.form, call)
        else:
            types = [TypeProto() for _ in node.output]
        types = [
            self.declared.completed(name, type_)
            for name, type_ in zip(node.output, types, strict=False)
        ]
        require_fit(node, inputs, call, types)
        if any(
            name and shape_of(type_) is None
            for name, type_ in zip(node.output, types, strict=False)
        ):
            self.constants.miss(inputs)
        if operator.schema is None and operator.form is None:
            for name, type_ in zip(node.output, types, strict=True):
                if name in self.read and shape_of(type_) is None:
                    raise Unreadable(
                        f"{called(node)}: {operator.name} is not a standard operator of opset"
                        f" {self.opsets[domain_of(node)]}, and the file does not state the shape of"
                        f" {name!r}, which it makes: add it to value_info, or export the network"
                        " without this operator"
                    )
        variable = any(name and name not in scope.constants for name in inputs)
        return types, flop_of(node, operator, call, types) if variable else 0

    def _reads(self, node: NodeProto, scope: Scope) -> tuple[list[str], list[str]]:
        """Its inputs as they stand, and each tensor that it or its bodies read; refused where the
        names do not fit.
        """
        explicit = [scope.resolved(name) for name in node.input]
        captured = sorted(
            {scope.resolved(name) for body in bodies_of(node) for name in captured_by(body)}
        )
        for name in [*explicit, *captured]:
            if name and name not in scope.types:
                raise Unreadable(f"{called(node)} reads {name!r}, which nothing makes before it")
        for name in filter(None, node.output):
            if name in scope.types:
                raise Unreadable(
                    f"two things are named {name!r}; the second is made by {called(node)}"
                )
        return explicit, [name for name in dict.fromkeys([*explicit, *captured]) if name]

    def _is_known(
        self, node: NodeProto, inputs: Sequence[str], attributes: Mapping[str, Any], scope: Scope
    ) -> bool:
        """Whether the node only hands on, or gives a constant or a size; what it makes is then
        defined.
        """
        if (node.op_type == "Identity" and domain_of(node) == "") or (
            node.op_type == "Dropout" and self._passes(node, attributes, scope)
        ):
            if not inputs[0]:
                raise Unreadable(f"{called(node)} has no input")
            scope.define_alias(node.output[0], inputs[0])
            return True
        if domain_of(node) != "":
            return False
        if node.op_type == "Constant":
            self.constants.define_given(node, attributes, scope)
            return True
        if (
            node.op_type in ("Shape", "Size")
            and inputs[0] not in self.sizes.assumed
            and (shape := shape_of(scope.types[inputs[0]])) is not None
        ):
            self.constants.define_shape(node, shape, attributes, scope)
            return True
        return False

    def _passes(self, node: NodeProto, attributes: Mapping[str, Any], scope: Scope) -> bool:
        """Whether a Dropout does nothing, as at inference."""
        if domain_of(node) != "" or not self.read.isdisjoint(node.output[1:]):
            return False
        if len(node.input) < 3 or not node.input[2]:
            return bool(self.opsets[""] >= 7 or attributes.get("is_test"))
        training = scope.constants.get(scope.resolved(node.input[2]))
        return training is not None and not training.any()

    def _walk_body(self, graph: GraphProto, given: Sequence[TypeProto], scope: Scope) -> Body:
        inner = scope.inner()
        self.constants.define_initializers(graph, inner)
        formals = inputs_of(graph)
        if len(formals) != len(given):
            raise Unreadable(f"a body takes {len(formals)} inputs and is given {len(given)}")
        for formal, type_ in zip(formals, given, strict=True):
            inner.types[formal.name] = type_
            # It hides what has the same name around the body.
            for known in (inner.constants, inner.weights, inner.aliases):
                for outer in known.maps[1:]:
                    if formal.name in outer:
                        raise Unreadable(
                            f"a body has an input {formal.name!r}, which is the name of a tensor"
                            " around it"
                        )
        flop, weights = 0, frozenset[int]()
        for node in in_order(graph):
            traced = self._visit(node, inner)
            if traced is not None:
                flop += traced.flop or 0
                weights |= traced.weights
        types = []
        for output in graph.output:
            name = inner.resolved(output.name)
            if name not in inner.types:
                raise Unreadable(f"nothing makes the output {output.name!r} of a body")
            weights |= inner.weights.get(name, frozenset())
            types.append(inner.types[name])
        return Body(flop, weights, tuple(types))


def _results(graph: GraphProto, scope: Scope) -> tuple[str, ...]:
    """The outputs that depend on an input. Raises Unreadable."""
    for output in graph.output:
        if output.name not in scope.types:
            raise Unreadable(f"nothing makes the output {output.name!r}")
    outputs = dict.fromkeys(scope.resolved(output.name) for output in graph.output)
    results = tuple(name for name in outputs if name not in scope.constants)
    if not results:
        raise Unreadable("no output depends on an input: there is nothing to cut")
    return results


def _shapes(types: Mapping[str, TypeProto]) -> dict[str, Shape]:
    """The shapes of tensors, of those that have one."""
    return {name: shape for name, type_ in types.items() if (shape := shape_of(type_)) is not None}


def _quantised(node: Node) -> tuple[str, ...]:
    """The quantised tensor that a node makes or takes apart."""
    if node.operator == "QuantizeLinear":
        return node.outputs[:1]
    return node.inputs[:1] if node.operator == "DequantizeLinear" else ()


def _needed(nodes: Sequence[Node], outputs: Iterable[str]) -> list[Node]:
    """Those that an output depends on."""
    wanted = set(outputs)
    kept = []
    for node in reversed(nodes):
        if not wanted.isdisjoint(node.outputs):
            wanted.update(node.inputs)
            kept.append(node)
    return kept[::-1]

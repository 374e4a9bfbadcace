"""The graph with its sizes: every node that depends on an input, what it computes, and the weights
that it needs.

One walk in topological order. onnx's own rules give each node's result types from its input types
and, where an input is a small constant, from its value; shape arithmetic is evaluated on the way
(`arithmetic`), so that nothing stays open once the inputs' dimensions are fixed. Nothing of the
network is computed and no other file is opened.
"""

from __future__ import annotations

import math
from collections import ChainMap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import onnx
from onnx import (
    GraphProto,
    ModelProto,
    NodeProto,
    SparseTensorProto,
    TensorProto,
    TypeProto,
    checker,
    defs,
    helper,
    inliner,
    numpy_helper,
    shape_inference,
)

from solvers.onnx_reader import arithmetic, work
from solvers.onnx_reader.graph import (
    bodies_of,
    called,
    captured_by,
    in_order,
    read_in,
    require_text,
)
from solvers.onnx_reader.inputs import fixed_inputs
from solvers.onnx_reader.network import LARGEST, Unreadable
from solvers.onnx_reader.sizes import (
    LARGEST_VALUE,
    Size,
    Value,
    constant_size,
    constant_value,
    first_line,
    merged,
    shape_of,
    size_of,
    tensor_type,
    unsized,
    with_axis,
)
from solvers.onnx_reader.work import Shape

MOST_VISITS = 1_000_000  # nodes, those in bodies once for every time that a body is walked

# Constants of these types are indices and sizes, not parameters.
_NO_PARAMETERS = frozenset({TensorProto.INT64, TensorProto.BOOL, TensorProto.STRING})
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
_DOMAINS = {"ai.onnx": ""}


@dataclass(frozen=True)
class Node:
    """A node that depends on an input; names are those of tensors that do too."""

    operator: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    flop: int
    weights: frozenset[int]


@dataclass(frozen=True)
class Trace:
    """The graph in topological order, without what is constant and what no result needs.

    `sizes` has no entry for a tensor whose size is not known; `weights` is indexed by
    `Node.weights`.
    """

    nodes: tuple[Node, ...]
    shapes: Mapping[str, Shape]
    outputs: tuple[str, ...]
    sizes: Mapping[str, Size]
    weights: Sequence[Size]
    shape_values: Mapping[str, tuple[int, ...]]
    uncounted: tuple[str, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Scope:
    """What is known of each tensor by its name; a body sees those around it.

    `constants` has the tensors that depend on no input, with their value where it is small, and
    `weights` what they are made of; `aliases` the names of tensors that are another one.
    """

    types: ChainMap[str, TypeProto]
    constants: ChainMap[str, Value]
    weights: ChainMap[str, frozenset[int]]
    aliases: ChainMap[str, str]

    def inner(self) -> _Scope:
        return _Scope(
            self.types.new_child(),
            self.constants.new_child(),
            self.weights.new_child(),
            self.aliases.new_child(),
        )

    def define_constant(
        self, name: str, type_: TypeProto, value: Value, weights: frozenset[int]
    ) -> None:
        self.types[name] = type_
        self.constants[name] = value
        self.weights[name] = weights


@dataclass(frozen=True)
class _Body:
    """A walked body: its work, its weights and the types of its results."""

    flop: int
    weights: frozenset[int]
    types: tuple[TypeProto, ...]


def trace(model: ModelProto, shapes: Mapping[str, Sequence[int]]) -> Trace:
    """Walk the graph with these dimensions of its inputs. Raises Unreadable."""
    return _Walk(model).whole(shapes)


class _Walk:
    def __init__(self, model: ModelProto) -> None:
        self.opsets = _opsets(model)
        self.visible = {name for node in model.graph.node for name in node.output}
        if model.functions:
            try:
                model = inliner.inline_local_functions(model)
            except (RuntimeError, ValueError, checker.ValidationError) as error:
                raise Unreadable(
                    f"its functions cannot be put in place: {first_line(error)}"
                ) from error
            self.opsets = _opsets(model)
        self.model = model
        self.opset_imports = [
            helper.make_opsetid(domain, version) for domain, version in self.opsets.items()
        ]
        self.weights: list[Size] = []
        self.shape_values: dict[str, tuple[int, ...]] = {}
        self.uncounted: dict[str, None] = {}
        self.notes: list[str] = []
        self.visits = 0
        self.read = read_in(model.graph)

    def whole(self, shapes: Mapping[str, Sequence[int]]) -> Trace:
        graph = self.model.graph
        require_text(graph)
        if not graph.node:
            raise Unreadable("the file has no graph, or one without nodes: it is not an ONNX model")
        scope = _Scope(ChainMap(), ChainMap(), ChainMap(), ChainMap())
        self._initializers(graph, scope)
        inputs = fixed_inputs(
            [given for given in graph.input if given.name not in scope.constants], shapes
        )
        scope.types.update(inputs)
        nodes = []
        for node in in_order(graph):
            traced = self._visit(node, scope)
            if traced is not None:
                nodes.append(traced)
            if node.op_type in ("Shape", "Size"):
                value = scope.constants.get(node.output[0])
                if value is not None and not self._is_constant(node.input[0], scope):
                    self.shape_values[node.output[0]] = tuple(np.ravel(value).tolist())
        for output in graph.output:
            if output.name not in scope.types:
                raise Unreadable(f"nothing makes the output {output.name!r}")
        outputs = dict.fromkeys(_resolved(output.name, scope) for output in graph.output)
        results = tuple(name for name in outputs if name not in scope.constants)
        if not results:
            raise Unreadable("no output depends on an input: there is nothing to cut")
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
            shapes={
                name: shape
                for name, type_ in inputs.items()
                if name in read and (shape := shape_of(type_)) is not None
            },
            outputs=results,
            sizes=sizes,
            weights=self.weights,
            shape_values=self.shape_values,
            uncounted=tuple(self.uncounted),
            notes=tuple(self.notes),
        )

    def _weight(self, size: Size, data_type: int) -> frozenset[int]:
        if data_type in _NO_PARAMETERS or size.elements == 0:
            return frozenset()
        self.weights.append(size)
        return frozenset({len(self.weights) - 1})

    def _initializers(self, graph: GraphProto, scope: _Scope) -> None:
        sparse = [(tensor.values.name, tensor) for tensor in graph.sparse_initializer]
        names: set[str] = set()
        for name in [*(tensor.name for tensor in graph.initializer), *(name for name, _ in sparse)]:
            if name in names:
                raise Unreadable(f"two initializers are named {name!r}")
            names.add(name)
        for tensor in graph.initializer:
            self._define(tensor.name, tensor, scope)
        for name, given in sparse:
            self._define_sparse(name, given, scope)

    def _define(self, name: str, tensor: TensorProto, scope: _Scope) -> None:
        """A constant of the file."""
        size = constant_size(tensor)
        # A scalar is a setting of an operator, such as the bounds of a Clip.
        weights = self._weight(size, tensor.data_type) if tensor.dims else frozenset[int]()
        scope.define_constant(
            name, tensor_type(tensor.data_type, tensor.dims), constant_value(tensor, size), weights
        )

    def _define_sparse(self, name: str, tensor: SparseTensorProto, scope: _Scope) -> None:
        values, indices = constant_size(tensor.values), constant_size(tensor.indices)
        weights = self._weight(
            Size(values.elements, values.byte + indices.byte), tensor.values.data_type
        )
        scope.define_constant(
            name, tensor_type(tensor.values.data_type, tensor.dims), None, weights
        )

    def _is_constant(self, name: str, scope: _Scope) -> bool:
        return _resolved(name, scope) in scope.constants

    def _visit(self, node: NodeProto, scope: _Scope) -> Node | None:
        """Define what the node makes; None if that is constant or only another name."""
        self.visits += 1
        if self.visits > MOST_VISITS:
            raise Unreadable(f"its graph and bodies have more than {MOST_VISITS} nodes")
        explicit, reads = self._reads(node, scope)
        variable = tuple(name for name in reads if name not in scope.constants)
        schema = self._schema(node)
        _require_ports(node, schema)
        attributes = _attributes(node, schema)

        if self._is_known(node, explicit, attributes, scope):
            return None
        weights = frozenset().union(
            *(scope.weights[name] for name in reads if name in scope.constants)
        )
        flop = 0
        if bodies_of(node):
            body = self._control(node, explicit, attributes, scope)
            flop, weights, types = body.flop, weights | body.weights, list(body.types)
        else:
            types = self._infer(node, schema, explicit, scope)
            if variable:
                flop = self._flop(node, explicit, types, attributes, scope)
        if not variable and node.op_type not in _RANDOM:
            self._fold(node, explicit, types, attributes, weights, scope)
            return None
        if node.op_type in work.UNCOUNTED:
            self.uncounted[node.op_type] = None
        for name, type_ in zip(node.output, types, strict=False):
            if name:
                scope.types[name] = type_
        return Node(node.op_type, variable, tuple(filter(None, node.output)), flop, weights)

    def _reads(self, node: NodeProto, scope: _Scope) -> tuple[list[str], list[str]]:
        """Its inputs as they stand, and each tensor that it or its bodies read; refused where the
        names do not fit.
        """
        explicit = [_resolved(name, scope) for name in node.input]
        captured = sorted(
            {_resolved(name, scope) for body in bodies_of(node) for name in captured_by(body)}
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
        self, node: NodeProto, inputs: Sequence[str], attributes: Mapping[str, Any], scope: _Scope
    ) -> bool:
        """Whether the node only hands on, or gives a constant or a size; what it makes is then
        defined.
        """
        if node.op_type == "Identity" or (
            node.op_type == "Dropout" and self._passes(node, attributes, scope)
        ):
            self._alias(node, inputs[0], scope)
            return True
        if _domain(node) != "":
            return False
        if node.op_type == "Constant":
            self._constant(node, attributes, scope)
            return True
        if (
            node.op_type in ("Shape", "Size")
            and (shape := shape_of(scope.types[inputs[0]])) is not None
        ):
            self._measure(node, shape, attributes, scope)
            return True
        return False

    def _passes(self, node: NodeProto, attributes: Mapping[str, Any], scope: _Scope) -> bool:
        """Whether a Dropout does nothing, as at inference."""
        if _domain(node) != "" or not self.read.isdisjoint(node.output[1:]):
            return False
        if len(node.input) < 3 or not node.input[2]:
            return bool(self.opsets[""] >= 7 or attributes.get("is_test"))
        training = scope.constants.get(_resolved(node.input[2], scope))
        return training is not None and not training.any()

    def _alias(self, node: NodeProto, source: str, scope: _Scope) -> None:
        name = node.output[0]
        if not source:
            raise Unreadable(f"{called(node)} has no input")
        scope.aliases[name] = source
        scope.types[name] = scope.types[source]
        if source in scope.constants:
            scope.define_constant(
                name, scope.types[source], scope.constants[source], scope.weights[source]
            )

    def _constant(self, node: NodeProto, attributes: Mapping[str, Any], scope: _Scope) -> None:
        name = node.output[0]
        kind, given = next(iter(attributes.items()), ("", None))
        if kind == "value" and isinstance(given, TensorProto):
            self._define(name, given, scope)
        elif kind == "sparse_value" and isinstance(given, SparseTensorProto):
            self._define_sparse(name, given, scope)
        elif kind in ("value_float", "value_floats"):
            self._define(name, numpy_helper.from_array(np.array(given, np.float32)), scope)
        elif kind in ("value_int", "value_ints"):
            self._define(name, numpy_helper.from_array(np.array(given, np.int64)), scope)
        elif kind in ("value_string", "value_strings"):
            scope.define_constant(
                name, unsized(tensor_type(TensorProto.STRING, ())), None, frozenset()
            )
        else:
            raise Unreadable(f"{called(node)} has no value")

    def _measure(
        self, node: NodeProto, shape: Shape, attributes: Mapping[str, Any], scope: _Scope
    ) -> None:
        """Shape and Size are constants once the inputs' dimensions are fixed."""
        if node.op_type == "Size":
            value = np.array(math.prod(shape), np.int64)
        else:
            value = np.array(
                shape[slice(attributes.get("start", 0), attributes.get("end"))], np.int64
            )
        type_ = tensor_type(TensorProto.INT64, value.shape)
        scope.define_constant(node.output[0], type_, value, frozenset())

    def _schema(self, node: NodeProto) -> defs.OpSchema:
        domain = _domain(node)
        if domain not in self.opsets:
            raise Unreadable(
                f"{called(node)} is of the domain {domain!r}, of which the file does not say the"
                " version"
            )
        try:
            return defs.get_schema(node.op_type, self.opsets[domain], domain)
        except defs.SchemaError:
            operator = f"{domain}.{node.op_type}" if domain else node.op_type
            raise Unreadable(
                f"{called(node)}: {operator} is not a standard operator of opset"
                f" {self.opsets[domain]}, so its work is not known: export the network without it"
            ) from None

    def _infer(
        self, node: NodeProto, schema: defs.OpSchema, inputs: Sequence[str], scope: _Scope
    ) -> list[TypeProto]:
        """The types of the node's results, by onnx's rules."""
        # The node reads its inputs by other names than the file's where one of them is an alias.
        renamed = NodeProto()
        renamed.CopyFrom(node)
        renamed.ClearField("input")
        renamed.input.extend(inputs)
        types = {name: scope.types[name] for name in inputs if name}
        data = {
            name: numpy_helper.from_array(value)
            for name in inputs
            if name and (value := scope.constants.get(name)) is not None
        }
        try:
            found = shape_inference.infer_node_outputs(
                schema,
                renamed,
                types,
                data,
                opset_imports=self.opset_imports,
                ir_version=onnx.IR_VERSION,
            )
        except (
            shape_inference.InferenceError,
            checker.ValidationError,
            RuntimeError,
            ValueError,
        ) as error:
            raise Unreadable(
                f"{called(node)} does not fit its inputs: {first_line(error)}"
            ) from error
        return [found.get(name, TypeProto()) for name in node.output]

    def _flop(
        self,
        node: NodeProto,
        inputs: Sequence[str],
        types: Sequence[TypeProto],
        attributes: Mapping[str, Any],
        scope: _Scope,
    ) -> int:
        if _domain(node) != "" or not work.counts(node.op_type):
            return 0
        read = [shape_of(scope.types[name]) if name else None for name in inputs]
        try:
            flop = work.flop(node.op_type, read, [shape_of(type_) for type_ in types], attributes)
        except work.SizeUnknown:
            raise Unreadable(
                f"{called(node)} works on a tensor whose size depends on the data: what it computes"
                " is not known"
            ) from None
        except ValueError as error:
            raise Unreadable(f"{called(node)} has {error}") from None
        return _bounded(flop, node)

    def _fold(
        self,
        node: NodeProto,
        inputs: Sequence[str],
        types: Sequence[TypeProto],
        attributes: Mapping[str, Any],
        weights: frozenset[int],
        scope: _Scope,
    ) -> None:
        """Define results that depend on no input, with their values where they are shape
        arithmetic.
        """
        sizes = [size_of(type_) for type_ in types]
        values: list[Value] = [None] * len(types)
        given = [scope.constants[name] if name else None for name in inputs]
        small = all(size is not None and size.elements <= LARGEST_VALUE for size in sizes)
        known = all(value is not None for name, value in zip(inputs, given, strict=True) if name)
        if _domain(node) == "" and small and known:
            try:
                values = list(arithmetic.evaluate(node.op_type, given, attributes, len(types)))
            except arithmetic.Unevaluable:
                values = [None] * len(types)
        for name, type_, size, value in zip(node.output, types, sizes, values, strict=False):
            if not name:
                continue
            if value is not None and value.size <= LARGEST_VALUE:
                type_ = tensor_type(helper.np_dtype_to_tensor_dtype(value.dtype), value.shape)
            made = weights
            if node.op_type == "ConstantOfShape" and size is not None:
                # What the file makes instead of storing it is as large on the device.
                made = weights | self._weight(size, type_.tensor_type.elem_type)
            scope.define_constant(name, type_, value, made)

    # Bodies: the parts of a graph that run under a condition or several times.

    def _control(
        self, node: NodeProto, inputs: Sequence[str], attributes: Mapping[str, Any], scope: _Scope
    ) -> _Body:
        if _domain(node) == "" and node.op_type in ("If", "Loop", "Scan"):
            try:
                body = getattr(self, f"_{node.op_type.lower()}")(node, inputs, attributes, scope)
            except (KeyError, IndexError):
                raise Unreadable(f"{called(node)} does not fit its bodies") from None
            if len(body.types) < len(node.output):
                raise Unreadable(f"{called(node)} has more outputs than its bodies make")
            _bounded(body.flop, node)
            return body  # type: ignore[no-any-return]
        raise Unreadable(
            f"{called(node)} has a body, and is none of If, Loop and Scan: its work is not known"
        )

    def _walk_body(self, graph: GraphProto, given: Sequence[TypeProto], scope: _Scope) -> _Body:
        if len(graph.input) != len(given):
            raise Unreadable(f"a body takes {len(graph.input)} inputs and is given {len(given)}")
        inner = scope.inner()
        self._initializers(graph, inner)
        for formal, type_ in zip(graph.input, given, strict=True):
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
                flop += traced.flop
                weights |= traced.weights
        types = []
        for output in graph.output:
            name = _resolved(output.name, inner)
            if name not in inner.types:
                raise Unreadable(f"nothing makes the output {output.name!r} of a body")
            weights |= inner.weights.get(name, frozenset())
            types.append(inner.types[name])
        return _Body(flop, weights, tuple(types))

    def _if(
        self, node: NodeProto, inputs: Sequence[str], attributes: Mapping[str, Any], scope: _Scope
    ) -> _Body:
        branches: list[_Body] = []
        refused: Unreadable | None = None
        condition = scope.constants.get(inputs[0])
        for name, when in (("then_branch", True), ("else_branch", False)):
            if condition is not None and bool(condition.all()) != when:
                continue
            try:
                branches.append(self._walk_body(attributes[name], (), scope))
            except Unreadable as error:
                refused = error
        if refused is not None:
            if not branches:
                raise refused
            # One for other dimensions of the input: with these it could only fail.
            self.notes.append(
                f"Of {called(node)} only one branch counts; the other cannot run: {refused.detail}."
            )
        types = [merged(pair) for pair in zip(*(branch.types for branch in branches), strict=False)]
        # Either branch may run: the device is asked for the larger one, and both have their weights
        # there.
        weights = frozenset().union(*(branch.weights for branch in branches))
        return _Body(max(branch.flop for branch in branches), weights, tuple(types))

    def _loop(
        self, node: NodeProto, inputs: Sequence[str], attributes: Mapping[str, Any], scope: _Scope
    ) -> _Body:
        graph, state = attributes["body"], [scope.types[name] for name in inputs[2:]]
        counters = [tensor_type(TensorProto.INT64, ()), tensor_type(TensorProto.BOOL, ())]
        body = self._walk_body(graph, [*counters, *state], scope)
        after = body.types[1 : 1 + len(state)]
        settled = [merged(pair) for pair in zip(state, after, strict=False)]
        if any(
            shape_of(before) != shape_of(then) for before, then in zip(state, settled, strict=False)
        ):
            state = settled
            body = self._walk_body(graph, [*counters, *state], scope)
        trips = scope.constants.get(inputs[0]) if inputs[0] else None
        if trips is None or int(trips.reshape(-1)[0]) >= 2**31:
            if body.flop:
                raise Unreadable(
                    f"{called(node)} does work, and how often it runs is not known before it runs"
                )
            scans = [with_axis(type_, 0, None) for type_ in body.types[1 + len(state) :]]
            return _Body(0, body.weights, (*state, *scans))
        count = max(0, int(trips.reshape(-1)[0]))
        scans = [with_axis(type_, 0, count) for type_ in body.types[1 + len(state) :]]
        return _Body(count * body.flop, body.weights, (*state, *scans))

    def _scan(
        self, node: NodeProto, inputs: Sequence[str], attributes: Mapping[str, Any], scope: _Scope
    ) -> _Body:
        if self.opsets[""] < 9:
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
        body = self._walk_body(graph, given, scope)
        scans = [
            with_axis(type_, axis, count)
            for type_, axis in zip(body.types[states:], out_axes, strict=False)
        ]
        return _Body(count * body.flop, body.weights, (*body.types[:states], *scans))


def _opsets(model: ModelProto) -> dict[str, int]:
    opsets = {_DOMAINS.get(each.domain, each.domain): each.version for each in model.opset_import}
    newest = defs.onnx_opset_version()
    if "" not in opsets:
        raise Unreadable(
            "the file does not say which opset its operators are of: it is not an ONNX model, or a"
            " broken one"
        )
    if not 1 <= opsets[""] <= newest:
        raise Unreadable(f"the file is of opset {opsets['']}; those from 1 to {newest} are known")
    return opsets


def _domain(node: NodeProto) -> str:
    return _DOMAINS.get(node.domain, node.domain)


def _bounded(flop: int, node: NodeProto) -> int:
    if flop > LARGEST:
        raise Unreadable(
            f"{called(node)} would take more than 2^63 FLOP: are the input's dimensions right?"
        )
    return flop


def _resolved(name: str, scope: _Scope) -> str:
    return scope.aliases.get(name, name)


def _require_ports(node: NodeProto, schema: defs.OpSchema) -> None:
    """Raise Unreadable unless the node has as many inputs and outputs as its operator."""
    if not (
        schema.min_input <= len(node.input) <= schema.max_input
        and schema.min_output <= len(node.output) <= schema.max_output
    ):
        raise Unreadable(
            f"{called(node)} has {len(node.input)} inputs and {len(node.output)} outputs, which its"
            " operator never has"
        )
    required = [
        formal.option == defs.OpSchema.FormalParameterOption.Single for formal in schema.inputs
    ]
    if not all(name for name, needed in zip(node.input, required, strict=False) if needed):
        raise Unreadable(f"{called(node)} lacks an input that its operator needs")


def _attributes(node: NodeProto, schema: defs.OpSchema) -> dict[str, Any]:
    """The attributes that the operator has, each of the type that it must have."""
    attributes = {}
    for attribute in node.attribute:
        if (expected := schema.attributes.get(attribute.name)) is None:
            continue
        if (
            attribute.type != cast(Any, expected.type).value
        ):  # its stub does not say that it is an enumeration
            raise Unreadable(f"{called(node)} has an attribute {attribute.name!r} of a wrong type")
        attributes[attribute.name] = helper.get_attribute_value(attribute)
    return attributes


def _needed(nodes: Sequence[Node], outputs: Iterable[str]) -> list[Node]:
    """Those that an output depends on."""
    wanted = set(outputs)
    kept = []
    for node in reversed(nodes):
        if not wanted.isdisjoint(node.outputs):
            wanted.update(node.inputs)
            kept.append(node)
    return kept[::-1]

"""Tensors that depend on no input: those of the file, shapes, and what is computed from them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from onnx import (
    GraphProto,
    NodeProto,
    SparseTensorProto,
    TensorProto,
    TypeProto,
    helper,
    numpy_helper,
)

from solvers.onnx_reader import arithmetic
from solvers.onnx_reader.graph import called
from solvers.onnx_reader.network import Unreadable
from solvers.onnx_reader.operators import domain_of
from solvers.onnx_reader.scope import Scope
from solvers.onnx_reader.shapes import Shape
from solvers.onnx_reader.sizes import (
    LARGEST_VALUE,
    Size,
    Value,
    constant_size,
    constant_value,
    is_bare,
    shape_of,
    size_of,
    tensor_type,
    unsized,
)

_SHAPES = frozenset({TensorProto.INT64, TensorProto.INT32})
_SHOWN = 3  # names in a note
_MOST_SCALES = 10  # of a Resize: two for each dimension
# Constants of these types are indices and sizes, not parameters.
_NO_PARAMETERS = frozenset({TensorProto.INT64, TensorProto.BOOL, TensorProto.STRING})
# Where operators take their weights; scales and shifts may be nodes of their own.
_PARAMETERS: Mapping[str, range] = {
    "BatchNormalization": range(1, 5),
    "Conv": range(1, 3),
    "ConvInteger": range(1, 2),
    "ConvTranspose": range(1, 3),
    "DeformConv": range(1, 2),
    "Einsum": range(10),
    "GRU": range(1, 4),
    "Gather": range(1),
    "Gemm": range(3),
    "GroupNormalization": range(1, 3),
    "InstanceNormalization": range(1, 3),
    "LSTM": range(1, 4),
    "LayerNormalization": range(1, 3),
    "MatMul": range(2),
    "MatMulInteger": range(2),
    "PRelu": range(1, 2),
    "QLinearConv": range(3, 4),
    "QLinearMatMul": range(3, 4),
    "RMSNormalization": range(1, 2),
    "RNN": range(1, 4),
}
_PER_CHANNEL = frozenset({"Add", "Div", "Mul", "Sub"})


def _is_parameter(node: NodeProto, place: int, shape: Shape | None) -> bool:
    if node.op_type in _PER_CHANNEL:
        return shape is not None and sum(dim != 1 for dim in shape) == 1
    return place in _PARAMETERS.get(node.op_type, ())


def _left_out(node: NodeProto, kind: str) -> Sequence[int]:
    """How many numbers an attribute had that were too many to be read (`wire`)."""
    return [dim for each in node.attribute if each.name == kind for dim in each.t.dims]


class Constants:
    """Defines constants in a scope, and numbers the weights among them.

    `sizes` has the size of each weight, by its number.
    """

    def __init__(self) -> None:
        self.sizes: list[Size] = []
        self._filled: set[int] = set()
        self._bare: list[str] = []
        self._elsewhere: dict[str, str] = {}  # small ones, and the file that has their values
        self._missed: dict[str, None] = {}

    def weight(self, size: Size, data_type: int) -> frozenset[int]:
        """The number of a new weight; none for what is no parameter."""
        if data_type in _NO_PARAMETERS or size.elements == 0:
            return frozenset()
        self.sizes.append(size)
        return frozenset({len(self.sizes) - 1})

    def define_initializers(self, graph: GraphProto, scope: Scope) -> None:
        """The tensors that the file stores. Raises Unreadable."""
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

    def _define(self, name: str, tensor: TensorProto, scope: Scope) -> None:
        """A constant of the file."""
        size = constant_size(tensor)
        # A scalar is a setting of an operator, such as the bounds of a Clip.
        weights = self.weight(size, tensor.data_type) if tensor.dims else frozenset[int]()
        if is_bare(tensor):
            self._bare.append(name)
        external = tensor.data_location == TensorProto.EXTERNAL
        if (external or is_bare(tensor)) and (
            tensor.data_type in _SHAPES or size.elements <= _MOST_SCALES
        ):
            self._elsewhere[name] = next(
                (entry.value for entry in tensor.external_data if entry.key == "location"), ""
            )
        scope.define_constant(
            name, tensor_type(tensor.data_type, tensor.dims), constant_value(tensor, size), weights
        )

    def _define_sparse(self, name: str, tensor: SparseTensorProto, scope: Scope) -> None:
        values, indices = constant_size(tensor.values), constant_size(tensor.indices)
        weights = self.weight(
            Size(values.elements, values.byte + indices.byte), tensor.values.data_type
        )
        scope.define_constant(
            name, tensor_type(tensor.values.data_type, tensor.dims), None, weights
        )

    def define_given(self, node: NodeProto, attributes: Mapping[str, Any], scope: Scope) -> None:
        """What a Constant says. Raises Unreadable."""
        name = node.output[0]
        kind, given = next(iter(attributes.items()), ("", None))
        if kind == "value" and isinstance(given, TensorProto):
            self._define(name, given, scope)
        elif kind == "sparse_value" and isinstance(given, SparseTensorProto):
            self._define_sparse(name, given, scope)
        elif kind in ("value_floats", "value_ints") and (dims := _left_out(node, kind)):
            type_ = TensorProto.FLOAT if kind == "value_floats" else TensorProto.INT64
            self._define(name, TensorProto(data_type=type_, dims=dims, raw_data=b""), scope)
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

    def define_shape(
        self, node: NodeProto, shape: Shape, attributes: Mapping[str, Any], scope: Scope
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

    def weights_of(
        self, node: NodeProto, inputs: Sequence[str], reads: Sequence[str], scope: Scope
    ) -> frozenset[int]:
        """The weights that a node reads; all those behind a result that is constant itself."""
        constants = [name for name in reads if name in scope.constants]
        varies = len(constants) < len(reads)
        found = frozenset[int]()
        for name in constants:
            places = [place for place, each in enumerate(inputs) if each == name]
            found |= self._read(node, name, places, scope) if varies else scope.weights[name]
        return found

    def _read(
        self, node: NodeProto, name: str, places: Sequence[int], scope: Scope
    ) -> frozenset[int]:
        """The weights behind a constant that is read at some places of a node.

        What a ConstantOfShape fills is an empty state or a mask, and no parameter, unless an
        operator takes it for its weights: then it is as large on the device as a stored one.
        """
        weights = scope.weights[name]
        shape = shape_of(scope.types[name])
        if any(_is_parameter(node, place, shape) for place in places):
            return weights
        return weights - self._filled

    def miss(self, inputs: Iterable[str]) -> None:
        """A node with these inputs makes what has no known size: do their values say it?"""
        self._missed |= dict.fromkeys(name for name in inputs if name in self._elsewhere)

    def missing(self) -> Iterator[str]:
        """Why sizes are not known that constants would say whose values are not in the file."""
        for name in list(self._missed)[:_SHOWN]:
            if file := self._elsewhere[name]:
                yield (
                    f"The constant {name!r} says a shape, and its value is in the file {file!r},"
                    " which is not read: keep small constants in the ONNX file itself, as"
                    " onnx.save(onnx.load('a.onnx'), 'b.onnx', save_as_external_data=True) does."
                )
            else:
                yield (
                    f"The constant {name!r} says a shape, and the file has none of its data: send"
                    " the file with its small constants."
                )

    def bare(self) -> Iterator[str]:
        """Which constants the file has without their data."""
        if found := self._bare:
            shown = ", ".join(map(repr, found[:_SHOWN])) + (", .." if found[_SHOWN:] else "")
            yield (
                f"{len(found)} constants have no data in the file ({shown}): they count by their"
                " dimensions."
            )

    def define_results(
        self,
        node: NodeProto,
        inputs: Sequence[str],
        types: Sequence[TypeProto],
        attributes: Mapping[str, Any],
        weights: frozenset[int],
        scope: Scope,
    ) -> None:
        """Define results that depend on no input, with their values where they are shape
        arithmetic.
        """
        sizes = [size_of(type_) for type_ in types]
        values: list[Value] = [None] * len(types)
        given = [scope.constants[name] if name else None for name in inputs]
        small = all(size is not None and size.elements <= LARGEST_VALUE for size in sizes)
        known = all(value is not None for name, value in zip(inputs, given, strict=True) if name)
        if domain_of(node) == "" and small and known:
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
                filled = self.weight(size, type_.tensor_type.elem_type)
                self._filled |= filled
                made = weights | filled
            scope.define_constant(name, type_, value, made)

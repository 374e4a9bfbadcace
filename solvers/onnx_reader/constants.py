"""Tensors that depend on no input: those of the file, shapes, and what is computed from them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
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
from solvers.onnx_reader.sizes import (
    LARGEST_VALUE,
    Size,
    Value,
    constant_size,
    constant_value,
    size_of,
    tensor_type,
    unsized,
)
from solvers.onnx_reader.work import Shape

# Constants of these types are indices and sizes, not parameters.
_NO_PARAMETERS = frozenset({TensorProto.INT64, TensorProto.BOOL, TensorProto.STRING})


class Constants:
    """Defines constants in a scope, and numbers the weights among them.

    `sizes` has the size of each weight, by its number.
    """

    def __init__(self) -> None:
        self.sizes: list[Size] = []

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
                # What the file makes instead of storing it is as large on the device.
                made = weights | self.weight(size, type_.tensor_type.elem_type)
            scope.define_constant(name, type_, value, made)

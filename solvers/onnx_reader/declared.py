"""What a file itself says of the tensors in its graph: `value_info` and the declared results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from onnx import GraphProto, TypeProto, ValueInfoProto

from solvers.onnx_reader.assumed import Sizes
from solvers.onnx_reader.shapes import Shape
from solvers.onnx_reader.sizes import shape_of, tensor_type


class Declared:
    """The types that a file states, with the named dimensions of its inputs put in."""

    def __init__(self, graph: GraphProto, inputs: Mapping[str, TypeProto], sizes: Sizes) -> None:
        self._sizes = sizes
        self._stated: dict[str, ValueInfoProto] = {
            value.name: value for value in (*graph.output, *graph.value_info)
        }
        self._named: dict[str, int] = {}
        for given in graph.input:
            shape = shape_of(inputs[given.name]) if given.name in inputs else None
            dims = given.type.tensor_type.shape.dim
            for dim, size in zip(dims, shape or (), strict=False):
                if dim.dim_param:
                    self._named.setdefault(dim.dim_param, size)

    def completed(self, name: str, found: TypeProto) -> TypeProto:
        """The type of a tensor: what was found, or what the file states where that leaves its size
        open and does not contradict it.
        """
        stated = self._stated.get(name)
        if stated is None or found.WhichOneof("value") not in ("tensor_type", None):
            return found
        if shape_of(found) is not None:
            return found
        for dim, own in zip(
            stated.type.tensor_type.shape.dim, found.tensor_type.shape.dim, strict=False
        ):
            if dim.dim_param and not own.HasField("dim_value"):
                self._sizes.link(own.dim_param, dim.dim_param)
        element = stated.type.tensor_type.elem_type
        shape = self._shape(stated)
        if shape is None or found.tensor_type.elem_type not in (0, element):
            return found
        return tensor_type(element, shape) if _fits(found, shape) else found

    def _size(self, name: str) -> int | None:
        return self._named[name] if name in self._named else self._sizes.dimension(name)

    def _shape(self, stated: ValueInfoProto) -> Shape | None:
        if not stated.type.tensor_type.HasField("shape"):
            return None
        sizes = [
            self._size(dim.dim_param) if dim.dim_param else dim.dim_value
            for dim in stated.type.tensor_type.shape.dim
            if dim.WhichOneof("value") is not None
        ]
        known = [size for size in sizes if size is not None and size >= 0]
        whole = len(known) == len(stated.type.tensor_type.shape.dim)
        return tuple(known) if whole else None


def _fits(found: TypeProto, shape: Sequence[int]) -> bool:
    if not found.tensor_type.HasField("shape"):
        return True
    dims = found.tensor_type.shape.dim
    return len(dims) == len(shape) and all(
        not dim.HasField("dim_value") or dim.dim_value == size
        for dim, size in zip(dims, shape, strict=True)
    )

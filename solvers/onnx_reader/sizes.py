"""Types of tensors: shapes, elements, bytes, and the values of small constants."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from numpy.typing import NDArray
from onnx import TensorProto, TypeProto, numpy_helper

from solvers.onnx_reader.network import LARGEST, Unreadable
from solvers.onnx_reader.shapes import Shape
from solvers.onnx_reader.wire import LARGEST_KEPT_BYTE

LARGEST_VALUE = 4096  # elements of a constant whose value is followed

Value: TypeAlias = "NDArray[Any] | None"

_BIT: dict[int, int] = {
    TensorProto.FLOAT: 32,
    TensorProto.UINT8: 8,
    TensorProto.INT8: 8,
    TensorProto.UINT16: 16,
    TensorProto.INT16: 16,
    TensorProto.INT32: 32,
    TensorProto.INT64: 64,
    TensorProto.BOOL: 8,
    TensorProto.FLOAT16: 16,
    TensorProto.DOUBLE: 64,
    TensorProto.UINT32: 32,
    TensorProto.UINT64: 64,
    TensorProto.COMPLEX64: 64,
    TensorProto.COMPLEX128: 128,
    TensorProto.BFLOAT16: 16,
    TensorProto.FLOAT8E4M3FN: 8,
    TensorProto.FLOAT8E4M3FNUZ: 8,
    TensorProto.FLOAT8E5M2: 8,
    TensorProto.FLOAT8E5M2FNUZ: 8,
    TensorProto.FLOAT8E8M0: 8,
    TensorProto.UINT4: 4,
    TensorProto.INT4: 4,
    TensorProto.FLOAT4E2M1: 4,
    TensorProto.UINT2: 2,
    TensorProto.INT2: 2,
} | {
    # Four elements in three bytes; onnx has known them since IR 14.
    element: 6
    for name in ("FLOAT6E2M3", "FLOAT6E3M2")
    if (element := getattr(TensorProto, name, None)) is not None
}


@dataclass(frozen=True)
class Size:
    """Of a tensor, or of several."""

    elements: int
    byte: int


def first_line(error: Exception) -> str:
    """The first line of a message of onnx's or numpy's, without its tags."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[0].rpartition("] ")[2] if lines else type(error).__name__)[:300]


def tensor_type(data_type: int, dims: Iterable[int]) -> TypeProto:
    type_ = TypeProto()
    type_.tensor_type.elem_type = data_type
    shape = type_.tensor_type.shape
    shape.SetInParent()
    for dim in dims:
        shape.dim.add().dim_value = dim
    return type_


def shape_of(type_: TypeProto) -> Shape | None:
    """The shape, None if it is not a tensor's or not wholly known."""
    if type_.WhichOneof("value") != "tensor_type" or not type_.tensor_type.HasField("shape"):
        return None
    dims = type_.tensor_type.shape.dim
    if any(not dim.HasField("dim_value") or dim.dim_value < 0 for dim in dims):
        return None
    return tuple(dim.dim_value for dim in dims)


def size_of(type_: TypeProto) -> Size | None:
    shape = shape_of(type_)
    bit = _BIT.get(type_.tensor_type.elem_type)
    if shape is None or bit is None:
        return None
    elements = math.prod(shape)
    byte = -(-elements * bit // 8)
    return Size(elements, byte) if byte <= LARGEST else None


def constant_size(tensor: TensorProto) -> Size:
    if any(dim < 0 for dim in tensor.dims):
        raise Unreadable(f"the constant {tensor.name!r} has a negative dimension")
    elements = math.prod(tensor.dims)
    byte = -(-elements * _BIT.get(tensor.data_type, 0) // 8)
    if byte > LARGEST:
        raise Unreadable(f"the constant {tensor.name!r} would have more than 2^63 bytes")
    return Size(elements, byte)


def is_bare(tensor: TensorProto) -> bool:
    """Whether the file has a constant without its data: stripped before it was sent."""
    return (
        tensor.data_location != TensorProto.EXTERNAL
        and 0 not in tensor.dims
        and not tensor.HasField("raw_data")
        and not any(
            (
                tensor.float_data, tensor.int32_data, tensor.string_data, tensor.int64_data,
                tensor.double_data, tensor.uint64_data,
            )
        )
    )  # fmt: skip


def constant_value(tensor: TensorProto, size: Size) -> Value:
    """The value of a small constant that the file itself holds."""
    if (
        tensor.data_location == TensorProto.EXTERNAL
        or size.elements > LARGEST_VALUE
        or size.byte > LARGEST_KEPT_BYTE
        or tensor.data_type not in _BIT
        or is_bare(tensor)
    ):
        return None
    try:
        return numpy_helper.to_array(tensor)
    except (ValueError, TypeError, OverflowError) as error:
        raise Unreadable(
            f"the constant {tensor.name!r} does not have the data of its dimensions:"
            f" {first_line(error)}"
        ) from error


def merged(types: Sequence[TypeProto]) -> TypeProto:
    """What is known whichever of them it is."""
    first, *others = types
    return first if all(shape_of(first) == shape_of(other) for other in others) else unsized(first)


def unsized(type_: TypeProto) -> TypeProto:
    if type_.WhichOneof("value") != "tensor_type":
        return type_
    unsized = TypeProto()
    unsized.tensor_type.elem_type = type_.tensor_type.elem_type
    return unsized


def with_axis(type_: TypeProto, axis: int, size: int | None) -> TypeProto:
    """Many tensors of a type along a new axis."""
    shape = shape_of(type_)
    if shape is None or size is None:
        return unsized(type_)
    axis %= len(shape) + 1
    return tensor_type(type_.tensor_type.elem_type, (*shape[:axis], size, *shape[axis:]))

"""Arithmetic on shapes: the operators by which graphs compute the sizes that they reshape, slice
and resize to.

Only constants come here, and only small ones, so nothing of the network itself is ever computed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, helper

Array = NDArray[Any]
Inputs = Sequence["Array | None"]
Attributes = Mapping[str, Any]


class Unevaluable(Exception):
    """The operator is not shape arithmetic, or not with these arguments."""


def evaluate(operator: str, inputs: Inputs, attributes: Attributes, outputs: int) -> list[Array]:
    """The results of one node on constants. Raises Unevaluable."""
    compute = _OPERATORS.get(operator)
    if compute is None:
        raise Unevaluable
    with np.errstate(all="ignore"):
        try:
            results = compute(inputs, attributes)
        except (
            ValueError,
            IndexError,
            TypeError,
            AttributeError,
            OverflowError,
            ZeroDivisionError,
        ) as error:
            # A missing input is None, a wrong one has a wrong shape: the node is at fault, and its
            # result unknown.
            raise Unevaluable from error
    if len(results) < outputs:
        raise Unevaluable
    return [np.asarray(result) for result in results]


def _of(inputs: Inputs, position: int) -> Array:
    value = inputs[position]
    if value is None:
        raise Unevaluable
    return value


def _optional(inputs: Inputs, position: int) -> Array | None:
    return inputs[position] if position < len(inputs) else None


def _axes(inputs: Inputs, attributes: Attributes, position: int = 1) -> tuple[int, ...] | None:
    """Axes are an attribute in old opsets and an input in new ones."""
    given = _optional(inputs, position)
    axes = given.ravel().tolist() if given is not None else attributes.get("axes")
    return tuple(int(axis) for axis in axes) if axes is not None else None


def _binary(function: Callable[[Array, Array], Any]) -> Callable[[Inputs, Attributes], list[Any]]:
    return lambda inputs, _: [function(_of(inputs, 0), _of(inputs, 1))]


def _unary(function: Callable[[Array], Any]) -> Callable[[Inputs, Attributes], list[Any]]:
    return lambda inputs, _: [function(_of(inputs, 0))]


def _fold(function: Callable[[Array, Array], Any]) -> Callable[[Inputs, Attributes], list[Any]]:
    def compute(inputs: Inputs, _: Attributes) -> list[Any]:
        result = _of(inputs, 0)
        for position in range(1, len(inputs)):
            result = function(result, _of(inputs, position))
        return [result]

    return compute


def _divide(left: Array, right: Array) -> Array:
    if not np.issubdtype(left.dtype, np.integer):
        return np.asarray(left / right)
    if np.any(right == 0):
        raise Unevaluable
    quotient = np.abs(left) // np.abs(right)  # towards zero, as in C
    return np.asarray(np.sign(left) * np.sign(right) * quotient).astype(left.dtype)


def _mod(inputs: Inputs, attributes: Attributes) -> list[Any]:
    left, right = _of(inputs, 0), _of(inputs, 1)
    if np.any(right == 0):
        raise Unevaluable
    return [np.fmod(left, right) if attributes.get("fmod") else np.mod(left, right)]


def _gather(inputs: Inputs, attributes: Attributes) -> list[Any]:
    return [np.take(_of(inputs, 0), _of(inputs, 1), axis=attributes.get("axis", 0))]


def _concat(inputs: Inputs, attributes: Attributes) -> list[Any]:
    return [
        np.concatenate(
            [_of(inputs, position) for position in range(len(inputs))],
            axis=attributes.get("axis", 1),
        )
    ]


def _slice(inputs: Inputs, attributes: Attributes) -> list[Any]:
    data = _of(inputs, 0)
    if "starts" in attributes:
        starts, ends = attributes["starts"], attributes["ends"]
        axes, steps = attributes.get("axes"), None
    else:
        starts, ends = _of(inputs, 1).tolist(), _of(inputs, 2).tolist()
        given_axes, given_steps = _optional(inputs, 3), _optional(inputs, 4)
        axes = None if given_axes is None else given_axes.tolist()
        steps = None if given_steps is None else given_steps.tolist()
    axes = list(range(len(starts))) if axes is None else axes
    steps = [1] * len(starts) if steps is None else steps
    index: list[slice] = [slice(None)] * data.ndim
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        # An end before the first element means "through the first one" when going backwards.
        index[axis] = slice(start, None if step < 0 and end < -data.shape[axis] else end, step)
    return [data[tuple(index)]]


def _split(inputs: Inputs, attributes: Attributes) -> list[Any]:
    data, axis = _of(inputs, 0), attributes.get("axis", 0)
    sizes = _optional(inputs, 1)
    lengths = sizes.tolist() if sizes is not None else attributes.get("split")
    if lengths is None:
        raise Unevaluable
    return list(np.split(data, np.cumsum(lengths)[:-1], axis=axis))


def _unsqueeze(inputs: Inputs, attributes: Attributes) -> list[Any]:
    axes = _axes(inputs, attributes)
    if axes is None:
        raise Unevaluable
    return [np.expand_dims(_of(inputs, 0), axes)]


def _squeeze(inputs: Inputs, attributes: Attributes) -> list[Any]:
    return [np.squeeze(_of(inputs, 0), _axes(inputs, attributes))]


def _reshape(inputs: Inputs, attributes: Attributes) -> list[Any]:
    data = _of(inputs, 0)
    wanted = attributes["shape"] if "shape" in attributes else _of(inputs, 1).tolist()
    if not attributes.get("allowzero"):
        wanted = [data.shape[axis] if size == 0 else size for axis, size in enumerate(wanted)]
    return [data.reshape(wanted)]


def _cast(inputs: Inputs, attributes: Attributes) -> list[Any]:
    if attributes["to"] == TensorProto.STRING:
        raise Unevaluable
    return [_of(inputs, 0).astype(helper.tensor_dtype_to_np_dtype(attributes["to"]))]


def _constant_of_shape(inputs: Inputs, attributes: Attributes) -> list[Any]:
    from onnx import numpy_helper

    value = (
        numpy_helper.to_array(attributes["value"])
        if "value" in attributes
        else np.zeros(1, np.float32)
    )
    return [np.full(_of(inputs, 0).tolist(), value.reshape(-1)[0], value.dtype)]


def _expand(inputs: Inputs, _: Attributes) -> list[Any]:
    data, shape = _of(inputs, 0), _of(inputs, 1).tolist()
    return [np.broadcast_to(data, np.broadcast_shapes(data.shape, shape))]


def _range(inputs: Inputs, _: Attributes) -> list[Any]:
    start, limit, delta = (_of(inputs, position).item() for position in range(3))
    if delta == 0:
        raise Unevaluable
    return [np.arange(start, limit, delta, dtype=_of(inputs, 0).dtype)]


def _transpose(inputs: Inputs, attributes: Attributes) -> list[Any]:
    return [np.transpose(_of(inputs, 0), attributes.get("perm"))]


def _reduce(function: Callable[..., Any]) -> Callable[[Inputs, Attributes], list[Any]]:
    def compute(inputs: Inputs, attributes: Attributes) -> list[Any]:
        axes, data = _axes(inputs, attributes), _of(inputs, 0)
        if not axes and attributes.get("noop_with_empty_axes"):
            return [data]
        result = function(data, axis=axes or None, keepdims=bool(attributes.get("keepdims", 1)))
        return [np.asarray(result).astype(data.dtype)]

    return compute


def _where(inputs: Inputs, _: Attributes) -> list[Any]:
    return [np.where(_of(inputs, 0), _of(inputs, 1), _of(inputs, 2))]


def _clip(inputs: Inputs, attributes: Attributes) -> list[Any]:
    low, high = _optional(inputs, 1), _optional(inputs, 2)
    return [
        np.clip(
            _of(inputs, 0),
            attributes.get("min") if low is None else low,
            attributes.get("max") if high is None else high,
        )
    ]


_OPERATORS: Mapping[str, Callable[[Inputs, Attributes], list[Any]]] = {
    "Identity": _unary(np.asarray),
    "Add": _binary(np.add),
    "Sub": _binary(np.subtract),
    "Mul": _binary(np.multiply),
    "Div": _binary(_divide),
    "Mod": _mod,
    "Pow": _binary(lambda left, right: np.power(left, right).astype(left.dtype)),
    "Min": _fold(np.minimum),
    "Max": _fold(np.maximum),
    "Sum": _fold(np.add),
    "Neg": _unary(np.negative),
    "Abs": _unary(np.abs),
    "Floor": _unary(np.floor),
    "Ceil": _unary(np.ceil),
    "Round": _unary(np.round),
    "Sqrt": _unary(np.sqrt),
    "Not": _unary(np.logical_not),
    "And": _binary(np.logical_and),
    "Or": _binary(np.logical_or),
    "Equal": _binary(np.equal),
    "Less": _binary(np.less),
    "LessOrEqual": _binary(np.less_equal),
    "Greater": _binary(np.greater),
    "GreaterOrEqual": _binary(np.greater_equal),
    "Where": _where,
    "Cast": _cast,
    "Clip": _clip,
    "Gather": _gather,
    "Concat": _concat,
    "Slice": _slice,
    "Split": _split,
    "Unsqueeze": _unsqueeze,
    "Squeeze": _squeeze,
    "Reshape": _reshape,
    "Flatten": lambda inputs, attributes: [
        _of(inputs, 0).reshape(int(np.prod(_of(inputs, 0).shape[: attributes.get("axis", 1)])), -1)
    ],
    "Transpose": _transpose,
    "ConstantOfShape": _constant_of_shape,
    "Expand": _expand,
    "Tile": _binary(lambda data, repeats: np.tile(data, repeats.tolist())),
    "Range": _range,
    "ReduceProd": _reduce(np.prod),
    "ReduceSum": _reduce(np.sum),
    "ReduceMin": _reduce(np.min),
    "ReduceMax": _reduce(np.max),
}

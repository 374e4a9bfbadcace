"""How operators beyond the standard are described: the results and the work of a node, from what it
reads.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from onnx import (
    NodeProto,
    TensorProto,
    TypeProto,
    checker,
    defs,
    helper,
    numpy_helper,
    shape_inference,
)

from solvers.onnx_reader.shapes import ABSENT, Mac, Shape, Shapes, SizeUnknown, known
from solvers.onnx_reader.sizes import Value, first_line, shape_of, tensor_type, unsized

# Operators that a runtime has its own forms of, as they were when it did.
_OPSET = 13

Result: TypeAlias = "tuple[int, Shape | None]"
"""The element type and the shape, None where it is not known."""


@dataclass(frozen=True)
class Call:
    """A node with what it reads.

    `types` and `values` are those of its inputs, None where it leaves one out or the value is not
    known; `attributes` are as the file has them, of whatever type; `block` is how many channels lie
    together in the blocked layout.
    """

    types: Sequence[TypeProto | None]
    values: Sequence[Value]
    attributes: Mapping[str, Any]
    outputs: int
    block: int

    @property
    def shapes(self) -> Shapes:
        """Those of the inputs; `ABSENT` where it leaves one out."""
        return [ABSENT if type_ is None else shape_of(type_) for type_ in self.types]

    def has(self, position: int) -> bool:
        """Whether the node has this input."""
        return position < len(self.types) and self.types[position] is not None

    def shape(self, position: int, least_rank: int = 0) -> Shape:
        """Of an input. Raises SizeUnknown; ValueError."""
        if not self.has(position):
            raise ValueError(f"no input {position}, which its operator needs")
        return known(self.shapes, position, least_rank)

    def element(self, position: int) -> int:
        """The element type of an input. Raises ValueError."""
        type_ = self.types[position] if position < len(self.types) else None
        if type_ is None:
            raise ValueError(f"no input {position}, which its operator needs")
        return type_.tensor_type.elem_type

    def whole(self, name: str, default: int | None = None) -> int:
        """An attribute that is a number. Raises ValueError."""
        value = self.attributes.get(name, default)
        if not isinstance(value, int):
            raise ValueError(f"no number as its attribute {name!r}")
        return value

    def number(self, position: int) -> int | None:
        """The value of an input that is one number, None where it is not known."""
        value = self.values[position] if position < len(self.values) else None
        return int(value.reshape(-1)[0]) if value is not None and value.size else None


Results: TypeAlias = "Callable[[Call], list[Result]]"
Work: TypeAlias = "Callable[[Call, Shapes], int]"
"""Multiply-accumulates of a node, also by the shapes of its results."""


@dataclass(frozen=True)
class Form:
    """An operator: what its results are, and its work where it counts.

    `hides_work` says that it multiplies and counts 0 all the same.
    """

    results: Results
    work: Work | None = None
    hides_work: bool = False

    def types(self, call: Call) -> list[TypeProto]:
        """The types of the node's results. Raises ValueError if it does not fit its inputs."""
        try:
            found = self.results(call)
        except SizeUnknown:
            element = call.types[0].tensor_type.elem_type if call.types and call.types[0] else 0
            return [unsized(tensor_type(element, ()))] * call.outputs
        except (ArithmeticError, AttributeError, LookupError, TypeError) as error:
            # Attributes are of any type here: what does not compute does not fit.
            raise ValueError(f"attributes or inputs that make no sense ({error})") from error
        if any(dim < 0 for _, shape in found for dim in shape or ()):
            raise ValueError("a result with a negative dimension")
        types = [
            tensor_type(element, shape) if shape is not None else unsized(tensor_type(element, ()))
            for element, shape in found
        ]
        return [*types, *[TypeProto()] * (call.outputs - len(types))]


def counted(mac: Mac) -> Work:
    """The work of a standard operator that has its inputs at the same places."""
    return lambda call, outputs: mac(call.shapes, outputs, call.attributes)


def same(position: int = 0, element: int | None = None) -> Results:
    """One result, of the shape of an input; of the element type of that one or of another."""

    def results(call: Call) -> list[Result]:
        return [(call.element(position if element is None else element), call.shape(position))]

    return results


def like(
    operator: str,
    positions: Sequence[int] = (0,),
    *,
    element: int | None = None,
    channels_last: bool | str = False,
    quantised: bool = False,
) -> Results:
    """The results of a standard operator that reads some of the inputs.

    `element` is an input that has the results' element type; a `quantised` form has that of its
    first input, of which the standard's knows nothing. With `channels_last`, or where the
    attribute of this name is set, channels are the last axis of the first input and of the first
    result.
    """

    def results(call: Call) -> list[Result]:
        last = (
            bool(call.attributes.get(channels_last))
            if isinstance(channels_last, str)
            else channels_last
        )
        kept = list(positions)
        while kept and not call.has(kept[-1]):
            kept.pop()
        found = inferred(operator, call, kept, last, quantised)
        source = 0 if quantised and element is None else element
        return [(kind if source is None else call.element(source), shape) for kind, shape in found]

    return results


def inferred(
    operator: str,
    call: Call,
    positions: Sequence[int],
    channels_last: bool = False,
    quantised: bool = False,
) -> list[Result]:
    """What onnx says of a standard operator with these inputs, of floats if they are `quantised`.
    Raises SizeUnknown; ValueError.
    """
    schema = defs.get_schema(operator, _OPSET)
    names = [str(position) if call.has(position) else "" for position in positions]
    outputs = [f"result {number}" for number in range(min(call.outputs, schema.max_output))]
    attributes = {
        name: value for name, value in call.attributes.items() if name in schema.attributes
    }
    types = {}
    for place, position in enumerate(positions):
        if call.has(position):
            shape = call.shape(position)
            types[str(position)] = tensor_type(
                TensorProto.FLOAT if quantised else call.element(position),
                _channels_first(shape) if channels_last and place == 0 else shape,
            )
    data = {
        str(position): numpy_helper.from_array(value)
        for position in positions
        if position < len(call.values) and (value := call.values[position]) is not None
    }
    node: NodeProto = helper.make_node(operator, names, outputs, **attributes)
    try:
        found = shape_inference.infer_node_outputs(schema, node, types, data)
    except (
        shape_inference.InferenceError,
        checker.ValidationError,
        RuntimeError,
    ) as error:
        raise ValueError(f"inputs that its operator never has ({first_line(error)})") from error
    results: list[Result] = []
    for place, name in enumerate(outputs):
        type_ = found.get(name, TypeProto())
        found_shape = shape_of(type_)
        if channels_last and place == 0 and found_shape is not None:
            found_shape = _channels_last(found_shape)
        results.append((type_.tensor_type.elem_type, found_shape))
    return results


def _channels_first(shape: Shape) -> Shape:
    return (*shape[:1], *shape[-1:], *shape[1:-1]) if len(shape) > 2 else shape


def _channels_last(shape: Shape) -> Shape:
    return (*shape[:1], *shape[2:], *shape[1:2]) if len(shape) > 2 else shape

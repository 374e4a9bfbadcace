"""What is given to a network: its inputs with every dimension fixed, some with their value."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NoReturn

import numpy as np
from onnx import TypeProto, ValueInfoProto, helper

from solvers.onnx_reader.dimensions import names_in, solved, value_of
from solvers.onnx_reader.network import Array, Number, Unreadable
from solvers.onnx_reader.sizes import shape_of, tensor_type

MOST_ROUNDS = 8  # through dimensions that are said by others


def fixed_inputs(
    inputs: Sequence[ValueInfoProto], shapes: Mapping[str, Sequence[int]]
) -> dict[str, TypeProto]:
    """The types of the inputs with all their dimensions. Raises Unreadable.

    What is said of a named dimension of one input holds for the others, and for those that are
    said by it.
    """
    names: dict[str, None] = {}
    for given in inputs:
        if given.name in names:
            raise Unreadable(f"two inputs are named {given.name!r}")
        names[given.name] = None
        if given.type.WhichOneof("value") != "tensor_type":
            raise Unreadable(
                f"the input {given.name!r} is not a tensor but a {_kind(given.type)}: export the"
                " network with tensors as its inputs"
            )
    for name in shapes:
        _require_input(name, names, "shapes")
    declared = {given.name: _declared(given.type) for given in inputs}
    symbols = _symbols(declared, shapes)
    fixed: dict[str, TypeProto] = {}
    for given in inputs:
        name, dims = given.name, declared[given.name]
        if name in shapes:
            shape = tuple(shapes[name])
        else:
            known = None if dims is None else [_size(dim, symbols) for dim in dims]
            if known is None or any(isinstance(dim, str) for dim in known):
                _refuse_open(name, known)
            shape = tuple(int(dim) for dim in known)
        fixed[name] = tensor_type(given.type.tensor_type.elem_type, shape)
    return fixed


def shapes_of_values(
    inputs: Sequence[ValueInfoProto],
    shapes: Mapping[str, Sequence[int]],
    values: Mapping[str, Sequence[Number]],
) -> dict[str, Sequence[int]]:
    """The shapes given, and those that follow from values: one number where the file leaves all
    open, as many as there are along one open dimension. Raises Unreadable.
    """
    declared = {given.name: _declared(given.type) for given in inputs}
    found = dict(shapes)
    for name, numbers in values.items():
        _require_input(name, declared, "values")
        dims = declared[name]
        if name in found:
            continue
        if dims is None:
            found[name] = () if len(numbers) == 1 else (len(numbers),)
        elif sum(isinstance(dim, str) for dim in dims) == 1:
            others = int(np.prod([dim for dim in dims if isinstance(dim, int)], dtype=object))
            found[name] = [
                len(numbers) // max(others, 1) if isinstance(dim, str) else dim for dim in dims
            ]
    return found


def fixed_values(
    types: Mapping[str, TypeProto], values: Mapping[str, Sequence[Number]]
) -> dict[str, Array]:
    """The values of inputs, in their types and shapes. Raises Unreadable."""
    fixed = {}
    for name, numbers in values.items():
        shape, element = shape_of(types[name]), types[name].tensor_type.elem_type
        assert shape is not None
        if int(np.prod(shape, dtype=object)) != len(numbers):
            raise Unreadable(
                f"the input {name!r} has the shape ({_listed(shape)}) and is given {len(numbers)}"
                " numbers",
                "values",
            )
        try:
            kind = helper.tensor_dtype_to_np_dtype(element)
            array = np.array(numbers).reshape(shape).astype(kind)
        except (KeyError, ValueError, TypeError, OverflowError):
            raise Unreadable(
                f"the input {name!r} is of no type that numbers fix", "values"
            ) from None
        if not np.array_equal(array.astype(object), np.array(numbers).reshape(shape)) and (
            np.issubdtype(kind, np.integer) or kind == np.bool_
        ):
            raise Unreadable(f"the values of {name!r} do not fit its type, {kind}", "values")
        fixed[name] = array
    return fixed


def _require_input(name: str, names: Iterable[str], option: str) -> None:
    if name not in names:
        have = ", ".join(repr(each) for each in names) or "none"
        raise Unreadable(f"the network has no input {name!r}; its inputs: {have}", option)


def _kind(type_: TypeProto) -> str:
    return (type_.WhichOneof("value") or "thing of no type").removesuffix("_type").replace("_", " ")


def _declared(type_: TypeProto) -> list[int | str] | None:
    """Dimensions of an input: numbers, and names where they are open; None if not even their count
    is known.
    """
    if not type_.tensor_type.HasField("shape"):
        return None
    return [
        dim.dim_value if dim.dim_value > 0 else (dim.dim_param or "?")
        for dim in type_.tensor_type.shape.dim
    ]


def _size(dim: int | str, symbols: Mapping[str, int]) -> int | str:
    if isinstance(dim, int):
        return dim
    if dim in symbols:
        return symbols[dim]
    value = value_of(dim, symbols)
    return dim if value is None else value


def _symbols(
    declared: Mapping[str, Sequence[int | str] | None], shapes: Mapping[str, Sequence[int]]
) -> dict[str, int]:
    """Named dimensions by what is given, also through those that are said by them."""
    symbols: dict[str, int] = {}
    plain = {dim for dims in declared.values() for dim in dims or () if str(dim).isidentifier()}
    said: list[tuple[str, int]] = []
    for name, dims in declared.items():
        if name in shapes and dims is not None:
            said += _compare(name, dims, shapes[name], symbols, {str(dim) for dim in plain})
    for _ in range(MOST_ROUNDS):
        for text, size in said:
            unknown = names_in(text, {str(dim) for dim in plain}) - symbols.keys()
            if len(unknown) == 1:
                (name,) = unknown
                value = solved(text, name, size, symbols)
                if value is not None:
                    symbols[name] = value
                elif text.count(name) == 1 and "*" in text:
                    raise Unreadable(
                        f"the dimension {text!r} is given as {size}, which no {name!r} makes",
                        "shapes",
                    )
        if all(names_in(text, ()) <= symbols.keys() for text, _ in said):
            break
    for text, size in said:
        value = value_of(text, symbols)
        if value is not None and value != size:
            raise Unreadable(
                f"the dimension {text!r} is given as {size}, and is {value} by the others", "shapes"
            )
    return symbols


def _compare(
    name: str,
    dims: Sequence[int | str],
    given: Sequence[int],
    symbols: dict[str, int],
    plain: set[str],
) -> list[tuple[str, int]]:
    """Those of an input's dimensions that are said by others, with what is given."""
    if len(dims) != len(given):
        raise Unreadable(
            f"the input {name!r} has {len(dims)} dimensions ({_listed(dims)}), not the {len(given)}"
            " given",
            "shapes",
        )
    said = []
    for dim, size in zip(dims, given, strict=True):
        if isinstance(dim, int):
            if dim != size:
                raise Unreadable(
                    f"the input {name!r} is fixed at {_listed(dims)} in the file; {_listed(given)}"
                    " does not fit",
                    "shapes",
                )
        elif names_in(dim, plain):
            said.append((dim, size))
        elif dim != "?" and symbols.setdefault(dim, size) != size:
            raise Unreadable(
                f"the dimension {dim!r} is given as {symbols[dim]} and as {size}", "shapes"
            )
    return said


def _refuse_open(name: str, dims: Sequence[int | str] | None) -> NoReturn:
    if dims is None:
        raise Unreadable(
            f"the input {name!r} does not say its dimensions: give them, as in"
            f" shape={name}:1,3,224,224, or shape={name}: if it is one number",
            "shapes",
        )
    example = ",".join(
        str(dim) if isinstance(dim, int) else ("1" if place == 0 else "N")
        for place, dim in enumerate(dims)
    )
    raise Unreadable(
        f"the input {name!r} has open dimensions ({_listed(dims)}): fix them, as in"
        f" shape={name}:{example}" + (" with numbers for N" if "N" in example else ""),
        "shapes",
    )


def _listed(dims: Iterable[int | str]) -> str:
    return ",".join(str(dim) for dim in dims)

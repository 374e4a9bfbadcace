"""What is given to a network: its inputs with every dimension fixed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NoReturn

from onnx import TypeProto, ValueInfoProto

from solvers.onnx_reader.network import Unreadable
from solvers.onnx_reader.sizes import tensor_type


def fixed_inputs(
    inputs: Sequence[ValueInfoProto], shapes: Mapping[str, Sequence[int]]
) -> dict[str, TypeProto]:
    """The types of the inputs with all their dimensions. Raises Unreadable.

    What is said of a named dimension of one input holds for the others.
    """
    names: dict[str, None] = {}
    for given in inputs:
        if given.name in names:
            raise Unreadable(f"two inputs are named {given.name!r}")
        names[given.name] = None
    for name in shapes:
        if name not in names:
            have = ", ".join(repr(each) for each in names) or "none"
            raise Unreadable(f"the network has no input {name!r}; its inputs: {have}", "shapes")
    declared = {given.name: _declared(given.type) for given in inputs}
    symbols: dict[str, int] = {}
    for name, dims in declared.items():
        if name in shapes and dims is not None:
            _compare(name, dims, shapes[name], symbols)
    fixed: dict[str, TypeProto] = {}
    for given in inputs:
        name, dims = given.name, declared[given.name]
        if given.type.WhichOneof("value") != "tensor_type":
            raise Unreadable(f"the input {name!r} is not a tensor")
        if name in shapes:
            shape = tuple(shapes[name])
        else:
            known = (
                None
                if dims is None
                else [symbols.get(dim, dim) if isinstance(dim, str) else dim for dim in dims]
            )
            if known is None or any(isinstance(dim, str) for dim in known):
                _refuse_open(name, known)
            shape = tuple(int(dim) for dim in known)
        fixed[name] = tensor_type(given.type.tensor_type.elem_type, shape)
    return fixed


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


def _compare(
    name: str, dims: Sequence[int | str], given: Sequence[int], symbols: dict[str, int]
) -> None:
    if len(dims) != len(given):
        raise Unreadable(
            f"the input {name!r} has {len(dims)} dimensions ({_listed(dims)}), not the {len(given)}"
            " given",
            "shapes",
        )
    for dim, size in zip(dims, given, strict=True):
        if isinstance(dim, int):
            if dim != size:
                raise Unreadable(
                    f"the input {name!r} is fixed at {_listed(dims)} in the file; {_listed(given)}"
                    " does not fit",
                    "shapes",
                )
        elif dim != "?" and symbols.setdefault(dim, size) != size:
            raise Unreadable(
                f"the dimension {dim!r} is given as {symbols[dim]} and as {size}", "shapes"
            )


def _refuse_open(name: str, dims: Sequence[int | str] | None) -> NoReturn:
    if dims is None:
        raise Unreadable(
            f"the input {name!r} does not say its dimensions: give them, as in"
            f" shape={name}:1,3,224,224",
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

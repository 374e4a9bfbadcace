"""Sizes that depend on the data, as they are given: `boxes:100`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from onnx import NodeProto, TypeProto

from solvers.onnx_reader.network import Unreadable
from solvers.onnx_reader.sizes import shape_of, tensor_type


class Sizes:
    """Fills the open dimensions of results.

    An open dimension that no name is given for gets a name of its own, which onnx's rules carry on
    to where the file itself names it: `named` has what was so learnt, also in a walk before.
    `assumed` are the tensors whose size was given or follows from one; a Shape of them is no
    constant, since the data may make it another.
    """

    def __init__(self, given: Mapping[str, Sequence[int]], before: Sizes | None = None) -> None:
        self.given = given
        self.assumed: set[str] = set()
        self.named: dict[str, int] = {} if before is None else dict(before.named)
        self._before = len(self.named)
        self._used: set[str] = set() if before is None else set(before._used)

    def learnt(self) -> bool:
        """Whether this walk found what the one before it did not know."""
        return len(self.named) > self._before

    def dimension(self, name: str) -> int | None:
        """What is given for a dimension that the file names."""
        size = self.given.get(name)
        if size is None or len(size) != 1:
            return None
        self._used.add(name)
        return size[0]

    def link(self, own: str, name: str) -> None:
        """The file names a dimension `name` which a result brought into the graph as `own`."""
        size = self.dimension(name)
        if size is not None and own.startswith("?"):
            self.named[own] = size

    def rounds(self, node: NodeProto) -> int | None:
        """What is given for how often a Loop runs, by its name or that of a result."""
        for name in filter(None, (node.name, *node.output)):
            if name in self.given:
                self._used.add(name)
                return self.given[name][0]
        return None

    def filled(
        self, node: NodeProto, reads: Sequence[str], types: Sequence[TypeProto]
    ) -> list[TypeProto]:
        """The types of a node's results with the sizes that are given. Raises Unreadable."""
        filled = []
        follows = not self.assumed.isdisjoint(reads)
        for name, type_ in zip(node.output, types, strict=False):
            open_before = shape_of(type_) is None
            if name and open_before and type_.WhichOneof("value") == "tensor_type":
                type_ = self._one(name, type_)
            if follows or (open_before and shape_of(type_) is not None):
                self.assumed.add(name)
            filled.append(type_)
        return filled

    def _one(self, name: str, type_: TypeProto) -> TypeProto:
        sizes = self.given.get(name)
        element = type_.tensor_type.elem_type
        if not type_.tensor_type.HasField("shape"):
            if sizes is None:
                return type_
            self._used.add(name)
            return tensor_type(element, sizes)
        filled = TypeProto()
        filled.CopyFrom(type_)
        dims = [dim for dim in filled.tensor_type.shape.dim if not dim.HasField("dim_value")]
        if sizes is not None:
            if len(sizes) != len(dims):
                raise Unreadable(
                    f"the tensor {name!r} has {len(dims)} open dimensions, and {len(sizes)} sizes"
                    " are given",
                    "sizes",
                )
            self._used.add(name)
        for place, dim in enumerate(dims):
            own = dim.dim_param or f"?{name}.{place}"
            size = self.named.get(own) if sizes is None else sizes[place]
            if size is None:
                dim.dim_param = own
            else:
                dim.dim_value = size
        return filled

    def require_used(self) -> None:
        """Raise Unreadable if a name is given that nothing has whose size is open."""
        for name in self.given:
            if name not in self._used:
                raise Unreadable(
                    f"nothing named {name!r} has a size that depends on the data: name a tensor, a"
                    " dimension that the file names, or a Loop",
                    "sizes",
                )

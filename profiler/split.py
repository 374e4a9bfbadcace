"""Two real halves of an ONNX file: what a device runs up to a cut, and what a server runs after
it.
"""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx
from numpy.typing import NDArray
from onnx import (
    AttributeProto,
    GraphProto,
    ModelProto,
    NodeProto,
    TensorProto,
    TypeProto,
    ValueInfoProto,
    numpy_helper,
)

# From 4 on weights need not be graph inputs; the checker wants 8 with today's operators.
_LEAST_IR = 8
_WEIGHTS = "weights.bin"
_PAGE_BYTE = 4096  # a runtime maps the file, and maps whole pages
_SMALL_BYTE = 4096  # what a shape computation may hold; larger constants are weights


class NotACut(ValueError):
    """Tensors that do not part the graph: an output can be reached from an input past them."""


class UnknownTensor(ValueError):
    """A name that the graph does not have, or whose type nobody can tell."""


@dataclass(frozen=True)
class Half:
    """One side of a cut as a model of its own.

    Attributes
    ----------
    model : serialized ONNX; empty where nothing is left to run on this side
    inputs, outputs : names of its tensors, those of the whole graph
    folder : where the file with its weights lies; None if they are in `model`
    """

    model: bytes
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    folder: Path | None


@dataclass(frozen=True)
class Halves:
    """Both sides of a cut.

    Whatever the server reads is an input of the whole graph or an output of the device.
    """

    device: Half
    server: Half


class Graph:
    """An ONNX model, ready to be split anywhere.

    Parameters
    ----------
    model : the whole model, weights included; it is not changed
    shape_values : results of Shape and Size nodes that are known beforehand, put in their place:
        the tensors that they measure need not cross
    folder : where to put the weights in a file that all halves share; without one each half carries
        its own
    most_ir : the newest version of the format that whoever runs the halves reads
    """

    def __init__(
        self,
        model: ModelProto,
        shape_values: Mapping[str, Sequence[int]] | None = None,
        folder: Path | None = None,
        most_ir: int | None = None,
    ) -> None:
        # A copy without weights: whatever refers to a message keeps all of its file in memory.
        self._model = _bare(model)
        self._folder, self._most_ir = folder, most_ir
        graph = self._model.graph
        weights = (
            model.graph.initializer if folder is None else _stored(model.graph.initializer, folder)
        )
        self._weights = {tensor.name: tensor for tensor in weights}
        self._sparse = {tensor.values.name: tensor for tensor in graph.sparse_initializer}
        # Before IR 4 every weight was listed among the inputs too.
        self._inputs: dict[str, ValueInfoProto] = {
            value.name: value
            for value in graph.input
            if value.name not in self._weights and value.name not in self._sparse
        }
        self._outputs: dict[str, ValueInfoProto] = {value.name: value for value in graph.output}
        self._made_by = {
            name: position
            for position, node in enumerate(graph.node)
            for name in node.output
            if name
        }
        self._reads = [tuple(_reads(node)) for node in graph.node]
        self._types = dict(_inferred(self._model))
        for name, values in (shape_values or {}).items():
            position = self._made_by.pop(name, None)
            if position is not None:
                dims = () if graph.node[position].op_type == "Size" else (len(values),)
                self._weights[name] = onnx.helper.make_tensor(name, TensorProto.INT64, dims, values)

    @property
    def inputs(self) -> tuple[str, ...]:
        """The tensors a caller feeds, in the file's order."""
        return tuple(self._inputs)

    @property
    def outputs(self) -> tuple[str, ...]:
        """The tensors a caller gets, in the file's order."""
        return tuple(self._outputs)

    def untyped(self, tensors: Iterable[str]) -> tuple[str, ...]:
        """Those of the tensors whose type onnx cannot infer: `learn` it from a run of `exposing`
        before splitting.
        """
        known = (self._types, self._inputs, self._outputs)
        return tuple(
            name for name in dict.fromkeys(tensors) if not any(name in table for table in known)
        )

    def learn(self, name: str, element: int, shape: Sequence[int]) -> None:
        """Give a tensor's type, `element` as in TensorProto.DataType."""
        self._types[name] = onnx.helper.make_tensor_type_proto(element, shape)

    def halves(self, tensors: Sequence[str]) -> Halves:
        """Split at the tensors that cross.

        A graph output that does not depend on them is made on the device, and so crosses as well;
        with no tensors at all everything runs on the device. Raises NotACut, UnknownTensor.
        """
        crossing = tuple(dict.fromkeys(tensors))
        for name in crossing:
            if name not in self._made_by and name not in self._inputs:
                raise UnknownTensor(f"the graph has no tensor {name!r} that depends on its inputs")
        early: list[str] = []
        late: list[str] = []
        for output in self._outputs:
            if output in crossing:
                continue
            _, leaves = self._behind([output], stops=crossing)
            past = [name for name in self._inputs if name in leaves and name not in crossing]
            through = [name for name in crossing if name in leaves]
            if past and through:
                raise NotACut(
                    f"{', '.join(map(repr, crossing))} do not part the graph: {output!r} depends on"
                    f" them, but also on the input {past[0]!r} past them"
                )
            (late if crossing and not past else early).append(output)
        device = self._half(
            [*(name for name in crossing if name not in self._inputs), *early], stops=()
        )
        return Halves(device=device, server=self._half(late, stops=crossing))

    def exposing(self, tensors: Iterable[str]) -> Half:
        """The whole graph with some tensors as outputs beside its own."""
        shown = [
            name
            for name in dict.fromkeys(tensors)
            if name not in self._outputs and name not in self._inputs
        ]
        return self._half([*self._outputs, *shown], stops=(), typed=False)

    def _behind(self, targets: Iterable[str], stops: Iterable[str]) -> tuple[set[int], set[str]]:
        """Nodes that the targets need, and the names they start from: inputs, weights and stops."""
        ends, nodes, leaves, open_names = set(stops), set[int](), set[str](), list(targets)
        while open_names:
            name = open_names.pop()
            position = self._made_by.get(name)
            if name in ends or position is None:
                leaves.add(name)
            elif position not in nodes:
                nodes.add(position)
                open_names += self._reads[position]
        return nodes, leaves

    def _half(self, targets: Sequence[str], stops: Sequence[str], typed: bool = True) -> Half:
        nodes, leaves = self._behind(targets, stops)
        inputs = [name for name in (*self._inputs, *stops) if name in leaves]
        inputs = list(dict.fromkeys(inputs))
        if not nodes:
            return Half(model=b"", inputs=(), outputs=(), folder=None)
        weights = [name for name in self._weights if name in leaves and name not in inputs]
        sparse = [name for name in self._sparse if name in leaves and name not in inputs]
        # A runtime that folded this file before gave its constants names that it will want to give
        # again.
        renamed = {name: f"weight.{number}" for number, name in enumerate(weights)}
        renamed = {
            name: new
            for name, new in renamed.items()
            if new not in self._made_by and new not in self._inputs
        }
        half = ModelProto()
        half.ir_version = max(self._model.ir_version, _LEAST_IR)
        if self._most_ir is not None:
            half.ir_version = min(half.ir_version, self._most_ir)
        half.producer_name = "splitplan-profiler"
        half.opset_import.extend(self._model.opset_import)
        half.functions.extend(self._model.functions)
        half.graph.name = self._model.graph.name or "half"
        for position in sorted(nodes):
            node = half.graph.node.add()
            node.CopyFrom(self._model.graph.node[position])
            _rename(node, renamed)
        for name in weights:
            tensor = half.graph.initializer.add()
            tensor.CopyFrom(self._weights[name])
            tensor.name = renamed.get(name, name)
        half.graph.sparse_initializer.extend(self._sparse[name] for name in sparse)
        half.graph.input.extend(self._value(name) for name in inputs)
        half.graph.output.extend(
            self._value(name) if typed else self._untyped(name) for name in targets
        )
        return Half(
            half.SerializeToString(),
            inputs=tuple(inputs),
            outputs=tuple(targets),
            folder=self._folder,
        )

    def _value(self, name: str) -> ValueInfoProto:
        if name in self._inputs:
            return self._inputs[name]
        if name in self._types:
            return ValueInfoProto(name=name, type=self._types[name])
        if name in self._outputs:
            return self._outputs[name]
        raise UnknownTensor(f"the type of tensor {name!r} cannot be inferred")

    def _untyped(self, name: str) -> ValueInfoProto:
        return self._outputs[name] if name in self._outputs else ValueInfoProto(name=name)


def bound(
    model: ModelProto,
    shapes: Mapping[str, Sequence[int]],
    values: Mapping[str, NDArray[Any]] | None = None,
) -> ModelProto:
    """The same model with the dimensions of some inputs fixed, and others made constants, without
    the types of inner tensors that it claimed.
    """
    fixed = ModelProto()
    fixed.CopyFrom(model)
    del fixed.graph.value_info[:]
    for value in fixed.graph.input:
        if value.name in shapes:
            element = value.type.tensor_type.elem_type
            value.type.CopyFrom(onnx.helper.make_tensor_type_proto(element, shapes[value.name]))
    values = values or {}
    for position in reversed(range(len(fixed.graph.input))):
        if fixed.graph.input[position].name in values:
            del fixed.graph.input[position]
    fixed.graph.initializer.extend(
        numpy_helper.from_array(value, name) for name, value in values.items()
    )
    return fixed


def _bodies(node: NodeProto) -> Iterator[GraphProto]:
    for attribute in node.attribute:
        if attribute.type == AttributeProto.GRAPH:
            yield attribute.g
        elif attribute.type == AttributeProto.GRAPHS:
            yield from attribute.graphs


def _reads(node: NodeProto) -> Iterator[str]:
    """What a node reads, tensors that its If, Loop and Scan bodies take from around them
    included.
    """
    yield from (name for name in node.input if name)
    for body in _bodies(node):
        own = {value.name for value in body.input} | {tensor.name for tensor in body.initializer}
        own |= {name for inner in body.node for name in inner.output}
        for inner in body.node:
            yield from (name for name in _reads(inner) if name not in own)
        yield from (value.name for value in body.output if value.name not in own)


def _rename(node: NodeProto, renamed: Mapping[str, str]) -> None:
    """New names for what a node reads; names in its bodies never shadow those around them (ONNX's
    IR).
    """
    for position, name in enumerate(node.input):
        node.input[position] = renamed.get(name, name)
    for body in _bodies(node):
        for inner in body.node:
            _rename(inner, renamed)
        for value in body.output:
            value.name = renamed.get(value.name, value.name)


def _inferred(bare: ModelProto) -> Iterator[tuple[str, TypeProto]]:
    """Types by onnx's own inference, which never needs the weights' data."""
    inferred = onnx.shape_inference.infer_shapes(bare, data_prop=True).graph
    for value in (*inferred.value_info, *inferred.output):
        if value.type.WhichOneof("value") is not None:
            yield value.name, value.type


def _stored(weights: Iterable[TensorProto], folder: Path) -> Iterator[TensorProto]:
    """The same weights, large ones as places in a file: halves load faster, and share what kernels
    use as it is.
    """
    with (folder / _WEIGHTS).open("wb") as file:
        for tensor in weights:
            if tensor.ByteSize() <= _SMALL_BYTE or tensor.data_type == TensorProto.STRING:
                kept = TensorProto()
                kept.CopyFrom(tensor)
                yield kept
                continue
            # Elements of two or four bits are several to a byte, whichever field they came in.
            packed = tensor.raw_data or numpy_helper.from_array(numpy_helper.to_array(tensor))
            content = packed if isinstance(packed, bytes) else packed.raw_data
            file.seek(-file.tell() % _PAGE_BYTE, os.SEEK_CUR)
            place = TensorProto(name=tensor.name, data_type=tensor.data_type, dims=tensor.dims)
            place.data_location = TensorProto.EXTERNAL
            for key, value in (
                ("location", _WEIGHTS),
                ("offset", file.tell()),
                ("length", len(content)),
            ):
                place.external_data.add(key=key, value=str(value))
            file.write(content)
            yield place


def _bare(model: ModelProto) -> ModelProto:
    """The same model without the data of large weights."""
    graph = model.graph
    bare = ModelProto(
        ir_version=model.ir_version,
        opset_import=model.opset_import,
        functions=model.functions,
        graph=GraphProto(
            name=graph.name,
            node=graph.node,
            input=graph.input,
            output=graph.output,
            value_info=graph.value_info,
            sparse_initializer=graph.sparse_initializer,
        ),
    )
    for tensor in graph.initializer:
        if tensor.ByteSize() <= _SMALL_BYTE:
            bare.graph.initializer.add().CopyFrom(tensor)
        else:
            bare.graph.initializer.add(
                name=tensor.name, data_type=tensor.data_type, dims=tensor.dims
            )
    return bare

"""A graph as the file has it: who reads what, and an order to walk it in."""

from __future__ import annotations

import heapq
from collections.abc import Iterator

from onnx import AttributeProto, GraphProto, NodeProto, ValueInfoProto

from solvers.onnx_reader.network import Unreadable


def called(node: NodeProto) -> str:
    return (
        f"the node {node.name or node.output[0]!r} ({node.op_type})"
        if node.output
        else f"a node ({node.op_type})"
    )


def bodies_of(node: NodeProto) -> list[GraphProto]:
    return [
        body
        for attribute in node.attribute
        for body in ([attribute.g] if attribute.type == AttributeProto.GRAPH else attribute.graphs)
    ]


def inputs_of(graph: GraphProto) -> list[ValueInfoProto]:
    """What is given to the graph: before IR 4 its constants were listed among its inputs too."""
    constants = {tensor.name for tensor in graph.initializer}
    constants |= {tensor.values.name for tensor in graph.sparse_initializer}
    return [given for given in graph.input if given.name not in constants]


def captured_by(graph: GraphProto) -> set[str]:
    """Names that a body reads and does not define: tensors around it."""
    defined = {formal.name for formal in graph.input} | {
        tensor.name for tensor in graph.initializer
    }
    defined |= {tensor.values.name for tensor in graph.sparse_initializer}
    defined |= {name for node in graph.node for name in node.output}
    read = {output.name for output in graph.output}
    for node in graph.node:
        read.update(node.input)
        for body in bodies_of(node):
            read |= captured_by(body)
    return read - defined - {""}


def read_in(graph: GraphProto) -> set[str]:
    """Names that something in the graph or its bodies reads."""
    read = {output.name for output in graph.output}
    for node in graph.node:
        read.update(node.input)
        for body in bodies_of(node):
            read |= read_in(body)
    return read - {""}


def in_order(graph: GraphProto) -> Iterator[NodeProto]:
    """The nodes, each after those whose results it reads; in the file's order where that allows
    it.
    """
    maker: dict[str, int] = {}
    for position, node in enumerate(graph.node):
        for name in filter(None, node.output):
            if name in maker:
                raise Unreadable(f"two nodes make {name!r}; the second is {called(node)}")
            maker[name] = position
        if not any(node.output):
            raise Unreadable(f"a node ({node.op_type}) makes nothing")
    reads = [
        {
            maker[name]
            for name in {
                *node.input,
                *(free for body in bodies_of(node) for free in captured_by(body)),
            }
            & maker.keys()
        }
        for node in graph.node
    ]
    if all(before < position for position, sources in enumerate(reads) for before in sources):
        yield from graph.node
        return
    waiting = [len(sources) for sources in reads]
    readers: list[list[int]] = [[] for _ in reads]
    for position, sources in enumerate(reads):
        for source in sources:
            readers[source].append(position)
    ready = [position for position, count in enumerate(waiting) if not count]
    placed = 0
    while ready:
        position = heapq.heappop(ready)
        placed += 1
        yield graph.node[position]
        for reader in readers[position]:
            waiting[reader] -= 1
            if not waiting[reader]:
                heapq.heappush(ready, reader)
    if placed < len(reads):
        stuck = next(position for position, count in enumerate(waiting) if count)
        raise Unreadable(f"the graph has a loop through {called(graph.node[stuck])}")


def require_text(graph: GraphProto) -> None:
    """Raise Unreadable unless all names are text: protobuf hands out what is not UTF-8 as bytes."""
    names: list[object] = [
        given.name for given in (*graph.input, *graph.output, *graph.initializer)
    ]
    names += [tensor.values.name for tensor in graph.sparse_initializer]
    for node in graph.node:
        names += [node.name, node.op_type, node.domain, *node.input, *node.output]
        names += [attribute.name for attribute in node.attribute]
        for body in bodies_of(node):
            require_text(body)
    if not all(isinstance(name, str) for name in names):
        raise Unreadable("the file is not an ONNX model: a name in it is not UTF-8")

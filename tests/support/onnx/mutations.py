"""Damage of two kinds: to the bytes of a file, and to what they mean."""

import random
from collections.abc import Sequence

from onnx import AttributeProto, ModelProto, TensorProto

HOSTILE = (0, 1, -1, 2, 7, 2**31 - 1, 2**31, 2**40, 2**62, 2**63 - 1, -(2**63))


def damaged(seeds: Sequence[bytes], rng: random.Random) -> bytes:
    """One of the seeds with bits flipped, cut short, spliced with another, or its fields made
    hostile.
    """
    content = rng.choice(seeds)
    kind = rng.randrange(8)
    if kind == 0:
        return flipped(content, rng)
    if kind == 1:
        return content[: rng.randrange(len(content) + 1)]
    if kind == 2:
        return spliced(content, rng.choice(seeds), rng)
    if kind == 3:
        start = rng.randrange(len(content))
        return content[:start] + content[start + rng.randrange(1, 64) :]
    model = ModelProto.FromString(content)
    for _ in range(rng.choice((1, 1, 1, 2, 5))):
        mean(model, rng)
    return model.SerializeToString()


def flipped(content: bytes, rng: random.Random) -> bytes:
    """Some bits are others, some bytes extreme."""
    changed = bytearray(content)
    for _ in range(rng.choice((1, 2, 8, 64))):
        place = rng.randrange(len(changed))
        changed[place] = rng.choice(
            (changed[place] ^ 1 << rng.randrange(8), 0, 0x7F, 0xFF, rng.randrange(256))
        )
    return bytes(changed)


def spliced(content: bytes, other: bytes, rng: random.Random) -> bytes:
    """A piece of another file put into this one, or one file after the other, which protobuf
    merges.
    """
    if rng.random() < 0.3:
        return content + other
    start = rng.randrange(len(other))
    piece = other[start : start + rng.choice((4, 40, 400, 4000))]
    place = rng.randrange(len(content))
    return content[:place] + piece + content[place + rng.choice((0, len(piece))) :]


def mean(model: ModelProto, rng: random.Random) -> None:
    """Change what one field says."""
    graph = model.graph
    if not graph.node:
        return
    bodies = [
        attribute.g
        for node in graph.node
        for attribute in node.attribute
        if attribute.HasField("g")
    ]
    if bodies and rng.random() < 0.4:
        graph = rng.choice(bodies) if rng.random() < 0.8 else graph
    nodes = list(graph.node) or list(model.graph.node)
    node, other = rng.choice(nodes), rng.choice(nodes)
    names = [name for each in nodes for name in (*each.input, *each.output)] or ["nothing"]
    tensors = list(model.graph.initializer)
    inputs = list(model.graph.input)
    match rng.randrange(16):
        case 0 if tensors:
            tensor = rng.choice(tensors)
            if tensor.dims:
                tensor.dims[rng.randrange(len(tensor.dims))] = rng.choice(HOSTILE)
            else:
                tensor.dims.append(rng.choice(HOSTILE))
        case 1 if tensors:
            rng.choice(tensors).data_type = rng.choice((0, *TensorProto.DataType.values(), 99))
        case 2 if inputs:
            dims = rng.choice(inputs).type.tensor_type.shape.dim
            if dims:
                dims[rng.randrange(len(dims))].dim_value = rng.choice(HOSTILE)
        case 3 if node.input:
            node.input[rng.randrange(len(node.input))] = rng.choice([*names, "", "nothing"])
        case 4 if node.output:
            node.output[rng.randrange(len(node.output))] = rng.choice([*names, ""])
        case 5:
            node.op_type = rng.choice(
                [
                    other.op_type,
                    "If",
                    "Loop",
                    "Scan",
                    "Reshape",
                    "Constant",
                    "Conv",
                    "LSTM",
                    "Nothing",
                    "SequenceAt",
                ]
            )
        case 6:
            node.domain = rng.choice(["", "ai.onnx.ml", "com.microsoft", "own"])
        case 7 if node.attribute:
            attribute = rng.choice(list(node.attribute))
            if attribute.ints:
                attribute.ints[rng.randrange(len(attribute.ints))] = rng.choice(HOSTILE)
            attribute.i = rng.choice(HOSTILE)
        case 8 if node.attribute:
            del node.attribute[rng.randrange(len(node.attribute))]
        case 9 if node.attribute:
            rng.choice(list(node.attribute)).type = rng.choice(
                AttributeProto.AttributeType.values()
            )
        case 10:
            graph.node.append(other)
        case 11:
            graph.node.remove(node)
        case 12 if model.opset_import:
            model.opset_import[0].version = rng.choice((*HOSTILE, 1, 3, 6, 9, 13, 21, 26))
        case 13 if tensors:
            tensor = rng.choice(tensors)
            tensor.raw_data = rng.choice((b"", b"\xff" * 8, tensor.raw_data * 2, b"\0" * 1000))
        case 14:
            del node.input[:]
            node.input.extend(other.input)
        case 15:
            graph.input.append(rng.choice(inputs) if inputs else graph.input.add())
        case _:
            graph.ClearField("output")

"""The light graphs that come with onnx, with weights that make their outputs depend on their
inputs.
"""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, numpy_helper

from solvers.arrays import Floats

FOLDER = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"


def names() -> list[str]:
    """Networks that come with the installed onnx."""
    return sorted(path.stem.removeprefix("light_") for path in FOLDER.glob("light_*.onnx"))


def weighted(name: str, seed: int = 0) -> ModelProto:
    """A network with seeded He weights; its last logits have a standard deviation of about 1.

    In the file each weight is one constant, filled in when it runs: every input would give the same
    output, and two halves would agree whatever they were.
    """
    model = onnx.load(FOLDER / f"light_{name}.onnx")
    graph = model.graph
    rng = np.random.default_rng(seed)
    shapes = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    filled = {
        node.output[0]: tuple(shapes[node.input[0]])
        for node in graph.node
        if node.op_type == "ConstantOfShape"
    }
    nodes = [node for node in graph.node if node.op_type != "ConstantOfShape"]
    readers = {name: (node, place) for node in nodes for place, name in enumerate(node.input)}
    images = [value for value in graph.input if value.name not in shapes]
    used = [tensor for tensor in graph.initializer if tensor.name in readers]
    for part, kept in ((graph.node, nodes), (graph.input, images), (graph.initializer, used)):
        del part[:]
        part.extend(kept)
    for weight, shape in filled.items():
        reader, place = readers[weight]
        while reader.op_type in ("Unsqueeze", "Reshape"):
            reader, place = readers[reader.output[0]]
        values = _drawn(rng, shape, reader, place)
        graph.initializer.append(numpy_helper.from_array(values.astype(np.float32), weight))
    model.ir_version = 8  # 3 in the files, in which weights are inputs
    _calm_logits(model)
    return model


def an_image(model: ModelProto, seed: int) -> dict[str, NDArray[np.float32]]:
    """A smooth random image: white noise would look the same to a network that averages over its
    pixels.
    """
    rng = np.random.default_rng(seed)
    (value,) = model.graph.input
    batch, channels, height, width = (dim.dim_value for dim in value.type.tensor_type.shape.dim)
    blocks = rng.standard_normal((batch, channels, height // 32, width // 32))
    pixels = np.kron(blocks, np.ones((32, 32))) + 0.1 * rng.standard_normal(
        (batch, channels, height, width)
    )
    return {value.name: pixels.astype(np.float32)}


def _drawn(
    rng: np.random.Generator, shape: tuple[int, ...], reader: NodeProto, place: int
) -> Floats:
    match reader.op_type, place:
        case ("Conv", 1):
            return rng.normal(0.0, np.sqrt(2.0 / np.prod(shape[1:])), shape)
        case ("Gemm", 1):
            transposed = any(
                attribute.name == "transB" and attribute.i for attribute in reader.attribute
            )
            return rng.normal(0.0, np.sqrt(2.0 / shape[-1 if transposed else -2]), shape)
        case ("BatchNormalization", 1 | 4) | ("Mul", _):  # scales and variances
            return rng.uniform(0.6, 1.4, shape)
        case _:  # biases, shifts and means
            return rng.normal(0.0, 0.1, shape)


def _calm_logits(model: ModelProto) -> None:
    """Scale the last weights, so that no softmax saturates and hides a difference."""
    graph = model.graph
    weights = {tensor.name: tensor for tensor in graph.initializer}
    last = next(node for node in reversed(graph.node) if node.op_type in ("Conv", "Gemm"))
    shown = onnx.ModelProto()
    shown.CopyFrom(model)
    del shown.graph.output[:]
    shown.graph.output.append(onnx.ValueInfoProto(name=last.output[0]))
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        shown.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    (logits,) = session.run(None, an_image(model, seed=0))
    made_by = {node.output[0]: node for node in graph.node}
    name = last.input[1]
    while name not in weights:
        name = made_by[name].input[0]
    values = numpy_helper.to_array(weights[name]) / logits.std()
    weights[name].CopyFrom(numpy_helper.from_array(values.astype(np.float32), name))

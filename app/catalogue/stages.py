"""Networks as chains of stages, and what every place to cut between them costs."""

import math
from dataclasses import dataclass

from onnx import ModelProto

from app.catalogue.blocks import FLOAT32_BYTE
from app.catalogue.graphs import Graph, Tensor
from app.catalogue.layers import Layer
from solvers.onnx_reader import Cut, Options, read

Stage = tuple[str, Layer]  # a cut's name and the layers that end in it


@dataclass(frozen=True, slots=True)
class Network:
    """A chain of stages between which a single tensor lives, so that each border is a place to
    cut.
    """

    name: str
    stages: tuple[Stage, ...]
    reference: str


def onnx_model(network: Network) -> ModelProto:
    """The network as an ONNX file, each stage's last tensor named for it."""
    graph = Graph()
    tensor = graph.input
    for name, layer in network.stages:
        made = layer(graph, tensor)
        graph.nodes[-1].output[0] = name
        tensor = Tensor(name, made.shape)
    return graph.model(tensor)


def result_byte(network: Network) -> int:
    """What the network answers: the output's elements as float32."""
    (output,) = onnx_model(network).graph.output
    dims = output.type.tensor_type.shape.dim
    return FLOAT32_BYTE * math.prod(int(each.dim_value) for each in dims)


def cuts(network: Network) -> list[Cut]:
    """All cuts from "input" (nothing on the device) to the last stage (the result stays there:
    nothing crosses).

    The reader finds more places: within MobileNet's blocks that do not add their input, where only
    wider tensors live.
    """
    found = read(
        onnx_model(network).SerializeToString(), options=Options(fusion_boundaries=True)
    ).cuts
    stages = ["input", *(name for name, _ in network.stages)]
    kept = [cut for cut in found if cut.name in stages]
    if [cut.name for cut in kept] != stages:
        raise ValueError(
            f"{network.name} cannot be cut at {set(stages) - {cut.name for cut in kept}}"
        )
    return kept

"""ONNX graphs written node by node: weights have shapes and no data."""

from dataclasses import dataclass
from typing import Any

from onnx import ModelProto, NodeProto, TensorProto, helper

OPSET = 17


@dataclass(frozen=True, slots=True)
class Shape:
    """An activation of one image: channels × height × width; flat where only channels are given."""

    channels: int
    height: int = 1
    width: int = 1
    flat: bool = False

    @property
    def elements(self) -> int:
        return self.channels * self.height * self.width


IMAGE = Shape(3, 224, 224)


@dataclass(frozen=True, slots=True)
class Tensor:
    """An activation in a graph."""

    name: str
    shape: Shape


class Graph:
    """Nodes and weights of a network that is being written; `input` is what is given to it."""

    def __init__(self, shape: Shape = IMAGE) -> None:
        self.input = Tensor("input", shape)
        self.nodes: list[NodeProto] = []
        self.weights: list[TensorProto] = []

    def weight(self, *dims: int) -> str:
        """A parameter, kept in a file that does not exist: nobody reads it."""
        weight = TensorProto(
            name=f"weight{len(self.weights)}", data_type=TensorProto.FLOAT, dims=dims
        )
        weight.data_location = TensorProto.EXTERNAL
        weight.external_data.add(key="location", value="weights")
        self.weights.append(weight)
        return weight.name

    def add(self, operator: str, inputs: list[str], shape: Shape, **attributes: Any) -> Tensor:
        """The result of a new node."""
        made = Tensor(f"tensor{len(self.nodes)}", shape)
        self.nodes.append(helper.make_node(operator, inputs, [made.name], **attributes))
        return made

    def activate(self, tensor: Tensor, activation: str | None) -> Tensor:
        """The activation of a tensor; "Clip" is ReLU6."""
        if activation is None:
            return tensor
        bounds = []
        if activation == "Clip":
            bounds = [f"bound{len(self.weights)}", f"bound{len(self.weights) + 1}"]
            values = zip(bounds, (0.0, 6.0), strict=True)
            self.weights += [
                helper.make_tensor(name, TensorProto.FLOAT, [], [value]) for name, value in values
            ]
        return self.add(activation, [tensor.name, *bounds], tensor.shape)

    def model(self, output: Tensor) -> ModelProto:
        """The file."""
        shape = self.input.shape
        given = helper.make_tensor_value_info(
            self.input.name, TensorProto.FLOAT, [1, shape.channels, shape.height, shape.width]
        )
        flat = [] if output.shape.flat else [output.shape.height, output.shape.width]
        made = helper.make_tensor_value_info(
            output.name, TensorProto.FLOAT, [1, output.shape.channels, *flat]
        )
        graph = helper.make_graph(self.nodes, "network", [given], [made], self.weights)
        return helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8
        )

"""The shipped networks as ONNX graphs, and what every place to cut them costs.

All are torchvision's variants at 224 × 224, written out node by node and read as any other ONNX
file is. FLOP = 2 × MAC of Conv and Gemm; everything else counts 0. Weights have shapes and no data.
Parameters are the trained ones: batch norm is the scale and shift of each channel that it is at
inference; its running mean and variance are buffers, which published counts leave out. Activations
and parameters are float32.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from onnx import ModelProto, NodeProto, TensorProto, helper

from solvers.onnx_reader import Cut, Options, read

FLOAT32_BYTE = 4
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


Layer = Callable[[Graph, Tensor], Tensor]
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


# Layers. Activations cost nothing, change no size, and belong to the layer before them.


def conv(
    channels: int,
    kernel: int,
    *,
    stride: int = 1,
    padding: int | None = None,
    groups: int = 1,
    bias: bool = False,
    batch_norm: bool = False,
    activation: str | None = "Relu",
) -> Layer:
    """A square convolution, by default padded to keep the size, with its batch norm and
    activation.
    """
    border = kernel // 2 if padding is None else padding

    def layer(graph: Graph, tensor: Tensor) -> Tensor:
        shape = tensor.shape
        out = Shape(
            channels,
            (shape.height + 2 * border - kernel) // stride + 1,
            (shape.width + 2 * border - kernel) // stride + 1,
        )
        weights = [graph.weight(channels, shape.channels // groups, kernel, kernel)]
        weights += [graph.weight(channels)] * bias
        made = graph.add(
            "Conv",
            [tensor.name, *weights],
            out,
            kernel_shape=[kernel, kernel],
            strides=[stride, stride],
            pads=[border] * 4,
            group=groups,
        )
        if batch_norm:
            made = graph.add("Mul", [made.name, graph.weight(channels, 1, 1)], out)
            made = graph.add("Add", [made.name, graph.weight(channels, 1, 1)], out)
        return graph.activate(made, activation)

    return layer


def depthwise(kernel: int, *, stride: int = 1, activation: str | None = "Relu") -> Layer:
    """One filter per channel, with batch norm."""

    def layer(graph: Graph, tensor: Tensor) -> Tensor:
        channels = tensor.shape.channels
        filters = conv(
            channels, kernel, stride=stride, groups=channels, batch_norm=True, activation=activation
        )
        return filters(graph, tensor)

    return layer


def pool(kernel: int, stride: int, *, padding: int = 0, ceil: bool = False) -> Layer:
    """Max pooling; `ceil` keeps the last, incomplete window."""

    def length(size: int) -> int:
        slack = stride - 1 if ceil else 0
        return (size + 2 * padding - kernel + slack) // stride + 1

    def layer(graph: Graph, tensor: Tensor) -> Tensor:
        out = Shape(tensor.shape.channels, length(tensor.shape.height), length(tensor.shape.width))
        return graph.add(
            "MaxPool",
            [tensor.name],
            out,
            kernel_shape=[kernel, kernel],
            strides=[stride, stride],
            pads=[padding] * 4,
            ceil_mode=int(ceil),
        )

    return layer


def global_average_pool(graph: Graph, tensor: Tensor) -> Tensor:
    return graph.add("GlobalAveragePool", [tensor.name], Shape(tensor.shape.channels))


def flatten(graph: Graph, tensor: Tensor) -> Tensor:
    return graph.add("Flatten", [tensor.name], Shape(tensor.shape.elements, flat=True))


def linear(features: int, *, activation: str | None = "Relu") -> Layer:
    """A fully connected layer with bias."""

    def layer(graph: Graph, tensor: Tensor) -> Tensor:
        if not tensor.shape.flat:
            raise ValueError(f"a fully connected layer is given {tensor.shape}")
        out = Shape(features, flat=True)
        weights = [graph.weight(features, tensor.shape.elements), graph.weight(features)]
        made = graph.add("Gemm", [tensor.name, *weights], out, transB=1)
        return graph.activate(made, activation)

    return layer


def chain(*layers: Layer) -> Layer:
    """One layer after the other."""

    def layer(graph: Graph, tensor: Tensor) -> Tensor:
        for each in layers:
            tensor = each(graph, tensor)
        return tensor

    return layer


def residual(
    branch: Layer, shortcut: Layer | None = None, *, activation: str | None = "Relu"
) -> Layer:
    """The branch plus its input (through the shortcut, if any)."""

    def layer(graph: Graph, tensor: Tensor) -> Tensor:
        there = branch(graph, tensor)
        beside = shortcut(graph, tensor) if shortcut else tensor
        if there.shape != beside.shape:
            raise ValueError(f"a residual adds {there.shape} to {beside.shape}")
        made = graph.add("Add", [there.name, beside.name], there.shape)
        return graph.activate(made, activation)

    return layer


def concatenate(*branches: Layer) -> Layer:
    """The branches' outputs, channel after channel."""

    def layer(graph: Graph, tensor: Tensor) -> Tensor:
        outs = [branch(graph, tensor) for branch in branches]
        ((height, width),) = {(out.shape.height, out.shape.width) for out in outs}
        shape = Shape(sum(out.shape.channels for out in outs), height, width)
        return graph.add("Concat", [out.name for out in outs], shape, axis=1)

    return layer


def squeeze_excite(squeezed: int) -> Layer:
    """Channels weighed by two 1 × 1 convolutions of their averages."""

    def layer(graph: Graph, tensor: Tensor) -> Tensor:
        gate = chain(
            global_average_pool,
            conv(squeezed, 1, bias=True),
            conv(tensor.shape.channels, 1, bias=True, activation="HardSigmoid"),
        )
        return graph.add("Mul", [tensor.name, gate(graph, tensor).name], tensor.shape)

    return layer


def inverted_residual(
    channels: int,
    *,
    expanded: int,
    kernel: int = 3,
    stride: int = 1,
    squeezed: int | None = None,
    activation: str = "Clip",
) -> Layer:
    """MobileNet's block: expand, filter, squeeze-excite (if `squeezed`), project, and add the input
    where it fits.
    """

    def layer(graph: Graph, tensor: Tensor) -> Tensor:
        widens = expanded != tensor.shape.channels
        branch = chain(
            *([conv(expanded, 1, batch_norm=True, activation=activation)] * widens),
            depthwise(kernel, stride=stride, activation=activation),
            *([squeeze_excite(squeezed)] if squeezed else []),
            conv(channels, 1, batch_norm=True, activation=None),
        )
        adds = stride == 1 and tensor.shape.channels == channels
        return (residual(branch, activation=None) if adds else branch)(graph, tensor)

    return layer


# Architectures.


def alexnet() -> Network:
    return Network(
        name="alexnet",
        stages=(
            ("conv1", conv(64, 11, stride=4, padding=2, bias=True)),
            ("pool1", pool(3, 2)),
            ("conv2", conv(192, 5, bias=True)),
            ("pool2", pool(3, 2)),
            ("conv3", conv(384, 3, bias=True)),
            ("conv4", conv(256, 3, bias=True)),
            ("conv5", conv(256, 3, bias=True)),
            ("pool5", chain(pool(3, 2), flatten)),
            ("fc6", linear(4096)),
            ("fc7", linear(4096)),
            ("fc8", linear(1000, activation=None)),
        ),
        reference=(
            "Krizhevsky, One weird trick for parallelizing convolutional neural networks, arXiv"
            " 1404.5997; torchvision.models.alexnet"
        ),
    )


def vgg(depth: int, convs_per_block: tuple[int, ...]) -> Network:
    stages: list[Stage] = []
    for block, (count, channels) in enumerate(
        zip(convs_per_block, (64, 128, 256, 512, 512), strict=True), start=1
    ):
        stages += [
            (f"conv{block}_{place}", conv(channels, 3, bias=True)) for place in range(1, count + 1)
        ]
        stages.append((f"pool{block}", chain(pool(2, 2), flatten) if block == 5 else pool(2, 2)))
    stages += [("fc6", linear(4096)), ("fc7", linear(4096)), ("fc8", linear(1000, activation=None))]
    return Network(
        name=f"vgg{depth}",
        stages=tuple(stages),
        reference=(
            "Simonyan and Zisserman, Very deep convolutional networks for large-scale image"
            f" recognition, arXiv 1409.1556; torchvision.models.vgg{depth} (without batch norm)"
        ),
    )


def basic_block(channels: int, stride: int) -> Layer:
    return chain(
        conv(channels, 3, stride=stride, batch_norm=True),
        conv(channels, 3, batch_norm=True, activation=None),
    )


def bottleneck(channels: int, stride: int) -> Layer:
    return chain(
        conv(channels, 1, batch_norm=True),
        conv(channels, 3, stride=stride, batch_norm=True),
        conv(4 * channels, 1, batch_norm=True, activation=None),
    )


def resnet(
    depth: int, block: Callable[[int, int], Layer], expansion: int, blocks: tuple[int, ...]
) -> Network:
    stages: list[Stage] = [
        ("conv1", conv(64, 7, stride=2, batch_norm=True)),
        ("pool1", pool(3, 2, padding=1)),
    ]
    incoming = 64
    for group, (count, channels) in enumerate(
        zip(blocks, (64, 128, 256, 512), strict=True), start=1
    ):
        for place in range(count):
            stride = 2 if group > 1 and place == 0 else 1
            outgoing = expansion * channels
            projects = stride != 1 or incoming != outgoing
            shortcut = (
                conv(outgoing, 1, stride=stride, batch_norm=True, activation=None)
                if projects
                else None
            )
            stages.append((f"layer{group}.{place}", residual(block(channels, stride), shortcut)))
            incoming = outgoing
    stages += [
        ("avgpool", chain(global_average_pool, flatten)),
        ("fc", linear(1000, activation=None)),
    ]
    return Network(
        name=f"resnet{depth}",
        stages=tuple(stages),
        reference=(
            "He et al., Deep residual learning for image recognition, arXiv 1512.03385;"
            f" torchvision.models.resnet{depth}"
        )
        + (" (stride in the 3 × 3 convolution)" if block is bottleneck else ""),
    )


def mobilenet_v2() -> Network:
    stages: list[Stage] = [("conv1", conv(32, 3, stride=2, batch_norm=True, activation="Clip"))]
    incoming = 32
    for expansion, channels, count, first_stride in (
        (1, 16, 1, 1),
        (6, 24, 2, 2),
        (6, 32, 3, 2),
        (6, 64, 4, 2),
        (6, 96, 3, 1),
        (6, 160, 3, 2),
        (6, 320, 1, 1),
    ):
        for place in range(count):
            stride = first_stride if place == 0 else 1
            block = inverted_residual(channels, expanded=expansion * incoming, stride=stride)
            stages.append((f"block{len(stages)}", block))
            incoming = channels
    stages += [
        ("conv2", conv(1280, 1, batch_norm=True, activation="Clip")),
        ("avgpool", chain(global_average_pool, flatten)),
        ("fc", linear(1000, activation=None)),
    ]
    return Network(
        name="mobilenet-v2",
        stages=tuple(stages),
        reference=(
            "Sandler et al., MobileNetV2: inverted residuals and linear bottlenecks, arXiv"
            " 1801.04381; torchvision.models.mobilenet_v2"
        ),
    )


def mobilenet_v3_large() -> Network:
    stages: list[Stage] = [
        ("conv1", conv(16, 3, stride=2, batch_norm=True, activation="HardSwish"))
    ]
    for kernel, expanded, channels, squeezed, activation, stride in (
        (3, 16, 16, None, "Relu", 1),
        (3, 64, 24, None, "Relu", 2),
        (3, 72, 24, None, "Relu", 1),
        (5, 72, 40, 24, "Relu", 2),
        (5, 120, 40, 32, "Relu", 1),
        (5, 120, 40, 32, "Relu", 1),
        (3, 240, 80, None, "HardSwish", 2),
        (3, 200, 80, None, "HardSwish", 1),
        (3, 184, 80, None, "HardSwish", 1),
        (3, 184, 80, None, "HardSwish", 1),
        (3, 480, 112, 120, "HardSwish", 1),
        (3, 672, 112, 168, "HardSwish", 1),
        (5, 672, 160, 168, "HardSwish", 2),
        (5, 960, 160, 240, "HardSwish", 1),
        (5, 960, 160, 240, "HardSwish", 1),
    ):
        block = inverted_residual(
            channels,
            expanded=expanded,
            kernel=kernel,
            stride=stride,
            squeezed=squeezed,
            activation=activation,
        )
        stages.append((f"block{len(stages)}", block))
    stages += [
        ("conv2", conv(960, 1, batch_norm=True, activation="HardSwish")),
        ("avgpool", chain(global_average_pool, flatten)),
        ("fc1", linear(1280, activation="HardSwish")),
        ("fc2", linear(1000, activation=None)),
    ]
    return Network(
        name="mobilenet-v3-large",
        stages=tuple(stages),
        reference=(
            "Howard et al., Searching for MobileNetV3, arXiv 1905.02244;"
            " torchvision.models.mobilenet_v3_large"
        ),
    )


def fire(number: int, squeezed: int, expanded: int) -> tuple[Stage, Stage]:
    """SqueezeNet's module; its squeezed tensor is the one thing alive there, and the smallest: a
    cut of its own.
    """
    expand = concatenate(conv(expanded, 1, bias=True), conv(expanded, 3, bias=True))
    return (f"fire{number}.squeeze", conv(squeezed, 1, bias=True)), (f"fire{number}", expand)


def squeezenet1_1() -> Network:
    return Network(
        name="squeezenet1-1",
        stages=(
            ("conv1", conv(64, 3, stride=2, padding=0, bias=True)),
            ("pool1", pool(3, 2, ceil=True)),
            *fire(2, 16, 64),
            *fire(3, 16, 64),
            ("pool3", pool(3, 2, ceil=True)),
            *fire(4, 32, 128),
            *fire(5, 32, 128),
            ("pool5", pool(3, 2, ceil=True)),
            *fire(6, 48, 192),
            *fire(7, 48, 192),
            *fire(8, 64, 256),
            *fire(9, 64, 256),
            ("conv10", conv(1000, 1, bias=True)),
            ("avgpool", global_average_pool),
        ),
        reference=(
            "Iandola et al., SqueezeNet, arXiv 1602.07360, version 1.1;"
            " torchvision.models.squeezenet1_1"
        ),
    )


NETWORKS = (
    alexnet(),
    vgg(16, (2, 2, 3, 3, 3)),
    vgg(19, (2, 2, 4, 4, 4)),
    resnet(18, basic_block, 1, (2, 2, 2, 2)),
    resnet(50, bottleneck, 4, (3, 4, 6, 3)),
    resnet(152, bottleneck, 4, (3, 8, 36, 3)),
    mobilenet_v2(),
    mobilenet_v3_large(),
    squeezenet1_1(),
)

"""The shipped networks as layers, and what every place to cut them costs.

All are torchvision's variants at 224 × 224. FLOP = 2 × MAC of Conv and Gemm; everything else counts 0. Parameters are
the trained ones, batch norm's weight and bias included; its running mean and variance are buffers, which published
counts leave out and which fold into the convolution for inference anyway. Activations and parameters are float32.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

FLOAT32_BYTE = 4


@dataclass(frozen=True, slots=True)
class Shape:
    """An activation of one image: channels × height × width."""

    channels: int
    height: int = 1
    width: int = 1

    @property
    def elements(self) -> int:
        return self.channels * self.height * self.width


IMAGE = Shape(3, 224, 224)


@dataclass(frozen=True, slots=True)
class Applied:
    """A layer at work on one shape: the shape that leaves it, its multiply-accumulates and its parameters."""

    shape: Shape
    mac: int = 0
    parameters: int = 0


Layer = Callable[[Shape], Applied]
Stage = tuple[str, Layer]  # a cut's name and the layers that end in it


@dataclass(frozen=True, slots=True)
class Network:
    """A chain of stages between which a single tensor lives, so that each border is a place to cut."""

    name: str
    stages: tuple[Stage, ...]
    reference: str


@dataclass(frozen=True, slots=True)
class Cut:
    """A place to cut; flop and parameters are those of all stages before it, the feature is what crosses it."""

    name: str
    flop: int
    feature_elements: int
    parameters: int

    @property
    def feature_byte(self) -> int:
        return FLOAT32_BYTE * self.feature_elements

    @property
    def parameter_byte(self) -> int:
        return FLOAT32_BYTE * self.parameters


def cuts(network: Network) -> Iterator[Cut]:
    """All cuts from "input" (nothing on the device) to the last stage (the result stays there: nothing crosses)."""
    shape, flop, parameters = IMAGE, 0, 0
    yield Cut("input", flop, shape.elements, parameters)
    for position, (name, layer) in enumerate(network.stages, start=1):
        applied = layer(shape)
        shape = applied.shape
        flop += 2 * applied.mac
        parameters += applied.parameters
        yield Cut(name, flop, shape.elements if position < len(network.stages) else 0, parameters)


# Layers. Activations, dropout and flattening cost nothing, change no size, and belong to the layer before them.


def conv(
    channels: int,
    kernel: int,
    *,
    stride: int = 1,
    padding: int | None = None,
    groups: int = 1,
    bias: bool = False,
    batch_norm: bool = False,
) -> Layer:
    """A square convolution, by default padded to keep the size, with its batch norm."""
    border = kernel // 2 if padding is None else padding

    def layer(shape: Shape) -> Applied:
        out = Shape(
            channels,
            (shape.height + 2 * border - kernel) // stride + 1,
            (shape.width + 2 * border - kernel) // stride + 1,
        )
        weights = kernel * kernel * (shape.channels // groups) * channels
        mac = weights * out.height * out.width
        return Applied(out, mac, weights + channels * bias + 2 * channels * batch_norm)

    return layer


def depthwise(kernel: int, *, stride: int = 1) -> Layer:
    """One filter per channel, with batch norm."""

    def layer(shape: Shape) -> Applied:
        return conv(shape.channels, kernel, stride=stride, groups=shape.channels, batch_norm=True)(shape)

    return layer


def pool(kernel: int, stride: int, *, padding: int = 0, ceil: bool = False) -> Layer:
    """Max or average pooling; `ceil` keeps the last, incomplete window."""

    def length(size: int) -> int:
        slack = stride - 1 if ceil else 0
        return (size + 2 * padding - kernel + slack) // stride + 1

    return lambda shape: Applied(Shape(shape.channels, length(shape.height), length(shape.width)))


def global_average_pool(shape: Shape) -> Applied:
    return Applied(Shape(shape.channels))


def linear(features: int) -> Layer:
    """A fully connected layer with bias, on the flattened input."""
    return lambda shape: Applied(Shape(features), shape.elements * features, (shape.elements + 1) * features)


def chain(*layers: Layer) -> Layer:
    """One layer after the other."""

    def layer(shape: Shape) -> Applied:
        mac, parameters = 0, 0
        for each in layers:
            applied = each(shape)
            shape = applied.shape
            mac += applied.mac
            parameters += applied.parameters
        return Applied(shape, mac, parameters)

    return layer


def residual(branch: Layer, shortcut: Layer | None = None) -> Layer:
    """The branch plus its input (through the shortcut, if any)."""

    def layer(shape: Shape) -> Applied:
        there, beside = branch(shape), shortcut(shape) if shortcut else Applied(shape)
        if there.shape != beside.shape:
            raise ValueError(f"a residual adds {there.shape} to {beside.shape}")
        return Applied(there.shape, there.mac + beside.mac, there.parameters + beside.parameters)

    return layer


def concatenate(*branches: Layer) -> Layer:
    """The branches' outputs, channel after channel."""

    def layer(shape: Shape) -> Applied:
        outs = [branch(shape) for branch in branches]
        ((height, width),) = {(out.shape.height, out.shape.width) for out in outs}
        return Applied(
            Shape(sum(out.shape.channels for out in outs), height, width),
            sum(out.mac for out in outs),
            sum(out.parameters for out in outs),
        )

    return layer


def squeeze_excite(squeezed: int) -> Layer:
    """Channels weighed by two 1 × 1 convolutions of their averages."""

    def layer(shape: Shape) -> Applied:
        gate = chain(global_average_pool, conv(squeezed, 1, bias=True), conv(shape.channels, 1, bias=True))(shape)
        return Applied(shape, gate.mac, gate.parameters)

    return layer


def inverted_residual(
    channels: int, *, expanded: int, kernel: int = 3, stride: int = 1, squeezed: int | None = None
) -> Layer:
    """MobileNet's block: expand, filter, squeeze-excite (if `squeezed`), project, and add the input where it fits."""

    def layer(shape: Shape) -> Applied:
        expand = [conv(expanded, 1, batch_norm=True)] if expanded != shape.channels else []
        gate = [squeeze_excite(squeezed)] if squeezed else []
        branch = chain(*expand, depthwise(kernel, stride=stride), *gate, conv(channels, 1, batch_norm=True))
        return residual(branch)(shape) if stride == 1 and shape.channels == channels else branch(shape)

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
            ("pool5", pool(3, 2)),
            ("fc6", linear(4096)),
            ("fc7", linear(4096)),
            ("fc8", linear(1000)),
        ),
        reference="Krizhevsky, One weird trick for parallelizing convolutional neural networks, arXiv 1404.5997;"
        " torchvision.models.alexnet",
    )


def vgg(depth: int, convs_per_block: tuple[int, ...]) -> Network:
    stages: list[Stage] = []
    for block, (count, channels) in enumerate(zip(convs_per_block, (64, 128, 256, 512, 512), strict=True), start=1):
        stages += [(f"conv{block}_{place}", conv(channels, 3, bias=True)) for place in range(1, count + 1)]
        stages.append((f"pool{block}", pool(2, 2)))
    stages += [("fc6", linear(4096)), ("fc7", linear(4096)), ("fc8", linear(1000))]
    return Network(
        name=f"vgg{depth}",
        stages=tuple(stages),
        reference="Simonyan and Zisserman, Very deep convolutional networks for large-scale image recognition,"
        f" arXiv 1409.1556; torchvision.models.vgg{depth} (without batch norm)",
    )


def basic_block(channels: int, stride: int) -> Layer:
    return chain(conv(channels, 3, stride=stride, batch_norm=True), conv(channels, 3, batch_norm=True))


def bottleneck(channels: int, stride: int) -> Layer:
    return chain(
        conv(channels, 1, batch_norm=True),
        conv(channels, 3, stride=stride, batch_norm=True),
        conv(4 * channels, 1, batch_norm=True),
    )


def resnet(depth: int, block: Callable[[int, int], Layer], expansion: int, blocks: tuple[int, ...]) -> Network:
    stages: list[Stage] = [
        ("conv1", conv(64, 7, stride=2, batch_norm=True)),
        ("pool1", pool(3, 2, padding=1)),
    ]
    incoming = 64
    for group, (count, channels) in enumerate(zip(blocks, (64, 128, 256, 512), strict=True), start=1):
        for place in range(count):
            stride = 2 if group > 1 and place == 0 else 1
            outgoing = expansion * channels
            projects = stride != 1 or incoming != outgoing
            shortcut = conv(outgoing, 1, stride=stride, batch_norm=True) if projects else None
            stages.append((f"layer{group}.{place}", residual(block(channels, stride), shortcut)))
            incoming = outgoing
    stages += [("avgpool", global_average_pool), ("fc", linear(1000))]
    return Network(
        name=f"resnet{depth}",
        stages=tuple(stages),
        reference="He et al., Deep residual learning for image recognition, arXiv 1512.03385;"
        f" torchvision.models.resnet{depth}" + (" (stride in the 3 × 3 convolution)" if block is bottleneck else ""),
    )


def mobilenet_v2() -> Network:
    stages: list[Stage] = [("conv1", conv(32, 3, stride=2, batch_norm=True))]
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
    stages += [("conv2", conv(1280, 1, batch_norm=True)), ("avgpool", global_average_pool), ("fc", linear(1000))]
    return Network(
        name="mobilenet-v2",
        stages=tuple(stages),
        reference="Sandler et al., MobileNetV2: inverted residuals and linear bottlenecks, arXiv 1801.04381;"
        " torchvision.models.mobilenet_v2",
    )


def mobilenet_v3_large() -> Network:
    stages: list[Stage] = [("conv1", conv(16, 3, stride=2, batch_norm=True))]
    for kernel, expanded, channels, squeezed, stride in (
        (3, 16, 16, None, 1),
        (3, 64, 24, None, 2),
        (3, 72, 24, None, 1),
        (5, 72, 40, 24, 2),
        (5, 120, 40, 32, 1),
        (5, 120, 40, 32, 1),
        (3, 240, 80, None, 2),
        (3, 200, 80, None, 1),
        (3, 184, 80, None, 1),
        (3, 184, 80, None, 1),
        (3, 480, 112, 120, 1),
        (3, 672, 112, 168, 1),
        (5, 672, 160, 168, 2),
        (5, 960, 160, 240, 1),
        (5, 960, 160, 240, 1),
    ):
        block = inverted_residual(channels, expanded=expanded, kernel=kernel, stride=stride, squeezed=squeezed)
        stages.append((f"block{len(stages)}", block))
    stages += [
        ("conv2", conv(960, 1, batch_norm=True)),
        ("avgpool", global_average_pool),
        ("fc1", linear(1280)),
        ("fc2", linear(1000)),
    ]
    return Network(
        name="mobilenet-v3-large",
        stages=tuple(stages),
        reference="Howard et al., Searching for MobileNetV3, arXiv 1905.02244; torchvision.models.mobilenet_v3_large",
    )


def fire(number: int, squeezed: int, expanded: int) -> tuple[Stage, Stage]:
    """SqueezeNet's module; its squeezed tensor is the one thing alive there, and the smallest: a cut of its own."""
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
        reference="Iandola et al., SqueezeNet, arXiv 1602.07360, version 1.1; torchvision.models.squeezenet1_1",
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

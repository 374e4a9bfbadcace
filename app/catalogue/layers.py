"""Layers of networks, written into a graph.

Activations cost nothing, change no size, and belong to the layer before them.
"""

from collections.abc import Callable

from app.catalogue.graphs import Graph, Shape, Tensor

Layer = Callable[[Graph, Tensor], Tensor]


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


def average_pool(kernel: int) -> Layer:
    """The mean of each window; windows do not overlap."""

    def layer(graph: Graph, tensor: Tensor) -> Tensor:
        shape = tensor.shape
        out = Shape(shape.channels, shape.height // kernel, shape.width // kernel)
        return graph.add(
            "AveragePool",
            [tensor.name],
            out,
            kernel_shape=[kernel, kernel],
            strides=[kernel, kernel],
        )

    return layer


def batch_norm(graph: Graph, tensor: Tensor) -> Tensor:
    """One that stands by itself, with its ReLU."""
    channels = tensor.shape.channels
    made = graph.add("Mul", [tensor.name, graph.weight(channels, 1, 1)], tensor.shape)
    made = graph.add("Add", [made.name, graph.weight(channels, 1, 1)], tensor.shape)
    return graph.activate(made, "Relu")


def unchanged(_: Graph, tensor: Tensor) -> Tensor:
    return tensor


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


def dense(growth: int) -> Layer:
    """DenseNet's layer: `growth` channels more, made of all before."""
    more = chain(
        batch_norm,
        conv(4 * growth, 1, batch_norm=True),
        conv(growth, 3, activation=None),
    )
    return concatenate(unchanged, more)


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

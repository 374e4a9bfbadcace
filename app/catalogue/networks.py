"""The shipped networks, written out layer by layer and read as any other ONNX file is.

All are torchvision's variants at 224 × 224, but for MobileNet, which it has not. FLOP = 2 × MAC of
Conv and Gemm; everything else counts 0. Parameters are the trained ones: batch norm is the scale
and shift of each channel that it is at inference; its running mean and variance are buffers, which
published counts leave out. Activations and parameters are float32.
"""

from collections.abc import Callable

from app.catalogue.layers import (
    Layer,
    average_pool,
    batch_norm,
    chain,
    concatenate,
    conv,
    dense,
    depthwise,
    flatten,
    global_average_pool,
    inverted_residual,
    linear,
    pool,
    residual,
)
from app.catalogue.stages import Network, Stage


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


def densenet(depth: int, layers_per_block: tuple[int, ...]) -> Network:
    """Cuts lie between blocks: within one, every layer's end is wider than the block's beginning.

    Batch norm and ReLU behind a block belong to it.
    """
    channels, growth = 64, 32
    stages: list[Stage] = [
        ("conv1", conv(channels, 7, stride=2, batch_norm=True)),
        ("pool1", pool(3, 2, padding=1)),
    ]
    for block, count in enumerate(layers_per_block, start=1):
        stages.append((f"block{block}", chain(*[dense(growth)] * count, batch_norm)))
        channels += growth * count
        if block < len(layers_per_block):
            channels //= 2
            transition = chain(conv(channels, 1, activation=None), average_pool(2))
            stages.append((f"transition{block}", transition))
    stages += [
        ("avgpool", chain(global_average_pool, flatten)),
        ("fc", linear(1000, activation=None)),
    ]
    return Network(
        name=f"densenet{depth}",
        stages=tuple(stages),
        reference=(
            "Huang et al., Densely connected convolutional networks, arXiv 1608.06993;"
            f" torchvision.models.densenet{depth}"
        ),
    )


def mobilenet_v1() -> Network:
    stages: list[Stage] = [("conv1", conv(32, 3, stride=2, batch_norm=True, activation="Clip"))]
    for place, (channels, stride) in enumerate(
        (
            (64, 1),
            (128, 2),
            (128, 1),
            (256, 2),
            (256, 1),
            (512, 2),
            *[(512, 1)] * 5,
            (1024, 2),
            (1024, 1),
        ),
        start=1,
    ):
        stages += [
            (f"depthwise{place}", depthwise(3, stride=stride, activation="Clip")),
            (f"pointwise{place}", conv(channels, 1, batch_norm=True, activation="Clip")),
        ]
    stages += [
        ("avgpool", chain(global_average_pool, flatten)),
        ("fc", linear(1000, activation=None)),
    ]
    return Network(
        name="mobilenet-v1",
        stages=tuple(stages),
        reference=(
            "Howard et al., MobileNets: efficient convolutional neural networks for mobile vision"
            " applications, arXiv 1704.04861, width 1; tf.keras.applications.MobileNet"
        ),
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
    resnet(101, bottleneck, 4, (3, 4, 23, 3)),
    densenet(121, (6, 12, 24, 16)),
    densenet(169, (6, 12, 32, 32)),
    densenet(201, (6, 12, 48, 32)),
    mobilenet_v1(),
)

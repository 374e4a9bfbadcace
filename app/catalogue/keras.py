"""Keras's networks against ours: which of its layers ends each cut, and networks that are shipped
as its blocks.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from app.catalogue.blocks import FLOAT32_BYTE, Block
from app.catalogue.kept_blocks import kept_blocks

# Computed in one kernel with what makes their input, so that nobody cuts before them.
FOLLOWING = ("bn", "act", "relu", "flatten", "reshape", "dropout")


def vgg_layers(before_classifier: int) -> tuple[int, ...]:
    """The last pooling layer and the flattening one behind it are one cut of ours."""
    classifier = range(before_classifier + 1, before_classifier + 5)
    return (*range(before_classifier), *classifier)


def resnet_layers(blocks: tuple[int, ...]) -> tuple[int, ...]:
    """Layers of the first block of a group, with its projection, and of the others."""
    stem = (0, 4, 6)
    residual = [12 if place == 0 else 10 for count in blocks for place in range(count)]
    ends = tuple(accumulate(residual, initial=stem[-1]))[1:]
    return (*stem, *ends, ends[-1] + 1, ends[-1] + 2)


def densenet_layers(blocks: tuple[int, ...]) -> tuple[int, ...]:
    """A dense layer has seven; batch norm, ReLU, convolution and pooling are between blocks."""
    ends = [0, 4, 6]
    for count in blocks:
        block = ends[-1] + 7 * count + 2
        ends += [block, block + 2]
    last_block = ends[-2]
    return (*ends[:-1], last_block + 1, last_block + 2)


def mobilenet_v1_layers() -> tuple[int, ...]:
    """Convolution, batch norm and ReLU; a padding layer before those that halve the size."""
    ends = [0, 4]
    for place in range(1, 14):
        padded = place in (2, 4, 6, 12)
        ends += [ends[-1] + 3 + padded, ends[-1] + 6 + padded]
    return (*ends, ends[-1] + 1, ends[-1] + 6)


def mobilenet_v2_layers() -> tuple[int, ...]:
    """Eight layers a block, and one that pads or adds."""
    ends = [0, 4, 9]
    for count, first_is_padded in ((2, 1), (3, 1), (4, 1), (3, 0), (3, 1), (1, 0)):
        for place in range(count):
            ends.append(ends[-1] + (8 + first_is_padded if place == 0 else 9))
    return (*ends, ends[-1] + 3, ends[-1] + 4, ends[-1] + 5)


@dataclass(frozen=True, slots=True)
class Counterpart:
    """The network of a table that one of ours is, and the last layer before each of our cuts."""

    table: str
    last_layers: tuple[int, ...]


COUNTERPARTS = {
    "vgg16": Counterpart("vgg16", vgg_layers(18)),
    "vgg19": Counterpart("vgg19", vgg_layers(21)),
    "resnet50": Counterpart("resnet50", resnet_layers((3, 4, 6, 3))),
    "resnet101": Counterpart("resnet101", resnet_layers((3, 4, 23, 3))),
    "resnet152": Counterpart("resnet152", resnet_layers((3, 8, 36, 3))),
    "densenet121": Counterpart("densenet121", densenet_layers((6, 12, 24, 16))),
    "densenet169": Counterpart("densenet169", densenet_layers((6, 12, 32, 32))),
    "densenet201": Counterpart("densenet201", densenet_layers((6, 12, 48, 32))),
    "mobilenet-v1": Counterpart("mobilenet", mobilenet_v1_layers()),
    "mobilenet-v2": Counterpart("mobilenetv2", mobilenet_v2_layers()),
}


@dataclass(frozen=True, slots=True)
class BlockNetwork:
    """A network that is shipped as the blocks of a table."""

    name: str
    table: str
    side_px: int
    paper: str


BLOCK_NETWORKS = (
    BlockNetwork(
        "inception-v3",
        "inception_v3",
        299,
        "Szegedy et al., Rethinking the Inception architecture for computer vision, arXiv"
        " 1512.00567; tf.keras.applications.InceptionV3",
    ),
    BlockNetwork(
        "inception-resnet-v2",
        "inceptionresnet_v2",
        299,
        "Szegedy et al., Inception-v4, Inception-ResNet and the impact of residual connections on"
        " learning, arXiv 1602.07261; tf.keras.applications.InceptionResNetV2",
    ),
    BlockNetwork(
        "xception",
        "xception",
        299,
        "Chollet, Xception: deep learning with depthwise separable convolutions, arXiv 1610.02357;"
        " tf.keras.applications.Xception",
    ),
    BlockNetwork(
        "nasnet-mobile",
        "nasnetmobile",
        224,
        "Zoph et al., Learning transferable architectures for scalable image recognition, arXiv"
        " 1707.07012; tf.keras.applications.NASNetMobile",
    ),
    BlockNetwork(
        "nasnet-large",
        "nasnetlarge",
        331,
        "Zoph et al., Learning transferable architectures for scalable image recognition, arXiv"
        " 1707.07012; tf.keras.applications.NASNetLarge",
    ),
    *(
        BlockNetwork(
            f"resnet{depth}-v2",
            f"resnet{depth}v2",
            224,
            "He et al., Identity mappings in deep residual networks, arXiv 1603.05027;"
            f" tf.keras.applications.ResNet{depth}V2",
        )
        for depth in (50, 101, 152)
    ),
)

OF_BLOCKS = (
    ". Cuts, features, FLOP and parameters are those of the blocks that were timed"
    " (gabrielecastellano/Scission, data at 1094f16; qub-blesson/Scission, data at b765b2b): FLOP"
    " count an operation an element of batch norm and of each window of pooling too, parameters the"
    " running statistics of batch norm. What lies within a block is not cut."
)


def block_cuts(network: BlockNetwork) -> list[dict[str, Any]]:
    """The input, and every end of a block at which a runtime can stop."""
    input_byte = FLOAT32_BYTE * 3 * network.side_px**2
    profiles = [_cut("input", 0, input_byte, 0)]
    flop = parameters = 0
    blocks = kept_blocks().blocks[network.table]
    ends = last_layers(network)
    for block in blocks:
        flop += block.flop or 0
        parameters += block.parameters or 0
        if block.last_layer in ends:
            crosses = 0 if block is blocks[-1] else block.output_byte
            name = f"layer{block.last_layer}"
            profiles.append(_cut(name, flop, crosses, FLOAT32_BYTE * parameters))
    return profiles


def _cut(name: str, flop: int, feature_byte: int, parameter_byte: int) -> dict[str, Any]:
    return {
        "name": name,
        "flop": flop,
        "feature_byte": feature_byte,
        "feature_elements": feature_byte // FLOAT32_BYTE,
        "parameter_byte": parameter_byte,
    }


def last_layers(network: BlockNetwork) -> tuple[int, ...]:
    """The last layer before each cut: none before one that is computed with what it reads, none
    behind one that only pads.
    """
    blocks = [each for each in kept_blocks().blocks[network.table] if not _pads(each)]
    followed = [*(each.layers in FOLLOWING for each in blocks[1:]), False]
    return (0, *_kept(blocks, followed))


def _pads(block: Block) -> bool:
    return block.layers in ("pad", "input+pad")


def _kept(blocks: list[Block], followed: list[bool]) -> Iterable[int]:
    return (block.last_layer for block, more in zip(blocks, followed, strict=True) if not more)

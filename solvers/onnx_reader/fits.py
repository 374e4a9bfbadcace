"""Shapes that a runtime refuses and onnx lets pass: a node's data against its weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from solvers.onnx_reader.shapes import ABSENT, Shape, Shapes


@dataclass(frozen=True)
class Misfit:
    """Why a node cannot run. Where one dimension of its first input is at fault, `axis` says which,
    and `wanted` its size.
    """

    why: str
    axis: int | None = None
    wanted: int | None = None


Rule: TypeAlias = "Callable[[Shapes, Shapes, Mapping[str, Any]], Misfit | None]"
"""By the shapes of inputs and outputs and the attributes; None where they fit."""


def misfit(
    domain: str, operator: str, inputs: Shapes, outputs: Shapes, attributes: Mapping[str, Any]
) -> Misfit | None:
    """Why a node with these shapes cannot run; None if it can, as far as they are known."""
    rule = _RULES.get((domain, operator))
    return rule(inputs, outputs, attributes) if rule is not None else None


def _at(shapes: Shapes, position: int) -> Shape | None:
    shape = shapes[position] if position < len(shapes) else None
    return None if shape is None or shape == ABSENT else shape


def _listed(shape: Shape) -> str:
    return ",".join(map(str, shape))


def _convolution(weight: int, transposed: bool = False, last: bool = False) -> Rule:
    """Channels of the data (its second axis, or the `last`) against those of the weights."""

    def rule(inputs: Shapes, _: Shapes, attributes: Mapping[str, Any]) -> Misfit | None:
        data, weights = _at(inputs, 0), _at(inputs, weight)
        if data is None or weights is None:
            return None
        if len(data) != len(weights) or len(data) < 3:
            return Misfit(
                f"takes data of {len(weights)} dimensions for its weights ({_listed(weights)}), not"
                f" {len(data)} ({_listed(data)})"
            )
        groups = attributes.get("group", 1)
        channels = weights[0] if transposed else weights[1] * groups
        axis = len(data) - 1 if last else 1
        if data[axis] != channels:
            return Misfit(
                f"takes {channels} channels for its weights ({_listed(weights)}), not the"
                f" {data[axis]} on axis {axis} of its data ({_listed(data)})",
                axis,
                channels,
            )
        if groups < 1 or weights[0] % groups:
            return Misfit(f"has {weights[0]} filters for {groups} groups")
        return None

    return rule


def _recurrent(gates: int) -> Rule:
    def rule(inputs: Shapes, _: Shapes, attributes: Mapping[str, Any]) -> Misfit | None:
        data, weights, recurrence = (_at(inputs, position) for position in range(3))
        if data is None or weights is None or recurrence is None:
            return None
        if (len(data), len(weights), len(recurrence)) != (3, 3, 3):
            return None
        if data[2] != weights[2]:
            return Misfit(
                f"takes steps that are {weights[2]} wide for its weights ({_listed(weights)}), not"
                f" {data[2]} ({_listed(data)})",
                2,
                weights[2],
            )
        hidden = attributes.get("hidden_size", recurrence[2])
        expected = (weights[0], gates * hidden, hidden)
        if recurrence != expected or weights[1] != gates * hidden:
            return Misfit(
                f"has weights ({_listed(weights)}) and recurrent ones ({_listed(recurrence)}) that"
                f" do not fit {gates} gates of {hidden} units"
            )
        batch = data[0 if attributes.get("layout") else 1]
        for position in (5, 6) if gates == 4 else (5,):
            state = _at(inputs, position)
            states = {(weights[0], batch, hidden), (batch, weights[0], hidden)}
            if state is not None and state not in states:
                return Misfit(
                    f"begins with a state ({_listed(state)}) that is not that of a batch of {batch}"
                    f" and {hidden} units"
                )
        return None

    return rule


def _norm(inputs: Shapes, _: Shapes, attributes: Mapping[str, Any]) -> Misfit | None:
    """Scale and shift of the last axes spread over what is normalised."""
    data = _at(inputs, 0)
    if data is None:
        return None
    axis = attributes.get("axis", -1)
    for scale in filter(None, (_at(inputs, position) for position in (1, 2))):
        if not _spreads(scale, data):
            return Misfit(
                f"normalises ({_listed(data[axis:])}), which its weights ({_listed(scale)}) do not"
                " fit",
                *((len(data) - 1, scale[0]) if len(scale) == 1 else ()),
            )
    return None


def _per_channel(inputs: Shapes, _: Shapes, __: Mapping[str, Any]) -> Misfit | None:
    data, scale = _at(inputs, 0), _at(inputs, 1)
    if data is None or scale is None or len(data) < 2 or len(scale) != 1 or scale[0] == data[1]:
        return None
    return Misfit(
        f"takes {scale[0]} channels for its weights, not the {data[1]} on axis 1 of its data"
        f" ({_listed(data)})",
        1,
        scale[0],
    )


def _slope(inputs: Shapes, _: Shapes, __: Mapping[str, Any]) -> Misfit | None:
    data, slope = _at(inputs, 0), _at(inputs, 1)
    if data is None or slope is None or _spreads(slope, data):
        return None
    return Misfit(f"has slopes ({_listed(slope)}) that its data ({_listed(data)}) do not fit")


def _spreads(small: Shape, large: Shape) -> bool:
    """Whether a tensor can be spread over another by repeating it."""
    return len(small) <= len(large) and all(
        size in (1, whole) for size, whole in zip(small[::-1], large[::-1], strict=False)
    )


def _reshape(inputs: Shapes, outputs: Shapes, _: Mapping[str, Any]) -> Misfit | None:
    before = inputs[0] if inputs else None
    after = outputs[0] if outputs else None
    if before is None or after is None or math.prod(before) == math.prod(after):
        return None
    return Misfit(
        f"cannot make {math.prod(after)} elements ({_listed(after)}) of the {math.prod(before)}"
        f" ({_listed(before)}) that it is given; a shape in the file may be for a batch of 1 or for"
        " one size of input"
    )


_RULES: Mapping[tuple[str, str], Rule] = {
    ("", "Conv"): _convolution(1),
    ("", "ConvInteger"): _convolution(1),
    ("", "DeformConv"): _convolution(1),
    ("", "QLinearConv"): _convolution(3),
    ("", "ConvTranspose"): _convolution(1, transposed=True),
    ("com.microsoft", "FusedConv"): _convolution(1),
    ("com.microsoft", "NhwcConv"): _convolution(1, last=True),
    ("com.microsoft", "NhwcFusedConv"): _convolution(1, last=True),
    ("com.ms.internal.nhwc", "Conv"): _convolution(1, last=True),
    ("com.ms.internal.nhwc", "QLinearConv"): _convolution(3, last=True),
    ("com.ms.internal.nhwc", "ConvTranspose"): _convolution(1, transposed=True, last=True),
    ("", "RNN"): _recurrent(1),
    ("", "GRU"): _recurrent(3),
    ("", "LSTM"): _recurrent(4),
    ("", "LayerNormalization"): _norm,
    ("", "RMSNormalization"): _norm,
    ("", "InstanceNormalization"): _per_channel,
    ("", "BatchNormalization"): _per_channel,
    ("", "PRelu"): _slope,
    ("", "Reshape"): _reshape,
}

"""Shapes of tensors, and how they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

Shape = tuple[int, ...]
Shapes = Sequence[Shape | None]
Mac = Callable[[Shapes, Shapes, Mapping[str, Any]], int]
"""Multiply-accumulates of a node, by the shapes of its inputs and outputs and its attributes."""


class SizeUnknown(Exception):
    """An operator that counts reads or writes a tensor whose size is not known."""


ABSENT: Shape = ()
"""What stands for an input that a node leaves out: nothing is in it."""


def known(shapes: Shapes, position: int, least_rank: int) -> Shape:
    """One of the shapes. Raises SizeUnknown; ValueError if it has too few dimensions."""
    shape = shapes[position] if position < len(shapes) else ABSENT
    if shape is None:
        raise SizeUnknown
    if len(shape) < least_rank:
        raise ValueError(f"a tensor of {len(shape)} dimensions where {least_rank} are needed")
    return shape


def optional(shapes: Shapes, position: int, least_rank: int) -> Shape | None:
    """One of the shapes, None where the node has no such tensor. Raises as `known` does."""
    if position >= len(shapes) or shapes[position] == ABSENT:
        return None
    return known(shapes, position, least_rank)

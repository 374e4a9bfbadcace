"""Multiply-accumulates of an Einsum, as its operands are multiplied from left to right."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from solvers.onnx_reader.shapes import Shape, Shapes, known

_TERM = re.compile(r"([A-Za-z]*)(\.\.\.)?([A-Za-z]*)")


def einsum(inputs: Shapes, _: Shapes, attributes: Mapping[str, Any]) -> int:
    """Where a product of two operands is summed over, each combination of their indices is one; a
    product without a sum is a Mul, and counts 0 as it does. An index that one operand has alone is
    summed before it is multiplied.
    """
    operands, result = _indices(attributes["equation"], inputs)
    sizes: dict[str, int] = {}
    for indices, position in zip(operands, range(len(operands)), strict=True):
        for index, size in zip(indices, known(inputs, position, 0), strict=True):
            # An axis of length 1 is repeated along the others of its name.
            sizes[index] = size if sizes.get(index, 1) == 1 else sizes[index]
    mac = 0
    together = set(operands[0])
    for position in range(1, len(operands)):
        other = set(operands[position])
        later = set(result).union(*operands[position + 1 :])
        left, right = together & (other | later), other & (together | later)
        summed = (left & right) - later
        if summed:
            mac += math.prod(sizes[index] for index in left | right)
        together = (left | right) - summed
    return mac


def _indices(equation: object, shapes: Shapes) -> tuple[list[tuple[str, ...]], Sequence[str]]:
    """The indices of each operand and of the result; those of an ellipsis count from the right."""
    text = equation.decode() if isinstance(equation, bytes) else str(equation)
    left, arrow, right = text.replace(" ", "").partition("->")
    terms = left.split(",")
    if len(terms) != len(shapes):
        raise ValueError(f"{len(terms)} terms for {len(shapes)} operands")
    operands = [_term(term, known(shapes, position, 0)) for position, term in enumerate(terms)]
    dots = max((sum(index.isdigit() for index in indices) for indices in operands), default=0)
    if arrow:
        return operands, _term(right, (0,) * (len(right.replace("...", "")) + dots))
    # The implicit result has the ellipsis and what occurs once.
    times = Counter(re.sub(r"[^A-Za-z]", "", left))
    once = sorted(index for index, count in times.items() if count == 1)
    return operands, (*map(str, range(dots)), *once)


def _term(term: str, shape: Shape) -> tuple[str, ...]:
    found = _TERM.fullmatch(term)
    if found is None:
        raise ValueError(f"a term {term[:50]!r} that is none")
    before, dots, after = found.groups()
    rank = len(shape) - len(before) - len(after) if dots else 0
    if rank < 0 or len(before) + rank + len(after) != len(shape):
        raise ValueError(f"a term {term[:50]!r} for {len(shape)} dimensions")
    return (*before, *map(str, reversed(range(rank))), *after)

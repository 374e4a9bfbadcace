"""Named dimensions of inputs, and those that are said by others: `2*n`, `past + 1`."""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Collection, Mapping
from fractions import Fraction
from functools import lru_cache

_LONGEST = 200
_BINARY: Mapping[type[ast.operator], Callable[[Fraction, Fraction], Fraction]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: lambda left, right: Fraction(left // right),
    ast.Mod: operator.mod,
}
_FUNCTIONS: Mapping[str, Callable[..., Fraction]] = {
    "floor": lambda value: Fraction(math.floor(value)),
    "ceiling": lambda value: Fraction(math.ceil(value)),
    "max": max,
    "min": min,
}


def names_in(text: str, plain: Collection[str]) -> frozenset[str]:
    """The names that an expression is made of; none if the text is a name itself, whatever it
    looks like (`batch-size`).

    `plain` are dimensions that are named so elsewhere: only of those and numbers there are sums,
    while a multiple may be of anything.
    """
    tree = _parsed(text)
    if tree is None or text in plain:
        return frozenset()
    names = frozenset(
        node.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and node.id.lower() not in _FUNCTIONS
    )
    multiple = (
        isinstance(tree.body, ast.BinOp)
        and isinstance(tree.body.op, ast.Mult)
        and isinstance(tree.body.left, ast.Constant)
    )
    return names if multiple or names.issubset(plain) else frozenset()


def value_of(text: str, known: Mapping[str, int]) -> int | None:
    """What an expression is, None where it is none, or no whole number from 0 on."""
    tree = _parsed(text)
    if tree is None:
        return None
    try:
        value = _evaluated(tree.body, known)
    except (ArithmeticError, KeyError, TypeError, ValueError):
        return None
    return int(value) if value.denominator == 1 and 0 <= value < 2**31 else None


def solved(text: str, unknown: str, size: int, known: Mapping[str, int]) -> int | None:
    """The one unknown of an expression that has this size, None unless it is one whole number."""
    at = [value_of(text, {**known, unknown: place * 5040}) for place in (1, 2, 3)]
    first, second, third = at
    if first is None or second is None or third is None or second - first != third - second:
        return None
    if second == first:
        return None
    value = 5040 + Fraction(size - first, second - first) * 5040
    if value.denominator != 1 or value < 0:
        return None
    return int(value) if value_of(text, {**known, unknown: int(value)}) == size else None


@lru_cache(maxsize=4096)
def _parsed(text: str) -> ast.Expression | None:
    if len(text) > _LONGEST:
        return None
    try:
        tree = ast.parse(text.strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    return tree if isinstance(tree.body, ast.BinOp | ast.Call) else None


def _evaluated(node: ast.expr, known: Mapping[str, int]) -> Fraction:
    """Raises ArithmeticError, KeyError, TypeError, ValueError."""
    if isinstance(node, ast.Constant) and type(node.value) is int:
        return Fraction(node.value)
    if isinstance(node, ast.Name):
        return Fraction(known[node.id])
    if isinstance(node, ast.BinOp):
        return _BINARY[type(node.op)](_evaluated(node.left, known), _evaluated(node.right, known))
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -_evaluated(node.operand, known)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not node.keywords:
        return _FUNCTIONS[node.func.id.lower()](*(_evaluated(each, known) for each in node.args))
    raise ValueError

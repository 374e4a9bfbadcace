"""Multiply-accumulates of attention: every query with every key, and the weighted sum of values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from solvers.onnx_reader.shapes import Shape, Shapes, known, optional


@dataclass(frozen=True)
class Heads:
    """What attends to what: `keys` has those of the past too, `width` is that of a query and a key.

    Masks and windows hide results, which a kernel computes all the same: they take nothing off.
    """

    batch: int
    query_heads: int
    key_heads: int
    queries: int
    keys: int
    width: int
    value_width: int

    @property
    def mac(self) -> int:
        """B·Hq·S·T·(D + Dv); several query heads may share one of keys."""
        pairs = self.batch * self.query_heads * self.queries * self.keys
        return pairs * (self.width + self.value_width)


def divided(width: int, heads: int) -> int:
    """The width of one of several heads. Raises ValueError unless it is a whole one."""
    if heads <= 0 or width % heads:
        raise ValueError(f"a width of {width} for {heads} heads")
    return width // heads


def attention(inputs: Shapes, _: Shapes, attributes: Mapping[str, Any]) -> int:
    """Of the standard's Attention: heads as an axis, or packed into the last one."""
    return _heads(inputs, attributes, optional(inputs, 4, 4)).mac


def flexible(inputs: Shapes, _: Shapes, attributes: Mapping[str, Any]) -> int:
    """Of FlexAttention, without that of its bodies."""
    return _heads(inputs, attributes, None).mac


def _heads(inputs: Shapes, attributes: Mapping[str, Any], past: Shape | None) -> Heads:
    query, key, value = (known(inputs, position, 3) for position in range(3))
    before = 0 if past is None else past[2]
    if len(query) == 3:
        query_heads, key_heads = (
            int(attributes.get(name, 0)) for name in ("q_num_heads", "kv_num_heads")
        )
        width, value_width = divided(query[2], query_heads), divided(value[2], key_heads)
        return Heads(
            query[0], query_heads, key_heads, query[1], before + key[1], width, value_width
        )
    query, key, value = (known(inputs, position, 4) for position in range(3))
    return Heads(query[0], query[1], key[1], query[2], before + key[2], query[3], value[3])


def linear(inputs: Shapes, _: Shapes, attributes: Mapping[str, Any]) -> int:
    """Of LinearAttention, step by step: the state is added to and asked once for each token, and
    where a rule corrects what is stored ("delta"), asked once more.
    """
    query, key, value = (known(inputs, position, 3) for position in range(3))
    query_heads, key_heads = int(attributes["q_num_heads"]), int(attributes["kv_num_heads"])
    width, value_width = divided(key[2], key_heads), divided(value[2], key_heads)
    rule = attributes.get("update_rule", b"gated_delta")
    updates = 2 if rule in (b"delta", b"gated_delta") else 1
    # Where there are fewer queries than keys, each state still answers for itself.
    answers = max(query_heads, key_heads)
    return query[0] * query[1] * (updates * key_heads + answers) * width * value_width

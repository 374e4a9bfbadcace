"""onnxruntime's own operators of attention: what they attend to, their results and their work."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from solvers.onnx_reader.attention import Heads, divided, linear
from solvers.onnx_reader.forms import Call, Form, Result, Work, counted, same
from solvers.onnx_reader.shapes import Shape

_Heads = Callable[[Call], Heads]


def _count(call: Call) -> tuple[int, int, int]:
    batch, queries, width = call.shape(0, 3)[:3]
    return batch, queries, width


def _projected(past: int) -> _Heads:
    """Queries, keys and values are one product of the input with the weights."""

    def heads(call: Call) -> Heads:
        batch, queries, _ = _count(call)
        number = call.whole("num_heads")
        given = call.attributes.get("qkv_hidden_sizes")
        query, _, value = given or [call.shape(1, 2)[1] // 3] * 3
        keys = queries + (call.shape(past, 5)[3] if call.has(past) else 0)
        if call.has(past) and call.attributes.get("past_present_share_buffer"):
            # The past is a buffer for the longest sequence; a number says how much is in it.
            before = call.number(6) if past == 4 else None
            keys = call.shape(past, 5)[3] if before is None else before + queries
        width, value_width = divided(query, number), divided(value, number)
        return Heads(batch, number, number, queries, keys, width, value_width)

    return heads


def _projection(call: Call) -> int:
    return math.prod(call.shape(0, 3)) * call.shape(1, 2)[1]


def _of_projected(past: int, element: int) -> Callable[[Call], list[Result]]:
    def results(call: Call) -> list[Result]:
        found = _projected(past)(call)
        kind = call.element(element)
        output = (found.batch, found.queries, found.query_heads * found.value_width)
        present: Shape = (2, found.batch, found.key_heads, found.keys, found.width)
        if call.has(past) and call.attributes.get("past_present_share_buffer"):
            present = call.shape(past, 5)
        return [(kind, output), (kind, present)]

    return results


def _multi_head(past: int, filled: int) -> _Heads:
    """Queries, keys and values as they come: apart, or packed together."""

    def heads(call: Call) -> Heads:
        number, query = call.whole("num_heads"), call.shape(0, 3)
        before = 0
        if call.has(past):
            buffer = call.shape(past, 4)[2]
            told = call.number(filled)
            shared = call.has(filled) or call.attributes.get("past_present_share_buffer")
            before = told if shared and told is not None else buffer
        batch, queries = query[:2]
        if len(query) == 5:  # (batch, sequence, heads, 3, width)
            return Heads(batch, number, number, queries, before + queries, query[4], query[4])
        if not call.has(1):  # query, key and value side by side
            width = divided(divided(query[2], 3), number)
            return Heads(batch, number, number, queries, before + queries, width, width)
        key, width = call.shape(1, 3), divided(query[2], number)
        if len(key) == 5:  # (batch, sequence, heads, 2, width)
            return Heads(batch, number, number, queries, before + key[1], width, key[4])
        value = call.shape(2, 3)
        if len(key) == 4:  # those of another sequence, with heads as an axis
            return Heads(batch, number, number, queries, key[2], width, value[3])
        value_width = divided(value[2], number)
        return Heads(batch, number, number, queries, before + key[1], width, value_width)

    return heads


def _of_multi_head(past: int, filled: int) -> Callable[[Call], list[Result]]:
    def results(call: Call) -> list[Result]:
        found = _multi_head(past, filled)(call)
        kind = call.element(0)
        length = found.keys
        if call.has(past) and (
            call.has(filled) or call.attributes.get("past_present_share_buffer")
        ):
            length = call.shape(past, 4)[2]
        return [
            (kind, (found.batch, found.queries, found.query_heads * found.value_width)),
            (kind, (found.batch, found.key_heads, length, found.width)),
            (kind, (found.batch, found.key_heads, length, found.value_width)),
            (kind, (found.batch, found.query_heads, found.queries, found.keys)),
        ]

    return results


def _grouped(call: Call) -> Heads:
    batch, queries, width = _count(call)
    number, key_heads = call.whole("num_heads"), call.whole("kv_num_heads")
    packed = number if call.has(1) else number + 2 * key_heads
    head = divided(width, packed)
    told = call.number(6)  # with those of the past, in its longest sequence
    before = call.shape(3, 4)[2] if call.has(3) else 0
    keys = before + queries if told is None else told
    return Heads(batch, number, key_heads, queries, keys, head, head)


def _of_grouped(call: Call) -> list[Result]:
    found, kind = _grouped(call), call.element(0)
    present: Shape = (found.batch, found.key_heads, found.keys, found.width)
    cached = kind
    if call.has(3):
        past = call.shape(3, 4)  # packed where it is quantised
        ring = call.attributes.get("sliding_window_cache")
        present = (*past[:2], past[2] if ring else max(past[2], found.keys), *past[3:])
        cached = call.element(3)
    scores = (found.batch, found.query_heads, found.queries, found.keys)
    output = (found.batch, found.queries, found.query_heads * found.width)
    return [(kind, output), (cached, present), (cached, present), (kind, scores)]


def _of_linear(call: Call) -> list[Result]:
    query, key, value = (call.shape(position, 3) for position in range(3))
    query_heads, key_heads = call.whole("q_num_heads"), call.whole("kv_num_heads")
    width, value_width = divided(key[2], key_heads), divided(value[2], key_heads)
    state = (query[0], key_heads, width, value_width)
    window = call.whole("state_window", 0)
    output = (*query[:2], max(query_heads, key_heads) * value_width)
    kept = call.element(3) if call.has(3) else call.element(0)
    return [(call.element(0), output), (kept, (window, *state) if window else state)]


def _attending(heads: _Heads) -> Work:
    return lambda call, _: heads(call).mac


def _projecting(past: int, element: int) -> Form:
    """Attention with its projection: the input against the weights of queries, keys and values."""
    return Form(
        _of_projected(past, element), lambda call, _: _projected(past)(call).mac + _projection(call)
    )


ATTENTION: Mapping[str, Form] = {
    "Attention": _projecting(4, 0),
    "DecoderMaskedSelfAttention": _projecting(4, 0),
    "QAttention": _projecting(8, 3),
    "MultiHeadAttention": Form(_of_multi_head(6, 8), _attending(_multi_head(6, 8))),
    "DecoderMaskedMultiHeadAttention": Form(_of_multi_head(5, 7), _attending(_multi_head(5, 7))),
    "GroupQueryAttention": Form(_of_grouped, _attending(_grouped)),
    "LinearAttention": Form(_of_linear, counted(linear)),
    "LongformerAttention": Form(same(), hides_work=True),
}

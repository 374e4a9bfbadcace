"""An ONNX file without its weights: what is large in a tensor is left out before anything is
parsed.
"""

from __future__ import annotations

import mmap
from typing import TypeAlias

import numpy as np

from solvers.onnx_reader.network import Unreadable

Buffer: TypeAlias = "bytes | bytearray | memoryview | mmap.mmap"

# shapes, axes and scales are far smaller; parts of a message up to this size are kept whole
LARGEST_KEPT_BYTE = 4096
# A number may take ten bytes in the fields of numbers, for one in the tensor: a negative one does.
_LARGEST_KEPT_NUMBERS_BYTE = 10 * LARGEST_KEPT_BYTE
DEEPEST = 64  # messages in messages: each body of an If or Loop adds three

# The messages of onnx.proto that can hold a tensor, by the numbers of the fields that lead there.
_TENSOR, _SPARSE, _ATTRIBUTE, _NODE, _GRAPH, _FUNCTION, _MODEL = range(7)
_INSIDE: dict[int, dict[int, int]] = {
    _TENSOR: {},
    _SPARSE: {1: _TENSOR, 2: _TENSOR},
    _ATTRIBUTE: {5: _TENSOR, 6: _GRAPH, 10: _TENSOR, 11: _GRAPH, 22: _SPARSE, 23: _SPARSE},
    _NODE: {5: _ATTRIBUTE},
    _GRAPH: {1: _NODE, 5: _TENSOR, 15: _SPARSE},
    _FUNCTION: {7: _NODE, 11: _ATTRIBUTE},
    _MODEL: {7: _GRAPH, 25: _FUNCTION},
}
_INT32_DATA, _INT64_DATA, _RAW_DATA, _UINT64_DATA = 5, 7, 9, 11  # of a tensor
_TENSOR_OF, _FLOATS, _INTS = 5, 7, 8  # of an attribute
_LARGEST_KEPT: dict[tuple[int, int], int] = {
    (_TENSOR, _INT32_DATA): _LARGEST_KEPT_NUMBERS_BYTE,
    (_TENSOR, _INT64_DATA): _LARGEST_KEPT_NUMBERS_BYTE,
    (_TENSOR, _UINT64_DATA): _LARGEST_KEPT_NUMBERS_BYTE,
    (_ATTRIBUTE, _FLOATS): 4 * LARGEST_KEPT_BYTE,
    (_ATTRIBUTE, _INTS): _LARGEST_KEPT_NUMBERS_BYTE,
}
# Left out where large: a tensor's data in each of its forms; strings of an attribute; training, not
# inference.
_LEFT_OUT: dict[int, frozenset[int]] = {
    _TENSOR: frozenset({4, 5, 6, 7, 9, 10, 11}),
    _ATTRIBUTE: frozenset({4, 7, 8, 9}),
    _MODEL: frozenset({6, 20}),
    _GRAPH: frozenset({10}),
}


def strip(content: Buffer) -> bytes:
    """The file's message without the tensor data of more than `LARGEST_KEPT_BYTE`; raises
    Unreadable.

    A tensor whose data is left out has empty `raw_data` instead, unlike one that the file has no
    data of; an attribute whose numbers are left out has a tensor of as many beside them.

    Only tags and lengths are looked at, so that a memory-mapped file of any size is hardly touched.
    """
    view = memoryview(content)
    try:
        return b"".join(_strip(view, 0, len(view), _MODEL, 0)[0])
    finally:
        view.release()


_LENGTH_DELIMITED = 2  # the wire type of texts and messages
_MOST_FIELDS = 50  # kinds of them; no format has so many


def _strip(
    view: memoryview, start: int, end: int, message: int, depth: int
) -> tuple[list[bytes], int]:
    if depth > DEEPEST:
        raise Unreadable("graphs are nested too deeply")
    inside, left_out = _INSIDE[message], _LEFT_OUT.get(message, frozenset())
    parts: list[bytes] = []
    length = 0
    position = kept_from = start

    def keep(until: int) -> None:
        nonlocal length
        if until > kept_from:
            parts.append(bytes(view[kept_from:until]))
            length += until - kept_from

    while position < end:
        field_start = position
        tag, position = _varint(view, position, end)
        field, wire_type = tag >> 3, tag & 7
        if field == 0:
            raise Unreadable("the file is not an ONNX model: a field has the number 0")
        if wire_type != _LENGTH_DELIMITED:
            position = _after_scalar(view, position, end, wire_type)
            continue
        size, position = _varint(view, position, end)
        content_start = position
        position += size
        if position > end:
            break
        largest = _LARGEST_KEPT.get((message, field), LARGEST_KEPT_BYTE)
        if size > largest and (field in left_out or field in inside):
            keep(field_start)
            kept_from = position
            if field in inside:
                below, size = _strip(view, content_start, position, inside[field], depth + 1)
                new = [_encoded(tag) + _encoded(size), *below]
            else:
                new = [_placeholder(message, field, view[content_start:position])]
            parts += new
            length += sum(map(len, new))
    if position > end:
        raise Unreadable(
            "the file ends in the middle of a field: it is cut short, or not an ONNX model"
        )
    keep(end)
    return parts, length


def _placeholder(message: int, field: int, numbers: memoryview) -> bytes:
    """What stands for data that is left out."""
    if message == _TENSOR:
        return _field(_RAW_DATA, b"")
    if message == _ATTRIBUTE and field in (_FLOATS, _INTS):
        # The last byte of each number in a field of integers has no high bit.
        ends = np.frombuffer(numbers, np.uint8) < 0x80
        count = len(numbers) // 4 if field == _FLOATS else int(np.count_nonzero(ends))
        return _field(_TENSOR_OF, bytes([1 << 3]) + _encoded(count))  # its dims
    return b""


def _field(number: int, content: bytes) -> bytes:
    return _encoded(number << 3 | _LENGTH_DELIMITED) + _encoded(len(content)) + content


def outermost_fields(content: Buffer) -> frozenset[tuple[int, int]]:
    """The numbers and wire types of a message's own fields, as far as it is one."""
    found: set[tuple[int, int]] = set()
    view = memoryview(content)
    try:
        position = 0
        while position < len(view) and len(found) < _MOST_FIELDS:
            tag, position = _varint(view, position, len(view))
            found.add((tag >> 3, tag & 7))
            if tag & 7 == _LENGTH_DELIMITED:
                size, position = _varint(view, position, len(view))
                position += size
            else:
                position = _after_scalar(view, position, len(view), tag & 7)
    except Unreadable:
        return frozenset(found)
    finally:
        view.release()
    return frozenset(found)


def _after_scalar(view: memoryview, position: int, end: int, wire_type: int) -> int:
    """Where the field ends that begins here with a number."""
    match wire_type:
        case 0:
            return _varint(view, position, end)[1]
        case 1:
            return position + 8
        case 5:
            return position + 4
        case _:
            raise Unreadable(
                f"the file is not an ONNX model: no field has the wire type {wire_type}"
            )


def _varint(view: memoryview, position: int, end: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if position >= end:
            raise Unreadable(
                "the file ends in the middle of a number: it is cut short, or not an ONNX model"
            )
        byte = view[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
    raise Unreadable("the file is not an ONNX model: a number has more than ten bytes")


def _encoded(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)

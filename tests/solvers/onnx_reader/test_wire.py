"""Stripping leaves out weights and nothing else."""

from collections.abc import Callable

import numpy as np
import pytest
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from onnx import AttributeProto, ModelProto, helper, numpy_helper

from solvers.onnx_reader import Unreadable
from solvers.onnx_reader.wire import LARGEST_KEPT_BYTE, strip
from tests.support.onnx.graphs import SMALL, a_chain, light


@pytest.mark.parametrize("maker", SMALL.values(), ids=SMALL)
def test_a_small_file_stays_as_it_is(maker: Callable[[], ModelProto]) -> None:
    content = maker().SerializeToString()
    assert strip(content) == content


def test_the_weights_go_and_all_else_stays() -> None:
    model = a_chain()
    large = np.ones((50, 60), np.float32)
    model.graph.initializer.append(numpy_helper.from_array(large, "large"))
    packed = helper.make_tensor("packed", 1, [2000], [1.0] * 2000)
    model.graph.initializer.append(packed)
    constant = helper.make_node(
        "Constant", [], ["constant"], value=numpy_helper.from_array(large, "value")
    )
    body = helper.make_graph(
        [constant], "body", [], [helper.make_tensor_value_info("constant", 1, [50, 60])]
    )
    model.graph.node.append(
        helper.make_node("If", ["flag"], ["y"], then_branch=body, else_branch=body)
    )
    content = model.SerializeToString()
    stripped = ModelProto.FromString(strip(content))
    assert len(strip(content)) < len(content) - 4 * 50 * 60 * 3 - 4 * 2000
    model.graph.initializer[-2].raw_data = b""
    model.graph.initializer[-1].ClearField("float_data")
    model.graph.initializer[-1].raw_data = b""
    for attribute in model.graph.node[-1].attribute:
        attribute.g.node[0].attribute[0].t.raw_data = b""
    assert stripped == model


@pytest.mark.parametrize(("field", "byte"), [(7, 4), (8, 10)])
def test_numbers_that_are_left_out_leave_their_count(field: int, byte: int) -> None:
    """Other writers than onnx's own pack the numbers of an attribute."""
    count = 5000
    packed = bytes([0xFF] * (byte - 1) + [1]) * count
    attribute = AttributeProto(name="value", type=AttributeProto.INTS).SerializeToString()
    attribute += _message(field, packed)
    content = _message(7, _message(1, _message(5, attribute)))
    (node,) = ModelProto.FromString(strip(content)).graph.node
    assert (len(node.attribute[0].ints), len(node.attribute[0].floats)) == (0, 0)
    assert node.attribute[0].t.dims == [count]


def _message(field: int, content: bytes) -> bytes:
    length = len(content)
    head = bytearray([field << 3 | 2])
    while length >= 0x80:
        head.append(length & 0x7F | 0x80)
        length >>= 7
    return bytes([*head, length]) + content


def test_many_small_tensors_are_kept() -> None:
    content = light("squeezenet")
    assert len(content) > LARGEST_KEPT_BYTE
    assert strip(content) == content


def test_a_file_cut_short_anywhere_is_refused_or_a_smaller_message() -> None:
    content = a_chain().SerializeToString()
    whole = {length for length in range(len(content)) if _is_whole(content[:length])}
    assert 0 in whole
    assert len(whole) < 10  # the ends of the file's outermost fields
    for length in set(range(len(content))) - whole:
        with pytest.raises(Unreadable, match="middle of a"):
            strip(content[:length])


def _is_whole(content: bytes) -> bool:
    try:
        ModelProto.FromString(content)
    except DecodeError:
        return False
    return strip(content) == content


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"\x00\x00", "number 0"),
        (b"\x0b", "wire type 3"),
        (b"\x0f", "wire type 7"),
        (b"\x08" + b"\xff" * 11, "more than ten bytes"),
        (b"\x3a\xff\xff\xff\xff\xff\xff\xff\xff\x7f", "middle of a field"),
        (b"\x3a\x05abc", "middle of a field"),
        (b"PK\x03\x04 an archive", "not an ONNX model"),
    ],
)
def test_what_is_no_message_is_refused(content: bytes, told: str) -> None:
    with pytest.raises(Unreadable, match=told):
        strip(content)


def test_messages_in_messages_have_an_end() -> None:
    content = bytes(5000)
    for _ in range(200):  # a graph with a node with an attribute with a graph ...
        content = _message(1, _message(5, _message(6, content)))
    with pytest.raises(Unreadable, match="too deeply"):
        strip(_message(7, content))

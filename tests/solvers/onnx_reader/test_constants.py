"""Constants in every form that a file may keep them in, and those that it does not keep."""

import numpy as np
import pytest
from onnx import ModelProto, TensorProto, helper, numpy_helper

from solvers.onnx_reader import Network, Unreadable, read
from tests.support.onnx.graphs import a_model

HALF = [int(bits) for bits in np.full(1936, -0.37, np.float16).view(np.uint16)]


def typed(name: str, type_: int, dims: list[int], **field: list[float] | list[int]) -> TensorProto:
    """A constant in one of the fields for numbers, of which a negative one takes ten bytes."""
    tensor = TensorProto(name=name, data_type=type_, dims=dims)
    for key, values in field.items():
        getattr(tensor, key).extend(values)
    return tensor


def read_with(text: str, *tensors: TensorProto, opset: int = 17) -> Network:
    model = a_model(text, opset=opset)
    model.graph.initializer.extend(tensors)
    return read(model.SerializeToString())


@pytest.mark.parametrize(
    ("text", "tensor", "byte"),
    [
        (
            "net (float16[1, 88, 1, 1] x) => (float16 y) { y = Conv (x, w) }",
            typed("w", TensorProto.FLOAT16, [22, 88, 1, 1], int32_data=HALF),
            3872,
        ),
        (
            "net (uint8[1, 16, 8, 8] x) => (int32 y) { y = ConvInteger (x, w) }",
            typed("w", TensorProto.INT8, [32, 16, 1, 1], int32_data=[-5] * 512),
            512,
        ),
        (
            "net (bfloat16[1, 40] x) => (bfloat16 y) { y = MatMul (x, w) }",
            typed("w", TensorProto.BFLOAT16, [40, 50], int32_data=[0xBEBD] * 2000),
            4000,
        ),
        (
            "net (float[1, 500] x) => (float y) { y = Gather <axis = 1> (x, w) }",
            typed("w", TensorProto.INT64, [500], int64_data=list(range(-500, 0))),
            0,
        ),
    ],
)
def test_numbers_in_the_fields_of_their_type_are_read(
    text: str, tensor: TensorProto, byte: int
) -> None:
    network = read_with(text, tensor)
    assert network.cuts[-1].parameter_byte == byte
    assert network.notes == () or "counts as work" in network.notes[0]


@pytest.mark.parametrize(
    ("type_", "elements", "byte"),
    [
        (TensorProto.INT4, 7, 4),
        (TensorProto.UINT4, 8, 4),
        (TensorProto.INT2, 9, 3),
        (TensorProto.FLOAT4E2M1, 3, 2),
        (TensorProto.FLOAT6E2M3, 8, 6),
        (TensorProto.FLOAT6E3M2, 5, 4),
        (TensorProto.FLOAT8E4M3FN, 5, 5),
        (TensorProto.FLOAT8E8M0, 5, 5),
    ],
)
def test_small_elements_share_bytes(type_: int, elements: int, byte: int) -> None:
    """Whether the file has their data or not."""
    stored = TensorProto(name="w", data_type=type_, dims=[1, elements], raw_data=bytes(byte))
    for tensor in (stored, TensorProto(name="w", data_type=type_, dims=[1, elements])):
        network = read_with(
            "net (float[1] x) => (float y) { d = Cast <to = 1> (w) y = Mul (x, d) }",
            tensor,
            opset=28,
        )
        assert (network.parameters, network.cuts[-1].parameter_byte) == (elements, byte)


def test_stripped_weights_count_by_their_dimensions() -> None:
    network = read_with(
        "net (float[1, 3, 8, 8] x) => (float y) { y = Conv (x, w, b) }",
        TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[8, 3, 3, 3]),
        TensorProto(name="b", data_type=TensorProto.FLOAT, dims=[8]),
    )
    assert network.cuts[-1].flop == 2 * 36 * 8 * 27
    assert network.cuts[-1].parameter_byte == 4 * (216 + 8)
    assert network.notes == (
        "2 constants have no data in the file ('w', 'b'): they count by their dimensions.",
    )


@pytest.mark.parametrize(
    ("external", "told"), [(True, "in the file 'weights.bin'"), (False, "none")]
)
def test_a_shape_that_is_not_in_the_file_is_asked_for(external: bool, told: str) -> None:
    shape = TensorProto(name="shape", data_type=TensorProto.INT64, dims=[2])
    if external:
        shape.data_location = TensorProto.EXTERNAL
        shape.external_data.add(key="location", value="weights.bin")
    weight = numpy_helper.from_array(np.ones((16, 4), np.float32), "w")
    text = "net (float[1, 2, 8] x) => (float y) { r = Reshape (x, shape) y = MatMul (r, w) }"
    with pytest.raises(Unreadable, match=f"'shape' says a shape, and .*{told}"):
        read_with(text, shape, weight)
    reshaped = "net (float[1, 2, 8] x) => (float r) { r = Reshape (x, shape) }"
    assert any(told in note for note in read_with(reshaped, shape).notes)


def test_what_is_filled_counts_where_it_is_a_weight() -> None:
    """An empty state, a mask and a vector of zeros are none."""
    text = """
        net (float[5, 2, 3] x) => (float y) {{
            filled = ConstantOfShape (size)
            {node}
        }}
    """
    for node, size, byte in (
        ("y = MatMul (x, filled)", [3, 4], 48),
        ("f = Transpose (filled) y = MatMul (x, f)", [4, 3], 48),
        ("y = Mul (x, filled)", [3], 12),
        ("y = Add (x, filled)", [5, 2, 3], 0),
        ("y = Concat <axis = 1> (x, filled)", [5, 7, 3], 0),
        ("y = LSTM <hidden_size = 4> (x, w, r, , , filled)", [1, 2, 4], 4 * 16 * 7),
    ):
        tensors = [numpy_helper.from_array(np.array(size), "size")]
        if "LSTM" in node:
            tensors += [
                numpy_helper.from_array(np.ones((1, 16, width), np.float32), name)
                for name, width in (("w", 3), ("r", 4))
            ]
        assert read_with(text.format(node=node), *tensors).cuts[-1].parameter_byte == byte


def test_numbers_of_a_constant_that_another_writer_packed_are_counted() -> None:
    model = a_model("net (float[5000] x) => (float y) { y = Mul (x, w) }")
    node = helper.make_node("Constant", [], ["w"], value_floats=[0.5])
    attribute = node.attribute[0]
    attribute.ClearField("floats")
    node.ClearField("attribute")
    packed = attribute.SerializeToString() + b"\x3a" + _varint(20_000) + bytes(20_000)
    content = node.SerializeToString() + b"\x2a" + _varint(len(packed)) + packed
    graph = b"\x0a" + _varint(len(content)) + content + model.graph.SerializeToString()
    model.ClearField("graph")
    whole = model.SerializeToString() + b"\x3a" + _varint(len(graph)) + graph
    assert len(ModelProto.FromString(whole).graph.node[0].attribute[0].floats) == 5000
    assert read(whole).cuts[-1].parameter_byte == 20_000


def _varint(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])

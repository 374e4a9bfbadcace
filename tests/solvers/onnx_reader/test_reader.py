"""What is counted, what crosses, and what is refused in which words."""

import random
import re
from collections.abc import Callable

import numpy as np
import pytest
from onnx import ModelProto, TensorProto, helper, numpy_helper

from solvers.onnx_reader import Network, Options, Unreadable, parse_input_byte, parse_shape, read
from tests.support.onnx import graphs
from tests.support.onnx.graphs import SMALL, a_chain, a_model, a_residual
from tests.support.onnx.mutations import damaged


def read_model(
    model: ModelProto, options: Options | None = None, **shapes: tuple[int, ...]
) -> Network:
    return read(model.SerializeToString(), shapes, options)


def names(network: Network) -> list[tuple[str, ...]]:
    return [cut.tensors for cut in network.cuts]


def mac(model: ModelProto) -> int:
    return read_model(model).cuts[-1].flop // 2


def test_a_chain_is_cut_after_every_node() -> None:
    network = read_model(a_chain())
    assert names(network) == [("image",), ("conv",), ("relu",), ("pool",), ("flat",), ()]
    assert [cut.flop for cut in network.cuts] == [
        0,
        *[2 * 8 * 8 * 4 * 27] * 4,
        2 * (8 * 8 * 4 * 27 + 40),
    ]
    assert [cut.feature_byte for cut in network.cuts] == [4 * 192, 4 * 256, 4 * 256, 16, 16, 0]
    assert [cut.parameter_byte for cut in network.cuts] == [
        0,
        *[4 * (4 * 27 + 4)] * 4,
        4 * (4 * 27 + 4 + 50),
    ]


def test_a_kernel_of_a_runtime_is_cut_only_where_it_ends() -> None:
    assert names(read_model(a_chain(), Options(fusion_boundaries=True))) == [
        ("image",),
        ("relu",),
        ("flat",),
        (),
    ]


@pytest.mark.parametrize(("kind", "byte"), [("int8", 256), ("uint8", 256), ("int4", 128)])
def test_what_is_dequantised_crosses_as_it_was(kind: str, byte: int) -> None:
    network = read_model(graphs.qdq(kind), Options(fusion_boundaries=True))
    assert names(network) == [("x",), ("x_q",), ("b_q",), ("d_q",), ()]
    assert {cut.feature_byte for cut in network.cuts[1:-1]} == {byte}
    assert any("3 cuts go through signed int8" in note for note in network.notes) == (
        kind == "int8"
    )
    two = names(read_model(graphs.qdq(kind), Options(fusion_boundaries=True, max_tensors=2)))
    # The sum reads the float tensor again: that one crosses where the convolution has run.
    assert set(two) - set(names(network)) == {("b_dq", "c_q")}


@pytest.mark.parametrize("narrow", [10, 16])  # float16, bfloat16
def test_a_cast_to_a_wider_type_belongs_to_what_reads_it(narrow: int) -> None:
    model = a_model(
        f"""
        net (float[1, 64] x) => (float[1, 8] y) {{
            a = MatMul (x, w1) half = Cast <to = {narrow}> (a)
            wide = Cast <to = 1> (half) seen = Reshape (wide, rows) b = MatMul (seen, w2)
            whole = Cast <to = 6> (b) y = Cast <to = 1> (whole)
        }}
        """,
        weights={"w1": (64, 16), "w2": (16, 8)},
    )
    model.graph.initializer.append(numpy_helper.from_array(np.array([1, 16]), "rows"))
    network = read_model(model, Options(fusion_boundaries=True))
    assert names(network) == [("x",), ("half",), ()]
    assert network.cuts[1].feature_byte == 32


def test_results_made_on_the_device_cross_too() -> None:
    one = read_model(a_residual())
    assert names(one) == [("x",), ("first",), ("sum",), ()]
    two = read_model(a_residual(), Options(max_tensors=2))
    assert set(names(two)) == {
        ("x",),
        ("first",),
        ("first", "left"),
        ("first", "bent"),
        ("sum",),
        ("sum", "side"),
        ("sum", "y"),
        (),
    }
    assert {cut.tensors: cut.feature_byte for cut in two.cuts}["sum", "side"] == 4 * (256 + 4)


@pytest.mark.slow
@pytest.mark.parametrize("fusion_boundaries", [False, True])
def test_a_transformer_is_cut_between_its_layers(fusion_boundaries: bool) -> None:
    """Its attention mask stays live, so that all of it is one segment, too large to try every
    pair.
    """
    options = Options(max_tensors=2, fusion_boundaries=fusion_boundaries)
    network = read_model(graphs.transformer(layers=12), options, x=(1, 6, 8), mask=(1, 6))
    boundaries = {frozenset({f"out{layer}", "bias"}) for layer in range(11)}
    assert boundaries <= {frozenset(cut.tensors) for cut in network.cuts}
    assert [cut.flop for cut in network.cuts] == sorted(cut.flop for cut in network.cuts)
    if not network.complete:
        assert "all cuts of up to 1 tensors" in " ".join(network.notes)


def test_weights_used_twice_count_once() -> None:
    network = read_model(a_residual())
    assert network.cuts[-1].parameter_byte == network.cuts[-2].parameter_byte == 4 * (16 + 144)


def test_shape_arithmetic_is_followed_and_its_values_told() -> None:
    network = read_model(graphs.with_shape_arithmetic(), x=(3, 8, 4, 4))
    assert names(network) == [("x",), ("mixed",), ("flat",), ()]
    assert network.cuts[-1].flop == 2 * (3 * 8 * 16 * 8 + 3 * 128 * 5)
    assert network.shape_values == {"shape": (3, 8, 4, 4)}


def test_a_named_dimension_is_the_same_in_all_inputs() -> None:
    model = a_model("net (float[n, 4] a, float[n, 4] b) => (float[n, 4] y) { y = Add (a, b) }")
    assert read_model(model, a=(7, 4)).shapes == {"a": (7, 4), "b": (7, 4)}
    with pytest.raises(Unreadable, match="'n' is given as 7 and as 8"):
        read_model(model, a=(7, 4), b=(8, 4))


@pytest.mark.parametrize(
    ("maker", "expected"),
    [
        (graphs.with_branches, 72 + 2 * 72),  # the larger branch
        (graphs.with_loop, 5 * 72),
        (graphs.with_scan, 7 * 36),
        (graphs.recurrent, 5 * 2 * 16 * (3 + 4) + 5 * 2 * 18 * (4 + 6)),
        (graphs.quantised, 6 * 6 * 4 * 27 + 16),
        (graphs.with_function, 4 * 72),
        (graphs.with_external_weights, 8 * 8 * 4 * 27 + 40),
        (graphs.with_sparse_weights, 36),
    ],
)
def test_work_is_counted(maker: Callable[[], ModelProto], expected: int) -> None:
    assert mac(maker()) == expected


@pytest.mark.parametrize(
    ("node", "shapes", "expected"),
    [
        (
            "Conv <kernel_shape = [3, 3], group = 2> (x, w)",
            ((2, 4, 5, 5), (6, 2, 3, 3)),
            2 * 6 * 9 * 18,
        ),
        (
            "Conv <strides = [2, 2], dilations = [2, 2]> (x, w)",
            ((1, 3, 9, 9), (5, 3, 3, 3)),
            5 * 9 * 27,
        ),
        (
            "ConvTranspose <strides = [2, 2], group = 2> (x, w)",
            ((1, 4, 5, 5), (4, 3, 2, 2)),
            4 * 25 * 12,
        ),
        ("Gemm (x, w)", ((3, 4), (4, 5)), 60),
        ("Gemm <transA = 1, transB = 1> (x, w)", ((4, 3), (5, 4)), 60),
        ("MatMul (x, w)", ((7, 3, 4), (4, 5)), 420),
        ("MatMul (x, w)", ((7, 3, 4), (1, 4, 5)), 420),
        ("MatMul (x, w)", ((3, 4), (4)), 12),
        ("MatMul (x, w)", ((4), (4, 5)), 20),
        ('Einsum <equation = "ij,jk->ik"> (x, w)', ((3, 4), (4, 5)), 60),
        ("DeformConv (x, w, offset)", ((1, 4, 5, 5), (6, 4, 3, 3)), 9 * 6 * 36),
        ("Mul (x, w)", ((3, 4), (3, 4)), 0),
    ],
)
def test_operators_count_their_multiplications(
    node: str, shapes: tuple[tuple[int, ...], ...], expected: int
) -> None:
    x, w = (tuple(np.atleast_1d(shape).tolist()) for shape in shapes)
    dims = ", ".join(map(str, x))
    weights = {"w": w, "offset": (1, 18, 3, 3)}
    text = f"net (float[{dims}] x) => (float y) {{ y = {node} }}"
    assert mac(a_model(text, weights=weights, opset=22)) == expected


def test_a_bidirectional_lstm_works_both_ways() -> None:
    text = (
        "net (float[5, 2, 3] x) => (float y) { y = LSTM <hidden_size = 4, direction ="
        ' "bidirectional"> (x, w, r) }'
    )
    assert mac(a_model(text, weights={"w": (2, 16, 3), "r": (2, 16, 4)})) == 5 * 2 * 2 * 16 * (
        3 + 4
    )


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        # Queries (2, 6, 16), keys (2, 10, 8) and values (2, 10, 4): heads 4 wide, values 2.
        ("Attention <q_num_heads = 4, kv_num_heads = 2> (q, k, v)", 2 * 4 * 6 * 10 * (4 + 2)),
        (
            "Attention <q_num_heads = 4, kv_num_heads = 2, is_causal = 1> (q, k, v, mask)",
            2 * 4 * 6 * 10 * (4 + 2),
        ),
        (
            "Attention <q_num_heads = 4, kv_num_heads = 2> (q, k, v, , pastk, pastv)",
            2 * 4 * 6 * (10 + 3) * (4 + 2),
        ),
        ("Attention (q4, k4, v4)", 2 * 4 * 6 * 10 * (4 + 2)),
        (
            "LinearAttention <q_num_heads = 4, kv_num_heads = 2,"
            ' update_rule = "linear"> (q, kq, vq)',
            2 * 6 * 4 * 2 * (2 + 4),
        ),
        (
            "LinearAttention <q_num_heads = 4, kv_num_heads = 2> (q, kq, vq, , decay, beta)",
            2 * 6 * 4 * 2 * (2 * 2 + 4),
        ),
        ("CausalConvWithState (q, taps)", 2 * 6 * 16 * 3),
        ("RNN <hidden_size = 5> (q, w, r)", 2 * 6 * 5 * (16 + 5)),
    ],
)
def test_attention_counts_each_query_with_each_key(node: str, expected: int) -> None:
    text = f"""
        net (float[2, 6, 16] q) => (float y) {{
            q4 = Reshape (q, heads)
            y{", state" if "Linear" in node or "Causal" in node else ""} = {node}
        }}
    """
    shapes = {
        "k": (2, 10, 8), "v": (2, 10, 4), "mask": (6, 10), "pastk": (2, 2, 3, 4),
        "pastv": (2, 2, 3, 2), "k4": (2, 2, 10, 4), "v4": (2, 2, 10, 2), "kq": (2, 6, 8),
        "vq": (2, 6, 4), "decay": (2, 6, 2), "beta": (2, 6, 2), "taps": (6, 1, 3),
        "w": (1, 5, 16), "r": (1, 5, 5),
    }  # fmt: skip
    model = a_model(text, weights=shapes, opset=28)
    model.graph.initializer.append(numpy_helper.from_array(np.array([2, 4, 6, 4]), "heads"))
    network = read_model(model)
    assert network.cuts[-1].flop == 2 * expected
    assert network.notes == ()


def test_an_unknown_operator_is_taken_at_the_files_word() -> None:
    known = read_model(a_chain())
    network = read_model(broken(magic(1, 4, 8, 8)))
    assert [cut.flop for cut in network.cuts] == [cut.flop for cut in known.cuts]
    assert [cut.feature_byte for cut in network.cuts] == [cut.feature_byte for cut in known.cuts]
    assert "Magic: nobody here knows these operators" in network.notes[0]


def test_a_size_in_the_file_may_name_dimensions_of_the_inputs() -> None:
    model = a_model(
        "net (float[N, 4] x) => (float y) { k = NonZero (x) c = Cast <to = 1> (k)"
        " y = MatMul (c, w) }",
        weights={"w": (6, 3)},
    )
    with pytest.raises(Unreadable, match="depends on the data"):
        read_model(model, x=(2, 4))
    model.graph.value_info.append(helper.make_tensor_value_info("k", TensorProto.INT64, [2, "N"]))
    assert read_model(model, x=(6, 4)).cuts[-1].flop == 2 * 2 * 6 * 3
    model.graph.value_info[0].CopyFrom(
        helper.make_tensor_value_info("k", TensorProto.INT64, [3, "N"])  # it makes two rows
    )
    with pytest.raises(Unreadable, match="depends on the data"):
        read_model(model, x=(6, 4))


def test_a_body_may_list_its_constants_among_its_inputs() -> None:
    """As all graphs did before IR 4."""
    expected = read_model(graphs.with_branches()).cuts
    model = graphs.with_branches()
    for attribute in model.graph.node[-1].attribute:
        constant = numpy_helper.from_array(np.ones(4, np.float32), f"{attribute.name}_unused")
        attribute.g.initializer.append(constant)
        attribute.g.input.append(helper.make_tensor_value_info(constant.name, 1, [4]))
    assert read_model(model).cuts == expected


@pytest.mark.parametrize(
    ("domain", "operator", "attributes"),
    [
        ("com.microsoft", "Gelu", {}),
        ("ai.onnx.ml", "Normalizer", {"norm": "L2"}),
        ("com.acme", "Wonder", {}),
    ],
)
def test_a_file_without_the_standards_operators_is_read(
    domain: str, operator: str, attributes: dict[str, str]
) -> None:
    dims = [1, 2]
    model = helper.make_model(
        helper.make_graph(
            [helper.make_node(operator, ["x"], ["y"], domain=domain, **attributes)],
            "g",
            [helper.make_tensor_value_info("x", 1, dims)],
            [helper.make_tensor_value_info("y", 1, dims)],
        ),
        opset_imports=[helper.make_opsetid(domain, 1)],
    )
    assert [cut.feature_byte for cut in read_model(model).cuts] == [8, 0]


def test_work_under_another_name_is_told() -> None:
    model = a_model(
        "net (float[3, 4] x) => (float y) { y = DFT <axis = 1> (x2) x2 = Unsqueeze (x, end) }"
    )
    model.graph.initializer.append(numpy_helper.from_array(np.array([-1]), "end"))
    network = read_model(model)
    assert network.cuts[-1].flop == 0
    assert any("DFT" in note for note in network.notes)


def test_long_names_stay_apart_when_they_are_shortened() -> None:
    model = a_chain()
    long = {"conv": "a" * 150 + "1" + "b" * 150, "relu": "a" * 150 + "2" + "b" * 150}
    for node in model.graph.node:
        for names_of in (node.input, node.output):
            for place, name in enumerate(names_of):
                names_of[place] = long.get(name, name)
    cuts = read_model(model).cuts
    assert len({cut.name for cut in cuts}) == len(cuts)
    assert all(len(cut.name) <= 200 for cut in cuts)
    assert [cut.name for cut in read_model(model).cuts] == [cut.name for cut in cuts]
    assert cuts[1].tensors == (long["conv"],)


def test_a_dropout_and_an_identity_are_other_names() -> None:
    model = a_model(
        """
        net (float[1, 4] x) => (float[1, 4] y) {
            a = Relu (x)
            b, mask = Dropout (a)
            c = Identity (b)
            y = MatMul (c, w)
        }
        """,
        weights={"w": (4, 4)},
    )
    assert names(read_model(model)) == [("x",), ("a",), ()]


def test_a_tensor_whose_size_depends_on_the_data_does_not_cross() -> None:
    model = a_model("""
        net (float[4] x) => (float[] y) {
            a = Relu (x)
            n = NonZero (a)
            f = Cast <to = 1> (n)
            y = ReduceMax <keepdims = 0> (f)
        }
        """)
    network = read_model(model)
    assert names(network) == [("x",), ("a",), ()]
    assert any("2 of the tensors" in note for note in network.notes)


def test_nodes_in_any_order_are_sorted() -> None:
    model = a_chain()
    expected = read_model(model)
    backwards = list(model.graph.node)[::-1]
    del model.graph.node[:]
    model.graph.node.extend(backwards)
    assert read_model(model) == expected


def test_what_no_result_needs_is_left_out() -> None:
    model = a_chain()
    model.graph.node.insert(
        1, helper.make_node("Conv", ["image", "w1"], ["unused"], kernel_shape=[3, 3])
    )
    assert read_model(model) == read_model(a_chain())


def broken(change: Callable[[ModelProto], object]) -> ModelProto:
    model = a_chain()
    change(model)
    return model


def node(
    *inputs: str, operator: str = "Relu", output: str = "new", **fields: str
) -> Callable[[ModelProto], None]:
    return lambda model: model.graph.node.append(
        helper.make_node(operator, inputs, [output], **fields)
    )


def magic(*shape: int) -> Callable[[ModelProto], None]:
    """Another operator in the middle, of a result that the file states if a shape is given."""

    def change(model: ModelProto) -> None:
        model.graph.node[1].op_type = "Magic"
        if shape:
            model.graph.value_info.append(helper.make_tensor_value_info("relu", 1, shape))

    return change


def dims(*sizes: int) -> Callable[[ModelProto], None]:
    def change(model: ModelProto) -> None:
        del model.graph.initializer[0].dims[:]
        model.graph.initializer[0].dims.extend(sizes)

    return change


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda model: model.graph.ClearField("node"), "no graph"),
        (lambda model: model.ClearField("opset_import"), "does not say which opset"),
        (lambda model: setattr(model.opset_import[0], "version", 99), "opset 99"),
        (lambda model: setattr(model.opset_import[0], "version", 0), "opset 0"),
        (node("nothing"), "reads 'nothing', which nothing makes"),
        (node("image", output="conv"), "two nodes make 'conv'"),
        (node("image", output="w1"), "two things are named 'w1'"),
        (magic(), "Magic is not a standard operator of opset 17, and the file does not state"),
        (node("image", operator="FusedConv", domain="com.microsoft"), "does not fit its inputs"),
        (node("image", operator="Wonder", domain="com.acme"), "domain 'com.acme', of which"),
        (node("image", "image"), "has 2 inputs"),
        (lambda model: model.graph.node[0].input.__setitem__(0, "scores"), "a loop through"),
        (lambda model: model.graph.node[0].input.__setitem__(0, ""), "lacks an input"),
        (lambda model: model.graph.node[0].input.__setitem__(0, "b1"), "does not fit its inputs"),
        (
            lambda model: model.graph.initializer.append(model.graph.initializer[0]),
            "two initializers are named 'w1'",
        ),
        (
            lambda model: model.graph.input.append(model.graph.input[0]),
            "two inputs are named 'image'",
        ),
        (
            lambda model: model.graph.output.add(name="nowhere"),
            "nothing makes the output 'nowhere'",
        ),
        (
            lambda model: model.graph.output[0].CopyFrom(model.graph.output.add(name="w1")),
            "two|no output|nothing",
        ),
        (dims(-4, 3, 3, 3), "negative dimension"),
        (dims(2**62, 2**62, 3, 3), "2\\^63 bytes"),
        (dims(2, 3, 3, 3), "does not have the data of its dimensions"),
        (
            lambda model: model.graph.input[
                0
            ].type.sequence_type.elem_type.tensor_type.SetInParent(),
            "is not a tensor",
        ),
    ],
)
def test_a_broken_file_is_refused_in_words(
    change: Callable[[ModelProto], object], told: str
) -> None:
    with pytest.raises(Unreadable, match=told):
        read_model(broken(change))


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "no graph|which opset"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "not an ONNX model"),
        (a_chain().SerializeToString()[:-7], "cut short"),
        (a_chain().SerializeToString().replace(b"relu", b"\xff\xfe\xfd\xfc"), "UTF-8"),
    ],
)
def test_what_is_no_model_is_refused(content: bytes, told: str) -> None:
    with pytest.raises(Unreadable, match=told):
        read(content)


@pytest.mark.parametrize(
    ("text", "shapes", "told"),
    [
        ("float[batch, 3] x", {}, "'x' has open dimensions (batch,3): fix them, as in shape=x:1,3"),
        ("float[batch, size] x", {}, "shape=x:1,N with numbers for N"),
        ("float[batch, 3] x", {"y": (1, 3)}, "no input 'y'; its inputs: 'x'"),
        ("float[batch, 3] x", {"x": (1, 3, 4)}, "has 2 dimensions (batch,3), not the 3 given"),
        ("float[batch, 3] x", {"x": (1, 4)}, "fixed at batch,3 in the file; 1,4 does not fit"),
        ("float[batch, 3] x", {"x": (-1, 3)}, "between 0 and 2^31 - 1"),
        ("float[batch, 3] x", {"x": (2**31, 3)}, "between 0 and 2^31 - 1"),
    ],
)
def test_shapes_are_asked_for_in_words(
    text: str, shapes: dict[str, tuple[int, ...]], told: str
) -> None:
    model = a_model(f"net ({text}) => (float y) {{ y = Relu (x) }}")
    with pytest.raises(Unreadable, match=re.escape(told)) as refused:
        read_model(model, **shapes)
    assert refused.value.option == "shapes"


def test_an_input_without_a_shape_is_asked_for() -> None:
    model = a_model("net (float[1] x) => (float y) { y = Relu (x) }")
    model.graph.input[0].type.tensor_type.ClearField("shape")
    with pytest.raises(Unreadable, match="does not say its dimensions"):
        read_model(model)
    assert read_model(model, x=(3, 4)).cuts[0].feature_byte == 48


def test_work_beyond_counting_is_refused() -> None:
    model = a_model(
        "net (float[a, b, c] x) => (float y) { y = MatMul (x, w) }", weights={"w": (4, 4)}
    )
    with pytest.raises(Unreadable, match=r"2\^63"):
        read_model(model, x=(2**31 - 1, 2**31 - 1, 4))


def test_a_branch_for_other_dimensions_does_not_count() -> None:
    model = graphs.with_branches()
    model.graph.initializer[1].dims[:] = [4, 9]  # v, which the second branch multiplies by
    model.graph.initializer[1].raw_data = bytes(4 * 36)
    network = read_model(model)
    assert network.cuts[-1].flop == 2 * 72
    assert any("only one branch counts" in note for note in network.notes)


def test_a_condition_that_is_known_chooses_the_branch() -> None:
    model = graphs.with_branches()
    for value, expected in ((True, 72), (False, 3 * 72)):
        known = ModelProto()
        known.CopyFrom(model)
        del known.graph.input[1]
        known.graph.initializer.append(numpy_helper.from_array(np.array(value), "flag"))
        assert mac(known) == expected


def test_a_loop_that_runs_until_something_happens_is_refused() -> None:
    model = graphs.with_loop()
    model.graph.node[0].CopyFrom(helper.make_node("Cast", ["x"], ["trips"], to=TensorProto.INT64))
    with pytest.raises(Unreadable, match="how often it runs"):
        read_model(model)


def test_only_numbers_come_out_of_a_file_that_asks_for_terabytes() -> None:
    """Constants that would be made of few bytes are never made."""
    model = a_model(
        "net (float[1, 4] x) => (float y) { big = ConstantOfShape (size) wide = Expand (x, size) y"
        " = Add (wide, big) }"
    )
    model.graph.initializer.append(
        numpy_helper.from_array(np.array([2**30, 2**10, 4], np.int64), "size")
    )
    network = read_model(model)
    assert network.cuts[-1].parameter_byte == 0  # a mask: the file has no weights
    assert network.cuts[1].feature_byte == 4 * 2**42


@pytest.mark.parametrize(
    "options",
    [
        Options(max_tensors=0),
        Options(max_tensors=9),
        Options(input_byte={"image": 0}),
        Options(input_byte={"flat": 5}),
    ],
)
def test_options_out_of_range_are_refused(options: Options) -> None:
    with pytest.raises(Unreadable) as refused:
        read_model(a_chain(), options)
    assert refused.value.option in ("max_tensors", "input_byte")


def test_texts_of_options_are_read() -> None:
    assert parse_shape("data:1,3,224,224") == ("data", (1, 3, 224, 224))
    assert parse_shape("input:0:1, 3") == ("input:0", (1, 3))
    assert parse_input_byte("data:150528") == ("data", 150_528)
    assert parse_shape("sr:") == ("sr", ())
    for text in ("data", ":", ":1,2", "data:1,,2", "data:1,-2", "data:1,x", "data:²"):
        with pytest.raises(Unreadable):
            parse_shape(text)
    for text in ("data", "data:", ":3", "data:1.5"):
        with pytest.raises(Unreadable):
            parse_input_byte(text)


def test_damage_is_survived_or_told() -> None:
    seeds = [maker().SerializeToString() for maker in SMALL.values()]
    told: list[str] = []
    survived = 0
    for number in range(200):
        rng = random.Random(number)
        content = damaged(seeds, rng)
        try:
            read(
                content,
                {"x": (2, 8, 4, 4)} if b"batch" in content else {},
                Options(max_tensors=rng.randint(1, 3)),
            )
        except Unreadable as error:
            told.append(error.detail)
        else:
            survived += 1
    assert survived > 10
    assert len(set(told)) > 50
    assert all(detail.isprintable() for detail in told)

"""Small ONNX files that have what large ones have: branches, bodies, shape arithmetic, recurrent
and integer nodes.
"""

from pathlib import Path

import numpy as np
import onnx
from onnx import ModelProto, TensorProto, helper, numpy_helper, parser

LIGHT = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"


def light(name: str) -> bytes:
    """A network that comes with onnx, its weights one number each."""
    return (LIGHT / f"light_{name}.onnx").read_bytes()


def a_model(
    text: str, *, opset: int = 17, weights: dict[str, tuple[int, ...]] | None = None
) -> ModelProto:
    """A model written in onnx's own text form, with seeded float weights of these shapes."""
    model = parser.parse_model(f'<ir_version: 8, opset_import: ["" : {opset}]>\n{text}')
    rng = np.random.default_rng(7)
    for name, shape in (weights or {}).items():
        model.graph.initializer.append(
            numpy_helper.from_array(rng.normal(size=shape).astype(np.float32), name)
        )
    return model


def a_chain() -> ModelProto:
    """Convolution, ReLU, pooling, fully connected: four nodes."""
    return a_model(
        """
        net (float[1, 3, 8, 8] image) => (float[1, 10] scores) {
            conv = Conv <kernel_shape = [3, 3], pads = [1, 1, 1, 1]> (image, w1, b1)
            relu = Relu (conv)
            pool = GlobalAveragePool (relu)
            flat = Flatten (pool)
            scores = Gemm <transB = 1> (flat, w2, b2)
        }
        """,
        weights={"w1": (4, 3, 3, 3), "b1": (4,), "w2": (10, 4), "b2": (10,)},
    )


def a_residual() -> ModelProto:
    """One block whose input is added to its output, and a result made half way."""
    return a_model(
        """
        net (float[1, 4, 8, 8] x) => (float[1, 4, 8, 8] y, float[1, 4, 1, 1] side) {
            first = Conv <kernel_shape = [1, 1]> (x, w1)
            left = Conv <kernel_shape = [3, 3], pads = [1, 1, 1, 1]> (first, w2)
            bent = Relu (left)
            sum = Add (bent, first)
            side = GlobalAveragePool (sum)
            y = Conv <kernel_shape = [1, 1]> (sum, w1)
        }
        """,
        weights={"w1": (4, 4, 1, 1), "w2": (4, 4, 3, 3)},
    )


def with_shape_arithmetic() -> ModelProto:
    """A batch left open, and a reshape to what its own shape says."""
    return a_model(
        """
        net (float[batch, 8, 4, 4] x) => (float[batch, 5] y) {
            mixed = Conv <kernel_shape = [1, 1]> (x, w1)
            shape = Shape (mixed)
            zero = Constant <value = int64[1] {0}> ()
            minus = Constant <value = int64[1] {-1}> ()
            batch_size = Gather <axis = 0> (shape, zero)
            target = Concat <axis = 0> (batch_size, minus)
            flat = Reshape (mixed, target)
            y = MatMul (flat, w2)
        }
        """,
        weights={"w1": (8, 8, 1, 1), "w2": (128, 5)},
    )


def with_branches() -> ModelProto:
    """An If whose branches read tensors around it; the second one works more."""
    return a_model(
        """
        net (float[2, 6] x, bool flag) => (float[2, 6] y) {
            h = MatMul (x, w)
            z = If (flag) <
                then_branch = then () => (float[2, 6] a) { a = Relu (h) },
                else_branch = otherwise () => (float[2, 6] b) {
                    c = MatMul (h, w)
                    b = MatMul (c, v)
                }
            >
            y = Relu (z)
        }
        """,
        weights={"w": (6, 6), "v": (6, 6)},
    )


def with_loop() -> ModelProto:
    """Five times the same matrix."""
    return a_model(
        """
        net (float[2, 6] x) => (float[2, 6] y, float[5, 2, 6] all) {
            trips = Constant <value = int64 {5}> ()
            go = Constant <value = bool {1}> ()
            start = Relu (x)
            y, all = Loop (trips, go, start) <
                body = step (int64 i, bool on, float[2, 6] h)
                    => (bool still, float[2, 6] next, float[2, 6] seen) {
                    still = Identity (on)
                    next = MatMul (h, w)
                    seen = Identity (next)
                }
            >
        }
        """,
        weights={"w": (6, 6)},
    )


def with_scan() -> ModelProto:
    """A matrix for each of seven rows."""
    return a_model(
        """
        net (float[7, 6] x, float[6] first) => (float[6] last, float[7, 6] all) {
            last, all = Scan (first, x) <
                num_scan_inputs = 1,
                body = step (float[6] state, float[6] row) => (float[6] next, float[6] seen) {
                    sum = Add (state, row)
                    next = MatMul (sum, w)
                    seen = Identity (next)
                }
            >
        }
        """,
        weights={"w": (6, 6)},
    )


def recurrent() -> ModelProto:
    """An LSTM and a GRU over five steps."""
    return a_model(
        """
        net (float[5, 2, 3] x) => (float[5, 1, 2, 6] y) {
            wide = LSTM <hidden_size = 4> (x, w1, r1)
            axis = Constant <value = int64[1] {1}> ()
            flat = Squeeze (wide, axis)
            y = GRU <hidden_size = 6> (flat, w2, r2)
        }
        """,
        weights={"w1": (1, 16, 3), "r1": (1, 16, 4), "w2": (1, 18, 4), "r2": (1, 18, 6)},
    )


def quantised() -> ModelProto:
    """An integer convolution and a quantised weight that is made real before it is used."""
    model = a_model("""
        net (uint8[1, 3, 8, 8] x) => (float[1, 4] y) {
            sums = ConvInteger <kernel_shape = [3, 3]> (x, k)
            real = Cast <to = 1> (sums)
            pool = GlobalAveragePool (real)
            flat = Flatten (pool)
            w = DequantizeLinear (q, scale)
            y = MatMul (flat, w)
        }
        """)
    rng = np.random.default_rng(7)
    model.graph.initializer.extend(
        [
            numpy_helper.from_array(rng.integers(0, 255, (4, 3, 3, 3)).astype(np.uint8), "k"),
            numpy_helper.from_array(rng.integers(-127, 127, (4, 4)).astype(np.int8), "q"),
            numpy_helper.from_array(np.float32(0.05), "scale"),
        ]
    )
    return model


def with_function() -> ModelProto:
    """A function of the file's own, called twice."""
    model = parser.parse_model("""
        <ir_version: 8, opset_import: ["" : 17, "own" : 1]>
        net (float[2, 6] x) => (float[2, 6] y) {
            h = own.twice (x, w)
            y = own.twice (h, w)
        }
        <domain: "own", opset_import: ["" : 17]>
        twice (a, m) => (c) { b = MatMul (a, m) c = MatMul (b, m) }
        """)
    model.graph.initializer.append(numpy_helper.from_array(np.eye(6, dtype=np.float32), "w"))
    return model


def with_external_weights() -> ModelProto:
    """Weights in a file that is nowhere."""
    model = a_chain()
    for weight in model.graph.initializer:
        weight.ClearField("raw_data")
        weight.data_location = TensorProto.EXTERNAL
        weight.external_data.add(key="location", value="../../../../etc/passwd")
    return model


def with_sparse_weights() -> ModelProto:
    """A matrix of which two elements are kept."""
    model = a_model("net (float[1, 6] x) => (float[1, 6] y) { y = MatMul (x, w) }")
    values = helper.make_tensor("w", TensorProto.FLOAT, [2], [1.0, 2.0])
    indices = helper.make_tensor("places", TensorProto.INT64, [2], [0, 7])
    model.graph.sparse_initializer.append(helper.make_sparse_tensor(values, indices, [6, 6]))
    return model


SMALL = {
    maker.__name__: maker
    for maker in (
        a_chain, a_residual, with_shape_arithmetic, with_branches, with_loop, with_scan, recurrent,
        quantised,
        with_function, with_external_weights, with_sparse_weights,
    )
}  # fmt: skip


def transformer(layers: int) -> ModelProto:
    """Layers of attention under one mask, norms decomposed, as exporters write them."""
    text, x = "", "x"
    for n in range(layers):
        text += f"""
            q{n} = MatMul ({x}, wq) k{n} = MatMul ({x}, wk) v{n} = MatMul ({x}, wv)
            t{n} = Transpose <perm = [0, 2, 1]> (k{n}) qk{n} = MatMul (q{n}, t{n})
            masked{n} = Add (qk{n}, bias) soft{n} = Softmax <axis = -1> (masked{n})
            seen{n} = MatMul (soft{n}, v{n}) sum{n} = Add (seen{n}, {x})
            mean{n} = ReduceMean <axes = [-1]> (sum{n}) less{n} = Sub (sum{n}, mean{n})
            square{n} = Mul (less{n}, less{n}) var{n} = ReduceMean <axes = [-1]> (square{n})
            dev{n} = Sqrt (var{n}) norm{n} = Div (less{n}, dev{n})
            wide{n} = MatMul (norm{n}, wf) act{n} = Relu (wide{n}) f{n} = MatMul (act{n}, wo)
            out{n} = Add (f{n}, norm{n})
        """
        x = f"out{n}"
    return a_model(
        f"""
        net (float[b, s, 8] x, float[b, s] mask) => (float[b, s, 8] y) {{
            one = Constant <value_float = 1.0> () big = Constant <value_float = -1e4> ()
            axis = Constant <value_ints = [1]> ()
            row = Unsqueeze (mask, axis) hidden = Sub (one, row) bias = Mul (hidden, big)
            {text}
            y = Neg ({x})
        }}
        """,
        opset=17,
        weights={"wq": (8, 8), "wk": (8, 8), "wv": (8, 8), "wf": (8, 16), "wo": (16, 8)},
    )


def qdq(kind: str) -> ModelProto:
    """As onnxruntime's quantiser writes it, with a residual; `kind` is the type of what crosses."""
    model = a_model(
        f"""
        net (float[1, 4, 8, 8] x) => (float[1, 4, 1, 1] y)
        <float s = {{0.125}}, {kind} z = {{0}}> {{
            x_q = QuantizeLinear (x, s, z) x_dq = DequantizeLinear (x_q, s, z)
            a = Conv (x_dq, w1) b = Relu (a)
            b_q = QuantizeLinear (b, s, z) b_dq = DequantizeLinear (b_q, s, z)
            c = Conv <pads = [1, 1, 1, 1]> (b_dq, w2)
            c_q = QuantizeLinear (c, s, z) c_dq = DequantizeLinear (c_q, s, z)
            d = Add (c_dq, b_dq)
            d_q = QuantizeLinear (d, s, z) d_dq = DequantizeLinear (d_q, s, z)
            y = GlobalAveragePool (d_dq)
        }}
        """,
        opset=21,
        weights={"w1": (4, 4, 1, 1), "w2": (4, 4, 3, 3)},
    )
    model.ir_version = 10
    return model


def with_choice() -> ModelProto:
    """An If on a number that is given: one product for 16000, else two."""
    return a_model(
        """
        net (float[1, 4] x, int64 sr) => (float[1, 4] y) {
            wanted = Constant <value_int = 16000> ()
            high = Equal (sr, wanted)
            bent = Relu (x)
            y = If (high) <
                then_branch = fast () => (float[1, 4] one) { one = MatMul (bent, w) },
                else_branch = slow () => (float[1, 4] two) {
                    half = MatMul (bent, w)
                    two = MatMul (half, w)
                }
            >
        }
        """,
        weights={"w": (4, 4)},
    )


def two_stages(*, measured: bool = False) -> ModelProto:
    """A detector: its second stage works on as many boxes as the first one finds. If `measured`,
    it reshapes them to what a Shape says.
    """
    rois = "shape = Shape (all) rois = Reshape (all, shape)" if measured else "rois = Relu (all)"
    model = a_model(
        f"""
        net (float[1, 3, 16, 16] image) => (float[found, 5] result) {{
            feature = Conv <pads = [1, 1, 1, 1]> (image, w0)
            relu = Relu (feature)
            scores0 = Conv (relu, w1) scores = Reshape (scores0, rows1)
            boxes0 = Conv (relu, w2) boxes = Reshape (boxes0, rows2)
            kept = NonMaxSuppression (boxes, scores, most)
            index = Gather <axis = 1> (kept, two) flat = Squeeze (index, one)
            flat_boxes = Squeeze (boxes, zero) all = Gather (flat_boxes, flat)
            {rois}
            result = MatMul (rois, w3)
        }}
        """,
        weights={"w0": (8, 3, 3, 3), "w1": (1, 8, 1, 1), "w2": (4, 8, 1, 1), "w3": (4, 5)},
    )
    for name, value in {
        "rows1": [1, 1, -1], "rows2": [1, -1, 4], "most": [9], "two": [2], "one": [1], "zero": [0],
    }.items():  # fmt: skip
        model.graph.initializer.append(numpy_helper.from_array(np.array(value), name))
    return model


def counting_loop(condition: str) -> ModelProto:
    """A Loop without a trip count; its body makes `next` of the counter `i`, and `more`."""
    model = a_model(
        f"""
        net (float[1, 4] x) => (int64 done, float[1, 4] y) {{
            bent = Relu (x)
            done, y = Loop (, yes, zero, bent) <
                body = round (int64 t, bool c, int64 i, float[1, 4] s)
                    => (bool more, int64 next, float[1, 4] then)
                {{
                    then = MatMul (s, w)
                    next = Add (i, one)
                    {condition}
                }}
            >
        }}
        """,
        weights={"w": (4, 4)},
    )
    for name, value in {"yes": True, "zero": 0, "one": 1, "last": 10}.items():
        model.graph.initializer.append(numpy_helper.from_array(np.array(value), name))
    model.graph.initializer.append(numpy_helper.from_array(np.float32(1.0), "limit"))
    return model

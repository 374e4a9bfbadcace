"""onnxruntime's own operators: what its quantiser and its optimisers write into files.

The source of each is its schema in onnxruntime 1.31 (`OperatorDocs` of its contrib operators). The
standard's own come first: a name that is here is looked up only where the standard has none.
"""

from __future__ import annotations

from collections.abc import Mapping

from onnx import GraphProto, TensorProto

from solvers.onnx_reader.forms import Form, Work, counted, inferred, like, same
from solvers.onnx_reader.runtime_attention import ATTENTION
from solvers.onnx_reader.runtime_results import (
    blocked_in,
    blocked_out,
    broadcast,
    dequantised,
    dynamic_lstm,
    dynamic_lstm_work,
    embedded,
    enlarged,
    experts,
    gathered_blocks,
    grouped_norm,
    halved,
    matrix,
    normalised,
    packed_by_shape,
    packed_gates,
    packed_product,
    packed_projections,
    packed_projections_work,
    packed_work,
    quantised,
    quantised_concat,
    quantised_gemm,
    relative_bias,
    sampled,
    simplified,
    state_of_convolution,
    together,
    turned_pairs,
    turned_product,
)
from solvers.onnx_reader.work import (
    convolution,
    depthwise,
    gemm,
    matrix_product,
    transposed_convolution,
)


def form_of(domain: str, operator: str) -> Form | None:
    """The operator, None where it is not known."""
    return _FORMS.get((domain, operator))


def channel_block(graph: GraphProto) -> int:
    """How many channels lie together in the blocked layout of this file, 8 or 16: what the machine
    that optimised it had, which only the dimensions of its weights say.
    """
    dims = {tensor.name: tensor.dims for tensor in graph.initializer}
    filled = [
        channels
        for node in graph.node
        if node.domain == "com.microsoft.nchwc" and node.op_type == "Conv"
        for weights in node.input[1:2]
        for channels in list(dims.get(weights, ()))[:2]
        if channels % 8 == 0  # others are channels of a plain image
    ]
    return 16 if all(channels % 16 == 0 for channels in filled) else 8


_MATMUL: Work = counted(matrix_product(0, 1))
_CONVOLUTION: Work = counted(convolution(0, 1))
_SAME = Form(same())

_MICROSOFT: Mapping[str, Form] = {
    **ATTENTION,
    # Convolutions and products with what follows them.
    "FusedConv": Form(like("Conv", (0, 1)), _CONVOLUTION),
    "NhwcConv": Form(like("Conv", (0, 1), channels_last=True), _CONVOLUTION),
    "NhwcFusedConv": Form(like("Conv", (0, 1), channels_last=True), _CONVOLUTION),
    "FusedGemm": Form(like("Gemm", (0, 1)), counted(gemm)),
    "GemmFloat8": Form(like("Gemm", (0, 1)), counted(gemm)),
    "GemmFastGelu": Form(matrix(), _MATMUL),
    "FusedMatMul": Form(matrix(), turned_product),
    "FusedMatMulActivation": Form(matrix(), turned_product),
    "TransposeMatMul": Form(matrix(), turned_product),
    "SparseToDenseMatMul": Form(matrix(element=1), turned_product),
    "CausalConvWithState": Form(state_of_convolution, counted(depthwise)),
    # Products of quantised tensors.
    "QLinearConv": Form(
        like("QLinearConv", range(9), channels_last="channels_last"), counted(convolution(0, 3))
    ),
    "QGemm": Form(quantised_gemm, counted(gemm)),
    "QOrderedMatMul": Form(matrix(0, 2), counted(matrix_product(0, 2))),
    "MatMulIntegerToFloat": Form(matrix(element=2), _MATMUL),
    "MatMulInteger16": Form(lambda call: [(TensorProto.INT32, matrix()(call)[0][1])], _MATMUL),
    "DynamicQuantizeMatMul": Form(matrix(element=0), _MATMUL),
    "DynamicQuantizeLSTM": Form(dynamic_lstm, dynamic_lstm_work),
    "MatMulNBits": Form(packed_product, packed_work),
    "MatMulBnb4": Form(packed_product, packed_work),
    "MatMulFpQ4": Form(packed_by_shape, packed_work),
    "MatMulNBitsQkv": Form(packed_projections, packed_projections_work),
    "MatMulNBitsMlp": Form(packed_gates, lambda call, outputs: 2 * packed_work(call, outputs)),
    "MoE": Form(same(), experts(2, 4, 6, packed=False)),
    "QMoE": Form(same(), experts(2, 5, 8, packed=True)),
    # What else the quantiser writes.
    "QuantizeLinear": Form(quantised),
    "DequantizeLinear": Form(dequantised),
    "QLinearAdd": Form(together(0, 3, element=0)),
    "QLinearMul": Form(together(0, 3, element=0)),
    "QLinearWhere": Form(together(0, 1, 4, element=1)),
    "QLinearConcat": Form(quantised_concat),
    "QLinearAveragePool": Form(like("AveragePool", channels_last="channels_last", quantised=True)),
    "QLinearGlobalAveragePool": Form(
        like("GlobalAveragePool", channels_last="channels_last", quantised=True)
    ),
    "QLinearReduceMean": Form(like("ReduceMean", quantised=True)),
    "MulInteger": Form(
        lambda call: [(TensorProto.INT32, broadcast([call.shape(0), call.shape(2)]))]
    ),
    "ReduceSumInteger": Form(
        lambda call: [(TensorProto.INT32, inferred("ReduceMean", call, (0,), quantised=True)[0][1])]
    ),
    # Norms and embeddings.
    "SkipLayerNormalization": Form(normalised),
    "SkipSimplifiedLayerNormalization": Form(normalised),
    "EmbedLayerNormalization": Form(embedded(2)),
    "QEmbedLayerNormalization": Form(embedded(8)),
    "GroupNorm": _SAME,
    "SkipGroupNorm": Form(grouped_norm),
    "GatherBlockQuantized": Form(gathered_blocks),
    "TorchEmbedding": Form(like("Gather", (0, 1))),
    "GemmaRotaryEmbedding": Form(turned_pairs),
    "RelativePositionBias": Form(relative_bias),
    # Of the standard, with another version.
    "NhwcMaxPool": Form(like("MaxPool", channels_last=True)),
    "MaxpoolWithMask": Form(like("MaxPool")),
    "Pad": Form(like("Pad", range(3))),
    "GatherND": Form(like("GatherND", (0, 1))),
    "GridSample": Form(sampled),
    "Range": Form(like("Range", range(3))),
    "BiasSplitGelu": Form(halved),
    **dict.fromkeys(
        (
            "BiasAdd", "BiasDropout", "BiasGelu", "BiasSoftmax", "BranchwiseRMSNorm", "ComplexMul",
            "ComplexMulConj", "FastGelu", "GatedAdd", "GatedRMSNorm", "Gelu", "Inverse",
            "MRotaryEmbedding", "QLinearLeakyRelu", "QLinearSigmoid", "QLinearSoftmax",
            "QOrderedGelu", "QOrderedLayerNormalization", "QuickGelu", "RotaryEmbedding",
            "ScaledSiLU", "Trilu",
        ),
        _SAME,
    ),
}  # fmt: skip

# Channels in blocks, which lie together: shapes are those of (batch, channels, ...), with channels
# filled up to whole blocks.
_BLOCKED: Mapping[str, Form] = {
    "Conv": Form(like("Conv", (0, 1)), _CONVOLUTION),
    "MaxPool": Form(like("MaxPool")),
    "AveragePool": Form(like("AveragePool")),
    "GlobalMaxPool": Form(like("GlobalMaxPool")),
    "GlobalAveragePool": Form(like("GlobalAveragePool")),
    "Upsample": Form(enlarged),
    "ReorderInput": Form(blocked_in),
    "ReorderOutput": Form(blocked_out),
}

_CHANNELS_LAST: Mapping[str, Form] = {
    "Conv": Form(like("Conv", (0, 1), channels_last=True), _CONVOLUTION),
    "ConvTranspose": Form(
        like("ConvTranspose", (0, 1), channels_last=True), counted(transposed_convolution)
    ),
    "QLinearConv": Form(
        like("QLinearConv", range(9), channels_last=True), counted(convolution(0, 3))
    ),
    "QLinearAveragePool": Form(like("AveragePool", channels_last=True, quantised=True)),
    **{
        name: Form(like(name, channels_last=True))
        for name in (
            "AveragePool", "DepthToSpace", "GlobalAveragePool", "GlobalLpPool", "GlobalMaxPool",
            "LpPool", "MaxPool", "SpaceToDepth",
        )
    },
    **dict.fromkeys(("BatchNormalization", "InstanceNormalization", "LRN"), _SAME),
}  # fmt: skip

# Of the standard's domain and not in the standard, or not in every version of it.
_OLDER: Mapping[str, Form] = {
    "LayerNormalization": Form(normalised),
    "SimplifiedLayerNormalization": Form(simplified),
    **dict.fromkeys(("Affine", "ImageScaler", "ParametricSoftplus", "Scale", "ScaledTanh"), _SAME),
}

_FORMS: Mapping[tuple[str, str], Form] = {
    (domain, name): form
    for domain, forms in (
        ("", _OLDER),
        ("com.microsoft", _MICROSOFT),
        ("com.microsoft.nchwc", _BLOCKED),
        ("com.ms.internal.nhwc", _CHANNELS_LAST),
    )
    for name, form in forms.items()
}

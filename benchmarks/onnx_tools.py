"""Networks as onnxruntime's own tools write them: is each read, cut, split, and equal when run?

    python -m benchmarks.onnx_tools [network ...]

The networks that come with onnx go through its quantisers, its optimisers and its converter. The
4-bit quantiser asks for the package onnx-ir beside the project's own; without it that row is left
out.
"""

import contextlib
import importlib.util
import io
import logging
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import ModelProto, helper, numpy_helper, version_converter
from onnxruntime import quantization
from onnxruntime.transformers.float16 import convert_float_to_float16

from benchmarks import light_models
from benchmarks.machine import describe
from profiler.network import open_network
from profiler.runtime import Runner, Tensors, run_split
from solvers.onnx_reader import Unreadable

SPLITS = 5  # of the cuts of a file, evenly over its list


class _OneImage(quantization.CalibrationDataReader):  # type: ignore[misc]
    """What the static quantisers calibrate with."""

    def __init__(self, model: ModelProto) -> None:
        self._feeds: Iterator[Tensors] = iter([light_models.an_image(model, seed=3)])

    def get_next(self) -> Tensors | None:
        return next(self._feeds, None)


def _static(format_: quantization.QuantFormat, **options: Any) -> Callable[[Path, Path], None]:
    def make(source: Path, target: Path) -> None:
        reader = _OneImage(onnx.load(source))
        quantization.quantize_static(source, target, reader, quant_format=format_, **options)

    return make


def _dynamic(source: Path, target: Path) -> None:
    quantization.quantize_dynamic(source, target)


def _optimised(level: str) -> Callable[[Path, Path], None]:
    def make(source: Path, target: Path) -> None:
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, level)
        options.optimized_model_filepath = str(target)
        options.log_severity_level = 3
        options.intra_op_num_threads = 1
        onnxruntime.InferenceSession(str(source), options, providers=["CPUExecutionProvider"])

    return make


def _after(
    first: Callable[[Path, Path], None], then: Callable[[Path, Path], None]
) -> Callable[[Path, Path], None]:
    def make(source: Path, target: Path) -> None:
        between = target.with_suffix(".between.onnx")
        first(source, between)
        then(between, target)
        between.unlink()

    return make


def _float16(source: Path, target: Path) -> None:
    onnx.save(convert_float_to_float16(onnx.load(source), keep_io_types=True), target)


def _newer(source: Path, target: Path) -> None:
    """Of opset 13: weights with a scale for each channel are not in older ones."""
    onnx.save(version_converter.convert_version(onnx.load(source), 13), target)


def _four_bits(source: Path, target: Path) -> None:
    from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer

    model = _with_products(onnx.load(source))
    quantizer = MatMulNBitsQuantizer(model, block_size=32, is_symmetric=True)
    quantizer.process()
    quantizer.model.save_model_to_file(str(target), use_external_data_format=False)


def _with_products(model: ModelProto) -> ModelProto:
    """Each Gemm as a MatMul and an Add, which is what the quantiser looks for."""
    weights = {tensor.name: tensor for tensor in model.graph.initializer}
    nodes = []
    for node in model.graph.node:
        if node.op_type != "Gemm" or node.input[1] not in weights:
            nodes.append(node)
            continue
        settings = {each.name: helper.get_attribute_value(each) for each in node.attribute}
        if settings.get("transB"):
            weight = weights[node.input[1]]
            turned = numpy_helper.to_array(weight).T
            weight.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(turned), weight.name))
        product = f"{node.output[0]} product"
        nodes.append(helper.make_node("MatMul", node.input[:2], [product]))
        nodes.append(helper.make_node("Add", [product, node.input[2]], [node.output[0]]))
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return model


QDQ, OPERATORS = quantization.QuantFormat.QDQ, quantization.QuantFormat.QOperator
SIGNED = {
    "activation_type": quantization.QuantType.QInt8,
    "weight_type": quantization.QuantType.QInt8,
    "per_channel": True,
}
TOOLS: dict[str, Callable[[Path, Path], None]] = {
    "quantize_static, QDQ": _static(QDQ),
    "quantize_static, QDQ, int8 per channel": _after(_newer, _static(QDQ, **SIGNED)),
    "quantize_static, QOperator": _static(OPERATORS),
    "quantize_static, QOperator, then optimised": _after(
        _static(OPERATORS), _optimised("ORT_ENABLE_ALL")
    ),
    "quantize_dynamic": _dynamic,
    "optimised, extended": _optimised("ORT_ENABLE_EXTENDED"),
    "optimised, all": _optimised("ORT_ENABLE_ALL"),
    "float16": _float16,
    "MatMulNBits": _four_bits,
}


@dataclass(frozen=True)
class Row:
    """What became of one file."""

    network: str
    tool: str
    own: str
    """Operators that are not the standard's."""
    cuts: int = 0
    split: int = 0
    worst: float = 0.0
    """Largest difference between halves and whole, relative to the largest output."""
    gmac: float = 0.0
    mib: float = 0.0
    refused: str = ""


def made(name: str, tool: str, folder: Path) -> Path | None:
    """The file that a tool makes of a network, None where it finds nothing to change."""
    source, target = folder / f"{name}.onnx", folder / "made.onnx"
    if not source.exists():
        onnx.save(light_models.weighted(name), source)
    if tool == "MatMulNBits" and importlib.util.find_spec("onnx_ir") is None:
        return None
    with contextlib.redirect_stdout(io.StringIO()):
        TOOLS[tool](source, target)
    if tool == "MatMulNBits" and "MatMulNBits" not in _own(onnx.load(target)):
        return None
    return target


def row(name: str, tool: str, folder: Path) -> Row | None:
    """Make a file, read it, split it and run both halves."""
    path = made(name, tool, folder)
    if path is None:
        return None
    model = onnx.load(path)
    own = ", ".join(sorted(_own(model)))
    try:
        network = open_network(
            path, name=name, feeds=light_models.an_image(model, seed=1), folder=folder
        )
    except Unreadable as error:
        return Row(name, tool, own, refused=error.detail)
    last = network.cuts[-1]
    whole = Runner(network.graph.exposing(()), threads=1)(network.feeds)
    scale = max(float(np.abs(values).max()) for values in whole.values())
    places = np.unique(np.linspace(0, len(network.cuts) - 1, SPLITS).astype(int))
    worst = 0.0
    for place in places:
        got = run_split(network.halves(int(place)), network.feeds)
        worst = max(
            worst,
            *(float(np.abs(got[each] - values).max()) / scale for each, values in whole.items()),
        )
    return Row(
        name, tool, own, len(network.cuts), len(places), worst,
        last.flop / 2e9, last.parameter_byte / 2**20,
    )  # fmt: skip


def _own(model: ModelProto) -> set[str]:
    return {node.op_type for node in model.graph.node if node.domain not in ("", "ai.onnx")}


def main() -> None:
    """Print the table of docs/models.md."""
    logging.disable(logging.WARNING)
    names = sys.argv[1:] or light_models.names()
    print(f"onnx {onnx.__version__}, onnxruntime {onnxruntime.__version__}; {describe()}\n")
    print("| network | tool | of onnxruntime's own | GMAC | MiB | cuts | split | difference |")
    print("|---|---|---|---:|---:|---:|---:|---:|")
    rows = []
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            for tool in TOOLS:
                found = row(name, tool, Path(folder))
                if found is None:
                    continue
                rows.append(found)
                told = found.refused or (
                    f"{found.gmac:.3f} | {found.mib:.2f} | {found.cuts} | {found.split} |"
                    f" {found.worst:.1e}"
                )
                print(f"| {name} | {tool} | {found.own} | {told} |", flush=True)
    taken = [each for each in rows if not each.refused]
    equal = Counter(each.worst == 0 for each in taken)
    print(
        f"\n{len(rows)} files, {len(taken)} taken, {sum(each.cuts for each in taken)} cuts,"
        f" {sum(each.split for each in taken)} of them split and run; {equal[True]} files equal"
        f" bit for bit, the worst differs by {max(each.worst for each in taken):.1e}."
    )


if __name__ == "__main__":
    main()

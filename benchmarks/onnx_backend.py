"""The backend tests that come with onnx: each file read, and its work counted again over the shapes
that a runtime really makes: `python -m benchmarks.onnx_backend`.
"""

import sys
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import ModelProto, numpy_helper

from benchmarks.machine import describe
from solvers.onnx_reader import Options, Unreadable, read
from tests.support.onnx import recount

DATA = Path(onnx.__file__).parent / "backend" / "test" / "data"
FOLDERS = ("light", "simple", "pytorch-operator", "pytorch-converted")


@dataclass(frozen=True)
class Case:
    """A network with one input."""

    name: str
    model: ModelProto
    feeds: dict[str, Any]


@dataclass(frozen=True)
class Compared:
    """What became of one file: how its tensors were made, and what differs."""

    case: str
    by: str
    difference: str = ""
    works: bool = False
    tensors: int = 0


def files() -> Iterator[Case]:
    """Those that are files."""
    for folder in FOLDERS:
        for path in sorted((DATA / folder).glob("**/*.onnx")):
            model = onnx.load(path)
            yield Case(
                f"{folder}/{path.stem if folder == 'light' else path.parent.name}",
                model,
                _feeds(path, model),
            )


def written() -> Iterator[Case]:
    """Those that onnx writes of its own operators."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from onnx.backend.test.case.node import collect_testcases

        collected = collect_testcases(None)
    for case in collected:
        if case.model is not None and case.data_sets:
            given = case.data_sets[0][0]
            feeds = {
                value.name: _array(array)
                for value, array in zip(case.model.graph.input, given, strict=False)
                if value.name
            }
            yield Case(f"node/{case.name}", case.model, feeds)


def _array(given: Any) -> Any:
    if isinstance(given, onnx.TensorProto):
        return numpy_helper.to_array(given)
    return np.asarray(given) if isinstance(given, np.generic) else given


def _feeds(path: Path, model: ModelProto) -> dict[str, Any]:
    stored = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in stored]
    feeds: dict[str, Any] = {}
    for place, value in enumerate(inputs):
        file = path.parent / "test_data_set_0" / f"input_{place}.pb"
        if file.exists():
            tensor = onnx.TensorProto.FromString(file.read_bytes())
            feeds[value.name] = numpy_helper.to_array(tensor)
        else:
            shape = [dim.dim_value for dim in value.type.tensor_type.shape.dim]
            feeds[value.name] = np.ones(shape, np.float32)
    return feeds


def compare(case: Case) -> Compared:
    """Read a file and count it again."""
    shapes = {
        name: value.shape
        for name, value in case.feeds.items()
        if isinstance(value, np.ndarray) and _is_open(case.model, name)
    }
    try:
        network = read(case.model.SerializeToString(), shapes, Options(max_tensors=2))
    except Unreadable as error:
        return Compared(case.name, "refused", error.detail)
    try:
        tensors, by = recount.run(case.model, case.feeds), "onnxruntime"
    except Exception:  # onnxruntime has no common class of errors
        try:
            tensors, by = recount.run_by_reference(case.model, case.feeds), "onnx"
        except Exception as error:
            return Compared(case.name, "not run", str(error)[:100])
    try:
        mac = recount.mac(case.model, tensors, tuple(case.feeds))
    except KeyError as error:
        return Compared(case.name, "not counted", str(error))
    last = network.cuts[-1]
    difference = "" if last.flop == 2 * mac else f"{last.flop} FLOP, {2 * mac} counted again"
    crossing = {name for cut in network.cuts for name in cut.tensors}
    for cut in network.cuts:
        byte = sum(_byte(tensors.get(name)) for name in cut.tensors)
        if byte != cut.feature_byte and all(name in tensors for name in cut.tensors):
            difference += f" {cut.name}: {cut.feature_byte} B, {byte} made"
    return Compared(case.name, by, difference, works=mac > 0, tensors=len(crossing))


def _is_open(model: ModelProto, name: str) -> bool:
    (value,) = (value for value in model.graph.input if value.name == name)
    dims = value.type.tensor_type.shape.dim
    return not value.type.tensor_type.HasField("shape") or any(dim.dim_value <= 0 for dim in dims)


def _byte(values: object) -> int:
    """Of a tensor as it was made; an array holds four bits in a byte of its own."""
    if not isinstance(values, np.ndarray):
        return 0
    bits = {"int4": 4, "uint4": 4, "float4_e2m1fn": 4, "int2": 2, "uint2": 2,
            "float6_e2m3fn": 6, "float6_e3m2fn": 6}.get(values.dtype.name)  # fmt: skip
    return values.nbytes if bits is None else -(-values.size * bits // 8)


def main() -> None:
    """Print the table of docs/models.md."""
    print(f"onnx {onnx.__version__}, onnxruntime {onnxruntime.__version__}; {describe()}\n")
    found = [compare(case) for case in (*files(), *written())]
    groups = sorted({each.case.partition("/")[0] for each in found})
    print(
        "| tests | files | taken | of them with work | counted again over onnxruntime's shapes |"
        " over onnx's | differ |"
    )
    print("|---|---:|---:|---:|---:|---:|---:|")
    for group in [*groups, ""]:
        part = [each for each in found if each.case.startswith(group)]
        by = Counter(each.by for each in part)
        compared = [each for each in part if each.by in ("onnxruntime", "onnx")]
        print(
            f"| {group or 'all'} | {len(part)} | {len(part) - by['refused']} |"
            f" {sum(each.works for each in part)} | {by['onnxruntime']} | {by['onnx']} |"
            f" {sum(bool(each.difference) for each in compared)} |"
        )
    print()
    for each in found:
        if each.difference and (each.by in ("onnxruntime", "onnx") or "-v" in sys.argv):
            print(f"- {each.case} ({each.by}): {each.difference}")


if __name__ == "__main__":
    main()

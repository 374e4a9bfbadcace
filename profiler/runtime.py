"""onnxruntime, on the cores it is told to use."""

import functools
import os
import platform
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime

from profiler.split import Half, Halves

# A tensor of a type that numpy does not have is the runtime's own `OrtValue`.
Tensors = dict[str, Any]

_ERRORS_ONLY = 3
# What numpy cannot hold: only the runtime carries it from one half to the other.
_OWN = re.compile(r"tensor\((bfloat16|float8\w+|float6\w*|float4\w*|u?int[24])\)")
# Of the runtime's messages: where in its source they come from.
_SOURCE = re.compile(r"^\[ONNXRuntimeError\] : \d+ : \w+ : (?:/\S+:\d+ .*\) (?=[A-Z]))?", re.DOTALL)
_NO_IR = 1_000  # which no runtime reads
_WEIGHTS_FOLDER = "session.model_external_initializers_file_folder_path"


class CannotRun(ValueError):
    """A network that the runtime does not take; the message is its own, in one line."""


@functools.cache
def most_ir() -> int:
    """The newest version of the format that this runtime reads: it says so when it is refused."""
    empty = onnx.helper.make_model(
        onnx.GraphProto(name="empty"),
        ir_version=_NO_IR,
        opset_imports=[onnx.helper.make_opsetid("", 17)],
    )
    try:
        onnxruntime.InferenceSession(empty.SerializeToString(), providers=["CPUExecutionProvider"])
    except Exception as refused:  # the runtime's exceptions have no class in common
        told = re.search(r"max supported IR version: (\d+)", str(refused))
        if told is not None:
            return int(told[1])
    return _NO_IR


def pin(cores: Iterable[int]) -> None:
    """Keep this process, and the threads it starts from now on, on some cores."""
    os.sched_setaffinity(0, cores)


def default_cores(threads: int) -> tuple[int, ...]:
    """The last cores this process may use: the first ones serve most interrupts."""
    allowed = sorted(os.sched_getaffinity(0))
    if threads > len(allowed):
        raise ValueError(
            f"{threads} threads need as many cores, and this process may use {len(allowed)}"
        )
    return tuple(allowed[-threads:])


def describe(threads: int, provider: str) -> dict[str, str]:
    """What a measurement depends on beside the network."""
    return {
        "onnxruntime": onnxruntime.__version__,
        "python": platform.python_version(),
        "threads": str(threads),
        "machine": f"{platform.machine()} {platform.system()} {platform.release()}",
        "cpu": _processor(),
        "provider": provider,
    }


class Runner:
    """One half, loaded; called with tensors it returns its outputs by name.

    A half without nodes returns nothing.
    """

    def __init__(self, half: Half, threads: int, provider: str = "CPUExecutionProvider") -> None:
        self.half = half
        self._session: Any = None
        if half.model:
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = threads
            options.inter_op_num_threads = 1
            options.log_severity_level = _ERRORS_ONLY
            if half.folder is not None:
                options.add_session_config_entry(_WEIGHTS_FOLDER, str(half.folder))
            offered = onnxruntime.get_available_providers()
            if provider not in offered:  # onnxruntime would take another one
                raise ValueError(
                    f"this onnxruntime has no {provider}: it offers {', '.join(offered)}"
                )
            try:
                self._session = onnxruntime.InferenceSession(
                    half.model, options, providers=[provider]
                )
            except Exception as refused:  # the runtime's exceptions have no class in common
                raise CannotRun(
                    f"onnxruntime {onnxruntime.__version__}: {_line(refused)}"
                ) from None
            values = (*self._session.get_inputs(), *self._session.get_outputs())
            self._own = any(_OWN.fullmatch(value.type) for value in values)

    def __call__(self, tensors: Mapping[str, Any]) -> Tensors:
        if self._session is None:
            return {}
        feeds = {name: tensors[name] for name in self.half.inputs}
        if self._own:
            made = self._session.run_with_ort_values(
                self.half.outputs, {name: _owned(value) for name, value in feeds.items()}
            )
            return {
                name: _plain(value) for name, value in zip(self.half.outputs, made, strict=True)
            }
        return dict(
            zip(self.half.outputs, self._session.run(self.half.outputs, feeds), strict=True)
        )


def _line(refused: Exception) -> str:
    return " ".join(_SOURCE.sub("", str(refused)).split())[:500]


def _owned(value: Any) -> Any:
    """A tensor as the runtime's own."""
    if isinstance(value, onnxruntime.OrtValue):
        return value
    array = np.asarray(value)
    if array.dtype.kind in "fiubcSUO":
        return onnxruntime.OrtValue.ortvalue_from_numpy(array)
    element = onnx.helper.np_dtype_to_tensor_dtype(array.dtype)  # a type of ml_dtypes
    bits = array.view(f"u{array.dtype.itemsize}")
    return onnxruntime.OrtValue.ortvalue_from_numpy_with_onnx_type(bits, element)


def _plain(value: Any) -> Any:
    """What numpy can hold as its array, the rest as it is."""
    return value if _OWN.fullmatch(value.data_type()) else value.numpy()


def run_split(halves: Halves, feeds: Tensors, threads: int = 1) -> Tensors:
    """The outputs of the whole network by way of both halves, one after the other."""
    crossed = Runner(halves.device, threads)(feeds)
    return crossed | Runner(halves.server, threads)(feeds | crossed)


def noise(shapes: Mapping[str, tuple[str, tuple[int, ...]]], seed: int) -> Tensors:
    """Inputs where none are given: normal noise, and zeros for whole numbers, which are often
    places in a table.
    """
    rng = np.random.default_rng(seed)
    made: Tensors = {}
    for name, (dtype, shape) in shapes.items():
        # Types that numpy does not have (bfloat16) are no `np.floating`, but say what they are.
        floating = "float" in np.dtype(dtype).name
        made[name] = (
            rng.standard_normal(shape).astype(dtype) if floating else np.zeros(shape, dtype)
        )
    return made


def _processor() -> str:
    """Arm boards name the board, x86 the processor."""
    for path, key in (
        (Path("/proc/device-tree/model"), None),
        (Path("/proc/cpuinfo"), "model name"),
    ):
        if path.is_file():
            text = path.read_text(encoding="utf-8", errors="replace")
            if key is None:
                return text.strip("\x00 \n")
            for line in text.splitlines():
                if line.startswith(key):
                    return line.split(":", 1)[1].strip()
    return platform.processor() or "unnamed"

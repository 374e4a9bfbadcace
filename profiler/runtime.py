"""onnxruntime, on the cores it is told to use."""

import os
import platform
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from profiler.split import Half, Halves

Tensors = dict[str, NDArray[Any]]

_ERRORS_ONLY = 3
_WEIGHTS_FOLDER = "session.model_external_initializers_file_folder_path"


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
            self._session = onnxruntime.InferenceSession(half.model, options, providers=[provider])

    def __call__(self, tensors: Mapping[str, NDArray[Any]]) -> Tensors:
        if self._session is None:
            return {}
        feeds = {name: tensors[name] for name in self.half.inputs}
        return dict(
            zip(self.half.outputs, self._session.run(self.half.outputs, feeds), strict=True)
        )


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
        floating = np.issubdtype(np.dtype(dtype), np.floating)
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

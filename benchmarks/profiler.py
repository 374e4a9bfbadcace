"""A full profile of a network: all cuts, both halves; how long it takes, and how much each cut
varies.

`python -m benchmarks.profiler [network] [repetitions]`
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from benchmarks import light_models, machine
from solvers.arrays import Floats

SESSIONS = 2
GAP_S = 10


def main() -> None:
    """Print the table of docs/profiling.md."""
    name = sys.argv[1] if len(sys.argv) > 1 else "bvlc_alexnet"
    repetitions = int(sys.argv[2]) if len(sys.argv) > 2 else 25
    with tempfile.TemporaryDirectory() as folder:
        path, out = Path(folder, f"{name}.onnx"), Path(folder, "out.json")
        onnx.save(light_models.weighted(name), path)
        options = ["--processor", "box", "--out", str(out), "--repetitions", str(repetitions)]
        command = [sys.executable, "-m", "profiler", "run", str(path), *options]
        before_s, start_s = _children_s(), time.perf_counter()
        subprocess.run(
            [*command, "--sessions", str(SESSIONS), "--gap-s", str(GAP_S)],
            check=True,
            capture_output=True,
        )
        wall_s, cpu_s = time.perf_counter() - start_s, _children_s() - before_s
        content = json.loads(out.read_text())
    memory_gb = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e6
    print(
        f"{name} on {machine.describe()}, onnxruntime {content['runtime']['onnxruntime']}, 1"
        " thread.\n"
    )
    print(
        f"{SESSIONS} sessions of {repetitions} repetitions, {GAP_S} s apart: {wall_s:.0f} s, of"
        f" which {cpu_s:.0f} s of processor time; {memory_gb:.1f} GB at most; load average"
        f" {os.getloadavg()[0]:.1f} at the end.\n"
    )
    print(
        "| cut | device ms | cv | cv of cpu time | server ms | cv | cv of cpu time | correlation |"
    )
    print("|---:|---:|---:|---:|---:|---:|---:|---:|")
    for cut in sorted({sample["cut"] for sample in _samples(content)}):
        columns = []
        for part in ("device", "server"):
            wall, cpu = (_times(content, cut, part, field) for field in ("time_s", "cpu_time_s"))
            columns += [f"{1e3 * wall.mean():.3f}", _cv(wall), _cv(cpu)] if len(wall) else ["-"] * 3
        device, server = (_times(content, cut, part, "time_s") for part in ("device", "server"))
        paired = len(device) == len(server)
        print(
            f"| {cut} | {' | '.join(columns)} |"
            f" {f'{np.corrcoef(device, server)[0, 1]:.2f}' if paired else '-'} |"
        )


def _cv(times: Floats) -> str:
    return f"{times.std() / times.mean():.3f}"


def _samples(content: dict[str, Any]) -> list[dict[str, Any]]:
    return [sample for session in content["sessions"] for sample in session["samples"]]


def _times(content: dict[str, Any], cut: int, part: str, field: str) -> Floats:
    return np.array(
        [t for s in _samples(content) if (s["cut"], s["part"]) == (cut, part) for t in s[field]]
    )


def _children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()

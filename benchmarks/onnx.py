"""What the ONNX reader finds in known networks, how long it takes and how much memory: `python -m
benchmarks.onnx`.
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from onnx import ModelProto, TensorProto

from app.catalogue.networks import NETWORKS
from app.catalogue.stages import onnx_model
from app.profiles.reading import MEMORY_BYTE
from benchmarks.light_models import names
from benchmarks.machine import describe
from solvers.onnx_reader import Options, read
from tests.support.onnx.graphs import light

LISTS = (
    Options(),
    Options(fusion_boundaries=True),
    Options(max_tensors=2),
    Options(max_tensors=3),
    Options(pareto=True),
)


def with_weights(model: ModelProto) -> ModelProto:
    """The same file with its weights in it, all zero."""
    for weight in model.graph.initializer:
        if weight.data_location == TensorProto.EXTERNAL:
            weight.ClearField("data_location")
            weight.ClearField("external_data")
            elements = 1
            for dim in weight.dims:
                elements *= dim
            weight.raw_data = bytes(4 * elements)
    return model


def in_a_process(file: Path) -> tuple[float, float, float]:
    """Wall seconds, CPU seconds and MiB that the service's reader takes for a file, from its start
    to its end.
    """
    request = {
        "file": str(file),
        "shapes": [],
        "values": [],
        "sizes": [],
        "input_byte": [],
        "max_tensors": 1,
        "fusion_boundaries": False,
        "pareto": False,
        "memory_byte": MEMORY_BYTE,
        "cpu_s": 60,
    }
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    command = [sys.executable, "-I", "-m", "solvers.onnx_reader"]
    reader = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert reader.stdin is not None
    assert reader.stdout is not None
    reader.stdin.write(json.dumps(request))
    reader.stdin.close()
    largest_kib = 0
    while (
        reader.poll() is None
    ):  # its own maximum: the one that it reports begins with this process's
        status = Path(f"/proc/{reader.pid}/status").read_text(encoding="utf-8")
        largest_kib = max(
            largest_kib,
            *(int(line.split()[1]) for line in status.splitlines() if "VmHWM" in line),
            0,
        )
        time.sleep(0.002)
    wall_s = time.perf_counter() - start
    assert "cuts" in json.load(reader.stdout)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return wall_s, cpu_s, largest_kib / 1024


def cpu_s(content: bytes) -> float:
    """The least of five: other processes may be at work."""
    taken = []
    for _ in range(5):
        start = time.process_time()
        read(content)
        taken.append(time.process_time() - start)
    return min(taken)


def main() -> None:
    """Print the tables of docs/models.md."""
    print(f"Measured on {describe()}.\n")
    print(
        "| network | GMAC | parameters | cuts | fusion boundaries | k ≤ 2 | k ≤ 3 | Pareto | CPU"
        " time |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    networks = {name: light(name) for name in names()}
    networks |= {
        f"{network.name} (catalogue)": onnx_model(network).SerializeToString()
        for network in NETWORKS
    }
    for name, content in networks.items():
        lists = [read(content, options=options) for options in LISTS]
        counts = " | ".join(str(len(network.cuts)) for network in lists)
        whole = lists[0]
        gmac = whole.cuts[-1].flop / 2e9
        print(
            f"| {name} | {gmac:.3f} | {whole.parameters:,} | {counts} | {1e3 * cpu_s(content):.0f}"
            " ms |"
        )
    print()
    with tempfile.TemporaryDirectory() as folder:
        for network in NETWORKS:
            if network.name in ("resnet152", "vgg19"):
                file = Path(folder, "network.onnx")
                file.write_bytes(with_weights(onnx_model(network)).SerializeToString())
                taken = [in_a_process(file) for _ in range(7)]
                walls, cpus, mib = (sorted(column) for column in zip(*taken, strict=True))
                print(
                    f"- {network.name} with its weights ({file.stat().st_size / 1e6:.0f} MB) in the"
                    f" service's process: least {walls[0]:.2f} s, median {walls[3]:.2f} s (CPU"
                    f" {cpus[0]:.2f} s), at most {mib[-1]:.0f} MiB"
                )


if __name__ == "__main__":
    main()

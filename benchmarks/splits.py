"""Every cut of every light network, really split: do both halves together give the unsplit
output?
"""

import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnx
from onnx import ModelProto

from benchmarks import light_models, machine
from profiler.network import Network, open_network
from profiler.runtime import Runner, run_split
from solvers.onnx_reader import Options


class Compared(NamedTuple):
    """Halves against the whole, over all cuts of a network."""

    network: str
    cuts: int
    identical: int
    largest: float
    """Difference relative to the largest output."""
    spread: float
    """Difference between the outputs of two inputs, on the same scale: what a broken cut would
    show.
    """


def compare(name: str, options: Options) -> Compared:
    """Split a network at each of its cuts, run both halves, compare."""
    model = light_models.weighted(name)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"{name}.onnx")
        onnx.save(model, path)
        network = open_network(
            path, options=options, feeds=light_models.an_image(model, seed=1), folder=Path(folder)
        )
        return _compare(model, network)


def _compare(model: ModelProto, network: Network) -> Compared:
    whole = Runner(network.graph.exposing(()), threads=1)
    expected = whole(network.feeds)
    other = whole(light_models.an_image(model, seed=2))
    scale = max(float(np.abs(values).max()) for values in expected.values())
    worst, identical = [], 0
    for cut in range(len(network.cuts)):
        got = run_split(network.halves(cut), network.feeds)
        differences = [
            float(np.abs(got[each] - values).max()) / scale for each, values in expected.items()
        ]
        worst.append(max(differences))
        identical += max(differences) == 0.0
    spread = max(
        float(np.abs(other[each] - values).max()) / scale for each, values in expected.items()
    )
    return Compared(network.name, len(network.cuts), identical, max(worst), spread)


def main() -> None:
    """Print the table of docs/profiling.md; `python -m benchmarks.splits 2` for cuts of up to two
    tensors.
    """
    tensors = int(sys.argv[1]) if len(sys.argv) > 1 else 1
    print(f"{machine.describe()}, onnx {onnx.__version__}; up to {tensors} tensors cross\n")
    print("| network | cuts | bit for bit | largest difference | two inputs differ by | s |")
    print("|---|---:|---:|---:|---:|---:|")
    found = []
    for name in light_models.names():
        start = time.perf_counter()
        compared = compare(name, Options(max_tensors=tensors))
        seconds = time.perf_counter() - start
        found.append(compared)
        print(
            f"| {name} | {compared.cuts} | {compared.identical} | {compared.largest:.1e} |"
            f" {compared.spread:.2g} | {seconds:.0f} |",
            flush=True,
        )
    cuts, identical = sum(each.cuts for each in found), sum(each.identical for each in found)
    print(
        f"\n{cuts} cuts, {identical} bit for bit; the worst is"
        f" {max(each.largest for each in found):.1e} of the largest output, the median over"
        f" networks {statistics.median(each.largest for each in found):.1e}."
    )


if __name__ == "__main__":
    main()

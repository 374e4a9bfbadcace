"""What `shapes.json` ships, from the kept figures: times of blocks matched to the cuts of our
networks, times of cuts, and the laws of the machines.
"""

import csv
import json
from bisect import bisect_right
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path
from typing import Any

from scipy.optimize import isotonic_regression

from app.catalogue import measured_cuts
from app.catalogue.blocks import TimedBlocks
from app.catalogue.kept_blocks import kept_blocks
from app.catalogue.keras import BLOCK_NETWORKS, COUNTERPARTS, Counterpart, last_layers

FIGURES = Path(__file__).parent / "figures"

EAGER = (
    "Mean times of single blocks run one after the other with TensorFlow in eager mode, of which"
    " 0.3 to 2.4 ms a layer are the framework's; their sum is within 4 % of the whole network's"
    " time at the median and up to 22 % off. Threads are not stated. A cut within a block has the"
    " share of the block's beginning."
)
SOURCES = {
    "Scission@b765b2b": "qub-blesson/Scission, data at b765b2b (UCC 2020)",
    "ScissionTL@1fa3fdb": "qub-blesson/ScissionTL, data at 1fa3fdb",
    "castellano-Scission@1094f16": "gabrielecastellano/Scission, data at 1094f16",
}
REMARKS = {
    "i5-2500-cpu": " The timer counts in steps of 1.56 ms a block.",
    "vm-2core-cpu": " The timer counts in steps of 1.56 ms a block.",
    "raspberry-pi-second-cpu": " Which model of the Raspberry Pi is not stated; it is the slower.",
}


def content() -> dict[str, list[Any]]:
    """The file: its references once, shapes that name theirs by place, and laws."""
    every = shapes()
    references = list(dict.fromkeys(shape["reference"] for shape in every))
    return {
        "references": references,
        "shapes": [shape | {"reference": references.index(shape["reference"])} for shape in every],
        "time_laws": list(time_laws()),
    }


def shapes() -> list[dict[str, Any]]:
    """Every shape, network by network."""
    counterparts = COUNTERPARTS | {
        each.name: Counterpart(each.table, last_layers(each)) for each in BLOCK_NETWORKS
    }
    return [
        *(
            _of_blocks(model, counterpart, timed)
            for model, counterpart in counterparts.items()
            for timed in kept_blocks().times
            if timed.network == counterpart.table
        ),
        _of_cuts(),
        *_of_layers(),
        *_of_kernels(),
    ]


def _of_blocks(model: str, counterpart: Counterpart, timed: TimedBlocks) -> dict[str, Any]:
    ends = [block.last_layer for block in timed.blocks]
    until = [0.0, *accumulate(timed.time_s)]
    return _shape(
        model,
        [until[bisect_right(ends, last)] if last else 0.0 for last in counterpart.last_layers],
        len(timed.blocks),
        board=timed.machine,
        runtime="tensorflow",
        source=timed.source,
        reference=f"{SOURCES[timed.source]}. {EAGER}{REMARKS.get(timed.machine, '')}",
    )


def _of_cuts() -> dict[str, Any]:
    """Heads as they were timed at the highest clock, less reading and resizing the picture."""
    clock_mhz = 1800
    times_ms = [cut[clock_mhz] for cut in measured_cuts.HEAD_MS.values()]
    return _shape(
        measured_cuts.MODEL,
        [(time_ms - times_ms[0]) / 1e3 for time_ms in times_ms],
        len(times_ms) - 1,
        board=measured_cuts.DEVICE,
        runtime="tensorflow-lite",
        precision="int8",
        threads=1,
        source="SPLINTER@125b09c",
        reference=f"At {clock_mhz} MHz, less the time of the first cut. {measured_cuts.REFERENCE}",
    )


def _of_layers() -> Iterator[dict[str, Any]]:
    for timed in json.loads((FIGURES / "layers.json").read_text(encoding="utf-8")):
        yield _shape(
            timed["model"],
            [each / 1e3 for each in accumulate(timed["time_ms"].values(), initial=0.0)],
            len(timed["time_ms"]),
            board="x86-core",
            runtime="not stated",
            threads=1,
            source="measured for this project",
            reference=timed["reference"],
        )


def _of_kernels() -> Iterator[dict[str, Any]]:
    kept = json.loads((FIGURES / "kernels.json").read_text(encoding="utf-8"))
    for model, times_ms in kept["networks"].items():
        yield _shape(
            model,
            [each / 1e3 for each in accumulate(times_ms.values(), initial=0.0)],
            len(times_ms),
            board="x86-epyc-core",
            runtime="onnxruntime",
            threads=1,
            source="measured for this project",
            reference=kept["reference"],
        )


def _shape(
    model: str,
    until_s: list[float],
    blocks: int,
    *,
    board: str,
    runtime: str,
    source: str,
    reference: str,
    precision: str = "float32",
    threads: int | None = None,
) -> dict[str, Any]:
    """Cuts that came out faster than one before are averaged with it, as in isotonic regression."""
    rising = isotonic_regression(until_s).x.tolist()
    return {
        "model": model,
        "board": board,
        "processor": "cpu",
        "runtime": runtime,
        "precision": precision,
        "threads": threads,
        "share": [round(each / rising[-1], 5) for each in rising],
        "whole_s": round(rising[-1], 6),
        "blocks": blocks,
        "source": source,
        "reference": reference,
    }


def significant(value: float) -> float:
    """Six digits: more than any of these measurements has, and the same on every machine."""
    return float(f"{value:.6g}")


def time_laws() -> Iterator[dict[str, Any]]:
    """The law of each machine, in SI units."""
    with (FIGURES / "time_law_cpu.csv").open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            yield {
                "machine": row["machine"],
                "networks": int(row["networks"]),
                "s_per_flop": significant(float(row["ms_per_gflop"]) * 1e-12),
                "s_per_feature_byte": _per_byte(row["ms_per_mbyte_feature_in_and_out"]),
                "s_per_parameter_byte": _per_byte(row["ms_per_mbyte_parameter"]),
                "s_per_layer": significant(float(row["ms_per_layer"]) / 1e3),
                "median_share_error": float(row["median_of_largest_share_error"]),
                "worst_share_error": float(row["worst_share_error"]),
                "reference": (
                    f"Fitted to {row['blocks']} blocks of {row['networks']} networks"
                    f" ({row['source']}); times include the framework's."
                ),
            }


def _per_byte(ms_per_mbyte: str) -> float:
    return significant(float(ms_per_mbyte) * 1e-9)

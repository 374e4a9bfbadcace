"""Measured energies and powers of devices, by device: `data/power.csv`."""

import csv
from pathlib import Path

import numpy as np

from solvers.arrays import Floats
from solvers.measurement.power_samples import PowerSamples

FIGURES = Path(__file__).parent / "data" / "power.csv"


def figures(*, requested: bool = False) -> dict[tuple[str, str], PowerSamples]:
    """Samples by device and measured quantity; at the clocks that were asked for, where wanted and
    known.

    Where the unit of a draw is not stated it stands as W.
    """
    rows: dict[tuple[str, str], list[dict[str, str]]] = {}
    with FIGURES.open(encoding="utf-8") as lines:
        for row in csv.DictReader(lines):
            rows.setdefault((row["device"], row["quantity"]), []).append(row)
    return {key: _samples(own, requested) for key, own in rows.items()}


def _samples(rows: list[dict[str, str]], requested: bool) -> PowerSamples:
    def column(name: str, absent: float) -> Floats:
        return np.array([float(row[name] or absent) for row in rows])

    nan = float("nan")
    clock = column("frequency_mhz", nan)
    if requested:
        asked = column("requested_mhz", nan)
        clock = np.where(np.isnan(asked), clock, asked)
    draw = column("draw", nan)
    return PowerSamples(
        frequency_hz=1e6 * clock,
        time_s=1e-3 * column("time_ms", nan),
        energy_j=column("energy_j", nan),
        power_w=np.where(np.isnan(draw), column("power_w", nan), draw),
        idle_w=column("idle_w", 0.0),
        wait_s=1e-3 * column("wait_ms", 0.0),
        workload=np.unique([row["workload"] for row in rows], return_inverse=True)[1],
        run=np.array([int(row["run"]) for row in rows]),
    )

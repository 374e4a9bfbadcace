"""Users whose times were measured: a Jetson Orin Nano at its clocks, and this machine.

Each goes through the service, measurement file to timing.
"""

import csv
import json
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import onnx

from benchmarks import light_models
from benchmarks.measured_plan import made, measured, totals
from solvers.arrays import Floats

Body = dict[str, Any]
DEADLINES = 6
# Multiply-adds, twice: Sandler et al. 2018 (table 4), Touvron et al. 2021 (DeiT, table 5). The
# service tells clocks by what was measured; these only say that the network is not empty.
NETWORKS = {"mobilenet": 6e8, "vit": 9.2e9}
IMAGE_BYTE = 224 * 224 * 3


@dataclass(frozen=True, slots=True)
class Case:
    """A user with measured times, and how long later inferences took at what a plan chooses."""

    group: str
    request: Body
    deadlines_s: Floats  # the mean times of its options, and what lies between
    later: Callable[[Body], Floats]
    options: int  # whose times vary


def orin(client: httpx.Client, folder: Path, part: str) -> list[Case]:
    """Whole networks on the device or an edge out of reach: one case for each memory clock."""
    device = client.get("/v1/devices/jetson-orin-nano-gpu").raise_for_status().json()
    cases = []
    for network, flop in NETWORKS.items():
        model = f"{network}-whole-{part}"
        ends = (("input", 0.0, IMAGE_BYTE), ("output", flop, 0))
        cuts = [
            {"name": name, "flop": done, "feature_byte": byte, "parameter_byte": 0}
            for name, done, byte in ends
        ]
        made(client, "/v1/models", json={"name": model, "cuts": cuts, "provenance": "analytic"})
        for memory_mhz in (665, 2133, 3199):
            times = {
                clock: _times(folder / f"emc{memory_mhz}_gpu{round(clock / 1e6)}_{network}.csv")
                for clock in device["frequency_levels_hz"]
            }
            half = {clock: one[: len(one) // 2] for clock, one in times.items()}
            first = times if part == "all" else half
            name = f"orin-{memory_mhz}-{part}"
            if network == "mobilenet":
                fields = ("created_at", "revision")
                body = {key: value for key, value in device.items() if key not in fields}
                made(client, "/v1/devices", json=body | {"name": name})
            samples = [
                {
                    "cut": 1,
                    "part": "device",
                    "frequency_hz": clock,
                    "time_s": one.tolist(),
                    "order": list(range(len(one))),
                }
                for clock, one in first.items()
            ]
            sheet = {"model": model, "processor": name, "sessions": [{"samples": samples}]}
            made(client, f"/v1/timings/{name}.{model}/measurements", json=sheet)
            user = {"id": "one", "device": name, "model": model, "gain_db": -170.0}
            request = {"channel": "lte-10mhz", "server": "nvidia-t4", "users": [user]}
            means = [float(one.mean()) for one in first.values()]
            cases.append(
                Case(
                    network,
                    request,
                    np.geomspace(min(means), max(means), DEADLINES + 1)[1:],
                    partial(_second_half, times),
                    len(first),
                )
            )
    return cases


def _second_half(times: dict[float, Floats], user: Body) -> Floats:
    one = times[user["frequency_hz"]]
    return one[len(one) // 2 :]


def _times(path: Path) -> Floats:
    with path.open() as lines:
        return np.array([float(row["compute_us"]) * 1e-6 for row in csv.DictReader(lines)])


def here(client: httpx.Client, name: str, repetitions: int) -> tuple[Case, Case]:
    """A network measured on this machine, device and server at once, at its one clock."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"{name}.onnx")
        onnx.save(light_models.weighted(name), path)
        content = path.read_bytes()
        model = made(client, "/v1/models/import", content=content, params={"name": f"{name}-all"})
        every = range(0, len(model["cuts"]) - 1, max(len(model["cuts"]) // 6, 1))
        cuts = [model["cuts"][n] for n in (*every, -1)]
        model = {"name": name, "cuts": cuts, "provenance": "analytic"}
        made(client, "/v1/models", json=model)
        Path(folder, "model.json").write_text(json.dumps(model))
        sheet = measured(path, repetitions)
    print(f"{len(cuts)} cuts of {name}, load {os.getloadavg()[0]:.1f}.\n")
    channel = {"name": "link", "bandwidth_hz": 1e8, "provenance": "analytic"}
    assumed = {"provenance": "analytic", "reference": "1 W at the clock, whatever it is"}
    clock = {"frequency_min_hz": 1e9, "frequency_max_hz": 1e9}
    watt = {"power_coefficient_w_per_hz3": 1e-27, "tx_power_w": 0.2}
    sessions = {"box": sheet["sessions"], "first": sheet["sessions"][:1]}
    later = sheet | {"sessions": sheet["sessions"][1:]}
    cases = []
    for box, some in sessions.items():
        server = f"{box}-server"
        device = {"name": box, "processor": "cpu"} | clock | watt | assumed
        made(client, "/v1/devices", json=device)
        edge = {"name": server, "capacity_flop_per_s": 1e11} | assumed
        made(client, "/v1/servers", json=edge)
        correlation = 0.0
        for processor in (box, server):
            body = sheet | {"processor": processor, "model": name, "sessions": some}
            body.pop("model_sha256", None)
            report = made(client, f"/v1/timings/{processor}.{name}/measurements", json=body)
            told = [
                one["correlation"]["interval"][1] for one in report["cuts"] if one["correlation"]
            ]
            correlation = max([correlation, *told])
        user: Body = {
            "id": "one",
            "device": box,
            "model": name,
            "snr_reference": {"snr_db": 20.0, "bandwidth_hz": 1e8},
            "correlation": min(correlation, 1.0),
        }
        means = [totals(sheet | {"sessions": some}, cut).mean() for cut in range(len(cuts))]
        cases.append(
            Case(
                name,
                {"channel": channel, "server": server, "users": [user]},
                np.geomspace(min(means), 4.0 * max(means), DEADLINES + 1)[1:],
                lambda user: totals(later, user["cut"]) + user["latency"]["uplink_s"],
                len(cuts),
            )
        )
    return cases[0], cases[1]

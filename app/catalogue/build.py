"""Writes the generated half of the catalogue, models.json and timings.json: `python -m
app.catalogue.build`.
"""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from app.catalogue.measurements import (
    DEVICE_MEASUREMENTS,
    SERVER_MEASUREMENTS,
    DeviceMeasurement,
    Sample,
    ServerMeasurement,
)
from app.catalogue.networks import NETWORKS
from app.catalogue.stages import Network, cuts

FOLDER = Path(__file__).parent
SHARED_OUT = " Shared out over the cuts by FLOP, with one coefficient of variation along them."


def model_profile(network: Network) -> dict[str, Any]:
    return {
        "name": network.name,
        "provenance": "published",
        "reference": network.reference,
        "cuts": [
            {
                "name": cut.name,
                "flop": cut.flop,
                "feature_byte": cut.feature_byte,
                "feature_elements": cut.feature_elements,
                "parameter_byte": cut.parameter_byte,
            }
            for cut in cuts(network)
        ],
    }


def fit(samples: tuple[Sample, ...]) -> tuple[float, float]:
    """Cycles and overhead [s] of time = cycles / clock + overhead, by least squares; one clock
    shows no overhead.
    """
    clock_hz, mean_s = np.array(samples).T
    if len(samples) == 1:
        return float(clock_hz[0] * mean_s[0]), 0.0
    (gigacycles, overhead_s), *_ = np.linalg.lstsq(
        np.stack([1e9 / clock_hz, np.ones_like(clock_hz)], axis=1), mean_s
    )
    return float(1e9 * gigacycles), float(overhead_s)


def significant(value: float) -> float:
    """Six digits: more than any of these measurements has, and the same on every machine."""
    return float(f"{value:.6g}")


def shares(model: str) -> list[float]:
    """The part of the network's FLOP before each cut."""
    network = next(each for each in NETWORKS if each.name == model)
    flop = [cut.flop for cut in cuts(network)]
    return [each / flop[-1] for each in flop]


def device_timing(measurement: DeviceMeasurement) -> dict[str, Any]:
    """Cycles, overhead, spread and worst case of the whole network, each cut getting its share."""
    cycles, overhead_s = fit(measurement.samples)
    flop_per_cycle = significant(2 * measurement.mac / cycles * measurement.width)
    entries = []
    for share in shares(measurement.model):
        entry = {
            "flop_per_cycle": flop_per_cycle,
            "overhead_s": significant(share * overhead_s),
            "variance_s2": significant((share * measurement.std_s) ** 2),
        }
        if measurement.worst_s is not None:
            entry["worst_s"] = significant(share * measurement.worst_s)
        entries.append(entry)
    return timing(measurement.device, "device", measurement.model, measurement.reference, entries)


def server_timing(measurement: ServerMeasurement) -> dict[str, Any]:
    """Mean and spread of the whole network, each cut leaving its share to the server."""
    entries = [
        {
            "mean_s": significant((1 - share) * measurement.mean_s),
            "variance_s2": significant(((1 - share) * measurement.std_s) ** 2),
        }
        for share in shares(measurement.model)
    ]
    return timing(measurement.server, "server", measurement.model, measurement.reference, entries)


def timing(
    processor: str, kind: str, model: str, reference: str, entries: list[dict[str, float]]
) -> dict[str, Any]:
    return {
        "name": f"{processor}.{model}",
        "processor": processor,
        "processor_kind": kind,
        "model": model,
        "provenance": "analytic",
        "reference": reference + SHARED_OUT,
        "cuts": entries,
    }


def render(profiles: Iterable[dict[str, Any]]) -> str:
    """JSON with one cut a line, so that a change shows as the lines it touches."""

    def fields(profile: dict[str, Any]) -> Iterator[str]:
        for key, value in profile.items():
            if key == "cuts":
                rows = ",\n".join(f"      {json.dumps(cut)}" for cut in value)
                yield f'    "cuts": [\n{rows}\n    ]'
            else:
                yield f"    {json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}"

    bodies = ",\n".join("  {\n" + ",\n".join(fields(profile)) + "\n  }" for profile in profiles)
    return f"[\n{bodies}\n]\n"


def files() -> dict[str, str]:
    """The generated files by name."""
    return {
        "models.json": render(model_profile(network) for network in NETWORKS),
        "timings.json": render(
            [
                *(device_timing(measurement) for measurement in DEVICE_MEASUREMENTS),
                *(server_timing(measurement) for measurement in SERVER_MEASUREMENTS),
            ]
        ),
    }


def main() -> None:
    for name, content in files().items():
        (FOLDER / name).write_text(content, encoding="utf-8")


if __name__ == "__main__":
    main()

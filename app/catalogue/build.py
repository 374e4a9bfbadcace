"""Writes the generated half of the catalogue, models.json, timings.json and shapes.json: `python -m
app.catalogue.build`.
"""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from app.catalogue import derived_shapes, measured_cuts
from app.catalogue.block_timings import block_timings
from app.catalogue.blocks import FLOAT32_BYTE
from app.catalogue.codecs import codecs
from app.catalogue.derived_shapes import significant
from app.catalogue.keras import BLOCK_NETWORKS, OF_BLOCKS, BlockNetwork, block_cuts
from app.catalogue.measurements import (
    DEVICE_MEASUREMENTS,
    SERVER_MEASUREMENTS,
    DeviceMeasurement,
    Sample,
    ServerMeasurement,
)
from app.catalogue.networks import NETWORKS
from app.catalogue.stages import Network, cuts, result_byte

FOLDER = Path(__file__).parent
CLASSES_BYTE = FLOAT32_BYTE * 1000
SHARED_OUT = " Shared out over the cuts by FLOP, with one coefficient of variation along them."


def model_profile(network: Network) -> dict[str, Any]:
    return {
        "name": network.name,
        "provenance": "published",
        "reference": network.reference,
        "result_byte": result_byte(network),
        "cuts": cut_profiles(network),
    }


def cut_profiles(network: Network) -> list[dict[str, Any]]:
    """The network's cuts, with what else may be sent at them."""
    profiles = []
    for position, cut in enumerate(cuts(network)):
        profile: dict[str, Any] = {
            "name": cut.name,
            "flop": cut.flop,
            "feature_byte": cut.feature_byte,
            "feature_elements": cut.feature_elements,
            "parameter_byte": cut.parameter_byte,
            "tensors": list(cut.tensors),
        }
        if others := list(codecs(network.name, cut.feature_elements, first=position == 0)):
            profile["codecs"] = others
        profiles.append(profile)
    return profiles


def int8_profile() -> dict[str, Any]:
    """VGG16 as it was timed in 8 bit: a byte for each element that crosses and each parameter.

    No tensors are named: a quantised graph is another one, and this is not written out.
    """
    network = next(each for each in NETWORKS if each.name == "vgg16")
    return {
        "name": measured_cuts.MODEL,
        "provenance": "published",
        "reference": (
            f"{network.reference}. The part before the cut in 8 bit (weights, activations and what"
            " crosses), the rest in float, as in hpc-tuwien/SPLINTER (arXiv 2410.23881): top-1"
            " 60.3 to 61.1 % over the cuts on 1,000 images, 60.5 % in float. One byte an element;"
            " at the input the 8-bit picture, where SPLINTER sends floats. Biases, 32 bit there,"
            " count one byte: 0.03 % of the parameters."
        ),
        "result_byte": result_byte(network),
        "cuts": [
            {
                "name": cut.name,
                "flop": cut.flop,
                "feature_byte": cut.feature_byte // FLOAT32_BYTE,
                "feature_elements": cut.feature_elements,
                "parameter_byte": cut.parameter_byte // FLOAT32_BYTE,
            }
            for cut in cuts(network)
        ],
    }


def block_profile(network: BlockNetwork) -> dict[str, Any]:
    """A network that is known by the blocks of a table."""
    profiles = block_cuts(network)
    first = profiles[0]
    first["codecs"] = list(codecs(network.name, first["feature_elements"], first=True))
    return {
        "name": network.name,
        "provenance": "published",
        "reference": network.paper + OF_BLOCKS,
        "result_byte": CLASSES_BYTE,
        "cuts": profiles,
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


def measured_timing() -> dict[str, Any]:
    """Times as they were measured at each cut and clock, and a fit for the clocks left out."""
    network = next(each for each in NETWORKS if each.name == "vgg16")
    entries: list[dict[str, Any]] = []
    for cut in cuts(network):
        samples = tuple(
            (1e6 * clock_mhz, time_ms / 1e3)
            for clock_mhz, time_ms in measured_cuts.HEAD_MS[cut.name].items()
        )
        entries.append(fitted(cut.flop, samples) | {"levels": levels(samples)})
    return {
        "name": f"{measured_cuts.DEVICE}.{measured_cuts.MODEL}",
        "processor": measured_cuts.DEVICE,
        "processor_kind": "device",
        "model": measured_cuts.MODEL,
        "provenance": "published",
        "reference": measured_cuts.REFERENCE,
        "cuts": entries,
    }


def fitted(flop: int, samples: tuple[Sample, ...]) -> dict[str, float]:
    """Without FLOP nothing can scale with the clock: the slowest time counts at every one."""
    slowest_s = max(time_s for _, time_s in samples)
    cycles, overhead_s = fit(samples) if flop else (1.0, slowest_s)
    return {
        "flop_per_cycle": significant(flop / cycles) if flop else 1.0,
        "overhead_s": significant(max(overhead_s, 0.0)),
        "variance_s2": significant((measured_cuts.VARIATION * slowest_s) ** 2),
    }


def levels(samples: tuple[Sample, ...]) -> list[dict[str, float]]:
    return [
        {
            "frequency_hz": clock_hz,
            "mean_s": significant(time_s),
            "variance_s2": significant((measured_cuts.VARIATION * time_s) ** 2),
        }
        for clock_hz, time_s in samples
    ]


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
    processor: str,
    kind: str,
    model: str,
    reference: str,
    entries: list[dict[str, float]],
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
                rows = ",\n".join(f"      {json.dumps(cut, ensure_ascii=False)}" for cut in value)
                yield f'    "cuts": [\n{rows}\n    ]'
            else:
                yield f"    {json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}"

    bodies = ",\n".join("  {\n" + ",\n".join(fields(profile)) + "\n  }" for profile in profiles)
    return f"[\n{bodies}\n]\n"


def one_a_line(lists: dict[str, list[Any]]) -> str:
    """JSON with one entry a line."""
    parts = (
        f"{json.dumps(key)}: [\n" + ",\n".join(json.dumps(entry) for entry in entries) + "\n]"
        for key, entries in lists.items()
    )
    return "{" + ",\n".join(parts) + "}\n"


def files() -> dict[str, str]:
    """The generated files by name."""
    return {
        "models.json": render(
            [
                *(model_profile(network) for network in NETWORKS),
                int8_profile(),
                *(block_profile(network) for network in BLOCK_NETWORKS),
            ]
        ),
        "shapes.json": one_a_line(derived_shapes.content()),
        "timings.json": render(
            [
                *(device_timing(measurement) for measurement in DEVICE_MEASUREMENTS),
                measured_timing(),
                *block_timings(),
                *(server_timing(measurement) for measurement in SERVER_MEASUREMENTS),
            ]
        ),
    }


def main() -> None:
    for name, content in files().items():
        (FOLDER / name).write_text(content, encoding="utf-8")


if __name__ == "__main__":
    main()

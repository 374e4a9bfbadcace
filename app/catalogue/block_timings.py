"""Timings from blocks that others have timed: a Raspberry Pi 4 up to each cut, a desktop processor
behind it.
"""

from collections.abc import Iterator
from typing import Any

from app.catalogue import derived_shapes, measured_cuts
from app.catalogue.derived_shapes import significant
from app.catalogue.keras import BLOCK_NETWORKS, COUNTERPARTS, block_cuts
from app.catalogue.measurements import DEVICE_MEASUREMENTS, ORIN_NANO_VARIATION
from app.catalogue.networks import NETWORKS
from app.catalogue.stages import cuts

PI, PI_CLOCK_HZ = "raspberry-pi-4-cpu", 1.5e9
PI_CLOCK = (
    " The clock is not stated either and taken to be the board's highest, 1.5 GHz; cycles carry"
    " over to others. No spread is published: that of VGG16 with ncnn on this board stands in,"
    " 1.33 %."
)
HOST, HOST_MACHINE = "i7-6700k", "i7-6700k-cpu"
HOST_SPREAD = (
    " No spread is published: the largest coefficient of variation of MobileNetV2 on a Jetson Orin"
    " Nano, 1.92 % (arXiv 2606.16106), stands in for it."
)


def block_timings() -> Iterator[dict[str, Any]]:
    """Those of the device, where nothing faster is published for the network, and the server's."""
    by_others = {each.model for each in DEVICE_MEASUREMENTS if each.device == PI}
    models = [*COUNTERPARTS, *(network.name for network in BLOCK_NETWORKS)]
    shapes = {(shape["model"], shape["board"]): shape for shape in derived_shapes.shapes()}
    for model in models:
        if model not in by_others:
            shape = shapes[model, PI]
            yield _timing(PI, "device", shape, PI_CLOCK, _before(shape, _flop(model)))
    for model in models:
        shape = shapes[model, HOST_MACHINE]
        yield _timing(HOST, "server", shape, HOST_SPREAD, _behind(shape))


def _timing(
    processor: str, kind: str, shape: dict[str, Any], remark: str, entries: list[dict[str, float]]
) -> dict[str, Any]:
    return {
        "name": f"{processor}.{shape['model']}",
        "processor": processor,
        "processor_kind": kind,
        "model": shape["model"],
        "provenance": "analytic",
        "reference": f"{shape['reference']}{remark}",
        "cuts": entries,
    }


def _before(shape: dict[str, Any], flop: list[int]) -> list[dict[str, float]]:
    times = [share * shape["whole_s"] for share in shape["share"]]
    return [
        {
            "flop_per_cycle": significant(work / time_s / PI_CLOCK_HZ) if time_s else 1.0,
            "overhead_s": 0.0,
            "variance_s2": significant((measured_cuts.VARIATION * time_s) ** 2),
        }
        for work, time_s in zip(flop, times, strict=True)
    ]


def _behind(shape: dict[str, Any]) -> list[dict[str, float]]:
    times = [(1.0 - share) * shape["whole_s"] for share in shape["share"]]
    return [
        {
            "mean_s": significant(time_s),
            "variance_s2": significant((ORIN_NANO_VARIATION * time_s) ** 2),
        }
        for time_s in times
    ]


def _flop(model: str) -> list[int]:
    own = {network.name: network for network in NETWORKS}
    if model in own:
        return [cut.flop for cut in cuts(own[model])]
    (network,) = (each for each in BLOCK_NETWORKS if each.name == model)
    return [cut["flop"] for cut in block_cuts(network)]

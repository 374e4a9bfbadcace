"""A device at a clock, a network and a server as one workload: where profiles become seconds,
joules and bits.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from app.errors import FieldError
from app.plans.clock import at_clock
from app.plans.plausibility import server_time_assumed
from app.plans.resolve import Deployment
from app.profiles.schemas.device import Device
from app.profiles.schemas.model import Model
from app.profiles.schemas.profile import FieldWarning
from app.profiles.schemas.server import Server
from app.profiles.schemas.timing import Timing
from solvers.arrays import Floats
from solvers.physics import compute_energy_j
from solvers.stopping.problem import Workloads

_BITS = 8
# Longer or hungrier inferences are a wrong unit, and their costs would run out of range.
_LONGEST_S, _MOST_J, _MOST_FEATURE_BYTE, _MOST_PARAMETER_BYTE = 1e9, 1e15, 1e10, 1e13


@dataclass(frozen=True, slots=True)
class Workload:
    """The cuts of one workload as columns of `Workloads`; faults and warnings point into the user's
    entry.
    """

    columns: dict[str, Floats]
    frequency_hz: float
    faults: tuple[FieldError, ...]
    warnings: tuple[FieldWarning, ...]


def workload(deployment: Deployment, frequency_hz: float | None, rtt_mean_s: float) -> Workload:
    """Every cut at the clock asked for, else the device's highest; the network's round trip is the
    edge's time.
    """
    after = deployment.server_timing.body if deployment.server_timing else None
    return _workload(
        deployment.device.body,
        deployment.model.body,
        deployment.device_timing.body,
        deployment.server.body,
        after,
        frequency_hz,
        rtt_mean_s,
    )


# Profiles never change, and a fleet asks for the same few again and again.
@lru_cache(maxsize=512)
@np.errstate(all="ignore")  # figures out of range become faults
def _workload(
    device: Device,
    model: Model,
    device_timing: Timing,
    server: Server,
    server_timing: Timing | None,
    frequency_hz: float | None,
    rtt_mean_s: float,
) -> Workload:
    timed = at_clock(device, model, device_timing, frequency_hz)
    if timed.faults:
        return Workload({}, timed.frequency_hz, timed.faults, ())
    flop = np.array([float(cut.flop) for cut in model.cuts])
    crossing_bit = _BITS * np.array([float(cut.feature_byte) for cut in model.cuts])
    parameter_bit = _BITS * np.array([float(cut.parameter_byte) for cut in model.cuts])
    measured_s = timed.mean_s
    if server_timing is None:
        server_s = (flop[-1] - flop) / server.capacity_flop_per_s
    else:
        server_s = np.array([entry.mean_s or 0.0 for entry in server_timing.cuts])
    warnings = tuple(
        _warnings(device, model, measured_s, server, server_timing, server_s, rtt_mean_s)
    )
    awaited_s = server_s + np.where(crossing_bit > 0.0, rtt_mean_s, 0.0)
    awaited_s[-1] = 0.0
    # What is there before the first layer is there whatever is decided; a mean that falls along the
    # network is noise.
    device_s = np.maximum.accumulate(measured_s - measured_s[0])
    columns = {
        "device_s": device_s,
        "device_j": compute_energy_j(
            np.array(device.power_law.coefficient), np.array(timed.frequency_hz), device_s
        ),
        "crossing_bit": crossing_bit,
        "server_s": awaited_s,
        "parameter_bit": parameter_bit - parameter_bit[0],
    }
    return Workload(
        columns, timed.frequency_hz, tuple(_faults(columns | {"server_s": server_s})), warnings
    )


def table(workloads: list[Workload]) -> Workloads:
    """All workloads of a problem as one table."""
    return Workloads(
        first=np.cumsum([0, *(len(some.columns["device_s"]) for some in workloads)]),
        **{
            name: np.concatenate([some.columns[name] for some in workloads])
            for name in workloads[0].columns
        },
    )


def _faults(columns: dict[str, Floats]) -> Iterator[FieldError]:
    for name, pointer, most, unit in (
        ("device_s", "/device_timing", _LONGEST_S, "s"),
        ("device_j", "/device", _MOST_J, "J"),
        ("server_s", "/server_timing", _LONGEST_S, "s"),
        ("crossing_bit", "/model", _BITS * _MOST_FEATURE_BYTE, "bit to cross a cut"),
        ("parameter_bit", "/model", _BITS * _MOST_PARAMETER_BYTE, "bit to place"),
    ):
        largest = float(columns[name].max())
        if not largest <= most:
            yield FieldError(
                pointer, f"an inference would need {largest:.3g} {unit}: look at the units"
            )


def _warnings(
    device: Device,
    model: Model,
    measured_s: Floats,
    server: Server,
    server_timing: Timing | None,
    server_s: Floats,
    rtt_mean_s: float,
) -> Iterator[FieldWarning]:
    if server_timing is None:
        yield server_time_assumed(server, model, "remaining flop over capacity")
    elif server_s[-1] > 0.0:
        message = (
            f"the server's {server_s[-1]:g} s at the last cut are left out: nothing remains for it"
            " to do there"
        )
        yield FieldWarning(field="/server_timing", message=message)
    if measured_s[0] > 0.0:
        message = (
            f"the device's {measured_s[0]:g} s before the first layer pass whatever is decided:"
            " they are left out"
        )
        yield FieldWarning(field="/device_timing", message=message)
    falls = np.flatnonzero(np.diff(measured_s) < 0.0)
    if falls.size:
        message = (
            f"the device's time falls from cut {falls[0]} to {falls[0] + 1}: a layer is taken to"
            " last 0 s at least"
        )
        yield FieldWarning(field="/device_timing", message=message)
    yield from _warnings_of_model(device, model, rtt_mean_s)


def _warnings_of_model(device: Device, model: Model, rtt_mean_s: float) -> Iterator[FieldWarning]:
    if model.cuts[0].parameter_byte > 0:
        message = (
            f"the {model.cuts[0].parameter_byte} byte of parameters before the first layer are"
            " left out"
        )
        yield FieldWarning(field="/model", message=message)
    if rtt_mean_s > 0.0 and model.cuts[-1].feature_byte > 0:
        message = (
            "the result is sent at the last cut, where nothing is awaited: the round trip is not"
            " counted there"
        )
        yield FieldWarning(field="/model", message=message)
    largest = max(cut.feature_byte for cut in model.cuts)
    if device.memory_byte is not None and largest > device.memory_byte:
        yield FieldWarning(
            field="/model",
            message=(
                f"a feature of {model.name!r} ({largest} byte) is larger than the memory of"
                f" {device.name!r} ({device.memory_byte} byte)"
            ),
        )

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
from app.plans.stopping.energy import DeviceEnergy, EnergySource, device_energy
from app.plans.stopping.schemas import Energy
from app.profiles.schemas.device import Device
from app.profiles.schemas.model import Model
from app.profiles.schemas.profile import FieldWarning
from app.profiles.schemas.server import Server
from app.profiles.schemas.timing import Timing
from solvers.arrays import Floats
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
    standby_power_w: float
    energy_j_per_bit: float
    energy_source: tuple[EnergySource, ...]  # (cuts,)
    faults: tuple[FieldError, ...]
    warnings: tuple[FieldWarning, ...]


@dataclass(frozen=True, slots=True)
class Network:
    """What passes between device and edge beside what crosses a cut."""

    rtt_mean_s: float
    downlink_bps: float | None  # of results; None: they take no time


def workload(
    deployment: Deployment, frequency_hz: float | None, network: Network, energy: Energy
) -> Workload:
    """Every cut at the clock asked for, else the device's highest; the network's round trip and the
    result's way back are the edge's time.
    """
    after = deployment.server_timing.body if deployment.server_timing else None
    return _workload(
        deployment.device.body,
        deployment.model.body,
        deployment.device_timing.body,
        deployment.server.body,
        after,
        frequency_hz,
        network,
        energy,
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
    network: Network,
    energy: Energy,
) -> Workload:
    timed = at_clock(device, model, device_timing, frequency_hz)
    if timed.faults:
        return Workload({}, timed.frequency_hz, 0.0, 0.0, (), timed.faults, ())
    crossing_bit = _BITS * np.array([float(cut.feature_byte) for cut in model.cuts])
    parameter_bit = _BITS * np.array([float(cut.parameter_byte) for cut in model.cuts])
    measured_s = timed.mean_s
    server_s = _server_s(model, server, server_timing)
    result_s = _result_s(model, network)
    awaited_s = server_s + np.where(crossing_bit > 0.0, network.rtt_mean_s, 0.0) + result_s
    awaited_s[-1] = 0.0
    # What is there before the first layer is there whatever is decided; a mean that falls along the
    # network is noise.
    device_s = np.maximum.accumulate(measured_s - measured_s[0])
    drawn = device_energy(device, timed, device_s)
    columns = {
        "device_s": device_s,
        "device_j": drawn.device_j,
        "crossing_bit": crossing_bit,
        "server_s": awaited_s,
        "parameter_bit": parameter_bit - parameter_bit[0],
        "static_j": drawn.static_j,
    }
    return Workload(
        columns,
        timed.frequency_hz,
        standby_power_w=(device.idle_power_w or 0.0) if energy == "whole" else 0.0,
        energy_j_per_bit=device.radio.energy_j_per_bit if device.radio is not None else 0.0,
        energy_source=drawn.source,
        faults=(
            *_faults(columns | {"server_s": server_s}, result_s),
            *_faults_of_radio(device, crossing_bit),
        ),
        warnings=(
            *_warnings(
                device, model, measured_s, server, server_timing, server_s, network.rtt_mean_s
            ),
            *_warnings_of_energy(device, drawn),
        ),
    )


def _server_s(model: Model, server: Server, timing: Timing | None) -> Floats:
    """Mean time of the layers after each cut."""
    if timing is not None:
        return np.array([entry.mean_s or 0.0 for entry in timing.cuts])
    flop = np.array([float(cut.flop) for cut in model.cuts])
    return np.asarray((flop[-1] - flop) / server.capacity_flop_per_s)


def _result_s(model: Model, network: Network) -> float:
    """How long a result takes back."""
    if not model.result_byte or network.downlink_bps is None:
        return 0.0
    return _BITS * model.result_byte / network.downlink_bps


def table(workloads: list[Workload]) -> Workloads:
    """All workloads of a problem as one table."""
    return Workloads(
        first=np.cumsum([0, *(len(some.columns["device_s"]) for some in workloads)]),
        **{
            name: np.concatenate([some.columns[name] for some in workloads])
            for name in workloads[0].columns
        },
        standby_power_w=np.array([some.standby_power_w for some in workloads]),
        energy_j_per_bit=np.array([some.energy_j_per_bit for some in workloads]),
    )


def _faults(columns: dict[str, Floats], result_s: float) -> Iterator[FieldError]:
    if not result_s <= _LONGEST_S:
        yield FieldError("/model", f"its result takes {result_s:.3g} s to come back")
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


def _faults_of_radio(device: Device, crossing_bit: Floats) -> Iterator[FieldError]:
    per_bit_j = 0.0 if device.radio is None else device.radio.energy_j_per_bit
    if not per_bit_j * crossing_bit.max() <= _MOST_J:
        detail = f"radio.energy_j_per_bit of {per_bit_j:g} J cannot be planned with"
        yield FieldError("/device", detail)


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


def _warnings_of_energy(device: Device, drawn: DeviceEnergy) -> Iterator[FieldWarning]:
    if drawn.falls:
        cut = drawn.falls[0]
        message = (
            f"the energy of {device.name!r} falls from cut {cut - 1} to {cut}: a layer is taken to"
            " need 0 J at least"
        )
        yield FieldWarning(field="/device_timing", message=message)


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

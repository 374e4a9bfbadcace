"""A device, a network and a server as the options of one workload: where profiles become cycles,
bits and seconds.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, fields
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from app.errors import FieldError
from app.plans.plausibility import feature_beyond_memory, server_time_assumed
from app.plans.resolve import Deployment
from app.profiles.schemas.device import Device
from app.profiles.schemas.model import Model
from app.profiles.schemas.profile import FieldWarning
from app.profiles.schemas.server import Server
from app.profiles.schemas.timing import Timing, TimingCut
from solvers.margin import Margin
from solvers.robust.problem import Workloads

_BITS = 8
# The same clock, written by two people.
_SAME_CLOCK = 1e-6


@dataclass(frozen=True, slots=True)
class Workload:
    """The options of one workload as columns of `Workloads`; faults and warnings point into the
    user's entry.
    """

    columns: dict[str, NDArray[np.float64]]
    standby_power_w: float
    energy_j_per_bit: float
    faults: tuple[FieldError, ...]
    warnings: tuple[FieldWarning, ...]


@dataclass(frozen=True, slots=True)
class _Clock:
    """A clock, or a range of clocks, at which the device may run a cut."""

    clock_min_hz: float
    clock_max_hz: float
    cycles: float
    overhead_s: float
    device_variance_s2: float
    device_variance_low_s2: float
    device_excess_s: float
    static_power_w: float
    power_coefficient: float
    power_exponent: float
    fixed_energy_j: float


@dataclass(frozen=True, slots=True)
class _Rest:
    """What a cut leaves to the uplink and the server, and whether the device can hold its part."""

    cut: int
    crossing_bit: float
    crossing_most_bit: float
    result_bit: float
    loss: float
    server_mean_s: float
    server_variance_s2: float
    server_excess_s: float
    fits_memory: bool


def workload(deployment: Deployment, margin: Margin) -> Workload:
    """Every cut at every clock the device offers: measured levels as they were measured, the fit
    elsewhere.
    """
    after = deployment.server_timing.body if deployment.server_timing else None
    return _workload(
        deployment.device.body,
        deployment.model.body,
        deployment.device_timing.body,
        deployment.server.body,
        after,
        margin,
    )


# Profiles never change, and a fleet asks for the same few again and again.
@lru_cache(maxsize=512)
def _workload(
    device: Device,
    model: Model,
    device_timing: Timing,
    server: Server,
    server_timing: Timing | None,
    margin: Margin,
) -> Workload:
    rows = [
        (rest, clock)
        for rest, entry, flop in _rests(model, device, device_timing, server, server_timing)
        for clock in _clocks(device, flop, entry)
    ]
    columns = {
        name: np.array([getattr(row[part], name) for row in rows])
        for part, kind in enumerate((_Rest, _Clock))
        for name in (field.name for field in fields(kind))
    }
    columns["server_load_s"] = np.zeros((len(rows), 0))
    return Workload(
        columns=columns,
        standby_power_w=0.0,
        energy_j_per_bit=0.0,
        faults=tuple(_faults(rows, len(model.cuts), device, margin)),
        warnings=tuple(_warnings(device, model, server, server_timing)),
    )


def table(workloads: list[Workload]) -> Workloads:
    """All workloads of a problem as one table."""
    return Workloads(
        first=np.cumsum([0, *(len(some.columns["cut"]) for some in workloads)]),
        **{
            name: np.array([getattr(some, name) for some in workloads])
            for name in Workloads.per_workload()
        },
        **{
            name: np.concatenate([some.columns[name] for some in workloads])
            for name in workloads[0].columns
        },
    )


def _rests(
    model: Model,
    device: Device,
    device_timing: Timing,
    server: Server,
    server_timing: Timing | None,
) -> Iterator[tuple[_Rest, TimingCut, int]]:
    for m, (cut, entry) in enumerate(zip(model.cuts, device_timing.cuts, strict=True)):
        if server_timing is None:
            mean, variance, worst = (
                (model.cuts[-1].flop - cut.flop) / server.capacity_flop_per_s,
                0.0,
                None,
            )
        else:
            after = server_timing.cuts[m]
            assert after.mean_s is not None
            mean, variance, worst = after.mean_s, after.variance_s2 or 0.0, after.worst_s
        rest = _Rest(
            cut=m,
            crossing_bit=float(_BITS * cut.feature_byte),
            crossing_most_bit=float(_BITS * cut.feature_byte),
            result_bit=0.0,
            loss=0.0,
            server_mean_s=mean,
            server_variance_s2=variance,
            server_excess_s=_excess(worst, mean, variance),
            fits_memory=device.memory_byte is None or cut.parameter_byte <= device.memory_byte,
        )
        yield rest, entry, cut.flop


def _clocks(device: Device, flop: int, entry: TimingCut) -> Iterator[_Clock]:
    power = (*device.power_law, 0.0)
    fitted = entry.flop_per_cycle is not None
    cycles = flop / entry.flop_per_cycle if entry.flop_per_cycle is not None else 0.0
    overhead = entry.overhead_s or 0.0
    measured = entry.levels or ()
    variances = [level.variance_s2 for level in measured]
    if entry.variance_s2 is not None:
        variances.append(entry.variance_s2)
    high, low = max(variances), min(variances)
    residual = _excess(entry.worst_s, 0.0, high)
    if fitted and device.frequency_levels_hz is None:
        yield _Clock(
            device.frequency_min_hz,
            device.frequency_max_hz,
            cycles,
            overhead,
            high,
            low,
            residual,
            *power,
        )
        return
    idle = fitted and not measured and cycles == 0.0 and overhead == 0.0
    for clock in device.frequency_levels_hz or [level.frequency_hz for level in measured]:
        if not device.frequency_min_hz <= clock <= device.frequency_max_hz:
            continue
        level = next(
            (some for some in measured if abs(some.frequency_hz - clock) <= _SAME_CLOCK * clock),
            None,
        )
        if level is not None:
            worst, variance = (
                _excess(level.worst_s, level.mean_s, level.variance_s2),
                level.variance_s2,
            )
            yield _Clock(clock, clock, 0.0, level.mean_s, variance, variance, worst, *power)
        elif fitted:
            yield _Clock(clock, clock, 0.0, cycles / clock + overhead, high, high, residual, *power)
        if idle:  # with nothing to compute all clocks are the same: the lowest speaks for them
            return


def _excess(worst_s: float | None, mean_s: float, variance_s2: float) -> float:
    """Largest observed time beyond the mean: none for a time that never varies, NaN where nobody
    looked.
    """
    if worst_s is not None:
        return max(worst_s - mean_s, 0.0)
    return 0.0 if variance_s2 == 0.0 else math.nan


def _faults(
    rows: list[tuple[_Rest, _Clock]], cuts: int, device: Device, margin: Margin
) -> Iterator[FieldError]:
    for m in range(cuts):
        mine = [row for row in rows if row[0].cut == m]
        if not mine:
            detail = f"cut {m} has neither flop_per_cycle nor a level at a clock of {device.name!r}"
            yield FieldError("/device_timing", detail)
        if margin is Margin.WORST_CASE:
            detail = f"the worst_case margin needs worst_s, which cut {m} does not have"
            if any(math.isnan(clock.device_excess_s) for _, clock in mine):
                yield FieldError("/device_timing", detail)
            if any(math.isnan(rest.server_excess_s) for rest, _ in mine):
                yield FieldError("/server_timing", detail)


def _warnings(
    device: Device, model: Model, server: Server, server_timing: Timing | None
) -> Iterator[FieldWarning]:
    if server_timing is None:
        yield server_time_assumed(server, model, "remaining flop over capacity, without variance")
    yield from feature_beyond_memory(device, model)

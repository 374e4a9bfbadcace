"""What a device's layers draw at its clock: as measured where it was, else by its law of power."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from app.plans.clock import AtClock, same_clock
from app.profiles.schemas.device import Device
from solvers.arrays import Floats
from solvers.physics import compute_energy_j

EnergySource = Literal["energy_j", "power_w", "level_power_w", "law"]
"""What an energy was made from, the best measured first."""

BEST_FIRST: tuple[EnergySource, ...] = ("energy_j", "power_w", "level_power_w", "law")


@dataclass(frozen=True, slots=True)
class DeviceEnergy:
    """Energy of the layers up to each cut, above idle [J]."""

    device_j: Floats  # (cuts,) 0 at cut 0, never falling
    static_j: Floats  # (cuts,) the part drawn whatever the clock
    source: tuple[EnergySource, ...]  # (cuts,)
    falls: tuple[int, ...]  # cuts at which what was measured falls


def device_energy(device: Device, timed: AtClock, device_s: Floats) -> DeviceEnergy:
    """The energy of each cut: measured as such, else measured power for its time, else the law's.

    Parameters
    ----------
    device_s : (cuts,) time of the layers up to each cut; where it is 0 nothing runs.
    """
    law = device.power_law
    start_j = np.where(device_s > 0.0, device.energy_per_inference_j or 0.0, 0.0)
    clocked_j = compute_energy_j(
        np.array(law.coefficient), np.array(timed.frequency_hz), device_s, law.exponent
    )
    static_j = law.static_w * device_s
    source: list[EnergySource] = ["law"] * len(device_s)
    power_w = _level_power_w(device, timed.frequency_hz)
    energies = [None if level is None else level.energy_j for level in timed.levels]
    before_j = energies[0] or 0.0  # passes whatever is decided, as its time does
    for cut, (level, energy_j) in enumerate(zip(timed.levels, energies, strict=True)):
        if energy_j is not None:
            clocked_j[cut], static_j[cut], start_j[cut] = energy_j - before_j, 0.0, 0.0
            source[cut] = "energy_j"
        elif level is not None and level.power_w is not None:
            clocked_j[cut], static_j[cut] = 0.0, level.power_w * device_s[cut]
            source[cut] = "power_w"
        elif power_w is not None:
            clocked_j[cut], static_j[cut] = 0.0, power_w * device_s[cut]
            source[cut] = "level_power_w"
    clocked_j += start_j
    clocked_j[0] = static_j[0] = 0.0
    told = clocked_j + static_j
    device_j = np.maximum.accumulate(told)
    return DeviceEnergy(
        device_j=device_j,
        static_j=np.minimum(static_j, device_j),
        source=tuple(source),
        falls=tuple((np.flatnonzero(np.diff(told) < 0.0) + 1).tolist()),
    )


def _level_power_w(device: Device, clock_hz: float) -> float | None:
    """Measured power at a clock that the device lists; None where nobody measured it."""
    if device.level_power_w is None:
        return None
    levels = zip(device.frequency_levels_hz or (), device.level_power_w, strict=True)
    return next((power for level, power in levels if same_clock(level, clock_hz)), None)

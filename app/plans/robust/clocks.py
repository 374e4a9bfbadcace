"""The clocks at which a device may run a cut, and what it draws at each: measured where it was
measured.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from app.plans.robust.sending import Sending
from app.profiles.schemas.device import Device
from app.profiles.schemas.timing import TimingCut, TimingLevel

# The same clock, written by two people.
_SAME_CLOCK = 1e-6

# Where a row's energy is from, the first that is known.
ENERGY_SOURCES = ("energy_j", "power_w", "level_power_w", "law")
_ENERGY, _POWER, _LEVEL_POWER, _LAW = range(len(ENERGY_SOURCES))


@dataclass(frozen=True, slots=True)
class Draw:
    """What the device draws, above idle, while it runs a cut and codes what crosses it."""

    static_power_w: float
    power_coefficient: float
    power_exponent: float
    fixed_energy_j: float
    energy_source: int  # position in ENERGY_SOURCES


@dataclass(frozen=True, slots=True)
class Clock:
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
    energy_source: int


@dataclass(frozen=True, slots=True)
class _Fit:
    """How long a cut takes at any clock, and how much that varies."""

    cycles: float
    overhead_s: float
    variance_s2: float
    excess_s: float
    known: bool  # false: only levels were measured

    @property
    def runs(self) -> bool:
        """Whether it computes anything on the device."""
        return self.cycles > 0.0 or self.overhead_s > 0.0


def clocks(
    device: Device, flop: int, entry: TimingCut, sending: Sending, *, measured_only: bool = False
) -> Iterator[Clock]:
    """Every clock the device offers; measured levels as they were measured, the fit elsewhere.

    With `measured_only` a device whose clocks are free runs at those that were measured.
    """
    measured = entry.levels or ()
    variances = [level.variance_s2 for level in measured]
    if entry.variance_s2 is not None:
        variances.append(entry.variance_s2)
    high, low = max(variances), min(variances)
    known = entry.flop_per_cycle is not None
    fit = _Fit(
        flop / entry.flop_per_cycle if entry.flop_per_cycle is not None else 0.0,
        entry.overhead_s or 0.0,
        high,
        excess_s(entry.worst_s, 0.0, high),
        known,
    )
    levels = device.frequency_levels_hz is not None or (measured_only and len(measured) > 0)
    if not known or levels:
        yield from _levels(device, measured, fit, sending)
        return
    spread = sending.device_variance_s2
    yield _clock(
        (device.frequency_min_hz, device.frequency_max_hz),
        cycles=fit.cycles + sending.device_cycles,
        overhead_s=fit.overhead_s + sending.device_s,
        variances=(high + spread, low + spread),
        excess=fit.excess_s,
        draw=_draw(device, None, None, runs=fit.runs, clock=device.frequency_max_hz, coding_s=0.0),
    )


def _levels(
    device: Device, measured: Sequence[TimingLevel], fit: _Fit, sending: Sending
) -> Iterator[Clock]:
    """The clocks of a device that lists them, or else those that were measured."""
    coding, spread = sending.device_cycles, sending.device_variance_s2
    idle = fit.known and not measured and not fit.runs
    idle &= coding == 0.0 and sending.device_s == 0.0
    for k, clock in enumerate(
        device.frequency_levels_hz or [level.frequency_hz for level in measured]
    ):
        if not device.frequency_min_hz <= clock <= device.frequency_max_hz:
            continue
        level = next(
            (some for some in measured if abs(some.frequency_hz - clock) <= _SAME_CLOCK * clock),
            None,
        )
        if level is None and not fit.known:
            continue
        if level is None:
            mean_s, variance, excess = (
                fit.cycles / clock + fit.overhead_s,
                fit.variance_s2,
                fit.excess_s,
            )
        else:
            mean_s, variance = level.mean_s, level.variance_s2
            excess = excess_s(level.worst_s, mean_s, variance)
        coding_s = coding / clock + sending.device_s
        power_w = None if device.level_power_w is None else device.level_power_w[k]
        runs = fit.runs if level is None else mean_s > 0.0
        yield _clock(
            (clock, clock),
            cycles=0.0,
            overhead_s=mean_s + coding_s,
            variances=(variance + spread, variance + spread),
            excess=excess,
            draw=_draw(device, level, power_w, runs=runs, clock=clock, coding_s=coding_s),
        )
        if idle:  # with nothing to compute all clocks are the same: the lowest speaks for them
            return


def excess_s(worst_s: float | None, mean_s: float, variance_s2: float) -> float:
    """Largest observed time beyond the mean: none for a time that never varies, NaN where nobody
    looked.
    """
    if worst_s is not None:
        return max(worst_s - mean_s, 0.0)
    return 0.0 if variance_s2 == 0.0 else math.nan


def _clock(
    between: tuple[float, float],
    *,
    cycles: float,
    overhead_s: float,
    variances: tuple[float, float],
    excess: float,
    draw: Draw,
) -> Clock:
    return Clock(
        *between,
        cycles,
        overhead_s,
        *variances,
        excess,
        draw.static_power_w,
        draw.power_coefficient,
        draw.power_exponent,
        draw.fixed_energy_j,
        draw.energy_source,
    )


def _draw(
    device: Device,
    level: TimingLevel | None,
    level_power_w: float | None,
    *,
    runs: bool,
    clock: float,
    coding_s: float,
) -> Draw:
    """The best that is known: a measured energy, a measured power, then the law.

    A measured energy has the start-up in it but not the coding, which draws what is known next.
    """
    law = device.power_law
    start_j = (device.energy_per_inference_j or 0.0) if runs else 0.0
    power_w = level_power_w
    if level is not None and level.power_w is not None:
        power_w = level.power_w
    if level is not None and level.energy_j is not None:
        coding_w = power_w
        if coding_w is None:
            coding_w = law.static_w + law.coefficient * clock**law.exponent
        energy = level.energy_j + coding_w * coding_s
        return Draw(0.0, 0.0, law.exponent, energy, _ENERGY)
    if power_w is not None:
        source = _POWER if level is not None and level.power_w is not None else _LEVEL_POWER
        return Draw(power_w, 0.0, law.exponent, start_j, source)
    return Draw(law.static_w, law.coefficient, law.exponent, start_j, _LAW)

"""A law of power over the clock, and what is told of its fit."""

from dataclasses import dataclass

import numpy as np

from solvers.arrays import Floats
from solvers.measurement.power_samples import PowerSamples
from solvers.measurement.time_law import SuspiciousClock

Interval = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerLaw:
    """Energy of one inference, above what was taken off as idle:
    (static_power_w + power_coefficient f**power_exponent) t + energy_per_inference_j
    + waiting_power_w w, with f in Hz, t the time of computing and w that of waiting.
    """

    static_power_w: float
    power_coefficient: float
    power_exponent: float
    energy_per_inference_j: float = 0.0
    waiting_power_w: float = 0.0

    def power_w(self, frequency_hz: Floats) -> Floats:
        """Power while computing [W]."""
        clocked = self.power_coefficient * frequency_hz**self.power_exponent
        return np.asarray(self.static_power_w + clocked, dtype=np.float64)

    def expected(self, samples: PowerSamples) -> Floats:
        """What the law says of `samples.above_idle()`: [J] or [W]."""
        power, start = self.power_w(samples.frequency_hz), self.energy_per_inference_j
        timed = np.where(np.isfinite(samples.time_s), samples.time_s, np.inf)
        energy = power * samples.time_s + start + self.waiting_power_w * samples.wait_s
        return np.where(samples.is_energy(), energy, power + start / timed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Errors:
    """Of a law against what was measured, relative to the latter."""

    median: float
    p90: float
    largest: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LawIntervals:
    """Of each number of a law, 95 %; (0, infinity) where nothing is left over to tell."""

    static_power_w: Interval
    power_coefficient: Interval
    """Of the clocked power at the largest measured clock, as a coefficient for the law's own
    exponent: a coefficient means nothing without one."""
    power_exponent: Interval
    energy_per_inference_j: Interval
    waiting_power_w: Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockPower:
    """Power while computing at one clock, start-up and waiting taken off, and how the law misses
    it.
    """

    frequency_hz: float
    samples: int
    power_w: float
    interval_w: Interval
    median_error: float | None  # of the law's energy or power, signed; None: there is no law
    largest_error: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerFit:
    """What samples tell of a device's power."""

    law: PowerLaw | None
    intervals: LawIntervals | None
    errors: Errors | None
    cube: PowerLaw
    cube_errors: Errors
    """Of the coefficient that suits κ f³ best, waiting paid apart as in the law."""
    clocks: tuple[ClockPower, ...]  # ascending
    samples: int  # that were fitted
    suspicious: tuple[SuspiciousClock, ...]
    left_out: int  # samples at suspicious clocks, where that was asked for
    outliers: tuple[int, ...]  # rows far off the law; they are kept
    stray: str | None
    """`clock`, `run` or `workload`: whose means are farther from the law than their samples
    explain; intervals are then by these means."""
    unknown: tuple[str, ...]  # what cannot be told, and why

"""Which numbers of a power law a set of samples can tell apart."""

from dataclasses import dataclass

import numpy as np

from solvers.arrays import Floats
from solvers.measurement.power_law import Interval
from solvers.measurement.power_samples import PowerSamples
from solvers.measurement.samples import groups

LEAST_EXPONENT, LARGEST_EXPONENT = 1.0, 3.0
FEWEST_CLOCKS = 2
ENOUGH_CLOCKS = 4  # three numbers over the clock, and one left over to refute them by
_OTHER_TIME = 1.2  # times at one clock that differ by less tell no start-up from power
_OTHER_WAITING = 0.05  # nor do waiting times that are always the same part


@dataclass(frozen=True, slots=True)
class Terms:
    """Which numbers the samples tell apart."""

    clocked: bool
    exponents: Interval  # within which the exponent is estimated
    start: bool
    waiting: bool
    unknown: tuple[str, ...]
    refused: bool = False

    @property
    def names(self) -> list[str]:
        told = [("static", True), ("clocked", self.clocked)]
        told += [("start", self.start), ("waiting", self.waiting)]
        return [name for name, there in told if there]

    @property
    def over_clock(self) -> int:
        return 1 + self.clocked + (self.exponents[1] > self.exponents[0])


def terms_of(samples: PowerSamples, clock: Floats) -> Terms:
    """What can be told apart, and what cannot."""
    clocks = len(np.unique(clock))
    exponents = (LEAST_EXPONENT, LARGEST_EXPONENT)
    if clocks == FEWEST_CLOCKS:
        exponents = (LARGEST_EXPONENT, LARGEST_EXPONENT)
    waiting = bool(np.any(samples.wait_s > 0.0))
    numbers = (1 if clocks < FEWEST_CLOCKS else 2 + (exponents[1] > exponents[0])) + waiting
    start_up_lost = _start_up_lost(samples, clock, numbers)
    refusals = []
    if len(samples) < numbers:
        refusals.append(
            f"any of it: {len(samples)} samples cannot tell {numbers} numbers (power over the"
            " clock, and waiting); measure more"
        )
    proportional = waiting and not _waiting_told(samples)
    if proportional:
        refusals.append(
            "what computing draws: every sample waits for the same part of its time (wait_s), so"
            " waiting cannot be told from computing; measure one without waiting"
        )
    return Terms(
        clocked=clocks >= FEWEST_CLOCKS,
        exponents=exponents,
        start=not start_up_lost,
        waiting=waiting and not proportional,
        unknown=(*_of_clocks(clocks), *start_up_lost, *refusals),
        refused=bool(refusals),
    )


def _of_clocks(clocks: int) -> tuple[str, ...]:
    """What so few clocks leave open."""
    if clocks < FEWEST_CLOCKS:
        return (
            "no law over the clock: all samples are of one clock; measure at least"
            f" {ENOUGH_CLOCKS}, far apart",
        )
    if clocks == FEWEST_CLOCKS:
        return (
            "the exponent: two clocks fit any with a static part to match; it is set to"
            f" {LARGEST_EXPONENT:g}, and its interval has all that fit",
        )
    if clocks < ENOUGH_CLOCKS:
        return (
            "whether the law holds: three clocks are no more than its three numbers; measure a"
            " fourth",
        )
    return ()


def _start_up_lost(samples: PowerSamples, clock: Floats, numbers: int) -> tuple[str, ...]:
    """Why a start-up energy cannot be told; empty where it can, beside so many numbers."""
    what = "a start-up energy of each inference"
    if not np.isfinite(samples.time_s).any():
        return (f"{what}: no sample has its time",)
    if not _start_up_told(samples, clock):
        return (
            f"{what}: times at one clock differ by less than a fifth, so it cannot be told from"
            " power; it is counted as 0",
        )
    if len(samples) <= numbers:
        return (f"{what}: there are too few samples; it is counted as 0",)
    return ()


def _start_up_told(samples: PowerSamples, clock: Floats) -> bool:
    """Whether inferences at one clock take different times."""
    timed = np.flatnonzero(np.isfinite(samples.time_s))
    for rows in groups(timed, clock[timed]):
        stretches = groups(rows, samples.workload[rows], samples.run[rows])
        medians = [float(np.median(samples.time_s[stretch])) for stretch in stretches]
        if max(medians) > _OTHER_TIME * min(medians):
            return True
    return False


def _waiting_told(samples: PowerSamples) -> bool:
    energy = samples.is_energy()
    if not energy.all():
        return True
    part = samples.wait_s / (samples.wait_s + samples.time_s)
    return float(np.ptp(part)) > _OTHER_WAITING * float(part.max())

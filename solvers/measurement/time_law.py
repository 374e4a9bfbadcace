"""Which clocks cannot have been the ones that were asked for, by the time that was taken."""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize_scalar

from solvers.arrays import Floats, Integers
from solvers.measurement.samples import groups

FEWEST_CLOCKS = 4  # of three points one may be off, but which?
SUSPICIOUS = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeLaw:
    """Time a/f + t0 over the clock f, by least absolute relative error."""

    cycles: float
    overhead_s: float

    def time_s(self, frequency_hz: Floats) -> Floats:
        """Time at these clocks [s]."""
        return self.cycles / frequency_hz + self.overhead_s


@dataclass(frozen=True, slots=True, kw_only=True)
class SuspiciousClock:
    """A stretch of samples whose time is more than a tenth off the law of its workload."""

    workload: int
    run: int
    frequency_hz: float
    time_s: float  # the median of its samples
    expected_s: float
    likely_hz: float  # the clock at which the law takes that time; NaN: none does
    rows: tuple[int, ...]

    @property
    def deviation(self) -> float:
        """Measured over expected time, less one."""
        return self.time_s / self.expected_s - 1.0


def time_law(frequency_hz: Floats, time_s: Floats) -> TimeLaw:
    """The law a/f + t0 (a, t0 >= 0) with the least sum of absolute errors relative to the times.

    Parameters
    ----------
    frequency_hz, time_s : (points,) positive.

    Notes
    -----
    A few points do not move it, however far off they are, unless they stand at an end of the clocks
    (P. Bloomfield, W. L. Steiger, Least Absolute Deviations, 1983). For each t0 the best a is a
    weighted median, and the least sum is convex in t0.
    """
    weight = 1.0 / (frequency_hz * time_s)

    def cycles(overhead_s: float) -> float:
        product = (time_s - overhead_s) * frequency_hz
        order = np.argsort(product)
        summed = np.cumsum(weight[order])
        middle = order[np.searchsorted(summed, 0.5 * summed[-1])]
        return max(float(product[middle]), 0.0)

    def error(overhead_s: float) -> float:
        off = cycles(overhead_s) / frequency_hz + overhead_s - time_s
        return float(np.sum(np.abs(off) / time_s))

    longest = float(time_s.max())
    found = minimize_scalar(
        error, bounds=(0.0, longest), method="bounded", options={"xatol": 1e-12 * longest}
    )
    overhead = min((0.0, float(found.x)), key=error)
    return TimeLaw(cycles=cycles(overhead), overhead_s=overhead)


def suspicious_clocks(
    workload: Integers, run: Integers, frequency_hz: Floats, time_s: Floats
) -> list[SuspiciousClock]:
    """The stretches (one workload, run and clock) whose median time is off the law of the workload.

    Parameters
    ----------
    workload, run, frequency_hz, time_s : (rows,); rows without a time (NaN) take no part, nor does
        a workload with fewer than four clocks.
    """
    found = []
    timed = np.flatnonzero(np.isfinite(time_s))
    for rows in groups(timed, workload[timed]):
        stretches = groups(rows, frequency_hz[rows], run[rows])
        clocks = np.array([frequency_hz[stretch[0]] for stretch in stretches])
        if len(np.unique(clocks)) < FEWEST_CLOCKS:
            continue
        medians = np.array([float(np.median(time_s[stretch])) for stretch in stretches])
        law = time_law(clocks, medians)
        expected = law.time_s(clocks)
        for n in np.flatnonzero(np.abs(medians / expected - 1.0) > SUSPICIOUS):
            above = medians[n] - law.overhead_s
            found.append(
                SuspiciousClock(
                    workload=int(workload[stretches[n][0]]),
                    run=int(run[stretches[n][0]]),
                    frequency_hz=float(clocks[n]),
                    time_s=float(medians[n]),
                    expected_s=float(expected[n]),
                    likely_hz=law.cycles / above if above > 0.0 else float("nan"),
                    rows=tuple(stretches[n].tolist()),
                )
            )
    return found

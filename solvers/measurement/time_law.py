"""Which clocks cannot have been the ones that were asked for, by the time that was taken."""

from dataclasses import dataclass

import numpy as np

from solvers.arrays import Floats, Integers
from solvers.measurement.samples import groups

FEWEST_CLOCKS = 4  # of three points one may be off, but which?
SUSPICIOUS = 0.1
_SHARES, _ZOOMS = 41, 9


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeLaw:
    """Time a/f + t0 over the clock f, by least absolute errors of logarithms."""

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
    """The law a/f + t0 (a, t0 >= 0) with the least sum of absolute errors of the logarithms.

    Parameters
    ----------
    frequency_hz, time_s : (points,) positive.

    Notes
    -----
    A few points do not move it, however far off they are, unless they stand at an end of the clocks
    (P. Bloomfield, W. L. Steiger, Least Absolute Deviations, 1983); of logarithms, because a clock
    that ran twice as fast and one that ran half as fast are equally wrong. For each share of t0 the
    best scale is a median; shares are tried on a grid, then about the best.
    """
    top = float(frequency_hz.max())

    def scale(share: float) -> float:
        return float(np.median(np.log(time_s / ((1.0 - share) * top / frequency_hz + share))))

    def error(share: float) -> float:
        law = np.log((1.0 - share) * top / frequency_hz + share)
        return float(np.sum(np.abs(np.log(time_s) - law - scale(share))))

    low, high = 0.0, 1.0
    for _ in range(_ZOOMS):
        shares = np.linspace(low, high, _SHARES)
        at = int(np.argmin([error(float(share)) for share in shares]))
        low, high = float(shares[max(at - 1, 0)]), float(shares[min(at + 1, _SHARES - 1)])
    share, size = float(shares[at]), float(np.exp(scale(float(shares[at]))))
    return TimeLaw(cycles=(1.0 - share) * top * size, overhead_s=share * size)


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
            above = float(medians[n]) - law.overhead_s
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

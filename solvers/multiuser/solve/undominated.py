"""The options worth a look: each workload's rows, less those that another beats in everything.

What they cost before any share is given out is worked out once for each workload here, in dense
tables whose rows end in columns that hold no option where a workload has fewer than others.
"""

from dataclasses import dataclass

import numpy as np

from solvers.arrays import Booleans, Floats, Integers
from solvers.multiuser.problem import Problem


@dataclass(frozen=True, slots=True)
class Undominated:
    """Undominated options, one row per workload: (workloads, options) each."""

    number: Integers  # the option's number in its workload
    real: Booleans  # whether the column holds an option of the workload
    loss: Floats
    fixed_s: Floats  # t0: on the device, the round trip where something crosses, results' way back
    root_bit: Floats  # square root of what crosses
    root_server: Floats  # sqrt(C)
    base: Floats  # alpha t0 + gamma l; infinite where there is no option

    @property
    def options(self) -> int:
        """Number of columns."""
        return len(self.number.T)

    def column(self, workload: Integers, number: Integers) -> Integers:
        """Columns of options numbered as in their workload; -1 where one was left out."""
        column = np.full((len(self.number), int(self.number.max()) + 1), -1, dtype=np.int64)
        row, place = np.nonzero(self.real)
        column[row, self.number[row, place]] = place
        return np.asarray(column[workload, number])


def undominated(problem: Problem, only: Booleans) -> Undominated:
    """The options of a problem among the rows `only` of its workloads (rows,)."""
    work = problem.workloads
    place = np.arange(int(np.diff(work.first).max()))
    row = np.minimum(work.first[:-1, None] + place, len(work.cut) - 1)
    real = (place < np.diff(work.first)[:, None]) & only[row]
    crossing = work.crossing_bit[row]
    fixed = work.device_s[row] + np.where(crossing > 0.0, problem.network_s, 0.0)
    if work.result_s is not None:
        fixed = fixed + work.result_s[row]
    keep = real & ~_dominated([fixed, crossing, work.server_s[row], work.loss[row]], real)
    steady = problem.steadiness
    if steady is not None:  # a dominated option may still be the one to stay with
        had = steady.previous >= 0
        keep[problem.workload[had], steady.previous[had]] = True
    # Those that are kept move to the front, in their order; no workload needs more columns.
    columns = np.argsort(~keep, axis=1, kind="stable")[:, : max(1, int(keep.sum(axis=1).max()))]
    real = np.take_along_axis(keep, columns, axis=1)
    row, crossing, fixed = (
        np.take_along_axis(values, columns, axis=1) for values in (row, crossing, fixed)
    )
    base = problem.latency_weight_per_s * fixed + problem.loss_weight * work.loss[row]
    return Undominated(
        number=columns,
        real=real,
        loss=np.where(real, work.loss[row], 0.0),
        fixed_s=np.where(real, fixed, 0.0),
        root_bit=np.where(real, np.sqrt(crossing), 0.0),
        root_server=np.where(real, np.sqrt(work.server_s[row]), 0.0),
        base=np.where(real, base, np.inf),
    )


def _dominated(criteria: list[Floats], real: Booleans) -> Booleans:
    """Options that another of the same workload beats or equals in everything (of equals the first
    stays).
    """
    size = real.shape[1]
    result = np.zeros_like(real)
    earlier = np.tri(size, k=-1, dtype=np.bool_)
    step = max(1, 4_000_000 // (size * size))  # workloads at a time: pairs of options fill memory
    for start in range(0, len(real), step):
        part = slice(start, start + step)
        no_worse = np.broadcast_to(real[part, None, :], (len(real[part]), size, size)).copy()
        better = np.zeros_like(no_worse)
        for values in criteria:
            mine, others = values[part, :, None], values[part, None, :]
            no_worse &= others <= mine
            better |= others < mine
        result[part] = np.any(no_worse & (better | earlier), axis=2)
    return result

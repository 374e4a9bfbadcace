"""A cell with the options only that may need least of the uplink, whatever deadlines and risks."""

from dataclasses import replace

import numpy as np

from solvers.arrays import Booleans, Floats
from solvers.robust.problem import Problem

_COMPARED = 4_000  # options of a workload that are held against each other


def for_least_shares(problem: Problem) -> Problem:
    """The same cell without options that another of the same workload is no worse than in all that
    least shares depend on: bits, the time at the largest clock, variances, loss, memory, servers.

    Least shares, least deadlines and least risks are the same; energies are not. Where times of
    device and server vary against each other less variance of one may be more of both: then all
    options stay.
    """
    if np.any(problem.correlation < 0.0):
        return problem
    work = problem.workloads
    columns = [
        work.crossing_most_bit,
        work.cycles / work.clock_max_hz + work.overhead_s,
        work.server_mean_s,
        work.result_bit,
        work.device_variance_s2,
        work.device_variance_low_s2,
        work.server_variance_s2,
        work.loss,
        (~work.fits_memory).astype(float),
        np.nan_to_num(work.device_excess_s),
        np.nan_to_num(work.server_excess_s),
        *work.server_load_s.T,
    ]
    varying = [column for column in columns if np.any(column != column[0])]
    table = np.stack(varying or columns[:1], axis=1)
    kept = np.ones(len(table), dtype=np.bool_)
    for start, stop in zip(work.first[:-1].tolist(), work.first[1:].tolist(), strict=True):
        if stop - start <= _COMPARED:
            kept[start:stop] = _undominated(table[start:stop])
    return replace(problem, workloads=work.keep(kept))


def _undominated(table: Floats) -> Booleans:
    """Rows that no other row is no larger than in every column; of equals the first."""
    kept = np.ones(len(table), dtype=np.bool_)
    for n in np.lexsort(table.T[::-1]).tolist():
        if kept[n]:
            worse = np.all(table >= table[n], axis=1)
            worse[n] = False
            kept &= ~worse
    return kept

"""What stopping, going on and waiting cost at each cut, written for the check alone."""

from dataclasses import dataclass

import numpy as np

from solvers.arrays import Floats, Integers
from solvers.stopping.problem import Problem


@dataclass(frozen=True, slots=True)
class Terms:
    """Cost terms of some users of one workload, (cuts, users) or (cuts,)."""

    rows: slice  # of the workload
    ahead: Floats
    zeta: Floats
    eta: Floats
    xi: Floats
    waiting: Floats
    stays: bool


def terms_of(problem: Problem, workload: int, users: Integers) -> Terms:
    """Cost terms of users who all run one workload."""
    first = problem.workloads.first
    rows = slice(int(first[workload]), int(first[workload + 1]))
    work, by_time, by_energy = problem.workloads, problem.time_per_s, problem.energy_per_j
    ahead = by_time * work.device_s[rows] + by_energy * work.device_j[rows]
    return Terms(
        rows=rows,
        ahead=ahead,
        zeta=np.diff(ahead, prepend=0.0),
        eta=work.crossing_bit[rows][:, None] * (by_time + by_energy * problem.tx_power_w[users]),
        xi=work.server_s[rows][:, None] * (by_time + by_energy * problem.idle_power_w[users]),
        waiting=problem.coherence_time_s * (by_time + by_energy * problem.idle_power_w[users]),
        stays=bool(work.crossing_bit[rows][-1] == 0.0),
    )

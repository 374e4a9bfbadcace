"""The cost terms of the paper for a block of users of one workload, cuts down and users across."""

from dataclasses import dataclass

import numpy as np

from solvers.arrays import Floats, Integers
from solvers.stopping.problem import Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """Stopping after cut k at rate R costs `xi[k] + eta[k]/R`; coming from cut 0 to k costs
    `ahead[k]`.
    """

    ahead: Floats  # (cuts,) sum of zeta
    zeta: Floats  # (cuts,) of the layer before the cut; zeta[0] = 0
    eta: Floats  # (cuts, users)
    xi: Floats  # (cuts, users)
    waiting: Floats  # (users,) c_w
    stays: bool  # the last cut's result stays on the device

    @property
    def layers(self) -> int:
        """L."""
        return len(self.ahead) - 1


def costs(problem: Problem, workload: int, users: Integers) -> Costs:
    """Weigh the times and energies of a workload for these users."""
    work, rows = problem.workloads, problem.workloads.cuts(workload)
    by_time, by_energy = problem.time_per_s, problem.energy_per_j
    ahead = by_time * work.device_s[rows] + by_energy * work.device_j[rows]
    sending_w = problem.drawn_power_w[users]
    if work.standby_power_w is not None:
        standby_w = float(work.standby_power_w[workload])
        ahead = ahead + by_energy * standby_w * work.device_s[rows]
        sending_w = sending_w + standby_w
    xi = np.multiply.outer(work.server_s[rows], by_time + by_energy * problem.idle_power_w[users])
    if work.energy_j_per_bit is not None:
        per_bit = by_energy * float(work.energy_j_per_bit[workload])
        xi += (per_bit * work.crossing_bit[rows])[:, None]
    return Costs(
        ahead=ahead,
        zeta=np.diff(ahead, prepend=0.0),
        eta=np.multiply.outer(work.crossing_bit[rows], by_time + by_energy * sending_w),
        xi=xi,
        waiting=problem.waiting_cost[users],
        stays=bool(work.crossing_bit[rows][-1] == 0.0),
    )

"""What stopping, going on and waiting cost at each cut, written for the check alone."""

from dataclasses import dataclass

import numpy as np

from solvers.arrays import Floats, Integers
from solvers.stopping.problem import Problem


@dataclass(frozen=True, slots=True)
class Terms:
    """Cost terms of some users of one workload, (cuts, users) or (cuts,)."""

    workload: int
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
    standby_w, per_bit_j = standing(problem, workload)
    bits = work.crossing_bit[rows]
    spent_j = work.device_j[rows] + standby_w * work.device_s[rows]
    ahead = by_time * work.device_s[rows] + by_energy * spent_j
    sending = by_time + by_energy * (radio_w(problem, users) + standby_w)
    idle = by_time + by_energy * problem.idle_power_w[users]
    return Terms(
        workload=workload,
        rows=rows,
        ahead=ahead,
        zeta=np.diff(ahead, prepend=0.0),
        eta=bits[:, None] * sending,
        xi=work.server_s[rows][:, None] * idle + by_energy * per_bit_j * bits[:, None],
        waiting=problem.coherence_time_s * idle,
        stays=bool(bits[-1] == 0.0),
    )


def radio_w(problem: Problem, users: Integers) -> Floats:
    """What the radio draws while it sends, (users,): as told, else what it radiates."""
    told = problem.tx_power_w if problem.radio_power_w is None else problem.radio_power_w
    return np.asarray(told[users])


def standing(problem: Problem, workload: int) -> tuple[float, float]:
    """What a workload draws beside computing and sending [W], and for each bit sent [J]."""
    standby_w, per_bit_j = (
        0.0 if values is None else float(values[workload])
        for values in (problem.workloads.standby_power_w, problem.workloads.energy_j_per_bit)
    )
    return standby_w, per_bit_j


def spent(
    problem: Problem,
    terms: Terms,
    users: Integers,
    ends: Floats,
    sent_s: Floats,
    idle_s: Floats,
) -> dict[str, Floats]:
    """Expected energy by what draws it, (users,) each: ends at each cut, then seconds of sending
    and of waiting.
    """
    work, rows = problem.workloads, terms.rows
    static_j = np.zeros_like(work.device_j) if work.static_j is None else work.static_j
    standby_w, per_bit_j = standing(problem, terms.workload)
    busy_s = (work.device_s[rows][:, None] * ends).sum(axis=0) + sent_s
    return {
        "compute_j": ((work.device_j - static_j)[rows][:, None] * ends).sum(axis=0),
        "static_j": (static_j[rows][:, None] * ends).sum(axis=0),
        "radio_j": radio_w(problem, users) * sent_s
        + per_bit_j * (work.crossing_bit[rows][:, None] * ends).sum(axis=0),
        "wait_j": problem.idle_power_w[users] * idle_s,
        "standby_j": standby_w * busy_s,
    }

"""What a decision costs, as solver and answers count it; the check may not import this."""

from dataclasses import dataclass

import numpy as np

from solvers.arrays import Booleans, Floats, Integers
from solvers.multiuser.problem import Decision, Problem
from solvers.multiuser.table import TableProblem
from solvers.physics import transfer_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """Where each user's time goes [s], (users,) each."""

    device_s: Floats
    uplink_s: Floats
    network_s: Floats
    server_s: Floats

    @property
    def total_s(self) -> Floats:
        """End to end."""
        return np.asarray(self.device_s + self.uplink_s + self.network_s + self.server_s)


def latency(problem: Problem, decision: Decision) -> Latency:
    """Latency of every user under a decision: td + rtt + r + d/(x B eta) + s/y."""
    work, row = problem.workloads, decision.row(problem)
    crossing = work.crossing_bit[row]
    rate = decision.bandwidth_share * problem.bandwidth_hz * problem.spectral_efficiency
    network_s = np.where(crossing > 0.0, problem.network_s, 0.0)
    if work.result_s is not None:
        network_s = network_s + work.result_s[row]
    return Latency(
        device_s=work.device_s[row],
        uplink_s=transfer_s(crossing, rate),
        network_s=network_s,
        server_s=transfer_s(work.server_s[row], decision.server_share),
    )


def switched(problem: Problem, option: Integers) -> Booleans:
    """Which users leave the option they had in the previous plan."""
    if problem.steadiness is None:
        return np.zeros(problem.users, dtype=np.bool_)
    previous = problem.steadiness.previous
    return np.asarray((previous >= 0) & (option != previous))


def cost(problem: Problem, decision: Decision) -> Floats:
    """Each user's part of the objective: weight (alpha latency + gamma loss), and the cost of a
    switch.
    """
    total = problem.latency_weight_per_s * latency(problem, decision).total_s
    total = problem.weight * (
        total + problem.loss_weight * problem.workloads.loss[decision.row(problem)]
    )
    if problem.steadiness is not None:
        total = total + problem.steadiness.switching_cost * switched(problem, decision.option)
    return np.asarray(total)


def table_problem(problem: Problem, decision: Decision, user: int) -> TableProblem:
    """The table question of one user at its share of the server; its rate is what its share of the
    uplink carries.
    """
    work = problem.workloads
    rows = slice(*work.first[problem.workload[user] : problem.workload[user] + 2])
    return TableProblem(
        latency_weight_per_s=problem.latency_weight_per_s,
        loss_weight=problem.loss_weight,
        network_s=problem.network_s,
        deadline_s=float(problem.deadline_s[user]),
        max_loss=float(problem.max_loss[user]),
        cut=work.cut[rows],
        bits=work.bits[rows],
        device_s=work.device_s[rows],
        crossing_bit=work.crossing_bit[rows],
        server_s=transfer_s(work.server_s[rows], np.float64(decision.server_share[user])),  # type: ignore[arg-type]
        loss=work.loss[rows],
        result_s=None if work.result_s is None else work.result_s[rows],
    )

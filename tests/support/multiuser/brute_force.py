"""The optimum by looking at every combination of options with its best shares; shares nothing with
the solver.
"""

import itertools

import cvxpy as cp
import numpy as np

from solvers.arrays import Floats, Integers
from solvers.multiuser.problem import Problem

_GOLDEN = (np.sqrt(5.0) - 1.0) / 2.0


def columns(problem: Problem, option: Integers) -> tuple[Floats, Floats, Floats, Floats]:
    """Fixed cost, A, C and slack of choices (..., users)."""
    work = problem.workloads
    row = work.first[problem.workload] + option
    fixed = work.device_s[row] + problem.network_s * (work.crossing_bit[row] > 0)
    if work.result_s is not None:
        fixed = fixed + work.result_s[row]
    cost = problem.weight * (
        problem.latency_weight_per_s * fixed + problem.loss_weight * work.loss[row]
    )
    sent = work.crossing_bit[row] / (problem.bandwidth_hz * problem.spectral_efficiency)
    return cost, sent, work.server_s[row], problem.deadline_s - fixed


def enumerate_cell(problem: Problem) -> tuple[float, Integers | None]:
    """Least cost over all combinations and one that reaches it; infinite where none keeps the
    limits.
    """
    sizes = np.diff(problem.workloads.first)[problem.workload]
    option = np.array(list(itertools.product(*(range(size) for size in sizes))))
    loss = problem.workloads.loss[problem.workloads.first[problem.workload] + option]
    cost, sent, served, slack = columns(problem, option)
    possible = ((loss <= problem.max_loss) & (sent + served <= slack)).all(axis=1)
    if not possible.any():
        return float("inf"), None
    option = option[possible]
    value = best_shares(problem, *(part[possible] for part in (cost, sent, served, slack)))
    at = int(np.argmin(value))
    return float(value[at]), option[at] if np.isfinite(value[at]) else None


def best_shares(
    problem: Problem, cost: Floats, sent: Floats, served: Floats, slack: Floats
) -> Floats:
    """Cost of given options at their best shares: the square-root rule, or the dual in ratio and
    level of prices.
    """
    weight = problem.weight * problem.latency_weight_per_s
    fixed = cost.sum(axis=1)
    easy = (
        fixed + np.sqrt(weight * sent).sum(axis=1) ** 2 + np.sqrt(weight * served).sum(axis=1) ** 2
    )
    if not np.isfinite(problem.deadline_s).any():
        return easy
    slack = np.maximum(slack, 1e-300)  # nothing to send and no time to spare
    timed = np.isfinite(slack)
    up, on = (
        np.where(timed, sent / slack, 0.0).sum(axis=1),
        np.where(timed, served / slack, 0.0).sum(axis=1),
    )
    both = np.where(timed, np.sqrt(sent * served) / slack, 0.0).sum(axis=1)
    fits = (up < 1.0) & (on < 1.0) & ((1.0 - up) * (1.0 - on) > both**2)

    def at_ratio(log_ratio: Floats) -> Floats:
        low, high = np.full(len(cost), -30.0), np.full(len(cost), 20.0)
        for _ in range(56):
            level = 0.5 * (low + high)
            value, spent, paid = priced(np.exp(level), np.exp(level + log_ratio))
            low, high = np.where(spent > paid, level, low), np.where(spent > paid, high, level)
        return value

    def priced(lam: Floats, mu: Floats) -> tuple[Floats, Floats, Floats]:
        w = np.sqrt(sent * lam[:, None]) + np.sqrt(served * mu[:, None])
        z = np.maximum(weight, (w / slack) ** 2)
        spent = (np.sqrt(z) * w).sum(axis=1)
        return fixed + (weight * w / np.sqrt(z)).sum(axis=1) + spent - lam - mu, spent, lam + mu

    low, high = np.full(len(cost), -16.0), np.full(len(cost), 16.0)
    for _ in range(48):
        left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
        better = at_ratio(left) > at_ratio(right)
        low, high = np.where(better, low, left), np.where(better, right, high)
    return np.where(fits, at_ratio(0.5 * (low + high)), np.inf)


def convex_shares(problem: Problem, option: Integers) -> float:
    """The same for one combination by a general convex solver."""
    cost, sent, served, slack = columns(problem, option)
    latency: list[cp.Expression] = [cp.Constant(0.0)] * problem.users
    constraints: list[cp.Constraint] = []
    for seconds in (sent, served):
        takers = np.flatnonzero(seconds > 0.0)
        share = cp.Variable(len(takers)) if len(takers) else None
        if share is not None:
            constraints.append(cp.sum(share) <= 1)
            for place, user in enumerate(takers):
                latency[user] = latency[user] + seconds[user] * cp.inv_pos(share[place])
    constraints += [latency[user] <= slack[user] for user in np.flatnonzero(np.isfinite(slack))]
    weight = problem.weight * problem.latency_weight_per_s
    objective = cp.Problem(cp.Minimize(weight @ cp.hstack(latency)), constraints)
    objective.solve(solver=cp.CLARABEL)
    return float(objective.value + cost.sum())

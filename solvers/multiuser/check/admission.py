"""What users who fit together can be worth at the most, by least demands of the check's own."""

import numpy as np

from solvers.arrays import Floats
from solvers.multiuser.problem import Problem

_ANGLES = np.linspace(0.0, np.pi / 2, 17)
_TOLERANCE = 1e-9  # of deadlines, as the check has it
_ROUNDING = 1e-12


def most_value(problem: Problem, value: Floats) -> float:
    """No users who have a plan together are worth more.

    A deadline D with d = D - t0 left for uplink and server needs a/x + c/y <= d of shares x and y,
    so p² x + q² y >= (p sqrt(a) + q sqrt(c))²/d at any prices (p², q²) (Cauchy-Schwarz), while all
    shares together are paid p² + q² at the most. So users are a knapsack at each of these prices,
    whose linear relaxation bounds their value.
    """
    work = problem.workloads
    count = np.diff(work.first)[problem.workload]
    user = np.repeat(np.arange(len(count)), count)
    row = np.arange(len(user)) - np.repeat(np.cumsum(count) - count, count)
    row = row + work.first[problem.workload[user]]
    sends = work.crossing_bit[row] > 0.0
    fixed_s = work.device_s[row] + np.where(sends, problem.network_s, 0.0)
    if work.result_s is not None:
        fixed_s = fixed_s + work.result_s[row]
    left_s = problem.deadline_s[user] * (1.0 + 2.0 * _TOLERANCE) - fixed_s
    hertz_bps = problem.bandwidth_hz * problem.spectral_efficiency[user]
    up, on = np.sqrt(work.crossing_bit[row] / hertz_bps), np.sqrt(work.server_s[row])
    fit = work.loss[row] <= problem.max_loss[user] * (1.0 + _TOLERANCE)
    bound = np.inf
    for angle in _ANGLES:
        root = (np.cos(angle) * up + np.sin(angle) * on) ** 2
        with np.errstate(divide="ignore", invalid="ignore"):
            need = np.where(root > 0.0, root / left_s, 0.0)
        need = np.where(fit & (left_s >= 0.0) & ((left_s > 0.0) | (root == 0.0)), need, np.inf)
        least = np.full(len(count), np.inf)
        np.minimum.at(least, user, need)
        bound = min(bound, _relaxed(value, least * (1.0 - _ROUNDING)))
    bound *= 1.0 + _ROUNDING
    return float(np.floor(bound)) if np.all(value == np.floor(value)) else bound


def _relaxed(value: Floats, taken: Floats) -> float:
    """The linear relaxation of a knapsack of size 1."""
    some = taken <= 1.0
    value, taken = value[some], taken[some]
    free = taken <= 0.0
    total, value, taken = float(value[free].sum()), value[~free], taken[~free]
    order = np.argsort(-value / taken)
    value, taken = value[order], taken[order]
    part = np.clip((1.0 - (np.cumsum(taken) - taken)) / taken, 0.0, 1.0)
    return total + float(part @ value)

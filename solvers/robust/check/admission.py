"""What users who fit together can be worth at the most, by least demands of the check's own."""

import numpy as np

from solvers.arrays import Floats
from solvers.robust.check.curves import least_shares_hz
from solvers.robust.check.demands import laid_out, longer
from solvers.robust.problem import TOLERANCE, Problem

_ROUNDING = 1e-12


def most_value(problem: Problem, value: Floats) -> float:
    """No users who have a plan together are worth more, by the linear relaxation of each budget
    alone: whoever is worth most for what it takes at least, until the budget is full.

    Limits are taken at the end of the tolerance. Where all values are whole numbers, so is the
    bound.
    """
    budgets = np.array([problem.bandwidth_hz, *problem.server_capacity]) * (1.0 + 2.0 * TOLERANCE)
    least = _least(longer(problem))
    # Who needs more than there is of one budget has no plan, whatever the others leave.
    some = np.all(least <= budgets, axis=1)
    bound = min(
        _relaxed(value[some], least[some, k], budget) for k, budget in enumerate(budgets.tolist())
    )
    bound *= 1.0 + _ROUNDING
    return float(np.floor(bound)) if np.all(value == np.floor(value)) else bound


def _relaxed(value: Floats, taken: Floats, budget: float) -> float:
    free = taken <= 0.0
    total, value, taken = float(value[free].sum()), value[~free], taken[~free]
    order = np.argsort(-value / taken)
    value, taken = value[order], taken[order]
    before = np.cumsum(taken) - taken
    part = np.clip((budget - before) / taken, 0.0, 1.0)
    return total + float(part @ value)


def _least(problem: Problem) -> Floats:
    """What each user takes at least of the uplink and of every server with a budget, (users,
    budgets); infinite where nothing would do.
    """
    parts, servers = [], len(problem.server_capacity)
    for options, users in laid_out(problem, np.arange(len(problem.workload))):
        least = np.full((users, 1 + servers), np.inf)
        least[:, 0] = least_shares_hz(options, users)
        if servers:
            assert options.load is not None
            np.minimum.at(least[:, 1:], options.user, options.load * (1.0 - _ROUNDING))
        parts.append(least)
    return np.concatenate(parts)

"""What users who fit together can be worth at the most, by least demands of the check's own."""

from dataclasses import replace

import numpy as np

from solvers.arrays import Floats
from solvers.robust.check.curves import least_shares_hz
from solvers.robust.check.options import options_of
from solvers.robust.problem import TOLERANCE, Problem

_BLOCK = 16_384  # users whose options are laid out at once
_ROUNDING = 1e-12


def most_value(problem: Problem, value: Floats) -> float:
    """No users who have a plan together are worth more, by the linear relaxation of each budget
    alone: whoever is worth most for what it takes at least, until the budget is full.

    Limits are taken at the end of the tolerance. Where all values are whole numbers, so is the
    bound.
    """
    longer = replace(
        problem,
        deadline_s=problem.deadline_s * (1.0 + TOLERANCE),
        stage_tolerance=problem.stage_tolerance * (1.0 + TOLERANCE),
    )
    budgets = np.array([problem.bandwidth_hz, *problem.server_capacity]) * (1.0 + 2.0 * TOLERANCE)
    least = _least(longer)
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
    for start in range(0, len(problem.workload), _BLOCK):
        some = np.arange(start, min(start + _BLOCK, len(problem.workload)))
        options = options_of(problem, some, problem.workloads.clock_min_hz)
        options = replace(options, user=options.user - start)
        least = np.full((len(some), 1 + servers), np.inf)
        least[:, 0] = least_shares_hz(options, len(some))
        if servers:
            assert options.load is not None
            np.minimum.at(least[:, 1:], options.user, options.load * (1.0 - _ROUNDING))
        parts.append(least)
    return np.concatenate(parts)

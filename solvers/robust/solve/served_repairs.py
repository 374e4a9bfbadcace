"""Changes that give a cell a plan whose servers have budgets: what fits is tested, not summed."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from solvers.arrays import Floats, Integers
from solvers.progress import Progress
from solvers.robust.problem import Problem
from solvers.robust.solve.changes import Change, Prices, Repair
from solvers.robust.solve.conflicts import demands_of
from solvers.robust.solve.servers.limits import (
    has_plan,
    least_capacities,
    least_deadline_factor,
    may_fit,
)
from solvers.subsets.admission import without_some

_DOUBLINGS, _SETTLED = 40, 1e-9


def served_repairs(problem: Problem, prices: Prices, progress: Progress) -> Iterator[Repair]:
    """One repair of each kind that is for sale and helps: users left out, one factor on all
    deadlines, more uplink, more of one server.
    """
    everyone = np.arange(problem.users)
    if np.any(np.isfinite(prices.drop)):
        yield from _dropped(problem, prices.drop, progress)
    if prices.deadline_per_s < np.inf:
        factor = least_deadline_factor(problem, progress)
        if np.isfinite(factor):
            more = (factor - 1.0) * float(problem.deadline_s.sum())
            later = replace(problem, deadline_s=problem.deadline_s * factor)
            cost = prices.deadline_per_s * more
            yield _made(Change.DEADLINE, cost, 0.0, everyone, later)
    if prices.bandwidth_per_hz < np.inf:
        hertz = _least(problem.bandwidth_hz, lambda hertz: _wider(problem, hertz), progress)
        if hertz is not None:
            cost = prices.bandwidth_per_hz * (hertz - problem.bandwidth_hz)
            wider = _wider(problem, hertz)
            yield _made(Change.BANDWIDTH, cost, cost * (1.0 - _SETTLED), everyone, wider)
    if np.any(np.isfinite(prices.server)):
        yield from _grown(problem, prices.server, everyone, progress)


def _wider(problem: Problem, hertz: float) -> Problem:
    return replace(problem, bandwidth_hz=hertz)


def _made(
    change: Change, cost: float, at_least: float, users: Integers, problem: Problem
) -> Repair:
    return Repair(change=change, cost=cost, at_least=at_least, users=users, problem=problem)


def _dropped(problem: Problem, price: Floats, progress: Progress) -> Iterator[Repair]:
    limits = problem.at_tolerance()
    kept = without_some(
        price, demands_of(limits), lambda users: may_fit(limits.only(users), progress), progress
    )
    if kept is not None:
        stay = kept.users
        yield _made(Change.DROP, kept.cost, kept.at_least, stay, problem.only(stay))


def _grown(
    problem: Problem, price: Floats, everyone: Integers, progress: Progress
) -> Iterator[Repair]:
    """More of the one server of which enough is cheapest."""
    enough = least_capacities(problem, progress)
    more = price * np.maximum(enough - np.array(problem.server_capacity), 0.0)
    if np.any(np.isfinite(more)):
        k = int(np.nanargmin(np.where(np.isfinite(more), more, np.nan)))
        capacity = list(problem.server_capacity)
        capacity[k] = max(float(enough[k]), capacity[k])
        grown = replace(problem, server_capacity=tuple(capacity))
        yield _made(Change.SERVER, float(more[k]), 0.0, everyone, grown)


def _least(start: float, changed: Callable[[float], Problem], progress: Progress) -> float | None:
    """The least amount from a start on with which there is a plan, to a billionth; None where none
    does.
    """

    def works(amount: float) -> bool:
        return has_plan(changed(amount).at_tolerance(), progress)[0]

    low, high = start, start * 2.0
    for _ in range(_DOUBLINGS):
        if works(high):
            break
        low, high = high, high * 2.0
    else:
        return None
    while high - low > _SETTLED * high and not progress.over():
        middle = 0.5 * (low + high)
        low, high = (low, middle) if works(middle) else (middle, high)
    return high

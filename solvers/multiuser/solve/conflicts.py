"""Which users of a cell collide, where each of them could be served alone."""

from dataclasses import replace

import numpy as np

from solvers.arrays import Floats, Integers
from solvers.multiuser.problem import Problem
from solvers.multiuser.solve.deadlines import fit
from solvers.multiuser.solve.fleet import Fleet
from solvers.outcome import Conflict
from solvers.progress import Progress
from solvers.subsets.conflicts import of_tests

_ANGLES = np.linspace(0.0, np.pi / 2, 17)


def conflict_of(fleet: Fleet, failing: Integers, seed: int, progress: Progress) -> Conflict | None:
    """The smallest set of users who collide, beside those who fail alone; None where nobody else
    does, or that is not settled.

    Deadlines share two budgets, so sets are tested one by one, beginning with what the prices of
    `budget.least` rule out: users whose least needs at prices (p², q²) add up to more than
    p² + q² have no plan together.
    """
    problem = fleet.problem
    others = np.setdiff1d(np.arange(problem.users), failing)
    if len(others) == 0:
        return None
    rest = problem.only(others) if len(failing) else problem

    def fits(users: Integers) -> bool | None:
        fleet = Fleet(rest.only(users), progress=progress)
        return fit(fleet, np.random.default_rng(seed), progress).found

    if len(failing) and fits(np.arange(len(others))) is not False:
        return None
    # Who may not switch may fail alone.
    at_least = 2 if problem.steadiness is None else 1
    found = of_tests(demands_of(rest, progress), fits, progress, at_least=at_least)
    return found.of(others)


def demands_of(problem: Problem, progress: Progress) -> Floats:
    """What users need at least of both budgets at some prices, in parts of them, (prices, users).

    Who must not switch more than others may needs no less, so limits on switches are left out.
    """
    fleet = Fleet(replace(problem, steadiness=None), progress=progress)
    needs = np.empty((len(_ANGLES), fleet.users))
    for k, angle in enumerate(_ANGLES.tolist()):
        for block in fleet.blocks():
            needs[k, block] = fleet.need(block, np.cos(angle), np.sin(angle)).min(axis=1)
    return np.stack([fleet.unsorted(row) for row in needs])

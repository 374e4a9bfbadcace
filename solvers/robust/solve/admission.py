"""The most valuable users of a cell who fit together."""

from dataclasses import replace

import numpy as np

from solvers.arrays import Floats, Integers
from solvers.progress import Progress
from solvers.robust.problem import Problem
from solvers.robust.solve.conflicts import demands_of
from solvers.robust.solve.remedies import all_least_shares, shares_fit
from solvers.robust.solve.servers.limits import may_fit
from solvers.subsets.admission import Admission, of_sums, of_tests

# The last digits of a least share depend on who is computed beside.
_ROUND_DOWN = 1.0 - 1e-12


def admit(problem: Problem, value: Floats, progress: Progress) -> Admission:
    """Users to plan for where not everybody can be, with what is proven of their value; those who
    fail even alone are told apart.

    Users without budgets of servers share the uplink and nothing else, and some of them have a plan
    exactly where their least shares fit: a knapsack problem. Beside servers with budgets sets are
    tested (`subsets.admission`).

    Parameters
    ----------
    value : (users,) what serving each is worth, not negative.
    """
    limits = problem.at_tolerance()
    least = all_least_shares(limits, progress)
    alone = np.flatnonzero(np.isinf(least))

    def fits(users: Integers) -> bool | None:
        some = limits.only(users)
        if not shares_fit(some, progress):
            return False
        return may_fit(some, progress) if problem.server_capacity else True

    if problem.server_capacity:
        return replace(of_tests(value, demands_of(limits), fits, progress), alone=alone)
    found = of_sums(value, least, limits.bandwidth_hz, progress)
    if len(found.users) and not fits(found.users):
        narrower = of_sums(value, least, limits.bandwidth_hz * _ROUND_DOWN, progress)
        found = replace(narrower, at_most=max(found.at_most, narrower.value))
    return replace(found, alone=alone)

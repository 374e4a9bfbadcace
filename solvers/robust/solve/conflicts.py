"""Which users of a cell collide, where each of them could be served alone."""

import numpy as np

from solvers.arrays import Floats, Integers
from solvers.outcome import Conflict
from solvers.progress import Progress
from solvers.robust.problem import Problem
from solvers.robust.solve.candidates import options_of
from solvers.robust.solve.servers.limits import may_fit
from solvers.subsets.conflicts import of_sums, of_tests


def conflict_of(
    problem: Problem, least_hz: Floats, progress: Progress, *, proven: bool = True
) -> Conflict | None:
    """The smallest set of users who collide, beside those who fail alone; None where nobody else
    does.

    Without budgets of servers users share nothing but the uplink, and a set of them has a plan
    exactly where its least shares fit in: `of_sums` finds the smallest that does not. Where
    servers have budgets every option takes a part of several, and sets are tested one by one.

    Parameters
    ----------
    least_hz : (users,) least shares at the end of the tolerance; infinite for who fails alone.
    proven : whether it is that there is no plan.
    """
    others = np.nonzero(np.isfinite(least_hz))[0]
    limits = problem.at_tolerance()
    if not problem.server_capacity:
        found = of_sums(least_hz[others], limits.bandwidth_hz)
    elif len(others) == 0:
        return None
    else:
        found = _beside_servers(
            limits.only(others), progress, proven=proven and len(others) == len(least_hz)
        )
    return None if found is None else found.of(others)


def _beside_servers(limits: Problem, progress: Progress, *, proven: bool) -> Conflict | None:
    """As `conflict_of`, of users each of whom has a plan alone; limits are taken as they are."""

    def fits(users: Integers) -> bool | None:
        return may_fit(limits.only(users), progress)

    if not proven and fits(np.arange(limits.users)) is not False:
        return None
    return of_tests(demands_of(limits), fits, progress)


def demands_of(limits: Problem) -> Floats:
    """What users take at least of each budget, and of all budgets on average, in parts of them,
    (budgets + 1, users).
    """
    options, possible = options_of(limits)
    capacity = np.array([limits.bandwidth_hz, *limits.server_capacity])
    parts = np.vstack((options.curves.least_hz, options.load.T)) / capacity[:, None]
    parts = np.vstack((parts, parts.mean(axis=0)))
    return options.least(np.where(possible, parts, np.inf))

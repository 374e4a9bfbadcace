"""The most valuable users of a cell who fit together."""

from dataclasses import replace

from solvers.arrays import Floats
from solvers.multiuser.problem import Problem
from solvers.multiuser.solve.conflicts import demands_of
from solvers.multiuser.solve.deadlines import alone_late, tolerant
from solvers.multiuser.solve.fleet import Fleet
from solvers.multiuser.solve.repairs import fitting
from solvers.progress import Progress
from solvers.subsets.admission import Admission, of_tests


def admit(problem: Problem, value: Floats, progress: Progress) -> Admission:
    """Users to plan for where not everybody can be, with what is proven of their value; those who
    fail even alone are told apart.

    Deadlines share two budgets, so sets are tested (`subsets.admission`).

    Parameters
    ----------
    value : (users,) what serving each is worth, not negative.
    """
    limits = tolerant(problem)
    found = of_tests(
        value,
        demands_of(limits, progress),
        lambda users: fitting(problem.only(users), progress),
        progress,
    )
    return replace(found, alone=alone_late(Fleet(limits, progress=progress)).users)

"""Whether users who are said to collide do, and whether the others fit in without any of them."""

import numpy as np

from solvers.arrays import Floats, Integers
from solvers.outcome import Violation
from solvers.robust.check.constraints import Constraint
from solvers.robust.check.curves import least_shares_hz
from solvers.robust.check.demands import laid_out, longer
from solvers.robust.problem import TOLERANCE, Problem


def refuted(problem: Problem, users: Integers) -> tuple[Violation, ...]:
    """What is wrong with a conflict of users who share nothing but the uplink: none where their
    least shares exceed it, and would not without any single one of them.

    Least shares are this check's own. That they collide is looked at with limits as they were
    asked for, that they fit without one with limits at the end of the tolerance.
    """
    asked = _least_hz(problem, users)
    allowed = _least_hz(longer(problem), users)
    uplink = problem.bandwidth_hz
    spare = uplink * (1.0 - TOLERANCE) - asked.sum()
    broken = []
    if spare > 0.0:
        broken.append(Violation(constraint=Constraint.BANDWIDTH, user=None, excess=float(spare)))
    beyond = allowed.sum() - allowed - uplink * (1.0 + 2.0 * TOLERANCE)
    worst = int(beyond.argmax())
    if not beyond[worst] <= 0.0:
        at, excess = int(users[worst]), float(beyond[worst])
        broken.append(Violation(constraint=Constraint.BANDWIDTH, user=at, excess=excess))
    return tuple(broken)


def _least_hz(problem: Problem, users: Integers) -> Floats:
    """Least share of each of some users; infinite where no uplink would do."""
    return np.concatenate([least_shares_hz(*some) for some in laid_out(problem, users)])

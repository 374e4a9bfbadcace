"""Whether a cell has a plan within the budgets of its servers, and the least changes that give it
one.
"""

from dataclasses import replace

import numpy as np

from solvers.arrays import Floats
from solvers.progress import Progress
from solvers.robust.problem import AT_TOLERANCE, Problem
from solvers.robust.solve.candidates import options_of
from solvers.robust.solve.remedies import least_shares
from solvers.robust.solve.servers.least import Least, least_use
from solvers.robust.solve.servers.plans import Needs
from solvers.robust.solve.servers.served import Served

# The last digits of a sum depend on its order: capacities are raised by so much.
_ROUND_UP = 1.0 + 1e-13
# Logarithm of the largest common factor on deadlines that is looked for.
_FURTHEST = 20.0
_ENDLESS = 1e300
_SETTLED = 1e-12


def has_plan(problem: Problem, progress: Progress) -> tuple[bool, bool]:
    """Whether a plan keeps all budgets of a problem (its limits taken as they are), and whether
    that is proven.
    """
    needs = _needs(problem, progress)
    if needs is None:
        return False, True
    worst = 1 + int(_least_loads(needs).argmax())
    least = least_use(needs.parts, needs.relaxation.options.first, worst, progress, enough=1.0)
    return least.value <= 1.0, least.proven or least.value <= 1.0


def may_fit(limits: Problem, progress: Progress) -> bool | None:
    """As `has_plan`; None where neither is proven."""
    fit, proven = has_plan(limits, progress)
    return fit if fit or proven else None


def least_capacities(problem: Problem, progress: Progress) -> Floats:
    """The least budget of every server with which the cell has a plan, the others as they are,
    (servers,); NaN where none helps.

    In cells that are too large to look at all choices (thousands of users who must share the
    uplink, or several servers, to the last of it) a budget with which there is a plan, though
    perhaps not the least.
    """
    found = np.full(len(problem.server_capacity), np.nan)
    for k in range(len(found)):
        least = _least_of(problem, k, progress)
        if least is not None and least.choice is not None:
            found[k] = least.value
    return found


def _least_of(problem: Problem, server: int, progress: Progress) -> Least | None:
    """The least use of one server, in seconds per second and before the tolerance."""
    limits = problem.at_tolerance()
    endless = list(limits.server_capacity)
    endless[server] = _ENDLESS
    needs = _needs(replace(limits, server_capacity=tuple(endless)), progress)
    if needs is None:
        return None
    parts = needs.parts.copy()
    load = needs.relaxation.load_s[:, server]
    # In parts of the most there is, so that numbers stay near 1.
    unit = max(float(needs.relaxation.options.least(-load).sum()) * -1.0, 1e-300)
    parts[:, 1 + server] = load / unit
    least = least_use(parts, needs.relaxation.options.first, 1 + server, progress)
    if least.choice is None:
        return least
    used = float(load[least.choice].sum())
    # Any budget is positive; of a server that nobody needs the least there is will do.
    capacity = max(used / AT_TOLERANCE * _ROUND_UP, float(np.finfo(float).tiny))
    return replace(least, value=capacity)


def least_deadline_factor(problem: Problem, progress: Progress) -> float:
    """The least factor on all deadlines with which the cell has a plan; NaN where none does."""

    def works(log_factor: float) -> bool:
        longer = problem.deadline_s * float(np.exp(log_factor))
        return has_plan(replace(problem, deadline_s=longer).at_tolerance(), progress)[0]

    low, high = 0.0, 0.5
    while not works(high):
        low, high = high, 2.0 * high
        if high > 2.0 * _FURTHEST:
            return float("nan")
    while high - low > _SETTLED:
        middle = 0.5 * (low + high)
        low, high = (low, middle) if works(middle) else (middle, high)
    return float(np.exp(high)) * _ROUND_UP


def _needs(problem: Problem, progress: Progress) -> Needs | None:
    """What the options of a cell take of every budget; None where some user has none."""
    options, possible = options_of(problem)
    if np.any(np.isinf(least_shares(options, possible))):
        return None
    relaxation = Served(
        options.keep(possible),
        problem.bandwidth_hz,
        np.array(problem.server_capacity),
        progress=progress,
    )
    return Needs.of(relaxation)


def _least_loads(needs: Needs) -> Floats:
    """The sum of every server's least loads, in parts of its budget."""
    return np.asarray(needs.relaxation.options.least(needs.parts[:, 1:].T).sum(axis=1))

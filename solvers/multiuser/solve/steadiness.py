"""What holding on to a previous plan costs."""

from dataclasses import dataclass, replace

from solvers.multiuser.costs import cost, switched
from solvers.multiuser.problem import Decision, Method, Problem
from solvers.multiuser.solve.answer import solve
from solvers.outcome import Options
from solvers.progress import Progress


@dataclass(frozen=True, slots=True, kw_only=True)
class SteadinessPrice:
    """What holding on to a previous plan costs, against a plan that is free to change
    everything.
    """

    cost: float  # objective of the steady plan, switches not counted, less the free plan's
    cost_at_most: float  # against the proven bound of the free plan
    switches: int
    free_switches: int


def price_of_steadiness(
    problem: Problem,
    decision: Decision,
    options: Options | None = None,
    progress: Progress | None = None,
) -> SteadinessPrice:
    """Plan again without the previous plan and compare; raises ValueError where there is none to
    compare with.
    """
    if problem.steadiness is None:
        raise ValueError("the problem names no previous plan")
    free = replace(problem, steadiness=None, method=Method.EXACT)
    answer = solve(free, options, progress)
    if answer.decision is None or answer.objective is None or answer.lower_bound is None:
        raise ValueError("the problem has no plan without the previous one either")
    steady = float(cost(free, decision).sum())
    return SteadinessPrice(
        cost=steady - answer.objective,
        cost_at_most=steady - answer.lower_bound,
        switches=int(switched(problem, decision.option).sum()),
        free_switches=int(switched(problem, answer.decision.option).sum()),
    )

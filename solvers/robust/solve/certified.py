"""What a plan with its bound proves."""

from solvers.outcome import Options, Solution, Status
from solvers.progress import Progress
from solvers.robust.problem import Decision
from solvers.robust.solve.infeasible import Infeasibility

RobustSolution = Solution[Decision, Infeasibility]


def certified(
    decision: Decision,
    objective: float,
    bound: float,
    prices: dict[str, float],
    options: Options,
    progress: Progress,
) -> RobustSolution:
    """A decision with its energy and its bound, and what these prove."""
    bound = min(bound, objective)
    proven = objective - bound <= options.gap * objective
    return Solution(
        status=Status.OPTIMAL if proven else Status.FEASIBLE,
        decision=decision,
        objective=objective,
        lower_bound=bound,
        prices=prices,
        timed_out=not proven and progress.over(),
    )

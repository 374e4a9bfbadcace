"""The alternation of arXiv 2503.21476 with the certificate of the exact method.

Loading this module loads the modelling language, so whoever plans otherwise must not import it.
"""

from dataclasses import replace

import numpy as np

from solvers.outcome import Options, Solution, Status
from solvers.progress import Progress, Stage, Step
from solvers.robust.pccp import PccpSolution, pccp, starts
from solvers.robust.problem import Decision, Problem
from solvers.robust.solve.answer import RobustSolution, enter
from solvers.robust.solve.candidates import options_of
from solvers.robust.solve.dual import maximise
from solvers.robust.solve.fleet import Bracketed
from solvers.robust.solve.infeasible import explain
from solvers.robust.solve.remedies import all_least_shares
from solvers.robust.solve.shares import share_out


def alternate(problem: Problem, options: Options, progress: Progress) -> RobustSolution:
    """The better of the stationary points that the alternation reaches from its feasible starts.

    It proves nothing itself: the lower bound is the dual's, by which the plan may even be proven
    optimal. A cell has a start exactly where it has a plan, so one without is infeasible with the
    reasons of the exact method.
    """
    bracketed = enter(problem, progress)
    if not isinstance(bracketed, Bracketed):
        return Solution(
            status=Status.INFEASIBLE, infeasibility=explain(problem, bracketed, progress)
        )
    progress.stage(Stage.PRICE, 0.0, 0.1)
    dual = maximise(bracketed.relaxation, 1e-2 * options.gap, bracketed.between)

    found, problem = _from_every_start(problem, options, progress, dual.bound_j)
    if found is None:
        # What fits by a hair alone need not fit where the same shares are found by halving.
        least = all_least_shares(problem.at_tolerance(), progress)
        return Solution(status=Status.INFEASIBLE, infeasibility=explain(problem, least, progress))
    assert found.decision is not None
    assert found.objective is not None
    bound = min(dual.bound_j, found.objective)
    proven = found.objective - bound <= options.gap * found.objective
    return Solution(
        status=Status.OPTIMAL if proven else Status.FEASIBLE,
        decision=found.decision,
        objective=found.objective,
        lower_bound=bound,
        prices={
            "bandwidth_j_per_hz": _price(problem, found.decision, dual.price),
            "dual_bandwidth_j_per_hz": dual.price,
        },
        timed_out=found.timed_out and not proven,
    )


def _from_every_start(
    problem: Problem, options: Options, progress: Progress, bound_j: float
) -> tuple[PccpSolution | None, Problem]:
    """The best of the points that the starts lead to, and the problem that they are points of:
    with the limits as far as the tolerance allows where these are missed by rounding alone.
    """
    found: PccpSolution | None = None
    cuts = starts(problem)
    if not cuts:
        problem = problem.at_tolerance()
        cuts = starts(problem)
    for k, start in enumerate(cuts.values()):
        best_j = found.objective if found is not None and found.objective is not None else np.inf

        def of_all(step: Step, /, best_j: float = best_j) -> Step:
            energy = min(best_j, np.inf if step.objective is None else step.objective)
            return replace(step, objective=energy, bound=bound_j)

        if found is not None and progress.over():
            found = replace(found, timed_out=True)
            break
        low, high = (0.1 + 0.9 * n / len(cuts) for n in (k, k + 1))
        point = pccp(problem, start, options, progress.part(low, high, amend=of_all))
        assert point.objective is not None
        if point.objective < best_j:
            found = replace(
                point, timed_out=point.timed_out or (found is not None and found.timed_out)
            )
    return found, problem


def _price(problem: Problem, decision: Decision, near_j_per_hz: float) -> float:
    """What one more hertz saves at the cuts of a decision, split exactly."""
    everything, _ = options_of(problem)
    curves = everything.curves[(everything.first[:-1] + decision.option)[None, :]].with_marginals()
    log_price = float(np.log(near_j_per_hz)) if near_j_per_hz > 0.0 else 0.0
    return float(share_out(curves, problem.bandwidth_hz, log_price).price_j_per_hz[0])

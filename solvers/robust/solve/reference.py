"""The alternation of arXiv 2503.21476 with the certificate of the exact method.

Loading this module loads the modelling language, so whoever plans otherwise must not import it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from solvers.arrays import Floats, Integers
from solvers.outcome import Options, Solution, Status
from solvers.progress import Progress, Stage, Step
from solvers.robust.pccp import PccpSolution, pccp, starts
from solvers.robust.problem import Decision, Problem
from solvers.robust.solve.answer import enter
from solvers.robust.solve.candidates import options_of
from solvers.robust.solve.certified import RobustSolution
from solvers.robust.solve.dual import maximise
from solvers.robust.solve.fleet import Bracketed
from solvers.robust.solve.infeasible import Infeasibility, explain
from solvers.robust.solve.remedies import all_least_shares
from solvers.robust.solve.servers.least import least_use
from solvers.robust.solve.servers.master import maximise as price_servers
from solvers.robust.solve.servers.plans import Needs
from solvers.robust.solve.servers.served import Served
from solvers.robust.solve.servers.solved import Overload, relax
from solvers.robust.solve.shares import share_out

# The dual is driven to this part of the gap asked for.
_DUAL_TOLERANCE = 1e-2


@dataclass(frozen=True, slots=True)
class _Beside:
    """What the exact method knows of a cell before any plan."""

    bound_j: float
    price: float  # of the uplink, at the dual's maximum
    server_prices: Floats  # (servers,) likewise
    starts: Mapping[str, Integers]  # where only a search finds cuts that the servers can serve


def alternate(problem: Problem, options: Options, progress: Progress) -> RobustSolution:
    """The better of the stationary points that the alternation reaches from its feasible starts.

    It proves nothing itself: the lower bound is the dual's, by which the plan may even be proven
    optimal. A cell has a start exactly where it has a plan, so one without is infeasible with the
    reasons of the exact method.
    """
    beside = _beside(problem, options, progress)
    if isinstance(beside, Infeasibility):
        return Solution(status=Status.INFEASIBLE, infeasibility=beside)
    found, problem = _from_every_start(problem, options, progress, beside)
    if found is None:
        # What fits by a hair alone need not fit where the same shares are found by halving.
        least = all_least_shares(problem.at_tolerance(), progress)
        return Solution(status=Status.INFEASIBLE, infeasibility=explain(problem, least, progress))
    assert found.decision is not None
    assert found.objective is not None
    bound = min(beside.bound_j, found.objective)
    proven = found.objective - bound <= options.gap * found.objective
    return Solution(
        status=Status.OPTIMAL if proven else Status.FEASIBLE,
        decision=found.decision,
        objective=found.objective,
        lower_bound=bound,
        prices={
            "bandwidth_j_per_hz": _price(problem, found.decision, beside.price),
            "dual_bandwidth_j_per_hz": beside.price,
            **{
                f"{name}server_{k}_j_per_s": float(price)
                for name in ("", "dual_")
                for k, price in enumerate(beside.server_prices)
            },
        },
        timed_out=found.timed_out and not proven,
    )


def _beside(problem: Problem, options: Options, progress: Progress) -> _Beside | Infeasibility:
    """The dual's bound and prices; or why there is no plan."""
    if problem.server_capacity:
        return _beside_servers(problem, options, progress)
    bracketed = enter(problem, progress)
    if not isinstance(bracketed, Bracketed):
        return explain(problem, bracketed, progress)
    progress.stage(Stage.PRICE, 0.0, 0.1)
    dual = maximise(bracketed.relaxation, _DUAL_TOLERANCE * options.gap, bracketed.between)
    return _Beside(dual.bound_j, dual.price, np.zeros(0), {})


def _beside_servers(
    problem: Problem, options: Options, progress: Progress
) -> _Beside | Infeasibility:
    """As `_beside`, where servers have budgets, with the cuts that they can serve and that need the
    least of the uplink.
    """
    for limits in (problem, problem.at_tolerance()):  # one may be missed by rounding alone
        relaxation = relax(limits, progress)
        if not isinstance(relaxation, Served):
            lacking = relaxation
            continue
        of = relaxation.options
        least = least_use(Needs.of(relaxation).parts, of.first, 0, progress)
        if least.choice is None or not relaxation.fit(least.choice):
            lacking = Overload(of.least(of.curves.least_hz), least.proven)
            continue
        progress.stage(Stage.PRICE, 0.0, 0.1)
        offer = price_servers(relaxation, _DUAL_TOLERANCE * options.gap).offer
        start = {"least_bandwidth": of.option[least.choice]}
        return _Beside(offer.bound_j, offer.price, offer.server_prices, start)
    if isinstance(lacking, Overload):
        return explain(problem, lacking.least_hz, progress, proven=lacking.proven)
    return explain(problem, lacking, progress)


def _from_every_start(
    problem: Problem, options: Options, progress: Progress, beside: _Beside
) -> tuple[PccpSolution | None, Problem]:
    """The best of the points that the starts lead to, and the problem that they are points of:
    with the limits as far as the tolerance allows where these are missed by rounding alone.
    """
    found: PccpSolution | None = None
    cuts = starts(problem, beside.starts)
    if not cuts:
        problem = problem.at_tolerance()
        cuts = starts(problem, beside.starts)
    for k, start in enumerate(cuts.values()):
        best_j = found.objective if found is not None and found.objective is not None else np.inf

        def of_all(step: Step, /, best_j: float = best_j) -> Step:
            energy = min(best_j, np.inf if step.objective is None else step.objective)
            return replace(step, objective=energy, bound=beside.bound_j)

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

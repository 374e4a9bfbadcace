"""The exact method: price the uplink, complete the plan, prove it."""

import numpy as np

from solvers.arrays import Floats
from solvers.outcome import Options, Solution, Status
from solvers.progress import Progress, Stage
from solvers.robust.problem import Decision, Method, Problem
from solvers.robust.solve.alike import classes, classes_in_reach
from solvers.robust.solve.branch import BEND, search
from solvers.robust.solve.candidates import Candidates, options_of
from solvers.robust.solve.certified import RobustSolution, certified
from solvers.robust.solve.dual import Dual, Relaxation, maximise
from solvers.robust.solve.fleet import Bracketed, relax_in_blocks
from solvers.robust.solve.infeasible import explain
from solvers.robust.solve.kernel import by_kernel
from solvers.robust.solve.primal import Plan, complete, exchange
from solvers.robust.solve.remedies import least_shares
from solvers.robust.solve.servers.solved import Found, Overload
from solvers.robust.solve.servers.solved import solved as served

# The dual is driven to this part of the gap asked for, so that it is not what keeps a gap open in a
# large cell. Small cells have a gap of their own, which only the search closes, so that the last
# digits of the dual are wasted on them.
_DUAL_TOLERANCE = 1e-2
_SMALL_CELL = 50
# Above both a cell is swept block by block, and left to its gap, which closes by itself.
_LARGE_CELL = 2_000
_LARGE_TABLE = 160_000
_SMALL_CELL_TOLERANCE = 1e-4
_PATIENCE = 1_000  # nodes grown before a search counts as stalled


def solve(
    problem: Problem, options: Options | None = None, progress: Progress | None = None
) -> RobustSolution:
    """Least-energy cuts, clocks and shares of a cell, proven to a relative gap.

    Returns
    -------
    Solution whose status is `optimal` when the gap asked for is proven, `feasible` with its bound
    when the time limit came first, `infeasible` with reasons when no plan exists. Energies in J,
    the price in J/Hz.

    Notes
    -----
    Problem P1 of arXiv 2503.21476 (eq. 10), solved by Lagrangian duality in the one coupling
    constraint and branch and bound on the same bound; with `problem.method` `pccp` by the paper's
    alternation, under the same bound.
    """
    options, progress = options or Options(), progress or Progress()
    if problem.method is Method.PCCP:
        # Here, and not above: it loads the modelling language, which only this method needs.
        from solvers.robust.solve.reference import alternate

        return alternate(problem, options, progress)
    found = attempt(problem, options, progress)
    if isinstance(found, Solution):
        return found
    if isinstance(found, Overload):
        reasons = explain(problem, found.least_hz, progress, proven=found.proven)
    else:
        reasons = explain(problem, found, progress)
    return Solution(status=Status.INFEASIBLE, infeasibility=reasons)


def attempt(
    problem: Problem, options: Options, progress: Progress, *, prove: bool = True
) -> RobustSolution | Floats | Overload:
    """A plan with its bound; or, where there is none, each user's least share, from which the
    reasons follow.

    The first plan is found however short the time is; what would improve it, or prove more, ends
    with the time. Without `prove` exchanges are made, but no search.
    """
    if problem.server_capacity:
        return _served(problem, options, progress, prove=prove)
    compiled = by_kernel(problem, options, progress, prove=prove)
    if compiled is not None:
        return compiled
    entered = enter(problem, progress)
    if not isinstance(entered, Bracketed):
        return entered
    return _solved(problem, entered, options, prove=prove)


def _served(
    problem: Problem, options: Options, progress: Progress, *, prove: bool
) -> RobustSolution | Floats | Overload:
    """As `attempt`, where servers have budgets."""
    alike = classes(problem)
    found = served(problem, options, progress, alike, prove=prove)
    if not isinstance(found, Found):  # a limit may be missed by rounding alone
        found = served(problem.at_tolerance(), options, progress, alike, prove=prove)
    if not isinstance(found, Found):
        return found
    return _solution(
        found.relaxation.options, found.plan, found.bound_j, found.prices, options, progress
    )


def enter(problem: Problem, progress: Progress) -> Bracketed | Floats:
    """The relaxation of a cell; or, where there is no plan, each user's least share at the end of
    the tolerance.

    Where limits are missed by rounding alone, the relaxation is that of the limits as far as the
    tolerance allows.
    """
    entered = _enter(problem, progress)
    return entered if isinstance(entered, Bracketed) else _enter(problem.at_tolerance(), progress)


def _enter(problem: Problem, progress: Progress) -> Bracketed | Floats:
    first = problem.workloads.first
    laid_out = int((first[problem.workload + 1] - first[problem.workload]).sum())
    if problem.users > _LARGE_CELL and laid_out > _LARGE_TABLE:
        found = relax_in_blocks(problem, progress)
        if found is not None:
            return found
    everything, possible = options_of(problem)
    least = least_shares(everything, possible)
    if not least.sum() <= problem.bandwidth_hz:
        return least
    relaxation = (
        Relaxation(everything.keep(possible), problem.bandwidth_hz, progress=progress)
        .worth_sending()
        .priceable()
    )
    return Bracketed(relaxation=relaxation, between=None)


def _solved(
    problem: Problem, bracketed: Bracketed, options: Options, *, prove: bool
) -> RobustSolution:
    """Price, complete, exchange, and prove."""
    relaxation, between, progress = (
        bracketed.relaxation,
        bracketed.between,
        bracketed.relaxation.progress,
    )
    progress.stage(Stage.PRICE, 0.5, 0.65)
    tolerance = _DUAL_TOLERANCE * options.gap
    small = problem.users <= _SMALL_CELL
    dual = maximise(
        relaxation, max(tolerance, _SMALL_CELL_TOLERANCE) if small else tolerance, between
    )
    bound = dual.bound_j
    log_price = float(np.log(dual.price)) if dual.price > 0.0 else 0.0

    progress.bound = bound
    progress.stage(Stage.COMPLETE, 0.65, 0.8)
    goal = bound / (1.0 - 0.5 * options.gap)
    plan = complete(relaxation, dual.above, dual.below, log_price)
    if not (small and prove):  # the search makes all exchanges of a small cell
        plan = exchange(relaxation, plan, goal)

    if prove and plan.energy_j > goal and dual.price > 0.0 and between is None:
        plan, bound = _searched(problem, relaxation, plan, dual, options)
    prices = {
        "bandwidth_j_per_hz": plan.price_j_per_hz,
        "dual_bandwidth_j_per_hz": dual.price,
    }
    return _solution(relaxation.options, plan, bound, prices, options, progress)


def _solution(
    candidates: Candidates,
    plan: Plan,
    bound: float,
    prices: dict[str, float],
    options: Options,
    progress: Progress,
) -> RobustSolution:
    """A plan of some candidates as numbers that a device can set, with its bound."""
    decision, objective = _carried_out(candidates, plan)
    return certified(decision, objective, bound, prices, options, progress)


def _searched(
    problem: Problem, relaxation: Relaxation, plan: Plan, dual: Dual, options: Options
) -> tuple[Plan, float]:
    """The plan and the bound after branch and bound.

    A rough price is enough for most small cells. Where the search stalls on it, the price is driven
    on to the gap, between the two it was left at: what a rough bound leaves open the search can
    only close choice by choice. In larger cells it is at the gap already, and another search would
    do the same work again.
    """
    progress = relaxation.progress
    progress.bound, progress.objective = dual.bound_j, plan.energy_j
    progress.stage(Stage.BRANCH, 0.8, 1.0)
    alike = classes_in_reach(problem, relaxation, plan.energy_j, dual.bound_j, dual.price)
    # To begin again pays where the price is rough, or where a better plan makes more users alike.
    again = problem.users <= _SMALL_CELL or relaxation.options.curves.capped
    found = search(
        relaxation,
        plan,
        dual.bound_j,
        dual.price,
        alike,
        options,
        bend=BEND,
        patience=_PATIENCE if again else np.inf,
    )
    if not found.stalled:
        return found.plan, found.bound_j
    plan, bound, price = found.plan, found.bound_j, dual.price
    finer = maximise(relaxation, _DUAL_TOLERANCE * options.gap, dual.between)
    if finer.bound_j > bound:
        bound, price = finer.bound_j, finer.price
    better = complete(relaxation, finer.above, finer.below, float(np.log(finer.price)))
    plan = min(plan, better, key=lambda some: some.energy_j)
    if plan.energy_j <= bound / (1.0 - 0.5 * options.gap):
        return plan, bound
    if relaxation.options.curves.capped:  # less is in reach of the better plan under its bound
        alike = classes_in_reach(problem, relaxation, plan.energy_j, finer.bound_j, finer.price)
    found = search(relaxation, plan, bound, price, alike, options)
    return found.plan, found.bound_j


def _carried_out(options: Candidates, plan: Plan) -> tuple[Decision, float]:
    """The plan as numbers that a device can set, and the energy [J] of these very numbers."""
    curves = options.curves[plan.choice]
    share = curves.share_hz(plan.x)
    clock, energy = curves.carried_out(share)
    return Decision(
        option=options.option[plan.choice], frequency_hz=clock, bandwidth_hz=share
    ), energy

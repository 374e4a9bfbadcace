"""The exact method: price the uplink, complete the plan, prove it."""

import numpy as np
from numpy.typing import NDArray

from solvers.outcome import Options, Progress, Report, Solution, Status, silent
from solvers.robust.problem import Decision, Problem
from solvers.robust.solve.branch import search
from solvers.robust.solve.candidates import Candidates, options_of
from solvers.robust.solve.dual import Market, maximise
from solvers.robust.solve.fleet import Bidding, bidding
from solvers.robust.solve.infeasible import Infeasibility, explain, least_shares
from solvers.robust.solve.primal import Plan, complete, exchange

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

RobustSolution = Solution[Decision, Infeasibility]

# Clocks are rounded up by this much, so that rounding never turns a deadline just met into one just missed.
_ROUND_UP = 1.0 + 4e-14
# The dual is driven to this part of the gap asked for, so that it is not what keeps a gap open in a large cell. Small
# cells have a gap of their own, which only the search closes, so that the last digits of the dual are wasted on them.
_DUAL_TOLERANCE = 1e-2
_SMALL_CELL = 50
# Above both a cell is swept block by block, and left to its gap, which closes by itself.
_LARGE_CELL = 2_000
_LARGE_TABLE = 160_000
_SMALL_CELL_TOLERANCE = 1e-4


def solve(problem: Problem, options: Options | None = None, report: Report = silent) -> RobustSolution:
    """Least-energy cuts, clocks and shares of a cell, proven to a relative gap.

    Returns
    -------
    Solution whose status is `optimal` when the gap asked for is proven, `feasible` with its bound when the time limit
    came first, `infeasible` with reasons when no plan exists. Energies in J, the price in J/Hz.

    Notes
    -----
    Problem P1 of arXiv 2503.21476 (eq. 10), solved by Lagrangian duality in the one coupling constraint and branch and
    bound on the same bound, instead of the paper's alternation.
    """
    found = attempt(problem, options or Options(), report)
    if isinstance(found, Solution):
        return found
    return Solution(status=Status.INFEASIBLE, infeasibility=explain(problem, found))


def attempt(problem: Problem, options: Options, report: Report = silent) -> RobustSolution | Floats:
    """A plan with its bound; or, where there is none, each user's least share, from which the reasons follow."""
    first = problem.workloads.first
    laid_out = int((first[problem.workload + 1] - first[problem.workload]).sum())
    if problem.users > _LARGE_CELL and laid_out > _LARGE_TABLE:
        report(Progress(stage="sweep", fraction=0.0))
        bid = bidding(problem)
        if isinstance(bid, Bidding):
            return _solved(problem, bid.market, options, report, between=bid.between)
        if bid is not None:
            return bid
    everything, possible = options_of(problem)
    least = least_shares(everything, possible)
    if not least.sum() <= problem.bandwidth_hz:
        return least
    market = Market(everything.keep(possible), problem.bandwidth_hz).worth_sending().priceable()
    return _solved(problem, market, options, report)


def _solved(
    problem: Problem,
    market: Market,
    options: Options,
    report: Report,
    between: tuple[float, float] | None = None,
) -> RobustSolution:
    """Price, complete, exchange, and prove; `between`: prices outside which the market is no longer whole."""
    started = options.clock()
    report(Progress(stage="price", fraction=0.1))
    tolerance = _DUAL_TOLERANCE * options.gap
    small = problem.users <= _SMALL_CELL
    dual = maximise(market, max(tolerance, _SMALL_CELL_TOLERANCE) if small else tolerance, between)
    bound = dual.bound_j
    log_price = float(np.log(dual.price)) if dual.price > 0.0 else 0.0

    report(Progress(stage="complete", fraction=0.5, bound=bound))
    goal = bound / (1.0 - 0.5 * options.gap)
    plan = complete(market, dual.dear, dual.cheap, log_price)
    if not small:  # the search makes all exchanges of a small cell
        plan = exchange(market, plan, goal)

    timed_out = False
    if plan.energy_j > goal and dual.price > 0.0 and between is None:
        report(Progress(stage="branch", fraction=0.8, objective=plan.energy_j, bound=bound))
        deadline_s = started + options.time_limit_s
        found = search(market, plan, bound, dual.price, _classes(problem), options, deadline_s, report)
        plan, bound, timed_out = found.plan, found.bound_j, found.timed_out
    bound = min(bound, plan.energy_j)
    proven = plan.energy_j - bound <= options.gap * plan.energy_j
    return Solution(
        status=Status.OPTIMAL if proven else Status.FEASIBLE,
        decision=_decision(market.options, plan),
        objective=plan.energy_j,
        lower_bound=bound,
        prices={"bandwidth_j_per_hz": _price(market.options, plan), "dual_bandwidth_j_per_hz": dual.price},
        timed_out=timed_out,
    )


def _classes(problem: Problem) -> Integers:
    """The same number for users who are the same in everything."""
    columns = np.stack(
        [
            problem.workload.astype(np.float64),
            problem.tx_power_w,
            problem.gain,
            problem.deadline_s,
            problem.risk,
            problem.correlation,
        ],
        axis=1,
    )
    return np.asarray(np.unique(columns, axis=0, return_inverse=True)[1].reshape(-1), dtype=np.int64)


def _price(options: Candidates, plan: Plan) -> float:
    """What one more hertz saves at the chosen cuts: the largest -dE/db to the right among those who transmit."""
    curves = options.curves[plan.choice]
    larger, _ = curves.marginal_j_per_hz(plan.x)
    return float(np.max(np.where(curves.sends, larger, 0.0)))


def _decision(options: Candidates, plan: Plan) -> Decision:
    """The plan as numbers that a device can set."""
    curves = options.curves[plan.choice]
    clock = curves.clock_hz(curves.uplink_s(plan.x))
    return Decision(
        option=options.option[plan.choice],
        frequency_hz=np.where(
            clock > curves.clock_min_hz, np.minimum(clock * _ROUND_UP, curves.clock_max_hz), curves.clock_min_hz
        ),
        bandwidth_hz=curves.share_hz(plan.x),
    )

"""Shares and cuts for many users (`solve`), the table for one (`build_table`), and what plans are compared with."""

from dataclasses import dataclass, replace

import numpy as np

from solvers.multiuser.costs import cost, latency, switched
from solvers.multiuser.problem import Decision, Floats, Infeasibility, Integers, Method, Problem
from solvers.multiuser.solve import budget, rules
from solvers.multiuser.solve.envelope import build_table
from solvers.multiuser.solve.exact import Clock, Proven, descend, exact, fit
from solvers.multiuser.solve.fleet import Fleet
from solvers.multiuser.solve.primal import Incumbent
from solvers.multiuser.solve.shares import shares
from solvers.outcome import Options, Report, Solution, Status, relative_gap, silent

__all__ = ["Baseline", "baselines", "build_table", "price_of_steadiness", "solve"]

Answer = Solution[Decision, Infeasibility]

_NONE = np.empty(0, dtype=np.int64)


def solve(problem: Problem, options: Options, report: Report) -> Answer:
    """Choose every user's cut, bits and shares at least total of weight (alpha latency + gamma loss).

    Parameters
    ----------
    problem : the cell, SI units. Its method `exact` proves a bound (optimal once the gap is reached); all others answer
        "feasible" without one.
    options : relative gap to prove, time limit, seed of the order in which users are tried.
    report : told of progress; may raise `Cancelled`.

    Returns
    -------
    Solution with prices `bandwidth_per_hz` and `server_per_flop_per_s`: what one more would take off the objective with
    the chosen options. Infeasible answers say who or what is short; where a rule other than `exact` finds no plan, or
    time runs out first, the infeasibility is marked as not proven.

    Notes
    -----
    Joint multi-user partition and resource allocation of Li et al., IEEE TMC 23(12), 2024; the dual decomposition,
    bounds and search are Splitplan's own, see docs/families/multi-user.md.
    """
    clock, rng = Clock(options, report), np.random.default_rng(options.seed)
    method = problem.method
    if method is Method.EXACT:
        return _exact(problem, options, clock, rng)
    fleet = Fleet(problem)
    decision: Decision | None
    if method is Method.EQUAL_SHARE:
        equal = np.full(problem.users, 1.0 / problem.users)
        decision = _decision(fleet, rules.at_equal_shares(fleet), equal, equal)
        incumbent = None
    else:
        fleet, incumbent = _ruled(fleet, options, clock, rng)
        decision = _shared(fleet, incumbent) if np.isfinite(incumbent.cost) else None
    if decision is None or not _keeps_limits(problem, decision):
        return Solution(status=Status.INFEASIBLE, infeasibility=_alone(Fleet(problem)) or _unexplained())
    return Solution(
        status=Status.FEASIBLE,
        decision=decision,
        objective=float(cost(problem, decision).sum()),
        prices={} if incumbent is None else _prices(problem, incumbent.root),
    )


def _exact(problem: Problem, options: Options, clock: Clock, rng: np.random.Generator) -> Answer:
    fleet = Fleet(problem)
    start: Integers | None = None
    if fleet.allowed is not None:
        if (alone := _alone(fleet)) is not None:
            return Solution(status=Status.INFEASIBLE, infeasibility=alone)
        fitting = fit(fleet, rng, clock)
        if fitting.choice is None:
            short = _short(fleet, proven=fitting.excluded)
            return Solution(status=Status.INFEASIBLE, infeasibility=short, timed_out=not fitting.excluded)
        start = fitting.choice
    plan = exact(fleet, start, options, clock, rng)
    if not np.isfinite(plan.incumbent.cost):
        short = _short(fleet, proven=False)
        return Solution(status=Status.INFEASIBLE, infeasibility=short, timed_out=plan.timed_out)
    decision = _shared(fleet, plan.incumbent)
    objective = float(cost(problem, decision).sum())
    bound = min(plan.bound, objective)
    return Solution(
        status=Status.OPTIMAL if relative_gap(objective, bound) <= options.gap else Status.FEASIBLE,
        decision=decision,
        objective=objective,
        lower_bound=bound,
        prices=_prices(problem, plan.incumbent.root),
        timed_out=plan.timed_out,
    )


def _ruled(fleet: Fleet, options: Options, clock: Clock, rng: np.random.Generator) -> tuple[Fleet, Incumbent]:
    problem = fleet.problem
    match problem.method:
        case Method.ALTERNATING:
            return fleet, rules.alternating(fleet)
        case Method.GREEDY:
            return fleet, rules.greedy(fleet)
        case Method.DEVICE_ONLY:
            fleet = rules.device_only(problem)
        case Method.EDGE_ONLY:
            fleet = rules.edge_only(problem)
        case Method.LATENCY_ONLY:
            fleet = Fleet(rules.without_loss(problem))
        case method:
            raise ValueError(f"{method} is no simple rule")
    return fleet, _found(fleet, options, clock, rng).incumbent


def _found(fleet: Fleet, options: Options, clock: Clock, rng: np.random.Generator) -> Proven:
    """Prices and walks within what a rule leaves to choose from; infinite cost where that is too little."""
    nothing = Proven(Incumbent(np.inf, np.zeros(fleet.users, dtype=np.int64), (0.0, 0.0)), 0.0, timed_out=False)
    start: Integers | None = None
    if fleet.allowed is not None:
        if not np.all(fleet.allowed.any(axis=1)):
            return nothing
        start = fit(fleet, rng, clock).choice
        if start is None:
            return nothing
    return descend(fleet, start, clock, rng, options)


def _shared(fleet: Fleet, incumbent: Incumbent) -> Decision:
    return _decision(fleet, incumbent.choice, *shares(fleet, incumbent.choice, *incumbent.root))


def _decision(fleet: Fleet, choice: Integers, x: Floats, y: Floats) -> Decision:
    return Decision(
        option=fleet.unsorted(fleet.original[fleet.kind, choice]),
        bandwidth_share=fleet.unsorted(x),
        server_share=fleet.unsorted(y),
    )


def _prices(problem: Problem, root: tuple[float, float]) -> dict[str, float]:
    p, q = root
    return {
        "bandwidth_per_hz": p * p / problem.bandwidth_hz,
        "server_per_flop_per_s": q * q / problem.server_flop_per_s,
    }


def _keeps_limits(problem: Problem, decision: Decision) -> bool:
    in_time = latency(problem, decision).total_s <= problem.deadline_s * (1.0 + 1e-9)
    exact_enough = problem.workloads.loss[decision.row(problem)] <= problem.max_loss
    steady = problem.steadiness
    few = (
        steady is None or steady.max_switches is None or switched(problem, decision.option).sum() <= steady.max_switches
    )
    return bool(np.all(in_time & exact_enough)) and bool(few)


def _forced(fleet: Fleet) -> int:
    """Users whose previous option is no longer allowed."""
    if fleet.home is None or fleet.allowed is None:
        return 0
    settled = np.flatnonzero(fleet.home >= 0)
    return int((~fleet.allowed[settled, fleet.home[settled]]).sum())


def _allowed_switches(fleet: Fleet) -> int:
    return fleet.users if fleet.max_switches is None else fleet.max_switches


def _unexplained() -> Infeasibility:
    """A rule that found no plan says nothing about others."""
    return Infeasibility(proven=False, alone=_NONE, least_deadline_s=np.empty(0))


def _alone(fleet: Fleet) -> Infeasibility | None:
    """The users that no plan can serve, or that must switch though too many do; None where there are none such."""
    if fleet.allowed is None:
        return None
    alone = np.flatnonzero(~fleet.allowed.any(axis=1))
    if len(alone):
        users = fleet.order[alone]
        by_user = np.argsort(users)
        least = _least_deadline_s(fleet, alone)[by_user]
        return Infeasibility(proven=True, alone=users[by_user], least_deadline_s=least)
    if (forced := _forced(fleet)) > _allowed_switches(fleet):
        return Infeasibility(proven=True, alone=_NONE, least_deadline_s=np.empty(0), switches=forced)
    return None


def _short(fleet: Fleet, *, proven: bool) -> Infeasibility:
    """Which budget is short, by how much."""
    rng = np.random.default_rng(0)
    common, up, on = (budget.least(fleet, ask, rng) for ask in (budget.FACTOR, budget.UPLINK, budget.SERVER))
    hertz, flops = fleet.problem.bandwidth_hz, fleet.problem.server_flop_per_s
    return Infeasibility(
        proven=proven,
        alone=_NONE,
        least_deadline_s=np.empty(0),
        bandwidth_hz=(up.bound * hertz, up.found * hertz),
        server_flop_per_s=(on.bound * flops, on.found * flops),
        factor=(common.bound, common.found),
    )


def _least_deadline_s(fleet: Fleet, users: Integers) -> Floats:
    """Least latency of some users with both budgets whole, over the options their loss limit leaves."""
    kind = fleet.kind[users]
    sent = (fleet.root_share[users, None] * fleet.root_bit[kind]) ** 2
    full = fleet.fixed_s[kind] + sent + fleet.root_server[kind] ** 2
    within = fleet.real[kind] & (fleet.loss[kind] <= fleet.max_loss[users, None])
    return np.asarray(np.where(within, full, np.inf).min(axis=1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """What a simpler rule makes of the same cell; infinite where it cannot serve everyone at all."""

    objective: float
    latency_s: float  # weighted mean
    loss: float  # weighted mean
    feasible: bool  # keeps every deadline and loss limit


def baselines(problem: Problem, options: Options, report: Report = silent) -> dict[Method, Baseline]:
    """Every method but `exact` on the same cell; a rule that breaks a limit is shown without the limits, infeasible."""
    free = replace(problem, steadiness=None)
    unlimited = replace(free, deadline_s=np.full(problem.users, np.inf), max_loss=np.ones(problem.users))
    found: dict[Method, Baseline] = {}
    for method in Method:
        if method is Method.EXACT:
            continue
        answer = solve(replace(free, method=method), options, report)
        feasible = answer.decision is not None
        decision = answer.decision or solve(replace(unlimited, method=method), options, report).decision
        found[method] = _baseline(free, decision, feasible=feasible)
    return found


def _baseline(problem: Problem, decision: Decision | None, *, feasible: bool) -> Baseline:
    if decision is None:
        return Baseline(objective=np.inf, latency_s=np.inf, loss=np.nan, feasible=False)
    total = latency(problem, decision).total_s
    return Baseline(
        objective=float(cost(problem, decision).sum()),
        latency_s=float(np.average(total, weights=problem.weight)),
        loss=float(np.average(problem.workloads.loss[decision.row(problem)], weights=problem.weight)),
        feasible=feasible,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class SteadinessPrice:
    """What holding on to a previous plan costs, against a plan that is free to change everything."""

    cost: float  # objective of the steady plan, switches not counted, less the free plan's
    cost_at_most: float  # against the proven bound of the free plan
    switches: int
    free_switches: int


def price_of_steadiness(
    problem: Problem, decision: Decision, options: Options, report: Report = silent
) -> SteadinessPrice:
    """Plan again without the previous plan and compare; raises ValueError where there is none to compare with."""
    if problem.steadiness is None:
        raise ValueError("the problem names no previous plan")
    free = replace(problem, steadiness=None, method=Method.EXACT)
    answer = solve(free, options, report)
    if answer.decision is None or answer.objective is None or answer.lower_bound is None:
        raise ValueError("the problem has no plan without the previous one either")
    steady = float(cost(free, decision).sum())
    return SteadinessPrice(
        cost=steady - answer.objective,
        cost_at_most=steady - answer.lower_bound,
        switches=int(switched(problem, decision.option).sum()),
        free_switches=int(switched(problem, answer.decision.option).sum()),
    )

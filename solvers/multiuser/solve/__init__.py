"""Shares and cuts for many users (`solve`), the table for one (`build_table`), and what plans are
compared with.
"""

from dataclasses import dataclass, replace

import numpy as np

from solvers.arrays import Floats, Integers
from solvers.multiuser.costs import cost, latency, switched
from solvers.multiuser.problem import Decision, Infeasibility, Method, Problem
from solvers.multiuser.solve import rules
from solvers.multiuser.solve.deadlines import alone_late, explain, fit, tolerant
from solvers.multiuser.solve.envelope import build_table, pin
from solvers.multiuser.solve.exact import Proven, descend, exact
from solvers.multiuser.solve.fleet import Fleet
from solvers.multiuser.solve.primal import Incumbent
from solvers.multiuser.solve.shares import shares
from solvers.outcome import Options, Solution, Status, relative_gap
from solvers.progress import Progress, as_baseline

__all__ = ["Baseline", "baselines", "build_table", "pin", "price_of_steadiness", "solve"]

Answer = Solution[Decision, Infeasibility]


def solve(
    problem: Problem, options: Options | None = None, progress: Progress | None = None
) -> Answer:
    """Choose every user's cut, bits and shares at least total of weight (alpha latency + gamma
    loss).

    Parameters
    ----------
    problem : the cell, SI units. Its method `exact` proves a bound (optimal once the gap is
    reached); all others answer
        "feasible" without one.
    options : relative gap to prove, seed of the order in which users are tried.
    progress : followed and stopped by it.

    Returns
    -------
    Solution with prices `bandwidth_per_hz` and `server_per_flop_per_s`: what one more would take
    off the objective with the chosen options. Infeasible answers say who or what is short; where a
    rule other than `exact` finds no plan, or time runs out first, the infeasibility is marked as
    not proven.

    Notes
    -----
    Joint multi-user partition and resource allocation of Li et al., IEEE TMC 23(12), 2024; the dual
    decomposition, bounds and search are Splitplan's own, see docs/families/multi-user.md.
    """
    options, progress = options or Options(), progress or Progress()
    if problem.method is Method.EXACT:
        return _exact(problem, options, progress, np.random.default_rng(options.seed))
    return _by_rule(problem, options, progress) or Solution(
        status=Status.INFEASIBLE, infeasibility=alone_late(Fleet(tolerant(problem)))
    )


def _by_rule(problem: Problem, options: Options, progress: Progress) -> Answer | None:
    """What a simple rule makes of the question; None where it breaks a limit."""
    rng = np.random.default_rng(options.seed)
    found = _as_asked(problem, problem, options, progress, rng)
    if found is None and np.isfinite(problem.deadline_s).any():
        found = _as_asked(problem, tolerant(problem), options, progress, rng)
    return found


def _as_asked(
    problem: Problem, asked: Problem, options: Options, progress: Progress, rng: np.random.Generator
) -> Answer | None:
    """What the rule makes of the question as it is `asked`; None where that breaks a limit of the
    problem.
    """
    if problem.method is Method.EQUAL_SHARE:
        fleet = Fleet(asked)
        equal = np.full(problem.users, 1.0 / problem.users)
        decision = _decision(fleet, rules.at_equal_shares(fleet), equal, equal)
        prices = {}
    else:
        fleet, incumbent = _ruled(asked, options, progress, rng)
        if not np.isfinite(incumbent.cost):
            return None
        decision = _shared(fleet, incumbent)
        prices = _prices(problem, incumbent.root)
    if not _keeps_limits(problem, decision):
        return None
    return Solution(
        status=Status.FEASIBLE,
        decision=decision,
        objective=float(cost(problem, decision).sum()),
        prices=prices,
    )


def _exact(
    problem: Problem, options: Options, progress: Progress, rng: np.random.Generator
) -> Answer:
    fleet = Fleet(problem)
    start: Integers | None = None
    if fleet.allowed is not None:
        fitting = fit(fleet, rng, progress)
        if fitting.choice is None:
            fleet = Fleet(tolerant(problem))
            fitting = fit(fleet, np.random.default_rng(options.seed), progress)
        if fitting.choice is None:
            return _none(fleet, progress, options, excluded=fitting.excluded)
        start = fitting.choice
    plan = exact(fleet, start, options, progress, rng)
    if not np.isfinite(plan.incumbent.cost):
        return _none(fleet, progress, options, excluded=False)
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


def _ruled(
    problem: Problem, options: Options, progress: Progress, rng: np.random.Generator
) -> tuple[Fleet, Incumbent]:
    match problem.method:
        case Method.ALTERNATING:
            return (fleet := Fleet(problem)), rules.alternating(fleet)
        case Method.GREEDY:
            return (fleet := Fleet(problem)), rules.greedy(fleet)
        case Method.DEVICE_ONLY:
            fleet = rules.device_only(problem)
        case Method.EDGE_ONLY:
            fleet = rules.edge_only(problem)
        case Method.LATENCY_ONLY:
            fleet = Fleet(rules.without_loss(problem))
        case method:
            raise ValueError(f"{method} is no simple rule")
    return fleet, _found(fleet, options, progress, rng).incumbent


def _found(fleet: Fleet, options: Options, progress: Progress, rng: np.random.Generator) -> Proven:
    """Prices and walks within what a rule leaves to choose from; infinite cost where that is too
    little.
    """
    nothing = Proven(
        Incumbent(np.inf, np.zeros(fleet.users, dtype=np.int64), (0.0, 0.0)), 0.0, timed_out=False
    )
    start: Integers | None = None
    if fleet.allowed is not None:
        start = fit(fleet, rng, progress).choice
        if start is None:
            return nothing
    return descend(fleet, start, progress, rng, options)


def _shared(fleet: Fleet, incumbent: Incumbent) -> Decision:
    return _decision(fleet, incumbent.choice, *shares(fleet, incumbent.choice, *incumbent.root))


def _decision(fleet: Fleet, choice: Integers, x: Floats, y: Floats) -> Decision:
    return Decision(
        option=fleet.unsorted(fleet.table.number[fleet.kind, choice]),
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
        steady is None
        or steady.max_switches is None
        or switched(problem, decision.option).sum() <= steady.max_switches
    )
    return bool(np.all(in_time & exact_enough)) and bool(few)


def _none(fleet: Fleet, progress: Progress, options: Options, *, excluded: bool) -> Answer:
    why = explain(fleet, progress, options.seed, excluded=excluded)
    return Solution(status=Status.INFEASIBLE, infeasibility=why, timed_out=not excluded)


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """What a simpler rule makes of the same cell; infinite where it cannot serve everyone at
    all.
    """

    objective: float
    latency_s: float  # weighted mean
    loss: float  # weighted mean
    feasible: bool  # keeps every deadline and loss limit


def baselines(
    problem: Problem, options: Options | None = None, progress: Progress | None = None
) -> dict[Method, Baseline]:
    """Every method but `exact` on the same cell; a rule that breaks a limit is shown without the
    limits, infeasible.
    """
    options, progress = options or Options(), progress or Progress()
    free = replace(problem, steadiness=None)
    unlimited = replace(
        free, deadline_s=np.full(problem.users, np.inf), max_loss=np.ones(problem.users)
    )
    found: dict[Method, Baseline] = {}
    methods = [method for method in Method if method is not Method.EXACT]
    for k, method in enumerate(methods):
        mine = progress.part(
            k / len(methods),
            (k + 1) / len(methods),
            time_limit_s=progress.left_s() / (len(methods) - k),
            amend=as_baseline,
        )
        kept = _by_rule(replace(free, method=method), options, mine)
        answer = kept or _by_rule(replace(unlimited, method=method), options, mine)
        found[method] = _baseline(
            free, answer.decision if answer else None, feasible=kept is not None
        )
    return found


def _baseline(problem: Problem, decision: Decision | None, *, feasible: bool) -> Baseline:
    if decision is None:
        return Baseline(objective=np.inf, latency_s=np.inf, loss=np.nan, feasible=False)
    total = latency(problem, decision).total_s
    return Baseline(
        objective=float(cost(problem, decision).sum()),
        latency_s=float(np.average(total, weights=problem.weight)),
        loss=float(
            np.average(problem.workloads.loss[decision.row(problem)], weights=problem.weight)
        ),
        feasible=feasible,
    )


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

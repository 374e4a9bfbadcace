"""Answers of the rules that prove nothing, and whether they keep the limits."""

import numpy as np

from solvers.arrays import Integers
from solvers.multiuser.costs import cost, latency, switched
from solvers.multiuser.problem import Decision, Method, Problem
from solvers.multiuser.solve import rules
from solvers.multiuser.solve.deadlines import fit, tolerant
from solvers.multiuser.solve.decided import Answer, decision_of, prices_of, with_best_shares
from solvers.multiuser.solve.exact import Proven, descend
from solvers.multiuser.solve.fleet import Fleet
from solvers.multiuser.solve.primal import Incumbent
from solvers.outcome import Options, Solution, Status
from solvers.progress import Progress


def by_rule(problem: Problem, options: Options, progress: Progress) -> Answer | None:
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
        fleet = Fleet(asked, progress=progress)
        equal = np.full(problem.users, 1.0 / problem.users)
        decision = decision_of(fleet, rules.at_equal_shares(fleet), equal, equal)
        prices = {}
    else:
        fleet, incumbent = _incumbent(asked, options, progress, rng)
        if not np.isfinite(incumbent.cost):
            return None
        decision = with_best_shares(fleet, incumbent)
        prices = prices_of(problem, incumbent.root)
    if not _keeps_limits(problem, decision):
        return None
    return Solution(
        status=Status.FEASIBLE,
        decision=decision,
        objective=float(cost(problem, decision).sum()),
        prices=prices,
    )


def _incumbent(
    problem: Problem, options: Options, progress: Progress, rng: np.random.Generator
) -> tuple[Fleet, Incumbent]:
    match problem.method:
        case Method.ALTERNATING:
            return (fleet := Fleet(problem, progress=progress)), rules.alternating(fleet)
        case Method.GREEDY:
            return (fleet := Fleet(problem, progress=progress)), rules.greedy(fleet)
        case Method.DEVICE_ONLY:
            fleet = rules.device_only(problem)
        case Method.EDGE_ONLY:
            fleet = rules.edge_only(problem)
        case Method.LATENCY_ONLY:
            fleet = Fleet(rules.without_loss(problem), progress=progress)
        case method:
            raise ValueError(f"{method} is no simple rule")
    return fleet, _descended(fleet, options, progress, rng).incumbent


def _descended(
    fleet: Fleet, options: Options, progress: Progress, rng: np.random.Generator
) -> Proven:
    """Prices and path relinking within what a rule leaves to choose from; infinite cost where that
    is too little.
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

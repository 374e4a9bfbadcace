"""The answer for a cell, by the method that its problem names."""

from dataclasses import replace

import numpy as np

from solvers.arrays import Integers
from solvers.multiuser.costs import cost
from solvers.multiuser.problem import Method, Problem
from solvers.multiuser.solve.by_rule import by_rule
from solvers.multiuser.solve.conflicts import conflict_of
from solvers.multiuser.solve.deadlines import alone_late, explain, fit, tolerant
from solvers.multiuser.solve.decided import Answer, prices_of, with_best_shares
from solvers.multiuser.solve.exact import Proven, exact
from solvers.multiuser.solve.fleet import Fleet
from solvers.outcome import Options, Solution, Status, relative_gap
from solvers.progress import Progress


def solve(
    problem: Problem, options: Options | None = None, progress: Progress | None = None
) -> Answer:
    """Choose every user's cut, bits and shares at least total of weight (alpha latency + gamma
    loss).

    Parameters
    ----------
    problem : the cell, SI units. Its method `exact` proves a bound (optimal once the gap is
        reached); all others answer "feasible" without one.
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
        return _exact(problem, options, progress)
    return by_rule(problem, options, progress) or Solution(
        status=Status.INFEASIBLE, infeasibility=alone_late(Fleet(tolerant(problem)))
    )


def _exact(problem: Problem, options: Options, progress: Progress) -> Answer:
    excluded = False
    # Then with limits as late as the check accepts them: rounding alone is no reason to refuse.
    for asked in (problem, tolerant(problem)):
        fleet, rng = Fleet(asked, progress=progress), np.random.default_rng(options.seed)
        start: Integers | None = None
        if fleet.allowed is not None:
            fitting = fit(fleet, rng, progress)
            start, excluded = fitting.choice, fitting.excluded
            if start is None:
                continue
        plan = exact(fleet, start, options, progress, rng)
        if np.isfinite(plan.incumbent.cost):
            return _solved(problem, fleet, plan, options)
        if fleet.allowed is None:
            break
    return _no_plan(fleet, progress, options, excluded=excluded)


def _solved(problem: Problem, fleet: Fleet, plan: Proven, options: Options) -> Answer:
    decision = with_best_shares(fleet, plan.incumbent)
    objective = float(cost(problem, decision).sum())
    bound = min(plan.bound, objective)
    return Solution(
        status=Status.OPTIMAL if relative_gap(objective, bound) <= options.gap else Status.FEASIBLE,
        decision=decision,
        objective=objective,
        lower_bound=bound,
        prices=prices_of(problem, plan.incumbent.root),
        timed_out=plan.timed_out,
    )


def _no_plan(fleet: Fleet, progress: Progress, options: Options, *, excluded: bool) -> Answer:
    why = explain(fleet, progress, options.seed, excluded=excluded)
    if excluded:
        why = replace(why, conflict=conflict_of(fleet, why.users, options.seed, progress))
    return Solution(status=Status.INFEASIBLE, infeasibility=why, timed_out=not excluded)

"""What simpler rules make of a cell, to compare its plan with."""

from dataclasses import dataclass, replace

import numpy as np

from solvers.multiuser.costs import cost, latency
from solvers.multiuser.problem import Decision, Method, Problem
from solvers.multiuser.solve.by_rule import by_rule
from solvers.outcome import Options
from solvers.progress import Progress, as_baseline


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
        kept = by_rule(replace(free, method=method), options, mine)
        answer = kept or by_rule(replace(unlimited, method=method), options, mine)
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

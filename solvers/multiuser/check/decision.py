"""Every constraint of a plan, and its cost, recomputed from problem and decision alone."""

import numpy as np

from solvers.arrays import Floats
from solvers.multiuser.check.constraints import Constraint
from solvers.multiuser.check.terms import terms
from solvers.multiuser.problem import Decision, Problem
from solvers.outcome import Certificate, Violation

# Shares and latencies are sums and quotients of a few numbers: anything beyond this is no rounding.
TOLERANCE = 1e-9
_NAMED = 100  # violations named one by one


def check(problem: Problem, decision: Decision) -> Certificate:
    """Whether every option exists, both budgets suffice, every deadline and limit is kept; with the
    objective.

    Returns
    -------
    Certificate with `used` as fractions of both budgets. Of many violations of one kind the first
    100 users are named.
    """
    violations = _shape(problem, decision)
    if violations:
        return Certificate(objective=float("nan"), used={}, violations=violations)
    x, y = decision.bandwidth_share, decision.server_share
    found: list[Violation] = []
    found += _each(Constraint.BANDWIDTH_SHARE_AT_LEAST_0, -x)
    found += _each(Constraint.SERVER_SHARE_AT_LEAST_0, -y)
    found += _whole(Constraint.BANDWIDTH, float(x.sum()) - 1.0, TOLERANCE)
    found += _whole(Constraint.SERVER, float(y.sum()) - 1.0, TOLERANCE)
    means = terms(problem, decision)
    total = means.latency_s
    found += _each(Constraint.LATENCY, np.where(np.isfinite(total), 0.0, np.inf))
    limited = np.isfinite(problem.deadline_s)
    deadline = np.where(limited, problem.deadline_s, 0.0)
    excess = np.where(limited, total, 0.0) - deadline
    found += _each(Constraint.DEADLINE, np.where(excess > TOLERANCE * deadline, excess, 0.0))
    found += _each(Constraint.MAX_LOSS, means.loss - problem.max_loss)
    if problem.steadiness is not None and problem.steadiness.max_switches is not None:
        count = int(means.leaves.sum())
        found += _whole(
            Constraint.MAX_SWITCHES, float(count - problem.steadiness.max_switches), 0.0
        )
    return Certificate(
        objective=float(means.cost.sum()),
        used={"bandwidth_share": float(x.sum()), "server_share": float(y.sum())},
        violations=tuple(found),
    )


def _shape(problem: Problem, decision: Decision) -> tuple[Violation, ...]:
    columns = (decision.option, decision.bandwidth_share, decision.server_share)
    if any(np.shape(column) != (len(problem.workload),) for column in columns):
        return (Violation(constraint=Constraint.ONE_ROW_PER_USER, user=None, excess=float("inf")),)
    last = np.diff(problem.workloads.first)[problem.workload] - 1
    beyond = np.maximum(decision.option - last, -decision.option).astype(np.float64)
    known = np.isfinite(decision.bandwidth_share) & np.isfinite(decision.server_share)
    return tuple(
        _each(Constraint.OPTION, beyond)
        + _each(Constraint.SHARES_ARE_NUMBERS, np.where(known, 0.0, np.inf))
    )


def _each(constraint: Constraint, excess: Floats) -> list[Violation]:
    broken = np.flatnonzero(excess > 0.0)[:_NAMED]
    return [
        Violation(constraint=constraint, user=int(user), excess=float(excess[user]))
        for user in broken
    ]


def _whole(constraint: Constraint, excess: float, tolerance: float) -> list[Violation]:
    return (
        [Violation(constraint=constraint, user=None, excess=excess)] if excess > tolerance else []
    )

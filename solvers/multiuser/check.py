"""The witness: recomputes a decision from the problem alone, in textbook form."""

import numpy as np

from solvers.multiuser.problem import Decision, DecisionTable, Floats, Problem, TableProblem, cost, latency, switched
from solvers.outcome import Certificate, Violation

# Shares and latencies are sums and quotients of a few numbers: anything beyond this is no rounding.
TOLERANCE = 1e-9
_NAMED = 100  # violations named one by one


def check(problem: Problem, decision: Decision) -> Certificate:
    """Whether every option exists, both budgets suffice, every deadline and limit is kept; with the objective.

    Returns
    -------
    Certificate with `used` as fractions of both budgets. Of many violations of one kind the first 100 users are named.
    """
    violations = _shape(problem, decision)
    if violations:
        return Certificate(objective=float("nan"), used={}, violations=violations)
    x, y = decision.bandwidth_share, decision.server_share
    found: list[Violation] = []
    found += _each("bandwidth_share >= 0", -x)
    found += _each("server_share >= 0", -y)
    found += _whole("bandwidth", float(x.sum()) - 1.0, TOLERANCE)
    found += _whole("server", float(y.sum()) - 1.0, TOLERANCE)
    total = latency(problem, decision).total_s
    found += _each("latency", np.where(np.isfinite(total), 0.0, np.inf))
    limited = np.isfinite(problem.deadline_s)
    deadline = np.where(limited, problem.deadline_s, 0.0)
    excess = np.where(limited, total, 0.0) - deadline
    found += _each("deadline", np.where(excess > TOLERANCE * deadline, excess, 0.0))
    found += _each("max_loss", problem.workloads.loss[decision.row(problem)] - problem.max_loss)
    if problem.steadiness is not None and problem.steadiness.max_switches is not None:
        count = int(switched(problem, decision.option).sum())
        found += _whole("max_switches", float(count - problem.steadiness.max_switches), 0.0)
    return Certificate(
        objective=float(cost(problem, decision).sum()),
        used={"bandwidth_share": float(x.sum()), "server_share": float(y.sum())},
        violations=tuple(found),
    )


def _shape(problem: Problem, decision: Decision) -> tuple[Violation, ...]:
    columns = (decision.option, decision.bandwidth_share, decision.server_share)
    if any(np.shape(column) != (problem.users,) for column in columns):
        return (Violation(constraint="one row per user", user=None, excess=float("inf")),)
    last = np.diff(problem.workloads.first)[problem.workload] - 1
    beyond = np.maximum(decision.option - last, -decision.option).astype(np.float64)
    known = np.isfinite(decision.bandwidth_share) & np.isfinite(decision.server_share)
    return tuple(_each("option", beyond) + _each("shares are numbers", np.where(known, 0.0, np.inf)))


def _each(constraint: str, excess: Floats) -> list[Violation]:
    broken = np.flatnonzero(excess > 0.0)[:_NAMED]
    return [Violation(constraint=constraint, user=int(user), excess=float(excess[user])) for user in broken]


def _whole(constraint: str, excess: float, tolerance: float) -> list[Violation]:
    return [Violation(constraint=constraint, user=None, excess=excess)] if excess > tolerance else []


def check_table(problem: TableProblem, table: DecisionTable) -> Certificate:
    """Whether a table names the best allowed option at every rate, not only at some.

    Within a row, cost is linear in 1/R, so an option beats the row's somewhere only if it does at an end of the part
    of the row in which it keeps the deadline: those ends are looked at, for every option and every row.
    `objective` is the largest relative excess over the best option; violations name rows.
    """
    rate_from, option = table.rate_from_bps, table.option
    if not len(option) == len(rate_from) >= 1 or rate_from[0] != 0.0 or np.any(np.diff(rate_from) <= 0.0):
        return _bad_table("rows rise from 0 without gaps")
    if np.any((option < -1) | (option >= len(problem.cut))):
        return _bad_table("option")
    inverse_from = np.divide(1.0, rate_from, out=np.full(len(rate_from), np.inf), where=rate_from > 0.0)
    shortest = np.append(inverse_from[1:], 0.0)[:, None]  # 1/R at the upper end of each row
    every = np.arange(len(problem.cut))
    longest = np.minimum(inverse_from[:, None], _longest_inverse(problem)[None, :])  # up to here an option is in time
    rivals = longest > shortest * (1.0 + TOLERANCE)
    served = option >= 0
    unserved = (~served)[:, None] & rivals
    found = [
        Violation(constraint="nothing fits", user=int(row), excess=float("inf"))
        for row in np.unique(np.nonzero(unserved)[0])
    ]
    own = np.maximum(option, 0)
    too_late = served & (_longest_inverse(problem)[own] < inverse_from * (1.0 - TOLERANCE))
    found += [Violation(constraint="limits", user=int(row), excess=float("inf")) for row in np.flatnonzero(too_late)]
    base, slope = problem.fixed_cost, problem.cost_per_inverse_rate
    worst = 0.0
    for at in (np.broadcast_to(shortest, longest.shape), longest):
        endless = ~np.isfinite(at)
        x = np.where(endless, 0.0, at)
        mine = np.where(endless, slope[own][:, None], base[own][:, None] + slope[own][:, None] * x)
        rival = np.where(endless, slope[every], base[every] + slope[every] * x)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            excess = np.where(rivals & served[:, None], (mine - rival) / np.abs(mine), 0.0)
        excess = np.nan_to_num(excess, nan=0.0)
        worst = max(worst, float(excess.max(initial=0.0)))
        rows = np.flatnonzero((excess > TOLERANCE).any(axis=1))
        found += [Violation(constraint="best option", user=int(row), excess=float(excess[row].max())) for row in rows]
    return Certificate(objective=worst, used={}, violations=tuple(found))


def _longest_inverse(problem: TableProblem) -> Floats:
    """Largest 1/R at which each option keeps deadline and loss limit; negative where none does."""
    room = np.where(
        np.isfinite(problem.server_s),
        problem.deadline_s - np.where(np.isfinite(problem.fixed_s), problem.fixed_s, 0.0),
        -1.0,
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        longest = np.where(problem.crossing_bit > 0.0, room / problem.crossing_bit, np.where(room >= 0.0, np.inf, -1.0))
    return np.where(problem.loss <= problem.max_loss, longest, -1.0)


def _bad_table(what: str) -> Certificate:
    return Certificate(
        objective=float("nan"), used={}, violations=(Violation(constraint=what, user=None, excess=float("inf")),)
    )

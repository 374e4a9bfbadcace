"""Whether a decision table names the best allowed option at every rate."""

import numpy as np

from solvers.arrays import Floats
from solvers.multiuser.check.decision import TOLERANCE
from solvers.multiuser.check.terms import fixed_s
from solvers.multiuser.table import DecisionTable, TableProblem
from solvers.outcome import Certificate, Violation


def check_table(problem: TableProblem, table: DecisionTable) -> Certificate:
    """Whether a table names the best allowed option at every rate, not only at some.

    Within a row, cost is linear in 1/R, so an option beats the row's somewhere only if it does at
    an end of the part of the row in which it keeps the deadline: those ends are looked at, for
    every option and every row. `objective` is the largest relative excess over the best option;
    violations name rows.
    """
    rate_from, option = table.rate_from_bps, table.option
    if (
        not len(option) == len(rate_from) >= 1
        or rate_from[0] != 0.0
        or np.any(np.diff(rate_from) <= 0.0)
    ):
        return _bad_table("rows rise from 0 without gaps")
    if np.any((option < -1) | (option >= len(problem.cut))):
        return _bad_table("option")
    inverse_from = np.divide(
        1.0, rate_from, out=np.full(len(rate_from), np.inf), where=rate_from > 0.0
    )
    shortest = np.append(inverse_from[1:], 0.0)[:, None]  # 1/R at the upper end of each row
    every = np.arange(len(problem.cut))
    longest = np.minimum(
        inverse_from[:, None], _longest_inverse(problem)[None, :]
    )  # up to here an option is in time
    rivals = longest > shortest * (1.0 + TOLERANCE)
    served = option >= 0
    unserved = (~served)[:, None] & rivals
    found = [
        Violation(constraint="nothing fits", user=int(row), excess=float("inf"))
        for row in np.unique(np.nonzero(unserved)[0])
    ]
    own = np.maximum(option, 0)
    too_late = served & (_longest_inverse(problem)[own] < inverse_from * (1.0 - TOLERANCE))
    found += [
        Violation(constraint="limits", user=int(row), excess=float("inf"))
        for row in np.flatnonzero(too_late)
    ]
    base = problem.latency_weight_per_s * fixed_s(problem) + problem.loss_weight * problem.loss
    slope = problem.latency_weight_per_s * problem.crossing_bit
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
        found += [
            Violation(constraint="best option", user=int(row), excess=float(excess[row].max()))
            for row in rows
        ]
    return Certificate(objective=worst, used={}, violations=tuple(found))


def _longest_inverse(problem: TableProblem) -> Floats:
    """Largest 1/R at which each option keeps deadline and loss limit; negative where none does."""
    slack = np.where(
        np.isfinite(problem.server_s),
        problem.deadline_s - np.where(np.isfinite(problem.server_s), fixed_s(problem), 0.0),
        -1.0,
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        longest = np.where(
            problem.crossing_bit > 0.0,
            slack / problem.crossing_bit,
            np.where(slack >= 0.0, np.inf, -1.0),
        )
    return np.where(problem.loss <= problem.max_loss, longest, -1.0)


def _bad_table(what: str) -> Certificate:
    return Certificate(
        objective=float("nan"),
        used={},
        violations=(Violation(constraint=what, user=None, excess=float("inf")),),
    )

"""Whether a decision table names the best allowed option at every rate."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from solvers.arrays import Booleans, Floats, Integers
from solvers.multiuser.check.constraints import Constraint
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
        return _bad_table(Constraint.ROWS_RISE_FROM_0_WITHOUT_GAPS)
    if np.any((option < -1) | (option >= len(problem.cut))):
        return _bad_table(Constraint.OPTION)
    rows = _Rows.of(problem, table)
    worst, beaten = _beaten(problem, rows)
    return Certificate(
        objective=worst, used={}, violations=(*_unserved(rows), *_late(problem, rows), *beaten)
    )


@dataclass(frozen=True, slots=True)
class _Rows:
    """The rows of a table over 1/R, and where in them each option of the question keeps its limits:
    on [shortest, longest).
    """

    option: Integers  # (rows,) -1 where nothing fits
    inverse_from: Floats  # (rows,) 1/R at the lower end of each row's rates
    shortest: Floats  # (rows, 1) 1/R at the upper end of each row's rates
    longest: Floats  # (rows, options)
    in_time: Booleans  # (rows, options) whether that is more than rounding

    @classmethod
    def of(cls, problem: TableProblem, table: DecisionTable) -> Self:
        rate_from = table.rate_from_bps
        inverse_from = np.divide(
            1.0, rate_from, out=np.full(len(rate_from), np.inf), where=rate_from > 0.0
        )
        shortest = np.append(inverse_from[1:], 0.0)[:, None]
        longest = np.minimum(inverse_from[:, None], _longest_inverse(problem)[None, :])
        in_time = longest > shortest * (1.0 + TOLERANCE)
        return cls(table.option, inverse_from, shortest, longest, in_time)


def _unserved(rows: _Rows) -> list[Violation]:
    """Rows that name nothing where some option keeps its limits."""
    unserved = (rows.option < 0) & rows.in_time.any(axis=1)
    return _violations(Constraint.NOTHING_FITS, unserved)


def _late(problem: TableProblem, rows: _Rows) -> list[Violation]:
    """Rows whose option breaks its limits at their lower end."""
    named = np.maximum(rows.option, 0)
    late = _longest_inverse(problem)[named] < rows.inverse_from * (1.0 - TOLERANCE)
    return _violations(Constraint.LIMITS, (rows.option >= 0) & late)


def _beaten(problem: TableProblem, rows: _Rows) -> tuple[float, list[Violation]]:
    """Largest relative excess of what rows name over any option, and where it is no rounding."""
    base = problem.latency_weight_per_s * fixed_s(problem) + problem.loss_weight * problem.loss
    slope = problem.latency_weight_per_s * problem.crossing_bit
    named = np.maximum(rows.option, 0)
    compared = rows.in_time & (rows.option >= 0)[:, None]
    worst = 0.0
    found: list[Violation] = []
    for at in (np.broadcast_to(rows.shortest, rows.longest.shape), rows.longest):
        endless = ~np.isfinite(at)  # at rate 0 only the slope counts
        x = np.where(endless, 0.0, at)
        mine = np.where(
            endless, slope[named][:, None], base[named][:, None] + slope[named][:, None] * x
        )
        other = np.where(endless, slope, base + slope * x)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            excess = np.where(compared, (mine - other) / np.abs(mine), 0.0)
        excess = np.nan_to_num(excess, nan=0.0)
        worst = max(worst, float(excess.max(initial=0.0)))
        found += [
            Violation(
                constraint=Constraint.BEST_OPTION, user=int(row), excess=float(excess[row].max())
            )
            for row in np.flatnonzero((excess > TOLERANCE).any(axis=1))
        ]
    return worst, found


def _violations(constraint: Constraint, broken: Booleans) -> list[Violation]:
    return [
        Violation(constraint=constraint, user=int(row), excess=float("inf"))
        for row in np.flatnonzero(broken)
    ]


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


def _bad_table(what: Constraint) -> Certificate:
    return Certificate(
        objective=float("nan"),
        used={},
        violations=(Violation(constraint=what, user=None, excess=float("inf")),),
    )

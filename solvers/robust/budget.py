"""How much time each option leaves for the uplink: the deadline less everything that does not
depend on the share.
"""

from dataclasses import dataclass

import numpy as np

from solvers.arrays import Booleans, Floats, Integers
from solvers.margin import OF_OPTIONS
from solvers.moments import margin_factor, total_variance
from solvers.robust.problem import Problem

# What sums of loads may exceed a server's budget by, relative: their rounding, as for the uplink.
FULL = 1.0 + 1e-12


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeBudget:
    """One entry per (user, option) pair, user by user.

    `first[n]:first[n + 1]` are the options of user n.
    """

    first: Integers  # (users + 1,)
    user: Integers  # (pairs,)
    row: Integers  # (pairs,) row of the workload table
    fixed_s: Floats  # (pairs,) overhead, network and server: what neither clock nor share changes
    margin_s: Floats  # (pairs,) kept free for the risk
    left_s: Floats  # (pairs,) deadline - fixed_s - margin_s: for cycles/f and the uplink together
    variance_s2: Floats  # (pairs,)
    network_s: Floats  # (pairs,) of fixed_s: the channel's own, and the result on its way back
    stages: "Stages | None"  # None: nobody streams

    def allowed(self, problem: Problem) -> Booleans:
        """Options that fit the device, lose no more accuracy than their user may and leave no
        server short even alone, (pairs,).
        """
        fits = problem.workloads.fits_memory[self.row]
        if problem.max_loss is not None:
            fits &= ~self.lossy(problem)
        return fits & self.served(problem) if problem.server_capacity else fits

    def served(self, problem: Problem) -> Booleans:
        """Options that keep the budget of every server where nobody else takes any of it,
        (pairs,).
        """
        if problem.rate_hz is None:
            return np.ones(len(self.row), dtype=bool)
        busy = problem.rate_hz[self.user][:, None] * problem.workloads.server_load_s[self.row]
        return np.asarray(np.all(busy <= np.array(problem.server_capacity) * FULL, axis=1))

    def lossy(self, problem: Problem) -> Booleans:
        """Options that lose more accuracy than their user may, (pairs,)."""
        if problem.max_loss is None:
            return np.zeros(len(self.row), dtype=bool)
        return np.asarray(problem.workloads.loss[self.row] > problem.max_loss[self.user])


@dataclass(frozen=True, slots=True, kw_only=True)
class Stages:
    """What the device and the uplink of a stream may take of each inference, so that they keep up;
    one entry per pair.
    """

    period_s: Floats  # 1/rate, for the uplink
    device_margin_s: Floats  # kept free of it on the device, for the risk
    cycles_s: Floats  # left of it for cycles/f

    @classmethod
    def of(cls, problem: Problem, user: Integers, row: Integers) -> "Stages | None":
        """Stage limits of some pairs; None where nobody streams."""
        if problem.rate_hz is None:
            return None
        work = problem.workloads
        if problem.margin in OF_OPTIONS:
            margin = work.device_excess_s[row]
        else:
            factor = margin_factor(problem.risk, problem.margin)[user]
            margin = factor * np.sqrt(work.device_variance_s2[row])
        period = problem.stage_tolerance / problem.rate_hz[user]
        return cls(
            period_s=period,
            device_margin_s=margin,
            cycles_s=period - work.overhead_s[row] - margin,
        )


def time_budget(problem: Problem, users: Integers | None = None) -> TimeBudget:
    """Lay out all options of `users` (default: all) with S = D - t0 - r - ts - sigma sqrt(V)."""
    work = problem.workloads
    who = np.arange(problem.users) if users is None else users
    start = work.first[problem.workload[who]]
    count = work.first[problem.workload[who] + 1] - start
    first = np.concatenate(([0], np.cumsum(count)))
    row = np.arange(first[-1]) + np.repeat(start - first[:-1], count)
    return budget_of(problem, first, np.repeat(who, count), row)


def budget_of(problem: Problem, first: Integers, user: Integers, row: Integers) -> TimeBudget:
    """As `time_budget`, of some pairs of user and row."""
    work = problem.workloads
    sends = work.crossing_bit[row] > 0.0
    network_s = np.where(sends, problem.network_mean_s, 0.0)
    if np.isfinite(problem.downlink_bps):
        network_s = network_s + work.result_bit[row] / problem.downlink_bps
    variance = total_variance(
        work.device_variance_s2[row],
        work.server_variance_s2[row],
        np.where(sends, problem.network_variance_s2, 0.0),
        problem.correlation[user],
        work.device_variance_low_s2[row],
    )
    fixed = work.overhead_s[row] + network_s + work.server_mean_s[row]
    if problem.margin in OF_OPTIONS:
        margin = work.device_excess_s[row] + work.server_excess_s[row]
    else:
        margin = margin_factor(problem.risk, problem.margin)[user] * np.sqrt(variance)
    return TimeBudget(
        first=first,
        user=user,
        row=row,
        fixed_s=fixed,
        margin_s=margin,
        left_s=problem.deadline_s[user] - fixed - margin,
        variance_s2=variance,
        network_s=network_s,
        stages=Stages.of(problem, user, row),
    )

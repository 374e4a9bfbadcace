"""Why a cell has no plan, with the least changes that would give it one.

Computed, never guessed.
"""

from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np

from solvers import outcome
from solvers.arrays import Floats, Integers
from solvers.progress import Progress, Stage
from solvers.robust.problem import Problem
from solvers.robust.solve.conflicts import conflict_of
from solvers.robust.solve.lean import for_least_shares
from solvers.robust.solve.remedies import Alone, Remedies, Together, all_least_shares, shares_fit
from solvers.robust.solve.servers.limits import (
    has_plan,
    least_capacities,
    least_deadline_factor,
)


class Binding(StrEnum):
    """What stops an option: the first of these that fails."""

    MEMORY = "memory"  # the parameters do not fit the device
    LOSS = "loss"  # what it is sent in costs more accuracy than the user may lose
    CLOCK = "clock"  # too late on average even if the uplink took no time, at the largest clock
    RATE = "rate"  # too late on average over the whole uplink
    MARGIN = "margin"  # in time on average, but not with the margin that the risk asks for
    STAGE = "stage"  # device or uplink cannot keep up with the rate of inferences, taken alone
    SERVER = "server"  # a server has no room for it beside what the others need at least


@dataclass(frozen=True, slots=True, kw_only=True)
class Reasons:
    """One entry per (failing user, cut): the option that comes closest speaks for the cut."""

    user: Integers
    cut: Integers
    binding: tuple[Binding, ...]
    # Seconds missing with the whole uplink and the largest clock, of the deadline or (`stage`) of
    # the time between two inferences; NaN for memory, loss and servers.
    short_by_s: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Infeasibility(outcome.Infeasibility):
    """Users who fail alone with the whole uplink, or a cell that is over-subscribed.

    NaN: no value would help.
    """

    reasons: Reasons
    least_deadline_s: Floats  # (failing users,)
    least_risk: Floats
    least_bandwidth_hz: Floats
    least_total_bandwidth_hz: float  # sum of all users' least shares
    least_deadline_factor: float  # that of `together`; NaN unless over-subscribed
    together: Together
    # (servers,) least budget of each with which the cell has a plan, the others as they are
    least_server_capacity: Floats = field(default_factory=lambda: np.zeros(0))


def diagnose(problem: Problem, progress: Progress | None = None) -> Infeasibility | None:
    """What is wrong with a cell; None where it has a plan, which is not looked for."""
    progress = progress or Progress()
    progress.stage(Stage.SWEEP, 0.0, 1.0)
    limits = problem.at_tolerance()
    least = all_least_shares(limits, progress)
    if not least.sum() <= limits.bandwidth_hz:
        return explain(problem, least, progress)
    if not problem.server_capacity:
        return None
    fits, proven = has_plan(limits, progress)
    return None if fits else explain(problem, least, progress, proven=proven)


def fits(problem: Problem, progress: Progress) -> bool:
    """Whether a cell has a plan, as `diagnose` sees it, without a word why not."""
    limits = problem.at_tolerance()
    if not shares_fit(limits, progress):
        return False
    return not problem.server_capacity or has_plan(limits, progress)[0]


def explain(
    problem: Problem, least_hz: Floats, progress: Progress, *, proven: bool = True
) -> Infeasibility:
    """What is wrong with a cell whose users' least shares do not fit the uplink, or whose servers
    have no room for any plan, not even `at_tolerance`.

    `proven`: whether that there is no plan is.
    """
    progress.stage(Stage.EXPLAIN, 0.5, 1.0)
    failing = np.nonzero(np.isinf(least_hz))[0]
    remedies = Remedies(for_least_shares(problem), progress)
    alone_hz = remedies.least_bandwidth_hz(failing)
    deadline, risk = remedies.least_deadline_s(failing), remedies.least_risk(failing)
    total = remedies.least_total_bandwidth_hz()
    factor = remedies.least_deadline_factor(failing, deadline)
    capacities = np.zeros(0)
    if problem.server_capacity:
        capacities = least_capacities(problem, progress)
        factor = least_deadline_factor(problem, progress)
    return Infeasibility(
        users=failing,
        proven=proven,
        conflict=conflict_of(problem, least_hz, progress, proven=proven),
        reasons=reasons_of(problem, failing),
        least_deadline_s=deadline,
        least_risk=risk,
        least_bandwidth_hz=alone_hz,
        least_total_bandwidth_hz=total,
        least_deadline_factor=float("nan") if len(failing) else factor,
        together=Together(
            deadline_factor=factor,
            bandwidth_with_deadlines_hz=remedies.with_deadlines(failing, deadline),
            bandwidth_with_risks_hz=remedies.with_risks(failing, risk),
        ),
        least_server_capacity=capacities,
    )


def reasons_of(problem: Problem, users: Integers) -> Reasons:
    """What stops each cut of some users alone, as far as anything does: `short_by_s` is negative
    where nothing does.
    """
    alone = Alone.of(problem.at_tolerance(), users)
    budget, needed, deadline = alone.budget, alone.needed_s, problem.deadline_s[alone.budget.user]
    cut, late_by = problem.workloads.cut[budget.row], alone.needed_s - deadline
    behind_by = alone.slower_stage_s - alone.period_s
    # What deadline or stage lacks; below 0 where neither lacks anything.
    short_by = np.where(late_by > 0.0, late_by, np.maximum(late_by, behind_by))
    # The option that comes closest speaks for its cut.
    closed, short = ~alone.allowed, np.maximum(late_by, behind_by)
    order = np.lexsort((needed, short, closed, cut, budget.user))
    leads = np.ones(len(order), dtype=bool)
    leads[1:] = (np.diff(budget.user[order]) != 0) | (np.diff(cut[order]) != 0)
    speaks = order[leads]
    late = alone.computing_s[speaks] > deadline[speaks]
    too_slow = (alone.computing_s + alone.uplink_s)[speaks] > deadline[speaks]
    forgets = ~problem.workloads.fits_memory[budget.row][speaks]
    lossy, in_time = budget.lossy(problem)[speaks], late_by[speaks] <= 0.0
    behind = in_time & (behind_by > 0.0)[speaks]
    crowded = in_time & ~behind & ~budget.served(problem.at_tolerance())[speaks]
    binding = np.select(
        [forgets, lossy, late, too_slow, behind, crowded],
        [
            Binding.MEMORY,
            Binding.LOSS,
            Binding.CLOCK,
            Binding.RATE,
            Binding.STAGE,
            Binding.SERVER,
        ],
        Binding.MARGIN,
    )
    return Reasons(
        user=budget.user[speaks],
        cut=cut[speaks],
        binding=tuple(Binding(name) for name in binding),
        short_by_s=np.where(forgets | lossy | crowded, np.nan, short_by[speaks]),
    )

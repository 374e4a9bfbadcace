"""Why a cell has no plan, and the least change of each kind that would give it one. Computed, never guessed."""

from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from solvers.margin import Margin
from solvers.outcome import Report, silent
from solvers.physics import rate_bps, transfer_s
from solvers.robust.budget import TimeBudget, time_budget
from solvers.robust.problem import Problem
from solvers.robust.solve.candidates import Candidates, in_blocks, options_of
from solvers.robust.solve.pulse import Pulse

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

# Relaxations are rounded up by this much, so that a problem relaxed by exactly what was said is feasible.
_ROUND_UP = 1.0 + 1e-9


class Binding(StrEnum):
    """What stops an option: the first of these that fails."""

    MEMORY = "memory"  # the parameters do not fit the device
    CLOCK = "clock"  # too late on average even if the uplink took no time, at the largest clock
    RATE = "rate"  # too late on average over the whole uplink
    MARGIN = "margin"  # in time on average, but not with the margin that the risk asks for


@dataclass(frozen=True, slots=True, kw_only=True)
class Reasons:
    """One entry per (failing user, cut): the level that comes closest speaks for the cut."""

    user: Integers
    cut: Integers
    binding: tuple[Binding, ...]
    short_by_s: Floats  # seconds missing with the whole uplink and the largest clock; NaN for memory


@dataclass(frozen=True, slots=True, kw_only=True)
class Infeasibility:
    """Users who fail alone with the whole uplink, or a cell that is over-subscribed. NaN: no value would help."""

    users: Integers  # who fails alone; empty when the cell is over-subscribed
    reasons: Reasons
    least_deadline_s: Floats  # (failing users,)
    least_risk: Floats
    least_bandwidth_hz: Floats
    least_total_bandwidth_hz: float  # sum of all users' least shares
    least_deadline_factor: float  # one factor on all deadlines that makes room; NaN unless over-subscribed


def least_shares(options: Candidates, possible: NDArray[np.bool_]) -> Floats:
    """Least share of each user within the whole uplink; infinite where none keeps the deadline."""
    return options.least(np.where(possible, options.curves.least_hz, np.inf))


def all_least_shares(problem: Problem, pulse: Pulse) -> Floats:
    """Least share of every user within the whole uplink, a block of users at a time."""
    parts = []
    for users in in_blocks(problem):
        pulse.beat(users[0] / problem.users)
        parts.append(least_shares(*options_of(problem, users)))
    return np.concatenate(parts)


def diagnose(problem: Problem, report: Report = silent) -> Infeasibility | None:
    """What is wrong with a cell; None where it has a plan, which is not looked for."""
    pulse = Pulse(report=report)
    pulse.stage("sweep", 0.0, 1.0)
    least = all_least_shares(problem, pulse)
    return None if least.sum() <= problem.bandwidth_hz else explain(problem, least, pulse)


def explain(problem: Problem, least_hz: Floats, pulse: Pulse) -> Infeasibility:
    """What is wrong with a cell whose users' `least_shares` do not fit the uplink."""
    pulse.stage("explain", 0.5, 1.0)
    failing = np.nonzero(np.isinf(least_hz))[0]
    alone_hz = np.concatenate([_as_wide_as_it_takes(problem, users, pulse) for users in in_blocks(problem)])
    total = float(alone_hz.sum())
    total = total * _ROUND_UP if np.isfinite(total) else float("nan")
    if len(failing) == 0:
        none = np.array([])
        return Infeasibility(
            users=failing,
            reasons=Reasons(user=failing, cut=failing, binding=(), short_by_s=none),
            least_deadline_s=none,
            least_risk=none,
            least_bandwidth_hz=none,
            least_total_bandwidth_hz=total,
            least_deadline_factor=_deadline_factor(problem, pulse),
        )
    return _alone(problem, failing, alone_hz[failing] * _ROUND_UP, total)


def _as_wide_as_it_takes(problem: Problem, users: Integers, pulse: Pulse) -> Floats:
    """Least share of some users on an uplink as wide as they like; infinite where even that does not help."""
    pulse.beat(0.2 * users[0] / problem.users)
    options, _ = options_of(problem, users)
    budget = time_budget(problem, users)
    work, row = problem.workloads, budget.row
    in_time = budget.left_s - work.cycles[row] / work.clock_max_hz[row] >= 0.0
    works = work.fits_memory[row] & (options.curves.sends | in_time)
    return options.least(np.where(works, options.curves.least_hz, np.inf))


@dataclass(frozen=True, slots=True)
class _Alone:
    """Every option of some users with the whole uplink and the largest clock."""

    budget: TimeBudget
    computing_s: Floats  # everything but the uplink and the margin
    uplink_s: Floats
    fits: NDArray[np.bool_]

    @classmethod
    def of(cls, problem: Problem, users: Integers) -> "_Alone":
        budget = time_budget(problem, users)
        work, row, user = problem.workloads, budget.row, budget.user
        whole = np.full(len(row), problem.bandwidth_hz)
        rate = rate_bps(whole, problem.tx_power_w[user], problem.gain[user], problem.noise_w_per_hz)
        return cls(
            budget=budget,
            computing_s=work.cycles[row] / work.clock_max_hz[row] + budget.fixed_s,
            uplink_s=transfer_s(work.crossing_bit[row], rate),
            fits=work.fits_memory[row],
        )

    @property
    def needed_s(self) -> Floats:
        """What each option takes at least."""
        return self.computing_s + self.uplink_s + self.budget.margin_s


def reasons_of(problem: Problem, users: Integers) -> Reasons:
    """What stops each cut of some users alone, as far as anything does: `short_by_s` is negative where nothing does."""
    alone = _Alone.of(problem, users)
    budget, needed, deadline = alone.budget, alone.needed_s, problem.deadline_s[alone.budget.user]
    cut = problem.workloads.cut[budget.row]
    # The level that comes closest speaks for its cut.
    order = np.lexsort((needed, cut, budget.user))
    leads = np.ones(len(order), dtype=bool)
    leads[1:] = (np.diff(budget.user[order]) != 0) | (np.diff(cut[order]) != 0)
    speaks = order[leads]
    late = alone.computing_s[speaks] > deadline[speaks]
    too_slow = (alone.computing_s + alone.uplink_s)[speaks] > deadline[speaks]
    binding = np.select(
        [~alone.fits[speaks], late, too_slow], [Binding.MEMORY, Binding.CLOCK, Binding.RATE], Binding.MARGIN
    )
    return Reasons(
        user=budget.user[speaks],
        cut=cut[speaks],
        binding=tuple(Binding(name) for name in binding),
        short_by_s=np.where(alone.fits, needed - deadline, np.nan)[speaks],
    )


def _alone(problem: Problem, failing: Integers, alone_hz: Floats, total_hz: float) -> Infeasibility:
    """What stops users who fail with the whole uplink to themselves, and what would not."""
    alone = _Alone.of(problem, failing)
    budget = alone.budget

    def least(values: Floats) -> Floats:
        smallest = np.minimum.reduceat(np.where(alone.fits, values, np.inf), budget.first[:-1])
        return np.where(np.isfinite(smallest), smallest * _ROUND_UP, np.nan)

    room = problem.deadline_s[budget.user] - alone.computing_s - alone.uplink_s
    with np.errstate(divide="ignore", invalid="ignore"):
        factor = np.where(room >= 0.0, room / np.sqrt(budget.variance_s2), -1.0)
    match problem.margin:
        case Margin.CANTELLI:
            risk = np.where(factor > 0.0, 1.0 / (1.0 + factor**2), np.inf)
        case Margin.GAUSSIAN:
            risk = np.where(factor >= 0.0, ndtr(-factor), np.inf)
        case _:
            risk = np.full(len(budget.row), np.inf)
    least_risk = least(risk)
    return Infeasibility(
        users=failing,
        reasons=reasons_of(problem, failing),
        least_deadline_s=least(alone.needed_s),
        least_risk=np.where(least_risk < 1.0, least_risk, np.nan),
        least_bandwidth_hz=np.where(np.isfinite(alone_hz), alone_hz, np.nan),
        least_total_bandwidth_hz=total_hz,
        least_deadline_factor=float("nan"),
    )


def _deadline_factor(problem: Problem, pulse: Pulse) -> float:
    """The least factor on every deadline at which the least shares fit together."""

    def excess(log_factor: float) -> float:
        stretched = replace(problem, deadline_s=problem.deadline_s * np.exp(log_factor))
        least = float(all_least_shares(stretched, pulse).sum())
        return float(np.log(least / problem.bandwidth_hz)) if least > 0.0 else -np.inf

    low, high = 0.0, 0.5
    over, under = excess(low), excess(high)
    while under > 0.0:
        low, over, high = high, under, 2.0 * high
        if high > 20.0:
            return float("nan")
        under = excess(high)
    # The logarithms are close to a straight line; halving guards the corners where a user changes the cut.
    for step in range(100):
        if high - low <= 1e-7:
            break
        line = low + (high - low) * over / (over - under) if np.isfinite(under) and step % 3 < 2 else low
        middle = line if low < line < high else 0.5 * (low + high)
        middle = float(np.clip(middle, low + 0.01 * (high - low), high - 0.01 * (high - low)))
        value = excess(middle)
        if value > 0.0:
            low, over = middle, value
        else:
            high, under = middle, value
    return float(np.exp(high))

"""A cell as the alternation sees it: padded arrays of users by options, and points in it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from solvers import physics
from solvers.arrays import Floats, Integers
from solvers.robust.budget import TimeBudget, time_budget
from solvers.robust.problem import Problem

# Least shares are found to this many halvings in the logarithm, from the whole uplink down by
# _DECADES.
_HALVINGS = 70
_DECADES = 15.0
# Clocks are rounded up by this much, so that rounding never turns a deadline just met into one just
# missed.
_ROUND_UP = 1.0 + 4e-14


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """The problem as rectangles (users, options), shorter rows padded with options that are not
    allowed.
    """

    problem: Problem
    allowed: NDArray[np.bool_]
    cycles: Floats
    overhead_s: Floats
    crossing_bit: Floats
    fixed_s: Floats  # overhead, network and server
    margin_s: Floats
    left_s: Floats  # deadline - fixed - margin
    variance_s2: Floats
    least_hz: (
        Floats  # least share that keeps the deadline; infinite where the whole uplink does not
    )
    clock_min_hz: Floats  # (users,)
    clock_max_hz: Floats  # (users,)
    kappa: Floats  # (users,)

    def clock_hz(self, option: Integers, share_hz: Floats) -> Floats:
        """Least clock that keeps the deadline at the chosen options and shares."""
        uplink, at = self.uplink_s(share_hz), (np.arange(len(option)), option)
        slack = np.maximum(self.left_s[at] - uplink[at], self.cycles[at] / self.clock_max_hz)
        with np.errstate(invalid="ignore"):
            clock = np.where(self.cycles[at] > 0.0, self.cycles[at] / slack, 0.0)
        return np.clip(clock * _ROUND_UP, self.clock_min_hz, self.clock_max_hz)

    def uplink_s(self, share_hz: Floats) -> Floats:
        """Uplink time of every option at the shares (users,)."""
        problem = self.problem
        rate = physics.rate_bps(share_hz, problem.tx_power_w, problem.gain, problem.noise_w_per_hz)
        return physics.transfer_s(self.crossing_bit, rate[:, None])

    def device_s(self, clock_hz: Floats) -> Floats:
        """Device time of every option at the clocks (users,)."""
        return physics.device_s(self.cycles, clock_hz[:, None], self.overhead_s)

    def energy_j(self, clock_hz: Floats, share_hz: Floats) -> Floats:
        """Energy of every option at the clocks and shares (users,)."""
        compute = physics.compute_energy_j(
            self.kappa[:, None], clock_hz[:, None], self.device_s(clock_hz)
        )
        return compute + physics.radio_energy_j(
            self.problem.tx_power_w[:, None], self.uplink_s(share_hz)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """Cuts, clocks and shares that keep every constraint."""

    option: Integers
    clock_hz: Floats
    share_hz: Floats
    energy_j: float


def cell_of(problem: Problem) -> Cell:
    work = problem.workloads
    count = np.diff(work.first)
    if not work.free_clocks:
        raise ValueError(
            "clock_min_hz, clock_max_hz: the same for all options of a workload, not levels"
        )
    budget = time_budget(problem)
    first_row = work.first[problem.workload]
    offset = np.arange(int(count.max()))
    allowed = offset < count[problem.workload][:, None]
    row = np.where(allowed, first_row[:, None] + offset, first_row[:, None])
    pair = np.where(allowed, budget.first[:-1, None] + offset, budget.first[:-1, None])
    allowed &= work.fits_memory[row]
    return Cell(
        problem=problem,
        allowed=allowed,
        cycles=work.cycles[row],
        overhead_s=work.overhead_s[row],
        crossing_bit=work.crossing_bit[row],
        fixed_s=budget.fixed_s[pair],
        margin_s=budget.margin_s[pair],
        left_s=budget.left_s[pair],
        variance_s2=budget.variance_s2[pair],
        least_hz=np.where(allowed, least_shares(problem, budget)[pair], np.inf),
        clock_min_hz=work.clock_min_hz[first_row],
        clock_max_hz=work.clock_max_hz[first_row],
        kappa=work.power_coefficient[work.first[problem.workload]],
    )


def least_shares(problem: Problem, budget: TimeBudget) -> Floats:
    """Least share of every (user, option) pair with the clock at its largest, by halving."""
    work, row, user = problem.workloads, budget.row, budget.user
    bits = work.crossing_bit[row]
    time = budget.left_s - work.cycles[row] / work.clock_max_hz[row]

    def in_time(share_hz: Floats) -> NDArray[np.bool_]:
        rate = physics.rate_bps(
            share_hz, problem.tx_power_w[user], problem.gain[user], problem.noise_w_per_hz
        )
        return np.asarray(physics.transfer_s(bits, rate) <= time)

    high = np.full(len(row), np.log(problem.bandwidth_hz))
    low = high - _DECADES * np.log(10.0)
    works = in_time(np.full(len(row), problem.bandwidth_hz))
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        good = in_time(np.exp(middle))
        low, high = np.where(good, low, middle), np.where(good, middle, high)
    share = np.where(bits > 0.0, np.minimum(np.exp(high), problem.bandwidth_hz), 0.0)
    return np.where(works, share, np.inf)


def least_of(cell: Cell, option: Integers) -> Floats:
    return np.asarray(cell.least_hz[np.arange(len(option)), option])

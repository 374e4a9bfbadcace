"""A cell as the alternation sees it: padded arrays of users by options, and points in it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from solvers import physics
from solvers.arrays import Floats, Integers
from solvers.robust.budget import TimeBudget, time_budget
from solvers.robust.pccp.spending import Spending, spending_of
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
    crossing_bit: Floats  # expected
    crossing_most_bit: Floats  # what the deadline is kept with
    fixed_s: Floats  # overhead, network and server
    margin_s: Floats
    left_s: Floats  # deadline - fixed - margin
    computing_s: Floats  # what a stream leaves to cycles/f; infinite without one
    uplink_stage_s: Floats  # (users,) what a stream leaves to the uplink
    variance_s2: Floats
    least_hz: (
        Floats  # least share that keeps the deadline; infinite where the whole uplink does not
    )
    load: Floats  # (users, options, servers) parts of each server's budget
    clock_min_hz: Floats  # (users,)
    clock_max_hz: Floats  # (users,)
    spending: Spending

    def clock_hz(self, option: Integers, share_hz: Floats) -> Floats:
        """Cheapest clock that keeps the deadline at the chosen options and shares."""
        return self.clocks_hz(share_hz)[np.arange(len(option)), option]

    def clocks_hz(self, share_hz: Floats) -> Floats:
        """Cheapest clock that keeps the deadline of every option at the shares (users,); the
        largest where none does.
        """
        slack = np.minimum(self.left_s - self.uplink_most_s(share_hz), self.computing_s)
        largest = self.clock_max_hz[:, None]
        slack = np.maximum(slack, self.cycles / largest)
        with np.errstate(divide="ignore", invalid="ignore"):
            clock = np.where(self.cycles > 0.0, self.cycles / slack, 0.0) * _ROUND_UP
        least = np.maximum(self.clock_min_hz[:, None], self.spending.cheapest_hz)
        return np.minimum(np.maximum(clock, least), largest)

    def uplink_s(self, share_hz: Floats) -> Floats:
        """Expected uplink time of every option at the shares (users,)."""
        return physics.transfer_s(self.crossing_bit, self._rate_bps(share_hz))

    def uplink_most_s(self, share_hz: Floats) -> Floats:
        """Uplink time of the most bits of every option at the shares (users,)."""
        return physics.transfer_s(self.crossing_most_bit, self._rate_bps(share_hz))

    def _rate_bps(self, share_hz: Floats) -> Floats:
        problem = self.problem
        return physics.rate_bps(
            share_hz, problem.tx_power_w, problem.gain, problem.noise_w_per_hz, problem.rate_law
        )[:, None]

    def device_s(self, clock_hz: Floats) -> Floats:
        """Device time of every option at clocks that broadcast against (users, options)."""
        return physics.device_s(self.cycles, clock_hz, self.overhead_s)

    def energy_j(self, clock_hz: Floats, share_hz: Floats) -> Floats:
        """Energy of every option at clocks (users, 1 or options) and shares (users,); of a second
        where users stream [W].
        """
        return self.spending.energy_j(clock_hz, self.device_s(clock_hz), self.uplink_s(share_hz))


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
    allowed &= budget.allowed(problem)[pair]
    stages = budget.stages
    return Cell(
        problem=problem,
        allowed=allowed,
        cycles=work.cycles[row],
        overhead_s=work.overhead_s[row],
        crossing_bit=work.crossing_bit[row],
        crossing_most_bit=work.crossing_most_bit[row],
        fixed_s=budget.fixed_s[pair],
        margin_s=budget.margin_s[pair],
        left_s=budget.left_s[pair],
        computing_s=np.full(row.shape, np.inf) if stages is None else stages.cycles_s[pair],
        uplink_stage_s=(
            np.full(problem.users, np.inf) if stages is None else stages.period_s[budget.first[:-1]]
        ),
        variance_s2=budget.variance_s2[pair],
        least_hz=np.where(allowed, least_shares(problem, budget)[pair], np.inf),
        load=_load(problem, row),
        clock_min_hz=work.clock_min_hz[first_row],
        clock_max_hz=work.clock_max_hz[first_row],
        spending=spending_of(problem, row, budget.network_s[pair]),
    )


def _load(problem: Problem, row: Integers) -> Floats:
    """Parts of each server's budget that options of a second take, (users, options, servers)."""
    rate = np.ones(problem.users) if problem.rate_hz is None else problem.rate_hz
    load = rate[:, None, None] * problem.workloads.server_load_s[row]
    return np.asarray(load / np.array(problem.server_capacity))


def least_shares(problem: Problem, budget: TimeBudget) -> Floats:
    """Least share of every (user, option) pair with the clock at its largest, by halving."""
    work, row, user = problem.workloads, budget.row, budget.user
    bits = work.crossing_most_bit[row]
    fastest = work.cycles[row] / work.clock_max_hz[row]
    time = budget.left_s - fastest
    if budget.stages is not None:
        keeps_up = fastest <= budget.stages.cycles_s
        time = np.where(keeps_up, np.minimum(time, budget.stages.period_s), -np.inf)

    def in_time(share_hz: Floats) -> NDArray[np.bool_]:
        rate = physics.rate_bps(
            share_hz,
            problem.tx_power_w[user],
            problem.gain[user],
            problem.noise_w_per_hz,
            problem.rate_law,
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

"""The method of arXiv 2503.21476 itself, as the reference that the exact one is measured against.

It alternates between the clocks and shares for fixed cuts, a convex program, and the cuts for fixed
clocks and shares, relaxed and driven back to whole numbers by the penalty convex-concave procedure
(Lipp and Boyd, Optimization and Engineering 17, 2016). Each half keeps what the other fixed, so it
ends in a stationary point, without a bound: with the deadlines met exactly by the first half, the
second rarely finds a cut that is both cheaper and no slower, and a user who sends nothing has no
share to send with. Where it starts therefore matters more than what it does: see `starts`.

The modelling language takes seconds to load: only `solve.reference` may import this module, and
that only when asked.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import cvxpy
import numpy as np
from numpy.typing import NDArray

from solvers import physics
from solvers.arrays import Floats, Integers
from solvers.margin import Margin
from solvers.moments import margin_factor
from solvers.outcome import Options, Solution, Status
from solvers.progress import Progress, Stage
from solvers.robust.budget import TimeBudget, time_budget
from solvers.robust.problem import Decision, Problem

# Its atoms are put together at run time, where no type checker sees them.
cp: Any = cvxpy

# Least shares are found to this many halvings in the logarithm, from the whole uplink down by
# _DECADES.
_HALVINGS = 70
_DECADES = 15.0
# Clocks are rounded up by this much, so that rounding never turns a deadline just met into one just
# missed.
_ROUND_UP = 1.0 + 4e-14
# Less of the uplink than this is beyond the conic solver's accuracy: nothing is shared out.
_TO_SHARE_OUT = 1e-7
# Costs beyond this many cells' energy are all alike to the procedure: nobody moves to a dearer cut.
_OUT_OF_REACH = 1e3


@dataclass(frozen=True, slots=True, kw_only=True)
class Penalty:
    """The schedule of the procedure, in units of the cell's energy at the start and of a user's
    deadline.
    """

    start: float = 0.1  # first price of slack
    growth: float = 2.0  # price <- min(growth price, largest)
    largest: float = 1e4
    settled: float = 1e-4  # relative change of the penalised cost at which it stops
    rounds: int = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class NoStart:
    """Why there are no cuts to begin with: users who fail alone, and the least uplink that all need
    together.
    """

    users: tuple[int, ...]
    least_bandwidth_hz: float  # infinite where somebody fails alone


PccpSolution = Solution[Decision, NoStart]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cell:
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
        room = np.maximum(self.left_s[at] - uplink[at], self.cycles[at] / self.clock_max_hz)
        with np.errstate(invalid="ignore"):
            clock = np.where(self.cycles[at] > 0.0, self.cycles[at] / room, 0.0)
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
class _Point:
    """Cuts, clocks and shares that keep every constraint."""

    option: Integers
    clock_hz: Floats
    share_hz: Floats
    energy_j: float


def pccp(
    problem: Problem,
    start: Integers | None = None,
    options: Options | None = None,
    progress: Progress | None = None,
    penalty: Penalty | None = None,
) -> PccpSolution:
    """Cuts, clocks and shares by the alternation of arXiv 2503.21476.

    Parameters
    ----------
    problem : free clocks only.
    start : (users,) option to begin with, each within its user's workload; the least-bandwidth
    options by default. options : `gap` is the relative change of the energy at which the
    alternation has settled. progress : told the energy of the best point at every step, never
    more than the one before.

    Returns
    -------
    Solution that is `feasible` without a bound, or `infeasible` where no start exists.

    Raises
    ------
    ValueError : for clock levels, and for a start that keeps not every deadline.
    cvxpy.SolverError : where the conic solver fails.
    """
    options, penalty = options or Options(), penalty or Penalty()
    progress = progress or Progress()
    cell = _cell(problem)
    if start is None:
        alone = np.nonzero(~np.isfinite(cell.least_hz.min(axis=1)))[0]
        needed = float(cell.least_hz.min(axis=1).sum())
        if needed > problem.bandwidth_hz:
            users = tuple(int(n) for n in alone)
            return Solution(
                status=Status.INFEASIBLE,
                infeasibility=NoStart(users=users, least_bandwidth_hz=needed),
            )
        start = cell.least_hz.argmin(axis=1)
    elif not _least(cell, start).sum() <= problem.bandwidth_hz:
        raise ValueError("start: options that keep every deadline within the bandwidth")

    point = _allocate(cell, start)
    progress.objective = point.energy_j
    progress.stage(Stage.RESOURCES, 0.0)
    timed_out = False
    while point.energy_j > 0.0:  # else there is nothing to save, and no unit to count costs in
        if progress.over():
            timed_out = True
            break
        progress.stage(Stage.CUTS, 0.5)
        option = _choose_cuts(cell, point, penalty, progress)
        if np.array_equal(option, point.option):
            break
        found = _allocate(cell, option)
        if found.energy_j > point.energy_j:  # the conic solver's last digits
            break
        settled = point.energy_j - found.energy_j <= options.gap * point.energy_j
        point = found
        progress.objective = point.energy_j
        progress.stage(Stage.RESOURCES, 0.5)
        if settled:
            break
    return Solution(
        status=Status.FEASIBLE,
        decision=Decision(
            option=point.option, frequency_hz=point.clock_hz, bandwidth_hz=point.share_hz
        ),
        objective=point.energy_j,
        timed_out=timed_out,
    )


def starts(problem: Problem) -> dict[str, Integers]:
    """Feasible options (users,) to begin with, by name; none where the cell is infeasible.

    `least_bandwidth`: what needs the least of the uplink. `equal_share`: the cheapest at an equal
    share, and the least bandwidth where that share is not enough; left out where these together
    need more than the uplink.
    """
    cell = _cell(problem)
    narrowest = cell.least_hz.argmin(axis=1)
    share = np.full(problem.users, problem.bandwidth_hz / problem.users)
    uplink = cell.uplink_s(share)
    fits = cell.least_hz <= share[:, None]
    room = np.where(
        fits, np.maximum(cell.left_s - uplink, cell.cycles / cell.clock_max_hz[:, None]), 1.0
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        needed = np.where(cell.cycles > 0.0, cell.cycles / room, 0.0)
    clock = np.clip(needed, cell.clock_min_hz[:, None], cell.clock_max_hz[:, None])
    compute = physics.compute_energy_j(
        cell.kappa[:, None], clock, physics.device_s(cell.cycles, clock, cell.overhead_s)
    )
    energy = np.where(
        fits, compute + physics.radio_energy_j(problem.tx_power_w[:, None], uplink), np.inf
    )
    cheapest = np.where(fits.any(axis=1), energy.argmin(axis=1), narrowest)
    found = {"least_bandwidth": narrowest, "equal_share": cheapest}
    return {
        name: option
        for name, option in found.items()
        if _least(cell, option).sum() <= problem.bandwidth_hz
    }


def relaxed_cuts(problem: Problem, decision: Decision, penalty: Penalty | None = None) -> Floats:
    """Where the penalty convex-concave procedure ends for the clocks and shares of a decision.

    Returns
    -------
    (users, options) in [0, 1], each user's options first and zeros behind them; rows sum to 1.
    """
    cell = _cell(problem)
    at = (np.arange(problem.users), decision.option)
    energy = float(cell.energy_j(decision.frequency_hz, decision.bandwidth_hz)[at].sum())
    point = _Point(
        option=decision.option,
        clock_hz=decision.frequency_hz,
        share_hz=decision.bandwidth_hz,
        energy_j=energy,
    )
    return _relax(cell, point, penalty or Penalty(), Progress())[0]


def _cell(problem: Problem) -> _Cell:
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
    return _Cell(
        problem=problem,
        allowed=allowed,
        cycles=work.cycles[row],
        overhead_s=work.overhead_s[row],
        crossing_bit=work.crossing_bit[row],
        fixed_s=budget.fixed_s[pair],
        margin_s=budget.margin_s[pair],
        left_s=budget.left_s[pair],
        variance_s2=budget.variance_s2[pair],
        least_hz=np.where(allowed, _least_shares(problem, budget)[pair], np.inf),
        clock_min_hz=work.clock_min_hz[first_row],
        clock_max_hz=work.clock_max_hz[first_row],
        kappa=work.power_coefficient_w_per_hz3[problem.workload],
    )


def _least_shares(problem: Problem, budget: TimeBudget) -> Floats:
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


def _least(cell: _Cell, option: Integers) -> Floats:
    return np.asarray(cell.least_hz[np.arange(len(option)), option])


def _allocate(cell: _Cell, option: Integers) -> _Point:
    """Resource allocation: the least-energy clocks and shares for fixed cuts."""
    problem, at = cell.problem, (np.arange(len(option)), option)
    least = _least(cell, option)
    sends = cell.crossing_bit[at] > 0.0
    share = least
    if np.any(sends) and problem.bandwidth_hz - least.sum() > _TO_SHARE_OUT * problem.bandwidth_hz:
        wanted = _resources(len(option))(cell, option)
        # Rounded onto the constraints: nobody below the least share, all together exactly the
        # uplink.
        beyond = np.where(sends, np.maximum(wanted - least, 0.0), 0.0)
        total = beyond.sum()
        share = least + beyond * (
            (problem.bandwidth_hz - least.sum()) / total if total > 0.0 else 0.0
        )
        share = np.where(sends, np.maximum(share, least), 0.0)
    clock = cell.clock_hz(option, share)
    energy = float(cell.energy_j(clock, share)[at].sum())
    return _Point(option=option, clock_hz=clock, share_hz=share, energy_j=energy)


@lru_cache(maxsize=8)
def _resources(users: int) -> Callable[[_Cell, Integers], Floats]:
    """The convex program in u = f_max/f, beta = b/B and v = uplink time/deadline, compiled once per
    number of users.

    In tau = c/f the energy is kappa c³ tau⁻² + kappa c³ t0 tau⁻³ + p t, the uplink time is at least
    d ln 2/(-rel_entr(b, b + a)) with a = p h/N0, and the deadline reads tau + t <= S (arXiv
    2503.21476, section IV).
    """
    slowdown = cp.Variable(users)
    beta, rate, uplink = (cp.Variable(users, nonneg=True) for _ in range(3))
    computing, idling, radio = (
        cp.Parameter(users, nonneg=True) for _ in range(3)
    )  # shares of the energy
    fastest, left, sent = (cp.Parameter(users, nonneg=True) for _ in range(3))  # in deadlines
    snr, slowest, sends = (cp.Parameter(users, nonneg=True) for _ in range(3))
    energy = computing @ cp.power(slowdown, -2) + idling @ cp.power(slowdown, -3) + radio @ uplink
    program = cp.Problem(
        cp.Minimize(energy),
        [
            cp.multiply(fastest, slowdown) + uplink <= left,
            uplink >= cp.multiply(sent, cp.inv_pos(rate)),
            rate <= -cp.rel_entr(beta, beta + snr),
            slowdown >= 1.0,
            slowdown <= slowest,
            sends @ beta <= 1.0,
            beta <= 1.0,
        ],
    )
    assert program.is_dcp(dpp=True)

    def solve(cell: _Cell, option: Integers) -> Floats:
        """Shares (users,) in Hz, to the conic solver's tolerance."""
        problem, at = cell.problem, (np.arange(users), option)
        cycles, bits, whole = cell.cycles[at], cell.crossing_bit[at], problem.bandwidth_hz
        compute = cell.kappa * cell.clock_max_hz**2 * cycles
        idle = np.where(cycles > 0.0, cell.kappa * cell.clock_max_hz**3 * cell.overhead_s[at], 0.0)
        watts = problem.tx_power_w * problem.deadline_s
        unit = float(_typical(cell, option).sum())
        computing.value, idling.value, radio.value = compute / unit, idle / unit, watts / unit
        fastest.value = cycles / cell.clock_max_hz / problem.deadline_s
        left.value = np.maximum(cell.left_s[at] / problem.deadline_s, 0.0)
        snr.value = problem.tx_power_w * problem.gain / problem.noise_w_per_hz / whole
        slowest.value = cell.clock_max_hz / cell.clock_min_hz
        sent.value = bits * np.log(2.0) / whole / problem.deadline_s
        sends.value = (bits > 0.0).astype(np.float64)
        program.solve(solver=cp.CLARABEL)
        assert beta.value is not None
        return np.asarray(beta.value * whole)

    return solve


def _typical(cell: _Cell, option: Integers) -> Floats:
    """Energy of each user at its least share: the unit in which the conic solver counts."""
    share = _least(cell, option)
    return np.asarray(
        cell.energy_j(cell.clock_hz(option, share), share)[np.arange(len(option)), option]
    )


def _relax(
    cell: _Cell, point: _Point, penalty: Penalty, progress: Progress
) -> tuple[Floats, Floats, Floats]:
    """Relaxed cuts for fixed clocks and shares, and every option's energy and mean delay there."""
    energy = cell.energy_j(point.clock_hz, point.share_hz)
    late = cell.cycles / point.clock_hz[:, None] + cell.fixed_s + cell.uplink_s(point.share_hz)
    return _procedure(*energy.shape)(cell, point, energy, late, penalty, progress), energy, late


def _choose_cuts(cell: _Cell, point: _Point, penalty: Penalty, progress: Progress) -> Integers:
    """Cut choice for fixed clocks and shares, each user moved only to a cheaper cut that keeps the
    deadline.
    """
    relaxed, energy, late = _relax(cell, point, penalty, progress)
    rows, wanted = np.arange(len(relaxed)), relaxed.argmax(axis=1)
    in_time = (late + cell.margin_s)[rows, wanted] <= cell.problem.deadline_s
    cheaper = energy[rows, wanted] < energy[rows, point.option]
    return np.where(cell.allowed[rows, wanted] & in_time & cheaper, wanted, point.option)


@lru_cache(maxsize=8)
def _procedure(
    users: int, options: int
) -> Callable[[_Cell, _Point, Floats, Floats, Penalty, Progress], Floats]:
    """The penalty convex-concave procedure on x in [0, 1]: a linear program per round, compiled
    once per shape.

    Both concave parts are replaced by their tangents at the last x: the margin sigma sqrt(sum x V),
    and x - x², whose being at most 0 asks for whole numbers. What the tangents exceed is paid for
    at a price that grows.
    """
    shape = (users, options)
    x = cp.Variable(shape, nonneg=True)
    lateness, fraction = cp.Variable(users, nonneg=True), cp.Variable(shape, nonneg=True)
    cost, time, curvature, offset, allowed = (cp.Parameter(shape, nonneg=True) for _ in range(5))
    tilt = cp.Parameter(shape)
    base, price = cp.Parameter(users, nonneg=True), cp.Parameter(nonneg=True)
    slack = cp.sum(lateness) + cp.sum(fraction)
    program = cp.Problem(
        cp.Minimize(cp.sum(cp.multiply(cost, x)) + price * slack),
        [
            cp.sum(x, axis=1) == 1.0,
            x <= allowed,
            cp.sum(cp.multiply(time + curvature, x), axis=1) + base <= 1.0 + lateness,
            cp.multiply(tilt, x) + offset <= fraction,
        ],
    )
    assert program.is_dcp(dpp=True)

    def solve(
        cell: _Cell,
        point: _Point,
        energy: Floats,
        late: Floats,
        schedule: Penalty,
        progress: Progress,
    ) -> Floats:
        """Relaxed cuts (users, options)."""
        deadline = cell.problem.deadline_s[:, None]
        # An option that takes longer than this is out of reach whatever the rest; the cap keeps the
        # numbers near 1.
        reachable = cell.allowed & (late <= 10.0 * deadline)
        # So is one that costs the cell many times over, however little the cell spends.
        cost.value = np.minimum(np.where(reachable, energy, 0.0) / point.energy_j, _OUT_OF_REACH)
        mean = np.where(reachable, late / deadline, 0.0)
        allowed.value = reachable.astype(np.float64)
        variance = np.where(reachable, cell.variance_s2 / deadline**2, 0.0)
        worst_case = cell.problem.margin is Margin.WORST_CASE
        sigma = margin_factor(cell.problem.risk, cell.problem.margin)
        time.value = mean + np.where(reachable & worst_case, cell.margin_s / deadline, 0.0)
        now = reachable / reachable.sum(axis=1, keepdims=True)
        price.value, before = schedule.start, np.inf
        for _ in range(schedule.rounds):
            progress.tick()
            if progress.over():
                break
            # sigma sqrt(V) <= sigma sqrt(V_k)/2 + sigma V/(2 sqrt(V_k)); any V_k > 0 is a tangent.
            root = np.sqrt(np.maximum((now * variance).sum(axis=1), 1e-12))
            curvature.value = 0.5 * (sigma / root)[:, None] * variance
            base.value = 0.5 * sigma * root
            tilt.value, offset.value = 1.0 - 2.0 * now, now**2
            program.solve(solver=cp.CLARABEL)
            assert x.value is not None
            now = np.clip(x.value, 0.0, 1.0)
            total = float(program.value)
            if (
                abs(total - before) <= schedule.settled * abs(total)
                and float(slack.value) <= schedule.settled
            ):
                break
            before = total
            price.value = min(schedule.growth * float(price.value), schedule.largest)
        return np.asarray(now)

    return solve

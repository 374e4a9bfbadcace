"""The alternation's two convex programs, each compiled once per shape."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import cvxpy
import numpy as np
from numpy.typing import NDArray

from solvers.arrays import Floats, Integers
from solvers.margin import Margin
from solvers.moments import margin_factor
from solvers.progress import Progress
from solvers.robust.pccp.cell import Cell, Point, least_of

# Its atoms are put together at run time, where no type checker sees them.
cp: Any = cvxpy
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


@lru_cache(maxsize=8)
def resources(users: int) -> Callable[[Cell, Integers], Floats]:
    """The convex program in u = f_max/f, beta = b/B and v = uplink time/deadline, compiled once per
    number of users.

    In tau = c/f the energy is kappa c³ tau⁻² + kappa c³ t0 tau⁻³ + p t, the uplink time is at least
    d ln 2/(-rel_entr(b, b + a)) with a = p h/N0, and the deadline reads tau + t <= S (arXiv
    2503.21476, section IV).
    """
    slowdown = cp.Variable(users)
    beta, rate, uplink = (cp.Variable(users, nonneg=True) for _ in range(3))
    # Shares of the energy
    computing, idling, radio = (cp.Parameter(users, nonneg=True) for _ in range(3))
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

    def solve(cell: Cell, option: Integers) -> Floats:
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


def _typical(cell: Cell, option: Integers) -> Floats:
    """Energy of each user at its least share: the unit in which the conic solver counts."""
    share = least_of(cell, option)
    return np.asarray(
        cell.energy_j(cell.clock_hz(option, share), share)[np.arange(len(option)), option]
    )


@lru_cache(maxsize=8)
def procedure(
    users: int, options: int
) -> Callable[[Cell, Point, Floats, Floats, Penalty, Progress], Floats]:
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
        cell: Cell,
        point: Point,
        energy: Floats,
        late: Floats,
        schedule: Penalty,
        progress: Progress,
    ) -> Floats:
        """Relaxed cuts (users, options)."""
        scaled = _scaled(cell, point, energy, late)
        cost.value, time.value, allowed.value = scaled.cost, scaled.time, scaled.reachable
        variance, sigma = scaled.variance, margin_factor(cell.problem.risk, cell.problem.margin)
        now = scaled.reachable / scaled.reachable.sum(axis=1, keepdims=True)
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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scaled:
    """What the procedure minimises and limits, in numbers near 1, (users, options)."""

    reachable: NDArray[np.float64]  # 1 or 0
    cost: Floats
    time: Floats  # in deadlines, the worst case's margin included
    variance: Floats  # in squared deadlines


def _scaled(cell: Cell, point: Point, energy: Floats, late: Floats) -> _Scaled:
    deadline = cell.problem.deadline_s[:, None]
    # An option that takes longer than this is out of reach whatever the rest; the cap keeps the
    # numbers near 1.
    reachable = cell.allowed & (late <= 10.0 * deadline)
    worst_case = cell.problem.margin is Margin.WORST_CASE
    margin = np.where(reachable & worst_case, cell.margin_s / deadline, 0.0)
    return _Scaled(
        reachable=reachable.astype(np.float64),
        # So is one that costs the cell many times over, however little the cell spends.
        cost=np.minimum(np.where(reachable, energy, 0.0) / point.energy_j, _OUT_OF_REACH),
        time=np.where(reachable, late / deadline, 0.0) + margin,
        variance=np.where(reachable, cell.variance_s2 / deadline**2, 0.0),
    )

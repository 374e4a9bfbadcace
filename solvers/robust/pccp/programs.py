"""The alternation's two convex programs, each compiled once per shape."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import cvxpy
import numpy as np
from numpy.typing import NDArray

from solvers.arrays import Floats, Integers
from solvers.margin import OF_OPTIONS
from solvers.moments import margin_factor
from solvers.progress import Progress
from solvers.robust.pccp.cell import Cell, Point, least_of

# Its atoms are put together at run time, where no type checker sees them.
cp: Any = cvxpy
# Costs beyond this many cells' energy are all alike to the procedure: nobody moves to a dearer cut.
_OUT_OF_REACH = 1e3
_PACE = 1.0 + 1e-12  # of the time a stream leaves, kept by rounding
# Of a server: the cuts of the last point may need all of it, and rounding a little more.
_BUDGET = 1.0 + 1e-9


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


@dataclass(frozen=True, slots=True)
class Shape:
    """What tells one program of resources from another."""

    exponents: tuple[float, ...]  # (users,) of the power law
    static: bool = False  # whether anybody has power that does not follow the clock
    capped: bool = False  # whether the rate law has a largest bit/s/Hz
    paced: bool = False  # whether a stream limits the uplink time


def shape_of(cell: Cell, option: Integers) -> Shape:
    """The program of resources that some options need."""
    at, spending = (np.arange(len(option)), option), cell.spending
    return Shape(
        exponents=tuple(spending.exponent[at].tolist()),
        static=bool(np.any(spending.static_w[at] > 0.0)),
        capped=cell.problem.rate_law.max_bps_per_hz < np.inf,
        paced=cell.problem.rate_hz is not None,
    )


@lru_cache(maxsize=8)
def resources(shape: Shape) -> Callable[[Cell, Integers], Floats]:
    """The convex program in u = f_max/f, beta = b/B and v = uplink time/deadline, compiled once per
    shape.

    In tau = c/f the energy is P_s tau + kappa c^alpha tau^(1 - alpha) + kappa c^alpha t0 tau^-alpha
    + P_r t, convex as alpha >= 1; the uplink time is at least d ln 2/(-eta rel_entr(b, b + a)) with
    a = p h/(N0 Gamma), and d/(c_max b); the deadline reads tau + t <= S, and the stages of a stream
    are bounds on tau and t (arXiv 2503.21476, section IV, where alpha = 3, eta = Gamma = 1 and
    nothing else is).
    """
    users = len(shape.exponents)
    slowdown = cp.Variable(users)
    beta, rate, uplink = (cp.Variable(users, nonneg=True) for _ in range(3))
    # Shares of the energy
    computing, idling, radio, static = (cp.Parameter(users, nonneg=True) for _ in range(4))
    # in deadlines
    fastest, left, sent, longest = (cp.Parameter(users, nonneg=True) for _ in range(4))
    snr, slowest, sends = (cp.Parameter(users, nonneg=True) for _ in range(3))
    cap = cp.Parameter(nonneg=True)
    energy = _clocked(slowdown, computing, idling, shape.exponents) + radio @ uplink
    limits = [
        cp.multiply(fastest, slowdown) + uplink <= left,
        uplink >= cp.multiply(sent, cp.inv_pos(rate)),
        rate <= -cp.rel_entr(beta, beta + snr),
        slowdown >= 1.0,
        slowdown <= slowest,
        sends @ beta <= 1.0,
        beta <= 1.0,
    ]
    if shape.static:
        energy = energy + static @ slowdown
    if shape.capped:
        limits.append(rate <= cap * beta)
    if shape.paced:
        limits.append(uplink <= longest)
    program = cp.Problem(cp.Minimize(energy), limits)
    assert program.is_dcp(dpp=True)

    def solve(cell: Cell, option: Integers) -> Floats:
        """Shares (users,) in Hz, to the conic solver's tolerance."""
        problem, at = cell.problem, (np.arange(users), option)
        spending, largest, deadline = cell.spending, cell.clock_max_hz, problem.deadline_s
        cycles, most, whole = cell.cycles[at], cell.crossing_most_bit[at], problem.bandwidth_hz
        kappa, exponent, law = spending.kappa[at], spending.exponent[at], problem.rate_law
        compute = kappa * largest ** (exponent - 1.0) * cycles
        idle = np.where(cycles > 0.0, kappa * largest**exponent * cell.overhead_s[at], 0.0)
        part = np.where(most > 0.0, cell.crossing_bit[at] / np.where(most > 0.0, most, 1.0), 1.0)
        watts = spending.radio_w[at] * part * deadline
        unit = float(_typical(cell, option).sum())
        computing.value, idling.value, radio.value = compute / unit, idle / unit, watts / unit
        static.value = spending.static_w[at] * cycles / largest / unit
        fastest.value = cycles / largest / deadline
        left.value = np.maximum(cell.left_s[at] / deadline, 0.0)
        snr.value = problem.tx_power_w * problem.gain / problem.noise_w_per_hz / whole
        snr.value = snr.value / law.snr_gap
        slowest.value = largest / cell.clock_min_hz
        sent.value = most * np.log(2.0) / law.efficiency / whole / deadline
        sends.value = (most > 0.0).astype(np.float64)
        if shape.capped:
            cap.value = law.max_bps_per_hz * np.log(2.0) / law.efficiency
        if shape.paced:
            slowest.value = np.minimum(slowest.value, _slowest_in_pace(cell, option))
            longest.value = cell.uplink_stage_s / deadline
        program.solve(solver=cp.CLARABEL)
        assert beta.value is not None
        return np.asarray(beta.value * whole)

    return solve


def _clocked(slowdown: Any, computing: Any, idling: Any, exponents: tuple[float, ...]) -> Any:
    """What follows the clock: `computing u^(1 - alpha) + idling u^-alpha`, by exponents."""
    terms = []
    for alpha in dict.fromkeys(exponents):
        same = [n for n, other in enumerate(exponents) if other == alpha]
        everybody = len(same) == len(exponents)
        u, c, t = (v if everybody else v[same] for v in (slowdown, computing, idling))
        # Whole exponents have an exact form in second-order cones, others one in power cones.
        whole = alpha.is_integer()
        terms.append(t @ cp.power(u, -alpha, approx=whole))
        if alpha > 1.0:  # else the cycles cost the same at every clock
            terms.append(c @ cp.power(u, 1.0 - alpha, approx=whole))
    return cp.sum(cp.hstack(terms)) if len(terms) > 2 else terms[-1] + terms[0]


def _slowest_in_pace(cell: Cell, option: Integers) -> Floats:
    """How many times as long as at the largest clock the cycles of a stream may take."""
    at = (np.arange(len(option)), option)
    fastest = cell.cycles[at] / cell.clock_max_hz
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(fastest > 0.0, np.maximum(cell.computing_s[at] / fastest, 1.0), np.inf)


def _typical(cell: Cell, option: Integers) -> Floats:
    """Energy of each user at its least share but what nothing changes: the unit in which the conic
    solver counts.
    """
    at, share = (np.arange(len(option)), option), least_of(cell, option)
    energy = cell.energy_j(cell.clock_hz(option, share)[:, None], share) - cell.spending.rest_j
    return np.asarray(energy[at])


@lru_cache(maxsize=8)
def procedure(
    users: int, options: int, servers: int = 0
) -> Callable[[Cell, Point, Floats, Floats, Penalty, Progress], Floats]:
    """The penalty convex-concave procedure on x in [0, 1]: a linear program per round, compiled
    once per shape.

    Both concave parts are replaced by their tangents at the last x: the margin sigma sqrt(sum x V),
    and x - x², whose being at most 0 asks for whole numbers. What the tangents exceed is paid for
    at a price that grows. What options take of the servers is linear in x, and kept.
    """
    shape = (users, options)
    x = cp.Variable(shape, nonneg=True)
    lateness, fraction = cp.Variable(users, nonneg=True), cp.Variable(shape, nonneg=True)
    cost, time, curvature, offset, allowed = (cp.Parameter(shape, nonneg=True) for _ in range(5))
    tilt = cp.Parameter(shape)
    base, price = cp.Parameter(users, nonneg=True), cp.Parameter(nonneg=True)
    slack = cp.sum(lateness) + cp.sum(fraction)
    loads = [cp.Parameter(shape, nonneg=True) for _ in range(servers)]
    program = cp.Problem(
        cp.Minimize(cp.sum(cp.multiply(cost, x)) + price * slack),
        [
            cp.sum(x, axis=1) == 1.0,
            x <= allowed,
            cp.sum(cp.multiply(time + curvature, x), axis=1) + base <= 1.0 + lateness,
            cp.multiply(tilt, x) + offset <= fraction,
            *(cp.sum(cp.multiply(load, x)) <= _BUDGET for load in loads),
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
        for k, load in enumerate(loads):
            load.value = np.where(scaled.reachable > 0.0, cell.load[:, :, k], 0.0)
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
    reachable = cell.allowed & (late <= 10.0 * deadline) & in_pace(cell, point)
    of_options = cell.problem.margin in OF_OPTIONS
    margin = np.where(reachable & of_options, cell.margin_s / deadline, 0.0)
    return _Scaled(
        reachable=reachable.astype(np.float64),
        # So is one that costs the cell many times over, however little the cell spends.
        cost=np.minimum(np.where(reachable, energy, 0.0) / point.energy_j, _OUT_OF_REACH),
        time=np.where(reachable, late / deadline, 0.0) + margin,
        variance=np.where(reachable, cell.variance_s2 / deadline**2, 0.0),
    )


def in_pace(cell: Cell, point: Point) -> NDArray[np.bool_]:
    """Options (users, options) whose stages keep up with the stream at the clocks and shares."""
    computing = cell.cycles / point.clock_hz[:, None] <= cell.computing_s * _PACE
    return computing & (cell.uplink_most_s(point.share_hz) <= cell.uplink_stage_s[:, None] * _PACE)

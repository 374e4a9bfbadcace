"""Least of E(b) + price b for every option, rounded down, in the spectral efficiency of the uplink.

With u = ln(1 + p h/(N0 b)) and a = p h/N0 a share is b = a/(e^u - 1) and its uplink takes
tau = d ln2/(b u). E(b) + price b is convex in b, so two tangents of opposite slope meet below its
minimum, however badly their points were found. What rounding may add is taken off again.
"""

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from solvers.arrays import Floats, Integers
from solvers.margin import Margin
from solvers.robust.check.terms import margin_s, variance_s2
from solvers.robust.problem import Problem

# A value here is made by some 30 operations, each good to an ulp or two.
_ROUNDING = 64.0 * float(np.finfo(float).eps)
_APART = 2e-6  # relative distance in u of the points whose tangents bound the minimum
_STEPS = 5  # of Newton's method on a convex function, from its right
_SECANTS = 14
_GRID = np.exp(np.linspace(np.log(1e-9), np.log(300.0), 8192))


@dataclass(frozen=True, slots=True)
class Options:
    """Options of some users that can keep their deadline, (options,) each."""

    user: Integers
    option: Integers  # counted within the user's workload
    scale_hz: Floats  # a
    unit_s: Floats  # d ln2/a, the uplink time that endless bandwidth would leave; 0 where silent
    left_s: Floats  # time for clock and uplink, rounded up
    power_w: Floats
    kappa: Floats
    cycles: Floats
    overhead_s: Floats
    clock_min_hz: Floats
    clock_max_hz: Floats

    def __getitem__(self, some: NDArray[np.generic]) -> "Options":
        """Some of the options, in any order, perhaps several times."""
        return Options(*(getattr(self, field.name)[some] for field in fields(self)))

    def uplink_most_s(self) -> Floats:
        """Longest uplink with which the largest clock keeps the deadline."""
        return self.left_s - self.cycles / self.clock_max_hz

    def cheapest_j(self) -> Floats:
        """Energy that no share goes below."""
        with np.errstate(divide="ignore", invalid="ignore"):
            asked = np.where(self.cycles > 0.0, self.cycles / (self.left_s - self.unit_s), 0.0)
        # What is left may be rounding alone: then the largest clock is asked for, by construction.
        clock = np.clip(asked * (1.0 - 1e-12), self.clock_min_hz, self.clock_max_hz)
        compute = self.kappa * clock * clock * (self.cycles + self.overhead_s * clock)
        return (compute + self.power_w * self.unit_s) * (1.0 - _ROUNDING)


def options_of(problem: Problem, users: Integers) -> Options:
    """Options of `users` that fit the memory and, with all the spectrum there is, the deadline."""
    work = problem.workloads
    count = np.diff(work.first)[problem.workload[users]]
    user = np.repeat(users, count)
    option = np.arange(len(user)) - np.repeat(np.cumsum(count) - count, count)
    row = work.first[problem.workload[user]] + option
    sends = work.crossing_bit[row] > 0.0
    scale_hz = problem.tx_power_w[user] * problem.gain[user] / problem.noise_w_per_hz
    waits_s = np.where(sends, problem.network_mean_s, 0.0) + work.server_mean_s[row]
    fixed_s = waits_s + work.overhead_s[row] + _kept_s(problem, user, row, sends)
    deadline_s = problem.deadline_s[user]
    found = Options(
        user=user,
        option=option,
        scale_hz=scale_hz,
        unit_s=work.crossing_bit[row] * np.log(2.0) / scale_hz,
        left_s=deadline_s - fixed_s + _ROUNDING * (deadline_s + fixed_s),
        power_w=problem.tx_power_w[user],
        kappa=work.power_coefficient[row],
        cycles=work.cycles[row],
        overhead_s=work.overhead_s[row],
        clock_min_hz=work.clock_min_hz[row],
        clock_max_hz=work.clock_max_hz[row],
    )
    possible = work.fits_memory[row] & (found.uplink_most_s() >= found.unit_s)
    return found[possible]


def _kept_s(problem: Problem, user: Integers, row: Integers, sends: NDArray[np.bool_]) -> Floats:
    """Margin before the deadline: the root of V/(V + margin²) = risk, or of the normal tail."""
    work = problem.workloads
    if problem.margin is Margin.WORST_CASE:
        return np.asarray(work.device_excess_s[row] + work.server_excess_s[row])
    network = np.where(sends, problem.network_variance_s2, 0.0)
    variance = variance_s2(problem, row, problem.correlation[user]) + network
    return margin_s(problem.margin, variance, problem.risk[user])


@dataclass(frozen=True, slots=True)
class Reach:
    """Spectral efficiencies between the largest share allowed and the least that is in time."""

    least_u: Floats
    most_u: Floats

    def __getitem__(self, some: NDArray[np.generic]) -> "Reach":
        """Those of some of the options."""
        return Reach(self.least_u[some], self.most_u[some])


def least_share_hz(options: Options, most_u: Floats) -> Floats:
    """Share at the largest spectral efficiency, rounded down; 0 where silent."""
    with np.errstate(divide="ignore", over="ignore"):
        share = options.scale_hz / np.expm1(most_u) * (1.0 - _ROUNDING)
    return np.where(options.unit_s > 0.0, share, 0.0)


def most_efficiency(options: Options) -> Floats:
    """Largest u with which the deadline can be kept, rounded up; 0 where silent."""
    stretch = np.where(options.unit_s > 0.0, options.uplink_most_s(), 1.0)
    return efficiency_for(stretch / np.where(options.unit_s > 0.0, options.unit_s, 1.0))


def efficiency_for(stretch: Floats) -> Floats:
    """The u with (e^u - 1)/u = stretch >= 1, from above: Newton on a convex function from its
    right.
    """
    log = np.log(np.maximum(stretch, 1.0)) * (1.0 + _ROUNDING) + _ROUNDING
    u = np.minimum(2.0 * log, log + np.log1p(2.0 * log))
    for _ in range(_STEPS):
        rest = np.log(np.expm1(u) / u) - log
        u = u - rest / (-1.0 / np.expm1(-u) - 1.0 / u)
    return np.asarray(u * (1.0 + _ROUNDING))


def least_j(options: Options, price: Floats | float, reach: Reach) -> tuple[Floats, Floats]:
    """Lower bound on E(b) + price b over the shares in reach, of every option, and the share there.

    The price, above 0, may differ from option to option.
    """
    with np.errstate(all="ignore"):
        u = np.clip(_stationary(options, price, reach), reach.least_u, reach.most_u)
        sides = [
            _side(options, price, np.clip(u * factor, reach.least_u, reach.most_u))
            for factor in (1.0 - _APART, 1.0 + _APART)
        ]
        (value1, slope1, share1, error1), (value2, slope2, share2, error2) = sides
        ends = least_share_hz(options, reach.most_u), options.scale_hz / np.expm1(reach.least_u)
        alone = np.maximum(_below_tangent(*sides[0], *ends), _below_tangent(*sides[1], *ends))
        meet = slope1 * value2 - slope2 * value1 + slope1 * slope2 * (share1 - share2)
        meet = meet / (slope1 - slope2) - _ROUNDING * (value1 + value2)
        meet = np.minimum(meet, np.minimum(value1, value2))
        bound = np.where((slope1 > error1) & (slope2 < -error2), np.fmax(meet, alone), alone)
    silent = options.cheapest_j()
    # Where nothing can be said (an overflow) the cheapest energy still stands.
    sends = options.unit_s > 0.0
    return np.where(sends, np.fmax(bound, silent), silent), np.where(sends, share1, 0.0)


def widest_j(options: Options, reach: Reach) -> Floats:
    """Lower bound on E(b) over the shares in reach: it falls in b, so it is that of the largest
    share.
    """
    with np.errstate(all="ignore"):
        energy = _side(options, 0.0, reach.least_u)[0]
    silent = options.cheapest_j()
    return np.where(options.unit_s > 0.0, np.fmax(energy, silent), silent)


def clock_hz(options: Options, share_hz: Floats) -> Floats:
    """Clock that keeps the deadline with a share, rounded up."""
    with np.errstate(divide="ignore", invalid="ignore"):
        u = np.log1p(options.scale_hz / share_hz)
        uplink = np.where(options.unit_s > 0.0, options.unit_s * np.expm1(u) / u, 0.0)
    clock, free = _clock(options, uplink)
    return np.where(free, np.minimum(clock * (1.0 + 1e-12), options.clock_max_hz), clock)


def _below_tangent(
    value: Floats, slope: Floats, share: Floats, error: Floats, low: Floats, high: Floats
) -> Floats:
    """Least value of a tangent between two shares, its slope known to an error."""
    up = np.maximum(slope + error, 0.0) * np.maximum(share - low, 0.0)
    down = np.maximum(error - slope, 0.0) * np.maximum(high * (1.0 + _ROUNDING) - share, 0.0)
    return np.asarray(value - np.maximum(up, down))


def _side(
    options: Options, price: Floats | float, u: Floats
) -> tuple[Floats, Floats, Floats, Floats]:
    """E + price b rounded down, its slope in b, b, and the slope's error, at spectral
    efficiencies.
    """
    swing = np.expm1(u)
    share, uplink = options.scale_hz / swing, options.unit_s * swing / u
    clock, free = _clock(options, uplink)
    energy = options.kappa * clock * clock * (options.cycles + options.overhead_s * clock)
    energy = energy + options.power_w * uplink
    marginal = _watts(options, clock, free) * options.unit_s / options.scale_hz
    marginal = marginal * (u + np.expm1(-u)) * np.square(swing / u)
    # The time left for the clock is a difference: its relative error grows as it shrinks.
    slack = np.maximum(options.left_s - uplink, 1e-300)
    harm = 1.0 + np.where(free, 6.0 * options.left_s / slack, 0.0)
    value = energy + price * share - _ROUNDING * (harm * energy + price * share)
    return value, price - marginal, share, _ROUNDING * (harm + 2.0 / u) * marginal


def _clock(options: Options, uplink_s: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    """Least clock in time, never beyond twice the largest, and whether it is above the least."""
    asked = options.cycles / np.maximum(options.left_s - uplink_s, 1e-300)
    free = asked > options.clock_min_hz
    return np.where(free, np.minimum(asked, 2.0 * options.clock_max_hz), options.clock_min_hz), free


def _watts(options: Options, clock: Floats, free: NDArray[np.bool_]) -> Floats:
    """What one more second of uplink costs."""
    per_cycle = clock / np.where(options.cycles > 0.0, options.cycles, 1.0)
    faster = options.kappa * clock**3 * (2.0 + 3.0 * options.overhead_s * per_cycle)
    return options.power_w + np.where(free, faster, 0.0)


def _log_shape(u: Floats) -> Floats:
    """Ln of the marginal energy over W unit/a."""
    return np.log(u + np.expm1(-u)) + 2.0 * np.log(np.expm1(u) / u)


_GRID_SHAPE = _log_shape(np.maximum(_GRID, 1e-4))
_GRID_SHAPE[_GRID < 1e-4] = np.log(0.5 * _GRID[_GRID < 1e-4] ** 2)


def _stationary(options: Options, price: Floats | float, reach: Reach) -> Floats:
    """About where the slope vanishes: by table with the clock at its least, by secants beyond."""
    per_watt = np.log(options.unit_s / options.scale_hz) - np.log(price)
    u = np.interp(-per_watt - np.log(options.power_w), _GRID_SHAPE, _GRID)
    at = np.clip(u, reach.least_u, reach.most_u)
    _, free = _clock(options, options.unit_s * np.expm1(at) / at)
    some = np.flatnonzero(free & (options.unit_s > 0.0))
    if len(some):
        part = options[some]
        kink = (part.left_s - part.cycles / part.clock_min_hz) / part.unit_s
        low = np.where(kink > 1.0, efficiency_for(kink), reach.least_u[some])
        u[some] = _secants(part, per_watt[some], np.maximum(low, reach.least_u[some]), at[some])
    return np.asarray(u)


def _secants(options: Options, per_watt: Floats, low: Floats, high: Floats) -> Floats:
    """Root of ln(marginal/price) in (low, high) by the Illinois method; an end where there is
    none.
    """

    def beyond(u: Floats) -> Floats:
        clock, free = _clock(options, options.unit_s * np.expm1(u) / u)
        return np.log(_watts(options, clock, free)) + _log_shape(u) + per_watt

    low = np.minimum(low * (1.0 + 1e-12), high)
    at_low, at_high = beyond(low), beyond(high)
    ended = np.where(at_low >= 0.0, low, np.where(at_high <= 0.0, high, np.nan))
    side = np.zeros(len(low))
    for _ in range(_SECANTS):
        u = (low * at_high - high * at_low) / (at_high - at_low)
        here = beyond(u)
        right = here > 0.0
        at_low = np.where(right & (side > 0.0), 0.5 * at_low, at_low)
        at_high = np.where(~right & (side < 0.0), 0.5 * at_high, at_high)
        low, at_low = np.where(right, low, u), np.where(right, at_low, here)
        high, at_high = np.where(right, u, high), np.where(right, here, at_high)
        side = np.where(right, 1.0, -1.0)
        if np.all((np.abs(here) < 1e-7) | (high - low < 1e-7 * high) | np.isfinite(ended)):
            break
    return np.where(np.isfinite(ended), ended, u)

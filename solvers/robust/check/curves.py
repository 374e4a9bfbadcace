"""Least of E(b) + price b for every option, rounded down, in the spectral efficiency of the uplink.

With a = p h/(N0 gap), u = ln(1 + a/b) and L = c_max ln2/efficiency a share is b = a/(e^u - 1) and
its uplink takes tau = d ln2/(efficiency b min(u, L)). E(b) + price b is convex in b, with a kink at
u = L, so two tangents of opposite slope meet below its minimum, however badly their points were
found. What rounding may add is taken off again.
"""

from dataclasses import dataclass

import numpy as np

from solvers.arrays import Booleans, Floats, Integers
from solvers.compiled.library import Library, library
from solvers.robust.check import kernel
from solvers.robust.check.options import ROUNDING, Options

# Of the points whose tangents bound the minimum, in u.
_BESIDE = np.array([[1.0 - 2e-6], [1.0 + 2e-6]])
_STEPS = 5  # of Newton's method on a convex function, from its right
_SECANTS = 14
_GRID = np.exp(np.linspace(np.log(1e-9), np.log(300.0), 8192))


@dataclass(frozen=True, slots=True)
class Reach:
    """Spectral efficiencies between the largest share allowed and the least that is in time."""

    least_u: Floats
    most_u: Floats

    def __getitem__(self, some: Integers | Booleans) -> "Reach":
        """Those of some of the options."""
        return Reach(self.least_u[some], self.most_u[some])


def least_share_hz(options: Options, most_u: Floats) -> Floats:
    """Share at the largest spectral efficiency, rounded down; 0 where silent."""
    with np.errstate(divide="ignore", over="ignore"):
        share = options.scale_hz / np.expm1(most_u) * (1.0 - ROUNDING)
    return np.where(options.unit_s > 0.0, share, 0.0)


def soonest_uplink_s(options: Options, most_hz: Floats, first: int) -> Floats:
    """Uplink time with the largest share that each user may have, from the first on; rounded
    down.
    """
    user = options.user - first
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        u = np.log1p(_scale_hz(options, user, len(most_hz)) / most_hz)
        stretch = np.expm1(u) / np.minimum(u, options.cap_u) * (1.0 - 2.0 * ROUNDING)
    return np.asarray(options.unit_s * np.maximum(stretch, 1.0)[user])


def _scale_hz(options: Options, user: Integers, users: int) -> Floats:
    """The scale of each of some users; 1 where there are no options."""
    scale_hz = np.ones(users)
    scale_hz[user] = options.scale_hz
    return scale_hz


def least_shares_hz(options: Options, users: int) -> Floats:
    """Smallest of the least shares of each user, rounded down; infinite where there are no
    options.
    """
    most = np.full(users, -np.inf)
    np.maximum.at(most, options.user, np.where(options.unit_s > 0.0, _stretch(options), np.inf))
    some = np.isfinite(most)
    least = np.where(most > 0.0, 0.0, np.inf)
    u = efficiency_for(most[some], options.cap_u)
    least[some] = _scale_hz(options, options.user, users)[some] / np.expm1(u) * (1.0 - ROUNDING)
    return least


def most_efficiency(options: Options) -> Floats:
    """Largest u with which the deadline can be kept, rounded up; 0 where silent."""
    return efficiency_for(_stretch(options), options.cap_u)


def _stretch(options: Options) -> Floats:
    """The longest uplink in time over that of endless bandwidth; 1 where silent."""
    sends = options.unit_s > 0.0
    return np.asarray(
        np.where(sends, options.uplink_most_s(), 1.0) / np.where(sends, options.unit_s, 1.0)
    )


def efficiency_for(stretch: Floats, cap_u: float) -> Floats:
    """The u with (e^u - 1)/min(u, cap) = stretch >= 1, from above: Newton on a convex function from
    its right.

    Where the cap holds a root without it would lie above, and the root with it above elsewhere.
    """
    log = np.log(np.maximum(stretch, 1.0)) * (1.0 + ROUNDING) + ROUNDING
    u = np.minimum(2.0 * log, log + np.log1p(2.0 * log))
    for _ in range(_STEPS):
        rest = np.log(np.expm1(u) / u) - log
        u = u - rest / (-1.0 / np.expm1(-u) - 1.0 / u)
    u = u * (1.0 + ROUNDING)
    if cap_u < float("inf"):
        u = np.minimum(u, np.log1p(np.maximum(stretch, 1.0) * cap_u) * (1.0 + ROUNDING) + ROUNDING)
    return np.asarray(u)


def uplink_s(options: Options, u: Floats, swing: Floats) -> Floats:
    """Uplink time at a spectral efficiency and its e^u - 1, NaN where silent without any."""
    narrow = u if options.cap_u == float("inf") else np.minimum(u, options.cap_u)
    return np.asarray(options.unit_s * swing / narrow)


def least_j(options: Options, price: Floats | float, reach: Reach) -> tuple[Floats, Floats]:
    """Lower bound on E(b) + price b over the shares in reach, of every option, and the share there.

    The price, above 0, may differ from option to option.
    """
    if (compiled := library()) is not None:
        prices = np.reshape(price, (-1, 1))
        bound, share = _compiled(compiled, options, prices, reach, own=np.ndim(price) > 0)
        return bound[:, 0], share[:, 0]
    with np.errstate(all="ignore"):
        u = np.clip(_stationary(options, price, reach), reach.least_u, reach.most_u)
        beside = np.clip(u * _BESIDE, reach.least_u, reach.most_u)
        value, slope, share, error = _side(options, price, beside)
        ends = least_share_hz(options, reach.most_u), options.scale_hz / np.expm1(reach.least_u)
        alone = np.maximum(*_below_tangent(value, slope, share, error, *ends))
        (value1, value2), (slope1, slope2), (share1, share2) = value, slope, share
        meet = slope1 * value2 - slope2 * value1 + slope1 * slope2 * (share1 - share2)
        meet = meet / (slope1 - slope2) - ROUNDING * (value1 + value2)
        meet = np.minimum(meet, np.minimum(value1, value2))
        bound = np.where((slope1 > error[0]) & (slope2 < -error[1]), np.fmax(meet, alone), alone)
    silent = options.cheapest_j()
    # Where nothing can be said (an overflow) the cheapest energy still stands.
    sends = options.unit_s > 0.0
    return np.where(sends, np.fmax(bound, silent), silent), np.where(sends, share1, 0.0)


def least_at_each_j(options: Options, prices: Floats, reach: Reach) -> Floats:
    """As `least_j`, of every option at every price, (options, prices)."""
    if (compiled := library()) is not None:
        return _compiled(compiled, options, prices, reach, own=False)[0]
    each = np.repeat(np.arange(len(options.user)), len(prices))
    every = least_j(options[each], np.tile(prices, len(options.user)), reach[each])[0]
    return every.reshape(-1, len(prices))


def _compiled(
    compiled: Library, options: Options, prices: Floats, reach: Reach, *, own: bool
) -> tuple[Floats, Floats]:
    return kernel.least_j(compiled, options, prices, reach.least_u, reach.most_u, SHAPES, own=own)


def widest_j(options: Options, reach: Reach) -> Floats:
    """Lower bound on E(b) over the shares in reach: it falls in b, so it is that of the largest
    share.
    """
    with np.errstate(all="ignore"):
        energy = _side(options, 0.0, reach.least_u)[0]
    silent = options.cheapest_j()
    return np.where(options.unit_s > 0.0, np.fmax(energy, silent), silent)


def _below_tangent(
    value: Floats, slope: Floats, share: Floats, error: Floats, low: Floats, high: Floats
) -> Floats:
    """Least value of a tangent between two shares, its slope known to an error."""
    up = np.maximum(slope + error, 0.0) * np.maximum(share - low, 0.0)
    down = np.maximum(error - slope, 0.0) * np.maximum(high * (1.0 + ROUNDING) - share, 0.0)
    return np.asarray(value - np.maximum(up, down))


def _side(
    options: Options, price: Floats | float, u: Floats
) -> tuple[Floats, Floats, Floats, Floats]:
    """E + price b rounded down, its slope in b, b, and the slope's error, at spectral
    efficiencies.
    """
    swing = np.expm1(u)
    share = options.scale_hz / swing
    uplink = uplink_s(options, u, swing)
    clock, free = _clock(options, uplink)
    energy = options.device_j(clock)
    energy = energy + options.power_w * uplink
    watts, gross = _watts(options, clock, free)
    marginal = _marginal(watts * options.unit_s / options.scale_hz, u, swing, options.cap_u)
    # The time left for the clock is a difference: its relative error grows as it shrinks.
    slack = np.maximum(options.left_s - uplink, 1e-300)
    power = 6.0 if options.exponent is None else np.maximum(6.0, 2.0 * options.exponent)
    harm = 1.0 + np.where(free, power * options.left_s / slack, 0.0)
    value = energy + price * share - ROUNDING * (harm * energy + price * share)
    error = ROUNDING * (harm + 2.0 / u) * marginal
    if options.fixed_j is not None:
        value = value + options.fixed_j * (1.0 - ROUNDING)
    if options.static_w is not None:
        error = error * (gross / watts)
    return value, price - marginal, share, error


def _marginal(scaled: Floats, u: Floats, swing: Floats, cap_u: float) -> Floats:
    """W unit/a times the fall of the uplink's time in the share; to the larger share at the cap."""
    free = scaled * (u + np.expm1(-u)) * np.square(swing / u)
    if cap_u == float("inf"):
        return np.asarray(free)
    return np.where(u > cap_u, scaled * np.square(swing) / cap_u, free)


def _clock(options: Options, uplink_s: Floats) -> tuple[Floats, Booleans]:
    """Least clock in time, never beyond twice the largest, and whether it is above the least."""
    asked = options.cycles / np.maximum(options.left_s - uplink_s, 1e-300)
    free = asked > options.clock_min_hz
    return np.where(free, np.minimum(asked, 2.0 * options.clock_max_hz), options.clock_min_hz), free


def _watts(options: Options, clock: Floats, free: Booleans) -> tuple[Floats, Floats]:
    """What one more second of uplink costs; and the same before what it spares of the static
    power.
    """
    faster = options.faster_w(clock)
    if options.static_w is None:
        watts = options.power_w + np.where(free, faster, 0.0)
        return watts, watts
    # Above the frugal clock the difference is not negative, but for rounding.
    spared = np.maximum(faster - options.static_w, 0.0)
    watts = options.power_w + np.where(free, spared, 0.0)
    return watts, options.power_w + np.where(free, faster + options.static_w, 0.0)


def _log_shape(u: Floats) -> Floats:
    """Ln of the marginal energy over W unit/a, without a cap."""
    return np.log(u + np.expm1(-u)) + 2.0 * np.log(np.expm1(u) / u)


_GRID_SHAPE = _log_shape(np.maximum(_GRID, 1e-4))
_GRID_SHAPE[_GRID < 1e-4] = np.log(0.5 * _GRID[_GRID < 1e-4] ** 2)
SHAPES = _GRID_SHAPE, _GRID
"""Ln of the marginal energy over W unit/a, and the spectral efficiency where it is that."""


def _stationary(options: Options, price: Floats | float, reach: Reach) -> Floats:
    """About where the slope vanishes: by table with the clock at its least, by secants beyond."""
    per_watt = np.log(options.unit_s / options.scale_hz) - np.log(price)
    target = -per_watt - np.log(options.power_w)
    u = np.interp(target, _GRID_SHAPE, _GRID)
    cap = options.cap_u
    if cap < float("inf"):
        # Beyond the cap (e^u - 1)²/L is the target; at the cap the marginal energy jumps over some.
        u = np.minimum(u, np.maximum(cap, np.log1p(np.exp(0.5 * (target + np.log(cap))))))
    at = np.clip(u, reach.least_u, reach.most_u)
    _, free = _clock(options, uplink_s(options, at, np.expm1(at)))
    some = np.flatnonzero(free & (options.unit_s > 0.0))
    if len(some):
        part = options[some]
        kink = (part.left_s - part.cycles / part.clock_min_hz) / part.unit_s
        low = np.where(kink > 1.0, efficiency_for(kink, cap), reach.least_u[some])
        u[some] = _secants(part, per_watt[some], np.maximum(low, reach.least_u[some]), at[some])
    return np.asarray(u)


def _secants(options: Options, per_watt: Floats, low: Floats, high: Floats) -> Floats:
    """Root of ln(marginal/price) in (low, high) by the Illinois method; an end where there is none,
    the cap where it is jumped over.
    """

    def beyond(u: Floats, capped: Booleans | bool) -> Floats:
        swing = np.expm1(u)
        clock, free = _clock(options, uplink_s(options, u, swing))
        shape = np.log(u + np.expm1(-u)) + 2.0 * np.log(swing / u)
        if options.cap_u < float("inf"):
            shape = np.where(capped, 2.0 * np.log(swing) - np.log(options.cap_u), shape)
        return np.asarray(np.log(_watts(options, clock, free)[0]) + shape + per_watt)

    low, cap = np.minimum(low * (1.0 + 1e-12), high), options.cap_u
    at_low, at_high = beyond(low, low >= cap), beyond(high, high > cap)
    ended = np.where(at_low >= 0.0, low, np.where(at_high <= 0.0, high, np.nan))
    capped: Booleans | bool = False
    if cap < float("inf"):
        inside = (low < cap) & (cap < high)
        ends = np.full(len(low), cap)
        before, after = beyond(ends, False), beyond(ends, True)
        ended = np.where(inside & (before <= 0.0) & (after >= 0.0), cap, ended)
        capped = (inside & (after < 0.0)) | (low >= cap)
        low, at_low = np.where(inside & capped, cap, low), np.where(inside & capped, after, at_low)
        under = inside & (before > 0.0)
        high, at_high = np.where(under, cap, high), np.where(under, before, at_high)
    side = np.zeros(len(low))
    for _ in range(_SECANTS):
        u = (low * at_high - high * at_low) / (at_high - at_low)
        here = beyond(u, capped)
        right = here > 0.0
        at_low = np.where(right & (side > 0.0), 0.5 * at_low, at_low)
        at_high = np.where(~right & (side < 0.0), 0.5 * at_high, at_high)
        low, at_low = np.where(right, low, u), np.where(right, at_low, here)
        high, at_high = np.where(right, u, high), np.where(right, here, at_high)
        side = np.where(right, 1.0, -1.0)
        if np.all((np.abs(here) < 1e-7) | (high - low < 1e-7 * high) | np.isfinite(ended)):
            break
    return np.where(np.isfinite(ended), ended, u)

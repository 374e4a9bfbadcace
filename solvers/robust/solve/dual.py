"""The bandwidth price: a concave dual in one variable, each value of it a proven lower bound.

L(price) = sum_n min_o min_b (E_no(b) + price b) - price B
"""

from copy import copy
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from solvers.arrays import Floats, Integers
from solvers.progress import Progress
from solvers.robust.solve.candidates import Candidates
from solvers.robust.solve.shares import ROUNDING

# Below this many options a pass is all overhead, so several prices are tried in one.
_BUNDLED = 2_000
_LADDER = 5.0 ** np.arange(-3, 4)
_OFFSETS = np.array([-0.1, -1e-3, 0.0, 1e-3, 0.1])  # in parts of the bracket
_PASSES = 60
# Options priced at once in a large cell: temporary arrays stay in the cache.
AT_ONCE = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class Dual:
    """The best bound found, and the two prices around it with the options users choose there."""

    bound_j: float
    price: float
    above: Integers  # (users,) choices where demand fits in the uplink
    # (users,) choices at the largest price where it does not; the same where no such price was met
    below: Integers
    between: tuple[float, float] | None  # those two prices; None where spectrum is free


class Relaxation:
    """Users who bracketed for the uplink."""

    def __init__(
        self,
        options: Candidates,
        bandwidth_hz: float,
        *,
        least_total_hz: float | None = None,
        progress: Progress | None = None,
    ) -> None:
        curves = options.curves
        self.options, self.progress = options, progress or Progress()
        self.bandwidth_hz = bandwidth_hz
        least = options.least(curves.surely_least_hz())
        # Nobody can have more than what the others' least shares leave: without this even one user
        # shows a false gap.
        most = bandwidth_hz * (1.0 + ROUNDING) - (
            (least.sum() if least_total_hz is None else least_total_hz) - least
        )
        self.x_least = curves.x_at(
            np.maximum(np.repeat(most, np.diff(options.first)), curves.least_hz)
        )

    def worth_sending(self) -> Self:
        """Without options that, even with the largest share for nothing, cost more than one that
        sends nothing.
        """
        curves = self.options.curves
        cheapest_j = curves.surely_j(self.x_least)
        silent_j = self.options.least(np.where(self.takes(), np.inf, cheapest_j))
        mask = cheapest_j <= np.repeat(silent_j, np.diff(self.options.first))
        return self.keep(mask)

    def takes(self) -> NDArray[np.bool_]:
        """Options that take anything of what users share."""
        return self.options.curves.sends

    def priceable(self) -> Self:
        """With the marginal energies that prices are compared with."""
        relaxation = copy(self)
        relaxation.options = replace(self.options, curves=self.options.curves.with_marginals())
        return relaxation

    def keep(self, mask: NDArray[np.bool_]) -> Self:
        """The same users with some options only, and the limits on shares they had."""
        relaxation = copy(self)
        relaxation.options, relaxation.x_least = self.options.keep(mask), self.x_least[mask]
        return relaxation

    def priced_j(self, prices: Floats) -> tuple[Floats, Floats]:
        """Least of E + price b of each option and the share there, (prices, options)."""
        parts = []
        for k in range(0, len(self.x_least), AT_ONCE):
            self.progress.tick()
            parts.append(self._priced_j(prices, slice(k, k + AT_ONCE)))
        if len(parts) == 1:
            return parts[0]
        return np.concatenate([p[0] for p in parts], axis=1), np.concatenate(
            [p[1] for p in parts], axis=1
        )

    def _priced_j(self, prices: Floats, some: slice) -> tuple[Floats, Floats]:
        curves, x_least, column = self.options.curves[some], self.x_least[some], prices[:, None]
        if prices.min() > 0.0:
            x, _ = curves.respond(np.log(column), x_least)
        else:
            x = np.broadcast_to(x_least, (len(prices), len(x_least)))
        return curves.priced_j(column, x, x_least)

    def first_price(self) -> float:
        """A price of the right size: the median marginal energy where all users have equal
        shares.
        """
        curves = self.options.curves
        x = np.maximum(curves.x_at(self.bandwidth_hz / self.options.users), self.x_least)
        marginal = curves.marginal_j_per_hz(x)[1][curves.sends]
        return float(np.median(marginal)) if len(marginal) else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One price: its bound, the excess demand and what users choose; each option's priced energy
    and share.
    """

    price: float
    bound_j: float
    excess_hz: float
    choice: Integers  # (users,)
    value_j: Floats  # (options,)
    share_hz: Floats  # (options,)

    def keep(self, mask: NDArray[np.bool_]) -> "Point":
        """The same point without options that no user chose in it."""
        return replace(
            self,
            choice=(np.cumsum(mask) - 1)[self.choice],
            value_j=self.value_j[mask],
            share_hz=self.share_hz[mask],
        )


def maximise(
    relaxation: Relaxation, tolerance: float, between: tuple[float, float] | None = None
) -> Dual:
    """Maximise L until no price can raise it by more than `tolerance`, relative.

    `between`: prices known to lie around the best one; the relaxation may then lack options that
    reduced costs fix at zero between them.
    """
    if between is not None:
        low, high = (points_at(relaxation, np.array([price]))[0] for price in between)
    else:
        free = points_at(relaxation, np.zeros(1))[0]
        if free.excess_hz <= ROUNDING * relaxation.bandwidth_hz * relaxation.options.users:
            return Dual(
                bound_j=free.bound_j, price=0.0, above=free.choice, below=free.choice, between=None
            )
        low, high = _bracket(relaxation, free)
    best = max(low, high, key=lambda point: point.bound_j)
    original = np.arange(len(relaxation.options.option))  # of the options not fixed yet
    previous = pruned = np.inf
    for step in range(_PASSES):
        meet = _where_tangents_meet(low, high)
        ceiling = low.bound_j + low.excess_hz * (meet - low.price)
        width = high.price / low.price - 1.0
        if ceiling - best.bound_j <= tolerance * abs(best.bound_j) or width <= 1e-14:
            break
        relaxation.progress.bound = best.bound_j
        if width < 0.3 * pruned:
            pruned = width
            mask = not_fixed(relaxation, low, high)
            if np.count_nonzero(mask) < 0.9 * len(mask):
                relaxation, original = relaxation.keep(mask), original[mask]
                low, high = low.keep(mask), high.keep(mask)
        prices = _tried(relaxation, low, high, meet, halve=width > 0.5 * previous, step=step)
        previous = width
        points = points_at(relaxation, prices)
        over = [point for point in (low, *points) if point.excess_hz > 0.0]
        fits = [point for point in (high, *points) if point.excess_hz <= 0.0]
        low = max(over, key=lambda point: point.price)
        high = min(fits, key=lambda point: point.price)
        best = max(best, *points, key=lambda point: point.bound_j)
    return Dual(
        bound_j=best.bound_j,
        price=best.price,
        above=original[high.choice],
        below=original[low.choice],
        between=(low.price, high.price),
    )


def _where_tangents_meet(low: Point, high: Point) -> float:
    """L lies below its tangents at both ends, which meet at the largest value it can still have."""
    fall = low.excess_hz - high.excess_hz
    rise = high.bound_j - low.bound_j + low.excess_hz * low.price - high.excess_hz * high.price
    return rise / fall


def _tried(
    relaxation: Relaxation, low: Point, high: Point, meet: float, *, halve: bool, step: int
) -> Floats:
    """Prices to try between two, all at once where options are few.

    Where demand is smooth its root is near a straight line in the logarithms; where a cut changes
    at the best price, the tangents find it.
    """
    logs = (
        np.log1p(low.excess_hz / relaxation.bandwidth_hz),
        np.log1p(max(high.excess_hz / relaxation.bandwidth_hz, -0.99)),
    )
    root = float(
        np.exp(np.interp(0.0, [-logs[0], -logs[1]], [np.log(low.price), np.log(high.price)]))
    )
    if len(relaxation.options.option) <= _BUNDLED:
        prices = np.concatenate(
            [centre + (high.price - low.price) * _OFFSETS for centre in (root, meet)]
        )
    elif halve:
        prices = np.array([np.sqrt(low.price * high.price)])
    else:
        prices = np.array([root if step % 2 else meet])
    prices = np.unique(prices[(prices > low.price) & (prices < high.price)])
    return prices if len(prices) else np.array([0.5 * (low.price + high.price)])


def not_fixed(relaxation: Relaxation, low: Point, high: Point) -> NDArray[np.bool_]:
    """Options that may be a user's best at some price between two.

    An option's priced energy is concave in the price, so it lies above its chord. The user's best
    is below both tangents of the options chosen at the ends. Chord less the lower tangent is convex
    with one corner, where the tangents meet: an option above at the ends and at the corner is above
    everywhere between.
    """
    counts = np.diff(relaxation.options.first)
    span = high.price - low.price
    at_low, slope_low = low.value_j[low.choice], low.share_hz[low.choice]
    at_high, slope_high = high.value_j[high.choice], high.share_hz[high.choice]
    with np.errstate(divide="ignore", invalid="ignore"):
        corner = (at_high - slope_high * span - at_low) / (slope_low - slope_high)
    corner = np.clip(np.where(slope_low > slope_high, corner, 0.0), 0.0, span)
    running = np.zeros(len(relaxation.options.option), dtype=bool)
    chord = (high.value_j - low.value_j) / span
    for at in (np.zeros(len(corner)), corner, np.full(len(corner), span)):
        ceiling = np.minimum(at_low + slope_low * at, at_high - slope_high * (span - at))
        running |= low.value_j + chord * np.repeat(at, counts) <= np.repeat(
            ceiling * (1.0 + 1e-11), counts
        )
    # Those chosen at the ends stay in any case: they are what the ends are made of.
    running[low.choice] = running[high.choice] = True
    return running


def _bracket(relaxation: Relaxation, free: Point) -> tuple[Point, Point]:
    """Two positive prices: demand exceeds the uplink at the first and fits at the second."""
    start = relaxation.first_price()
    if len(relaxation.options.option) <= _BUNDLED:
        points = points_at(relaxation, np.asarray(start * _LADDER))
    else:
        points = points_at(relaxation, np.array([start]))
    factor = _LADDER[1] / _LADDER[0]
    for _ in range(_PASSES):
        over = [point for point in points if point.excess_hz > 0.0]
        fits = [point for point in points if point.excess_hz <= 0.0]
        if over and fits:
            return over[-1], fits[0]
        factor *= 2.0
        end = np.array([points[-1].price * factor if over else points[0].price / factor])
        points = (
            [points[-1], *points_at(relaxation, end)]
            if over
            else [*points_at(relaxation, end), points[0]]
        )
    # Demand at a price of zero exceeds the uplink and the least shares fit, so such prices exist.
    raise ArithmeticError(
        f"no price up to {points[-1].price} J/Hz balances {free.excess_hz} Hz too many"
    )


def points_at(relaxation: Relaxation, prices: Floats) -> list[Point]:
    """Every user's best option at each price."""
    value, share = relaxation.priced_j(prices)
    choice = relaxation.options.best(value)
    best = np.take_along_axis(value, choice, axis=-1).sum(axis=-1)
    demand = np.take_along_axis(share, choice, axis=-1).sum(axis=-1)
    paid = prices * relaxation.bandwidth_hz
    bound = best - paid - ROUNDING * (np.abs(best) + paid)
    excess = demand - relaxation.bandwidth_hz
    # What rounding overdraws fits: least shares that leave nothing at all are still a plan.
    excess[(excess > 0.0) & (excess <= ROUNDING * relaxation.bandwidth_hz)] = 0.0
    return [
        Point(
            price=float(prices[k]),
            bound_j=float(bound[k]),
            excess_hz=float(excess[k]),
            choice=choice[k],
            value_j=value[k],
            share_hz=share[k],
        )
        for k in range(len(prices))
    ]

"""Large cells, by the kernel: a sample tells the price, a sweep drops what is nobody's choice near
it, and what is left is priced, completed and shared out.
"""

from dataclasses import dataclass

import numpy as np

from solvers.arrays import Floats, Integers
from solvers.compiled.library import Library
from solvers.outcome import Options
from solvers.progress import Progress, Stage
from solvers.robust.solve.kernel.cell import Cell
from solvers.robust.solve.kernel.demand import clipped, log_excess, sampled, secant, smooth
from solvers.robust.solve.kernel.plan import Found
from solvers.robust.solve.kernel.pricing import Point, Pricing, Swept
from solvers.robust.solve.kernel.splits import Plan, at_its_price, better, shared_out
from solvers.robust.solve.shares import ROUNDING

_DUAL_TOLERANCE = 1e-3
# To both sides of what a sample tells; a bracket that misses is moved.
_REACH = 0.1
_SWEEPS = 12
_PASSES = 60
_STALE = 2  # passes that may leave most of a bracket before it is halved
_TRIED_AT_ONCE = 4
# The parts of the gap asked for at which a plan is at its bound, and at which there is no point in
# looking for a better one between the choices to both sides of the price.
_AT_ITS_BOUND, _ENOUGH = 5e-3, 2e-2
# Up to so many users; what a single choice leaves open is less in larger cells.
_FEW = 10_000


@dataclass(slots=True)
class _Bracket:
    """Prices that were asked: the one of the best bound, and those next to both sides of where
    demand is the uplink.
    """

    low: float
    high: float
    best: Point
    over: Point | None = None
    fits: Point | None = None

    def met(self, point: Point) -> None:
        """One more price."""
        if point.bound_j > self.best.bound_j:
            self.best = point
        if point.excess_hz > 0.0:
            self.over, self.low = point, point.price
        else:
            self.fits, self.high = point, point.price

    @property
    def meet(self) -> tuple[float, float]:
        """Where the tangents of both sides meet: the price, and the most that any bound can be."""
        low, high = self.over, self.fits
        if low is None or high is None:
            return np.nan, np.inf
        fall = low.excess_hz - high.excess_hz
        rise = high.bound_j - low.bound_j + low.excess_hz * low.price - high.excess_hz * high.price
        price = rise / fall
        return price, low.bound_j + low.excess_hz * (price - low.price)

    def settled(self, part: float) -> bool:
        """Whether no price has a bound that is better by a part of it."""
        if self.over is None or self.fits is None:
            return False
        close = self.meet[1] - self.best.bound_j <= part * abs(self.best.bound_j)
        return bool(close or self.high / self.low - 1.0 <= 1e-14)


def planned(library: Library, cell: Cell, options: Options, progress: Progress) -> Found | None:
    """A plan with its bound, to be had with no more than prices; None where that needs another way:
    least shares do not fit, or spectrum is free, or the gap stays open.
    """
    progress.stage(Stage.SWEEP, 0.0, 0.2)
    pricing = Pricing(library, cell, progress)
    near = sampled(library, cell)
    if near is None:
        return None
    most = np.full(pricing.users, pricing.bandwidth_hz * (1.0 + ROUNDING))
    if near.tight:  # least shares may not fit, or hold what is left of the uplink
        least, surely = pricing.least()
        if not least.sum() <= pricing.bandwidth_hz:
            return None
        most = most[0] - (surely.sum() - surely)
    log_price, reach = near.log_price, _REACH
    for _ in range(_SWEEPS):
        progress.stage(Stage.SWEEP, 0.2, 0.5)
        price = float(np.exp(log_price))
        low, high = price / (1.0 + reach), price * (1.0 + reach)
        swept = pricing.between(low, price, high, most)
        if swept is None:
            return None
        progress.bound = swept.point.bound_j
        found = _priced(pricing, swept, _Bracket(low, high, swept.point), near.steep, most, options)
        if not isinstance(found, float):
            return found
        log_price, reach = found, 4.0 * reach
    return None


def _found(plan: Plan, bracket: _Bracket) -> Found:
    return Found(
        rows=plan.choice,
        share_hz=plan.share_hz,
        energy_j=plan.energy_j,
        price_j_per_hz=float(np.exp(plan.log_price)),
        bound_j=bracket.best.bound_j,
        dual_price_j_per_hz=bracket.best.price,
    )


def _priced(
    pricing: Pricing,
    swept: Swept,
    bracket: _Bracket,
    steep: float,
    most: Floats,
    options: Options,
) -> Found | float | None:
    """A plan next to its bound; the logarithm of a price, where the best is not between those that
    were swept; None where the gap stays open.
    """
    progress, gap, point = pricing.progress, options.gap, swept.point
    finer = gap * min(1.0, _FEW / pricing.users)
    progress.stage(Stage.PRICE, 0.5, 0.65)
    best: Plan | None = None
    stale, width = 0, np.inf
    for step in range(_PASSES):
        if bracket.settled(_DUAL_TOLERANCE * finer):
            break
        goal = float(np.log(point.price)) + log_excess(pricing, point) / clipped(steep)
        price = _tried(pricing, bracket, goal, step, halve=stale >= _STALE)
        if price is None:
            return goal
        before, point = point, pricing.at(price, most, swept.kept)
        bracket.met(point)
        progress.bound = bracket.best.bound_j
        steep = max(smooth(pricing, point), secant(pricing, before, point))
        plan = at_its_price(pricing, point, _AT_ITS_BOUND * finer * bracket.best.bound_j)
        best = better(best, plan)
        if best and _open_j(best, bracket) <= _AT_ITS_BOUND * finer * best.energy_j:
            return _found(best, bracket)
        before_width, width = width, bracket.high / bracket.low - 1.0
        stale = stale + 1 if width > 0.5 * before_width else 0
    return _completed(pricing, bracket, best, gap)


def _tried(
    pricing: Pricing, bracket: _Bracket, goal: float, step: int, *, halve: bool
) -> float | None:
    """A price to try: the goal (in its logarithm), where no bracket is known; None where that is
    beyond an end of what was swept that was tried.
    """
    low, high = bracket.over, bracket.fits
    if low is None or high is None:
        if bracket.low < float(np.exp(goal)) < bracket.high:
            return float(np.exp(goal))
        # Where only one side was met, it is at that side's end that nothing is left to try.
        end = bracket.low if goal <= np.log(bracket.low) else bracket.high
        return None if end in {some.price for some in (low, high) if some} else end
    if halve:
        price = float(np.sqrt(low.price * high.price))
    elif step % 2:
        price = bracket.meet[0]  # where a cut changes at the best price
    else:
        over, under = log_excess(pricing, low), log_excess(pricing, high)
        price = float(low.price * (high.price / low.price) ** (over / (over - under)))
    return price if low.price < price < high.price else 0.5 * (low.price + high.price)


def _open_j(plan: Plan, bracket: _Bracket) -> float:
    return plan.energy_j - bracket.best.bound_j


def _completed(pricing: Pricing, bracket: _Bracket, best: Plan | None, gap: float) -> Found | None:
    """The better of the choices above the price, where demand fits, and below it; where that leaves
    the gap open, the best on the way between them.
    """
    above, below = bracket.fits, bracket.over
    if above is None or below is None:
        return None
    pricing.progress.stage(Stage.COMPLETE, 0.65, 0.8)
    tied = np.nonzero(above.choice != below.choice)[0]
    for point in (above, below):
        best = better(best, at_its_price(pricing, point, np.inf))
    enough = _ENOUGH * gap
    if best is None or (len(tied) > 1 and _open_j(best, bracket) > enough * best.energy_j):
        best = better(best, _on_the_way(pricing, bracket, above, below, tied, enough))
    if best is None or _open_j(best, bracket) > 0.5 * gap * best.energy_j:
        return None
    return _found(best, bracket)


def _on_the_way(
    pricing: Pricing,
    bracket: _Bracket,
    above: Point,
    below: Point,
    tied: Integers,
    enough: float,
) -> Plan | None:
    """The best of plans in which more and more of those whose choice changes have changed it; or
    the first that is near enough its bound.
    """
    log_price = float(np.log(bracket.best.price))
    best: Plan | None = None
    first, last = 0, len(tied)
    while not pricing.progress.over():
        counts = np.unique(np.linspace(first, last, _TRIED_AT_ONCE + 1).astype(np.int64))
        energies = []
        for count in counts:
            choice = above.choice.copy()
            choice[tied[:count]] = below.choice[tied[:count]]
            plan = shared_out(pricing, choice, log_price)
            energies.append(np.inf if plan is None else plan.energy_j)
            best = better(best, plan)
            if best and _open_j(best, bracket) <= enough * best.energy_j:
                return best
        if last - first <= _TRIED_AT_ONCE:
            break
        k = int(np.argmin(energies))
        first, last = int(counts[max(k - 1, 0)]), int(counts[min(k + 1, len(counts) - 1)])
    return best

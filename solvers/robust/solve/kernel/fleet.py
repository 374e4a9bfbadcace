"""Large cells, by the kernel: a sample tells the price, a sweep drops what is nobody's choice near
it, and what is left is priced, completed and shared out.
"""

from dataclasses import dataclass, replace

import numpy as np

from solvers.arrays import Floats, Integers
from solvers.compiled.library import Library
from solvers.outcome import Options
from solvers.progress import Progress, Stage
from solvers.robust.budget import budget_of
from solvers.robust.problem import Problem
from solvers.robust.solve.candidates import laid_out
from solvers.robust.solve.kernel.cell import Cell
from solvers.robust.solve.kernel.plan import Found
from solvers.robust.solve.kernel.pricing import Kept, Point, Pricing
from solvers.robust.solve.shares import ROUNDING, SETTLED, share_out

_DUAL_TOLERANCE = 1e-3
_SAMPLE = 1_024
# The sample's price is good to about its square root; a bracket that misses is widened.
_REACH = 0.05
_SWEEPS = 12
_PASSES = 60
_SMOOTH = 3  # passes in which demand is taken for smooth
_STEPS = 100
_TRIED_AT_ONCE = 4
_LAST_PLACES = 4 * 2.0**-52


@dataclass(frozen=True, slots=True)
class _Plan:
    choice: Integers
    share_hz: Floats
    energy_j: float
    log_price: float


@dataclass(frozen=True, slots=True)
class _Priced:
    """Where the dual is at its best, and the choices to both sides of it."""

    bound_j: float
    price: float
    above: Integers
    below: Integers


def planned(library: Library, cell: Cell, options: Options, progress: Progress) -> Found | None:
    """A plan with its bound, to be had with no more than prices; None where that needs another way:
    least shares do not fit, or spectrum is free, or the gap stays open.
    """
    progress.stage(Stage.SWEEP, 0.0, 0.2)
    pricing = Pricing(library, cell, progress)
    least, surely = pricing.least()
    if not least.sum() <= pricing.bandwidth_hz:
        return None
    most = pricing.bandwidth_hz * (1.0 + ROUNDING) - (surely.sum() - surely)
    start = _sampled(library, cell)
    if start is None:
        return None
    swept = _swept(pricing, start, most)
    if swept is None:
        return None
    progress.stage(Stage.PRICE, 0.5, 0.65)
    dual = _maximised(pricing, *swept, most, _DUAL_TOLERANCE * options.gap)
    progress.bound = dual.bound_j
    progress.stage(Stage.COMPLETE, 0.65, 0.8)
    # As good as the bound is known; half the gap is enough.
    plan = _completed(pricing, dual, dual.bound_j / (1.0 - 20.0 * _DUAL_TOLERANCE * options.gap))
    if plan is None or plan.energy_j > dual.bound_j / (1.0 - 0.5 * options.gap):
        return None
    return Found(
        rows=plan.choice,
        share_hz=plan.share_hz,
        energy_j=plan.energy_j,
        price_j_per_hz=float(np.exp(plan.log_price)),
        bound_j=dual.bound_j,
        dual_price_j_per_hz=dual.price,
    )


def _sampled(library: Library, cell: Cell) -> float | None:
    """Near the best price: that of some of the users with their part of the uplink."""
    problem = cell.problem
    users = np.linspace(0, problem.users - 1, min(_SAMPLE, problem.users)).astype(np.int64)
    some = sample(problem, users)
    pricing = Pricing(library, Cell(some, cell.rows), Progress())
    _, surely = pricing.least()
    if not surely.sum() < some.bandwidth_hz:
        some = replace(some, bandwidth_hz=float(surely.sum()) * (1.0 + 1e-9))
        pricing = Pricing(library, Cell(some, cell.rows), Progress())
    most = pricing.bandwidth_hz * (1.0 + ROUNDING) - (surely.sum() - surely)
    free = pricing.at(0.0, most)
    if free.excess_hz <= 0.0:
        return None
    # Demand falls about as the root of the price: secant steps in the logarithms.
    log_price, low, high = float(np.log(free.bound_j / pricing.bandwidth_hz)), None, None
    for _ in range(_PASSES):
        point = pricing.at(float(np.exp(log_price)), most)
        excess = float(np.log1p(max(point.excess_hz / pricing.bandwidth_hz, -0.999)))
        if excess > 0.0:
            low = (log_price, excess)
        else:
            high = (log_price, excess)
        if abs(excess) < 2e-2 or (low and high and high[0] - low[0] < 2e-3):
            log_price += 2.0 * excess
            break
        if low and high:
            part = float(np.clip(low[1] / (low[1] - high[1]), 0.05, 0.95))
            log_price = low[0] + part * (high[0] - low[0])
        else:
            log_price += float(np.clip(2.0 * excess, -4.0, 4.0) + np.copysign(0.05, excess))
    return float(np.exp(log_price))


def sample(problem: Problem, users: Integers) -> Problem:
    """Some users of a cell with their part of the uplink."""
    columns = ("workload", "tx_power_w", "gain", "deadline_s", "risk", "correlation")
    optional = ("radio_power_w", "rate_hz", "max_loss")
    held = [name for name in optional if getattr(problem, name) is not None]
    return replace(
        problem,
        bandwidth_hz=problem.bandwidth_hz * len(users) / problem.users,
        **{name: getattr(problem, name)[users] for name in (*columns, *held)},
    )


def _swept(
    pricing: Pricing, price: float, most_hz: Floats
) -> tuple[Kept, tuple[Point, Point]] | None:
    """What is left between two prices around the best one, and these, without choices."""
    low, high, reach = price / (1.0 + _REACH), price * (1.0 + _REACH), _REACH
    for _ in range(_SWEEPS):
        pricing.progress.stage(Stage.SWEEP, 0.2, 0.5)
        kept, ends = pricing.between(low, high, most_hz)
        pricing.progress.bound = max(point.bound_j for point in ends)
        if ends[0].excess_hz > 0.0 >= ends[1].excess_hz:
            return kept, ends
        reach *= 4.0
        low, high = (
            (low / (1.0 + reach), low) if ends[0].excess_hz <= 0.0 else (high, high * (1.0 + reach))
        )
    return None


def _maximised(
    pricing: Pricing, kept: Kept, ends: tuple[Point, Point], most_hz: Floats, part: float
) -> _Priced:
    """The dual, to a part of the bound: its tangents and the root of the excess demand."""
    low, high = ends
    best = max(low, high, key=lambda point: point.bound_j)
    before = np.inf
    for step in range(_PASSES):
        fall = low.excess_hz - high.excess_hz
        rise = high.bound_j - low.bound_j + low.excess_hz * low.price - high.excess_hz * high.price
        meet = rise / fall
        ceiling = low.bound_j + low.excess_hz * (meet - low.price)
        width = high.price / low.price - 1.0
        if ceiling - best.bound_j <= part * abs(best.bound_j) or width <= 1e-14:
            break
        pricing.progress.bound = best.bound_j
        price = _tried(pricing, low, high, meet, halve=width > 0.5 * before, step=step)
        before = width
        point = pricing.at(price, most_hz, kept)
        best = max(best, point, key=lambda some: some.bound_j)
        low, high = (point, high) if point.excess_hz > 0.0 else (low, point)
    above, below = (
        point if len(point.choice) else pricing.at(point.price, most_hz, kept)
        for point in (high, low)
    )
    return _Priced(best.bound_j, best.price, above.choice, below.choice)


def _tried(
    pricing: Pricing, low: Point, high: Point, meet: float, *, halve: bool, step: int
) -> float:
    if halve:
        price = float(np.sqrt(low.price * high.price))
    elif step % 2 and step > _SMOOTH:
        price = meet  # where a cut changes at the best price
    else:
        over = np.log1p(low.excess_hz / pricing.bandwidth_hz)
        under = np.log1p(max(high.excess_hz / pricing.bandwidth_hz, -0.99))
        part = float(over / (over - under))
        if step and step <= _SMOOTH:  # beyond the root, to have it between two prices next to it
            part = min(4.0 * part, 0.5) if part < 0.5 else max(1.0 - 4.0 * (1.0 - part), 0.5)
        price = float(low.price * (high.price / low.price) ** part)
    return price if low.price < price < high.price else 0.5 * (low.price + high.price)


def _completed(pricing: Pricing, dual: _Priced, goal_j: float) -> _Plan | None:
    """The choices above the price, where demand fits, shared out; where that leaves the gap open,
    the best on the way to those below it.
    """
    log_price = float(np.log(dual.price))
    best = _shared_out(pricing, dual.above, log_price)
    if best is None or best.energy_j <= goal_j:
        return best
    tied = np.nonzero(dual.above != dual.below)[0]
    first, last = 0, len(tied)
    while last > first and not pricing.progress.over():
        counts = np.unique(np.linspace(first, last, _TRIED_AT_ONCE + 1).astype(np.int64))
        energies = []
        for count in counts:
            choice = dual.above.copy()
            choice[tied[:count]] = dual.below[tied[:count]]
            plan = _shared_out(pricing, choice, best.log_price)
            energies.append(np.inf if plan is None else plan.energy_j)
            if plan is not None and plan.energy_j < best.energy_j:
                best = plan
            if best.energy_j <= goal_j:
                return best
        if last - first <= _TRIED_AT_ONCE:
            break
        k = int(np.argmin(energies))
        first, last = int(counts[max(k - 1, 0)]), int(counts[min(k + 1, len(counts) - 1)])
    return best


def _shared_out(pricing: Pricing, choice: Integers, log_price: float) -> _Plan | None:
    """The uplink split among chosen rows at least energy, as `shares.share_out` does; None where
    their least shares do not fit.
    """
    whole = pricing.bandwidth_hz
    hint, least = np.zeros(pricing.users), np.full(pricing.users, np.nan)
    low, high = -np.inf, np.inf
    for _ in range(_STEPS):
        share, rate, (total, beyond, mobile) = pricing.respond(
            float(np.exp(log_price)), choice, hint, least
        )
        left = whole - float(total - beyond)
        if left < 0.0:
            return None
        over = float(beyond) - left
        excess = float(np.log1p(max(over / whole, -1.0 + 1e-16)))
        if excess > 0.0:
            low = log_price
        else:
            high = log_price
        if mobile <= 0.0:
            return _still(pricing, choice, log_price)
        newton = excess * total / mobile
        closed = np.isfinite(low) and high - low <= _LAST_PLACES * abs(low)
        if abs(newton) <= SETTLED or closed:
            break
        goal = log_price + float(np.clip(newton, -3.0, 3.0))
        if not low < goal < high and np.isfinite(low + high):
            goal = 0.5 * (low + high)
        log_price = goal
    # What so small a step leaves over goes to those who move with the price.
    off = -over / mobile
    share = np.maximum(share * (1.0 + np.maximum(off * rate, -0.5)), least)
    energy = pricing.energy_j(choice, share)
    return _Plan(choice, share, energy, log_price - off)


def _still(pricing: Pricing, choice: Integers, log_price: float) -> _Plan | None:
    """As `_shared_out`, by numpy, where everybody sits at a kink or an end."""
    problem = pricing.cell.problem
    users = np.arange(problem.users)
    budget = budget_of(problem, np.arange(problem.users + 1), users, choice)
    curves = laid_out(problem, budget)[0].curves[choice_of_all(problem)].with_marginals()
    shares = share_out(curves, problem.bandwidth_hz, log_price, pricing.progress)
    energy = float(shares.energy_j[0])
    if not np.isfinite(energy):
        return None
    return _Plan(choice, curves.share_hz(shares.x)[0], energy, float(shares.log_price[0]))


def choice_of_all(problem: Problem) -> Integers:
    """One plan in which everybody has the only option, (1, users)."""
    return np.arange(problem.users)[None, :]

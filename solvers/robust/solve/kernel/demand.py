"""How demand falls with the price: of all users, and of a sample that tells where to look."""

from dataclasses import dataclass, replace

import numpy as np

from solvers.arrays import Floats, Integers
from solvers.compiled.library import Library
from solvers.progress import Progress
from solvers.robust.problem import Problem
from solvers.robust.solve.kernel.cell import Cell
from solvers.robust.solve.kernel.pricing import Point, Pricing
from solvers.robust.solve.shares import ROUNDING

# A few users tell where to look, more of them where the price lies, to about the square root of
# their number.
_SAMPLES = ((64, 0.4), (512, 0.08))
_TIGHT = 0.5  # of the uplink
_PASSES = 60
_STEEP = (0.2, 8.0)  # -d ln demand/d ln price: about 1/2, more where choices change


@dataclass(frozen=True, slots=True)
class Near:
    """What a sample of the users tells."""

    log_price: float  # near the best
    steep: float  # -d ln demand/d ln price
    tight: bool  # whether least shares take most of the uplink


def sampled(library: Library, cell: Cell) -> Near | None:
    """Near the best price: that of some of the users with their part of the uplink; None where
    spectrum is free to them.
    """
    problem, near = cell.problem, None
    for most_users, close in _SAMPLES:
        users = np.linspace(0, problem.users - 1, min(most_users, problem.users)).astype(np.int64)
        some = sample(problem, users)
        pricing = Pricing(library, Cell(some, cell.rows), Progress())
        _, surely = pricing.least()
        tight = not surely.sum() < _TIGHT * some.bandwidth_hz
        if not surely.sum() < some.bandwidth_hz:
            some = replace(some, bandwidth_hz=float(surely.sum()) * (1.0 + 1e-9))
            pricing = Pricing(library, Cell(some, cell.rows), Progress())
        most = pricing.bandwidth_hz * (1.0 + ROUNDING) - (surely.sum() - surely)
        if near is None:
            free = pricing.at(0.0, most)
            if free.excess_hz <= 0.0:
                return None
            near = Near(float(np.log(free.bound_j / pricing.bandwidth_hz)), 0.5, tight)
        near = _sample_price(pricing, most, near, close, tight=tight or near.tight)
    return near


def _sample_price(pricing: Pricing, most: Floats, near: Near, close: float, *, tight: bool) -> Near:
    """Secant steps in the logarithms, until one is `close`."""
    everything, log_price, steep = pricing.everything(), near.log_price, near.steep
    low, high, before = -np.inf, np.inf, None
    for _ in range(_PASSES):
        point = pricing.at(float(np.exp(log_price)), most, everything)
        excess = log_excess(pricing, point)
        if before is not None:
            steep = secant(pricing, before, point)
        steep = max(smooth(pricing, point), steep)
        low, high = (log_price, high) if excess > 0.0 else (low, log_price)
        step, before = float(np.clip(excess / clipped(steep), -4.0, 4.0)), point
        goal = log_price + step
        if abs(step) < close or high - low < 2e-3:
            return Near(goal, steep, tight)
        log_price = goal if low < goal < high else 0.5 * (low + high)
    return Near(log_price, steep, tight)


def log_excess(pricing: Pricing, point: Point) -> float:
    return float(np.log1p(max(point.excess_hz / pricing.bandwidth_hz, -0.999)))


def smooth(pricing: Pricing, point: Point) -> float:
    """How steep demand is where no choice changes."""
    demand = point.excess_hz + pricing.bandwidth_hz
    return point.mobile_hz / demand if demand > 0.0 else 0.0


def secant(pricing: Pricing, one: Point, other: Point) -> float:
    """How steep demand is between two prices."""
    fall = log_excess(pricing, one) - log_excess(pricing, other)
    apart = float(np.log(other.price / one.price))
    return fall / apart if apart else 0.0


def clipped(steep: float) -> float:
    """A slope that a step can be taken with."""
    return float(np.clip(steep, *_STEEP))


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

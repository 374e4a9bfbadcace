"""The uplink split among chosen rows of a large cell."""

from dataclasses import dataclass

import numpy as np

from solvers.arrays import Floats, Integers
from solvers.robust.budget import budget_of
from solvers.robust.problem import Problem
from solvers.robust.solve.candidates import laid_out
from solvers.robust.solve.kernel.pricing import Point, Pricing
from solvers.robust.solve.shares import SETTLED, share_out

_STEPS = 100
_CORRECTIONS = 4
_LAST_PLACES = 4 * 2.0**-52
_NEXT_TO = 1e-2  # a plan is made of the choices at a price no further from its own
_OVERDRAWN, _LEFT = 1e-13, 1e-11  # of the uplink


@dataclass(frozen=True, slots=True)
class Plan:
    choice: Integers
    share_hz: Floats
    energy_j: float
    log_price: float


def better(one: Plan | None, other: Plan | None) -> Plan | None:
    """The cheaper of two plans that may be none."""
    if one is None or other is None:
        return one or other
    return min(one, other, key=lambda plan: plan.energy_j)


def at_its_price(pricing: Pricing, point: Point, most_j: float) -> Plan | None:
    """The plan of a point's choices; None where it costs more than `most_j` beyond their dual, to
    the second order.
    """
    if point.mobile_hz <= 0.0 or abs(point.excess_hz) > _NEXT_TO * point.mobile_hz:
        return None
    if 0.5 * point.price * point.excess_hz**2 / point.mobile_hz > most_j:
        return None
    return _handed_out(pricing, point)


def _handed_out(pricing: Pricing, point: Point) -> Plan | None:
    """The choices of a point with the uplink shared out, as its own price has it but for a little
    that goes to those who move with the price; None where that does not settle.
    """
    whole, share, moved = pricing.bandwidth_hz, point.share_hz.copy(), 0.0
    rest = -point.excess_hz
    for _ in range(_CORRECTIONS):
        off = rest / point.mobile_hz
        total, energy = pricing.hand_out(point, off, share)
        rest, moved = whole - total, moved + off
        if -_OVERDRAWN * whole <= rest <= _LEFT * whole and np.isfinite(energy):
            return Plan(point.choice, share, energy, float(np.log(point.price)) - moved)
    return None


def shared_out(pricing: Pricing, choice: Integers, log_price: float) -> Plan | None:
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
    return Plan(choice, share, energy, log_price - off)


def _still(pricing: Pricing, choice: Integers, log_price: float) -> Plan | None:
    """As `shared_out`, by numpy, where everybody sits at a kink or an end."""
    problem = pricing.cell.problem
    users = np.arange(problem.users)
    budget = budget_of(problem, np.arange(problem.users + 1), users, choice)
    curves = laid_out(problem, budget)[0].curves[choice_of_all(problem)].with_marginals()
    shares = share_out(curves, problem.bandwidth_hz, log_price, pricing.progress)
    energy = float(shares.energy_j[0])
    if not np.isfinite(energy):
        return None
    return Plan(choice, curves.share_hz(shares.x)[0], energy, float(shares.log_price[0]))


def choice_of_all(problem: Problem) -> Integers:
    """One plan in which everybody has the only option, (1, users)."""
    return np.arange(problem.users)[None, :]

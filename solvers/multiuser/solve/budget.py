"""Whether deadlines fit in the budgets at all, and which budget is short by how much.

The deadlines of chosen options need (B - a)(F - c) >= s² of the budgets (see `shares.need`). For any two prices,
sum_i min_o (p sqrt(A) + q sqrt(C))²/(D - t0) bounds p² X + q² Y from below over everything users can do. The best such
bound on the amount asked for is found by bisection on the angle of (p, q), and a walk between the choices on the two
sides of it gives a plan.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from solvers.multiuser.problem import Floats, Integers
from solvers.multiuser.solve.fleet import ROUNDING, Fleet
from solvers.multiuser.solve.primal import best_between

_HALVINGS = 50
_ENOUGH = 1e-9
# Amounts said to suffice are rounded up by this much: exactly at the edge prices would be infinite.
_NUDGE = 1.0 + 1e-6


@dataclass(frozen=True, slots=True)
class Ask:
    """An amount to keep small, as a fraction of the budgets there are."""

    amount: Callable[[Floats], Floats]  # of the needs (a, c, s)
    bound: Callable[[float, float, float], float]  # from the total at prices (p², q²)
    rises: Callable[[float, float], bool]  # whether the bound rises with q/p, given the demands for uplink and server
    hopeless: tuple[float, float] | None  # prices at which a total above 1 says that no amount is enough


@dataclass(frozen=True, slots=True)
class Need:
    """The amount needed at least (proven), the amount that `choice` makes do with."""

    bound: float
    found: float
    choice: Integers


def factor(sums: Floats) -> Floats:
    """Least k with (k - a)(k - c) >= s²."""
    a, c, s = sums
    return np.asarray(0.5 * (a + c + np.hypot(a - c, 2.0 * s)))


def uplink(sums: Floats) -> Floats:
    """Least B with (B - a)(1 - c) >= s²; infinite where the server alone is too small."""
    a, c, s = sums
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(c < 1.0, a + s * s / (1.0 - c), np.inf)


def server(sums: Floats) -> Floats:
    """Least F with (1 - a)(F - c) >= s²; infinite where the uplink alone is too small."""
    a, c, s = sums
    return uplink(np.stack([c, a, s]))


FACTOR = Ask(factor, lambda total, p, q: total / (p * p + q * q), lambda up, on: on > up, None)
UPLINK = Ask(uplink, lambda total, p, q: (total - q * q) / (p * p), lambda _, on: on > 1.0, (0.0, 1.0))
SERVER = Ask(server, lambda total, p, q: (total - p * p) / (q * q), lambda up, _: up < 1.0, (1.0, 0.0))


def least(fleet: Fleet, ask: Ask, rng: np.random.Generator, enough: Callable[[Need], bool] = lambda _: False) -> Need:
    """The least amount with which all deadlines can be kept, or until `enough` is known."""
    everyone = np.arange(fleet.users)

    def terms(choice: Integers, users: Integers) -> Floats:
        chosen = fleet.chosen(choice, users)
        with np.errstate(divide="ignore", invalid="ignore"):
            up = np.where(chosen.root_uplink > 0.0, chosen.root_uplink**2 / chosen.room_s, 0.0)
            on = np.where(chosen.root_server > 0.0, chosen.root_server**2 / chosen.room_s, 0.0)
        return np.stack([up, on, np.sqrt(up * on)])

    def found(choice: Integers) -> Need:
        return Need(0.0, float(ask.amount(terms(choice, everyone).sum(axis=1))), choice)

    def total(p: float, q: float) -> tuple[float, Integers]:
        value, choice = fleet.best(lambda block: fleet.need(block, p, q))
        return value * (1.0 - ROUNDING), choice

    best, bound = Need(0.0, np.inf, np.zeros(fleet.users, dtype=np.int64)), 0.0
    low, high = 0.0, np.pi / 2
    sides: dict[bool, Integers] = {}
    for _ in range(_HALVINGS):
        angle = 0.5 * (low + high)
        p, q = float(np.cos(angle)), float(np.sin(angle))
        value, choice = total(p, q)
        bound = max(bound, ask.bound(value, p, q))
        best = min(best, found(choice), key=lambda need: need.found)
        if enough(Need(bound, best.found, best.choice)) or best.found - bound <= _ENOUGH * best.found:
            break
        a, c, s = terms(choice, everyone).sum(axis=1)
        rises = ask.rises(float(a + s * q / p), float(c + s * p / q))
        sides[rises] = choice
        low, high = (angle, high) if rises else (low, angle)
    if len(sides) == 2:
        best = min(
            best, found(best_between(fleet, sides[False], sides[True], rng, terms, ask.amount)), key=lambda n: n.found
        )
    if best.found == np.inf and ask.hopeless is not None and total(*ask.hopeless)[0] > 1.0:
        bound = np.inf
    return Need(bound, best.found * _NUDGE, best.choice)

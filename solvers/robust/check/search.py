"""Closes the gap that the dual leaves in a small cell, with the check's own bound."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from solvers.arrays import Booleans, Floats, Integers
from solvers.compiled.library import library
from solvers.robust.check import kernel
from solvers.robust.check.curves import Reach, least_at_each_j, least_j
from solvers.robust.check.options import EXACT, Options
from solvers.robust.check.rival import rivals
from solvers.robust.problem import Decision, Problem

_ROUNDING = 1e-14  # relative, of a sum
# Combinations open at once; with more the dual's bound has to do. Fewer in plain cells, whose
# bounds were answered with so many.
_NODES, _PLAIN_NODES = 1024, 256
_UNSEEN = 32
_PRICES = np.exp(np.array([0.0, 0.03, -0.03, 0.1, -0.1, 0.4, -0.4]))
_BEAM = 8  # of them followed then
# Of the search for each combination's own price: how many steps, and how far from the likely ones
# in ln price. Options that hardly fit, or leave room, have theirs far away; plain cells keep the
# bounds that they were answered with.
_RANGES = ((10, 1.0), (20, 8.0))


@dataclass(frozen=True, slots=True)
class Bound:
    """What no plan goes below, and plans that seem cheaper than the one held against it."""

    energy_j: float
    rivals: tuple[Decision, ...] = ()


def search(
    problem: Problem,
    likely: Sequence[float],
    servers: Sequence[Floats],
    goal_j: float,
    root_j: float,
    options: Options,
    reach: Reach,
    detour_j: Floats,
) -> Bound:
    """Least bound of all combinations of options [J], no more than `goal_j` where all are above.

    `detour_j` is what each option costs, at the first of the likely prices, beyond its user's best.

    Users are taken one after the other, those with few choices first. Each price bounds a
    combination, so that the best of several does; those below the goal that the servers' budgets
    leave room for stay open. What is left at the end gets a price of its own: with the options
    fixed its dual has no gap.
    """
    # An option whose detour costs more than the gap is in no better plan.
    alive = root_j + detour_j < goal_j
    if not alive.all():
        options, reach = options[alive], reach[alive]
    prices = np.concatenate([likely[0] * _PRICES, likely[1:]])
    values, paid = _priced(problem, options, reach, prices, servers)
    order, chosen, at_likely, complete = _opened(problem, options, values, paid, goal_j)
    if len(chosen) == 0:
        return Bound(goal_j if complete else root_j)
    for steps, apart in _RANGES[:1] if options.plain else _RANGES:
        own, log_price = _at_own_price(
            problem, prices, goal_j, chosen, options, reach, steps=steps, apart=apart
        )
        bound = np.maximum(own, at_likely)
        if bound.min() >= goal_j:
            return Bound(goal_j if complete else root_j)
    first = int(bound.argmin())
    of_users = chosen[first][np.argsort(order)]
    found = rivals(problem, options[of_users], reach[of_users], float(np.exp(log_price[first])))
    return Bound(float(bound[first]) if complete else root_j, found)


def _opened(
    problem: Problem, options: Options, values: Floats, paid: Floats, goal_j: float
) -> tuple[Integers, Integers, Floats, bool]:
    """Order of the users; the combinations of options that may be below the goal,
    (combinations, users) in this order; their bounds; and whether these are all of them.

    `values` are those of the options at some prices, of which all budgets cost `paid`.
    """
    users = len(problem.workload)
    start = np.searchsorted(options.user, np.arange(users + 1))
    most = _PLAIN_NODES if options.plain else _NODES
    if options.load is None and (compiled := library()) is not None:
        order = np.argsort(np.diff(start), kind="stable")
        limits = {"most": most, "beam": _BEAM, "unseen": _UNSEEN}
        return order, *kernel.opened(compiled, values, start, order, paid, goal_j, **limits)
    least = np.minimum.reduceat(values, start[:-1])
    ahead = np.add.reduce(least, axis=0)
    slack = _ROUNDING * (ahead + paid)
    budget = _Budget(problem, options, start)
    order, complete = np.argsort(np.diff(start), kind="stable"), True
    # Who has one option left has no choice: those are taken together.
    settled = int(np.searchsorted(np.diff(start)[order], 1, side="right"))
    chosen = np.empty((1, users), dtype=np.int64)
    chosen[0, :settled] = start[order[:settled]]
    sums = values[chosen[:, :settled]].sum(axis=1)
    ahead = ahead - sums[0]
    budget.take(order[:settled])
    for taken in range(settled, users + 1):
        if taken > settled:
            user = order[taken - 1]
            own = np.arange(start[user], start[user + 1])
            ahead = ahead - least[user]
            sums = (sums[:, None, :] + values[own]).reshape(-1, len(paid))
            chosen = chosen.repeat(len(own), axis=0)
            chosen.reshape(-1, len(own), users)[:, :, taken - 1] = own
            budget.take(order[taken - 1 : taken])
            # What is left out costs no less with more users, so few are looked at later.
            if taken < users and len(sums) <= _UNSEEN and options.load is None:
                continue
        below = (sums + (ahead - paid - slack)).max(axis=1)
        alive = below < goal_j
        if options.load is not None:
            alive &= budget.room(chosen[:, :taken])
        kept = np.flatnonzero(alive)
        if len(kept) > most:
            # Nothing more is proven, but the most promising may still make a cheaper plan.
            kept, complete = kept[np.argsort(below[kept], kind="stable")[:_BEAM]], False
        sums, chosen = sums[kept], chosen[kept]
        if len(sums) == 0:
            break
    return order, chosen, (sums - paid - slack).max(axis=1), complete


class _Budget:
    """What the servers have room for while users are taken one after the other."""

    def __init__(self, problem: Problem, options: Options, start: Integers) -> None:
        self.load = options.load
        if self.load is not None:
            self.least = np.minimum.reduceat(self.load, start[:-1])
            self.ahead = self.least.sum(axis=0)
            self.end = np.asarray(problem.server_capacity) * (1.0 + EXACT)

    def take(self, users: Integers) -> None:
        """Count users among those that were taken."""
        if self.load is not None:
            self.ahead = self.ahead - self.least[users].sum(axis=0)

    def room(self, chosen: Integers) -> Booleans:
        """Which combinations leave every server time for what the others ask of it at least."""
        assert self.load is not None
        busy = self.load[chosen].sum(axis=1) + self.ahead
        return np.asarray(np.all(busy <= self.end + _ROUNDING * busy, axis=1))


def _priced(
    problem: Problem,
    options: Options,
    reach: Reach,
    prices: Floats,
    servers: Sequence[Floats],
) -> tuple[Floats, Floats]:
    """Least energy and price of every option at every price [J], (options, prices); and what all
    budgets cost at each.

    With servers every price of spectrum is tried at each of their prices.
    """
    every, paid = least_at_each_j(options, prices, reach), prices * problem.bandwidth_hz
    if options.load is None:
        return every, paid
    capacity = np.asarray(problem.server_capacity)
    busy = [options.with_servers_j(np.zeros(len(options.user)), price) for price in servers]
    return (
        np.hstack([every + one[:, None] for one in busy]),
        np.concatenate([paid + price @ capacity for price in servers]),
    )


def _at_own_price(
    problem: Problem,
    prices: Floats,
    goal_j: float,
    chosen: Integers,
    options: Options,
    reach: Reach,
    *,
    steps: int,
    apart: float,
) -> tuple[Floats, Floats]:
    """Best bound of each combination (combinations, users) over its own price.

    The bound is concave in the price and rises while the combination asks for more than there is:
    the root of ln(demand/uplink) in ln(price) by the Illinois method. Any price gives a bound. Also
    a price at which each combination fits in the uplink.
    """
    some, within = options[chosen.ravel()], reach[chosen.ravel()]
    best = np.full(len(chosen), -np.inf)

    def excess(log_price: Floats) -> Floats:
        own = np.exp(log_price)
        value, share = least_j(some, np.repeat(own, chosen.shape[1]), within)
        total = value.reshape(chosen.shape).sum(axis=1)
        paid = own * problem.bandwidth_hz
        np.maximum(best, total - paid - _ROUNDING * (total + paid), out=best)
        demand = share.reshape(chosen.shape).sum(axis=1)
        return np.asarray(np.log(np.maximum(demand / problem.bandwidth_hz, 1e-9)))

    low = np.full(len(chosen), np.log(prices.min()) - apart)
    high = np.full(len(chosen), np.log(prices.max()) + apart)
    at_low, at_high = excess(low), excess(high)
    side = np.zeros(len(chosen))
    for _ in range(steps):
        with np.errstate(divide="ignore", invalid="ignore"):
            at = (low * at_high - high * at_low) / (at_high - at_low)
        at = np.where((at > low) & (at < high), at, 0.5 * (low + high))
        here = excess(at)
        if best.min() >= goal_j:
            break
        more = here > 0.0
        at_high = np.where(more & (side > 0.0), 0.5 * at_high, at_high)
        at_low = np.where(~more & (side < 0.0), 0.5 * at_low, at_low)
        low, at_low = np.where(more, at, low), np.where(more, here, at_low)
        high, at_high = np.where(more, high, at), np.where(more, at_high, here)
        side = np.where(more, 1.0, -1.0)
    return best, high

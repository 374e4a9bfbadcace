"""A price for what users share: the bound it proves, and the choices on both sides of it."""

import numpy as np

from solvers.arrays import Floats, Integers

_HALVINGS = 100
ROUNDING = 1e-13


def known(cost: Floats, demand: Floats) -> tuple[Floats, Floats]:
    """The same with levels that a user does not have infinite in cost alone."""
    cost = np.where(np.isfinite(demand), cost, np.inf)
    return cost, np.where(np.isfinite(cost), demand, 0.0)


def total(values: Floats) -> float:
    return float(values.sum())


def at(values: Floats, choice: Integers) -> Floats:
    return np.asarray(np.take_along_axis(values, choice[:, None], axis=1)[:, 0])


def _chosen(cost: Floats, demand: Floats, mu: float) -> Integers:
    """Each user's best level at a price; of equals the one that takes least."""
    priced = cost + mu * demand
    best = priced.min(axis=1, keepdims=True)
    return np.asarray(np.where(priced <= best, demand, np.inf).argmin(axis=1))


def ascended(
    cost: Floats, demand: Floats, capacity: float, price: float
) -> tuple[float, float, Integers, Integers]:
    """The best price with its bound, and the choices below and above it: too much, and that fits
    (or as much as is bought).
    """

    def bound(mu: float, choice: Integers) -> float:
        paid = mu * at(demand, choice)
        size = total(at(cost, choice)) + total(paid) + mu * capacity
        return total(at(cost, choice)) + total(paid) - mu * capacity - ROUNDING * size

    low, over = 0.0, _chosen(cost, demand, 0.0)
    if total(at(demand, over)) <= capacity:
        return 0.0, bound(0.0, over), over, over
    finite = cost[np.isfinite(cost)]
    high = float(finite.max() + 1.0) / max(capacity, 1e-300)
    while total(at(demand, fits := _chosen(cost, demand, min(high, price)))) > capacity:
        if high >= price or high > 1e290:
            break
        low, over, high = high, fits, high * 16.0
    high = min(high, price)
    best = max(
        ((mu, bound(mu, some)) for mu, some in ((low, over), (high, fits))), key=lambda one: one[1]
    )
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high) if low > 0.0 or high < 1e-250 else high / 16.0
        if not low < middle < high:
            break
        some = _chosen(cost, demand, middle)
        value = bound(middle, some)
        best = (middle, value) if value > best[1] else best
        if total(at(demand, some)) > capacity:
            low, over = middle, some
        else:
            high, fits = middle, some
        if np.array_equal(over, fits) or high - low <= 1e-15 * high:
            break
    return *best, over, fits

"""Prices near the best where users are many: L smoothed, and climbed by Newton's method.

In place of its best option every user takes a mixture, its options weighted by exp(-value/T). The
smoothed bound is concave and has two derivatives, which are those of what everybody takes together;
as T falls its maximum goes to that of L. With many users T can be so low that hardly any of them
mixes, long before the kinks of single users are met.
"""

from dataclasses import dataclass

import numpy as np

from solvers.arrays import Floats
from solvers.robust.solve.servers.served import Offer, Response, Served

# Temperatures, in parts of what a user spends.
COARSE = (0.03, 3e-3, 1e-3)
FINE = (1e-3, 3e-4, 1e-4)
FINEST = (1e-4, 1e-5, 2e-6)
_STEPS = 20  # at each temperature
# How far from its budget what is taken of each may be, in parts of it, before the next temperature
# is tried; and at the last.
_BALANCED, _BALANCED_AT_LAST = 0.1, 1e-3
_HALVINGS = 8
_NEAR = 0.1  # of the logarithm of the uplink's price: beyond, options are priced again
_SETTLED = 1e-4
_LEAST = 1e-6  # price of a budget, in parts of what all spend, that is as good as none


@dataclass(frozen=True, slots=True)
class _Climb:
    """The smoothed bound at some prices, with its derivatives in what is paid for each budget."""

    paid_j: Floats  # (budgets,) price times budget: uplink first, then servers
    bound_j: float
    slope: Floats  # (budgets,)
    curvature: Floats  # (budgets, budgets)


def climb(
    relaxation: Served, start: tuple[float, Floats], temperatures: tuple[float, ...]
) -> Offer:
    """Prices at which the smoothed bound is at its best for the last temperature, from `start`:
    prices of the uplink and of the servers.
    """
    budgets = np.concatenate(([relaxation.bandwidth_hz], relaxation.capacity_s))
    paid = np.concatenate(([start[0]], start[1])) * budgets
    response = relaxation.response(start[0])
    unit = max(float(np.abs(relaxation.options.least(response.energy_j)).mean()), 1e-300)
    for temperature in temperatures:
        last = temperature == temperatures[-1]
        for _ in range(_STEPS):
            paid, settled = _climbed(
                relaxation,
                response,
                paid,
                temperature * unit,
                _BALANCED_AT_LAST if last else _BALANCED,
            )
            price = float(paid[0] / budgets[0])
            moved = abs(np.log(price / response.price)) if price * response.price > 0.0 else 1.0
            if price == response.price or (settled and moved <= (_SETTLED if last else _NEAR)):
                break
            response = relaxation.response(price)
    prices = paid / budgets
    if response.price != prices[0]:
        response = relaxation.response(float(prices[0]))
    return relaxation.offer(response.price, prices[1:], response.energy_j, response.share_hz)


def chances(relaxation: Served, offer: Offer, temperature: float) -> Floats:
    """What everybody's mixture has of each option at some prices, (options,)."""
    counts, first = np.diff(relaxation.options.first), relaxation.options.first[:-1]
    least = relaxation.options.least(offer.value_j)
    unit = max(float(np.abs(least).mean()), 1e-300) * temperature
    odds = np.exp(np.maximum((np.repeat(least, counts) - offer.value_j) / unit, -700.0))
    return np.asarray(odds / np.repeat(np.add.reduceat(odds, first), counts))


def _climbed(
    relaxation: Served, response: Response, paid_j: Floats, temperature_j: float, balanced: float
) -> tuple[Floats, bool]:
    """Newton's steps from some prices, as far as a response to one price of the uplink says what is
    asked for at others; and whether they came to an end.
    """
    budgets = np.concatenate(([relaxation.bandwidth_hz], relaxation.capacity_s))
    here = _at(relaxation, response, paid_j, budgets, temperature_j)
    whole = abs(here.bound_j) + float(paid_j.sum())
    for _ in range(_STEPS):
        free = (here.paid_j > 0.0) | (here.slope > 0.0)
        if np.all(np.abs(here.slope[free]) <= balanced):
            return here.paid_j, True
        step, after = _step(here, whole), here
        for _ in range(_HALVINGS):
            after = _at(relaxation, response, here.paid_j + step, budgets, temperature_j)
            if after.bound_j > here.bound_j:
                break
            step = 0.4 * step
        if after.bound_j - here.bound_j <= 1e-13 * abs(here.bound_j):
            return here.paid_j, True
        here = after
        price = float(here.paid_j[0] / budgets[0])
        if not 1.0 - _NEAR <= price / max(response.price, 1e-300) <= 1.0 + _NEAR:
            return here.paid_j, False
    return here.paid_j, True


def _at(
    relaxation: Served,
    response: Response,
    paid_j: Floats,
    budgets: Floats,
    temperature_j: float,
) -> _Climb:
    """The smoothed bound at some prices."""
    options, prices = relaxation.options, paid_j / budgets
    response = response.near(float(prices[0]))
    value = response.energy_j + relaxation.load_s @ prices[1:]
    first, counts = options.first[:-1], np.diff(options.first)
    least = options.least(value)
    odds = np.exp(np.maximum((np.repeat(least, counts) - value) / temperature_j, -700.0))
    total = np.add.reduceat(odds, first)
    chance = odds / np.repeat(total, counts)
    # Options that hardly anybody takes are left out of what follows.
    taken = np.nonzero(chance > 1e-9)[0]
    chance = chance[taken]
    parts = (
        np.concatenate((response.share_hz[taken, None], relaxation.load_s[taken]), axis=1) / budgets
    )
    weighted = chance[:, None] * parts
    mean = np.add.reduceat(weighted, np.searchsorted(taken, first), axis=0)
    curvature = (mean.T @ mean - parts.T @ weighted) / temperature_j
    curvature[0, 0] -= float(chance @ response.falls[taken]) / budgets[0] ** 2
    return _Climb(
        paid_j=paid_j,
        bound_j=float((least - temperature_j * np.log(total)).sum() - paid_j.sum()),
        slope=mean.sum(axis=0) - 1.0,
        curvature=curvature,
    )


def _step(here: _Climb, whole_j: float) -> Floats:
    """Newton's step within trust, none below a price of nothing."""
    paid, count = here.paid_j, len(here.paid_j)
    reference = 0.02 * whole_j / count
    up = np.maximum(paid, reference)
    down = np.where(paid > _LEAST * whole_j, 0.7 * paid, paid)
    free = (paid > 0.0) | (here.slope > 0.0)
    damping = 1e-9 * np.abs(np.diag(here.curvature)).max() + 1e-300
    matrix = -here.curvature + damping * np.eye(count)
    for _ in range(count):
        step = np.zeros(count)
        mine = np.nonzero(free)[0]
        if len(mine) == 0:
            return step
        step[mine] = np.linalg.solve(matrix[np.ix_(mine, mine)], here.slope[mine])
        stuck = free & (paid <= 0.0) & (step < 0.0)
        if not stuck.any():
            break
        free &= ~stuck
    longest = float(np.max(np.where(step > 0.0, step / up, -step / np.maximum(down, 1e-300))))
    scaled = step / max(longest, 1.0)
    return np.maximum(scaled, -paid)

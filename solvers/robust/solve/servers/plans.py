"""Plans that keep the budgets of servers: the mixture of the best prices rounded, mended where it
takes too much, and improved by exchanges of one user and of two.
"""

import itertools
from dataclasses import dataclass

import numpy as np

from solvers.arrays import Floats, Integers
from solvers.robust.budget import FULL
from solvers.robust.solve.primal import Plan, best_of
from solvers.robust.solve.servers.master import ServerDual
from solvers.robust.solve.servers.served import Served

_COMBINED = 512  # ways to round a mixture that are looked at
_PLANNED = 16  # of them that are shared out
_STEPS = 400  # changes until a choice keeps the budgets
_PAIRED = 96  # changes of single users of which pairs are made
_TRIED_AT_ONCE = 8
_ROUNDS = 50


@dataclass(frozen=True, slots=True)
class Needs:
    """What every option takes of the uplink at least and of each server, in parts of the budgets,
    (options, budgets).
    """

    relaxation: Served
    parts: Floats

    @classmethod
    def of(cls, relaxation: Served) -> "Needs":
        """Those of a relaxation."""
        least = relaxation.options.curves.least_hz / relaxation.bandwidth_hz
        load = relaxation.load_s / (relaxation.capacity_s * FULL)
        return cls(relaxation, np.concatenate((least[:, None], load), axis=1))

    def beyond(self, used: Floats) -> Floats:
        """How far uses (..., budgets) exceed the budgets, together."""
        return np.asarray(np.maximum(used - 1.0, 0.0).sum(axis=-1))


def first_plan(relaxation: Served, dual: ServerDual) -> Plan | None:
    """The best rounding of the mixture that keeps the budgets, or one mended; None where neither
    is found.
    """
    needs, offer = Needs.of(relaxation), dual.offer
    log_price = float(np.log(offer.price)) if offer.price > 0.0 else 0.0
    choices = _rounded(relaxation, dual.weight)
    fit = relaxation.fit(choices)
    if not fit.any():
        mended = [mend(needs, choice, offer.value_j) for choice in choices[:_TRIED_AT_ONCE]]
        fitting = [choice for choice in mended if choice is not None and relaxation.fit(choice)]
        if not fitting:
            return None
        choices, fit = np.array(fitting), np.ones(len(fitting), dtype=bool)
    choices = choices[fit]
    cheapest = np.argsort(offer.energy_j[choices].sum(axis=1), kind="stable")[:_PLANNED]
    plan, _ = best_of(relaxation, choices[cheapest], log_price)
    return plan if np.isfinite(plan.energy_j) else None


def _rounded(relaxation: Served, weight: Floats) -> Integers:
    """Ways to give every user one option of its mixture, the likeliest first, (ways, users)."""
    options = relaxation.options
    likeliest = options.best(-weight)
    user, split = options.user(), np.nonzero((weight > 1e-6) & (weight < 1.0 - 1e-6))[0]
    several = [split[user[split] == n] for n in np.unique(user[split])]
    # Those split most evenly first.
    several.sort(key=lambda mine: float(weight[mine].max()))
    several = [mine for mine in several if len(mine) > 1]
    while np.prod([len(mine) for mine in several], dtype=float) > _COMBINED:
        several.pop()
    choices = likeliest[None, :]
    if several:
        ways = np.array(list(itertools.product(*several)), dtype=np.int64)
        choices = np.repeat(choices, len(ways), axis=0)
        choices[:, user[[mine[0] for mine in several]]] = ways
        chance = weight[ways].prod(axis=1)
        choices = choices[np.argsort(-chance, kind="stable")]
    return choices


def mend(
    needs: Needs, choice: Integers, value_j: Floats, some: Integers | None = None
) -> Integers | None:
    """Change one user after the other until the budgets are kept; None where no change helps.

    `some`: the options that users may change to; default: all. Every change is the cheapest that
    ends the excess or, where none does, the one that takes most of it away for its cost.
    """
    options, choice = needs.relaxation.options, choice.copy()
    some = np.arange(len(options.option)) if some is None else some
    user = np.searchsorted(options.first, some, side="right") - 1
    used = needs.parts[choice].sum(axis=0)
    tiny = 1e-12 * float(np.abs(value_j[choice]).mean())
    for _ in range(_STEPS):
        beyond = float(needs.beyond(used))
        if beyond == 0.0:
            return choice
        after = needs.beyond(used + needs.parts[some] - needs.parts[choice[user]])
        dearer = value_j[some] - value_j[choice[user]]
        if np.any(after == 0.0):
            k = int(np.where(after == 0.0, dearer, np.inf).argmin())
        else:
            k = int(((beyond - after) / np.maximum(dearer, tiny)).argmax())
            if not after[k] < beyond * (1.0 - 1e-12):
                return None
        choice[user[k]] = some[k]
        used = needs.parts[choice].sum(axis=0)
    return None


def exchange(relaxation: Served, plan: Plan, server_prices: Floats, stop_at_j: float) -> Plan:
    """Change the options of one user, or of two together, while that saves energy and keeps the
    budgets, until `stop_at_j` is reached.

    At the plan's own price of the uplink no change saves more than its difference there, so that
    only those with a gain are shared out.
    """
    needs = Needs.of(relaxation)
    for _ in range(_ROUNDS):
        if plan.energy_j <= stop_at_j or relaxation.progress.over():
            return plan
        relaxation.progress.objective = plan.energy_j
        price = float(np.exp(plan.log_price)) if np.isfinite(plan.log_price) else 0.0
        value = relaxation.energies(np.array([price]))[0][0]
        choices = _changes(needs, plan, value, server_prices)
        if len(choices) == 0:
            return plan
        better, _ = best_of(relaxation, choices, plan.log_price if price > 0.0 else 0.0)
        if not better.energy_j < plan.energy_j * (1.0 - 1e-14):
            return plan
        plan = better
    return plan


def _changes(needs: Needs, plan: Plan, value_j: Floats, server_prices: Floats) -> Integers:
    """Choices that differ from the plan's in one or two users and promise most, (changes,
    users).
    """
    relaxation, choice = needs.relaxation, plan.choice
    user = relaxation.options.user()
    dearer = value_j - value_j[choice[user]]
    asked = dearer + (relaxation.load_s - relaxation.load_s[choice[user]]) @ server_prices
    asked[choice] = np.inf
    few = np.argsort(asked, kind="stable")[:_PAIRED]
    few = few[np.isfinite(asked[few])]
    used = needs.parts[choice].sum(axis=0)
    change = needs.parts[few] - needs.parts[choice[user[few]]]
    one, other = np.triu_indices(len(few))
    alone = one == other
    gain = -dearer[few[one]] - np.where(alone, 0.0, dearer[few[other]])
    together = change[one] + np.where(alone, 0.0, 1.0)[:, None] * change[other]
    good = (alone | (user[few[one]] != user[few[other]])) & (gain > 1e-13 * plan.energy_j)
    good[good] &= np.all(used + together[good] <= 1.0, axis=-1)
    found = np.nonzero(good)[0]
    found = found[np.argsort(-gain[found], kind="stable")[:_TRIED_AT_ONCE]]
    choices = np.repeat(choice[None, :], len(found), axis=0)
    for row, k in zip(choices, found, strict=True):
        row[user[few[one[k]]]] = few[one[k]]
        row[user[few[other[k]]]] = few[other[k]]
    return choices

"""Plans that keep the budgets of servers: the mixture of the best prices rounded, mended where it
takes too much, and improved by exchanges of one user and of two.
"""

import itertools
from dataclasses import dataclass

import numpy as np

from solvers.arrays import Floats, Integers
from solvers.robust.budget import FULL
from solvers.robust.solve.primal import Plan, best_of
from solvers.robust.solve.servers.served import Offer, Served

# Users of all plans together up to which several are shared out, or changed, at once.
_SEVERAL = 200_000
_COMBINED = 512  # ways to round a mixture that are looked at
_PLANNED = 16  # of them that are shared out
_STEPS = 1_000  # changes until a choice keeps the budgets
_PAIRED_MENDING = 400  # changes of each of two kinds of which pairs are made to keep the budgets
_PAIRED = 96  # changes of single users of which pairs are made
_TRIED_AT_ONCE = 8
_ROUNDS = 50
_FILLING = 256  # changes of single users of which pairs are made, in a crowd
_TOGETHER = 0.3  # worth of what is left in one server beyond as much left in several
_AT_A_TIME = 64  # of those pairs
_IDLE = 31  # times in a row that none is found
_FILLED = 400  # changes until the servers are full


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


def first_plan(relaxation: Served, offer: Offer, weight: Floats) -> Plan | None:
    """The best rounding of the mixture that keeps the budgets, or one mended; None where neither
    is found.
    """
    needs = Needs.of(relaxation)
    log_price = float(np.log(offer.price)) if offer.price > 0.0 else 0.0
    choices = _rounded(relaxation, weight)
    fit = relaxation.fit(choices)
    if not fit.any():
        mended = [mend(needs, choice, offer.value_j) for choice in choices[:_TRIED_AT_ONCE]]
        fitting = [choice for choice in mended if relaxation.fit(choice)]
        if not fitting:
            return None
        choices, fit = np.array(fitting), np.ones(len(fitting), dtype=bool)
    choices = choices[fit]
    cheapest = np.argsort(offer.energy_j[choices].sum(axis=1), kind="stable")[
        : _several(relaxation, _PLANNED)
    ]
    plan, _ = best_of(relaxation, choices[cheapest], log_price)
    return plan if np.isfinite(plan.energy_j) else None


def _several(relaxation: Served, most: int) -> int:
    """How many plans to share out at once."""
    return max(1, min(most, _SEVERAL // relaxation.options.users))


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


def mend(needs: Needs, choice: Integers, value_j: Floats, some: Integers | None = None) -> Integers:
    """Change one user after the other until the budgets are kept, or no change helps any more.

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
        change = needs.parts[some] - needs.parts[choice[user]]
        after = needs.beyond(used + change)
        dearer = value_j[some] - value_j[choice[user]]
        if np.any(after == 0.0):
            found = np.array([np.where(after == 0.0, dearer, np.inf).argmin()])
        else:
            found = np.array([((beyond - after) / np.maximum(dearer, tiny)).argmax()])
            if not after[found[0]] < beyond * (1.0 - 1e-12):
                found = _mending_pair(used, change, user, dearer)
        choice[user[found]] = some[found]
        used = used + change[found].sum(axis=0)
        if not needs.beyond(used) < beyond * (1.0 - 1e-12):
            break
    return choice


def _mending_pair(used: Floats, change: Floats, user: Integers, dearer: Floats) -> Integers:
    """Where no single change helps: one that relieves a full budget, and one that makes room for it
    in another; the two that leave least beyond the budgets, (2,).
    """
    over = used > 1.0
    relief = -change[:, over].sum(axis=1)
    relieving = np.nonzero(relief > 0.0)[0]
    relieving = relieving[np.argsort(dearer[relieving], kind="stable")[:_PAIRED_MENDING]]
    # Changes that take from a budget that is kept, of each budget some.
    source = np.where(over, np.inf, change).argmin(axis=1)
    takes = np.take_along_axis(change, source[:, None], axis=1)[:, 0] < 0.0
    order = np.lexsort((dearer, source))
    order = order[takes[order]]
    if len(relieving) == 0 or len(order) == 0:
        return np.zeros(0, dtype=np.int64)
    begin = np.concatenate(([0], np.nonzero(np.diff(source[order]))[0] + 1))
    rank = np.arange(len(order)) - np.repeat(begin, np.diff([*begin, len(order)]))
    making = order[rank < _PAIRED_MENDING // change.shape[1]]
    left = np.zeros((len(relieving), len(making)))
    for k in range(change.shape[1]):
        both = used[k] - 1.0 + change[relieving, k, None] + change[None, making, k]
        left += np.maximum(both, 0.0)
    left[user[relieving, None] == user[None, making]] = np.inf
    one, other = np.unravel_index(int(left.argmin()), left.shape)
    return np.array([relieving[one], making[other]])


def several(relaxation: Served) -> Integers:
    """The options of users who have a choice."""
    counts = np.diff(relaxation.options.first)
    return np.nonzero(np.repeat(counts > 1, counts))[0]


def _worth_together(
    relaxation: Served, loads: Floats, server_prices: Floats
) -> tuple[Floats, float]:
    """What each budget is worth, and how much the square of what is left of it is, per joule;
    `loads`: what options pay servers.
    """
    paid = np.concatenate(([0.0], server_prices * relaxation.capacity_s))
    typical = float(loads[loads > 0.0].mean()) if np.any(loads > 0.0) else 1.0
    return paid, _TOGETHER / max(typical, 1e-300)


def fill(
    relaxation: Served, choice: Integers, value_j: Floats, server_prices: Floats, enough_j: float
) -> Integers:
    """Change the options of one user, or of two together, while that is cheaper at a price of the
    uplink and keeps the budgets, until no more than `enough_j` can be gained.

    In a crowd a change hardly moves the price. What costs most there is what is left of the servers
    when nobody fits in any more, some of each. Users of other loads change places until it is
    together in few servers, where one more finds room: so a square of what each has left counts as
    gained, for a part of it.
    """
    needs, some = Needs.of(relaxation), several(relaxation)
    user = np.searchsorted(relaxation.options.first, some, side="right") - 1
    asked = value_j + relaxation.load_s @ server_prices
    least_j = float(relaxation.options.least(asked).sum() - server_prices @ relaxation.capacity_s)
    paid, together = _worth_together(relaxation, (asked - value_j)[some], server_prices)
    choice, used = choice.copy(), needs.parts[choice].sum(axis=0)
    best, best_j = choice.copy(), float(value_j[choice].sum())
    now_j, idle = best_j, 0
    for step in range(_FILLED):
        if best_j - least_j <= enough_j or relaxation.progress.over():
            break
        chosen = choice[user]
        detour = np.where(chosen == some, np.inf, asked[some] - asked[chosen])
        near = np.argsort(detour, kind="stable")[: 16 * _FILLING]
        few = np.roll(near, -step * _FILLING // 2)[:_FILLING]
        few = some[few[np.isfinite(detour[few])]]
        found = _best_pairs(needs, choice, few, value_j, _AT_A_TIME, used, paid, together)
        idle = 0 if len(found) else idle + 1
        if idle > _IDLE:
            break
        changed: set[int] = set()
        for pair in found:
            both = np.unique(pair)
            users = np.searchsorted(relaxation.options.first, both, side="right") - 1
            after = used + (needs.parts[both] - needs.parts[choice[users]]).sum(axis=0)
            # Those before may have taken the room, or the users.
            if changed.intersection(users.tolist()) or np.any(after > 1.0):
                continue
            changed.update(users.tolist())
            now_j += float((value_j[both] - value_j[choice[users]]).sum())
            used, choice[users] = after, both
        if now_j < best_j:
            best, best_j = choice.copy(), now_j
    return best


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
    found = _best_pairs(needs, choice, few, value_j, _several(relaxation, _TRIED_AT_ONCE), used)
    choices = np.repeat(choice[None, :], len(found), axis=0)
    for row, changed in zip(choices, found, strict=True):
        row[user[changed]] = changed
    return choices


def _best_pairs(
    needs: Needs,
    choice: Integers,
    few: Integers,
    value_j: Floats,
    most: int,
    used: Floats,
    paid_j: Floats | None = None,
    together: float = 0.0,
) -> Integers:
    """The pairs of some options that save most in place of what their users chose, and keep the
    budgets, (pairs, 2); twice the same where one change is all.

    `paid_j`, `together`: what each budget is worth, and how much the square of what is left of it
    is, per joule.
    """
    user = np.searchsorted(needs.relaxation.options.first, few, side="right") - 1
    room = 1.0 - used
    change = needs.parts[few] - needs.parts[choice[user]]
    saved = value_j[choice[user]] - value_j[few]
    one, other = np.triu_indices(len(few))
    alone = (one != other).astype(float)  # 0 where there is no other
    found = np.nonzero((alone == 0.0) | (user[one] != user[other]))[0]
    gain = saved[one[found]] + alone[found] * saved[other[found]]
    for k in range(len(room)):
        both = change[one[found], k] + alone[found] * change[other[found], k]
        fits = both <= room[k]
        found, both, gain = found[fits], both[fits], gain[fits]
        if paid_j is not None:
            # (room - both)² - room²
            gain = gain + together * paid_j[k] ** 2 * both * (both - 2.0 * room[k])
    good = gain > 1e-13 * float(np.abs(value_j[choice[user]]).max(initial=0.0))
    found, gain = found[good], gain[good]
    found = found[np.argsort(-gain, kind="stable")[:most]]
    return np.stack((few[one[found]], few[other[found]]), axis=1)

"""Plans of cells with many users, from prices near the best.

Nearly everybody has one option that is best, or several that are as good as each other: these are
shared out in the parts that balance the budgets, a user at a time. What that leaves over or
overdraws is made good by a few users who hardly mind.
"""

from dataclasses import replace

import numpy as np

from solvers.arrays import Booleans, Floats, Integers
from solvers.outcome import Options
from solvers.robust.solve.primal import Plan, best_of
from solvers.robust.solve.servers.plans import Needs, fill, mend, several
from solvers.robust.solve.servers.served import Offer, Served
from solvers.robust.solve.servers.smooth import FINEST, chances

_OPEN = 1_000  # users of each kind who make good what is left over
_CLOSE = 1e-3  # options of theirs, in parts of what a user spends beyond the nearest other
_LESS = 0.8  # of what one option pays servers, for another to take less of them
_TRIED_ALL_WAYS = 5_000  # users, up to which all margins are tried
_ROUNDS = 6
_ENOUGH = 0.2  # of what a plan may cost beyond the bound, left to what servers have room for
_SETTLED = 0.999  # chance of the option of a user who does not mix
_SELDOM = 1e-3  # chance of an option that is left out
# By so much of them less of the servers is shared out at first, and their prices are raised.
_MARGINS = (0.0, 1e-3, 5e-3, 0.02, 0.1)
_WARM = FINEST[-1]  # temperature of the mixtures that are shared out


def crowded(
    relaxation: Served, offer: Offer, options: Options
) -> tuple[Served, Plan, float, Offer] | None:
    """The relaxation, a plan of its options, a bound on all plans and the prices that prove it;
    None where the few do not suffice to keep the budgets.
    """
    goal = offer.bound_j / (1.0 - 0.5 * options.gap)
    relaxation.progress.bound = offer.bound_j
    found: tuple[Plan, Integers] | None = None
    for margin in _MARGINS:
        dearer = relaxation.offer(
            offer.price, offer.server_prices * (1.0 + margin), offer.energy_j, offer.share_hz
        )
        chance = chances(relaxation, dearer, _WARM)
        choice = _shared_out(relaxation, dearer, chance, 1.0 - margin)
        mask = _open(relaxation, offer, choice, _OPEN)
        kept = np.nonzero(mask)[0]
        some, value = relaxation.keep(mask), offer.value_j[mask]
        choice = mend(Needs.of(some), np.searchsorted(kept, choice), value, several(some))
        if not some.fit(choice):
            continue
        log_price = float(np.log(offer.price)) if offer.price > 0.0 else 0.0
        plan, _ = best_of(some, choice[None, :], log_price)
        plan = _filled(some, plan, offer, goal)
        if found is None or plan.energy_j < found[0].energy_j:
            found = plan, kept
        # In a crowd one way is as good as another; among few users chance decides.
        if plan.energy_j <= goal or relaxation.options.users > _TRIED_ALL_WAYS:
            break
    if found is None:
        return None
    plan, kept = found
    return relaxation, replace(plan, choice=kept[plan.choice]), offer.bound_j, offer


def _filled(relaxation: Served, plan: Plan, offer: Offer, goal_j: float) -> Plan:
    """The plan with its servers filled, as far as that makes it cheaper."""
    enough = _ENOUGH * max(goal_j - offer.bound_j, 0.0)
    for _ in range(_ROUNDS):
        if plan.energy_j <= goal_j or relaxation.progress.over():
            break
        price = float(np.exp(plan.log_price)) if np.isfinite(plan.log_price) else 0.0
        value = relaxation.energies(np.array([price]))[0][0]
        choice = fill(relaxation, plan.choice, value, offer.server_prices, enough)
        better, _ = best_of(relaxation, choice[None, :], plan.log_price if price > 0.0 else 0.0)
        if not better.energy_j < plan.energy_j * (1.0 - 1e-12):
            break
        plan = better
    return plan


def _shared_out(relaxation: Served, offer: Offer, chance: Floats, most: float) -> Integers:
    """One option for each user, so that what all take is what their mixtures take, and no more than
    the budgets, of servers a part of them.

    Users who mix are taken one after the other: each takes that of its options which leaves least
    of the difference so far, as errors are diffused in print.
    """
    options = relaxation.options
    choice = options.best(-chance)
    budgets = np.concatenate(([relaxation.bandwidth_hz], relaxation.capacity_s))
    parts = np.concatenate((offer.share_hz[:, None], relaxation.load_s), axis=1) / budgets
    mixed = np.nonzero(chance[choice] < _SETTLED)[0]
    if len(mixed) == 0:
        return choice
    total = chance @ parts
    # Budgets that mean something are met to the last; of the others there may be something left.
    priced = np.concatenate(([offer.price], offer.server_prices)) > 0.0
    goal = np.concatenate(([1.0], np.full(len(offer.server_prices), most)))
    drift = np.where(priced | (total > goal), goal - total, 0.0) / len(mixed)
    owed = np.zeros(len(budgets))
    first = options.first
    for n in mixed.tolist():
        some = slice(first[n], first[n + 1])
        mine, odds = parts[some], chance[some]
        owed += odds @ mine + drift
        left = owed - mine
        miss = np.einsum("ij,ij->i", left, left)
        miss[odds < _SELDOM] = np.inf
        k = int(miss.argmin())
        choice[n] = first[n] + k
        owed = left[k]
    return choice


def _open(relaxation: Served, offer: Offer, choice: Integers, most: int) -> Booleans:
    """What everybody does, and what the users might do instead who mind least: to go elsewhere, to
    leave more to a server, and to leave less.
    """
    options = relaxation.options
    counts = np.diff(options.first)
    least = options.least(offer.value_j)
    detour = offer.value_j - np.repeat(least, counts)
    paid = relaxation.load_s @ offer.server_prices
    now = np.repeat(paid[choice], counts)
    other = np.ones(len(detour), dtype=bool)
    other[choice] = False
    mask = np.zeros(len(detour), dtype=bool)
    servers, mine = relaxation.load_s.shape[1], relaxation.load_s[choice]
    # The server that each user is at, and none.
    at = np.where(np.any(mine > 0.0, axis=1), mine.argmax(axis=1), servers)
    for kind in (other, other & (paid < _LESS * now), other & (_LESS * paid > now)):
        minds = options.least(np.where(kind, detour, np.inf))
        users = _first_of_each(minds, at, most // (servers + 1))
        close = np.zeros(len(counts))
        close[users] = _CLOSE * float(np.abs(least).mean()) + minds[users]
        mask |= detour < np.repeat(close, counts)
    mask[choice] = True
    return np.asarray(mask)


def _first_of_each(minds: Floats, at: Integers, most: int) -> Integers:
    """The users of each server who mind least, so many of each at most."""
    order = np.lexsort((minds, at))
    begin = np.concatenate(([0], np.nonzero(np.diff(at[order]))[0] + 1))
    rank = np.arange(len(order)) - np.repeat(begin, np.diff([*begin, len(order)]))
    users = order[rank < most]
    return np.asarray(users[np.isfinite(minds[users])])

"""Choices that fill the budgets: path relinking between the choices at different prices, then
exchanges of one and two users.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from solvers.arrays import Floats, Integers
from solvers.multiuser.solve.chosen import peak
from solvers.multiuser.solve.fleet import Fleet
from solvers.multiuser.solve.shares import clear_all

_MOVES = 320  # single moves that are looked at in pairs
_TRIED = 12  # of the most promising, cleared exactly
_EXCHANGES = 60
_CHUNK = 32_768


@dataclass(frozen=True, slots=True)
class Incumbent:
    """Choices with their cost at the best shares and the square roots of their prices."""

    cost: float
    choice: Integers
    root: tuple[float, float]


def cleared(fleet: Fleet, choice: Integers, near: tuple[float, float]) -> Incumbent:
    """Choices at their best shares; infinite cost where not allowed, too many switch, or the
    budgets are too small.
    """
    if not permitted(fleet, choice):
        return Incumbent(np.inf, choice, near)
    cost, p, q = clear_all(fleet, choice, *near)
    return Incumbent(cost, choice, (p, q))


def permitted(fleet: Fleet, choice: Integers) -> bool:
    """Whether everyone may choose so, each alone and all in the number of switches."""
    users = np.arange(fleet.users)
    if fleet.allowed is not None and not np.all(fleet.allowed[users, choice]):
        return False
    return bool(_switches(fleet, choice).sum() <= fleet.most_switches)


def when_permitted(fleet: Fleet, choice: Integers, value: Floats) -> Floats:
    """Values of choices (choices, users), infinite where too many switch."""
    if fleet.max_switches is None:
        return value
    return np.where(_switches(fleet, choice).sum(axis=-1) <= fleet.most_switches, value, np.inf)


def relink(fleet: Fleet, start: Incumbent, other: Integers, rng: np.random.Generator) -> Incumbent:
    """Path relinking: change users one by one, in random order, into another choice and stop where
    the total is least.

    At the best prices many users may be indifferent and all take the same side; the best plan
    splits them. Along the way the total is known in closed form after every single change.
    """
    choice = best_between(
        fleet,
        start.choice,
        other,
        rng,
        lambda c, u: fleet.chosen(c, u).terms(*start.root),
        lambda c: fleet.sums(c, *start.root),
        lambda sums: peak(sums)[0],
    )
    trial = cleared(fleet, choice, start.root)
    return trial if trial.cost < start.cost else start


def best_between(
    fleet: Fleet,
    one: Integers,
    other: Integers,
    rng: np.random.Generator,
    terms: Callable[[Integers, Integers], Floats],
    total: Callable[[Integers], Floats],
    worth: Callable[[Floats], Floats],
) -> Integers:
    """The best of all choices met when users change from one choice to another in random order.

    `terms(choice, users)` (terms, users) add up to what `worth` (terms, ...) values; `total` says
    what those of everybody add up to.
    """
    sums = total(one)
    differ = rng.permutation(np.flatnonzero(one != other))
    switches = int(_switches(fleet, one).sum())
    best, stop, passed = float(worth(sums)), 0, 0
    for part in _parts(differ):
        along = sums[:, None] + np.cumsum(terms(other[part], part) - terms(one[part], part), axis=1)
        count = switches + np.cumsum(
            _switches(fleet, other[part], part) - _switches(fleet, one[part], part)
        )
        value = np.where(count <= fleet.most_switches, worth(along), np.inf)
        at = int(np.argmin(value))
        if value[at] < best:
            best, stop = float(value[at]), passed + at + 1
        sums, switches, passed = along[:, -1], int(count[-1]), passed + len(part)
    choice = one.copy()
    choice[differ[:stop]] = other[differ[:stop]]
    return choice


def _parts(users: Integers) -> Iterator[Integers]:
    for start in range(0, len(users), _CHUNK):
        yield users[start : start + _CHUNK]


def exchange(fleet: Fleet, start: Incumbent, enough: Callable[[Incumbent], bool]) -> Incumbent:
    """Move one user or two at once to other options while that helps, or until `enough`."""
    best = start
    for _ in range(_EXCHANGES):
        if enough(best):
            break
        better = _best_exchange(fleet, best)
        if better is None:
            break
        best = better
    return best


def _best_exchange(fleet: Fleet, now: Incumbent) -> Incumbent | None:
    user, option = _moves(fleet, now)
    if not len(user):
        return None
    change = fleet.chosen(option, user).terms(*now.root) - fleet.chosen(
        now.choice[user], user
    ).terms(*now.root)
    # Every move changes the sums by a vector of its own, and two moves of different users by both.
    sums = fleet.sums(now.choice, *now.root)[:, None]
    single = peak(sums + change)[0]
    i, j = np.triu_indices(len(user), k=1)
    apart = user[i] != user[j]
    i, j = i[apart], j[apart]
    double = peak(sums + change[:, i] + change[:, j])[0]
    value = np.concatenate([single, double])
    first, second = (
        np.concatenate([np.arange(len(user)), i]),
        np.concatenate([np.arange(len(user)), j]),
    )
    for at in np.argsort(value)[:_TRIED]:
        if not value[at] < now.cost * (1.0 - 1e-13):
            return None
        choice = now.choice.copy()
        choice[user[first[at]]] = option[first[at]]
        choice[user[second[at]]] = option[second[at]]
        trial = cleared(fleet, choice, now.root)
        if trial.cost < now.cost * (1.0 - 1e-13):
            return trial
    return None


def _moves(fleet: Fleet, now: Incumbent) -> tuple[Integers, Integers]:
    """The moves of single users that cost least at the present prices."""
    users, options, costs = (
        [np.empty(0, dtype=np.int64)],
        [np.empty(0, dtype=np.int64)],
        [np.empty(0)],
    )
    for block in fleet.blocks():
        cost = fleet.cost(block, *now.root)
        row = np.arange(len(cost))
        cost -= cost[row, now.choice[block]][:, None]
        cost[row, now.choice[block]] = np.inf
        flat = cost.ravel()
        near = (
            np.argpartition(flat, _MOVES - 1)[:_MOVES]
            if len(flat) > _MOVES
            else np.arange(len(flat))
        )
        near = near[np.isfinite(flat[near])]
        users.append(block.start + near // fleet.options)
        options.append(near % fleet.options)
        costs.append(flat[near])
    least = np.argsort(np.concatenate(costs), kind="stable")[:_MOVES]
    return np.concatenate(users)[least], np.concatenate(options)[least]


def _switches(fleet: Fleet, choice: Integers, users: slice | Integers = slice(None)) -> Integers:
    if fleet.previous is None:
        return np.zeros(np.shape(choice), dtype=np.int64)
    previous = fleet.previous[users]
    return np.asarray((previous >= 0) & (previous != choice), dtype=np.int64)

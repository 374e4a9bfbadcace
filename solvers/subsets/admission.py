"""Whom to serve where not everybody can be: the most valuable users who fit together."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from solvers.arrays import Floats, Integers
from solvers.progress import Progress
from solvers.subsets.conflicts import Fits
from solvers.subsets.levels import cheapest

# Cells up to this size are settled by conflicts, one after the other, as far as tests go.
_SETTLED = 40
_TESTS = 400
_NODES = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """Users who can be served together, and what is proven of their value."""

    users: Integers  # rising
    value: float
    at_most: float  # proven: no users who can be served together are worth more
    alone: Integers = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    """Users who cannot be served even alone, where that is told."""
    checked_at_most: float = np.inf
    """What an independent check proves by itself."""

    @property
    def proven(self) -> bool:
        """Whether nobody else would be worth more, but for rounding."""
        return self.at_most - self.value <= 1e-9 * max(self.at_most, 1e-300)


def of_sums(value: Floats, demand: Floats, capacity: float, progress: Progress) -> Admission:
    """The most valuable users whose demands add up to no more than there is: the knapsack problem,
    settled as `levels.cheapest` settles it. Of users worth nothing those who ask least are taken
    while there is room.

    Parameters
    ----------
    value : (users,) what each is worth, not negative.
    demand : (users,) what each takes at least; infinite where nothing would do.
    capacity : what they share, in the unit of demands.
    """
    nothing = np.zeros(len(value))
    possible = demand <= capacity
    cost = np.stack((np.where(possible, 0.0, np.inf), value), axis=1)
    levels = cheapest(cost, np.stack((demand, nothing), axis=1), capacity, progress)
    assert levels is not None  # everybody may be left out
    served = levels.choice == 0
    rest = np.flatnonzero(~served & possible)
    rest = rest[np.argsort(demand[rest], kind="stable")]
    room = capacity - float(demand[served].sum())
    served[rest[np.cumsum(demand[rest]) <= room]] = True
    while demand[served].sum() > capacity:  # summed otherwise than above, by the last digit
        free = np.flatnonzero(served & (demand > 0.0))
        served[free[value[free].argmin()]] = False
    total, worth = float(value.sum()), float(value[served].sum())
    return Admission(
        users=np.flatnonzero(served),
        value=worth,
        at_most=worth if levels.proven else max(total - levels.at_least, worth),
    )


def of_tests(value: Floats, demands: Floats, fits: Fits, progress: Progress) -> Admission:
    """Valuable users who can be served together, where that takes tests of sets.

    Whom one resource alone has room for bounds the value of all (the least of these bounds). In
    cells of up to 40 users, as long as there are tests left, who is left out has to hit every
    conflict that was found: the cheapest such users are left out, and either the others can be
    served, and nothing is better, or they show another conflict (logic-based Benders
    decomposition). Otherwise users are taken by value for what they ask, as long as they fit.

    Parameters
    ----------
    value : (users,) what each is worth, not negative.
    demands : (proofs, users) parts of some resource, as `conflicts.of_tests` has them.
    fits : the test of what can be served.
    """
    search = _Search(value, demands, fits, progress)
    bounds = [of_sums(value, row, 1.0, progress) for row in demands]
    tightest = min(bounds, key=lambda some: some.at_most)
    if search.fit(tightest.users):
        return Admission(
            users=tightest.users,
            value=tightest.value,
            at_most=max(tightest.at_most, tightest.value),
        )
    best = search.greedy()
    at_most = tightest.at_most
    if len(value) <= _SETTLED:
        best, settled = search.settled(best, at_most)
        at_most = min(at_most, settled)
    worth = float(value[best].sum())
    return Admission(users=best, value=worth, at_most=max(at_most, worth))


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """Users who can be served together once the others are left out, at a cost."""

    users: Integers  # rising
    cost: float  # of those who are left out
    at_least: float  # proven: leaving out others costs no less


def without_some(price: Floats, demands: Floats, fits: Fits, progress: Progress) -> Kept | None:
    """Who stays where leaving others out is cheap, as `of_tests` finds it; None where nobody would,
    or where it takes somebody who must stay.

    Parameters
    ----------
    price : (users,) of leaving out each, not negative; infinite for who must stay.
    demands, fits : as `of_tests` has them.
    """
    sold = np.isfinite(price)
    # Who must stay is worth more than all the others.
    asked = np.where(sold, price, 1.0 + 2.0 * price[sold].sum())
    kept = of_tests(asked, demands, fits, progress)
    dropped = np.setdiff1d(np.arange(len(price)), kept.users)
    if len(kept.users) == 0 or not sold[dropped].all():
        return None
    cost = float(price[dropped].sum())
    at_least = max(0.0, min(cost, float(asked.sum()) - kept.at_most))
    return Kept(users=kept.users, cost=cost, at_least=at_least)


class _Search:
    def __init__(self, value: Floats, demands: Floats, fits: Fits, progress: Progress) -> None:
        self.value, self.test, self.progress = value, fits, progress
        self.asked = np.maximum(demands.max(axis=0), 1e-300)
        self.left = _TESTS

    def fit(self, users: Integers) -> bool:
        """Whether users were seen to fit."""
        if len(users) == 0:
            return True
        if self.left <= 0 or self.progress.over():
            return False
        self.left -= 1
        return self.test(np.sort(users)) is True

    def greedy(self) -> Integers:
        """Users by value for what they ask: as many as fit, by halving, then who fits in yet."""
        order = np.argsort(-self.value / self.asked, kind="stable")
        order = order[np.isfinite(self.asked[order])]
        low, high = 0, len(order) + 1
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self.fit(order[:middle]) else (low, middle)
        served = order[:low]
        for user in order[low : low + _TESTS // 4].tolist():
            if self.fit(trial := np.append(served, user)):
                served = trial
        return np.sort(served)

    def settled(self, best: Integers, at_most: float) -> tuple[Integers, float]:
        """The most valuable users, or the best ones known; with what none is worth more than."""
        everyone = np.arange(len(self.value))
        total = float(self.value.sum())
        conflicts: list[tuple[int, ...]] = []
        while self.left > 0 and not self.progress.over():
            out = _cheapest_hitting(self.value, conflicts)
            if out is None:
                break
            at_most = min(at_most, total - float(self.value[list(out)].sum()))
            worth = float(self.value[best].sum())
            if at_most <= worth + 1e-12 * total:
                return best, worth
            served = np.setdiff1d(everyone, list(out))
            if self.fit(served):
                return served, float(self.value[served].sum())
            conflict = self._conflict(served)
            if conflict is None:
                break
            conflicts.append(conflict)
        return best, at_most

    def _conflict(self, users: Integers) -> tuple[int, ...] | None:
        """Some of these users who conflict, none in vain as far as was told; None where that they
        do is not proven.
        """
        if len(users) == 0 or self.test(users) is not False:
            return None
        for user in users[np.argsort(self.asked[users], kind="stable")].tolist():
            rest = users[users != user]
            if len(rest) and self.left > 0 and self.test(rest) is False:
                users = rest
            self.left -= 1
        return tuple(users.tolist())


def _cheapest_hitting(
    value: Floats, conflicts: Sequence[tuple[int, ...]]
) -> tuple[int, ...] | None:
    """Users of least value of whom each conflict has one; None where that takes too long."""
    best: tuple[float, tuple[int, ...]] = (np.inf, ())
    stack: list[tuple[float, tuple[int, ...], frozenset[int]]] = [(0.0, (), frozenset())]
    for _ in range(_NODES):
        if not stack:
            return best[1]
        paid, chosen, barred = stack.pop()
        open_ = [some for some in conflicts if not set(some) & set(chosen)]
        if not open_:
            best = min(best, (paid, chosen), key=lambda one: one[0])
            continue
        # Conflicts that share nobody have to be paid one by one.
        apart, seen = 0.0, set[int]()
        for some in open_:
            free = [user for user in some if user not in barred]
            if not free:
                apart = np.inf
            elif not seen & set(some):
                apart += float(value[free].min())
                seen |= set(some)
        if paid + apart >= best[0]:
            continue
        fewest = next(some for some in open_ if len(some) == min(map(len, open_)))
        free = sorted(set(fewest) - barred, key=lambda n: value[n])
        for k in range(len(free) - 1, -1, -1):  # the cheapest comes off the stack first
            user = free[k]
            stack.append((paid + float(value[user]), (*chosen, user), barred | set(free[:k])))
    return None

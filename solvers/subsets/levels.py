"""One level for each user, at least cost, so that what all take together fits: the multiple-choice
knapsack problem, with the knapsack problem (serve or leave out) as its least case.
"""

from dataclasses import dataclass

import numpy as np

from solvers.arrays import Booleans, Floats, Integers
from solvers.progress import Progress
from solvers.subsets.dual import ROUNDING, ascended, at, known, total

_PASSES = 4
_STATES = 20_000  # of a search at once
_FEW, _NARROW = 60, 500
_KEPT = 10_000_000  # of all its steps, to find the way back


@dataclass(frozen=True, slots=True, kw_only=True)
class Levels:
    """A level for each user, with what is proven of its cost."""

    choice: Integers  # (users,)
    cost: float  # of the levels, and of what is bought
    bought: float  # of the capacity, beyond what there is
    at_least: float  # proven: no choice costs less

    @property
    def proven(self) -> bool:
        """Whether nothing is cheaper, but for rounding."""
        return self.cost - self.at_least <= 1e-9 * max(self.cost, 1e-300)


def cheapest(
    cost: Floats,
    demand: Floats,
    capacity: float,
    progress: Progress,
    *,
    price: float = np.inf,
    gap: float = 1e-12,
) -> Levels | None:
    """The cheapest level of each user whose demands fit together; None where no levels do.

    For any price mu of the capacity, up to that at which more of it can be bought,

        sum_n min_k (cost_nk + mu demand_nk) - mu capacity

    is a lower bound (Lagrangian duality), concave in mu. Between the choices on both sides of its
    maximum one is put together that fits. A level that alone takes the bound to the cost of that
    choice is in no cheaper one; what is left open is searched user by user, where of two parts of a
    choice one that takes no less and costs no less is dropped (D. Pisinger, Eur. J. Oper. Res. 83,
    1995).

    Parameters
    ----------
    cost : (users, levels), not negative; infinite where a user has no such level.
    demand : (users, levels), not negative; infinite where no capacity would do.
    capacity : what users share, in the unit of demands.
    progress : ends the search early; `at_least` is then what was proven by then.
    price : of one more of the capacity; infinite where none can be bought.
    gap : relative distance to the bound at which nothing cheaper is looked for.
    """
    if not np.all(np.isfinite(cost + demand).any(axis=1)):
        return None
    cost, demand = known(cost, demand)
    if (
        price == np.inf
        and not total(np.where(np.isfinite(cost), demand, np.inf).min(1)) <= capacity
    ):
        return None
    return _Search(cost, demand, capacity, price, progress).run(gap)


def dual_bound(cost: Floats, demand: Floats, capacity: float, price: float = np.inf) -> float:
    """What no choice costs less than, as `cheapest` has it before it searches."""
    return ascended(*known(cost, demand), capacity, price)[1]


class _Search:
    def __init__(
        self, cost: Floats, demand: Floats, capacity: float, price: float, progress: Progress
    ) -> None:
        self.cost, self.demand, self.capacity, self.price = cost, demand, capacity, price
        self.progress = progress
        finite = cost[np.isfinite(cost)]
        # Costs in whole numbers: what is above a number is the next one.
        self.whole = bool(price == np.inf and np.all(finite == np.floor(finite)))

    def run(self, gap: float) -> Levels:
        """Bound, choice, and what lies between."""
        self.mu, self.bound, over, fits = ascended(
            self.cost, self.demand, self.capacity, self.price
        )
        self.bound = max(self._raised(self.bound), 0.0)
        best = fits
        for start in (fits, over):
            some = self._filled(start)
            if self.value(some) < self.value(best):
                best = some
        bound = self.bound
        if self.value(best) > bound * (1.0 + gap):
            # First among few users, whose levels are nearly a matter of taste: a better choice
            # leaves less to search.
            best, _ = self._searched(best, _FEW)
            best, bound = self._searched(best)
        used = total(at(self.demand, best))
        return Levels(
            choice=best,
            cost=self.value(best),
            bought=max(used - self.capacity, 0.0) if self.price < np.inf else 0.0,
            at_least=min(bound, self.value(best)),
        )

    def value(self, choice: Integers) -> float:
        """What a choice costs with what it buys; infinite where it does not fit."""
        over = total(at(self.demand, choice)) - self.capacity
        paid = total(at(self.cost, choice))
        if over <= 0.0:
            return paid
        return paid + self.price * over

    def _raised(self, bound: float) -> float:
        """A bound, where costs are whole numbers the next of these."""
        return float(np.ceil(bound - 1e-6)) if self.whole else bound

    def _filled(self, choice: Integers) -> Integers:
        """A choice that fits (or pays), made from one that may not: levels that save most for what
        they take, as long as there is room.
        """
        choice = choice.copy()
        if self.price == np.inf:
            self._relieve(choice)
        for _ in range(_PASSES):
            room = self.capacity - total(at(self.demand, choice))
            saved = at(self.cost, choice)[:, None] - self.cost
            more = self.demand - at(self.demand, choice)[:, None]
            good = (saved > 0.0) & (more <= max(room, 0.0))
            rank = np.where(good, saved / np.maximum(more, 1e-300), -np.inf)
            level = rank.argmax(axis=1)
            users = np.flatnonzero(at(rank, level) > 0.0)
            if len(users) == 0:
                break
            users = users[np.argsort(-at(rank, level)[users], kind="stable")]
            asked = more[users, level[users]]
            before = np.cumsum(asked) - asked
            taken = users[before + asked <= room]
            taken = taken if len(taken) else users[:1]
            choice[taken] = level[taken]
        return choice

    def _relieve(self, choice: Integers) -> None:
        """Take the levels that cost least for what they give back, until a choice fits."""
        while (over := total(at(self.demand, choice)) - self.capacity) > 0.0:
            back = at(self.demand, choice)[:, None] - self.demand
            dearer = self.cost - at(self.cost, choice)[:, None]
            rank = np.where(
                (back > 0.0) & np.isfinite(dearer), dearer / np.maximum(back, 1e-300), np.inf
            )
            level = rank.argmin(axis=1)
            users = np.argsort(at(rank, level), kind="stable")
            users = users[np.isfinite(at(rank, level)[users])]
            given = np.cumsum(back[users, level[users]])
            enough = int(np.searchsorted(given, over)) + 1
            taken = users[: min(enough, len(users))]
            choice[taken] = level[taken]

    def _searched(self, best: Integers, most: int | None = None) -> tuple[Integers, float]:
        """The cheapest choice and its cost; or the best one known with the bound on all. Of all
        users, or of so many `most` open ones, whose search is kept narrow.
        """
        priced = self.cost + self.mu * self.demand
        excess = priced - priced.min(axis=1, keepdims=True)
        root = self.bound
        least = total(at(priced, priced.argmin(axis=1))) - self.mu * self.capacity
        least = min(least - ROUNDING * (abs(least) + self.mu * self.capacity), self.value(best))
        open_ = self._open(least + excess, self.value(best))
        count = open_.sum(axis=1)
        fixed, users = np.flatnonzero(count == 1), np.flatnonzero(count > 1)
        if np.any(count == 0):
            return best, self.value(best)
        second = np.sort(np.where(open_[users], excess[users], np.inf), axis=1)[:, 1]
        users = users[np.argsort(second, kind="stable")]
        if most is not None:
            others, users = users[most:], users[:most]
            open_[others] = excess[others] <= 0.0
            fixed = np.concatenate((fixed, others))
        settled = open_[fixed].argmax(axis=1)
        base = (
            total(self.demand[fixed, settled]),
            total(self.cost[fixed, settled]),
            least + total(excess[fixed, settled]),
        )
        found = self._grown(users, open_, excess, base, self.value(best), narrow=most is not None)
        if found is None:
            return best, root
        way, cost = found
        if way is not None and cost < self.value(best):
            best = best.copy()
            best[fixed] = settled
            best[users] = way
        return best, self.value(best)

    def _open(self, bound: Floats, most: float) -> Booleans:
        """Which of some bounds may lie below a cost."""
        if self.whole:
            return np.asarray(bound <= most - 1.0 + 1e-6)
        return np.asarray(bound < most * (1.0 - 1e-12))

    def _grown(
        self,
        users: Integers,
        open_: Booleans,
        excess: Floats,
        base: tuple[float, float, float],
        most: float,
        *,
        narrow: bool,
    ) -> tuple[Integers | None, float] | None:
        """The cheapest levels of the open users, None where none beat `most`; and their cost. None
        where the search grows too large, unless it is kept `narrow`.
        """
        inf = np.where(open_, self.demand, np.inf)[users].min(axis=1)
        rest = np.concatenate((np.cumsum(inf[::-1])[::-1], [0.0]))
        taken, paid, bound = (np.array([value]) for value in base)
        steps: list[tuple[Integers, Integers]] = []
        kept = 0
        for n, user in enumerate(users.tolist()):
            levels = np.flatnonzero(open_[user])
            after = [
                (values[:, None] + more[user, levels]).ravel()
                for values, more in ((taken, self.demand), (paid, self.cost), (bound, excess))
            ]
            good = self._open(after[2], most)
            if self.price == np.inf:
                good &= after[0] + rest[n + 1] <= self.capacity
            some = np.flatnonzero(good)
            some = some[np.lexsort((after[1][some], after[0][some]))]
            cheapest_yet = np.minimum.accumulate(after[1][some])
            first = np.ones(len(some), dtype=bool)
            first[1:] = cheapest_yet[1:] < cheapest_yet[:-1]
            some = some[first]
            if narrow and len(some) > _NARROW:
                some = some[np.argpartition(after[2][some], _NARROW)[:_NARROW]]
            kept += len(some)
            if len(some) > _STATES or kept > _KEPT or self.progress.over():
                return None
            if len(some) == 0:
                return None, most
            self.progress.tick()
            parent, level = np.divmod(some, len(levels))
            steps.append((parent, levels[level]))
            taken, paid, bound = (values[some] for values in after)
        return self._cheapest_way(steps, taken, paid, most)

    def _cheapest_way(
        self, steps: list[tuple[Integers, Integers]], taken: Floats, paid: Floats, most: float
    ) -> tuple[Integers | None, float]:
        """The levels that led to the cheapest of some ends, None where that does not beat
        `most`.
        """
        over = np.maximum(taken - self.capacity, 0.0)
        value = np.where(over > 0.0, paid + np.where(over > 0.0, self.price, 0.0) * over, paid)
        k = int(value.argmin())
        cost = float(value[k])
        if not cost < most:
            return None, most
        way = np.empty(len(steps), dtype=np.int64)
        for n in range(len(steps) - 1, -1, -1):
            parent, level = steps[n]
            way[n], k = level[k], int(parent[k])
        return way, cost

"""The cheapest changes that give a cell without a plan one, at prices that the caller names.

Users share an uplink, and each takes at least some of it: less with a later deadline or a larger
risk, nothing where it is left out. So a repair is one level for each user whose least shares fit
(`subsets.levels`), and more uplink may be bought beside. Levels are points of a line: what lies
between two costs at least what the nearer one does and takes at least what the farther one does,
which bounds the cost of every repair from below.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from solvers.arrays import Booleans, Floats, Integers
from solvers.progress import Progress
from solvers.robust.problem import Problem
from solvers.robust.solve.changes import Change, Prices, Repair
from solvers.robust.solve.lean import for_least_shares
from solvers.robust.solve.loosened import Laid, Loosened, finer, joined, meant
from solvers.robust.solve.remedies import (
    LARGEST_RISK,
    Remedies,
    all_least_shares,
    all_widest_shares,
    shares_fit,
)
from solvers.subsets.admission import of_sums
from solvers.subsets.levels import cheapest, dual_bound

# Deadlines are stretched to this many times at the most, risks to this much.
_LONGEST, _LARGEST = 20.0, 0.99
_SMALL_CELL, _LARGE_CELL = 50, 20_000
_LARGE_TABLE = 200_000  # options of all users
_HALVINGS, _FEW = 40, 8
_GAP = 1e-4  # of a choice among levels, which are points of a grid


def repairs(problem: Problem, prices: Prices, progress: Progress) -> Iterator[Repair]:
    """One repair of each kind that is for sale and helps, then one of several kinds where that is
    cheaper; in a cell whose servers have no budgets.

    Costs are exact for the uplink and, where nothing runs out, for leaving users out. Deadlines and
    risks are the cheapest of a grid that is refined around the first answer, less what is not
    needed of them; `at_least` says how much there may be left.
    """
    found = _Found(problem, prices, progress)
    single = [some for some in found.single() if some is not None]
    yield from single
    mixed = found.mixed()
    best = min((some.cost for some in single), default=np.inf)
    if mixed is not None and mixed.cost < best * (1.0 - 1e-9):
        yield mixed


class _Found:
    def __init__(self, problem: Problem, prices: Prices, progress: Progress) -> None:
        self.problem, self.prices, self.progress = problem, prices, progress
        self.lean = for_least_shares(problem)
        self.remedies = Remedies(self.lean, progress)
        limits = self.lean.at_tolerance()
        self.capacity = limits.bandwidth_hz
        self.least = self._widest(self.lean)
        self.failing = np.flatnonzero(np.isinf(all_least_shares(limits, progress)))
        lean = self.lean.workloads.first
        large = int(np.diff(lean)[problem.workload].sum()) > _LARGE_TABLE
        self.begun: dict[Change, Laid] = {}
        self.steps, self.finer, self.rounds = (8, 6, 1) if large else (24, 16, 3)
        self.loosened = [some for some in (self._deadlines(), self._risks()) if some is not None]

    def single(self) -> Iterator[Repair | None]:
        """Repairs of one kind, None where it does not help."""
        if np.any(np.isfinite(self.prices.drop)):
            yield self._dropped()
        for some in self.loosened:
            found = self._loosened([some], drop=False, price=np.inf)
            yield self._all_later(found) if some.change is Change.DEADLINE else found
        if self.prices.bandwidth_per_hz < np.inf:
            yield self._wider(np.arange(self.problem.users), self.problem, Change.BANDWIDTH, 0.0)

    def _all_later(self, found: Repair | None) -> Repair | None:
        """The cheaper of a repair and one factor on all deadlines, which suits users who are alike;
        in a cell that is not so large that it takes long.
        """
        if found is None or self.problem.users > _LARGE_CELL:
            return found
        own = self.remedies.least_deadline_s(self.failing)
        factor = self.remedies.least_deadline_factor(self.failing, own)
        more = (factor - 1.0) * float(self.problem.deadline_s.sum())
        if not self.prices.deadline_per_s * more < found.cost:
            return found
        later = replace(self.problem, deadline_s=self.problem.deadline_s * factor)
        everyone = np.arange(self.problem.users)
        return self._made(
            Change.DEADLINE, everyone, later, self.prices.deadline_per_s * more, found.at_least
        )

    def mixed(self) -> Repair | None:
        """A repair of all kinds that are for sale."""
        drop = bool(np.any(np.isfinite(self.prices.drop)))
        if drop + len(self.loosened) + (self.prices.bandwidth_per_hz < np.inf) < 2:
            return None
        return self._loosened(self.loosened, drop=drop, price=self.prices.bandwidth_per_hz)

    def _widest(self, problem: Problem) -> Floats:
        return all_widest_shares(problem.at_tolerance(), self.progress)

    def _deadlines(self) -> Loosened | None:
        if self.prices.deadline_per_s == np.inf:
            return None
        start, low = self.problem.deadline_s, self.problem.deadline_s.copy()
        low[self.failing] = self.remedies.least_deadline_s(self.failing)
        return Loosened(
            Change.DEADLINE,
            self.prices.deadline_per_s,
            start,
            low,
            low * _LONGEST,
            lambda values: self._widest(self.with_deadlines(values)),
        )

    def _risks(self) -> Loosened | None:
        largest = LARGEST_RISK.get(self.problem.margin)
        if self.prices.risk == np.inf or largest is None:
            return None
        start, low = self.problem.risk, self.problem.risk.copy()
        low[self.failing] = self.remedies.least_risk(self.failing)
        return Loosened(
            Change.RISK,
            self.prices.risk,
            start,
            low,
            np.maximum(low, min(_LARGEST, largest)),
            lambda values: self._widest(self.with_risks(values)),
        )

    def with_deadlines(self, values: Floats) -> Problem:
        """The cell with other deadlines where there are any."""
        start = self.problem.deadline_s
        return replace(self.lean, deadline_s=np.where(np.isfinite(values), values, start))

    def with_risks(self, values: Floats) -> Problem:
        """The cell with other risks where there are any."""
        start = self.problem.risk
        return replace(self.lean, risk=np.where(np.isfinite(values), values, start))

    def _dropped(self) -> Repair | None:
        never = ~np.isfinite(self.prices.drop)
        if np.any(self.least[never] > self.capacity):
            return None
        # Who may not be left out takes its share first.
        room = self.capacity - float(self.least[never].sum())
        rest = np.flatnonzero(~never)
        price = self.prices.drop[rest]
        kept = of_sums(price, self.least[rest], room, self.progress) if room >= 0.0 else None
        if kept is None or len(kept.users) + never.sum() == 0:
            return None
        users = np.sort(np.concatenate((np.flatnonzero(never), rest[kept.users])))
        cost, at_least = price.sum() - kept.value, price.sum() - kept.at_most
        return self._made(Change.DROP, users, self.problem, float(cost), float(at_least))

    def _wider(
        self, users: Integers, problem: Problem, change: Change, paid: float, at_least: float = 0.0
    ) -> Repair | None:
        """As wide an uplink as some users need, beside what is paid for other changes."""
        some = problem if len(users) == problem.users else problem.only(users)
        lean = replace(some, workloads=self.lean.workloads)
        hertz = max(Remedies(lean, self.progress).least_total_bandwidth_hz(), some.bandwidth_hz)
        if not np.isfinite(hertz):
            return None
        cost = paid + self.prices.bandwidth_per_hz * (hertz - some.bandwidth_hz)
        least = at_least if change is Change.MIXED else cost
        return self._made(change, users, replace(problem, bandwidth_hz=hertz), cost, least)

    def _made(
        self, change: Change, users: Integers, problem: Problem, cost: float, at_least: float
    ) -> Repair:
        whole = len(users) == problem.users
        return Repair(
            change=change,
            cost=cost,
            at_least=max(0.0, min(at_least, cost)),
            users=users,
            problem=problem if whole else problem.only(users),
        )

    def _loosened(self, kinds: list[Loosened], *, drop: bool, price: float) -> Repair | None:
        """Limits loosened, some users left out, some uplink bought: as far as they may."""
        keep = np.zeros(self.problem.users), self.least
        out = (self.prices.drop, np.zeros(self.problem.users)) if drop else None
        laid = [self._first(some) for some in kinds]
        seen = [[some] for some in laid]
        for left in range(self.rounds, -1, -1):
            levels = joined(keep, out, [(cost, taken) for _, cost, taken in laid])
            found = cheapest(*levels, self.capacity, self.progress, price=price, gap=_GAP)
            if found is None:
                return None
            values, dropped = meant(found.choice, [grid for grid, _, _ in laid], drop=drop)
            if not left:
                break
            laid = [
                some.laid(finer(grid, mine, self.finer))
                for some, (grid, _, _), mine in zip(kinds, laid, values, strict=True)
            ]
            for some, more in zip(seen, laid, strict=True):
                some.append(more)
        between = [self._between(some, sold=price < np.inf) for some in seen]
        at_least = self._bound(*joined(keep, out, between), price)
        return self._trimmed(kinds, values, dropped, price, at_least)

    def _bound(self, cost: Floats, taken: Floats, price: float) -> float:
        """What no levels cost less than; in small cells what the cheapest cost."""
        if self.problem.users > _SMALL_CELL:
            return dual_bound(cost, taken, self.capacity, price)
        found = cheapest(cost, taken, self.capacity, self.progress, price=price, gap=_GAP)
        return 0.0 if found is None else found.at_least

    def _first(self, some: Loosened) -> Laid:
        """The levels to begin with, which every repair by this limit does."""
        if some.change not in self.begun:
            self.begun[some.change] = some.laid(some.grid(self.steps))
        return self.begun[some.change]

    def _between(self, seen: list[Laid], *, sold: bool) -> tuple[Floats, Floats]:
        """What lies between levels, and beyond the last: at least the cost of the nearer one, and
        at least what the farther one takes. Where no uplink is `sold`, nothing below the first
        level of who fails alone is of any use.
        """
        values, cost, taken = (np.hstack(some) for some in zip(*seen, strict=True))
        order = np.argsort(values, axis=1, kind="stable")
        cost, taken = (np.take_along_axis(some, order, axis=1) for some in (cost, taken))
        nothing = np.zeros((len(cost), 1))
        if not sold:
            nothing[self.failing] = np.inf
        last = np.where(np.isfinite(taken[:, -1:]), 0.0, np.inf)
        return np.hstack((nothing, cost)), np.hstack((taken, last))

    def _trimmed(
        self,
        kinds: list[Loosened],
        values: list[Floats],
        dropped: Booleans,
        price: float,
        at_least: float,
    ) -> Repair | None:
        """The same without what is not needed of it, so that everybody just fits."""
        users = np.flatnonzero(~dropped)
        if len(users) == 0:
            return None

        def changed(part: float) -> tuple[Problem, float]:
            problem, paid = self.problem, float(self.prices.drop[dropped].sum())
            for some, mine in zip(kinds, values, strict=True):
                limit = np.minimum(some.low + part * (mine - some.low), mine)
                to = np.where(np.isfinite(limit), np.maximum(limit, some.start), some.start)
                of_deadline = some.change is Change.DEADLINE
                problem = (
                    replace(problem, deadline_s=to) if of_deadline else replace(problem, risk=to)
                )
                more = np.where(dropped, 0.0, to - some.start)
                paid += some.price * float(more.sum()) if more.any() else 0.0
            return problem, paid

        def fits(problem: Problem) -> bool:
            lean = replace(problem, workloads=self.lean.workloads)
            return shares_fit(lean.only(users).at_tolerance(), self.progress)

        low, high = 0.0, 1.0
        if not fits(changed(1.0)[0]):
            low = 1.0  # it takes more of the uplink too
        for _ in range(_HALVINGS if self.problem.users <= _LARGE_CELL else _FEW):
            middle = 0.5 * (low + high)
            if low == 1.0 or not low < middle < high or self.progress.over():
                break
            low, high = (low, middle) if fits(changed(middle)[0]) else (middle, high)
        problem, paid = changed(high)
        change = (
            kinds[0].change
            if len(kinds) == 1 and price == np.inf and not dropped.any()
            else Change.MIXED
        )
        if low == 1.0:
            if price == np.inf:
                return None
            return self._wider(users, problem, Change.MIXED, paid, at_least)
        return self._made(change, users, problem, paid, at_least)

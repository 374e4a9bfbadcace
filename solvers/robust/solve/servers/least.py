"""The least that a cell can take of one budget while it keeps the others: whether it has a plan at
all, and how little of a server would do.

Every option takes a part of each budget, of the uplink its least share. One option for each user,
so that the sum in one budget is least and in the others at most 1, is found by branch and bound: a
partial choice is bounded by the least of the rest in each budget, and in sums of budgets weighted
by the duals of the linear relaxation.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from solvers.arrays import Floats, Integers
from solvers.progress import Progress
from solvers.robust.solve.servers.program import mix

_NODES = 4_096  # open at once; the others wait on a stack
_GROWN = 3_000_000  # nodes of a search that comes to an end
_ROUNDING = 1e-13
_WEIGHTS = (0.0, 0.25, 0.5, 0.8, 1.0, 1.25, 2.0, 4.0)  # of the duals
# Users with a choice in a linear relaxation that is still quick.
_RELAXED = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Least:
    """The least use of a budget and a choice that has it; infinite and None where none keeps the
    others, or none was found.
    """

    value: float
    choice: Integers | None
    proven: bool  # that there is nothing below (by more than what was called enough)


def least_use(
    parts: Floats, first: Integers, budget: int, progress: Progress, *, enough: float = 0.0
) -> Least:
    """The least sum in one column of `parts`, all other sums at most 1.

    Parameters
    ----------
    parts : (options, budgets), what each option takes, in parts of the budgets.
    first : (users + 1,) options of user n are `first[n]:first[n + 1]`.
    enough : a sum this small is not improved upon.
    """
    users = len(first) - 1
    own = np.repeat(np.arange(users), np.diff(first))
    # Of equals in the budget the option that takes least of the others.
    order = np.lexsort((np.delete(parts, budget, axis=1).sum(axis=1), parts[:, budget], own))
    choice = order[first[:-1]]
    sums = parts[choice].sum(axis=0)
    if np.all(np.delete(sums, budget) <= 1.0):
        return Least(value=float(sums[budget]), choice=choice, proven=True)
    kept = _undominated(parts, first)
    return _Search(parts, budget, kept, progress, enough).run()


def _undominated(parts: Floats, first: Integers) -> list[Integers]:
    """The options of each user that no other takes less than of every budget."""
    kept = []
    for start, stop in zip(first[:-1].tolist(), first[1:].tolist(), strict=True):
        mine = np.arange(start, stop)
        some = parts[mine]
        below = np.all(some[None, :, :] <= some[:, None, :], axis=-1)
        equal = np.all(some[None, :, :] == some[:, None, :], axis=-1)
        earlier = np.tri(len(mine), k=-1, dtype=bool)
        kept.append(mine[~np.any(below & (~equal | earlier), axis=1)])
    return kept


class _Search:
    def __init__(
        self,
        parts: Floats,
        budget: int,
        kept: list[Integers],
        progress: Progress,
        enough: float,
    ) -> None:
        self.parts, self.budget, self.progress, self.enough = parts, budget, progress, enough
        self.choice = np.array([mine[0] for mine in kept], dtype=np.int64)
        open_ = [n for n, mine in enumerate(kept) if len(mine) > 1]
        open_.sort(key=lambda n: -float(np.ptp(parts[kept[n]], axis=0).sum()))
        self.open, self.options_of = np.array(open_, dtype=np.int64), [kept[n] for n in open_]
        settled = np.ones(len(kept), dtype=bool)
        settled[open_] = False
        self.base = parts[self.choice[settled]].sum(axis=0)
        self.limit = np.ones(parts.shape[1])
        self.limit[budget] = np.inf

    def run(self) -> Least:
        """The search; not proven where it grows too large, or time is over."""
        weights = self._weights()
        if weights is None:
            return Least(value=np.inf, choice=None, proven=True)
        rest, least = self._rests(weights)
        if not np.all(self.base + least[0] <= self.limit):
            return Least(value=np.inf, choice=None, proven=True)
        others = weights.copy()
        others[:, self.budget] = 0.0
        allowed = others.sum(axis=1) * (1.0 + _ROUNDING)
        pure = weights[:, self.budget] == 0.0  # nothing but the other budgets: not to be exceeded
        best, found, grown = np.inf, None, 0
        stack = [(np.zeros((1, 0), dtype=np.int64), self.base[None, :])]
        while stack and best > self.enough:
            taken, used = stack.pop()
            depth = taken.shape[1]
            if depth == len(self.options_of):
                k = int(used[:, self.budget].argmin())
                if used[k, self.budget] < best:
                    best, found = float(used[k, self.budget]), taken[k]
                continue
            if grown > _GROWN or self.progress.over():
                return self._answer(found, proven=False)
            self.progress.tick()
            mine = self.options_of[depth]
            after = (used[:, None, :] + self.parts[mine]).reshape(-1, used.shape[1])
            good = np.all(after + least[depth + 1] <= self.limit, axis=1)
            bound = after @ weights.T + rest[depth + 1] - allowed
            good &= np.all(bound[:, pure] <= 0.0, axis=1)
            lower = bound[:, ~pure].max(axis=1)
            good &= lower < best
            keep = np.nonzero(good)[0]
            keep = keep[_not_behind(after[keep])] if after.shape[1] == 2 else keep
            keep = keep[np.argsort(-lower[keep], kind="stable")]
            parent, which = np.divmod(keep, len(mine))
            grown += len(keep)
            children = np.concatenate((taken[parent], mine[which][:, None]), axis=1)
            stack += [
                (children[k : k + _NODES], after[keep[k : k + _NODES]])
                for k in range(0, len(keep), _NODES)
            ]
        return self._answer(found, proven=True)

    def _rests(self, weights: Floats) -> tuple[Floats, Floats]:
        """What the users from each on take at least, in weighted sums and of each budget."""
        # Bounds: of the budget itself, of each of the others, and of weighted sums.
        tables = [self.parts[mine] @ weights.T for mine in self.options_of]
        rest = np.zeros((len(tables) + 1, len(weights)))
        least = np.zeros((len(tables) + 1, self.parts.shape[1]))
        for k in reversed(range(len(tables))):
            rest[k] = rest[k + 1] + tables[k].min(axis=0)
            least[k] = least[k + 1] + self.parts[self.options_of[k]].min(axis=0)
        return rest, least

    def _answer(self, found: Integers | None, *, proven: bool) -> Least:
        if found is None:
            return Least(value=np.inf, choice=None, proven=proven)
        choice = self.choice.copy()
        choice[self.open] = found
        value = float(self.parts[choice, self.budget].sum())
        return Least(value=value, choice=choice, proven=proven)

    def _weights(self) -> Floats | None:
        """Weights of sums of budgets that bound choices well, (weights, budgets): with 1 for the
        budget that is asked for, or 0; None where sums of the others prove that none keeps them.
        """
        budgets, own = self.parts.shape[1], self.budget
        one = np.zeros(budgets)
        one[own] = 1.0
        none, scaled = np.zeros((0, budgets)), [one]
        if not 0 < len(self.open) <= _RELAXED:
            return np.stack(scaled)
        ray = self._duals(phase_one=True)
        if ray is not None:
            least = self.base @ ray + sum(
                float((self.parts[mine] @ ray).min()) for mine in self.options_of
            )
            if least > float(ray.sum()) * (1.0 + _ROUNDING):
                return None
            none = ray[None, :]
        duals = self._duals(phase_one=False)
        if duals is not None:
            for factor in _WEIGHTS[1:]:
                weight = factor * duals
                weight[own] = 1.0
                scaled.append(weight)
        return np.concatenate((np.stack(scaled), none))

    def _duals(self, *, phase_one: bool) -> Floats | None:
        """Duals of the other budgets where the own is least, or where the excess over the others
        is; None where the program has no answer.
        """
        budgets, own = self.parts.shape[1], self.budget
        others = np.delete(np.arange(budgets), own)
        column = np.concatenate(self.options_of)
        group = np.repeat(np.arange(len(self.open)), [len(mine) for mine in self.options_of])
        cost = np.zeros(len(column)) if phase_one else self.parts[column, own]
        found = mix(
            cost,
            self.parts[column][:, others].T,
            group,
            1.0 - self.base[others],
            1.0 if phase_one else None,
        )
        if found is None:
            return None
        weight = np.zeros(budgets)
        weight[others] = found.prices
        return weight


def _not_behind(used: Floats) -> NDArray[np.bool_]:
    """Which of some uses of two budgets no other is below in both."""
    order = np.lexsort((used[:, 1], used[:, 0]))
    lowest = np.minimum.accumulate(used[order, 1])
    ahead = np.ones(len(used), dtype=bool)
    ahead[order[1:]] = used[order[1:], 1] < lowest[:-1]
    return ahead

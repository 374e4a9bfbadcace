"""Branch and bound over users: every price pair bounds every subtree, so a whole frontier is
bounded in one sweep.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from solvers.arrays import Floats, Integers
from solvers.multiuser.solve.fleet import ROUNDING, Fleet

_AT_ONCE = 512
_LEAVES = 4_096


@dataclass(frozen=True, slots=True)
class Tree:
    """A choice of one option for each user.

    `cost[g, i, o]` is what option o of user i costs at price pair g, infinite where not allowed,
    and `offset[g]` what the budgets pay back: for every g, the sum over users less the offset is a
    lower bound on the value of any completion. Users of equal `symmetry_class` are interchangeable.
    """

    cost: Floats  # (prices, users, options)
    offset: Floats  # (prices,)
    symmetry_class: Integers  # (users,)
    value: Callable[[Integers], Floats]  # (leaves, users) -> (leaves,), exact


def symmetry_classes(fleet: Fleet) -> Integers:
    """A number for each user of a fleet (users,), equal for those who are interchangeable."""
    previous = np.full(fleet.users, -1) if fleet.previous is None else fleet.previous
    same = np.stack(
        [fleet.kind, fleet.root_share, fleet.weight, fleet.deadline_s, fleet.max_loss, previous],
        axis=1,
    )
    return np.asarray(np.unique(same, axis=0, return_inverse=True)[1]).ravel()


@dataclass(frozen=True, slots=True)
class Searched:
    """The best choice below the first cut-off, if any, and a proven bound on all."""

    value: float
    choice: Integers | None
    bound: float
    complete: bool


def search(
    tree: Tree, incumbent: float, gap: float, go_on: Callable[[float, float], bool]
) -> Searched:
    """Look, depth first, for choices better than `incumbent` by the relative `gap`, as long as
    `go_on(best, bound)`.
    """
    return _Search(tree, incumbent, gap).run(go_on)


@dataclass(slots=True)
class _Frontier:
    """Nodes of one depth, the most promising last."""

    option: NDArray[np.int16]  # (nodes, depth)
    prefix: Floats  # (nodes, prices)
    bound: Floats  # (nodes,)


class _Search:
    def __init__(self, tree: Tree, incumbent: float, gap: float) -> None:
        self.tree = tree
        self.gap = gap
        self.best = incumbent
        self.choice: Integers | None = None
        self.pruned = np.inf  # least bound among all that was left out
        self.keep: NDArray[np.bool_] = np.asarray(np.isfinite(tree.cost).all(axis=0))
        self._fix()
        self._arrange()

    @property
    def cutoff(self) -> float:
        return self.best - self.gap * abs(self.best)

    def _fix(self) -> None:
        """Leave out options that no plan below the cut-off can hold (reduced costs), as long as
        there are some.
        """
        while True:
            cost = np.where(self.keep, self.tree.cost, np.inf)
            least = cost.min(axis=2)
            root = _safe(least.sum(axis=1) - self.tree.offset, least.sum(axis=1) + self.tree.offset)
            with np.errstate(invalid="ignore"):
                bound = (root[:, None, None] + (cost - least[:, :, None])).max(axis=0)
            drop = self.keep & ~(bound < self.cutoff)
            if not drop.any():
                break
            self.pruned = min(self.pruned, float(bound[drop].min()))
            self.keep &= ~drop
            if not self.keep.any(axis=1).all():
                break

    def _arrange(self) -> None:
        """Users with one option left first, then those whose second best costs most; equals next to
        each other.
        """
        cost = np.where(self.keep, self.tree.cost, np.inf)
        regret = np.zeros(cost.shape[1])
        if cost.shape[2] > 1:
            two = np.partition(cost, 1, axis=2)
            regret = np.where(
                self.keep.sum(axis=1) > 1,
                two[:, :, 1] - np.where(np.isfinite(two[:, :, 0]), two[:, :, 0], 0.0),
                0.0,
            ).mean(axis=0)
        free = self.keep.sum(axis=1) > 1
        self.order = np.lexsort((self.tree.symmetry_class, -regret.round(12), free))
        self.cost = cost[:, self.order]
        self.options = [np.flatnonzero(keep).astype(np.int16) for keep in self.keep[self.order]]
        symmetry = self.tree.symmetry_class[self.order]
        self.after_equal = np.concatenate([[False], symmetry[1:] == symmetry[:-1]])
        rest = np.cumsum(self.cost.min(axis=2)[:, ::-1], axis=1)[:, ::-1]
        self.rest = (
            np.concatenate([rest, np.zeros((len(rest), 1))], axis=1) - self.tree.offset[:, None]
        )

    def run(self, go_on: Callable[[float, float], bool]) -> Searched:
        depth = len(self.order)
        if not all(len(options) for options in self.options):
            return self._result(np.inf, complete=True)
        root = _Frontier(
            np.empty((1, 0), dtype=np.int16), np.zeros((1, len(self.cost))), np.array([-np.inf])
        )
        stack = [root]
        while stack:
            nodes = self._pop(stack)
            if nodes is None:
                continue
            children = self._expand(nodes)
            if children.option.shape[1] == depth:
                self._leaves(children)
            elif len(children.bound):
                stack.append(children)
            open_bound = min((float(level.bound.min()) for level in stack), default=np.inf)
            if not go_on(self.best, min(self.pruned, open_bound, self.best)):
                return self._result(open_bound, complete=not stack)
        return self._result(np.inf, complete=True)

    def _pop(self, stack: list[_Frontier]) -> _Frontier | None:
        level = stack[-1]
        promising = level.bound < self.cutoff
        if not promising.all():
            self.pruned = min(self.pruned, float(level.bound[~promising].min()))
            level.option, level.prefix, level.bound = (
                level.option[promising], level.prefix[promising], level.bound[promising],
            )  # fmt: skip
        if not len(level.bound):
            stack.pop()
            return None
        taken = _Frontier(
            level.option[-_AT_ONCE:], level.prefix[-_AT_ONCE:], level.bound[-_AT_ONCE:]
        )
        level.option, level.prefix, level.bound = (
            level.option[:-_AT_ONCE], level.prefix[:-_AT_ONCE], level.bound[:-_AT_ONCE],
        )  # fmt: skip
        if not len(level.bound):
            stack.pop()
        return taken

    def _expand(self, nodes: _Frontier) -> _Frontier:
        at = nodes.option.shape[1]
        options = self.options[at]
        prefix = nodes.prefix[:, None, :] + self.cost[:, at, options].T
        total = prefix + self.rest[:, at + 1]
        bound = _safe(total, 2.0 * self.tree.offset + total).max(axis=2)
        bound = np.maximum(bound, nodes.bound[:, None])
        keep = np.ones(bound.shape, dtype=np.bool_)
        if self.after_equal[at]:
            keep &= options >= nodes.option[:, -1:]
        low = bound < self.cutoff
        if (keep & ~low).any():
            self.pruned = min(self.pruned, float(bound[keep & ~low].min()))
        parent, child = np.nonzero(keep & low)
        rank = np.argsort(-bound[parent, child], kind="stable")
        parent, child = parent[rank], child[rank]
        return _Frontier(
            np.concatenate([nodes.option[parent], options[child, None]], axis=1),
            prefix[parent, child],
            bound[parent, child],
        )

    def _leaves(self, leaves: _Frontier) -> None:
        for start in range(0, len(leaves.bound), _LEAVES):
            option = leaves.option[start : start + _LEAVES]
            choice = np.empty(option.shape, dtype=np.int64)
            choice[:, self.order] = option
            value = self.tree.value(choice)
            at = int(np.argmin(value))
            if value[at] < self.best:
                self.best, self.choice = float(value[at]), choice[at]

    def _result(self, open_bound: float, *, complete: bool) -> Searched:
        return Searched(self.best, self.choice, min(self.pruned, open_bound, self.best), complete)


def _safe(bound: Floats, magnitude: Floats) -> Floats:
    """A bound less what rounding may have added."""
    return np.asarray(bound - ROUNDING * np.abs(magnitude))

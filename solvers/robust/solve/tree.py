"""The tree of a cell's open choices, grown level by level under bounds at a grid of prices."""

from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from solvers.arrays import Floats, Integers
from solvers.robust.solve.dual import Relaxation
from solvers.robust.solve.shares import ROUNDING

_FINER = 40  # prices of the finer grid for each of the grid, on which complete choices are held
_WORTH_REFINING = 256  # leaves, before the finer grid pays
_FINEST = 4_000_000  # priced energies of the finer grid, so that memory stays flat
_NODES = 20_000  # open at once; the others wait on a stack
_BLOCK = 400_000  # curves priced at once, so that memory stays flat
_GROWN = (
    4_000_000  # priced energies of their children, so that memory stays flat and a generation short
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Nodes:
    """A generation of nodes (or part of one): the first `taken.shape[1]` open users have chosen."""

    taken: Integers  # (nodes, users decided)
    sums_j: Floats  # (nodes, prices) priced energy so far
    used_hz: Floats  # (nodes,) least bandwidth so far
    bound_j: Floats  # (nodes,)

    def __getitem__(self, rows: Any) -> Self:
        return type(self)(**{name: getattr(self, name)[rows] for name in self.names()})

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """Names of the columns."""
        return ("taken", "sums_j", "used_hz", "bound_j")


class Tree:
    """The table, and what the users not yet decided add at least."""

    def __init__(
        self,
        relaxation: Relaxation,
        value: Floats,
        prices: Floats,
        order: list[int],
        alike: Integers,
    ) -> None:
        options = relaxation.options
        self.relaxation, self.value, self.open = relaxation, value, order
        self.options_of = [np.arange(options.first[n], options.first[n + 1]) for n in order]
        self.twin = [k > 0 and alike[n] == alike[order[k - 1]] for k, n in enumerate(order)]
        self.settled = options.first[
            :-1
        ].copy()  # the options of users without a choice; others are filled in
        self.decided = np.ones(options.users, dtype=bool)
        self.decided[order] = False
        self.prices, self.finer = prices, 1
        self.fine: tuple[Floats, Floats, Floats] | None = None
        self.base_j = self._base_j(prices, value)
        self.least_hz = options.curves.surely_least_hz()
        self.base_hz = float(self.least_hz[self.settled[self.decided]].sum())
        self.rest_j = self._rest_j(value)
        self.rest_hz = np.zeros(len(order) + 1)
        for k in reversed(range(len(order))):
            self.rest_hz[k] = self.rest_hz[k + 1] + self.least_hz[self.options_of[k]].min()

    def settled_as(self, kept: Integers, choice: Integers) -> bool:
        """Whether the users without a choice left do what they do in a plan."""
        return bool(np.array_equal(kept[self.settled[self.decided]], choice[self.decided]))

    def choices(self, leaves: Nodes) -> Integers:
        """The options of all users in some leaves, (leaves, users)."""
        choices = np.repeat(self.settled[None, :], len(leaves.taken), axis=0)
        choices[:, self.open] = leaves.taken
        return choices

    def refined(self, nodes: Nodes) -> Nodes:
        """Nodes with sharper bounds: L at the finer grid's prices next to where a parabola has its
        top.

        Between two prices of the grid a node's own dual may rise by the square of their distance,
        which is more than the gap asked for; sharing a leaf out to find that it is no better costs
        a hundred times as much.
        """
        if len(nodes.bound_j) < _WORTH_REFINING:
            return nodes
        base, value, rest = self._finer()
        depth = nodes.taken.shape[1]
        totals = nodes.sums_j + self.rest_j[depth]
        top = np.clip(totals.argmax(axis=-1), 1, totals.shape[1] - 2)
        before, at, after = (
            np.take_along_axis(totals, (top + k)[:, None], axis=1)[:, 0] for k in (-1, 0, 1)
        )
        with np.errstate(divide="ignore", invalid="ignore"):
            beside = np.nan_to_num(0.5 * (before - after) / (before - 2.0 * at + after))
        middle = np.rint((top + np.clip(beside, -1.0, 1.0)) * self.finer).astype(np.int64)
        bound, always = nodes.bound_j, base + rest[depth]
        for k in (-1, 0, 1):
            price = np.clip(middle + k, 0, len(base) - 1)
            bound = np.maximum(
                bound, always[price] + value[price[:, None], nodes.taken].sum(axis=-1)
            )
        return replace(nodes, bound_j=bound)

    def _finer(self) -> tuple[Floats, Floats, Floats]:
        """At the prices of the finer grid: the settled users' part of L, priced energies, and the
        least of the rest.
        """
        if self.fine is None:
            count = len(self.prices)
            self.finer = self.finest()
            at = np.arange((count - 1) * self.finer + 1) / self.finer
            prices = np.exp(np.interp(at, np.arange(count), np.log(self.prices)))
            size = max(1, _BLOCK // self.value.shape[1])
            blocks = [
                self.relaxation.priced_j(prices[k : k + size])[0]
                for k in range(0, len(prices), size)
            ]
            value = np.concatenate(blocks)
            self.fine = self._base_j(prices, value), value, self._rest_j(value)
        return self.fine

    def finest(self) -> int:
        """How many times as many prices the finer grid may have."""
        return int(np.clip(_FINEST // (len(self.prices) * self.value.shape[1]), 1, _FINER))

    def _rest_j(self, value: Floats) -> Floats:
        """Least priced energy of the open users from each on, (open users + 1, prices)."""
        rest = np.zeros((len(self.open) + 1, len(value)))
        for k in reversed(range(len(self.open))):
            rest[k] = rest[k + 1] + value[:, self.options_of[k]].min(axis=-1)
        return rest

    def _base_j(self, prices: Floats, value: Floats) -> Floats:
        """What the users without a choice and the uplink add to L, less what all sums may lose by
        rounding.
        """
        paid = prices * self.relaxation.bandwidth_hz
        base = value[:, self.settled[self.decided]].sum(axis=-1) - paid
        return np.asarray(base - ROUNDING * (np.abs(value).sum(axis=-1) + paid))

    def root(self) -> Nodes:
        """The node where nobody with a choice has chosen."""
        return Nodes(
            taken=np.zeros((1, 0), dtype=np.int64),
            sums_j=self.base_j[None, :],
            used_hz=np.array([self.base_hz]),
            bound_j=np.array([(self.base_j + self.rest_j[0]).max()]),
        )

    def at_once(self, depth: int) -> int:
        """How many nodes of a depth to grow together."""
        if depth == len(self.open):
            return _NODES
        return max(
            1, min(_NODES, _GROWN // (len(self.rest_j[depth]) * len(self.options_of[depth])))
        )

    def grow(self, nodes: Nodes, cutoff_j: float) -> Nodes:
        """The children worth keeping, one open user further."""
        depth = nodes.taken.shape[1]
        mine = self.options_of[depth]
        sums = nodes.sums_j[:, None, :] + self.value[:, mine].T
        used = nodes.used_hz[:, None] + self.least_hz[mine]
        bound = (sums + self.rest_j[depth + 1]).max(axis=-1)
        fits = used + self.rest_hz[depth + 1] <= self.relaxation.bandwidth_hz * (1.0 + 1e-12)
        good = (bound < cutoff_j) & fits
        if self.twin[depth]:
            number = self.relaxation.options.option
            good &= number[mine] >= number[nodes.taken[:, -1]][:, None]
        parent, which = np.nonzero(good)
        return Nodes(
            taken=np.concatenate((nodes.taken[parent], mine[which][:, None]), axis=1),
            sums_j=sums[parent, which],
            used_hz=used[parent, which],
            bound_j=bound[parent, which],
        )

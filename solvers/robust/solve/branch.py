"""Branch and bound over the options that the bound could not rule out.

One table does the work of all nodes: the priced energies of every option on a grid of prices. For
any price, the sum of the chosen options so far plus the cheapest of the rest is a bound on every
plan below a node; the best over the grid is within the square of the grid's spacing of the node's
own dual. So a node is a row of partial sums, and a generation of nodes is one array operation.
Leaves are shared out exactly, many at a time, the most promising first.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from solvers.arrays import Floats, Integers
from solvers.outcome import Options
from solvers.robust.solve.dual import Relaxation
from solvers.robust.solve.primal import Plan, bound_of, bounds_of, shared_out
from solvers.robust.solve.shares import ROUNDING

_PRICES = 41
_BEND, _SHARP_BEND = 3.0, 6.0  # how much denser the grid of prices is near the dual's
_FINER = 40  # prices of the finer grid for each of the grid, on which complete choices are held
_WORTH_REFINING = 256  # leaves, before the finer grid pays
_FINEST = 4_000_000  # priced energies of the finer grid, so that memory stays flat
_NODES = 20_000  # open at once; the others wait on a stack
_GROWN = (
    4_000_000  # priced energies of their children, so that memory stays flat and a generation short
)
_SHARED_OUT = 4_000  # users in the leaves that are shared out at once
_BLOCK = 400_000  # curves priced at once, so that memory stays flat


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """The best plan found and the bound that is proven, with what stopped the search before its
    end.
    """

    plan: Plan
    bound_j: float
    timed_out: bool = False
    stalled: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Nodes:
    """A generation of nodes (or part of one): the first `taken.shape[1]` open users have chosen."""

    taken: Integers  # (nodes, users decided)
    sums_j: Floats  # (nodes, prices) priced energy so far
    used_hz: Floats  # (nodes,) least bandwidth so far
    bound_j: Floats  # (nodes,)

    def __getitem__(self, rows: Any) -> "_Nodes":
        return _Nodes(
            taken=self.taken[rows],
            sums_j=self.sums_j[rows],
            used_hz=self.used_hz[rows],
            bound_j=self.bound_j[rows],
        )


def price_grid(price: float, users: int, bend: float = 3.0) -> Floats:
    """Prices around the dual's, denser near it the larger `bend`; small cells move it far when one
    cut changes.
    """
    reach = min(4.0, 0.1 + 12.0 / users)
    steps = np.sinh(np.linspace(-bend, bend, _PRICES)) / np.sinh(bend)
    return np.asarray(price * np.exp(reach * steps))


def search(
    relaxation: Relaxation,
    plan: Plan,
    bound_j: float,
    price: float,
    alike: Integers,
    options: Options,
    *,
    patience: float = np.inf,
) -> Search:
    """Prove the plan optimal to `options.gap`, or find the better ones and prove those, until the
    relaxation's time ends.

    Parameters
    ----------
    bound_j, price : the dual's best bound, and the price that gave it.
    alike : (users,) a class for each user; users of a class are the same in everything, and only
    plans whose options
        do not fall along a class are looked at (any other is one of these with names exchanged).
    patience : stalled after so many nodes grown without an end in sight; a search without that
    limit is one whose
        price is the dual's to the last digits, so that its grid is denser there.

    Notes
    -----
    A choice that was shared out is done with only where its own dual, rounded outward, is beyond
    the plan less the gap; where the arithmetic cannot tell, the bound stays at that dual.
    """
    progress = relaxation.progress
    margin = 1.0 - 0.5 * options.gap
    kept, whole = np.arange(len(relaxation.options.option)), relaxation
    bend = _BEND if np.isfinite(patience) else _SHARP_BEND
    # First the one price that rules out most, so that the table is made for what is left only.
    for prices in (np.array([price]), price_grid(price, relaxation.options.users, bend)):
        value, root, lifted = _reduced_costs(relaxation, prices)
        bound_j = max(bound_j, float(root.max()))
        keep = lifted < plan.energy_j * margin
        if np.any(np.add.reduceat(keep.astype(np.int64), relaxation.options.first[:-1]) == 0):
            # Some user has no option in any plan better by the gap: the plan is proven.
            return Search(plan=plan, bound_j=max(bound_j, plan.energy_j * margin))
        kept, relaxation = kept[keep], relaxation.keep(keep)
        value, lifted = value[:, keep], lifted[keep]

    tree = _Tree(relaxation, value, prices, _order(relaxation, lifted, alike), alike)
    stack = [tree.root()]
    undecided_j, grown = np.inf, 0
    while stack:
        nodes = stack.pop()
        nodes = tree.refined(nodes[nodes.bound_j < plan.energy_j * margin])
        nodes = nodes[nodes.bound_j < plan.energy_j * margin]
        if len(nodes.bound_j) == 0:
            continue
        late, stalled = progress.over(), grown > patience
        if late or stalled or progress.due():
            proven = max(
                bound_j, min(undecided_j, *(float(some.bound_j.min()) for some in (nodes, *stack)))
            )
            proven = min(proven, plan.energy_j * margin)
            if late or stalled:
                return Search(plan=plan, bound_j=proven, timed_out=late, stalled=not late)
            progress.objective, progress.bound = plan.energy_j, proven
            progress.tick_by_time()
        if nodes.taken.shape[1] == len(tree.open):
            # The plan itself may be a leaf: it is shared out already, and only its own dual is
            # asked.
            same = np.all(kept[nodes.taken] == plan.choice[tree.open], axis=1) & tree.settled_as(
                kept, plan.choice
            )
            if same.any():
                own_j = max(bound_of(whole, plan), float(nodes.bound_j[same].min()))
                undecided_j = min(undecided_j, own_j if own_j < plan.energy_j * margin else np.inf)
            found, rest, doubt_j = _best_leaf(tree, nodes[~same], plan, margin)
            undecided_j = min(undecided_j, doubt_j)
            if found is not None:
                plan = replace(found, choice=kept[found.choice])
            if len(rest.bound_j):
                stack.append(rest)
            continue
        children = tree.grow(nodes, plan.energy_j * margin)
        children = children[np.argsort(-children.bound_j, kind="stable")]
        grown += len(children.bound_j)
        size = tree.at_once(nodes.taken.shape[1] + 1)
        stack += [children[k : k + size] for k in range(0, len(children.bound_j), size)]
    return Search(plan=plan, bound_j=max(bound_j, min(undecided_j, plan.energy_j * margin)))


def _reduced_costs(relaxation: Relaxation, prices: Floats) -> tuple[Floats, Floats, Floats]:
    """Priced energies (prices, options), bounds (prices,), and the bound on any plan with an option
    (options,).
    """
    size = max(1, _BLOCK // len(relaxation.options.option))
    value = np.concatenate(
        [relaxation.priced_j(prices[k : k + size])[0] for k in range(0, len(prices), size)]
    )
    least = relaxation.options.least(value)
    paid = prices * relaxation.bandwidth_hz
    root = least.sum(axis=-1) - paid
    root -= ROUNDING * (np.abs(least).sum(axis=-1) + paid)
    lifted = (root[:, None] + value - least[:, relaxation.options.user()]).max(axis=0)
    return value, root, lifted


def _order(relaxation: Relaxation, lifted: Floats, alike: Integers) -> list[int]:
    """Users with a choice left: those whose options differ most first, so that bad branches end
    early.
    """
    first = relaxation.options.first[:-1]
    spread = np.maximum.reduceat(lifted, first) - np.minimum.reduceat(lifted, first)
    widest = np.zeros(int(alike.max()) + 1)
    np.maximum.at(widest, alike, spread)  # users of a class stay together
    users = np.nonzero(np.diff(relaxation.options.first) > 1)[0]
    return [int(n) for n in users[np.lexsort((users, alike[users], -widest[alike[users]]))]]


class _Tree:
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

    def choices(self, leaves: _Nodes) -> Integers:
        """The options of all users in some leaves, (leaves, users)."""
        choices = np.repeat(self.settled[None, :], len(leaves.taken), axis=0)
        choices[:, self.open] = leaves.taken
        return choices

    def refined(self, nodes: _Nodes) -> _Nodes:
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
            self.finer = int(np.clip(_FINEST // (count * self.value.shape[1]), 1, _FINER))
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

    def root(self) -> _Nodes:
        """The node where nobody with a choice has chosen."""
        return _Nodes(
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

    def grow(self, nodes: _Nodes, cutoff_j: float) -> _Nodes:
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
        return _Nodes(
            taken=np.concatenate((nodes.taken[parent], mine[which][:, None]), axis=1),
            sums_j=sums[parent, which],
            used_hz=used[parent, which],
            bound_j=bound[parent, which],
        )


def _best_leaf(
    tree: _Tree, leaves: _Nodes, plan: Plan, margin: float
) -> tuple[Plan | None, _Nodes, float]:
    """Share out complete choices, the lowest bound first, until time is over or the rest, returned,
    is no better.

    The last is the least bound of a choice that was shared out and may yet be better by the gap;
    infinite if none.
    """
    leaves = leaves[np.argsort(leaves.bound_j, kind="stable")]
    log_price = plan.log_price if np.isfinite(plan.log_price) else 0.0
    best, found, least_j = plan.energy_j, None, [np.inf]
    done, size = 0, 4
    most = max(4, _SHARED_OUT // tree.relaxation.options.users)
    while (
        done < len(leaves.bound_j)
        and leaves.bound_j[done] < best * margin
        and not tree.relaxation.progress.over()
    ):
        choices = tree.choices(leaves[slice(done, done + size)])
        some, _, shares = shared_out(tree.relaxation, choices, log_price)
        bounds = np.maximum(
            bounds_of(tree.relaxation, choices, shares), leaves.bound_j[done : done + size]
        )
        least_j.append(float(bounds.min()))
        if some.energy_j < best:
            best, found = some.energy_j, some
        done, size = done + size, min(4 * size, most)
    doubt_j = min(least_j)
    return found, leaves[done:], doubt_j if doubt_j < best * margin else np.inf

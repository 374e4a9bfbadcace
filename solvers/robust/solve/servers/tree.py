"""Branch and bound where servers have budgets: the table of priced energies is the same, and what
users not yet decided add at least is known at a grid of prices of the servers, too.

A node is bounded at all prices of both grids together, and is no node where what it has taken of a
server, with the least that the others need of it, does not fit.
"""

import itertools
from dataclasses import dataclass, replace

import numpy as np

from solvers.arrays import Floats, Integers
from solvers.outcome import Options
from solvers.robust.budget import FULL
from solvers.robust.solve.branch import Search, descend, order_of, price_grid
from solvers.robust.solve.primal import Plan
from solvers.robust.solve.servers.served import Offer, Served
from solvers.robust.solve.shares import ROUNDING
from solvers.robust.solve.tree import Nodes, Tree

# Prices of a server around the best, beside none: dense for one server, fewer for several together.
_FACTORS = {
    1: np.exp(np.sinh(np.linspace(-2.5, 2.5, 31)) / np.sinh(2.5) * np.log(12.0)),
    2: np.array([0.3, 0.6, 0.85, 1.0, 1.2, 1.7, 3.0]),
    3: np.array([0.4, 0.8, 1.0, 1.4]),
}
_APART = np.array([0.0, 0.5, 0.8, 1.25, 2.0])
# A server that is worth nothing at the best prices may be worth this part of what all spend below.
_UNPRICED = 0.1
_BLOCK = 2_000_000  # bounds computed at once
_WORTH_REFINING = 256
_FINER = 40
_FINEST = 4_000_000


def server_grid(offer: Offer, capacity_s: Floats) -> Floats:
    """Prices of the servers around the best, (prices, servers); none at all is the first."""
    servers = len(capacity_s)
    best = offer.server_prices
    fallback = _UNPRICED * max(offer.bound_j, 0.0) / capacity_s / servers
    centre = np.where(best > 1e-9 * fallback, best, fallback)
    if servers in _FACTORS:
        factors = np.concatenate(([0.0], _FACTORS[servers]))
        rows = np.array(list(itertools.product(factors, repeat=servers)))
    else:
        one = np.ones((servers * len(_APART), servers))
        at = np.repeat(np.arange(servers), len(_APART))
        one[np.arange(len(one)), at] = np.tile(_APART, servers)
        rows = np.concatenate((np.zeros((1, servers)), np.ones((1, servers)), one))
        rows = np.concatenate((rows, np.outer(_APART[1:], np.ones(servers))))
    grid = np.concatenate((rows * centre, best[None, :]))
    return np.unique(grid, axis=0)


def search(
    relaxation: Served, plan: Plan, offer: Offer, alike: Integers, options: Options
) -> Search:
    """As `branch.search`, with the best prices of uplink and servers together."""
    margin = 1.0 - 0.5 * options.gap
    whole, cutoff_j, bound_j = relaxation, plan.energy_j * margin, offer.bound_j
    kept = np.arange(len(relaxation.options.option))
    for prices, server_prices in (
        (np.array([offer.price]), offer.server_prices[None, :]),
        (
            price_grid(offer.price, relaxation.options.users)
            if offer.price > 0.0
            else np.array([0.0]),
            server_grid(offer, relaxation.capacity_s),
        ),
    ):
        value, root_j, lifted = _reduced_costs(relaxation, prices, server_prices)
        bound_j = max(bound_j, root_j)
        keep = lifted < cutoff_j
        if np.any(np.add.reduceat(keep.astype(np.int64), relaxation.options.first[:-1]) == 0):
            return Search(plan=plan, bound_j=max(bound_j, cutoff_j))
        kept, relaxation = kept[keep], relaxation.keep(keep)
        value, lifted = value[:, keep], lifted[keep]
    tree = ServerTree(
        relaxation, value, prices, order_of(relaxation, lifted, alike), alike, server_prices
    )
    return descend(whole, tree, kept, plan, bound_j, margin)


def _reduced_costs(
    relaxation: Served, prices: Floats, server_prices: Floats
) -> tuple[Floats, float, Floats]:
    """Priced energies without servers (prices, options), the best bound, and the bound on any plan
    with an option (options,).
    """
    options = relaxation.options
    size = max(1, _BLOCK // len(options.option))
    value = np.concatenate(
        [relaxation.energies(prices[k : k + size])[0] for k in range(0, len(prices), size)]
    )
    lifted, best_j = np.full(len(options.option), -np.inf), -np.inf
    for own in server_prices:
        priced = value + relaxation.load_s @ own
        least = options.least(priced)
        paid = prices * relaxation.bandwidth_hz + own @ relaxation.capacity_s
        root = least.sum(axis=-1) - paid - ROUNDING * (np.abs(least).sum(axis=-1) + paid)
        best_j = max(best_j, float(root.max()))
        each = root[:, None] + priced - least[:, options.user()]
        np.maximum(lifted, each.max(axis=0), out=lifted)
    return value, best_j, lifted


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerNodes(Nodes):
    """Nodes with what they took of every server."""

    used_s: Floats  # (nodes, servers)
    top: Integers  # (nodes, 2) of the grids of prices, where the bound is

    @classmethod
    def names(cls) -> tuple[str, ...]:
        return ("taken", "sums_j", "used_hz", "bound_j", "used_s", "top")


class ServerTree(Tree):
    """The table, and what the users not yet decided add at least, at prices of servers, too."""

    relaxation: Served

    def __init__(
        self,
        relaxation: Served,
        value: Floats,
        prices: Floats,
        order: list[int],
        alike: Integers,
        server_prices: Floats,
    ) -> None:
        self.server_prices, self.load_s = server_prices, relaxation.load_s
        super().__init__(relaxation, value, prices, order, alike)
        self.capacity_s = relaxation.capacity_s
        self.base_s = self.load_s[self.settled[self.decided]].sum(axis=0)
        self.rest_s = np.zeros((len(order) + 1, len(self.capacity_s)))
        for k in reversed(range(len(order))):
            self.rest_s[k] = self.rest_s[k + 1] + self.load_s[self.options_of[k]].min(axis=0)
        most = (
            np.array([self.load_s[own].max(axis=0) for own in self.options_of]).sum(axis=0)
            if (order)
            else 0.0
        )
        # What sums of loads at a price may lose by rounding.
        self.lost_j = ROUNDING * (server_prices @ (self.base_s + most + self.capacity_s))

    def _rest_j(self, value: Floats) -> Floats:
        """Least priced energy of the open users from each on, (open users + 1, prices, prices of
        servers).
        """
        rest = np.zeros((len(self.open) + 1, len(value), len(self.server_prices)))
        for k in reversed(range(len(self.open))):
            mine = self.options_of[k]
            paid = self.load_s[mine] @ self.server_prices.T
            least = np.full(rest.shape[1:], np.inf)
            for own, asked in zip(mine, paid, strict=True):
                np.minimum(least, value[:, own, None] + asked, out=least)
            rest[k] = rest[k + 1] + least
        return rest

    def _paid_j(self, used_s: Floats) -> Floats:
        """What uses of servers are worth beyond the budgets, (nodes, prices of servers)."""
        return np.asarray((used_s - self.capacity_s) @ self.server_prices.T - self.lost_j)

    def _bounds(self, sums_j: Floats, used_s: Floats, depth: int) -> tuple[Floats, Integers]:
        """The best bound of nodes over both grids, and where it is."""
        rest = self.rest_j[depth]
        bound, top = np.empty(len(sums_j)), np.empty((len(sums_j), 2), dtype=np.int64)
        paid = self._paid_j(used_s)
        size = max(1, _BLOCK // rest.size)
        for k in range(0, len(sums_j), size):
            some = slice(k, k + size)
            totals = sums_j[some, :, None] + paid[some, None, :] + rest
            flat = totals.reshape(len(totals), -1)
            best = flat.argmax(axis=1)
            bound[some] = flat[np.arange(len(flat)), best]
            top[some] = np.stack(np.divmod(best, rest.shape[1]), axis=1)
        return bound, top

    def root(self) -> ServerNodes:
        sums, used = self.base_j[None, :], self.base_s[None, :]
        bound, top = self._bounds(sums, used, 0)
        # Where reduced costs left one option each nobody looks at the servers again.
        fits = np.all(used + self.rest_s[0] <= self.capacity_s * FULL, axis=-1)
        root = ServerNodes(
            taken=np.zeros((1, 0), dtype=np.int64),
            sums_j=sums,
            used_hz=np.array([self.base_hz]),
            bound_j=bound,
            used_s=used,
            top=top,
        )
        return root[fits]

    def grow(self, nodes: Nodes, cutoff_j: float) -> ServerNodes:
        assert isinstance(nodes, ServerNodes)
        depth = nodes.taken.shape[1]
        mine, after = self.options_of[depth], self.rest_j[depth + 1]
        used_hz = nodes.used_hz[:, None] + self.least_hz[mine]
        used_s = nodes.used_s[:, None, :] + self.load_s[mine]
        fits = used_hz + self.rest_hz[depth + 1] <= self.relaxation.bandwidth_hz * (1.0 + 1e-12)
        fits &= np.all(used_s + self.rest_s[depth + 1] <= self.capacity_s * FULL, axis=-1)
        if self.twin[depth]:
            number = self.relaxation.options.option
            fits &= number[mine] >= number[nodes.taken[:, -1]][:, None]
        # First at the prices that were best for the parent, then at all.
        at, own = nodes.top[:, 0], nodes.top[:, 1]
        here = np.take_along_axis(nodes.sums_j, at[:, None], axis=1) + self.value[at][:, mine]
        spent = ((used_s - self.capacity_s) * self.server_prices[own][:, None, :]).sum(axis=-1)
        here = here + spent + (after[at, own] - self.lost_j[own])[:, None]
        parent, which = np.nonzero(fits & (here < cutoff_j))
        sums = nodes.sums_j[parent] + self.value[:, mine].T[which]
        bound, top = self._bounds(sums, used_s[parent, which], depth + 1)
        children = ServerNodes(
            taken=np.concatenate((nodes.taken[parent], mine[which][:, None]), axis=1),
            sums_j=sums,
            used_hz=used_hz[parent, which],
            bound_j=bound,
            used_s=used_s[parent, which],
            top=top,
        )
        return children[bound < cutoff_j]

    def refined(self, nodes: Nodes) -> Nodes:
        """As `Tree.refined`, at the prices of servers where the bound is."""
        assert isinstance(nodes, ServerNodes)
        if len(nodes.bound_j) < _WORTH_REFINING or len(self.prices) < 3:
            return nodes
        base, value, rest = self._finer()
        depth, own = nodes.taken.shape[1], nodes.top[:, 1]
        paid = np.take_along_axis(self._paid_j(nodes.used_s), own[:, None], axis=1)[:, 0]
        totals = nodes.sums_j + self.rest_j[depth][:, own].T
        top = np.clip(nodes.top[:, 0], 1, totals.shape[1] - 2)
        before, at, after = (
            np.take_along_axis(totals, (top + k)[:, None], axis=1)[:, 0] for k in (-1, 0, 1)
        )
        with np.errstate(divide="ignore", invalid="ignore"):
            beside = np.nan_to_num(0.5 * (before - after) / (before - 2.0 * at + after))
        middle = np.rint((top + np.clip(beside, -1.0, 1.0)) * self.finer).astype(np.int64)
        bound = nodes.bound_j
        for k in (-1, 0, 1):
            price = np.clip(middle + k, 0, len(base) - 1)
            taken = value[price[:, None], nodes.taken].sum(axis=-1)
            bound = np.maximum(bound, base[price] + rest[depth][price, own] + taken + paid)
        return replace(nodes, bound_j=bound)

    def finest(self) -> int:
        """How many times as many prices the finer grid may have."""
        size = max(self.value.shape[1], len(self.open) * len(self.server_prices))
        return int(np.clip(_FINEST // (len(self.prices) * size), 1, _FINER))

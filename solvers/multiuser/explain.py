"""Why a user has the option it has: each one at the cell's prices, what would make it win, and what
the cell owes to this user.

At prices lambda of the whole uplink and mu of the whole server a user's question stands alone:
least of its cost and lambda x + mu y over shares in (0, 1] (`solve/chosen.py`). With L the dual's
bound and v the least of one user, L - v bounds every plan of the others.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np

from solvers.arrays import Booleans, Floats, Integers
from solvers.multiuser.problem import Problem
from solvers.multiuser.solve.chosen import TINY_S, Chosen, capped_cost
from solvers.multiuser.solve.deadlines import tolerant
from solvers.thresholds import ByCut, Change, Flip, around, flips, slopes

Quantity = Literal["spectral_efficiency", "deadline_s", "bandwidth_price", "server_price"]

# Of the logarithm, to both sides.
_REACH = {
    "spectral_efficiency": np.log(1e4),
    "deadline_s": np.log(16.0),
    "bandwidth_price": np.log(1e6),
    "server_price": np.log(1e6),
}
_STEPS = 60
_ROUNDING = 1e-12
_BLOCK = 16_384


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """Of the whole uplink and of the whole server [cost]."""

    uplink: float
    server: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Every option of a user at prices, (options,)."""

    cost: Floats  # at the price; infinite where it does not work
    possible: Booleans  # alone in the cell
    lossy: Booleans  # loses more accuracy than the user accepts
    short_by_s: Floats  # with both budgets to itself; below 0 where it is in time
    bandwidth_share: Floats
    server_share: Floats
    latency_s: Floats  # with these shares
    own_cost: Floats  # without what the shares cost
    least_bandwidth_share: Floats  # with the whole server; infinite where none is in time


@dataclass(frozen=True, slots=True)
class _Terms:
    """Options of users who run one workload, (users, options)."""

    chosen: Chosen
    loss: Floats
    max_loss: Floats

    @classmethod
    def of(cls, problem: Problem, users: Integers) -> "_Terms":
        problem = tolerant(problem)  # what the check accepts is not ruled out
        work, kind = problem.workloads, int(problem.workload[users[0]])
        rows = slice(int(work.first[kind]), int(work.first[kind + 1]))
        crossing = work.crossing_bit[rows]
        fixed = work.device_s[rows] + np.where(crossing > 0.0, problem.network_s, 0.0)
        if work.result_s is not None:
            fixed = fixed + work.result_s[rows]
        weight = problem.weight[users, None]
        per_s = problem.latency_weight_per_s
        rate = problem.bandwidth_hz * problem.spectral_efficiency[users, None]
        shape = len(users), len(fixed)
        return cls(
            Chosen(
                fixed_cost=weight * (per_s * fixed + problem.loss_weight * work.loss[rows]),
                root_uplink=np.sqrt(crossing / rate),
                root_server=np.broadcast_to(np.sqrt(work.server_s[rows]), shape),
                slack_s=problem.deadline_s[users, None] - fixed,
                root_weight=np.broadcast_to(np.sqrt(weight * per_s), shape),
            ),
            work.loss[rows],
            problem.max_loss[users, None],
        )

    @property
    def alone_s(self) -> Floats:
        """Time on both whole budgets."""
        return np.asarray(self.chosen.root_uplink**2 + self.chosen.root_server**2)

    @property
    def possible(self) -> Booleans:
        """Options that keep both limits of a user who is alone."""
        return np.asarray((self.alone_s <= self.chosen.slack_s) & (self.loss <= self.max_loss))

    def cost(self, uplink: Floats | float, server: Floats | float) -> Floats:
        """At prices; infinite where an option does not work."""
        p, q = np.sqrt(np.asarray(uplink)), np.sqrt(np.asarray(server))
        return np.where(self.possible, capped_cost(self.chosen, p, q), np.inf)


def bound(problem: Problem, prices: Prices) -> float:
    """L: what every plan of a cell costs at least, proven at these prices; -inf where somebody has
    no option.
    """
    total = 0.0
    order = np.argsort(problem.workload, kind="stable")
    starts = np.flatnonzero(np.diff(problem.workload[order], prepend=-1))
    for of_kind in np.split(order, starts[1:]):
        for k in range(0, len(of_kind), _BLOCK):
            some = _Terms.of(problem, of_kind[k : k + _BLOCK])
            total += float(some.cost(prices.uplink, prices.server).min(axis=1).sum())
    if not np.isfinite(total):
        return -np.inf
    paid = prices.uplink + prices.server
    return total - paid - _ROUNDING * (abs(total) + paid)


class Asked(ByCut):
    """The question of one user of a cell, at the cell's prices.

    Parameters
    ----------
    problem : of this user alone (`Problem.only`).
    prices : of the cell's plan.
    """

    def __init__(self, problem: Problem, prices: Prices) -> None:
        self.problem, self.prices = problem, prices
        work, kind = problem.workloads, int(problem.workload[0])
        self.rows = np.arange(work.first[kind], work.first[kind + 1])
        super().__init__(work.cut[self.rows])

    @cached_property
    def now(self) -> Options:
        """Its options as it is asked."""
        terms = _Terms.of(self.problem, np.array([0]))
        chosen, slack = terms.chosen, terms.chosen.slack_s[0]
        x, y = _shares(chosen, self.prices)
        up, on = chosen.root_uplink[0] ** 2, chosen.root_server[0] ** 2
        with np.errstate(divide="ignore", invalid="ignore"):
            shared_s = np.where(up > 0.0, up / x, 0.0) + np.where(on > 0.0, on / y, 0.0)
            least = np.where(up > 0.0, up / np.maximum(slack - on, TINY_S), 0.0)
        cost = terms.cost(self.prices.uplink, self.prices.server)[0]
        return Options(
            cost=cost,
            possible=np.isfinite(cost),
            lossy=np.asarray(terms.loss > terms.max_loss[0]),
            short_by_s=terms.alone_s[0] - slack,
            bandwidth_share=x,
            server_share=y,
            latency_s=self._fixed_s() + shared_s,
            own_cost=chosen.fixed_cost[0] + chosen.root_weight[0] ** 2 * shared_s,
            least_bandwidth_share=np.where(least <= 1.0 + 1e-9, least, np.inf),
        )

    def _fixed_s(self) -> Floats:
        late = replace(self.problem, deadline_s=np.ones(1))
        return np.asarray(
            float(tolerant(late).deadline_s[0]) - _Terms.of(late, np.array([0])).chosen.slack_s[0]
        )

    @property
    def least(self) -> float:
        """The v of this user."""
        return float(self.now.cost.min())

    def best(self) -> Integers:
        """The cheapest option of each cut, the first of equals."""
        return self.cheapest_of_cuts(np.where(self.now.possible, self.now.cost, np.inf))

    def quantities(self) -> list[Quantity]:
        """What can be moved."""
        found: list[Quantity] = ["spectral_efficiency", "bandwidth_price", "server_price"]
        if np.isfinite(self.problem.deadline_s[0]):
            found.insert(1, "deadline_s")
        return found

    def flips(self, quantity: Quantity) -> list[Flip]:
        """Where another cut would win, all else as it is; options are positions in `cuts`."""
        at = self.value(quantity)
        free = at == 0.0
        if free:  # a budget that is not short: prices as large as the costs are looked at
            known = self.now.cost[self.now.possible]
            at = float(np.abs(known).min(initial=1.0)) or 1.0
        grid, now = around(at, _REACH[quantity], _STEPS), _STEPS
        if quantity in ("bandwidth_price", "server_price"):
            grid = np.concatenate(([0.0], grid))
            now = 0 if free else _STEPS + 1
        return flips(lambda values: self.costs(quantity, values), grid, now)

    def value(self, quantity: Quantity) -> float:
        """What a quantity is; prices are of the whole budgets."""
        match quantity:
            case "bandwidth_price":
                return self.prices.uplink
            case "server_price":
                return self.prices.server
        return float(getattr(self.problem, quantity)[0])

    def costs(self, quantity: Quantity, values: Floats) -> Floats:
        """The least cost of each cut where a quantity has other values, (values, cuts)."""
        count = len(values)
        many = self.problem.only(np.zeros(count, dtype=np.int64))
        uplink, server = self.prices.uplink, self.prices.server
        at: tuple[Floats | float, Floats | float] = (uplink, server)
        match quantity:
            case "bandwidth_price":
                at = values[:, None], server
            case "server_price":
                at = uplink, values[:, None]
            case "spectral_efficiency":
                many = replace(many, spectral_efficiency=values)
            case "deadline_s":
                many = replace(many, deadline_s=values)
        return self.least_of_cuts(_Terms.of(many, np.arange(count)).cost(*at))

    def slopes(self, option: int) -> tuple[float, float] | None:
        """D(cost)/d(deadline) of an option at the prices, from both sides; None without a
        deadline.
        """
        deadline = float(self.problem.deadline_s[0])
        if not np.isfinite(deadline):
            return None
        return slopes(lambda deadlines: self._with_deadlines(deadlines)[1][:, option], deadline)

    def _with_deadlines(self, deadline_s: Floats) -> tuple[_Terms, Floats]:
        """The options with other deadlines, and their costs at the prices, (deadlines, options)."""
        many = self.problem.only(np.zeros(len(deadline_s), dtype=np.int64))
        terms = _Terms.of(replace(many, deadline_s=deadline_s), np.arange(len(deadline_s)))
        return terms, terms.cost(self.prices.uplink, self.prices.server)

    def changes(
        self, factors: Floats, shares: tuple[float, float], own_cost: float, room: float
    ) -> list[Change]:
        """What the cell would cost more with this user's deadline at factors of what it is.

        Parameters
        ----------
        shares, own_cost : of uplink and server, and what the plan has the user cost.
        room : how far the plan's objective lies above L at the prices.

        Returns
        -------
        At least: L with this user's least cost replaced, less the objective. At most: the user
        decides anew within its shares, nobody else changes.
        """
        deadlines = float(self.problem.deadline_s[0]) * factors
        terms, cost = self._with_deadlines(deadlines)
        least, chosen = cost.min(axis=1), terms.chosen
        up, on = chosen.root_uplink**2, chosen.root_server**2
        x, y = (max(share, TINY_S) for share in shares)
        taken_s = up / x + on / y
        fits = (taken_s <= chosen.slack_s) & (terms.loss <= terms.max_loss)
        spent = np.where(fits, chosen.fixed_cost + chosen.root_weight**2 * taken_s, np.inf)
        most = spent.min(axis=1) - own_cost
        return Change.each(deadlines, least - self.least - room, most)


def _shares(chosen: Chosen, prices: Prices) -> tuple[Floats, Floats]:
    """Best shares of one user's options at prices, as `capped_cost` prices them."""
    a, c = chosen.root_uplink[0], chosen.root_server[0]
    k, slack = chosen.root_weight[0], np.maximum(chosen.slack_s[0], TINY_S)
    p, q = np.sqrt(prices.uplink), np.sqrt(prices.server)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        z = np.maximum(k, (p * a + q * c) / slack)
        x = np.where(a > 0.0, z * a / p, 0.0)
        y = np.where(c > 0.0, z * c / q, 0.0)

        def beside(root: Floats, other: Floats, price: float) -> Floats:
            """The share of one budget where the whole of the other is taken."""
            left = np.maximum(slack - other**2, TINY_S)
            wanted = np.maximum(k * root / price, root**2 / left)
            return np.where(root > 0.0, np.minimum(wanted, 1.0), 0.0)

        whole_up = np.where(a > 0.0, 1.0, 0.0), beside(c, a, q)
        whole_on = beside(a, c, p), np.where(c > 0.0, 1.0, 0.0)

        def spent(x: Floats, y: Floats) -> Floats:
            time_s = np.where(a > 0.0, a**2 / x, 0.0) + np.where(c > 0.0, c**2 / y, 0.0)
            return np.asarray(k**2 * time_s + p**2 * x + q**2 * y)

        up, on = spent(*whole_up), spent(*whole_on)
    takes_uplink = (a > 0.0) & ((up <= on) | (c == 0.0))
    capped = [np.where(takes_uplink, u, o) for u, o in zip(whole_up, whole_on, strict=True)]
    # A share that costs nothing, and is not wanted, divides nothing by nothing.
    too_much = ~((x <= 1.0) & (y <= 1.0))
    return np.where(too_much, capped[0], x), np.where(too_much, capped[1], y)

"""The best prices of uplink and servers, by column generation.

A restricted master program mixes, for every user, options at the shares that were asked for at
the prices tried so far. Its duals are the next prices to try, its value bounds L from above and
every L from below. Users with one option left are one column together for each price of the uplink.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from solvers.arrays import Floats, Integers
from solvers.robust.solve.servers.program import mix
from solvers.robust.solve.servers.served import Offer, Served

_LADDER = np.concatenate(([0.0], 4.0 ** np.arange(-4, 5)))
_AROUND = 1.0 + np.array([-0.03, -3e-3, 0.0, 3e-3, 0.03])
_ROUNDS = 80
_STUCK = 8
# A unit of a budget that is missing costs this many times what everybody spends, at first and last.
_MISSING = (1e2, 1e6)
_WHOLE = 3_000  # options, up to which all of them are columns to begin with


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerDual:
    """The best bound found and the prices that prove it, with the mixture of options beside it."""

    offer: Offer
    weight: Floats  # (options,) in the mixture; those of a user add up to 1
    missing: float  # of the budgets, in parts of each, for the mixture; 0 where it keeps them

    @property
    def bound_j(self) -> float:
        """A lower bound on every plan."""
        return self.offer.bound_j


class _Master:
    """The columns so far; costs in parts of what a user spends, budgets in parts of each."""

    def __init__(self, relaxation: Served) -> None:
        self.relaxation = relaxation
        options = relaxation.options
        alone = np.diff(options.first) == 1
        self.settled = options.first[:-1][alone]
        self.open = np.nonzero(~np.repeat(alone, np.diff(options.first)))[0]
        number = np.cumsum(~alone) - 1
        self.group_of = number[options.user()[self.open]]
        self.groups = int(np.count_nonzero(~alone)) + (len(self.settled) > 0)
        self.settled_s = relaxation.load_s[self.settled].sum(axis=0)
        self.unit_j = 1.0
        empty = np.zeros(0)
        self.group, self.option = np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
        self.cost, self.share = empty, empty

    def add(self, cost: Floats, share: Floats, some: Integers) -> None:
        """Columns of some of the open options, and of the settled users together.

        cost, share : (options,) at one price.
        """
        of = self.open[some]
        group, option = [self.group_of[some]], [of]
        costs, shares = [cost[of]], [share[of]]
        if len(self.settled):
            group.append(np.array([self.groups - 1]))
            option.append(np.array([-1]))
            costs.append(cost[self.settled].sum(keepdims=True))
            shares.append(share[self.settled].sum(keepdims=True))
        self.group = np.concatenate([self.group, *group])
        self.option = np.concatenate([self.option, *option])
        self.cost = np.concatenate([self.cost, *costs])
        self.share = np.concatenate([self.share, *shares])

    def load_s(self) -> Floats:
        """What each column takes of every server."""
        load = self.relaxation.load_s[self.option]
        load[self.option < 0] = self.settled_s
        return np.asarray(load)

    def reduced(self, price: float, server_prices: Floats, worth: Floats) -> Floats:
        """Reduced cost [J] of every column."""
        paid = price * self.share + self.load_s() @ server_prices
        return np.asarray(self.cost + paid - worth[self.group])

    def keep(self, mask: NDArray[np.bool_]) -> None:
        """Only some of the columns."""
        self.group, self.option = self.group[mask], self.option[mask]
        self.cost, self.share = self.cost[mask], self.share[mask]

    def solved(self, missing_costs: float) -> "_Mixture":
        """The best mixture of the columns, and its duals."""
        relaxation = self.relaxation
        used = np.concatenate(
            ([self.share / relaxation.bandwidth_hz], (self.load_s() / relaxation.capacity_s).T)
        )
        found = mix(self.cost / self.unit_j, used, self.group, np.ones(len(used)), missing_costs)
        if found is None:
            raise ArithmeticError("a mixture of options that may exceed budgets always exists")
        prices = found.prices * self.unit_j
        return _Mixture(
            value_j=found.value * self.unit_j,
            price=float(prices[0] / relaxation.bandwidth_hz),
            server_prices=prices[1:] / relaxation.capacity_s,
            worth_j=found.worth * self.unit_j,
            weight=found.weight,
            missing=float(found.missing.sum()),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Mixture:
    value_j: float
    price: float
    server_prices: Floats
    worth_j: Floats  # (groups,) dual of one option each
    weight: Floats  # (columns,)
    missing: float


def maximise(relaxation: Served, tolerance: float, near: Offer | None = None) -> ServerDual:
    """Maximise L over all prices until none can raise it by more than `tolerance`, relative.

    `near`: prices known to be near the best.
    """
    master = _Master(relaxation)
    start = relaxation.first_price() if near is None else near.price
    best = _begin(master, start, near)
    dearest = float(np.abs(best.energy_j).max()) * relaxation.options.users
    master.unit_j = max(float(np.abs(best.value_j[best.choice]).mean()), 1e-300)
    costs, width, before = _MISSING[0] * dearest / master.unit_j, 0.3, start
    mixture: _Mixture | None = None
    opens: list[float] = []
    for _ in range(_ROUNDS):
        relaxation.progress.tick()
        mixture = master.solved(costs)
        if mixture.missing > 1e-7 and costs < _MISSING[1] * dearest / master.unit_j:
            costs *= 1e2
            continue
        tried = _tried(relaxation, mixture, width)
        best = max(best, *tried, key=lambda offer: offer.bound_j)
        relaxation.progress.bound = best.bound_j
        open_j = mixture.value_j - best.bound_j
        opens.append(open_j)
        # Where the program's own rounding is all that is left, nothing moves any more.
        stuck = len(opens) > _STUCK and min(opens[-_STUCK:]) > 0.5 * min(opens[:-_STUCK])
        if open_j <= tolerance * abs(best.bound_j) or stuck or relaxation.progress.over():
            break
        _extend(master, mixture, tried, open_j)
        moved = abs(mixture.price / before - 1.0) if before > 0.0 else 1.0
        width, before = float(np.clip(moved, 0.03 * width, 0.3)), mixture.price
    assert mixture is not None
    return ServerDual(
        offer=best, weight=_weights(master, mixture), missing=max(mixture.missing, 0.0)
    )


def _begin(master: _Master, start: float, near: Offer | None) -> Offer:
    """The first columns: least shares, so that the uplink has a mixture where it has a plan, and
    what is asked for at prices far apart; in a larger cell at prices near those known.
    """
    relaxation = master.relaxation
    curves, everything = relaxation.options.curves, np.arange(len(master.open))
    master.add(curves.energy_j(curves.x_most), curves.least_hz, everything)
    free = np.zeros(len(relaxation.capacity_s))
    best = relaxation.at(0.0, free) if near is None else near
    factors = _LADDER if near is None else _AROUND
    prices = np.unique(start * factors)
    energy, share = relaxation.energies(prices)
    for k, price in enumerate(prices.tolist()):
        master.add(energy[k] - price * share[k], share[k], everything)
        best = max(
            best,
            relaxation.offer(price, best.server_prices, energy[k], share[k]),
            key=lambda offer: offer.bound_j,
        )
    return best


def _tried(relaxation: Served, mixture: _Mixture, width: float) -> list[Offer]:
    """The mixture's prices, and such with the uplink's a little to either side."""
    prices = mixture.price * (1.0 + width * np.array([0.0, -1.0, 1.0, -0.1, 0.1]))
    prices = prices if mixture.price > 0.0 else np.zeros(1)
    energy, share = relaxation.energies(prices)
    return [
        relaxation.offer(price, mixture.server_prices, energy[k], share[k])
        for k, price in enumerate(prices.tolist())
    ]


def _extend(master: _Master, mixture: _Mixture, tried: list[Offer], open_j: float) -> None:
    """Add what may still improve the mixture, and drop what cannot."""
    kept = master.reduced(mixture.price, mixture.server_prices, mixture.worth_j)
    keep = (kept <= open_j) | (mixture.weight > 0.0)
    if np.count_nonzero(keep) < 0.8 * len(keep):
        master.keep(keep)
    load = master.relaxation.load_s[master.open] @ mixture.server_prices
    for offer in tried:
        cost = offer.energy_j - offer.price * offer.share_hz
        paid = (cost + mixture.price * offer.share_hz)[master.open] + load
        reduced = paid - mixture.worth_j[master.group_of]
        some = np.nonzero(reduced <= open_j)[0]
        master.add(cost, offer.share_hz, some)


def _weights(master: _Master, mixture: _Mixture) -> Floats:
    """What the mixture has of every option."""
    weight = np.zeros(len(master.relaxation.options.option))
    own = master.option[: len(mixture.weight)]
    np.add.at(weight, own[own >= 0], mixture.weight[own >= 0])
    weight[master.settled] = 1.0
    return weight

"""Why a user has the cut it has: each one at the cell's prices, what would make it win, and what
the cell owes to this user.

At prices lambda of a hertz and mu of a second of each server a user's question stands alone: least
of E_o(b) + lambda b + mu load_o. With L the dual's bound (`solve/dual.py`) and v the least of one
user, L - v bounds every plan of the others.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np

from solvers.arrays import Booleans, Floats, Integers
from solvers.robust.details import Details, describe
from solvers.robust.problem import Decision, Problem
from solvers.robust.solve.candidates import Candidates, in_blocks, options_of
from solvers.robust.solve.infeasible import Reasons, reasons_of
from solvers.thresholds import ByCut, Change, Flip, around, flips, slopes

Quantity = Literal["gain", "deadline_s", "price"]

# Of the logarithm, to both sides: 60 dB of gain, a factor of 16 on deadlines, of a million on
# prices.
_REACH = {"gain": 6.0 * np.log(10.0), "deadline_s": np.log(16.0), "price": np.log(1e6)}
_STEPS = 60
# Sums of many priced energies carry rounding of about this relative size.
_ROUNDING = 1e-12
_FITS = 1.0 + 1e-9
_NO_SHARE = 1e-30  # keeps the logarithm of one defined


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """What a cell's users pay for what they share, in the objective's unit [J], or [W] of
    streams.
    """

    per_hz: float
    per_server_s: Floats  # (servers,) that have a budget


@dataclass(frozen=True, slots=True, kw_only=True)
class Priced:
    """Every option of some users at prices, user by user."""

    candidates: Candidates
    possible: Booleans  # works alone with the whole uplink
    cost: Floats  # at the price; infinite where it does not work
    share_hz: Floats  # at which it is least; NaN where it does not work


def priced(problem: Problem, per_hz: Floats, per_server_s: Floats) -> Priced:
    """Every option of every user at a price of its own, (users,)."""
    limits = problem.at_tolerance()
    candidates, possible = options_of(limits)
    curves = candidates.curves[possible].with_marginals()
    x_least = curves.x_at(np.maximum(limits.bandwidth_hz, curves.least_hz))
    price = per_hz[candidates.user()[possible]]
    paid = price > 0.0
    x = curves.respond(np.log(np.where(paid, price, 1.0)), x_least)[0]
    x = np.where(paid, x, x_least)
    value, share = curves.priced_j(price, x, x_least)
    cost, shares = np.full(len(possible), np.inf), np.full(len(possible), np.nan)
    cost[possible] = value + candidates.load[possible] @ per_server_s
    shares[possible] = share
    return Priced(candidates=candidates, possible=possible, cost=cost, share_hz=shares)


def bound(problem: Problem, prices: Prices) -> float:
    """L: what every plan of a cell spends at least, proven at these prices; -inf where somebody has
    no option.
    """
    paid = problem.at_tolerance().bandwidth_hz * prices.per_hz
    paid += float(np.dot(problem.at_tolerance().server_capacity, prices.per_server_s))
    total = 0.0
    for users in in_blocks(problem):
        some = priced(problem.only(users), np.full(len(users), prices.per_hz), prices.per_server_s)
        total += float(some.candidates.least(some.cost).sum())
    if not np.isfinite(total):
        return -np.inf
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
    def now(self) -> Priced:
        """Its options as it is asked."""
        return priced(self.problem, np.array([self.prices.per_hz]), self.prices.per_server_s)

    @property
    def least(self) -> float:
        """The v of this user."""
        return float(self.now.cost.min())

    def best(self) -> Integers:
        """The cheapest option of each cut, the first of equals."""
        return self.cheapest_of_cuts(self.now.cost)

    def described(self, options: Integers) -> Details:
        """Delays and energies of some options that work, each at its own share and clock."""
        return describe(self._copies(len(options)), self._decision(options))

    def _decision(self, options: Integers) -> Decision:
        shares = np.where(self.now.candidates.curves.sends, self.now.share_hz, 0.0)[options]
        clocks, _ = self.now.candidates.curves[options].carried_out(shares)
        return Decision(option=options, frequency_hz=clocks, bandwidth_hz=shares)

    def clocks_hz(self, options: Integers) -> Floats:
        """Clocks of some options that work, beside their shares."""
        return np.asarray(self._decision(options).frequency_hz)

    def spent(self, option: int, share_hz: float) -> float:
        """What an option spends at a share, in the objective's unit."""
        curves = self.now.candidates.curves[[option]]
        return float(curves.energy_j(curves.x_at(max(share_hz, _NO_SHARE)))[0])

    def reasons(self) -> Reasons:
        """What stops each cut alone, as far as anything does."""
        return reasons_of(self.problem, np.array([0]))

    def flips(self, quantity: Quantity) -> list[Flip]:
        """Where another cut would win, all else as it is; options are positions in `cuts`."""
        grid, now = around(self._value(quantity), _REACH[quantity], _STEPS), _STEPS
        if quantity == "price":
            grid = np.concatenate(([0.0], grid))
            now = _STEPS + 1 if self.prices.per_hz > 0.0 else 0
        return flips(lambda values: self.costs(quantity, values), grid, now)

    def costs(self, quantity: Quantity, values: Floats) -> Floats:
        """The least cost of each cut where a quantity has other values, (values, cuts)."""
        per_hz = np.full(len(values), self.prices.per_hz)
        many = self._copies(len(values))
        if quantity == "price":
            per_hz = values
        elif quantity == "gain":
            many = replace(many, gain=values)
        else:
            many = replace(many, deadline_s=values)
        found = priced(many, per_hz, self.prices.per_server_s).cost.reshape(len(values), -1)
        return self.least_of_cuts(found)

    def _value(self, quantity: Quantity) -> float:
        if quantity == "gain":
            return float(self.problem.gain[0])
        if quantity == "deadline_s":
            return float(self.problem.deadline_s[0])
        if self.prices.per_hz > 0.0:
            return self.prices.per_hz
        known = self.now.cost[self.now.possible]
        # Where spectrum is free: what would make the uplink as dear as the energy.
        return float(known.min(initial=1.0)) / self.problem.bandwidth_hz or 1.0

    def _copies(self, count: int) -> Problem:
        return self.problem.only(np.zeros(count, dtype=np.int64))

    def slopes(self, option: int) -> tuple[float, float]:
        """D(cost)/d(deadline) of an option at the prices, from both sides; -inf where a tighter
        deadline rules it out.
        """

        def costs(deadlines: Floats) -> Floats:
            found = self._with_deadlines(deadlines).cost
            return np.asarray(found.reshape(len(deadlines), -1)[:, option])

        return slopes(costs, float(self.problem.deadline_s[0]))

    def _with_deadlines(self, deadline_s: Floats) -> Priced:
        """Its options with other deadlines, one after the other."""
        many = replace(self._copies(len(deadline_s)), deadline_s=deadline_s)
        per_hz = np.full(len(deadline_s), self.prices.per_hz)
        return priced(many, per_hz, self.prices.per_server_s)

    def changes(self, factors: Floats, option: int, share_hz: float, room: float) -> list[Change]:
        """What the cell would spend more with this user's deadline at factors of what it is.

        Parameters
        ----------
        option, share_hz : what the plan gives the user.
        room : how far the plan's objective lies above L at the prices; NaN where unknown.

        Returns
        -------
        At least: L with this user's least cost replaced, less the objective. At most: the user
        decides anew within its share, nobody else changes.
        """
        deadlines = float(self.problem.deadline_s[0]) * factors
        found = self._with_deadlines(deadlines)
        least = found.candidates.least(found.cost)
        curves, load = found.candidates.curves, found.candidates.load
        mine = self.now.candidates.load[option]
        fits = found.possible & (curves.least_hz <= share_hz * _FITS)
        fits &= np.all(load <= mine * _FITS, axis=1)
        spent = np.full(len(fits), np.inf)
        some = curves[fits]
        spent[fits] = some.energy_j(
            some.x_at(np.maximum(np.maximum(share_hz, some.least_hz), _NO_SHARE))
        )
        most = found.candidates.least(spent) - self.spent(option, share_hz)
        return Change.each(deadlines, least - self.least - room, most)

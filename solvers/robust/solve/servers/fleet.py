"""Large cells whose servers have budgets: what can be nobody's choice is never laid out.

A sample of the users tells about where the prices lie. For the same way to run and to send on the
device, servers differ in their time and in what they cost. The least energy at a price is convex in
the time that is left, so that one curve for the fastest server, and its slope, bound it at all the
others; and every priced option rises with every price. So for all prices in a box only a few
options can be anybody's best: they alone are laid out, and memory grows with the users.
"""

from dataclasses import dataclass, replace

import numpy as np

from solvers.arrays import Floats, Integers
from solvers.margin import OF_OPTIONS
from solvers.moments import margin_factor
from solvers.progress import Progress
from solvers.robust.budget import FULL, TimeBudget, budget_of
from solvers.robust.problem import Problem
from solvers.robust.solve.candidates import BLOCK, Candidates, laid_out, options_of
from solvers.robust.solve.servers.served import Offer, Served
from solvers.robust.solve.servers.smooth import COARSE, FINE, FINEST, climb

_SAMPLES = (384, 6_144)  # users of the first prices and of the second
_REACH = (0.3, 0.05)  # of the box around them: the second sample's, everybody's
_FLOOR = 3e-3  # price of a server that is as good as none, in parts of what is paid in all
_WIDER = 3.0
_SWEEPS = 6
# A slope found by Newton's method is good to more than this part of it.
_SURELY = 1.0 - 1e-4
_DOUBT = 1e-9  # of a priced energy, for what rounding may do to it
_ENDLESS = 1e300
# Columns in which the options of one server and another may differ.
_SERVED = ("server_mean_s", "server_variance_s2", "server_excess_s", "server_load_s")


@dataclass(frozen=True, slots=True)
class Box:
    """Prices from the lowest to the highest."""

    low: float
    high: float
    low_s: Floats  # (servers,)
    high_s: Floats

    @classmethod
    def around(cls, offer: Offer, reach: float, floor_s: Floats) -> "Box":
        """As far around some prices; those near 0 up to a floor."""
        factor = 1.0 + reach
        low_s = offer.server_prices / factor
        return cls(
            low=offer.price / factor,
            high=offer.price * factor,
            low_s=np.where(offer.server_prices > floor_s, low_s, 0.0),
            high_s=np.maximum(offer.server_prices, floor_s) * factor,
        )

    def holds(self, offer: Offer) -> bool:
        """Whether some prices are within."""
        return bool(
            self.low <= offer.price <= self.high
            and np.all(self.low_s <= offer.server_prices)
            and np.all(offer.server_prices <= self.high_s)
        )


class _Rows:
    """The rows of the workload table, in groups that differ in their server only, each with its
    fastest row as `lead`.
    """

    def __init__(self, problem: Problem) -> None:
        work = problem.workloads
        owner = np.repeat(np.arange(len(work.first) - 1), np.diff(work.first))
        names = [name for name in work.per_row() if name not in _SERVED]
        keys = np.stack([owner, *(getattr(work, name) for name in names)], axis=1).astype(float)
        keys = np.where(np.isnan(keys), -1.0, keys)
        _, group = np.unique(keys, axis=0, return_inverse=True)
        time = work.server_mean_s
        if problem.margin in OF_OPTIONS:
            time = time + work.server_excess_s
        deviation = np.sqrt(work.server_variance_s2)
        order = np.lexsort((deviation, time, group))
        leads = order[np.concatenate(([True], np.diff(group[order]) != 0))]
        self.is_lead = np.zeros(len(group), dtype=bool)
        self.is_lead[leads] = True
        lead = leads[group]
        # Position of each row's lead among the leads of its workload.
        before = np.cumsum(self.is_lead) - self.is_lead
        self.lead_at = (before[lead] - before[work.first[:-1]][owner]).astype(np.int64)
        self.lead_first = np.concatenate((before[work.first[:-1]], [self.is_lead.sum()]))
        self.lead_row = np.nonzero(self.is_lead)[0]
        self.slower_s = time - time[lead]
        self.apart_s = np.abs(deviation - deviation[lead])
        self.less_varied = deviation < deviation[lead]
        capacity = np.array(problem.server_capacity) * FULL
        with np.errstate(divide="ignore"):
            # Inferences per second that each row can serve, of one user alone.
            self.most_hz = (capacity / work.server_load_s).min(axis=1)


class Fleet:
    """A large cell, swept block by block."""

    def __init__(self, problem: Problem, progress: Progress) -> None:
        self.problem, self.progress, self.rows = problem, progress, _Rows(problem)
        # Options of one server stand for those of others, so that none is ruled out by its budget.
        self.endless = replace(problem, server_capacity=(_ENDLESS,) * len(problem.server_capacity))
        self.factor = np.zeros(problem.users)
        if problem.margin not in OF_OPTIONS:
            self.factor = margin_factor(problem.risk, problem.margin)

    def priced(self) -> tuple[Served, Offer] | None:
        """The options that may be somebody's best at prices near the best ones, and these prices;
        None where some user has no option, or no prices are found.
        """
        offer = self._first()
        sample = _sample(self.problem.users, _SAMPLES[1])
        if len(sample) < self.problem.users:
            swept = self._swept(Box.around(offer, _REACH[0], self._floor_s(offer)), sample)
            if swept is None:
                return None
            offer = climb(swept, (offer.price, offer.server_prices), FINE)
        reach = _REACH[1]
        for _ in range(_SWEEPS):
            box = Box.around(offer, reach, self._floor_s(offer))
            swept = self._swept(box, None)
            if swept is None:
                return None
            offer = climb(swept, (offer.price, offer.server_prices), FINEST)
            if box.holds(offer):
                return swept, offer
            reach *= _WIDER
        return None

    def _first(self) -> Offer:
        """Prices from a few users with their part of the budgets."""
        users = _sample(self.problem.users, _SAMPLES[0])
        options, possible = options_of(self.problem, users)
        relaxation = self._relaxation(options.keep(possible), len(users)).priceable()
        price, capacity_s = relaxation.first_price(), relaxation.capacity_s
        start = 0.3 * price * relaxation.bandwidth_hz / len(capacity_s) / capacity_s
        return climb(relaxation, (price, start), (*COARSE, *FINE))

    def _floor_s(self, offer: Offer) -> Floats:
        """Prices of servers that are as good as none."""
        capacity = np.array(self.problem.server_capacity)
        paid = offer.price * self.problem.bandwidth_hz + offer.server_prices @ capacity
        return np.asarray(_FLOOR * paid / capacity)

    def _relaxation(self, options: Candidates, users: int) -> Served:
        """The relaxation of some users with their part of the budgets."""
        part = users / self.problem.users
        return Served(
            options,
            self.problem.bandwidth_hz * part,
            np.array(self.problem.server_capacity) * part,
            least_total_hz=0.0,
            progress=self.progress,
        )

    def _swept(self, box: Box, users: Integers | None) -> Served | None:
        """The options of users (default: all) that may be their best within a box of prices; None
        where some user has none.
        """
        who = np.arange(self.problem.users) if users is None else users
        counts = np.diff(self.rows.lead_first)[self.problem.workload[who]]
        blocks = np.array_split(who, -(-int(counts.sum()) // BLOCK))
        parts: list[Candidates] = []
        for k, block in enumerate(blocks):
            self.progress.tick(k / len(blocks))
            options, possible = laid_out(self.problem, self._worth_laying_out(box, block))
            if np.any(options.least(np.where(possible, 0.0, 1.0)) > 0.0):
                return None
            parts.append(options.keep(possible))
        return self._relaxation(Candidates.joined(parts), len(who)).priceable()

    def _worth_laying_out(self, box: Box, who: Integers) -> TimeBudget:
        """Pairs of user and row that may be the user's best within a box of prices."""
        problem, rows = self.problem, self.rows
        prices = np.array([box.low, box.high])
        least, slope, lead_first = self._leads(who, prices)
        first, user, row = _pairs(problem.workloads.first, problem.workload, who)
        local = np.repeat(np.arange(len(who)), np.diff(first))
        lead = lead_first[local] + rows.lead_at[row]
        assert problem.rate_hz is not None
        rate = problem.rate_hz[user]
        slower = rows.slower_s[row] - np.where(
            (problem.correlation[user] < 0.0) | rows.less_varied[row],
            self.factor[user] * rows.apart_s[row],
            0.0,
        )
        # Where another server may be the faster for this user, nothing is known.
        known, load = slower >= 0.0, problem.workloads.server_load_s
        below = least[:, lead] + slope[:, lead] * (_SURELY * slower)
        below = np.where(known, below, -np.inf) + rate * (load @ box.low_s)[row]
        below[:, rate > rows.most_hz[row]] = np.inf
        # The likeliest of each user is priced, and holds all others against itself.
        likely = below[0] + rate * (load @ (box.high_s - box.low_s))[row]
        best = _first_least(likely, first)
        above = self._above(budget_of(problem, np.arange(len(who) + 1), who, row[best]), prices)
        above = above + rate[best] * (load @ box.high_s)[row[best]]
        kept = np.any(below <= np.repeat(above, np.diff(first), axis=1), axis=0)
        kept[best] = True
        counts = np.add.reduceat(kept.astype(np.int64), first[:-1])
        kept_first = np.concatenate(([0], np.cumsum(counts)))
        return budget_of(problem, kept_first, user[kept], row[kept])

    def _leads(self, who: Integers, prices: Floats) -> tuple[Floats, Floats, Integers]:
        """Least energy of each user's leads at prices of the uplink, and what a second more to wait
        adds at least, (prices, leads); infinite where a lead is too late even so.
        """
        rows, problem = self.rows, self.endless
        first, user, at = _pairs(rows.lead_first, problem.workload, who)
        options, possible = laid_out(problem, budget_of(problem, first, user, rows.lead_row[at]))
        curves = options.curves[possible].with_marginals()
        x_least = curves.x_at(np.maximum(problem.bandwidth_hz, curves.least_hz))
        least = np.full((len(prices), len(possible)), np.inf)
        slope = np.zeros((len(prices), len(possible)))
        for k, price in enumerate(prices.tolist()):
            x, _ = curves.respond(np.log(price), x_least)
            least[k, possible], _ = curves.priced_j(price, x, x_least)
            slope[k, possible] = curves.waiting_w(x)
        return least * (1.0 - _DOUBT), slope, first[:-1]

    def _above(self, budget: TimeBudget, prices: Floats) -> Floats:
        """What one option of each user costs at most between two prices of the uplink, beyond the
        straight line between them: at the two, (prices, users).
        """
        options, possible = laid_out(self.problem, budget)
        curves = options.curves[possible].with_marginals()
        x_least = curves.x_at(np.maximum(self.problem.bandwidth_hz, curves.least_hz))
        value, share = np.zeros((2, len(x_least))), np.zeros((2, len(x_least)))
        for k, price in enumerate(prices.tolist()):
            x, _ = curves.respond(np.log(price), x_least)
            value[k], share[k] = curves.priced_j(price, x, x_least)
        # A concave function is above its chord by no more than both tangents together allow.
        span = prices[1] - prices[0]
        rise = (value[1] - value[0]) / span
        bend = span * (share[0] - rise) * (rise - share[1])
        bend = bend / np.maximum(share[0] - share[1], 1e-300)
        above = np.full((2, len(possible)), np.inf)
        above[:, possible] = (value + np.maximum(bend, 0.0)) * (1.0 + _DOUBT)
        return above


def _sample(users: int, size: int) -> Integers:
    """Some users, evenly."""
    return np.linspace(0, users - 1, min(size, users)).astype(np.int64)


def _pairs(
    first: Integers, workload: Integers, who: Integers
) -> tuple[Integers, Integers, Integers]:
    """All pairs of some users with entries of their workload: where each user's begin, the users,
    and the entries.
    """
    start = first[workload[who]]
    counts = first[workload[who] + 1] - start
    begin = np.concatenate(([0], np.cumsum(counts)))
    entry = np.arange(begin[-1]) + np.repeat(start - begin[:-1], counts)
    return begin, np.repeat(who, counts), entry


def _first_least(values: Floats, first: Integers) -> Integers:
    """Index of the first of each user's smallest values."""
    counts = np.diff(first)
    least = np.repeat(np.minimum.reduceat(values, first[:-1]), counts)
    index = np.where(values <= least, np.arange(len(values)), len(values))
    return np.asarray(np.minimum.reduceat(index, first[:-1]))

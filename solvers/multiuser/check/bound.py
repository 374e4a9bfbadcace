"""A lower bound on every plan, by the check's own Lagrangian dual at prices it is told.

Prices lambda and mu of both budgets and, for each option, a price nu of its deadline leave, with
A and C the seconds at the whole uplink and the whole server, k² = weight alpha, r² = k² + nu and T
what the deadline leaves after the fixed time t0,

    k² (t0 + A/x + C/y) + lambda x + mu y >= k² t0 + r² (A/x + C/y) + lambda x + mu y - nu T

of which each share can be chosen for itself: r² A/x + lambda x is least at x = r sqrt(A/lambda),
or at the whole budget where that is more. By weak duality every price, r included, gives a valid
bound, so it matters for nothing but how good the bound is who found them.

All limits are those that the check lets pass: later, and larger, by its tolerance.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from solvers.arrays import Booleans, Floats, Integers
from solvers.multiuser.check.decision import TOLERANCE
from solvers.multiuser.check.terms import waits
from solvers.multiuser.problem import Problem

Prices = tuple[float, float]  # of the whole uplink and of the whole server, not negative

_BLOCK = 65_536  # options at once: temporary arrays stay in the cache
_WHOLE = 1.0 + TOLERANCE  # the largest share, and the sum of all
_ROUNDING = 1e-14  # relative, of a sum of a few terms or of pairwise sums
_TINY_S = 1e-300
_CAPPED = 20_000  # options; in larger cells nobody's share comes near the whole


@dataclass(frozen=True, slots=True)
class Priced:
    """Every option of some consecutive users at a pair of prices."""

    offset: Integers  # (users,) first entry of each user
    user: Integers  # (entries,)
    option: Integers  # (entries,) counted in the user's workload
    cost: Floats  # (entries,) a lower bound on it; infinite where the option breaks a limit alone
    leaves: Booleans  # (entries,) whether it is another option than the user had


@dataclass(frozen=True, slots=True)
class Bound:
    """What no plan costs less than, and the options that are least at the prices."""

    cost: float
    option: Integers  # (users,)


def lower_bound(problem: Problem, prices: Prices) -> Bound:
    """Cost that no plan goes below, proven from the problem alone."""
    users = len(problem.workload)
    option = np.zeros(users, dtype=np.int64)
    stay, leave = np.empty(users), np.empty(users)
    for block in _in_blocks(problem):
        priced = price(problem, block, prices)
        least = np.minimum.reduceat(priced.cost, priced.offset)
        found = np.flatnonzero(priced.cost == least[priced.user - block[0]])
        option[priced.user[found]] = priced.option[found]
        if problem.steadiness is None:
            stay[block] = least
        else:
            stay[block] = np.minimum.reduceat(
                np.where(priced.leaves, np.inf, priced.cost), priced.offset
            )
            leave[block] = np.minimum.reduceat(
                np.where(priced.leaves, priced.cost, np.inf), priced.offset
            )
    if problem.steadiness is None:
        total = _sum(stay)
    else:
        total = _with_switches(stay, leave, problem.steadiness.max_switches)
    paid = sum(prices)
    return Bound(total - paid * _WHOLE * (1.0 + _ROUNDING), option)


def price(problem: Problem, users: Integers, prices: Prices) -> Priced:
    """Every option of some consecutive users at a pair of prices."""
    work = problem.workloads
    first = work.first[problem.workload[users]]
    size = work.first[problem.workload[users] + 1] - first
    start = np.cumsum(size) - size
    user = np.repeat(users, size)
    option = np.arange(int(size.sum())) - np.repeat(start, size)
    row = np.repeat(first, size) + option
    fixed_s = waits(problem, row)
    uplink_s = work.crossing_bit[row] / (problem.spectral_efficiency[user] * problem.bandwidth_hz)
    server_s = work.server_s[row]
    per_second = problem.weight[user] * problem.latency_weight_per_s
    base = per_second * fixed_s + problem.weight[user] * problem.loss_weight * work.loss[row]
    deadline_s = problem.deadline_s[user] * _WHOLE
    slack_s = deadline_s - fixed_s
    # A hair beyond a limit may be rounding.
    fits = (uplink_s + server_s) / _WHOLE <= slack_s + _ROUNDING * deadline_s
    fits &= work.loss[row] <= problem.max_loss[user]
    shared = _shared(uplink_s, server_s, per_second, slack_s, deadline_s, prices)
    cost = np.where(fits, base * (1.0 - _ROUNDING) + shared, np.inf)
    leaves = np.zeros(len(row), dtype=np.bool_)
    if problem.steadiness is not None:
        previous = problem.steadiness.previous[user]
        leaves = ~((previous < 0) | (previous == option))
        cost = cost + np.where(leaves, problem.steadiness.switching_cost, 0.0)
    return Priced(start, user, option, cost, leaves)


def _shared(
    uplink_s: Floats,
    server_s: Floats,
    per_second: Floats,
    slack_s: Floats,
    deadline_s: Floats,
    prices: Prices,
) -> Floats:
    """Least cost of the times on uplink and server and of both shares, the deadline kept."""
    k = np.sqrt(per_second)
    root_up, root_on = np.sqrt(uplink_s), np.sqrt(server_s)
    p, q = math.sqrt(prices[0]), math.sqrt(prices[1])
    # The bound of shares without end is a bound too; where it matters it is tightened.
    one = _free if len(k) > _CAPPED else _up_to_the_whole
    timed = np.isfinite(slack_s)
    if not timed.any():
        return np.asarray((one(k * root_up, p) + one(k * root_on, q)) * (1.0 - _ROUNDING))
    slack, deadline = np.where(timed, slack_s, 0.0), np.where(timed, deadline_s, 0.0)
    # The deadline's price is best where both shares are free ...
    best_at = [(p * root_up + q * root_on, slack)]
    if len(k) <= _CAPPED:  # ... or one of them is the whole budget.
        best_at += [(q * root_on, slack - uplink_s / _WHOLE)]
        best_at += [(p * root_up, slack - server_s / _WHOLE)]
    best = np.full(len(k), -np.inf)
    with np.errstate(over="ignore", invalid="ignore"):
        for over, under in best_at:
            r = np.where(timed, np.maximum(k, over / np.maximum(under, _TINY_S)), k)
            both, squared = one(r * root_up, p) + one(r * root_on, q), r * r
            value = both - (squared - per_second) * slack
            best = np.fmax(best, value - _ROUNDING * (both + squared * deadline))
    return best


def _free(root: Floats, root_price: float) -> Floats:
    """Least of root²/x + price x over all shares x."""
    return 2.0 * root_price * root


def _up_to_the_whole(root: Floats, root_price: float) -> Floats:
    """Least of root²/x + price x over shares x up to the whole."""
    whole = root * root / _WHOLE + root_price * root_price * _WHOLE
    return np.where(root <= _WHOLE * root_price, 2.0 * root_price * root, whole)


def _with_switches(stay: Floats, leave: Floats, most: int | None) -> float:
    """Least total where at most so many users leave their option; a price of leaving it bounds it,
    whatever the price.
    """
    free = _sum(np.minimum(stay, leave))
    if most is None:
        return free
    with np.errstate(invalid="ignore"):
        gain = np.sort(np.nan_to_num(stay - leave, nan=0.0))[::-1]
    switch = float(gain[most]) if most < len(gain) else 0.0
    if not 0.0 < switch < np.inf:
        return free
    paid = switch * most
    return max(free, _sum(np.minimum(stay, leave + switch)) - paid * (1.0 + _ROUNDING))


def _sum(values: Floats) -> float:
    """A sum, rounded down."""
    return float(values.sum()) - _ROUNDING * float(np.abs(values).sum())


def _in_blocks(problem: Problem) -> Iterator[Integers]:
    ends = np.cumsum(np.diff(problem.workloads.first)[problem.workload])
    start = 0
    while start < len(ends):
        before = ends[start - 1] if start else 0
        stop = max(start + 1, int(np.searchsorted(ends, before + _BLOCK, side="right")))
        yield np.arange(start, stop)
        start = stop

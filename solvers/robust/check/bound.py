"""A lower bound on every plan, by the check's own Lagrangian dual at a price it is told.

Any price gives a valid bound, so it matters for nothing but how good the bound is who found it.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from solvers.arrays import Booleans, Floats, Integers
from solvers.compiled.library import Library, library
from solvers.robust.check import kernel
from solvers.robust.check.curves import (
    SHAPES,
    Reach,
    least_j,
    least_shares_hz,
    most_efficiency,
    soonest_uplink_s,
    widest_j,
)
from solvers.robust.check.options import EXACT, Options, frugal_clock_hz, options_of
from solvers.robust.check.search import Bound, search
from solvers.robust.check.terms import terms
from solvers.robust.problem import Decision, Problem

_BLOCK = 65_536  # options at once: temporary arrays stay in the cache
# In larger cells nobody's share comes near the uplink less what the others need at least.
_CAPPED_USERS = 200
_ROUNDING = 1e-14  # relative, of a sum
# A plan may be early by the tolerance of its deadline, and its energy lower by as much.
_SLACK = 1.0 + 1e-7
_SEARCHED_USERS = 50
_LITTLE = 1e-3  # of a bound, for all the spectrum
_HAIR = 1e-9  # of a spectral efficiency
_SURELY_LATE = 1e-6  # more than what comes of a hair, of an uplink's time


def lower_bound_j(
    problem: Problem,
    decision: Decision,
    prices: Sequence[float],
    goal_j: float,
    server_prices: Sequence[Floats] = (),
    spent_j: Floats | None = None,
) -> Bound:
    """Energy [J] that no plan goes below, or power [W] of streams, proven from the problem alone.

    Parameters
    ----------
    decision : a feasible plan; it only says which options cannot matter.
    prices : of spectrum [J/Hz], not negative: that of the dual, and others that may be the best
        ones of some combination of options.
    goal_j : a bound beyond this is not looked for. In cells of up to 50 users, where the dual
        leaves a gap, a breadth-first search over the options that the bound leaves open goes on
        until it is reached or too many combinations are open.
    server_prices : of each server's budget [J per second of it], (servers,) each, not negative:
        that of the dual, and others that may serve. None: nothing.
    spent_j : energy of an inference of each user of the plan; None: to be worked out.
    """
    servers = [*server_prices, np.zeros(len(problem.server_capacity))]
    small = len(problem.workload) <= _SEARCHED_USERS
    if small and not problem.server_capacity and (compiled := library()) is not None:
        return _of_small_cell(compiled, problem, decision.option, prices, goal_j, servers)
    if spent_j is None:
        spent_j = terms(problem, decision).energy_j
    return _in_arrays(problem, decision, prices, goal_j, servers, spent_j, small=small)


def _in_arrays(
    problem: Problem,
    decision: Decision,
    prices: Sequence[float],
    goal_j: float,
    servers: Sequence[Floats],
    spent_j: Floats,
    *,
    small: bool,
) -> Bound:
    price, capacity = prices[0], np.asarray(problem.server_capacity)
    held = _held_j(problem, decision, spent_j, price, servers[0])
    floor_hz, total, size = frugal_clock_hz(problem), 0.0, 0.0
    for users in _in_blocks(problem):
        options, cap_hz = open_options(problem, users, floor_hz, decision.option)
        soonest_s = soonest_uplink_s(options, cap_hz, users[0])
        cheapest = options.with_servers_j(options.cheapest_j(soonest_s), servers[0])
        useful = cheapest <= held[options.user] * _SLACK
        useful |= options.option == decision.option[options.user]
        near, reach = within(options[useful], cap_hz, users, decision.option)
        value = near.with_servers_j(_priced_j(near, price, reach), servers[0])
        least = _least(value, near, users)
        total += float(least.sum())
        size += float(np.abs(least).sum())
    paid = price * problem.bandwidth_hz + float(servers[0] @ capacity)
    root = total - paid - _ROUNDING * (size + paid)
    if root >= goal_j or not small:
        return Bound(root)
    if price == 0.0:
        if near.plain:
            return Bound(root)
        # Any other will do for what is decided by budgets of servers or by least shares.
        prices = [_LITTLE * abs(root) / problem.bandwidth_hz, *prices[1:]]
    # The minimum needs no others, but a cheaper plan may.
    far = ~useful & (root + (cheapest - least[options.user]) < goal_j)
    if far.any():
        near, reach = within(options[useful | far], cap_hz, users, decision.option)
        value = near.with_servers_j(_priced_j(near, price, reach), servers[0])
    detour = value - least[near.user]
    found = search(problem, prices, servers, goal_j, root, near, reach, detour)
    return found if found.energy_j > root else Bound(root, found.rivals)


def _of_small_cell(
    compiled: Library,
    problem: Problem,
    held: Integers,
    prices: Sequence[float],
    goal_j: float,
    servers: Sequence[Floats],
) -> Bound:
    """As `lower_bound_j`, of up to 50 users whose servers have no budgets, by the kernel."""
    options = options_of(problem, np.arange(len(held)), frugal_clock_hz(problem))
    return of_options(compiled, problem, options, held, prices, goal_j, servers)


def of_options(
    compiled: Library,
    problem: Problem,
    options: Options,
    held: Integers,
    prices: Sequence[float],
    goal_j: float,
    servers: Sequence[Floats],
    columns: kernel.Columns | None = None,
) -> Bound:
    """The same, of options that are known: they do not depend on the uplink."""
    price, bandwidth_hz = prices[0], problem.bandwidth_hz
    at = kernel.root(compiled, options, bandwidth_hz, price, held, goal_j, SHAPES, columns)
    if at.bound_j >= goal_j or (price == 0.0 and options.plain):
        return Bound(at.bound_j)
    if price == 0.0:
        prices = [_LITTLE * abs(at.bound_j) / bandwidth_hz, *prices[1:]]
    near, reach = options[at.near], Reach(at.least_u, at.most_u)
    found = search(problem, prices, servers, goal_j, at.bound_j, near, reach, at.detour_j)
    return found if found.energy_j > at.bound_j else Bound(at.bound_j, found.rivals)


def _held_j(
    problem: Problem, decision: Decision, energy: Floats, price: float, server_price: Floats
) -> Floats:
    """What each user of a plan costs at some prices."""
    if problem.rate_hz is None:
        return energy + price * decision.bandwidth_hz
    row = problem.workloads.first[problem.workload] + decision.option
    busy = problem.workloads.server_load_s[row] @ server_price
    return np.asarray(problem.rate_hz * (energy + busy) + price * decision.bandwidth_hz)


def _priced_j(options: Options, price: float, reach: Reach) -> Floats:
    if price > 0.0:
        return least_j(options, price, reach)[0]
    # For nothing everybody takes the largest share.
    return widest_j(options, reach)


def _in_blocks(problem: Problem) -> Iterator[Integers]:
    ends = np.cumsum(np.diff(problem.workloads.first)[problem.workload])
    start = 0
    while start < len(ends):
        before = ends[start - 1] if start else 0
        stop = max(start + 1, int(np.searchsorted(ends, before + _BLOCK, side="right")))
        yield np.arange(start, stop)
        start = stop


def _least(values: Floats, options: Options, users: Integers) -> Floats:
    """Smallest value of each of some consecutive users, infinite where it has no option."""
    least = np.full(len(users), np.inf)
    np.minimum.at(least, options.user - users[0], values)
    return least


def open_options(
    problem: Problem, users: Integers, floor_hz: Floats, held: Integers
) -> tuple[Options, Floats]:
    """Options of some consecutive users, and the largest share that each of these may have: at most
    what the others leave.

    Those that surely need more than that, of the uplink or of a server, are left out but for the
    plan's.
    """
    options = options_of(problem, users, floor_hz)
    cap_hz = np.full(len(users), problem.bandwidth_hz)
    if len(users) == len(problem.workload) <= _CAPPED_USERS:
        least = least_shares_hz(options, len(users))
        cap_hz = cap_hz * (1.0 + _ROUNDING) - (least.sum() - least) * (1.0 - _ROUNDING)
    if options.plain:  # whose bounds were answered with all options left in
        return options, cap_hz
    soonest_s = soonest_uplink_s(options, cap_hz, users[0])
    late = soonest_s > options.uplink_most_s() * (1.0 + _SURELY_LATE)
    if options.load is not None:
        late |= _unserved(problem, options, users)
    kept = ~late | (options.option == held[options.user])
    return (options, cap_hz) if kept.all() else (options[kept], cap_hz)


def within(
    options: Options, cap_hz: Floats, users: Integers, held: Integers
) -> tuple[Options, Reach]:
    """Options with the shares they may have, up to those of `open_options`; what needs more than
    that is left out but for the plan's.
    """
    most_u = most_efficiency(options)
    with np.errstate(divide="ignore"):
        least_u = np.log1p(options.scale_hz / cap_hz[options.user - users[0]]) * (1.0 - _ROUNDING)
    # A share beyond the cap is no option; a hair beyond it may be rounding.
    reach = Reach(np.minimum(least_u, most_u), most_u)
    if options.plain:  # whose bounds were answered with such options left in
        return options, reach
    beyond = (options.unit_s > 0.0) & (least_u > most_u * (1.0 + _HAIR) + _HAIR)
    kept = ~beyond | (options.option == held[options.user])
    return (options, reach) if kept.all() else (options[kept], reach[kept])


def _unserved(problem: Problem, options: Options, users: Integers) -> Booleans:
    """Options that keep a server busier than what the others need at least leaves of it."""
    assert options.load is not None
    left = np.broadcast_to(problem.server_capacity, (len(users), options.load.shape[1]))
    if len(users) == len(problem.workload):
        least = np.full(left.shape, np.inf)
        np.minimum.at(least, options.user - users[0], options.load)
        left = left - (least.sum(axis=0) - least) * (1.0 - _ROUNDING)
    end = left * (1.0 + EXACT) + _ROUNDING * np.asarray(problem.server_capacity)
    return np.asarray(np.any(options.load > end[options.user - users[0]], axis=1))

"""A bound no rule beats: the mean cost of one who sees the whole path of the channel in advance,
its waits included.

E[min] = ∫ P(every way to stop costs more than c) dc over c >= 0. For staircases (traces, chains)
and laws with an atom (a rate with a top) a sum below the integrand keeps the bound a bound, some
tenths of a per cent low; for continuous laws it is as good as the quadrature.
"""

from collections.abc import Callable

import numpy as np

from solvers.arrays import Booleans, Floats, Integers
from solvers.stopping.solve.costs import Costs
from solvers.stopping.solve.inverse_rate import InverseRate
from solvers.stopping.solve.markov import MarkovStopping

COARSE = 32  # levels of a first look, each twice as far as the one before
# Survival probabilities where it sets the panels' ends, dense in the tail for the plateaus that
# outages make.
QUANTILES = np.array(
    [1 - 1e-9, 0.9999, 0.99, 0.9, 0.7, 0.4, 0.15, 0.05, 0.015, 4e-3, 1e-3, 2e-4, 2e-5, 1e-6, 1e-8]
)
ORDER = 4  # Gauss-Legendre points of a panel
LEVELS = 512  # of the sum under a trace's or chain's staircase
RARE = 1e-9
MOST_WAITS = 1024
MOST_STEPS = 4096  # of a chain; paths still alive then count as free, so the bound stays one
WORK = 1 << 16  # elements handled at once
FORGOTTEN = 1e-18  # probability of a path not worth following


def independent_bound(
    costs: Costs, channel: InverseRate, placement: Integers, *, always: bool, smooth: bool
) -> Floats:
    """Clairvoyant cost for each user; every look, at each cut and after each wait, is independent
    of the others.

    `smooth` says that the law of the rate is continuous.
    """
    cut = np.arange(costs.layers + 1)[:, None]
    allowed = cut <= placement
    home = allowed & (cut == costs.layers) & costs.stays
    floor = np.where(allowed, costs.ahead[:, None] + costs.xi, np.inf)
    low, high = _range(costs, channel, floor, home, always=always)

    def survival(level: Floats) -> Floats:
        """P(every way to stop costs more than the level), (levels, users)."""
        kept = np.ones_like(level)
        chunk = max(1, WORK // level.size)
        for start in range(0, int(placement.max()) + 1, chunk):
            rows = slice(start, start + chunk)
            kept *= _later(
                costs, channel, rows, level, allowed[rows], home[rows], always=always
            ).prod(axis=0)
        return kept

    return _integral(survival, low, high - low, smooth=smooth)


def _range(
    costs: Costs, channel: InverseRate, floor: Floats, home: Booleans, *, always: bool
) -> tuple[Floats, Floats]:
    """Costs (users,) that a clairvoyant surely pays, and next to never exceeds: the slowest offload
    of the best cut, outages of less than RARE included.
    """
    low = floor.min(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        down = np.minimum(1.0 - channel.up, 1.0 - 1e-12)
        looks = np.where(down > 0.0, np.ceil(np.log(RARE) / np.log(down)), 0.0)
        slowest = floor + costs.eta * channel.slowest + looks * costs.waiting
        if always:
            # Every look finds 1/R below twice its mean with a probability of at least a half.
            looks = np.ceil(np.log(RARE) / np.log1p(-0.5 * channel.up))
            slowest = np.minimum(
                slowest, floor + costs.eta * 2.0 * channel.mean + looks * costs.waiting
            )
    slowest = np.where(channel.up > 0.0, slowest, np.inf)
    high = np.where(home, costs.ahead[:, None], np.where(np.isfinite(floor), slowest, np.inf))
    most = high.min(axis=0)
    return low, np.where(np.isfinite(most), most, low)


def _integral(
    survival: Callable[[Floats], Floats], low: Floats, span: Floats, *, smooth: bool
) -> Floats:
    """Mean cost (users,): low + the integral of the survival function over the span above it.

    Where it is smooth, by Gauss-Legendre panels between its quantiles, found coarsely, then again
    with a point between each two; else by a sum under the staircase.
    """
    if not smooth:
        edges = np.linspace(0.0, 1.0, LEVELS + 1)[:, None] ** 2
        return np.asarray(
            low + span * (survival(low + span * edges[1:]) * np.diff(edges, axis=0)).sum(axis=0)
        )
    place = np.tile(np.append(0.0, 2.0 ** np.arange(1 - COARSE, 1))[:, None], (1, len(low)))
    falling = survival(low + span * place)
    edges = _quantiles(place, falling)
    between = np.concatenate([edges, 0.5 * (edges[1:] + edges[:-1])])
    order = np.argsort(np.concatenate([place, between]), axis=0, kind="stable")
    place = np.take_along_axis(np.concatenate([place, between]), order, axis=0)
    falling = np.concatenate([falling, survival(low + span * between)])
    edges = _quantiles(place, np.take_along_axis(falling, order, axis=0))
    points, weights = np.polynomial.legendre.leggauss(ORDER)
    width = np.diff(edges, axis=0)[:, None]
    level = (edges[:-1, None] + 0.5 * width * (points[:, None] + 1.0)).reshape(-1, len(low))
    weight = (0.5 * width * weights[:, None]).reshape(-1, len(low))
    return np.asarray(low + span * (survival(low + span * level) * weight).sum(axis=0))


def _quantiles(place: Floats, falling: Floats) -> Floats:
    """Where a falling function of (0, 1) passes each quantile, ends included, (panel ends,
    users).
    """
    falling = np.minimum.accumulate(falling, axis=0)
    edges = np.empty((len(QUANTILES) + 2, place.shape[1]))
    edges[0], edges[-1] = 0.0, 1.0
    for user in range(place.shape[1]):
        edges[1:-1, user] = np.interp(-QUANTILES, -falling[:, user], place[:, user])
    return edges


def _later(
    costs: Costs,
    channel: InverseRate,
    rows: slice,
    level: Floats,
    allowed: Booleans,
    home: Booleans,
    *,
    always: bool,
) -> Floats:
    """P(stopping at the cut costs more than the level), (cuts, levels, users); never more than the
    truth.
    """
    eta, xi = costs.eta[rows, None], costs.xi[rows, None]
    slack = level - (costs.ahead[rows, None, None] + xi)
    live = (allowed & ~home)[:, None] & (slack > 0.0)
    down = 1.0 - channel.up
    left = np.ones_like(slack)
    weight = np.ones_like(down)
    for wait in range(MOST_WAITS):
        with np.errstate(divide="ignore"):
            cap = np.where(slack > 0.0, slack, 1e-300) / eta
        fast = np.where(live & (slack > 0.0), channel.fast(cap), 0.0)
        if always:
            left *= 1.0 - channel.up * fast
        elif wait == 0 and not costs.waiting.any():
            left -= np.where(channel.up > 0.0, fast, 0.0)
            break
        else:
            left -= weight * channel.up * fast
            weight = weight * down
        slack = slack - costs.waiting
        if not np.any(live & (slack > 0.0)) or (not always and weight.max() < RARE):
            break
    still = live & (slack > 0.0)
    if always:  # what later waits may still bring, each counted as if it were as lucky as the last
        more = np.ceil(
            np.where(still, slack, 0.0) / np.where(costs.waiting > 0.0, costs.waiting, 1.0)
        )
        left *= (1.0 - channel.up * np.where(still, fast, 0.0)) ** more
    elif costs.waiting.any():
        left = np.maximum(left - np.where(still, weight, 0.0), 0.0)
    return np.where(home[:, None], level < costs.ahead[rows, None, None], left)


def markov_bound(stopping: MarkovStopping, placement: int, user: int) -> float:
    """Clairvoyant cost of one user; time counts layers and waits, and the path makes one transition
    for each.

    By time t a rule can be at any cut from `least`, having waited whenever that was allowed, to t.
    A path has not yet offered a stop below the level as long as none of these cuts does, so its law
    is followed together with `least`.
    """
    costs, transition = stopping.costs, stopping.step
    waiting = float(costs.waiting[user])
    cuts = np.arange(placement + 1)
    offer = costs.ahead[: placement + 1, None] + stopping.stop[: placement + 1, user]
    home = placement == costs.layers and costs.stays
    if home:
        offer[-1] = np.inf
    level = _levels(
        offer, waiting, float(costs.ahead[-1]) if home else _ceiling(stopping, offer, waiting)
    )
    refunded = offer - (cuts * waiting)[:, None]  # an offer at time t costs this and t waits
    cheapest = _cheapest_between(refunded)
    alive = np.zeros((len(level), *refunded.shape))
    alive[:, 0] = stopping.start
    spared, time = np.zeros(len(level)), 0
    while alive.any() and time < MOST_STEPS:
        over = refunded.min() + time * waiting >= level  # no offer from now on is below the level
        spared[over] += alive[over].sum(axis=(1, 2))
        alive[over] = 0.0
        held = np.flatnonzero(alive.any(axis=(0, 2)))
        if held.size == 0:
            break
        window = slice(int(held[0]), int(held[-1]) + 1)
        best = cheapest[window, min(time, placement)] + time * waiting
        here = np.where(best < level[:, None, None] * (1.0 - 1e-12), 0.0, alive[:, window])
        alive[:, window] = 0.0
        if stopping.always:
            alive[:, window] = here @ transition
        else:
            alive[:, window] += (here * stopping.out) @ transition
            onward = (
                here * ~stopping.out
            ) @ transition  # who is up goes on, and not beyond the last cut
            if window.stop == placement + 1:
                spared += onward[:, -1].sum(axis=-1)
                onward = onward[:, :-1]
            alive[:, window.start + 1 : window.start + 1 + onward.shape[1]] += onward
        alive[alive < FORGOTTEN] = 0.0
        time += 1
    return float(level[0] + (np.diff(level) * spared[1:]).sum())


def _cheapest_between(refunded: Floats) -> Floats:
    """Least offer by least and furthest cut, and state, (cuts, cuts, states); infinite where the
    least is beyond the furthest.
    """
    cheapest = np.full((len(refunded), *refunded.shape), np.inf)
    for least in range(len(refunded)):
        cheapest[least, least:] = np.minimum.accumulate(refunded[least:], axis=0)
    return cheapest


def _ceiling(stopping: MarkovStopping, offer: Floats, waiting: float) -> float:
    """A cost that the best cut exceeds next to never: its slowest state after the longest outage
    but for RARE.
    """
    law, looks = np.ones(len(stopping.out)), 0
    while stopping.out.any() and looks < MOST_WAITS and law[stopping.out].max() > RARE:
        law, looks = (stopping.step * stopping.out) @ law, looks + 1
    usable = np.where(np.isfinite(offer), offer, -np.inf)
    return float(usable.max(axis=1).min()) + looks * waiting


def _levels(offer: Floats, waiting: float, ceiling: float) -> Floats:
    """Every cost a path can offer up to the ceiling; where these are too many, a graded choice of
    levels.
    """
    prices = np.unique(offer[offer < ceiling])
    if prices.size == 0:
        return np.array([ceiling])
    waits = 1 + int((ceiling - prices[0]) / waiting) if waiting > 0.0 else 1
    if prices.size * waits <= LEVELS:
        every = np.unique(np.add.outer(prices, waiting * np.arange(waits)))
        return np.append(every[every < ceiling], ceiling)
    return np.asarray(prices[0] + (ceiling - prices[0]) * np.linspace(0.0, 1.0, LEVELS + 1) ** 2)

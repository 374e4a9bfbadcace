"""Exact shares and prices for options already chosen."""

import numpy as np

from solvers.arrays import Floats, Integers
from solvers.multiuser.solve.chosen import TINY_S, Chosen, peak
from solvers.multiuser.solve.fleet import Fleet
from solvers.multiuser.solve.kernel import kernel_of

_ROUNDS = 60
_HALVINGS = 200


def need(chosen: Chosen) -> tuple[Floats, Floats, Floats]:
    """What deadlines ask of the budgets: (a, c, s), possible iff (B - a)(F - c) >= s², a <= B and c
    <= F.

    To meet its deadline with shares on the frontier of slope r a user takes x = (A + r sqrt(AC))/(D
    - t0) and y = (C + sqrt(AC)/r)/(D - t0); the sums are a + r s and c + s/r, a hyperbola in r.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        a = np.where(chosen.root_uplink > 0.0, chosen.root_uplink**2 / chosen.slack_s, 0.0)
        c = np.where(chosen.root_server > 0.0, chosen.root_server**2 / chosen.slack_s, 0.0)
    return a.sum(axis=-1), c.sum(axis=-1), np.sqrt(a * c).sum(axis=-1)


def needs(fleet: Fleet, choice: Integers) -> Floats:
    """The sums (3,) of `need` over all users of a fleet."""
    kernel = kernel_of(fleet)
    return np.stack(need(fleet.chosen(choice))) if kernel is None else kernel.needs(choice)


def clear(
    chosen: Chosen, p: float | Floats = 0.0, q: float | Floats = 0.0
) -> tuple[Floats, Floats, Floats]:
    """Cost at the best shares and the square roots of the prices that clear both budgets, for each
    alternative.

    Newton's method on the concave dual of the chosen options: piecewise quadratic in (p, q), so
    each round solves its 2 × 2 system and looks again which deadlines bind. Where that cycles,
    bisection on the ratio q/p settles it.

    Returns
    -------
    cost, p, q : of the shape of the leading axes; the cost is infinite where the deadlines do not
        fit in the budgets.
    """
    a, c, s = need(chosen)
    fits = (a < 1.0) & (c < 1.0) & ((1.0 - a) * (1.0 - c) > s * s)
    shape = np.shape(a)
    p, q = (
        np.broadcast_to(np.asarray(p, dtype=np.float64), shape),
        np.broadcast_to(np.asarray(q, dtype=np.float64), shape),
    )
    cost = np.full(shape, np.inf)
    for _ in range(_ROUNDS):
        new_cost, new_p, new_q = peak(chosen.terms(p[..., None], q[..., None]).sum(axis=-1))
        same = np.abs(new_p - p) + np.abs(new_q - q) <= 1e-14 * (new_p + new_q)
        cost, p, q = new_cost, new_p, new_q
        if np.all(same | ~fits):
            break
    else:
        cost, p, q = np.array(cost), np.array(p), np.array(q)  # of one alternative they are scalars
        for index in np.argwhere(~same & fits):
            at = tuple(index)
            cost[at], p[at], q[at] = _bisect(
                Chosen(*(getattr(chosen, name)[at] for name in chosen.__slots__))
            )
    return np.where(fits, cost, np.inf), p, q


def clear_all(
    fleet: Fleet, choice: Integers, p: float = 0.0, q: float = 0.0
) -> tuple[float, float, float]:
    """As `clear`, for one choice of every user of a fleet."""
    kernel = kernel_of(fleet)
    if kernel is not None:
        a, c, s = kernel.needs(choice)
        fits = a < 1.0 and c < 1.0 and (1.0 - a) * (1.0 - c) > s * s
        for _ in range(_ROUNDS):
            cost, new_p, new_q = (float(one) for one in peak(kernel.terms(choice, p, q)))
            same = abs(new_p - p) + abs(new_q - q) <= 1e-14 * (new_p + new_q)
            p, q = new_p, new_q
            if same or not fits:
                return (cost if fits else np.inf), p, q
    settled = clear(fleet.chosen(choice), p, q)
    return float(settled[0]), float(settled[1]), float(settled[2])


def _bisect(chosen: Chosen) -> tuple[float, float, float]:
    """The same for one alternative, by bisection on the angle of (p, q): the best cost over a ray
    is unimodal in it.
    """
    slack = np.maximum(chosen.slack_s, TINY_S)
    low, high = 0.0, np.pi / 2
    for _ in range(_HALVINGS):
        angle = 0.5 * (low + high)
        p, q = _along(chosen, np.cos(angle), np.sin(angle))
        if not np.isfinite(p + q):  # no price balances what rounding alone lets fit
            return np.inf, 0.0, 0.0
        z = np.maximum(
            chosen.root_weight, (p * chosen.root_uplink + q * chosen.root_server) / slack
        )
        too_cheap = float((z * chosen.root_uplink).sum()) > p
        low, high = (low, angle) if too_cheap else (angle, high)
        if high - low <= 1e-16:
            break
    a, s, t, u, v, w = chosen.terms(p, q).sum(axis=-1)
    return (
        float(a + 2 * p * s + 2 * q * t + p * p * (u - 1) + q * q * (v - 1) + 2 * p * q * w),
        p,
        q,
    )


def _along(chosen: Chosen, cos: float, sin: float) -> tuple[float, float]:
    """Best prices on a ray: budgets met on average, found exactly among the points where a deadline
    begins to bind.
    """
    w = cos * chosen.root_uplink + sin * chosen.root_server
    with np.errstate(divide="ignore", invalid="ignore"):
        begins = np.where(w > 0.0, chosen.root_weight * chosen.slack_s / w, np.inf)
        held = np.where(np.isfinite(begins), w * w / chosen.slack_s, 0.0)
    order = np.argsort(begins)
    fixed = np.concatenate([[0.0], np.cumsum(held[order])])
    free = np.concatenate([np.cumsum((chosen.root_weight * w)[order][::-1])[::-1], [0.0]])
    until = np.concatenate([begins[order], [np.inf]])
    with np.errstate(divide="ignore", invalid="ignore"):
        radius = np.where(fixed < 1.0, free / (1.0 - fixed), np.inf)
    at = radius[np.argmax(radius <= until)]
    return (float(at * cos), float(at * sin)) if np.isfinite(at) else (np.inf, np.inf)


def shares(fleet: Fleet, choice: Integers, p: float, q: float) -> tuple[Floats, Floats]:
    """Shares (users,) that the chosen options take at their clearing prices, each adding up to at
    most 1.
    """
    chosen = fleet.chosen(choice)
    z = np.maximum(
        chosen.root_weight,
        (p * chosen.root_uplink + q * chosen.root_server) / np.maximum(chosen.slack_s, TINY_S),
    )
    x, y = z * chosen.root_uplink, z * chosen.root_server
    return x / max(float(x.sum()), p, TINY_S), y / max(float(y.sum()), q, TINY_S)

"""Options already chosen, priced in closed form.

With A = d/(B eta) and C the server seconds, both at full share, D - t0 the slack that a deadline
leaves, k² = weight alpha and w = p sqrt(A) + q sqrt(C), an option costs at prices (p², q²) of the
two budgets

    k² t0 + weight gamma l + 2 k w + max(0, w - k (D - t0))²/(D - t0)

and asks for x = z sqrt(A)/p and y = z sqrt(C)/q, z = max(k, w/(D - t0)). Shares above 1 are left in
here: the bound stays valid, and for cells in which one user can fill a budget `capped_cost`
tightens it.
"""

from dataclasses import dataclass

import numpy as np

from solvers.arrays import Floats

TINY_S = 1e-300  # stands for no slack at all where a quotient needs some


@dataclass(frozen=True, slots=True)
class Chosen:
    """One option for each user (last axis); any leading axes are alternatives."""

    fixed_cost: Floats  # weight (alpha t0 + gamma l)
    root_uplink: Floats  # sqrt(A)
    root_server: Floats  # sqrt(C)
    slack_s: Floats  # D - t0
    root_weight: Floats  # k

    def terms(self, p: float | Floats, q: float | Floats) -> Floats:
        """(6, ..., users): a, S, T, U, V, W with priced cost a + 2pS + 2qT + p²U + q²V + 2pqW
        around (p², q²).

        A user whose deadline does not bind is linear in (p, q), one whose deadline binds quadratic.
        """
        w = p * self.root_uplink + q * self.root_server
        binds = w > self.root_weight * self.slack_s
        free = np.where(binds, 0.0, self.root_weight)
        slack = np.where(binds, np.maximum(self.slack_s, TINY_S), np.inf)
        held = self.root_weight**2 * np.where(binds, self.slack_s, 0.0)
        return np.stack(
            [
                self.fixed_cost + held,
                free * self.root_uplink,
                free * self.root_server,
                self.root_uplink**2 / slack,
                self.root_server**2 / slack,
                self.root_uplink * self.root_server / slack,
            ]
        )


def peak(sums: Floats) -> tuple[Floats, Floats, Floats]:
    """Largest priced cost less budgets over all prices, and its (p, q), for sums of terms (6, ...):
    a 2 × 2 system.

    This is the cost of the choices with their best shares, as long as the same deadlines bind;
    infinite where the binding deadlines alone exceed a budget.
    """
    a, s, t, u, v, w = sums
    left, right = 1.0 - u, 1.0 - v
    det = left * right - w * w
    fits = (det > 0.0) & (left > 0.0)
    safe = np.where(fits, det, 1.0)
    p, q = (right * s + w * t) / safe, (left * t + w * s) / safe
    return np.where(fits, a + p * s + q * t, np.inf), p, q


def capped_cost(chosen: Chosen, p: Floats, q: Floats) -> Floats:
    """Least priced cost of options over shares in (0, 1], the deadline kept: exact, in closed form.

    Where the free optimum asks for more than a whole budget, the constrained one takes exactly the
    whole of it (the cost is convex in the shares), so the better of x = 1 and y = 1, each with its
    best partner, is the optimum.
    """
    a, c = chosen.root_uplink**2, chosen.root_server**2
    k, slack = chosen.root_weight, chosen.slack_s
    w = p * chosen.root_uplink + q * chosen.root_server
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        free = 2.0 * k * w + np.maximum(0.0, w - k * slack) ** 2 / np.maximum(slack, TINY_S)
        z = np.maximum(k, w / np.maximum(slack, TINY_S))
        too_much = (z * chosen.root_uplink > p) | (z * chosen.root_server > q)

        def whole(a: Floats, c: Floats, p: Floats, q: Floats) -> Floats:
            y = np.where(
                c > 0.0,
                np.minimum(1.0, np.maximum(k * np.sqrt(c) / q, c / np.maximum(slack - a, TINY_S))),
                0.0,
            )
            return np.asarray(k * k * (a + np.where(c > 0.0, c / y, 0.0)) + p * p + q * q * y)

        full = np.where(a > 0.0, whole(a, c, p, q), np.inf)
        capped = np.minimum(full, np.where(c > 0.0, whole(c, a, q, p), np.inf))
    return np.asarray(chosen.fixed_cost + np.where(too_much, capped, free))

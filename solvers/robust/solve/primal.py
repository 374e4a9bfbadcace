"""Good plans near the best price: complete the choices of users who tie, then let single users
change their mind.
"""

from dataclasses import dataclass

import numpy as np

from solvers.arrays import Floats, Integers
from solvers.robust.solve.dual import Relaxation
from solvers.robust.solve.shares import Shares, proven_j, share_out

_TRIED_AT_ONCE = 8
_ROUNDS = 50
_PLANNED_AT_ONCE = 200_000  # users of all plans together, so that memory stays flat


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One option per user (index into the relaxation's options) with its exact shares."""

    choice: Integers  # (users,)
    x: Floats  # (users,)
    energy_j: float
    log_price: float
    price_j_per_hz: float  # what one more hertz saves


def best_of(relaxation: Relaxation, choices: Integers, log_price: float) -> tuple[Plan, int]:
    """The cheapest of some plans, (plans, users), and which it is."""
    if choices.size > _PLANNED_AT_ONCE and len(choices) > 1:
        plans = [best_of(relaxation, choices[k : k + 1], log_price)[0] for k in range(len(choices))]
        k = int(np.argmin([plan.energy_j for plan in plans]))
        return plans[k], k
    plan, k, _ = shared_out(relaxation, choices, log_price)
    return plan, k


def shared_out(
    relaxation: Relaxation, choices: Integers, log_price: float
) -> tuple[Plan, int, Shares]:
    """As `best_of`, with the shares of all."""
    shares = share_out(
        relaxation.options.curves[choices], relaxation.bandwidth_hz, log_price, relaxation.progress
    )
    k = int(np.argmin(shares.energy_j))
    plan = Plan(
        choice=choices[k],
        x=shares.x[k],
        energy_j=float(shares.energy_j[k]),
        log_price=float(shares.log_price[k]),
        price_j_per_hz=float(shares.price_j_per_hz[k]),
    )
    return plan, k, shares


def bounds_of(relaxation: Relaxation, choices: Integers, shares: Shares) -> Floats:
    """What plans with these choices, (plans, users), spend at least, however they share: their dual
    at a price each.
    """
    curves, price = relaxation.options.curves[choices], np.exp(shares.log_price)
    return proven_j(curves, relaxation.bandwidth_hz, shares.x, price, relaxation.x_least[choices])


def bound_of(relaxation: Relaxation, plan: Plan) -> float:
    """As `bounds_of`, of a plan that is shared out."""
    curves, price = relaxation.options.curves[plan.choice], np.exp(np.array(plan.log_price))
    return float(
        proven_j(curves, relaxation.bandwidth_hz, plan.x, price, relaxation.x_least[plan.choice])
    )


def complete(relaxation: Relaxation, above: Integers, below: Integers, log_price: float) -> Plan:
    """The best plan on the way from the choices `above` the price, where demand fits, to those
    `below` it.

    Few users differ between the two unless many are alike, and then the energy is nearly convex in
    how many have switched: a search by thirds finds the best.
    """
    tied = np.nonzero(above != below)[0]

    def switched(counts: Integers) -> Integers:
        choices = np.repeat(above[None, :], len(counts), axis=0)
        for row, count in zip(choices, counts, strict=True):
            row[tied[:count]] = below[tied[:count]]
        return choices

    first, last = 0, len(tied)
    while True:
        counts = np.unique(
            np.linspace(first, last, min(last - first + 1, _TRIED_AT_ONCE)).astype(np.int64)
        )
        plan, k = best_of(relaxation, switched(counts), log_price)
        if last - first + 1 <= _TRIED_AT_ONCE:
            return plan
        first, last = int(counts[max(k - 1, 0)]), int(counts[min(k + 1, len(counts) - 1)])


def exchange(relaxation: Relaxation, plan: Plan, stop_at_j: float) -> Plan:
    """Change one user's option at a time while that saves energy, until `stop_at_j` is reached.

    Only a user with a cheaper option at the plan's own price can gain: the plan is optimal for its
    choices at that price, so by duality any other choice costs at least its difference there.
    """
    for _ in range(_ROUNDS):
        if (
            plan.energy_j <= stop_at_j
            or not np.isfinite(plan.log_price)
            or relaxation.progress.over()
        ):
            return plan
        relaxation.progress.objective = plan.energy_j
        value, _ = relaxation.priced_j(np.exp([plan.log_price]))
        best = relaxation.options.best(value)[0]
        gain = value[0][plan.choice] - value[0][best]
        users = np.argsort(-gain, kind="stable")[:_TRIED_AT_ONCE]
        users = users[gain[users] > 1e-13 * plan.energy_j]
        if len(users) == 0:
            return plan
        choices = np.repeat(plan.choice[None, :], len(users), axis=0)
        choices[np.arange(len(users)), users] = best[users]
        better, _ = best_of(relaxation, choices, plan.log_price)
        if better.energy_j >= plan.energy_j * (1.0 - 1e-14):
            return plan
        plan = better
    return plan

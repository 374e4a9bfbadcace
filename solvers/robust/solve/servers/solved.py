"""A cell whose servers have budgets: price all budgets, complete the plan, prove it."""

from dataclasses import dataclass

import numpy as np

from solvers.arrays import Floats, Integers
from solvers.outcome import Options
from solvers.progress import Progress, Stage
from solvers.robust.problem import Problem
from solvers.robust.solve.candidates import options_of
from solvers.robust.solve.primal import Plan, best_of
from solvers.robust.solve.remedies import least_shares
from solvers.robust.solve.servers.least import least_use
from solvers.robust.solve.servers.master import ServerDual, maximise
from solvers.robust.solve.servers.plans import Needs, exchange, first_plan
from solvers.robust.solve.servers.served import Offer, Served
from solvers.robust.solve.servers.tree import search

# The dual is driven to this part of the gap asked for.
_DUAL_TOLERANCE = 1e-2


@dataclass(frozen=True, slots=True)
class Found:
    """A plan of the options of a relaxation, with the bound on every plan and the prices."""

    relaxation: Served
    plan: Plan
    bound_j: float
    prices: dict[str, float]


@dataclass(frozen=True, slots=True)
class Overload:
    """Least shares fit in the uplink, but no plan keeps the budgets of the servers."""

    least_hz: Floats
    proven: bool


def relax(problem: Problem, progress: Progress) -> Served | Overload | Floats:
    """The relaxation of a cell; or each user's least share where these do not fit together."""
    everything, possible = options_of(problem)
    least = least_shares(everything, possible)
    if not least.sum() <= problem.bandwidth_hz:
        return least
    relaxation = Served(
        everything.keep(possible),
        problem.bandwidth_hz,
        np.array(problem.server_capacity),
        progress=progress,
    )
    while not (room := relaxation.beside_others()).all():
        if np.any(relaxation.options.least(np.where(room, 0.0, 1.0)) > 0.0):
            return Overload(least, proven=True)
        relaxation = relaxation.keep(room)
    return relaxation.worth_sending().priceable()


def solved(
    problem: Problem, options: Options, progress: Progress, alike: Integers, *, prove: bool
) -> Found | Overload | Floats:
    """A plan with its bound; or, where there is none, what it fails by. Without `prove` exchanges
    are made, but no search.
    """
    progress.stage(Stage.SWEEP, 0.0, 0.5)
    relaxation = relax(problem, progress)
    if not isinstance(relaxation, Served):
        return relaxation
    progress.stage(Stage.PRICE, 0.5, 0.65)
    dual = maximise(relaxation, _DUAL_TOLERANCE * options.gap)
    progress.bound = bound = dual.bound_j
    progress.stage(Stage.COMPLETE, 0.65, 0.8)
    plan = first_plan(relaxation, dual)
    if plan is None:
        plan, proven = _any_plan(relaxation, dual)
        if plan is None:
            return Overload(relaxation.options.least(relaxation.options.curves.least_hz), proven)
    goal = bound / (1.0 - 0.5 * options.gap)
    plan = exchange(relaxation, plan, dual.offer.server_prices, goal)
    if prove and plan.energy_j > goal:
        progress.bound, progress.objective = bound, plan.energy_j
        progress.stage(Stage.BRANCH, 0.8, 1.0)
        found = search(relaxation, plan, dual.offer, alike, options)
        plan, bound = found.plan, max(bound, found.bound_j)
    return Found(relaxation, plan, bound, _prices(plan, dual.offer))


def _any_plan(relaxation: Served, dual: ServerDual) -> tuple[Plan | None, bool]:
    """A plan that takes least of the server that is hardest to keep; or whether it is proven that
    there is none.
    """
    needs = Needs.of(relaxation)
    used = needs.parts[dual.offer.choice].sum(axis=0)
    worst = 1 + int(used[1:].argmax())
    least = least_use(needs.parts, relaxation.options.first, worst, relaxation.progress, enough=1.0)
    if least.choice is None or not relaxation.fit(least.choice):
        return None, least.proven
    log_price = float(np.log(dual.offer.price)) if dual.offer.price > 0.0 else 0.0
    plan, _ = best_of(relaxation, least.choice[None, :], log_price)
    return plan, True


def _prices(plan: Plan, offer: Offer) -> dict[str, float]:
    """What budgets are worth at the plan and at the dual's maximum: of servers the plan knows no
    price of its own, for a little more of a server changes no option of it.
    """
    return {
        "bandwidth_j_per_hz": plan.price_j_per_hz,
        "dual_bandwidth_j_per_hz": offer.price,
        **{f"server_{k}_j_per_s": float(mu) for k, mu in enumerate(offer.server_prices)},
        **{f"dual_server_{k}_j_per_s": float(mu) for k, mu in enumerate(offer.server_prices)},
    }

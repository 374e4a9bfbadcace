"""A cell whose servers have budgets: price all budgets, complete the plan, prove it."""

from dataclasses import dataclass, replace

import numpy as np

from solvers.arrays import Floats, Integers
from solvers.outcome import Options
from solvers.progress import Progress, Stage
from solvers.robust.problem import Problem
from solvers.robust.solve.candidates import Candidates, options_of
from solvers.robust.solve.curves import Curves
from solvers.robust.solve.primal import Plan, best_of
from solvers.robust.solve.remedies import least_shares
from solvers.robust.solve.servers.crowd import crowded
from solvers.robust.solve.servers.fleet import Fleet
from solvers.robust.solve.servers.least import least_use
from solvers.robust.solve.servers.master import maximise
from solvers.robust.solve.servers.plans import Needs, exchange, first_plan
from solvers.robust.solve.servers.served import Offer, Served
from solvers.robust.solve.servers.smooth import COARSE, FINE, FINEST, climb
from solvers.robust.solve.servers.tree import search

# The dual is driven to this part of the gap asked for.
_DUAL_TOLERANCE = 1e-2
_SMALL_CELL = 50
_MIXED = 4_000  # options of users with a choice of whom mixtures are looked for
_LARGE_TABLE = 160_000  # options, above which a cell is swept block by block


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
    roomy = _with_room(relaxation)
    if roomy is None:
        return Overload(least, proven=True)
    return roomy.worth_sending().priceable()


def _with_room(relaxation: Served) -> Served | None:
    """Without options that find no room on some server beside what others need of it at least; None
    where that leaves somebody none.
    """
    while not (room := relaxation.beside_others()).all():
        if np.any(relaxation.options.least(np.where(room, 0.0, 1.0)) > 0.0):
            return None
        relaxation = relaxation.keep(room)
    return relaxation


def assign(
    problem: Problem,
    options: Candidates,
    energy_j: Floats,
    how: Options,
    progress: Progress,
) -> tuple[float, float] | None:
    """Least energy of one option for each user within the budgets of the servers, the shares of the
    uplink given; and a bound on it. None where there is none.

    energy_j : (options,), infinite where an option is none.
    """
    options = replace(options, curves=Curves.constant(energy_j)).keep(np.isfinite(energy_j))
    capacity = np.array(problem.server_capacity)
    relaxation = _with_room(Served(options, problem.bandwidth_hz, capacity, progress=progress))
    if relaxation is None:
        return None
    alike = np.arange(problem.users)
    found = planned(relaxation.priceable(), how, alike, prove=problem.users <= _SMALL_CELL)
    if isinstance(found, Overload):
        return None
    return found.plan.energy_j, min(found.bound_j, found.plan.energy_j)


def solved(
    problem: Problem, options: Options, progress: Progress, alike: Integers, *, prove: bool
) -> Found | Overload | Floats:
    """A plan with its bound; or, where there is none, what it fails by. Without `prove` exchanges
    are made, but no search.
    """
    progress.stage(Stage.SWEEP, 0.0, 0.5)
    large = _large(problem)
    if large:
        swept = Fleet(problem, progress).priced()
        if swept is not None:
            found = crowded(*swept, options)
            if found is not None:
                return Found(*found[:3], _prices(found[1], found[3]))
    relaxation = relax(problem, progress)
    if not isinstance(relaxation, Served):
        return relaxation
    return planned(relaxation, options, alike, prove=prove)


def planned(
    relaxation: Served, options: Options, alike: Integers, *, prove: bool
) -> Found | Overload:
    """As `solved`, of options that are laid out."""
    progress = relaxation.progress
    progress.stage(Stage.PRICE, 0.5, 0.65)
    plan, near = None, None
    if relaxation.options.users > _SMALL_CELL:
        relaxation, plan, near = _narrowed(relaxation, options)
    offer = near
    if offer is None or _worth_mixing(relaxation, plan, offer, options):
        dual = maximise(relaxation, _DUAL_TOLERANCE * options.gap, near)
        offer = max(filter(None, (near, dual.offer)), key=lambda some: some.bound_j)
        plan = _better(plan, first_plan(relaxation, offer, dual.weight))
    progress.bound = bound = offer.bound_j
    progress.stage(Stage.COMPLETE, 0.65, 0.8)
    if plan is None:
        plan, proven = _any_plan(relaxation, offer)
        if plan is None:
            return Overload(relaxation.options.least(relaxation.options.curves.least_hz), proven)
    goal = bound / (1.0 - 0.5 * options.gap)
    plan = exchange(relaxation, plan, offer.server_prices, goal)
    if prove and plan.energy_j > goal:
        progress.bound, progress.objective = bound, plan.energy_j
        progress.stage(Stage.BRANCH, 0.8, 1.0)
        found_ = search(relaxation, plan, offer, alike, options)
        plan, bound = found_.plan, max(bound, found_.bound_j)
    return Found(relaxation, plan, bound, _prices(plan, offer))


def _large(problem: Problem) -> bool:
    first = problem.workloads.first
    laid_out = int((first[problem.workload + 1] - first[problem.workload]).sum())
    return laid_out > _LARGE_TABLE


def _narrowed(relaxation: Served, options: Options) -> tuple[Served, Plan | None, Offer]:
    """Prices near the best and a plan beside them, without the options that these two rule out."""
    price, capacity_s = relaxation.first_price(), relaxation.capacity_s
    start = 0.3 * price * relaxation.bandwidth_hz / len(capacity_s) / capacity_s
    offer = climb(relaxation, (price, start), (*COARSE, *FINE, *FINEST[1:]))
    found = crowded(relaxation, offer, options)
    if found is None:
        return relaxation, None, offer
    _, plan, _, offer = found
    keep = offer.bound_j + _detour_j(relaxation, offer) <= plan.energy_j
    keep[plan.choice] = keep[offer.choice] = True
    plan = replace(plan, choice=(np.cumsum(keep) - 1)[plan.choice])
    relaxation = relaxation.keep(keep)
    return relaxation, plan, relaxation.at(offer.price, offer.server_prices)


def _worth_mixing(relaxation: Served, plan: Plan | None, offer: Offer, options: Options) -> bool:
    """Whether better prices may prove more, and are found in no long time."""
    if plan is None:
        return True
    counts = np.diff(relaxation.options.first)
    open_options = int(counts[counts > 1].sum())
    done = plan.energy_j <= offer.bound_j / (1.0 - 0.5 * options.gap)
    return not done and open_options <= _MIXED


def _better(one: Plan | None, other: Plan | None) -> Plan | None:
    plans = [plan for plan in (one, other) if plan is not None]
    return min(plans, key=lambda plan: plan.energy_j, default=None)


def _detour_j(relaxation: Served, offer: Offer) -> Floats:
    """What every option costs at some prices beyond its user's best."""
    least = offer.value_j[offer.choice]
    return np.asarray(offer.value_j - np.repeat(least, np.diff(relaxation.options.first)))


def _any_plan(relaxation: Served, offer: Offer) -> tuple[Plan | None, bool]:
    """A plan that takes least of the server that is hardest to keep; or whether it is proven that
    there is none.
    """
    needs = Needs.of(relaxation)
    used = needs.parts[offer.choice].sum(axis=0)
    worst = 1 + int(used[1:].argmax())
    least = least_use(needs.parts, relaxation.options.first, worst, relaxation.progress, enough=1.0)
    if least.choice is None or not relaxation.fit(least.choice):
        return None, least.proven
    log_price = float(np.log(offer.price)) if offer.price > 0.0 else 0.0
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

"""What the check proves of a plan's energy, beside the bound that the solver claims."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from solvers.arrays import Floats
from solvers.outcome import Certificate, Violation
from solvers.robust.check.bound import lower_bound_j
from solvers.robust.check.constraints import Constraint
from solvers.robust.check.limits import check, held
from solvers.robust.check.options import EXACT
from solvers.robust.check.rival import SPARE
from solvers.robust.check.search import Bound
from solvers.robust.check.terms import terms
from solvers.robust.problem import TOLERANCE, Decision, Problem

# A plan may use up the tolerance of its deadlines, which makes it cheaper than any bound allows.
_TOLERATED = 1e-6


def prove(
    problem: Problem,
    decision: Decision,
    certificate: Certificate,
    claimed_j: float,
    prices: Mapping[str, float],
    gap: float,
) -> Certificate:
    """The certificate of a plan that keeps its limits, with a lower bound of the check's own [J].

    Parameters
    ----------
    claimed_j : the solver's lower bound. It is refuted where the check finds a plan below it.
    prices : of the solver; those of the dual, of spectrum and of servers, are taken as suggestions,
        for every price gives a bound.
    gap : relative; the check looks no further than a bound that proves it.

    Notes
    -----
    In cells of up to 50 users a search closes the duality gap, unless more than 1024 combinations
    stay open (256 in plain cells, `Options.plain`); in larger ones the bound is the dual's, whose
    gap falls as 1/N.
    """
    energy_j = certificate.objective
    goal_j = energy_j * (1.0 - gap)
    of_plan = terms(problem, decision)
    strict = held(problem, decision, of_plan, EXACT).holds
    asked = problem if strict else stretched(problem)
    found = lower_bound_j(
        asked,
        decision,
        suggested(prices),
        goal_j,
        _for_servers(prices, asked.server_capacity),
        of_plan.energy_j,
    )
    return judged(problem, certificate, found, claimed_j)


def judged(
    problem: Problem, certificate: Certificate, found: Bound, claimed_j: float
) -> Certificate:
    """The certificate with a bound that the check found: it breaks where the plan, or what the
    solver claims, is beyond it.
    """
    energy_j = certificate.objective
    broken = list(certificate.violations)
    if found.energy_j > energy_j * (1.0 + _TOLERATED):
        broken.append(_unbounded(found.energy_j - energy_j))
    # What a rival spends less for a limit that it keeps by rounding alone refutes nothing.
    rivals = [check(problem, rival, tolerance=-SPARE) for rival in found.rivals]
    cheapest_j = min((rival.objective for rival in rivals if rival.holds), default=np.inf)
    if cheapest_j < claimed_j * (1.0 - _TOLERATED):
        broken.append(_unbounded(claimed_j - cheapest_j))
    return replace(certificate, lower_bound=min(found.energy_j, energy_j), violations=tuple(broken))


def stretched(problem: Problem) -> Problem:
    """What a plan is held to that needs the tolerance: its limits with the tolerance added."""
    by = 1.0 + TOLERANCE
    return replace(
        problem,
        bandwidth_hz=problem.bandwidth_hz * by,
        deadline_s=problem.deadline_s * by,
        stage_tolerance=problem.stage_tolerance * by,
        server_capacity=tuple(capacity * by for capacity in problem.server_capacity),
        max_loss=None if problem.max_loss is None else problem.max_loss * by,
    )


def suggested(prices: Mapping[str, float]) -> list[float]:
    """Prices that may serve: the dual's first, then that of the plan's own options."""
    dual, own = (
        prices.get(name, 0.0) for name in ("dual_bandwidth_j_per_hz", "bandwidth_j_per_hz")
    )
    usable = [price for price in (dual, own) if 0.0 < price < float("inf")]
    return usable if dual > 0.0 and usable else [0.0]


def _for_servers(prices: Mapping[str, float], servers: Sequence[float]) -> list[Floats]:
    """Prices of the servers that may serve: the dual's first, then those of the plan's options."""
    if not servers:
        return []
    told = [
        [prices.get(f"{whose}server_{k}_j_per_s", 0.0) for k in range(len(servers))]
        for whose in ("dual_", "")
    ]
    # One that is no price serves as well as any other.
    return [np.where(np.isfinite(price) & (np.asarray(price) > 0.0), price, 0.0) for price in told]


def _unbounded(excess_j: float) -> Violation:
    return Violation(constraint=Constraint.LOWER_BOUND, user=None, excess=excess_j)

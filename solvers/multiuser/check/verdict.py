"""What the check proves of a plan's cost, beside the bound that the solver claims."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np

from solvers.arrays import Integers
from solvers.multiuser.check.bound import Bound, Prices, lower_bound, price
from solvers.multiuser.check.constraints import Constraint
from solvers.multiuser.check.decision import TOLERANCE, check
from solvers.multiuser.check.rival import shared_out
from solvers.multiuser.problem import Decision, Problem
from solvers.outcome import Certificate, Violation

_SMALL = 2_000  # options: of a cell in which other prices, and plans with other options, are tried
_LARGE_GAP = 1e-3  # more than the dual leaves open in a larger one at prices near the best
_STEPS = (2.0, 0.5, 1.2, 1.0 / 1.2)  # factors on prices
_PARTS = (0.25, 0.06, 0.015, 0.004, 0.001)
_CHANGES = 32  # of one user's option, those first that the bound leaves most open


def prove(
    problem: Problem,
    decision: Decision,
    certificate: Certificate,
    claimed: float,
    prices: Mapping[str, float],
    gap: float,
) -> Certificate:
    """The certificate of a plan that keeps its limits, with a lower bound of the check's own.

    Parameters
    ----------
    claimed : the solver's lower bound. It is refuted where the check finds a plan below it.
    prices : of one hertz and one FLOP/s, from the solver; a suggestion, for every price gives a
        bound.
    gap : relative; the check looks no further than a bound that proves it.

    Notes
    -----
    The bound is the dual's, whose gap falls as 1/N; no search closes it. A plan below what was
    claimed is looked for among those that the bound leaves open: the options that are least at the
    prices, those of the plan itself with other shares and, in small cells, either with the option
    of one user changed.
    """
    cost = certificate.objective
    suggested = _suggested(problem, prices)
    small = int(np.diff(problem.workloads.first)[problem.workload].sum()) <= _SMALL
    goal = cost * (1.0 - gap)
    aim = goal if small else cost * (1.0 - _LARGE_GAP)
    found, at = _best(problem, decision, suggested, aim)
    broken = list(certificate.violations)
    if found.cost > cost + TOLERANCE * abs(cost):
        broken.append(_unbounded(found.cost - cost))
    threshold = claimed - TOLERANCE * abs(claimed)
    if found.cost < min(goal, threshold):  # else the check has proven the claim itself
        for option in _rivals(problem, decision, found, at, threshold, small=small):
            rival = shared_out(problem, option, at)
            if rival is None:
                continue
            seen = check(problem, rival.decision)
            if seen.holds and seen.objective < threshold:
                broken.append(_unbounded(claimed - seen.objective))
                break
    return replace(certificate, lower_bound=min(found.cost, cost), violations=tuple(broken))


def _suggested(problem: Problem, prices: Mapping[str, float]) -> Prices:
    """Prices of the whole budgets that may serve; nothing where they are no prices."""
    whole = (
        prices.get("bandwidth_per_hz", 0.0) * problem.bandwidth_hz,
        prices.get("server_per_flop_per_s", 0.0) * problem.server_flop_per_s,
    )
    uplink, server = (value if 0.0 < value < np.inf else 0.0 for value in whole)
    return uplink, server


def _best(problem: Problem, decision: Decision, told: Prices, goal: float) -> tuple[Bound, Prices]:
    """The best bound at some prices, until one reaches the goal: those told, others that may serve,
    and some around the best of these.
    """
    best, at = lower_bound(problem, told), told

    def trying(prices: Prices) -> bool:
        nonlocal best, at
        found = lower_bound(problem, prices)
        if found.cost > best.cost:
            best, at = found, prices
        return best.cost < goal

    if best.cost >= goal or not all(map(trying, _others(problem, decision))):
        return best, at
    for step in _STEPS:
        for up, on in ((step, step), (step, 1.0), (1.0, step)):
            if not trying((at[0] * up, at[1] * on)):
                return best, at
    return best, at


def _others(problem: Problem, decision: Decision) -> Iterator[Prices]:
    """Prices to try beside those that were told: none at all, which is best for a user alone; those
    at which the plan's options ask for just what there is; and parts of those at which the options
    do that everybody chooses as though all were free, which are too high.
    """
    yield 0.0, 0.0
    own = shared_out(problem, decision.option, (0.0, 0.0))
    if own is not None:
        yield own.prices
    free = shared_out(problem, lower_bound(problem, (0.0, 0.0)).option, (0.0, 0.0))
    if free is not None:
        for part in _PARTS:
            yield part * free.prices[0], part * free.prices[1]


def _rivals(
    problem: Problem, decision: Decision, found: Bound, at: Prices, below: float, *, small: bool
) -> Iterator[Integers]:
    """Options of plans that may cost less than something, for all the bound says."""
    yield found.option
    yield decision.option
    if not small:
        return
    priced = price(problem, np.arange(len(problem.workload)), at)
    least = np.minimum.reduceat(priced.cost, priced.offset)
    # In a plan with this option, the bound is higher by what it costs beyond the least.
    excess = priced.cost - least[priced.user]
    open_ = np.flatnonzero(excess < below - found.cost)
    for entry in open_[np.argsort(excess[open_], kind="stable")][:_CHANGES]:
        user, option = priced.user[entry], priced.option[entry]
        for base in (decision.option, found.option):
            if base[user] != option:
                changed = base.copy()
                changed[user] = option
                yield changed


def _unbounded(excess: float) -> Violation:
    return Violation(constraint=Constraint.LOWER_BOUND, user=None, excess=excess)

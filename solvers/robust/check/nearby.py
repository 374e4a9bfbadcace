"""Plans of one cell at many uplinks, looked at together; and what plans spend at least that take
anything beyond some of its options.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from solvers.arrays import Booleans, Floats, Integers
from solvers.compiled.library import Library
from solvers.outcome import Certificate, Violation
from solvers.robust.check.bound import of_options, open_options, within
from solvers.robust.check.constraints import Constraint
from solvers.robust.check.curves import least_j
from solvers.robust.check.kernel import Columns
from solvers.robust.check.limits import check, held
from solvers.robust.check.options import EXACT, frugal_clock_hz, options_of
from solvers.robust.check.terms import terms
from solvers.robust.check.verdict import judged, stretched, suggested
from solvers.robust.problem import TOLERANCE, Decision, Problem

_ROUNDING = 1e-14  # relative, of a sum
# Options that cost so little beyond the best, in parts of a plan's energy, are always kept.
_NEAR = 0.015


@dataclass(frozen=True, slots=True)
class Reference:
    """A cell priced once, for every uplink up to the one that it was priced with.

    Notes
    -----
    With a price p of spectrum, L(B) = sum_n min_o v_no - p B is a bound for every uplink B, and a
    plan in which user n takes option o spends at least L(B) + v_no - min_o v_no. The v_no are those
    of the widest uplink, in which everybody may have most: of a narrower one they are no less.
    """

    price: float
    """Of spectrum [J/Hz]."""
    least_j: float
    """What all users cost at the price, each at its best option."""
    kept: Booleans
    """(rows,) of the workload table."""
    detour_j: float
    """Any row that is not kept costs whoever takes it so much more than the best."""

    def beyond_j(self, bandwidth_hz: float) -> float:
        """Energy [J] that no plan goes below which takes a row that is not kept."""
        paid = self.price * bandwidth_hz
        root = self.least_j - paid - _ROUNDING * (abs(self.least_j) + paid) * 2.0
        return root + self.detour_j


def reference(
    problem: Problem, decision: Decision, price: float, energy_j: float
) -> Reference | None:
    """Price all options of a cell; None where no price tells them apart.

    Parameters
    ----------
    problem : a cell without budgets of servers, with the widest uplink that is asked for.
    decision : a plan of it.
    price : of spectrum [J/Hz]; any will do, one near the best tells most.
    energy_j : about what plans spend.
    """
    if not 0.0 < price < float("inf"):
        return None
    users = np.arange(len(problem.workload))
    options, cap_hz = open_options(problem, users, frugal_clock_hz(problem), decision.option)
    near, reach = within(options, cap_hz, users, decision.option)
    value = least_j(near, price, reach)[0]
    least = np.full(len(users), np.inf)
    np.minimum.at(least, near.user, value)
    row = problem.workloads.first[problem.workload[near.user]] + near.option
    detour: Floats = np.full(len(problem.workloads.cut), np.inf)
    np.minimum.at(detour, row, value - least[near.user])
    kept = detour <= _NEAR * energy_j
    beyond = detour[~kept]
    return Reference(
        price=price,
        least_j=float(least.sum()),
        kept=kept,
        detour_j=float(beyond.min()) if len(beyond) else float("inf"),
    )


@dataclass(frozen=True, slots=True)
class Claim:
    """What a solver says of a plan at one uplink."""

    problem: Problem
    """The cell with that uplink."""
    option: Integers
    """(users,) that the plan takes."""
    bound_j: float
    prices: Mapping[str, float]


def prove_together(
    compiled: Library, claims: Sequence[Claim], together: Problem, decision: Decision, gap: float
) -> list[Certificate]:
    """The certificates of plans of one cell at several uplinks, each as `check` and `prove` say.

    Parameters
    ----------
    claims : of problems that differ in their uplinks alone, whose servers have no budgets.
    together : the users of these problems one after the other, with the sum of their uplinks.
    decision : their plans, likewise.
    gap : relative; as `prove` has it.
    """
    count, widths_hz = len(claims), np.array([claim.problem.bandwidth_hz for claim in claims])
    whole, of_plans = check(together, decision), terms(together, decision)
    rate = 1.0 if together.rate_hz is None else together.rate_hz
    energy_j = (rate * of_plans.energy_j).reshape(count, -1).sum(axis=1).tolist()
    used_hz = decision.bandwidth_hz.reshape(count, -1).sum(axis=1)
    strict = held(together, decision, of_plans, EXACT).holds
    strict &= bool(np.all(used_hz <= widths_hz * (1.0 + EXACT)))
    asked = [claim.problem if strict else stretched(claim.problem) for claim in claims]
    options = options_of(asked[0], np.arange(len(asked[0].workload)), frugal_clock_hz(asked[0]))
    columns, none, found = Columns(options), [np.zeros(0)], []
    for claim, own, spent_j, taken_hz in zip(
        claims, asked, energy_j, used_hz.tolist(), strict=True
    ):
        told = Certificate(
            objective=spent_j,
            used={"bandwidth_hz": taken_hz},
            violations=(*whole.violations, *_beyond(taken_hz, claim.problem.bandwidth_hz)),
        )
        goal_j, prices = spent_j * (1.0 - gap), suggested(claim.prices)
        bound = of_options(compiled, own, options, claim.option, prices, goal_j, none, columns)
        found.append(judged(own, told, bound, claim.bound_j))
    return found


def _beyond(used_hz: float, bandwidth_hz: float) -> tuple[Violation, ...]:
    if used_hz <= bandwidth_hz * (1.0 + TOLERANCE):
        return ()
    excess_hz = used_hz - bandwidth_hz
    return (Violation(constraint=Constraint.BANDWIDTH, user=None, excess=excess_hz),)

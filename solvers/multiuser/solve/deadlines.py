"""Whether deadlines and loss limits can be kept at all; and if not, who or what is short, and what
would mend it.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from solvers.arrays import Floats, Integers
from solvers.multiuser.problem import Infeasibility, Problem
from solvers.multiuser.solve import budget, shares
from solvers.multiuser.solve.fleet import ROUNDING, Fleet
from solvers.progress import Progress, Stage

# What the check lets pass as rounding is no reason to refuse a cell. A thousandth is left to the
# shares' own rounding.
_TOLERANCE = 1e-9 * (1.0 - 1e-3)
# Amounts said to suffice are rounded up by this much: exactly at the edge prices would be infinite.
_NUDGE = 1.0 + 1e-6
# of a search for the last digits of an amount: cells beyond some 20 users may keep a difference
_ROUNDS = 60


@dataclass(frozen=True, slots=True)
class Fit:
    """Choices whose deadlines fit in the budgets, None where none were found; whether there are
    none.
    """

    choice: Integers | None
    excluded: bool

    @property
    def found(self) -> bool | None:
        """Whether there are some; None where that is not settled."""
        return True if self.choice is not None else False if self.excluded else None


def tolerant(problem: Problem) -> Problem:
    """The same question with deadlines as late as the check accepts them."""
    return replace(problem, deadline_s=problem.deadline_s * (1.0 + _TOLERANCE))


def fit(fleet: Fleet, rng: np.random.Generator, progress: Progress) -> Fit:
    """Look for choices that keep all deadlines within both budgets; in a small cell until it is
    settled.
    """
    if not fleet.served:
        return Fit(None, excluded=True)

    def enough(need: budget.Need) -> bool:
        progress.tick()
        return need.found < 1.0 or need.bound >= 1.0 or progress.over()

    progress.stage(Stage.DEADLINES, 0.0, 0.1)
    need = budget.least(fleet, budget.FACTOR, rng, enough)
    if not enough(need):  # relinking other choices may find what this one missed
        for ask in (budget.UPLINK, budget.SERVER):
            other = budget.least(fleet, ask, np.random.default_rng(0), enough)
            if enough(other):
                return _fitting(other)
        need = budget.settle(
            fleet, budget.FACTOR, need, lambda need: not enough(need), below=1.0, gap=0.0
        )
    return _fitting(need)


def _fitting(need: budget.Need) -> Fit:
    return Fit(need.choice if need.found < 1.0 else None, excluded=need.bound >= 1.0)


def explain(fleet: Fleet, progress: Progress, seed: int, *, excluded: bool) -> Infeasibility:
    """Why a fleet with limits has no plan, and the least of each kind of remedy, everything else as
    it is.

    Remedies are asked of all options, also of those that the present budgets rule out.
    """
    alone = alone_late(fleet)
    hertz, flops = fleet.problem.bandwidth_hz, fleet.problem.server_flop_per_s
    factor, up, on = (
        _amount(fleet, ask, progress, 1.0 if excluded else 0.0)
        for ask in (budget.FACTOR, budget.UPLINK, budget.SERVER)
    )
    return replace(
        alone,
        proven=excluded,
        bandwidth_hz=(up[0] * hertz, up[1] * hertz),
        server_flop_per_s=(on[0] * flops, on[1] * flops),
        factor=factor,
        switches=_switches(fleet, progress, seed, excluded=excluded)
        if fleet.max_switches is not None
        else None,
    )


def alone_late(fleet: Fleet) -> Infeasibility:
    """The users whom no plan can serve, each with the deadline it could keep; proven where there
    are some.
    """
    none = np.empty(0, dtype=np.int64)
    late = none if fleet.allowed is None else np.flatnonzero(~fleet.allowed.any(axis=1))
    users = fleet.order[late]
    by_user = np.argsort(users)
    return Infeasibility(
        proven=len(late) > 0,
        users=users[by_user],
        least_deadline_s=_least_deadline_s(fleet, late)[by_user],
    )


def _least_deadline_s(fleet: Fleet, users: Integers) -> Floats:
    """Least latency of some users with both budgets whole, over the options their loss limit
    leaves.
    """
    kind = fleet.kind[users]
    sent = (fleet.root_share[users, None] * fleet.table.root_bit[kind]) ** 2
    full = fleet.table.fixed_s[kind] + sent + fleet.table.root_server[kind] ** 2
    within = fleet.table.real[kind] & (fleet.table.loss[kind] <= fleet.max_loss[users, None])
    return np.asarray(np.where(within, full, np.inf).min(axis=1))


def _amount(
    fleet: Fleet, ask: budget.Ask, progress: Progress, at_least: float
) -> tuple[float, float]:
    """(Proven lower bound, amount that suffices) as fractions of the present budgets; infinite
    where none does.
    """
    grown = fleet.growing(uplink=ask.uplink_grows, server=ask.server_grows)
    if not grown.served:
        return np.inf, np.inf

    def late(_: budget.Need) -> bool:
        progress.tick()
        return progress.over()

    progress.stage(Stage.REMEDIES, 0.9)
    need = budget.least(grown, ask, np.random.default_rng(0), late)
    if not need.closed:
        need = budget.settle(grown, ask, need, _for_some_rounds(late))
    if need.found == np.inf:
        return max(need.bound, at_least), np.inf
    sums = np.stack(shares.need(grown.chosen(need.choice)))
    # Rounded up before it is divided by what the other budget leaves, which may be little.
    return max(need.bound, at_least), float(ask.amount(sums * (1.0 + ROUNDING))) * _NUDGE


def _for_some_rounds(late: Callable[[budget.Need], bool]) -> Callable[[budget.Need], bool]:
    left = iter(range(_ROUNDS))
    return lambda need: not late(need) and next(left, None) is not None


def _switches(
    fleet: Fleet, progress: Progress, seed: int, *, excluded: bool
) -> tuple[float, float]:
    """(Proven lower bound, limit that suffices) on users who switch; infinite where no limit does.

    By bisection: what cannot be done with some switches cannot be done with fewer.
    """

    def fitting(switches: int) -> Fit:
        return fit(fleet.switching(switches), np.random.default_rng(seed), progress)

    held = 0 if fleet.previous is None else int((fleet.previous >= 0).sum())
    proven = max(fleet.forced, fleet.most_switches + 1 if excluded else 0)
    free = fitting(held)
    if free.choice is None:
        return np.inf if free.excluded else float(proven), np.inf
    low, enough = proven, held
    while low < enough and not progress.over():
        middle = (low + enough) // 2
        found = fitting(middle)
        if found.choice is not None:
            enough = middle
        else:
            low = middle + 1
            proven = low if found.excluded else proven
    return float(proven), float(enough)

"""Changes that give a cell without a plan one, at prices that the caller names."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from solvers.arrays import Floats, Integers
from solvers.multiuser.problem import Infeasibility, Problem
from solvers.multiuser.solve.conflicts import demands_of
from solvers.multiuser.solve.deadlines import fit, tolerant
from solvers.multiuser.solve.fleet import Fleet
from solvers.progress import Progress
from solvers.subsets.admission import without_some

_FURTHEST, _SETTLED = 64.0, 1e-9


class Change(StrEnum):
    """What a repair changes."""

    DROP = "drop"
    DEADLINE = "deadline"
    BANDWIDTH = "bandwidth"
    SERVER = "server"


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """What a unit of each change costs; infinite: it is not for sale."""

    drop: Floats  # (users,) of leaving out each
    deadline_per_s: float = np.inf
    bandwidth_per_hz: float = np.inf
    server_per_flop_per_s: float = np.inf


@dataclass(frozen=True, slots=True, kw_only=True)
class Repair:
    """A cell changed so that it has a plan, with what that costs."""

    change: Change
    cost: float
    at_least: float  # proven: no repair of this kind costs less
    users: Integers  # who stays, rising
    problem: Problem  # of these users


def repairs(
    problem: Problem, found: Infeasibility, prices: Prices, progress: Progress
) -> Iterator[Repair]:
    """One repair of each kind that is for sale and helps: users left out, one factor on all
    deadlines, more uplink, more of the server.

    `found` has the amounts of uplink and server that suffice, with what is proven of them.
    """
    everyone = np.arange(problem.users)
    if np.any(np.isfinite(prices.drop)):
        yield from _dropped(problem, prices.drop, progress)
    if prices.deadline_per_s < np.inf:
        yield from _later(problem, prices.deadline_per_s, everyone, progress)
    for change, pair, start, price in (
        (Change.BANDWIDTH, found.bandwidth_hz, problem.bandwidth_hz, prices.bandwidth_per_hz),
        (
            Change.SERVER,
            found.server_flop_per_s,
            problem.server_flop_per_s,
            prices.server_per_flop_per_s,
        ),
    ):
        if price == np.inf or pair is None or not np.isfinite(pair[1]):
            continue
        amount = max(pair[1], start)
        cost, at_least = price * (amount - start), price * max(pair[0] - start, 0.0)
        yield Repair(
            change=change,
            cost=cost,
            at_least=min(at_least, cost),
            users=everyone,
            problem=_grown(problem, change, amount),
        )


def _grown(problem: Problem, change: Change, amount: float) -> Problem:
    """The cell with more of one budget; all times on a server shrink as it grows."""
    if change is Change.BANDWIDTH:
        return replace(problem, bandwidth_hz=amount)
    work = problem.workloads
    faster = replace(work, server_s=work.server_s * (problem.server_flop_per_s / amount))
    return replace(problem, server_flop_per_s=amount, workloads=faster)


def fitting(problem: Problem, progress: Progress) -> bool | None:
    """Whether a cell has a plan; None where that is not settled."""
    fleet = Fleet(tolerant(problem), progress=progress)
    return fit(fleet, np.random.default_rng(0), progress).found


def _dropped(problem: Problem, price: Floats, progress: Progress) -> Iterator[Repair]:
    kept = without_some(
        price,
        demands_of(tolerant(problem), progress),
        lambda users: fitting(problem.only(users), progress),
        progress,
    )
    if kept is not None:
        yield Repair(
            change=Change.DROP,
            cost=kept.cost,
            at_least=kept.at_least,
            users=kept.users,
            problem=problem.only(kept.users),
        )


def _later(
    problem: Problem, price: float, everyone: Integers, progress: Progress
) -> Iterator[Repair]:
    """The least factor on all deadlines, as far as it is settled."""

    def later(factor: float) -> Problem:
        return replace(problem, deadline_s=problem.deadline_s * factor)

    low, high = 1.0, 2.0
    while not fitting(later(high), progress):
        low, high = high, high * 2.0
        if high > _FURTHEST or progress.over():
            return
    while high - low > _SETTLED and not progress.over():
        middle = 0.5 * (low + high)
        low, high = (low, middle) if fitting(later(middle), progress) else (middle, high)
    asked = problem.deadline_s[np.isfinite(problem.deadline_s)]
    yield Repair(
        change=Change.DEADLINE,
        cost=price * (high - 1.0) * float(asked.sum()),
        at_least=0.0,
        users=everyone,
        problem=later(high),
    )

"""Simpler rules: the alternating method in the published style, and the baselines to compare
with.
"""

from dataclasses import replace

import numpy as np

from solvers.arrays import Floats, Integers
from solvers.multiuser.problem import Problem
from solvers.multiuser.solve.fleet import Fleet
from solvers.multiuser.solve.primal import Incumbent, cleared
from solvers.multiuser.solve.shares import shares

_ROUNDS = 200


def alternating(fleet: Fleet) -> Incumbent:
    """Shares fixed, each user takes its best option; options fixed, shares at their best; until
    nothing changes.

    From equal shares. A user that goes local loses its share and cannot come back, so this may stop
    short of the best.
    """
    choice = at_equal_shares(fleet)
    best = cleared(fleet, choice, (0.0, 0.0))
    now = best
    for _ in range(_ROUNDS):
        if not np.isfinite(now.cost):
            break
        x, y = shares(fleet, now.choice, *now.root)
        choice = fleet.best(lambda block, x=x, y=y: fleet.cost_at(block, x, y))[1]  # type: ignore[misc]
        if np.array_equal(choice, now.choice):
            break
        now = cleared(fleet, choice, now.root)
        best = min(best, now, key=lambda incumbent: incumbent.cost)
    return best


def at_equal_shares(fleet: Fleet) -> Integers:
    """Each user's best option if everyone has the same shares; the first allowed one where all are
    late then.
    """
    equal = np.full(fleet.users, 1.0 / fleet.users)
    total, choice = fleet.best(lambda block: fleet.cost_at(block, equal, equal))
    if np.isfinite(total):
        return choice
    late = _late(fleet, choice, equal)
    least_demanding = fleet.best(lambda block: fleet.need(block, 1.0, 1.0))[1]
    return np.where(late, least_demanding, choice)


def _late(fleet: Fleet, choice: Integers, share: Floats) -> np.typing.NDArray[np.bool_]:
    chosen = fleet.chosen(choice)
    used = chosen.root_uplink**2 / share + chosen.root_server**2 / share
    allowed = True if fleet.allowed is None else fleet.allowed[np.arange(fleet.users), choice]
    return np.asarray((used > chosen.slack_s) | ~np.asarray(allowed))


def greedy(fleet: Fleet) -> Incumbent:
    """Each user takes the option that is best for it alone with both budgets whole; then the best
    shares.
    """
    whole = np.ones(fleet.users)
    choice = fleet.best(lambda block: fleet.cost_at(block, whole, whole))[1]
    return cleared(fleet, choice, (0.0, 0.0))


def device_only(problem: Problem) -> Fleet:
    """The fleet that leaves nothing for the server to compute; the last cut may still send its
    result.
    """
    work = problem.workloads
    last = np.maximum.reduceat(work.cut, work.first[:-1])
    whole = work.cut == np.repeat(last, np.diff(work.first))
    return Fleet(problem, only=(work.server_s == 0.0) & ((work.crossing_bit == 0.0) | whole))


def edge_only(problem: Problem) -> Fleet:
    """The fleet that runs nothing on the device (cut 0), quantised as suits it."""
    return Fleet(problem, only=problem.workloads.cut == 0)


def without_loss(problem: Problem) -> Problem:
    """The same question from a split rule that looks at latency alone."""
    return replace(problem, loss_weight=0.0)

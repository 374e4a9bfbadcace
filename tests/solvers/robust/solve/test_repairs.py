"""Repairs: each gives the cell a plan, costs what it changes, and no less than what is proven."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

from solvers.progress import Progress
from solvers.robust.problem import Problem
from solvers.robust.solve import solve
from solvers.robust.solve.changes import Change, Prices, Repair
from solvers.robust.solve.infeasible import diagnose, fits
from solvers.robust.solve.repairs import repairs
from solvers.robust.solve.served_repairs import served_repairs
from tests.support.robust.cells import a_cell, random_cell
from tests.support.robust.served import served_cells
from tests.support.seeds import Drawn


def paid(problem: Problem, repair: Repair, prices: Prices) -> float:
    """What the changes of a repair cost."""
    after, stays = repair.problem, repair.users
    dropped = np.setdiff1d(np.arange(problem.users), stays)
    later = after.deadline_s - problem.deadline_s[stays]
    riskier = after.risk - problem.risk[stays]
    assert np.all(later >= 0.0)
    assert np.all(riskier >= 0.0)
    cost = float(prices.drop[dropped].sum())
    for price, more in (
        (prices.deadline_per_s, later.sum()),
        (prices.risk, riskier.sum()),
        (prices.bandwidth_per_hz, after.bandwidth_hz - problem.bandwidth_hz),
    ):
        cost += price * float(more) if more else 0.0
    return cost


def least_to_drop(problem: Problem, price: np.ndarray) -> float:
    """By trying every set of users who stay."""
    best = np.inf
    for size in range(1, problem.users):
        for some in itertools.combinations(range(problem.users), size):
            cost = float(np.delete(price, some).sum())
            if cost < best and fits(problem.only(np.array(some)), Progress()):
                best = cost
    return best


@pytest.mark.slow
def test_repairs_of_random_cells_are_plans_at_their_price(drawn: Drawn) -> None:
    seen: dict[Change, int] = dict.fromkeys(Change, 0)
    for seed in drawn(40, soak=400):
        rng = np.random.default_rng(seed)
        kind = ("generic", "levels", "tied")[seed % 3]
        problem = random_cell(rng, int(rng.integers(1, 7)), 4, kind)
        sure = 1e-4 if seed % 2 else 1.0  # then a larger risk may be all it takes
        narrow = 10 ** (rng.uniform(-1, 0) if seed % 2 else rng.uniform(-3, -0.5))
        problem = replace(
            problem, risk=problem.risk * sure, bandwidth_hz=problem.bandwidth_hz * narrow
        )
        if fits(problem, Progress()):
            continue
        prices = Prices(
            drop=rng.uniform(0.5, 2.0, problem.users),
            deadline_per_s=float(10 ** rng.uniform(0, 2)),
            risk=float(10 ** rng.uniform(0, 2)),
            bandwidth_per_hz=float(10 ** rng.uniform(-1, 1)) / problem.bandwidth_hz,
            server=np.zeros(0),
        )
        found = {one.change: one for one in repairs(problem, prices, Progress())}
        for change, repair in found.items():
            seen[change] += 1
            assert solve(repair.problem).decision is not None
            assert repair.cost == pytest.approx(paid(problem, repair, prices), rel=1e-9)
            assert repair.at_least <= repair.cost
        least = least_to_drop(problem, prices.drop)
        assert (Change.DROP in found) == (least < np.inf)
        if Change.DROP in found:
            drop = found[Change.DROP]
            assert drop.cost == pytest.approx(least)
            assert drop.at_least == pytest.approx(least)
        factor = diagnose(problem).together.deadline_factor
        if Change.DEADLINE in found:
            together = prices.deadline_per_s * (factor - 1.0) * problem.deadline_s.sum()
            assert found[Change.DEADLINE].cost <= together * (1.0 + 1e-6)
            assert found[Change.DEADLINE].at_least <= together
        if Change.MIXED in found:
            others = [one.cost for change, one in found.items() if change is not Change.MIXED]
            assert found[Change.MIXED].cost < min(others, default=np.inf)
    assert min(seen[change] for change in Change if change is not Change.SERVER) >= 1, seen


@pytest.mark.slow
def test_repairs_beside_full_servers_are_plans_too(drawn: Drawn) -> None:
    seen: set[Change] = set()
    for problem in served_cells(list(drawn(5, soak=100)), 4, 4, 1, room=(0.02, 0.5)):
        if fits(problem, Progress()):
            continue
        rng = np.random.default_rng(problem.users)
        prices = Prices(
            drop=rng.uniform(0.5, 2.0, problem.users),
            deadline_per_s=1.0,
            bandwidth_per_hz=1e-6,
            server=np.ones(1),
        )
        for repair in served_repairs(problem, prices, Progress()):
            seen.add(repair.change)
            assert solve(repair.problem).decision is not None
            assert repair.at_least <= repair.cost
            if repair.change is Change.DROP:
                least = least_to_drop(problem, prices.drop)
                assert repair.cost == pytest.approx(least)
    assert {Change.DROP, Change.SERVER} <= seen


def test_one_user_is_repaired_by_its_least_deadline() -> None:
    problem = a_cell(1, bandwidth_hz=1e5, deadline_s=np.array([0.05]))
    found = diagnose(problem)
    assert found is not None
    prices = Prices(drop=np.ones(1), deadline_per_s=3.0, server=np.zeros(0))
    (repair,) = repairs(problem, prices, Progress())
    assert repair.problem.deadline_s[0] == pytest.approx(found.least_deadline_s[0], rel=1e-9)
    assert repair.cost == pytest.approx(3.0 * (found.least_deadline_s[0] - 0.05))
    assert 0.9 * repair.cost < repair.at_least

"""The search ends: where its bound is rough it is made sharp, and what cannot be told is not
claimed.
"""

from typing import Any

import numpy as np
import pytest

from solvers.compiled.library import Kernel, using
from solvers.outcome import Options, Status
from solvers.progress import Progress
from solvers.robust.problem import Problem
from solvers.robust.solve import solve
from solvers.robust.solve.branch import Search, search
from tests.support.robust.cells import ALEXNET_BIT, ALEXNET_FLOP, a_cell, random_cell, workloads
from tests.support.seeds import Drawn


class Looks:
    """A clock that advances by one at every look, so that a time limit counts looks and not
    seconds.
    """

    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> float:
        self.count += 1
        return float(self.count)


def some_cameras(users: int) -> Problem:
    """With nine clock levels, deadlines of their own, and an uplink that leaves a gap."""
    levels = np.linspace(0.2e9, 1.9e9, 9).tolist()
    table = workloads(
        cycles=list(ALEXNET_FLOP / 7.0),
        crossing_bit=list(ALEXNET_BIT),
        flop_per_cycle=7.0,
        levels_hz=levels,
    )
    rng = np.random.default_rng(0)
    return a_cell(
        users,
        workloads=table,
        deadline_s=rng.uniform(0.15, 0.4, users),
        risk=rng.uniform(0.01, 0.1, users),
        bandwidth_hz=1e6 * users / 12,
    )


def test_a_search_that_stalls_on_a_rough_price_is_given_a_sharp_one() -> None:
    for seed in (59, 65, 71):
        problem = random_cell(np.random.default_rng(seed), 30, 8, "levels")
        looks = Looks()
        solution = solve(problem, Options(), Progress(clock=looks, time_limit_s=300.0))
        assert solution.status is Status.OPTIMAL, seed
        assert looks.count < 300, seed


@pytest.mark.parametrize(("users", "searches"), [(30, 2), (60, 1)])
def test_a_search_begins_again_only_where_the_price_was_rough(
    users: int, searches: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[float] = []

    def counted(*given: Any, **named: Any) -> Search:
        begun.append(given[3])
        return search(*given, **named)

    monkeypatch.setattr("solvers.robust.solve.answer.search", counted)
    monkeypatch.setattr("solvers.robust.solve.answer._PATIENCE", -1)
    with using(Kernel.NUMPY):
        assert solve(some_cameras(users)).status is Status.OPTIMAL
    assert len(begun) == searches


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["generic", "levels", "tied"])
def test_no_small_cell_burns_its_limit(kind: str, drawn: Drawn) -> None:
    for seed in drawn(100, soak=300):
        rng = np.random.default_rng(seed)
        problem = random_cell(rng, int(rng.integers(2, 50)), 8, kind)
        solution = solve(problem, Options(), Progress(clock=Looks(), time_limit_s=400.0))
        assert solution.status is not Status.FEASIBLE, seed


def test_bounds_between_the_prices_of_the_grid_spare_choices_that_are_no_better() -> None:
    """Users nearly alike leave thousands of choices within the error of a coarse grid; a limit of
    looks ends those.
    """
    for seed, users, cuts in ((1715709492, 23, 3), (1760062243, 34, 5), (838279444, 42, 5)):
        problem = random_cell(np.random.default_rng(seed), users, cuts, "levels")
        looks = Looks()
        solution = solve(problem, Options(), Progress(clock=looks, time_limit_s=150.0))
        assert solution.status is Status.OPTIMAL, seed

"""The most valuable users of a cell who fit: no set of users is worth more."""

import itertools
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from solvers.outcome import RefutedAnswer
from solvers.progress import Progress
from solvers.registry import admitted, answer
from solvers.robust.problem import Problem
from solvers.robust.solve.admission import admit
from solvers.robust.solve.infeasible import fits
from solvers.subsets.admission import Admission
from tests.support.robust.brute_force import least_bandwidth_hz
from tests.support.robust.cells import a_cell, random_cell
from tests.support.robust.served import least_of_all, served_cells
from tests.support.seeds import Drawn


def most_of_all(value: np.ndarray, fit: Callable[[tuple[int, ...]], bool]) -> float:
    """The value of the best set of users, by trying each."""
    users = range(len(value))
    sets = (some for size in users for some in itertools.combinations(users, size + 1))
    worth = (float(value[list(some)].sum()) for some in sets if fit(some))
    return max(worth, default=0.0)


def settled(problem: Problem, value: np.ndarray) -> Admission:
    """Who is admitted: planned and checked, where there is anybody."""
    found = admitted(problem, value, admit, Progress())
    if len(found.users):
        solution, certificate = answer(problem.only(found.users))
        assert solution.decision is not None
        assert certificate is not None
    assert found.value == pytest.approx(value[found.users].sum())
    assert found.value <= found.at_most <= found.checked_at_most * (1.0 + 1e-12)
    assert found.proven
    return found


def test_the_value_equals_that_of_the_best_set(drawn: Drawn) -> None:
    left_out = alone = 0
    for seed in drawn(20, soak=600):
        rng = np.random.default_rng(seed)
        kind = ("generic", "levels", "tied", "single")[seed % 4]
        problem = random_cell(rng, int(rng.integers(1, 8)), 4, kind)
        wide = replace(problem, bandwidth_hz=1e15)
        everyone = np.arange(problem.users)
        needs = np.array([least_bandwidth_hz(wide.only(everyone[n : n + 1])) for n in everyone])
        most = max(float(needs[needs <= 1e9].sum()), 1e3) * rng.uniform(0.2, 1.1)
        problem = replace(problem, bandwidth_hz=most)
        value = rng.integers(0, 4, problem.users) * 1.0
        value = value if seed % 2 else rng.uniform(0.1, 2.0, problem.users)

        def fit(some: tuple[int, ...], needs: np.ndarray = needs, most: float = most) -> bool:
            return bool(needs[list(some)].sum() <= most * (1.0 + 1e-9))

        found = settled(problem, value)
        assert found.value == pytest.approx(most_of_all(value, fit), abs=1e-12)
        assert found.alone.tolist() == np.flatnonzero(needs > most * (1.0 + 1e-9)).tolist()
        left_out += len(found.users) < problem.users
        alone += len(found.alone) > 0
    assert left_out > 5
    assert alone > 2


@pytest.mark.slow
def test_the_value_beside_full_servers_equals_that_of_the_best_set(drawn: Drawn) -> None:
    left_out = 0
    for problem in served_cells(list(drawn(8, soak=150)), 4, 4, 1, room=(0.02, 0.6)):
        value = np.random.default_rng(problem.users).uniform(0.5, 2.0, problem.users)

        def fit(some: tuple[int, ...], whole: Problem = problem) -> bool:
            return least_of_all(whole.only(np.array(some))) < np.inf

        found = settled(problem, value)
        assert found.value == pytest.approx(most_of_all(value, fit))
        left_out += len(found.users) < problem.users
    assert left_out > 1


def test_a_crowd_is_bounded_by_solver_and_check(drawn: Drawn) -> None:
    for seed in drawn(3, soak=20):
        rng = np.random.default_rng(seed)
        problem = a_cell(400, deadline_s=rng.uniform(0.05, 0.2, 400), bandwidth_hz=1e8)
        value = rng.uniform(0.0, 3.0, 400)
        found = admitted(problem, value, admit, Progress())
        assert fits(problem.only(found.users), Progress())
        assert 0 < len(found.users) < 400
        assert found.value <= found.at_most <= found.checked_at_most
        assert found.checked_at_most - found.value <= 3.0  # the relaxation splits one user


def test_more_value_than_there_can_be_is_refuted() -> None:
    problem = a_cell(6, bandwidth_hz=5e6, deadline_s=np.full(6, 0.09))

    def greedy(*_: object) -> Admission:
        return Admission(users=np.arange(6), value=6.0, at_most=6.0)

    with pytest.raises(RefutedAnswer):
        admitted(problem, np.ones(6), greedy, Progress())

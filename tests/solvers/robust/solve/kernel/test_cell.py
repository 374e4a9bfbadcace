"""Rows of the workload table that nobody needs."""

import numpy as np

from solvers.robust.problem import Problem
from solvers.robust.solve.candidates import options_of
from solvers.robust.solve.kernel.cell import _ALLOWED, Cell
from tests.support.robust.cells import random_cell
from tests.support.robust.everything import TERMS, random_cell_with_everything
from tests.support.robust.kernel import the_library
from tests.support.seeds import Drawn

WITHOUT_SERVERS = tuple(term for term in TERMS if term != "servers")


def some_cell(rng: np.random.Generator, seed: int) -> Problem:
    users = int(rng.integers(1, 7))
    if seed % 2:
        return random_cell_with_everything(rng, users, WITHOUT_SERVERS)
    return random_cell(rng, users, 8, ("levels", "generic")[seed % 4 // 2])


def least_j(problem: Problem, allowed: np.ndarray, part: float) -> np.ndarray:
    """By numpy, each user's least energy with a part of the uplink and some of the rows."""
    candidates, possible = options_of(problem)
    curves, share = candidates.curves, part * problem.bandwidth_hz
    row = problem.workloads.first[problem.workload[candidates.user()]] + candidates.option
    fits = possible & allowed[row] & (curves.least_hz <= share)
    x = np.where(curves.sends & fits, curves.x_at(share), 0.0)
    return candidates.least(np.where(fits, curves.energy_j(x), np.inf))


def test_without_rows_that_nobody_needs_every_share_is_worth_the_same(drawn: Drawn) -> None:
    library, dropped = the_library(), 0
    for seed in drawn(40, soak=1_000):
        rng = np.random.default_rng(seed)
        problem = some_cell(rng, seed)
        everything = np.ones(len(problem.workloads.cut), dtype=bool)
        for among in (None, rng.random(len(everything)) < 0.6):
            some = everything if among is None else among
            cell = Cell(problem)
            needed = cell.needed(library, among).rows.table[:, _ALLOWED] > 0.0
            allowed = (cell.rows.table[:, _ALLOWED] > 0.0) & some
            assert not np.any(needed & ~allowed), seed
            dropped += int(np.sum(allowed & ~needed))
            for part in (1.0, 0.3, 0.1, 0.02, 1e-3):
                np.testing.assert_allclose(
                    least_j(problem, needed, part), least_j(problem, some, part), rtol=1e-12
                )
    assert dropped > 100


def test_the_first_of_equal_rows_stays(drawn: Drawn) -> None:
    problem = random_cell(np.random.default_rng(1), 3, 1, "single")
    work = problem.workloads
    twice = {name: getattr(work, name) for name in type(work).per_row()}
    twice = {name: np.concatenate((column, column)) for name, column in twice.items()}
    double = Problem(
        **{name: getattr(problem, name) for name in Problem.__slots__ if name != "workloads"},
        workloads=type(work)(
            first=2 * work.first,
            server_load_s=np.zeros((2 * len(work.cut), 0)),
            **{name: getattr(work, name) for name in type(work).per_workload()},
            **{name: column for name, column in twice.items() if name != "server_load_s"},
        ),
    )
    needed = Cell(double).needed(the_library()).rows.table[:, _ALLOWED]
    assert needed.tolist() == [1.0] * len(work.cut) + [0.0] * len(work.cut)

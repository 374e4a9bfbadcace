"""Problems made of problems."""

from dataclasses import fields, replace

import numpy as np
import pytest

from solvers.margin import Margin
from solvers.robust.problem import AT_TOLERANCE, Problem
from tests.support.robust.cells import a_cell
from tests.support.robust.everything import random_cell_with_everything


def test_a_problem_asked_otherwise_is_the_same_but_for_that() -> None:
    problem = random_cell_with_everything(np.random.default_rng(3), 4)
    mean, late = problem.with_margin(Margin.MEAN), problem.at_tolerance()
    for made, differs in (
        (mean, {"margin"}),
        (late, {"bandwidth_hz", "deadline_s", "stage_tolerance", "server_capacity"}),
    ):
        for field in fields(Problem):
            before, after = getattr(problem, field.name), getattr(made, field.name)
            assert field.name in differs or after is before
    assert mean.margin is Margin.MEAN
    assert np.array_equal(late.deadline_s, problem.deadline_s * AT_TOLERANCE)


def test_a_problem_asked_otherwise_is_refused_and_frozen_as_any() -> None:
    with pytest.raises(ValueError, match="read-only"):
        a_cell(2).at_tolerance().deadline_s[0] = 1.0
    with pytest.raises(ValueError, match=r"risk <= 0\.5"):
        replace(a_cell(2), risk=np.full(2, 0.6)).with_margin(Margin.GAUSSIAN)

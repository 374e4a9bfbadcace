"""The most valuable users of a cell who fit: no set of users is worth more."""

import itertools

import numpy as np
import pytest

from solvers.multiuser.solve.admission import admit
from solvers.progress import Progress
from solvers.registry import admitted, answer
from tests.support.multiuser.brute_force import enumerate_cell
from tests.support.multiuser.cells import a_short_cell
from tests.support.seeds import Drawn


@pytest.mark.slow
def test_the_value_equals_that_of_the_best_set(drawn: Drawn) -> None:
    left_out = 0
    for seed in drawn(6, soak=100):
        problem = a_short_cell(seed, users=4)
        value = np.random.default_rng(seed).integers(0, 4, 4) * 1.0
        found = admitted(problem, value, admit, Progress())
        assert answer(problem.only(found.users))[1] is not None
        better = [
            some
            for size in range(1, 5)
            for some in itertools.combinations(range(4), size)
            if value[list(some)].sum() > found.value
        ]
        assert not any(
            enumerate_cell(problem.only(np.array(some)))[1] is not None for some in better
        )
        assert found.proven
        assert found.checked_at_most >= found.value
        left_out += len(found.users) < 4
    assert left_out >= 2

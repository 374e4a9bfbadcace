"""Users who collide over uplink and server: what is told is what enumeration finds."""

import numpy as np
import pytest

from solvers.multiuser.problem import Problem
from solvers.multiuser.solve import solve
from solvers.progress import Progress
from solvers.registry import confirmed
from tests.support.conflicts import assert_is_smallest
from tests.support.multiuser.brute_force import enumerate_cell
from tests.support.multiuser.cells import a_short_cell
from tests.support.seeds import Drawn


@pytest.mark.slow
def test_conflicts_equal_enumeration(drawn: Drawn) -> None:
    sizes = []
    for seed in drawn(10, soak=100):
        problem = a_short_cell(seed, users=4)
        found = solve(problem).infeasibility
        if found is None:
            continue
        known: dict[tuple[int, ...], bool] = {}

        def fits(
            some: tuple[int, ...],
            whole: Problem = problem,
            known: dict[tuple[int, ...], bool] = known,
        ) -> bool:
            if some not in known:
                known[some] = enumerate_cell(whole.only(np.array(some)))[1] is not None
            return known[some]

        others = np.setdiff1d(np.arange(problem.users), found.users).tolist()
        sizes.append(assert_is_smallest(found.conflict, others, fits))
        checked = confirmed(problem, found, Progress())
        assert checked is not None
        assert checked.removals_checked == sizes[-1]
    assert any(sizes)

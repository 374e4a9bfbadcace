"""The check's own shares: as good as the solver's, and strictly within every limit."""

import numpy as np
import pytest

from solvers.multiuser.check import check
from solvers.multiuser.check.rival import shared_out
from solvers.multiuser.solve import solve
from tests.support.multiuser.brute_force import columns
from tests.support.multiuser.cells import a_cell, a_short_cell


@pytest.mark.parametrize("deadlines", [False, True])
@pytest.mark.parametrize("users", [1, 4, 30, 500])
def test_the_options_of_a_plan_cost_what_the_plan_does(users: int, deadlines: bool) -> None:
    """Found from prices that are far off, too."""
    for seed in range(5):
        problem = a_cell(seed, users, deadlines=deadlines)
        answer = solve(problem)
        if answer.decision is None:
            continue
        for prices in ((0.0, 0.0), (1.0, 1e4)):
            rival = shared_out(problem, answer.decision.option, prices)
            assert rival is not None
            seen = check(problem, rival.decision)
            assert seen.holds
            assert seen.objective == pytest.approx(answer.objective, rel=1e-5)


def test_options_without_shares_have_no_plan() -> None:
    """What all the deadlines ask for is more than there is, or one is over before anything is
    sent.
    """
    none = 0
    for seed in range(20):
        problem = a_short_cell(seed)
        option = np.zeros(len(problem.workload), dtype=np.int64)
        _, sent, served, slack = columns(problem, option)
        if np.all(slack > 0.0) and np.sum(sent / slack) < 1.0 and np.sum(served / slack) < 1.0:
            continue
        assert shared_out(problem, option, (1.0, 1.0)) is None
        none += 1
    assert none >= 3

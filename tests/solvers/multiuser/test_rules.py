"""The simple rules in cells larger than a block of the fleet."""

from dataclasses import replace

import numpy as np
import pytest

from solvers.multiuser.check import check
from solvers.multiuser.problem import Method
from solvers.multiuser.solve import solve
from solvers.multiuser.solve.fleet import Fleet
from solvers.outcome import Options, silent
from tests.support.multiuser.cells import a_cell


@pytest.mark.parametrize("method", [Method.ALTERNATING, Method.EQUAL_SHARE, Method.GREEDY])
def test_a_rule_looks_at_every_block(method: Method) -> None:
    problem = replace(a_cell(4, 6000, kinds=2, options=20), method=method)
    fleet = Fleet(problem)
    assert len(list(fleet.blocks())) > 2
    solution = solve(problem, Options(), silent)
    assert solution.decision is not None
    assert check(problem, solution.decision).holds
    # Users of one kind, efficiency and weight are treated alike, whichever block they are in.
    twins = replace(
        problem,
        spectral_efficiency=np.full(problem.users, 3.0),
        weight=np.ones(problem.users),
    )
    options = solve(twins, Options(), silent).decision
    assert options is not None
    for kind in range(2):
        assert len(np.unique(options.option[problem.workload == kind])) == 1

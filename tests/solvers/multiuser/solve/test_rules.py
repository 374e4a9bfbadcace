"""The simple rules in cells larger than a block of the fleet."""

from dataclasses import replace

import numpy as np
import pytest

from solvers.multiuser.check import check
from solvers.multiuser.problem import Method
from solvers.multiuser.solve import baselines, solve
from solvers.multiuser.solve.fleet import Fleet
from solvers.outcome import Options
from tests.support.multiuser.cells import a_cell


@pytest.mark.slow
@pytest.mark.parametrize("method", [Method.ALTERNATING, Method.EQUAL_SHARE, Method.GREEDY])
def test_a_rule_looks_at_every_block(method: Method) -> None:
    problem = replace(a_cell(4, 6000, kinds=2, options=20), method=method)
    fleet = Fleet(problem)
    assert len(list(fleet.blocks())) > 2
    solution = solve(problem, Options())
    assert solution.decision is not None
    assert check(problem, solution.decision).holds
    # Users of one kind, efficiency and weight are treated alike, whichever block they are in.
    equals = replace(
        problem,
        spectral_efficiency=np.full(problem.users, 3.0),
        weight=np.ones(problem.users),
    )
    options = solve(equals, Options()).decision
    assert options is not None
    for kind in range(2):
        assert len(np.unique(options.option[problem.workload == kind])) == 1


def test_the_last_cut_may_send_its_result_and_is_on_the_device_still() -> None:
    problem = a_cell(4, 6)
    work = problem.workloads
    last = work.first[1:] - 1
    crossing = work.crossing_bit.copy()
    crossing[last] = 8.0 * 1000
    sending = replace(
        problem, workloads=replace(work, crossing_bit=crossing), method=Method.DEVICE_ONLY
    )
    decision = solve(sending, Options()).decision
    assert decision is not None
    assert np.array_equal(decision.row(sending), last[sending.workload])
    assert np.all(decision.bandwidth_share > 0.0)
    assert baselines(sending, Options())[Method.DEVICE_ONLY].feasible


def test_cuts_with_work_left_for_the_server_are_not_on_the_device() -> None:
    problem = a_cell(4, 6)
    work = problem.workloads
    server = work.server_s.copy()
    server[work.first[1:] - 1] = 0.01
    busy = replace(problem, workloads=replace(work, server_s=server), method=Method.DEVICE_ONLY)
    assert solve(busy, Options()).decision is None

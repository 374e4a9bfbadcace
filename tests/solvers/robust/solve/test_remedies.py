"""Every number that a cell without a plan is told, put into the cell: a plan at it, none a
billionth below.
"""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.robust_remedies import infeasible_cells, planned, remedies_of
from solvers.outcome import Status
from solvers.robust.problem import TOLERANCE, Method
from solvers.robust.solve import solve
from tests.support.robust.cells import a_cell, random_cell


@pytest.mark.slow
def test_what_is_told_is_the_least() -> None:
    told: dict[str, int] = {}
    for kind, problem, found in infeasible_cells(30):
        for remedy in remedies_of(problem, found):
            assert planned(remedy.problem), (kind, remedy.name, remedy.value)
            assert not planned(remedy.below), (kind, remedy.name, remedy.value)
            told[remedy.name] = told.get(remedy.name, 0) + 1
    assert len(told) == 7
    assert min(told.values()) >= 5, told


def test_limits_within_the_tolerance_are_planned_and_checked() -> None:
    """Cells that lack half the tolerance of the uplink have a plan, those that lack twice have
    none.
    """
    for seed in range(10):
        problem = random_cell(np.random.default_rng(seed), 5, 4)
        edge = solve(replace(problem, bandwidth_hz=1.0)).infeasibility
        if edge is None or not np.isfinite(edge.least_total_bandwidth_hz):
            continue
        exact = edge.least_total_bandwidth_hz * (1.0 + TOLERANCE)
        assert planned(replace(problem, bandwidth_hz=exact * (1.0 - 0.5 * TOLERANCE)))
        assert not planned(replace(problem, bandwidth_hz=exact * (1.0 - 2.0 * TOLERANCE)))


def test_the_reference_method_has_the_same_tolerance() -> None:
    problem = a_cell(3, deadline_s=np.full(3, 0.12), bandwidth_hz=1e4)
    found = solve(problem).infeasibility
    assert found is not None
    narrow = replace(
        problem,
        bandwidth_hz=found.least_total_bandwidth_hz * (1.0 + 0.5 * TOLERANCE),
        method=Method.PCCP,
    )
    assert solve(narrow).status is not Status.INFEASIBLE


def test_no_bandwidth_is_needed_where_everybody_may_stay_on_the_device() -> None:
    """Deadlines that let every network run to its end need no uplink at all."""
    problem = a_cell(2, deadline_s=np.full(2, 0.02))
    found = solve(problem).infeasibility
    assert found is not None
    assert len(found.users) == 2
    slow = replace(
        problem, deadline_s=problem.deadline_s * found.together.deadline_factor, bandwidth_hz=1e-3
    )
    wide = replace(slow, bandwidth_hz=problem.bandwidth_hz)
    assert solve(wide).status is not Status.INFEASIBLE
    told = found.together.bandwidth_with_deadlines_hz
    eased = replace(problem, deadline_s=found.least_deadline_s)
    assert solve(replace(eased, bandwidth_hz=max(told, 1e-3))).status is not Status.INFEASIBLE

"""Cells with next to nothing left of their uplink, against arithmetic of 50 digits."""

from dataclasses import replace

import numpy as np
import pytest

from solvers.outcome import Status
from solvers.registry import answer
from solvers.robust.solve import solve
from tests.support.robust.cells import random_cell
from tests.support.robust.exact import exact_j, faults_of, tight_cell
from tests.support.robust.knife_edge import hasty

pytestmark = pytest.mark.usefixtures("either_kernel")

SEEDS = [pytest.param(k, marks=[] if k < 2 else pytest.mark.soak) for k in range(6)]


@pytest.mark.slow
@pytest.mark.parametrize("block", SEEDS)
def test_nothing_is_claimed_that_does_not_hold(block: int) -> None:
    statuses = []
    for seed in range(12 * block, 12 * block + 12):
        problem = tight_cell(seed)
        if problem is not None:
            status, faults = faults_of(problem)
            assert not faults, seed
            statuses.append(status)
    assert statuses.count(Status.OPTIMAL) >= 4


CYCLES = [(5.0, 2000.0), (0.05, 20.0), (1e-6, 1e-3), (1e-12, 5.0)]
LEFT = [1e-12, 1e-9, 1e-7, 1e-5, 1e-3]
# Each of either with half of the other; all with all in `make soak`.
HASTY = [
    pytest.param(cycles, left, marks=[pytest.mark.soak] if (row + column) % 2 else [])
    for row, cycles in enumerate(CYCLES)
    for column, left in enumerate(LEFT)
]


@pytest.mark.slow
@pytest.mark.parametrize(("cycles", "left"), HASTY)
def test_clocks_that_nanoseconds_decide(cycles: tuple[float, float], left: float) -> None:
    problem = hasty(cycles, left)
    status, faults = faults_of(problem)
    assert status is not Status.INFEASIBLE
    assert not faults


@pytest.mark.slow
@pytest.mark.parametrize("block", [0, pytest.param(1, marks=pytest.mark.soak)])
def test_the_next_hertz_above_the_least_total_is_planned(block: int) -> None:
    planned = 0
    for seed in range(6 * block, 6 * block + 6):
        problem = random_cell(np.random.default_rng(seed), 3, 3, ("generic", "levels")[seed % 2])
        least = solve(replace(problem, bandwidth_hz=problem.bandwidth_hz * 1e-3)).infeasibility
        if least is None or not np.isfinite(least.least_total_bandwidth_hz):
            continue
        problem = replace(problem, bandwidth_hz=float(np.ceil(least.least_total_bandwidth_hz)))
        solution, certificate = answer(problem)
        assert certificate is not None
        assert certificate.holds
        assert solution.status is Status.OPTIMAL
        assert solution.objective is not None
        assert solution.objective == pytest.approx(float(exact_j(problem)), rel=2e-6)
        planned += 1
    assert planned >= 2

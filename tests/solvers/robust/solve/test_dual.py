"""Cells with next to nothing left of their uplink, against arithmetic of 50 digits."""

from dataclasses import replace

import numpy as np
import pytest

from solvers.outcome import Status
from solvers.registry import answer
from solvers.robust.problem import Problem
from solvers.robust.solve import solve
from solvers.robust.solve.candidates import options_of
from tests.support.robust.cells import a_cell, joined, random_cell, workloads
from tests.support.robust.exact import exact_j, faults_of, tight_cell

SEEDS = [pytest.param(k, marks=[] if k < 3 else pytest.mark.soak) for k in range(6)]


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


def hasty(cycles: tuple[float, float], bandwidth_hz: float) -> Problem:
    """Two users with so few cycles that nanoseconds decide between their slowest and their fastest
    clock.
    """
    kinds = {
        "clock_hz": (1e8, 2e9),
        "kappa": 1e-27,
        "flop_per_cycle": 1.0,
        "server_flops": 1e15,
        "overhead_s": 0.02,
    }
    parts = [workloads(cycles=[c, 1e12], crossing_bit=[4e5, 0.0], cv=0.0, **kinds) for c in cycles]
    return a_cell(
        2,
        workloads=joined(parts),
        workload=np.array([0, 1]),
        bandwidth_hz=bandwidth_hz,
        tx_power_w=np.full(2, 0.1),
        gain=np.array([10**-9.5, 1e-10]),
        deadline_s=np.full(2, 0.2),
        risk=np.full(2, 0.05),
    )


@pytest.mark.slow
@pytest.mark.parametrize("cycles", [(5.0, 2000.0), (0.05, 20.0), (1e-6, 1e-3), (1e-12, 5.0)])
@pytest.mark.parametrize("left", [1e-12, 1e-9, 1e-7, 1e-5, 1e-3])
def test_clocks_that_nanoseconds_decide(cycles: tuple[float, float], left: float) -> None:
    wide = hasty(cycles, 1e9)
    options, possible = options_of(wide)
    least = float(options.least(np.where(possible, options.curves.least_hz, np.inf)).sum())
    problem = replace(wide, bandwidth_hz=least * (1.0 + left))
    status, faults = faults_of(problem)
    assert status is not Status.INFEASIBLE
    assert not faults


@pytest.mark.slow
def test_the_next_hertz_above_the_least_total_is_planned() -> None:
    planned = 0
    for seed in range(12):
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
    assert planned >= 3

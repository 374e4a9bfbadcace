"""The split of the uplink: its price against differences of energies, at corners to the right."""

import numpy as np
import pytest

from solvers.robust.problem import Problem
from solvers.robust.solve import solve
from tests.support.robust.cells import a_cell, joined, workloads
from tests.support.robust.prices import at_its_cuts, price_error, priced_cell, slopes_j_per_hz

SEEDS = [pytest.param(k, marks=[] if k < 8 else pytest.mark.soak) for k in range(20)]


@pytest.mark.slow
@pytest.mark.parametrize("block", SEEDS)
def test_price_is_the_slope_of_the_energy_at_the_chosen_cuts(block: int) -> None:
    found = [price_error(priced_cell(seed)) for seed in range(25 * block, 25 * block + 25)]
    errors = [error for error, _ in filter(None, found)]
    assert len(errors) >= 12
    assert max(errors) < 1e-4


def at_a_kink(bandwidth_hz: float) -> Problem:
    """One user whose clock never leaves its least, and one at whose kink the uplink is nearly used
    up.
    """
    kinds = {
        "clock_hz": (1e9, 2e9),
        "kappa": 2e-27,
        "flop_per_cycle": 1.0,
        "server_flops": 1e15,
        "cv": 0.0,
    }
    first = workloads(cycles=[0.0, 1e11], crossing_bit=[4e5, 0.0], **kinds)
    second = workloads(cycles=[2e8, 1e11], crossing_bit=[4e5, 0.0], **kinds)
    return a_cell(
        2,
        workloads=joined([first, second]),
        workload=np.array([0, 1]),
        bandwidth_hz=bandwidth_hz,
        tx_power_w=np.full(2, 0.1),
        gain=np.full(2, 10**-9.5),
        deadline_s=np.array([5.0, 0.3]),
        risk=np.full(2, 0.05),
    )


def test_a_user_at_its_kink_does_not_set_the_price_of_those_who_share_the_rest() -> None:
    problem = at_a_kink(420_000.0)
    solution = solve(problem)
    assert solution.decision is not None
    right, left = slopes_j_per_hz(at_its_cuts(problem, solution.decision))
    assert right == pytest.approx(left, rel=1e-4)
    assert solution.prices["bandwidth_j_per_hz"] == pytest.approx(right, rel=1e-4)


def test_price_at_a_corner_is_that_of_the_next_hertz() -> None:
    """Where all who send sit at their kinks, the last hertz was worth more than the next: so in one
    cell of eight.
    """
    problem = next(
        cell
        for cell in map(priced_cell, range(0, 200, 2))
        if (found := price_error(cell)) is not None and found[1]
    )
    solution = solve(problem)
    assert solution.decision is not None
    fixed = at_its_cuts(problem, solution.decision)
    right, left = slopes_j_per_hz(fixed, 1e-7)
    assert left > 1.01 * right
    assert solution.prices["bandwidth_j_per_hz"] == pytest.approx(right, rel=1e-4)

"""Large cells whose servers have budgets: swept, they prove what the whole cell proves."""

import numpy as np
import pytest

from benchmarks.robust_servers import fleet
from solvers.progress import Progress
from solvers.robust.check import check
from solvers.robust.problem import Problem
from solvers.robust.solve import solve
from solvers.robust.solve.servers.fleet import Fleet
from solvers.robust.solve.servers.served import Served
from solvers.robust.solve.servers.solved import relax
from tests.support.robust.cells import random_cell
from tests.support.robust.served import with_servers


def mixed_fleet(seed: int, users: int = 400) -> Problem:
    """Networks, margins and deadlines of many kinds before three servers."""
    rng = np.random.default_rng(seed)
    cell = random_cell(rng, users, 5, ("generic", "levels")[seed % 2])
    rate = rng.uniform(0.2, 1.0, users)
    loads = rng.uniform(0.02, 0.1, 3) * users
    return with_servers(cell, [0.5, 1.0, 2.0], loads.tolist(), rate)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
def test_what_is_not_laid_out_is_nobodys_choice(seed: int) -> None:
    problem = fleet(400, 4)[1] if seed == 0 else mixed_fleet(seed)
    whole = relax(problem, Progress())
    swept = Fleet(problem, Progress()).priced()
    if not isinstance(whole, Served) or swept is None:
        pytest.skip("a cell without a plan, or whose prices no box holds")
    relaxation, offer = swept
    all_options = whole.at(offer.price, offer.server_prices).bound_j
    assert offer.bound_j == pytest.approx(all_options, rel=1e-9)
    assert len(relaxation.options.option) < len(whole.options.option)


@pytest.mark.slow
def test_a_fleet_keeps_its_servers_and_is_nearly_proven() -> None:
    problem = fleet(20_000, 4)[1]
    solution = solve(problem)
    assert solution.decision is not None
    assert check(problem, solution.decision).holds
    assert solution.gap is not None
    assert solution.gap <= 2e-5

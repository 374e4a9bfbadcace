"""The best prices of uplink and servers, against every other price and against differences."""

from dataclasses import replace

import numpy as np
import pytest

from solvers.progress import Progress
from solvers.robust.problem import Problem
from solvers.robust.solve.servers.master import ServerDual, maximise
from solvers.robust.solve.servers.served import Served
from solvers.robust.solve.servers.solved import relax
from tests.support.robust.served import served_cells


def dual_of(problem: Problem) -> tuple[Served, ServerDual] | None:
    relaxation = relax(problem, Progress())
    if not isinstance(relaxation, Served):
        return None
    return relaxation, maximise(relaxation, 1e-9)


@pytest.mark.parametrize("servers", [1, 2, 3])
def test_no_other_prices_prove_more(servers: int) -> None:
    rng = np.random.default_rng(servers)
    for problem in served_cells(list(range(6)), 6, 5, servers):
        found = dual_of(problem)
        if found is None:
            continue
        relaxation, dual = found
        best = dual.offer
        for width in (1e-3, 1e-2, 0.1, 1.0) * 5:
            moved = np.exp(width * rng.standard_normal(servers + 1))
            other = relaxation.at(best.price * moved[0], best.server_prices * moved[1:])
            assert other.bound_j <= best.bound_j * (1.0 + 1e-8)


@pytest.mark.parametrize("servers", [1, 2, 3])
def test_the_mixture_keeps_the_budgets_and_costs_the_bound(servers: int) -> None:
    for problem in served_cells(list(range(6)), 6, 5, servers):
        found = dual_of(problem)
        if found is None:
            continue
        relaxation, dual = found
        total = np.add.reduceat(dual.weight, relaxation.options.first[:-1])
        assert total == pytest.approx(np.ones(6), rel=1e-7)
        used = dual.weight @ relaxation.load_s
        assert np.all(used <= relaxation.capacity_s * (1.0 + 1e-7))
        # A price is paid only for what is used to the last.
        idle = used < relaxation.capacity_s * (1.0 - 1e-6)
        paid = dual.offer.server_prices * relaxation.capacity_s
        assert np.all(paid[idle] <= 1e-6 * dual.bound_j)


@pytest.mark.slow
@pytest.mark.parametrize("servers", [1, 2])
def test_a_price_is_what_a_little_more_of_a_server_adds_to_the_bound(servers: int) -> None:
    compared = 0
    for problem in served_cells(list(range(8)), 5, 4, servers):
        found = dual_of(problem)
        if found is None:
            continue
        price = found[1].offer.server_prices
        for k in range(servers):
            capacity = problem.server_capacity[k]
            step = 1e-3 * capacity
            bounds = []
            for sign in (-1.0, 0.0, 1.0):
                changed = list(problem.server_capacity)
                changed[k] = capacity + sign * step
                # The same relaxation: what fits beside the others jumps with the budget.
                relaxation = found[0]
                other = Served(relaxation.options, problem.bandwidth_hz, np.array(changed))
                other.x_least = relaxation.x_least
                bounds.append(maximise(other, 1e-9).bound_j)
            left, right = (bounds[1] - bounds[0]) / step, (bounds[2] - bounds[1]) / step
            rounding = 1e-8 * abs(bounds[1]) / step
            assert -right <= price[k] * (1.0 + 1e-6) + rounding
            assert price[k] <= -left * (1.0 + 1e-6) + rounding
            compared += bool(price[k] > rounding)
    assert compared >= 3


def test_a_server_without_a_budget_that_binds_has_no_price() -> None:
    for problem in served_cells(list(range(4)), 5, 5, 2):
        found = dual_of(replace(problem, server_capacity=(problem.server_capacity[0], 1e6)))
        assert found is not None
        assert found[1].offer.server_prices[1] == pytest.approx(0.0, abs=1e-9)

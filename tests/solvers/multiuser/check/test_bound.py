"""The check's own lower bound: valid at every price, and the solver's where prices are its own."""

import dataclasses

import numpy as np
import pytest

from solvers.multiuser.check import bound
from solvers.multiuser.check.bound import Prices, lower_bound
from solvers.multiuser.problem import Problem, Steadiness
from solvers.multiuser.solve import solve
from solvers.multiuser.solve.fleet import Fleet
from solvers.outcome import Options, Solution
from tests.support.multiuser.brute_force import enumerate_cell
from tests.support.multiuser.cells import a_cell
from tests.support.seeds import Drawn

FACTORS = (0.0, 1e-6, 0.5, 0.9, 1.1, 2.0, 1e6)


def whole_prices(problem: Problem, solution: Solution) -> Prices:  # type: ignore[type-arg]
    return (
        solution.prices["bandwidth_per_hz"] * problem.bandwidth_hz,
        solution.prices["server_per_flop_per_s"] * problem.server_flop_per_s,
    )


@pytest.mark.slow
@pytest.mark.parametrize("deadlines", [False, True])
def test_no_prices_lift_the_bound_above_the_optimum(deadlines: bool, drawn: Drawn) -> None:
    """The optimum by enumeration, which shares nothing with solver or check."""
    close = 0
    for seed in drawn(12):
        problem = a_cell(seed, 4, options=4, deadlines=deadlines)
        optimum = enumerate_cell(problem)[0]
        if not np.isfinite(optimum):
            continue
        uplink, server = whole_prices(problem, solve(problem))
        found = [
            lower_bound(problem, (uplink * up, server * on)).cost
            for up in FACTORS
            for on in (*FACTORS, 1.0)
        ]
        assert max(found) <= optimum * (1.0 + 1e-9)
        close += max(found) >= 0.9 * optimum
    assert close >= 6


@pytest.mark.parametrize("deadlines", [False, True])
def test_it_is_the_solvers_dual_at_the_same_prices(deadlines: bool) -> None:
    """Two derivations of one function, as long as nobody would have a whole budget."""
    for seed in range(5):
        problem = a_cell(seed, 200, deadlines=deadlines)
        uplink, server = whole_prices(problem, solve(problem))
        for factor in (0.7, 1.0, 1.4):
            prices = uplink * factor, server / factor
            solvers = Fleet(problem).price(*np.sqrt(prices)).bound
            assert lower_bound(problem, prices).cost == pytest.approx(solvers, rel=1e-7)


def test_a_user_alone_is_bounded_exactly_at_no_price() -> None:
    for seed in range(6):
        problem = a_cell(seed, 1, deadlines=True)
        optimum = solve(problem).objective
        assert optimum is not None
        assert lower_bound(problem, (0.0, 0.0)).cost == pytest.approx(optimum, rel=1e-8)


@pytest.mark.parametrize("max_switches", [None, 0, 3, 40])
def test_few_switches_raise_the_bound_and_not_above_the_plan(max_switches: int | None) -> None:
    raised = 0
    for seed in range(6):
        problem = a_cell(seed, 40, deadlines=True)
        before = solve(problem).decision
        if before is None:
            continue
        steadiness = Steadiness(
            previous=np.where(np.arange(40) % 4 > 0, before.option, -1),
            max_switches=max_switches,
            switching_cost=0.001 * (seed % 2),
        )
        held = dataclasses.replace(problem, weight=problem.weight[::-1], steadiness=steadiness)
        answer = solve(held)
        if answer.decision is None or answer.objective is None:
            continue
        prices = whole_prices(held, answer)
        found = lower_bound(held, prices).cost
        free = lower_bound(dataclasses.replace(held, steadiness=None), prices).cost
        assert free <= found + 1e-12 * abs(found)
        assert found <= answer.objective * (1.0 + 1e-9)
        raised += found > free * (1.0 + 1e-9)
    assert raised >= 1 or max_switches in (None, 40)


def test_blocks_add_up_to_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = a_cell(5, 300, deadlines=True)
    prices = whole_prices(problem, solve(problem, Options(gap=1e-6)))
    whole = lower_bound(problem, prices)
    monkeypatch.setattr(bound, "_BLOCK", 100)
    parts = lower_bound(problem, prices)
    assert parts.cost == pytest.approx(whole.cost, rel=1e-12)
    assert np.array_equal(parts.option, whole.option)

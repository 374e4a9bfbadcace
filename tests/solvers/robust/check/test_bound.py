"""The check's own lower bound: never above a plan, and in small cells as good as the gap asked
for.
"""

from dataclasses import replace

import numpy as np
import pytest

from solvers.outcome import Options, RefutedAnswer, Status
from solvers.registry import FAMILIES, answer
from solvers.robust.check import check, prove
from solvers.robust.check.bound import lower_bound_j
from solvers.robust.problem import Problem
from solvers.robust.solve import RobustSolution, solve
from tests.support.robust.cells import a_cell, random_cell

KINDS = ("generic", "levels", "single")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("users", [1, 2, 3, 6, 12, 30])
def test_small_cells_are_proven_without_the_solver(kind: str, users: int) -> None:
    for seed in range(4):
        problem = random_cell(np.random.default_rng(seed + 10 * users), users, 8, kind)
        solution, certificate = answer(problem)
        if certificate is None:
            continue
        assert certificate.lower_bound is not None
        assert solution.status is Status.OPTIMAL
        assert certificate.lower_bound <= certificate.objective
        assert certificate.lower_bound >= certificate.objective * (1.0 - 1.01e-6)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_no_price_lifts_the_bound_above_the_optimum(kind: str) -> None:
    """Whatever the price: halves, doubles, orders of magnitude, nothing at all."""
    for seed in range(6):
        problem = random_cell(np.random.default_rng(seed), 3, 4, kind)
        solution = solve(problem, Options(gap=1e-9))
        if solution.decision is None:
            continue
        assert solution.objective is not None
        price = solution.prices["dual_bandwidth_j_per_hz"]
        for factor in (0.0, 1e-6, 0.5, 0.9, 0.999, 1.0, 1.001, 1.1, 2.0, 1e6):
            bound = lower_bound_j(problem, solution.decision, [price * factor], np.inf)
            assert bound.energy_j <= solution.objective * (1.0 + 1e-9)


def test_an_energy_that_is_too_low_to_be_true_is_refuted() -> None:
    problem = a_cell(6)
    solution = solve(problem)
    assert solution.decision is not None
    assert solution.lower_bound is not None
    honest = check(problem, solution.decision)
    flattered = replace(honest, objective=honest.objective * 0.999)
    found = prove(
        problem, solution.decision, flattered, solution.lower_bound, solution.prices, 1e-6
    )
    assert [violation.constraint for violation in found.violations] == ["lower_bound"]


def test_a_dear_plan_that_claims_to_be_optimal_is_refuted(monkeypatch: pytest.MonkeyPatch) -> None:
    """The check finds a cheaper plan itself, below the bound that was claimed."""

    def lazy(problem: Problem, *rest: object) -> RobustSolution:
        solution = solve(replace(problem, bandwidth_hz=0.7 * problem.bandwidth_hz))
        return replace(solution, status=Status.OPTIMAL)

    monkeypatch.setitem(FAMILIES, Problem, replace(FAMILIES[Problem], solve=lazy))
    with pytest.raises(RefutedAnswer, match="lower_bound"):
        answer(a_cell(6))


def test_blocks_add_up_to_the_whole() -> None:
    problem = a_cell(300)
    solution = solve(problem)
    assert solution.decision is not None
    prices = [solution.prices["dual_bandwidth_j_per_hz"]]
    import solvers.robust.check.bound as module

    whole = lower_bound_j(problem, solution.decision, prices, np.inf).energy_j
    before = module._BLOCK
    module._BLOCK = 500
    try:
        parts = lower_bound_j(problem, solution.decision, prices, np.inf).energy_j
    finally:
        module._BLOCK = before
    assert parts == pytest.approx(whole, rel=1e-12)

"""The yardsticks: each is what its rule says, and none beats the plan but the one that ignores the risk."""

from dataclasses import replace

import numpy as np
import pytest

from solvers.moments import Margin
from solvers.outcome import Options
from solvers.robust.baselines import baselines
from solvers.robust.problem import Problem
from solvers.robust.solve import solve
from tests.support.robust.brute_force import Option, brute_force
from tests.support.robust.cells import a_cell, random_cell


def only(problem: Problem, keep: np.ndarray) -> Problem:
    """The problem with the options of `keep` alone able to run."""
    return replace(problem, workloads=replace(problem.workloads, fits_memory=keep))


def test_single_cut_rules_are_plans_of_that_cut() -> None:
    for seed in range(15):
        problem = random_cell(np.random.default_rng(seed), 4, 5, ("generic", "levels")[seed % 2])
        found, cut = baselines(problem), problem.workloads.cut
        for baseline, keep in ((found.device_only, cut == cut.max()), (found.edge_only, cut == 0)):
            exact = solve(only(problem, keep))
            assert baseline.feasible == (exact.objective is not None)
            if baseline.energy_j is not None:
                assert baseline.energy_j == pytest.approx(exact.objective, rel=1e-2)
                assert baseline.energy_j >= exact.objective * (1 - 1e-9)


def test_equal_share_is_the_best_cut_at_an_equal_share() -> None:
    for seed in range(15):
        problem = random_cell(np.random.default_rng(seed), 4, 5)
        option = Option(problem)
        share = np.full(len(option.row), problem.bandwidth_hz / 4)
        energy = option.energy(share, np.arange(len(share)))
        expected = sum(energy[option.owner == n].min() for n in range(4))
        found = baselines(problem).equal_share
        assert found.energy_j == (pytest.approx(expected, rel=1e-9) if np.isfinite(expected) else None)


def test_mean_only_is_cheaper_and_says_how_late_it_may_be() -> None:
    problem = a_cell(12)
    found, plan = baselines(problem), solve(problem)
    assert found.mean_only.energy_j == pytest.approx(solve(replace(problem, margin=Margin.MEAN)).objective, rel=1e-2)
    assert plan.objective is not None
    assert found.mean_only.energy_j < plan.objective
    assert found.mean_only.violation_bound_max is not None
    assert found.mean_only.violation_bound_max > problem.risk.max()


def test_no_rule_that_respects_the_risk_beats_the_plan() -> None:
    for seed in range(20):
        problem = random_cell(np.random.default_rng(seed), 3, 4)
        plan, found = solve(problem, Options(gap=1e-9)), baselines(problem)
        for baseline in (found.device_only, found.edge_only, found.equal_share):
            if baseline.energy_j is not None:
                assert plan.objective is not None
                assert baseline.energy_j >= plan.objective * (1 - 1e-8)
    assert brute_force(problem) == pytest.approx(plan.objective, rel=1e-6)

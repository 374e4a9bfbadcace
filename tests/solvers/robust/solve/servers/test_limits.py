"""Cells that no plan keeps within the budgets of their servers, and what would."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

from solvers.outcome import Status
from solvers.progress import Progress
from solvers.robust.problem import Problem
from solvers.robust.solve import solve
from solvers.robust.solve.infeasible import Binding, Infeasibility, diagnose
from solvers.robust.solve.servers.least import least_use
from tests.support.robust.served import least_of_all, served_cells
from tests.support.seeds import Drawn


def with_capacity(problem: Problem, server: int, capacity: float) -> Problem:
    changed = list(problem.server_capacity)
    changed[server] = capacity
    return replace(problem, server_capacity=tuple(changed))


def crowded_cells(seeds: list[int], servers: int, users: int = 4) -> list[Problem]:
    """Cells with too little of one or all of their servers."""
    return served_cells(seeds, users, 4, servers, room=(0.02, 0.5))


@pytest.mark.slow
@pytest.mark.parametrize("servers", [1, 2])
def test_the_least_budget_is_where_plans_begin(servers: int, drawn: Drawn) -> None:
    seen = 0
    for problem in crowded_cells(drawn(30), servers):
        solution = solve(problem)
        assert (solution.status is Status.INFEASIBLE) == (least_of_all(problem) == np.inf)
        if solution.infeasibility is None:
            continue
        found = solution.infeasibility
        assert isinstance(found, Infeasibility)
        assert found.proven
        assert found.least_server_capacity.shape == (servers,)
        for k, capacity in enumerate(found.least_server_capacity.tolist()):
            if np.isnan(capacity):
                endless = with_capacity(problem, k, 1e9)
                assert solve(endless).status is Status.INFEASIBLE
                continue
            assert solve(with_capacity(problem, k, capacity)).decision is not None
            less = with_capacity(problem, k, capacity * (1.0 - 1e-9))
            assert solve(less).status is Status.INFEASIBLE
            seen += 1
    assert seen >= 3


@pytest.mark.slow
def test_the_least_factor_on_deadlines_is_where_plans_begin(drawn: Drawn) -> None:
    seen = 0
    for problem in crowded_cells(drawn(30), 1):
        found = solve(problem).infeasibility
        if found is None:
            continue
        factor = found.together.deadline_factor
        if np.isnan(factor):
            continue
        longer = replace(problem, deadline_s=problem.deadline_s * factor)
        assert solve(longer).decision is not None
        less = replace(problem, deadline_s=problem.deadline_s * factor * (1.0 - 1e-8))
        assert solve(less).status is Status.INFEASIBLE
        seen += 1
    assert seen >= 1


@pytest.mark.slow
def test_a_server_too_small_for_anybody_is_named() -> None:
    named = 0
    for problem in crowded_cells(list(range(40)), 1):
        tiny = with_capacity(problem, 0, 1e-9)
        found = solve(tiny).infeasibility
        if found is None:
            continue
        bindings = set(found.reasons.binding)
        named += Binding.SERVER in bindings
        for binding, short in zip(
            found.reasons.binding, found.reasons.short_by_s.tolist(), strict=True
        ):
            assert np.isnan(short) == (binding in (Binding.SERVER, Binding.MEMORY, Binding.LOSS))
    assert named >= 3


@pytest.mark.slow
def test_diagnosis_agrees_with_the_solver(drawn: Drawn) -> None:
    for problem in crowded_cells(drawn(10), 2):
        solution, found = solve(problem), diagnose(problem)
        assert (found is None) == (solution.infeasibility is None)
        if found is not None:
            assert found.least_server_capacity == pytest.approx(
                solution.infeasibility.least_server_capacity, rel=1e-12, nan_ok=True
            )


@pytest.mark.parametrize("budgets", [2, 3])
def test_the_least_use_is_that_of_every_choice(budgets: int) -> None:
    rng = np.random.default_rng(budgets)
    for _ in range(60):
        counts = rng.integers(1, 5, 5)
        first = np.concatenate(([0], np.cumsum(counts)))
        parts = rng.uniform(0.0, 1.0, (first[-1], budgets)) * rng.uniform(0.1, 0.6)
        parts[rng.random(parts.shape) < 0.2] = 0.0
        combos = np.array(
            list(itertools.product(*(range(a, b) for a, b in itertools.pairwise(first.tolist()))))
        )
        sums = parts[combos].sum(axis=1)
        for k in range(budgets):
            fits = np.all(np.delete(sums, k, axis=1) <= 1.0, axis=1)
            best = sums[fits, k].min() if fits.any() else np.inf
            found = least_use(parts, first, k, Progress())
            assert found.proven
            assert found.value == pytest.approx(best, rel=1e-12)
            assert (found.choice is None) == (best == np.inf)

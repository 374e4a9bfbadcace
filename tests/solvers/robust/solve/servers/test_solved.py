"""Plans of cells whose servers have budgets, against every combination of options."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from solvers.outcome import Options, Status
from solvers.progress import Progress
from solvers.robust.check import check
from solvers.robust.problem import Problem
from solvers.robust.solve import solve
from tests.support.robust.served import (
    endless,
    least_of_all,
    served_cell,
    served_cells,
    used_s,
)
from tests.support.seeds import Drawn

SIZES = ((1, 8), (2, 6), (3, 5), (4, 4))


@pytest.mark.slow
@pytest.mark.parametrize("servers", [1, 2, 3])
@pytest.mark.parametrize(("users", "cuts"), SIZES)
def test_equals_every_combination_of_options(
    users: int, cuts: int, servers: int, drawn: Drawn
) -> None:
    bound = 0
    for problem in served_cells(drawn(12), users, min(cuts, 7 - servers), servers):
        best, solution = least_of_all(problem), solve(problem)
        if best == np.inf:
            assert solution.status is Status.INFEASIBLE
            continue
        assert solution.status is Status.OPTIMAL
        assert solution.objective == pytest.approx(best, rel=1e-6)
        assert solution.lower_bound <= best * (1.0 + 1e-9)
        used = used_s(problem, solution.decision.option)
        assert np.all(used <= np.array(problem.server_capacity) * (1.0 + 1e-9))
        assert check(problem, solution.decision).holds
        bound += bool(best > solve(endless(problem)).objective * (1.0 + 1e-6))
    assert bound >= 2  # so many cells would do better with more of a server


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["levels", "tied", "single"])
def test_cells_of_other_kinds(kind: str, drawn: Drawn) -> None:
    for problem in served_cells(drawn(12), 4, 3, 2, kind=kind):
        best, solution = least_of_all(problem), solve(problem)
        if best == np.inf:
            assert solution.status is Status.INFEASIBLE
        else:
            assert solution.status is Status.OPTIMAL
            assert solution.objective == pytest.approx(best, rel=1e-6)


@pytest.mark.slow
def test_twelve_users_and_a_server_are_proven_within_two_seconds_each() -> None:
    cells = served_cells([1000 + seed for seed in range(100)], 12, 8, 1)
    proven = sum(
        solve(problem, Options(), Progress(time_limit_s=2.0)).status is not Status.FEASIBLE
        for problem in cells
    )
    assert proven >= len(cells) - 1 >= 95


@pytest.mark.slow
@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 10**6), factor=st.floats(1.0, 3.0), which=st.integers(0, 1))
def test_more_of_a_server_never_costs_more(seed: int, factor: float, which: int) -> None:
    problem = served_cell(np.random.default_rng(seed), 4, 5, 2)
    if problem is None:
        return
    capacity = list(problem.server_capacity)
    capacity[which] *= factor
    before, after = solve(problem), solve(replace(problem, server_capacity=tuple(capacity)))
    if before.objective is not None:
        assert after.objective is not None
        assert after.objective <= before.objective * (1.0 + 2e-6)


@pytest.mark.slow
def test_a_server_that_nobody_fills_changes_nothing() -> None:
    for seed in range(8):
        problem = served_cell(np.random.default_rng(seed), 5, 5, 2)
        if problem is None:
            continue
        roomy = replace(problem, server_capacity=(1e3, 1e3))
        free = solve(endless(problem))
        solution = solve(roomy)
        assert solution.objective == pytest.approx(free.objective, rel=1e-6)
        assert solution.prices["dual_server_0_j_per_s"] == pytest.approx(0.0, abs=1e-9)
        assert solution.prices["dual_server_1_j_per_s"] == pytest.approx(0.0, abs=1e-9)


@pytest.mark.slow
def test_the_answer_does_not_depend_on_the_order_of_users_or_servers() -> None:
    rng = np.random.default_rng(5)
    for seed in range(6):
        problem = served_cell(np.random.default_rng(seed), 5, 4, 2)
        if problem is None:
            continue
        order = rng.permutation(5)
        columns = (
            "workload",
            "tx_power_w",
            "gain",
            "deadline_s",
            "risk",
            "correlation",
            "rate_hz",
        )
        work = problem.workloads
        turned = replace(
            problem,
            server_capacity=problem.server_capacity[::-1],
            workloads=replace(work, server_load_s=work.server_load_s[:, ::-1]),
            **{name: getattr(problem, name)[order] for name in columns},
        )
        one, other = solve(problem), solve(turned)
        assert one.status is other.status
        if one.objective is not None:
            assert other.objective == pytest.approx(one.objective, rel=1e-6)


def test_users_who_are_all_alike_share_a_server() -> None:
    problem = served_cell(np.random.default_rng(3), 9, 4, 1, kind="tied")
    assert problem is not None
    solution = solve(problem)
    assert solution.status is Status.OPTIMAL
    assert len(set(solution.decision.option.tolist())) > 1


def test_time_limit_ends_with_a_plan_and_its_gap() -> None:
    problem = _crowded()
    ticks = iter(range(10_000_000))
    solution = solve(
        problem, Options(gap=1e-12), Progress(time_limit_s=5.0, clock=lambda: float(next(ticks)))
    )
    assert solution.timed_out
    assert check(problem, solution.decision).holds
    assert solution.lower_bound < solution.objective


def _crowded() -> Problem:
    problem = served_cell(np.random.default_rng(0), 30, 8, 2, room=(0.6, 0.9))
    assert problem is not None
    return problem

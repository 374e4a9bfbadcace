"""Cells solved by the kernel against numpy, several at once, and stopped."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from solvers.compiled.library import Kernel, using
from solvers.margin import Margin
from solvers.outcome import Options, Status
from solvers.progress import Cancelled, Progress, Stop
from solvers.robust.baselines import baselines
from solvers.robust.check import check
from solvers.robust.problem import Problem
from solvers.robust.solve import RobustSolution, solve
from tests.support.robust.cells import a_cell, random_cell
from tests.support.robust.everything import TERMS, random_cell_with_everything
from tests.support.robust.kernel import the_library
from tests.support.seeds import Drawn

KINDS = ("generic", "levels", "tied", "tight", "everything", "everything")
WITHOUT_SERVERS = tuple(term for term in TERMS if term != "servers")


def some_cell(seed: int, most: int = 50) -> Problem:
    rng = np.random.default_rng(seed)
    users, kind = int(rng.integers(1, most + 1)), KINDS[seed % len(KINDS)]
    if kind == "everything":
        return random_cell_with_everything(rng, min(users, 12), WITHOUT_SERVERS)
    return random_cell(rng, users, 8, kind)


def by_numpy(problem: Problem) -> RobustSolution:
    with using(Kernel.NUMPY):
        return solve(problem)


@pytest.mark.slow
def test_plans_and_bounds_are_those_of_numpy(drawn: Drawn) -> None:
    the_library()
    planned = 0
    for seed in drawn(36, soak=1_000):
        problem = some_cell(seed)
        mine, theirs = solve(problem), by_numpy(problem)
        assert mine.status is theirs.status or mine.status is Status.OPTIMAL, seed
        if mine.decision is None:
            continue
        planned += 1
        assert check(problem, mine.decision).holds, seed
        assert mine.objective == pytest.approx(theirs.objective, rel=1e-9), seed
        assert mine.lower_bound <= theirs.objective * (1.0 + 1e-12), seed
        # No looser: the search stops a little below the plan, where numpy may be lucky.
        assert mine.gap <= max(theirs.gap, 0.05 * Options().gap) + 1e-9, seed
    assert planned > 20


@pytest.mark.slow
@pytest.mark.parametrize("margin", [Margin.CANTELLI, Margin.WORST_CASE])
def test_large_cells_are_those_of_numpy(margin: Margin) -> None:
    the_library()
    rng, users = np.random.default_rng(1), 6_000
    problem = a_cell(users, deadline_s=rng.uniform(0.12, 0.3, users), risk=np.full(users, 0.05))
    excess = 0.002 * np.ones(len(problem.workloads.cut))
    problem = replace(
        problem,
        margin=margin,
        workloads=replace(problem.workloads, device_excess_s=excess, server_excess_s=excess),
    )
    mine, theirs = solve(problem), by_numpy(problem)
    assert check(problem, mine.decision).holds
    assert mine.status is theirs.status is Status.OPTIMAL
    assert mine.objective <= theirs.objective * (1.0 + 1e-8)  # as good as the bound is known
    assert mine.lower_bound >= theirs.lower_bound * (1.0 - 1e-9)


@pytest.mark.slow
def test_baselines_are_those_of_numpy(drawn: Drawn) -> None:
    the_library()
    compared = 0
    for seed in drawn(12, soak=300):
        problem = some_cell(seed, 12)
        plan = by_numpy(problem)
        mine = baselines(problem, plan)
        with using(Kernel.NUMPY):
            theirs = baselines(problem, plan)
        for name in ("device_only", "edge_only", "equal_share", "mean_only"):
            one, other = getattr(mine, name), getattr(theirs, name)
            assert one.feasible == other.feasible, (seed, name)
            if one.energy_j is None:
                continue
            assert one.energy_j == pytest.approx(other.energy_j, rel=1e-9)
            if other.violation_bound_max is not None:
                assert one.violation_bound_max == pytest.approx(other.violation_bound_max, rel=1e-6)
            compared += 1
    assert compared > 10


def digits(solution: RobustSolution) -> tuple[object, ...]:
    decision = solution.decision
    arrays = () if decision is None else (decision.option, decision.bandwidth_hz)
    return (solution.objective, solution.lower_bound, *(array.tobytes() for array in arrays))


def test_cells_solved_at_once_have_the_digits_of_one_after_the_other() -> None:
    the_library()
    problems = [some_cell(seed, 12) for seed in range(24)]
    one_by_one = [digits(solve(problem)) for problem in problems]
    with ThreadPoolExecutor(8) as threads:
        together = list(threads.map(lambda problem: digits(solve(problem)), problems))
    assert together == one_by_one


def test_an_open_search_ends_with_the_time_and_its_best_plan() -> None:
    the_library()
    problem = random_cell(np.random.default_rng(397), 45, 8, "levels")
    begun = solve(problem, Options(gap=1e-13), Progress(time_limit_s=0.0))
    assert begun.timed_out
    assert begun.status is Status.FEASIBLE
    assert check(problem, begun.decision).holds
    assert begun.lower_bound < begun.objective


def test_a_search_that_nobody_wants_is_dropped() -> None:
    the_library()
    problem = random_cell(np.random.default_rng(65), 30, 8, "levels")
    asked = iter([None] * 3)
    progress = Progress(stop=lambda: next(asked, Stop.DROP))
    with pytest.raises(Cancelled):
        solve(problem, Options(gap=1e-15), progress)

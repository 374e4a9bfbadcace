"""Results that come back: plans and tables against brute force, and what must hold of them."""

import dataclasses

import numpy as np
import pytest

from solvers.multiuser.check import check, check_table
from solvers.multiuser.costs import latency, table_problem
from solvers.multiuser.problem import Method, Problem
from solvers.multiuser.replay import best_at
from solvers.multiuser.solve import build_table, solve
from solvers.multiuser.table import TableProblem
from solvers.outcome import Options, Status
from tests.support.multiuser.answers import solved
from tests.support.multiuser.brute_force import enumerate_cell
from tests.support.multiuser.cells import a_cell, some_options
from tests.support.multiuser.tables import least_option_cost, table_cost


def returning(problem: Problem, seed: int, most_s: float = 0.05) -> Problem:
    """The same cell with results that come back from every cut but a workload's last."""
    work = problem.workloads
    result_s = np.random.default_rng(seed).uniform(0.0, most_s, len(work.cut))
    result_s[work.first[1:] - 1] = 0.0
    return dataclasses.replace(problem, workloads=dataclasses.replace(work, result_s=result_s))


@pytest.mark.slow
@pytest.mark.parametrize("deadlines", [False, True])
def test_exact_equals_enumeration(deadlines: bool) -> None:
    infeasible = 0
    for seed in range(24):
        cell = a_cell(seed, 1 + seed % 3, options=4, deadlines=deadlines)
        problem = returning(cell, seed)
        best, _ = enumerate_cell(problem)
        answer = solved(problem)
        if np.isinf(best):
            infeasible += 1
            assert answer.status is Status.INFEASIBLE
            continue
        assert answer.status is Status.OPTIMAL
        assert answer.objective == pytest.approx(best, rel=1e-8)
    assert infeasible < 20


@pytest.mark.slow
def test_slower_results_never_cost_less() -> None:
    for seed in range(10):
        cell = a_cell(seed, 6)
        costs = [
            solved(returning(cell, seed, most_s)).objective for most_s in (0.0, 0.02, 0.05, 0.2)
        ]
        assert costs == sorted(costs)
        assert costs[0] == solved(cell).objective


def test_a_result_is_part_of_the_network() -> None:
    problem = returning(a_cell(5, 8), 5)
    decision = solved(problem).decision
    row = decision.row(problem)
    parts = latency(problem, decision)
    there_s = np.where(problem.workloads.crossing_bit[row] > 0.0, problem.network_s, 0.0)
    np.testing.assert_array_equal(parts.network_s, there_s + problem.workloads.result_s[row])
    for user in range(8):
        alone = table_problem(problem, decision, user)
        rate = np.array([decision.bandwidth_share[user] * problem.bandwidth_hz])
        rate = rate * problem.spectral_efficiency[user]
        own = alone.latency_s(decision.option[user : user + 1], rate)
        assert own[0] == pytest.approx(parts.total_s[user], rel=1e-12)


@pytest.mark.parametrize("method", list(Method))
def test_every_rule_is_checked(method: Method) -> None:
    problem = dataclasses.replace(returning(a_cell(3, 6), 3), method=method)
    decision = solve(problem, Options()).decision
    assert check(problem, decision).holds
    longer = dataclasses.replace(problem.workloads, result_s=problem.workloads.result_s + 0.1)
    seen = check(dataclasses.replace(problem, workloads=longer), decision)
    more = 0.1 * problem.latency_weight_per_s * problem.weight.sum()
    assert seen.objective == pytest.approx(check(problem, decision).objective + more)


def test_tables_are_the_least_at_every_rate() -> None:
    rates = np.geomspace(1e3, 1e9, 400)
    for seed in range(120):
        rng = np.random.default_rng(seed)
        plain = some_options(rng)
        problem: TableProblem = dataclasses.replace(
            plain, result_s=rng.choice([0.0, 0.1, 0.3], len(plain.cut))
        )
        table = build_table(problem)
        assert check_table(problem, table).holds
        least = least_option_cost(problem, rates)
        np.testing.assert_allclose(table_cost(problem, table, rates), least, rtol=1e-9)
        option = best_at(problem, rates)
        assert np.all((option >= 0) == np.isfinite(least))


def test_fields_are_named() -> None:
    problem = a_cell(1, 2)
    for result_s in (np.ones(2), np.full(len(problem.workloads.cut), -1.0)):
        with pytest.raises(ValueError, match="result_s"):
            dataclasses.replace(problem.workloads, result_s=result_s)
    options = some_options(np.random.default_rng(0))
    with pytest.raises(ValueError, match="result_s"):
        dataclasses.replace(options, result_s=np.full(len(options.cut), np.nan))

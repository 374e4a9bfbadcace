"""Bounds that are too high are refuted by a plan of the check's own; true ones are not."""

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest

from solvers.multiuser.check import check, prove
from solvers.multiuser.problem import Decision, Method, Problem
from solvers.multiuser.solve import Answer, rules, solve
from solvers.multiuser.solve.decided import with_best_shares
from solvers.multiuser.solve.fleet import Fleet
from solvers.outcome import Options, RefutedAnswer, Solution, Status
from solvers.registry import FAMILIES, answer
from tests.support.multiuser.cells import a_cell


def as_if_optimal(problem: Problem, decision: Decision) -> Answer:
    """A plan with the bound that it would have if nothing were better."""
    objective = check(problem, decision).objective
    return Solution(
        status=Status.OPTIMAL, decision=decision, objective=objective, lower_bound=objective
    )


def with_shares_of_a_smaller_uplink(problem: Problem) -> Answer:
    other = dataclasses.replace(problem, bandwidth_hz=0.5 * problem.bandwidth_hz)
    decision = solve(other).decision
    assert decision is not None
    return as_if_optimal(problem, decision)


def with_equal_shares(problem: Problem) -> Answer:
    decision = solve(dataclasses.replace(problem, method=Method.EQUAL_SHARE)).decision
    assert decision is not None
    return as_if_optimal(problem, decision)


def with_each_the_best_for_itself(problem: Problem) -> Answer:
    fleet = Fleet(problem)
    return as_if_optimal(problem, with_best_shares(fleet, rules.greedy(fleet)))


@pytest.mark.parametrize("deadlines", [False, True])
@pytest.mark.parametrize("users", [1, 2, 6, 25, pytest.param(400, marks=pytest.mark.slow)])
def test_honest_answers_hold_and_carry_a_bound(users: int, deadlines: bool) -> None:
    for seed in range(5):
        solution, certificate = answer(a_cell(seed, users, deadlines=deadlines))
        if certificate is None:
            continue
        assert certificate.lower_bound is not None
        assert certificate.lower_bound <= certificate.objective
        assert certificate.lower_bound >= certificate.objective * (0.9 if users < 25 else 0.99)
        assert solution.status is Status.OPTIMAL


@pytest.mark.parametrize(
    "faulty",
    [with_shares_of_a_smaller_uplink, with_equal_shares, with_each_the_best_for_itself],
)
@pytest.mark.parametrize("users", [6, 25, pytest.param(400, marks=pytest.mark.slow)])
def test_a_plan_that_costs_too_much_and_claims_to_be_optimal_is_refuted(
    monkeypatch: pytest.MonkeyPatch, faulty: Callable[[Problem], Answer], users: int
) -> None:
    monkeypatch.setitem(
        FAMILIES,
        Problem,
        dataclasses.replace(FAMILIES[Problem], solve=lambda problem, *_: faulty(problem)),
    )
    too_much = 0
    for seed in range(4):
        problem = a_cell(seed, users, hertz_per_user=3e5)
        found, best = faulty(problem).objective, solve(problem).objective
        assert found is not None
        assert best is not None
        if found <= best * (1.0 + 1e-6):
            continue
        too_much += 1
        with pytest.raises(RefutedAnswer, match="lower_bound"):
            answer(problem)
    assert too_much >= 2


def test_one_user_with_another_option_is_seen() -> None:
    """In a small cell, where the dual's own choices may be far from the optimum's."""
    seen = tried = 0
    for seed in range(10):
        problem = a_cell(seed, 5, hertz_per_user=3e5)
        best = solve(problem)
        assert best.decision is not None
        assert best.objective is not None
        sizes = np.diff(problem.workloads.first)[problem.workload]
        for user in range(5):
            option = best.decision.option.copy()
            option[user] = (option[user] + 1) % sizes[user]
            worse = dataclasses.replace(best.decision, option=option)
            if not np.isfinite(check(problem, worse).objective):
                continue
            claimed = as_if_optimal(problem, worse)
            assert claimed.objective is not None
            if claimed.objective <= best.objective * (1.0 + 1e-6):
                continue
            found = prove(
                problem, worse, check(problem, worse), claimed.objective, best.prices, 1e-6
            )
            tried += 1
            seen += [violation.constraint for violation in found.violations] == ["lower_bound"]
    assert tried >= 10
    assert seen == tried


def test_a_cost_that_is_too_low_to_be_true_is_refuted() -> None:
    problem = a_cell(1, 300, deadlines=True)
    solution = solve(problem)
    assert solution.decision is not None
    assert solution.lower_bound is not None
    honest = check(problem, solution.decision)
    flattered = dataclasses.replace(honest, objective=honest.objective * 0.999)
    found = prove(
        problem, solution.decision, flattered, solution.lower_bound, solution.prices, 1e-6
    )
    assert [violation.constraint for violation in found.violations] == ["lower_bound"]


@pytest.mark.parametrize("nonsense", [{}, {"bandwidth_per_hz": -1.0}, {"bandwidth_per_hz": np.nan}])
def test_prices_that_are_none_refute_nothing(nonsense: dict[str, float]) -> None:
    problem = a_cell(2, 30, deadlines=True)
    solution = solve(problem, Options(gap=1e-9))
    assert solution.decision is not None
    assert solution.lower_bound is not None
    found = prove(
        problem,
        solution.decision,
        check(problem, solution.decision),
        solution.lower_bound,
        nonsense,
        1e-9,
    )
    assert found.holds
    assert found.lower_bound is not None
    assert found.lower_bound <= solution.lower_bound * (1.0 + 1e-9)

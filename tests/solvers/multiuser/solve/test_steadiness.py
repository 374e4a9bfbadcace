"""Plans that hold on to the previous one."""

import dataclasses
import itertools

import numpy as np
import pytest

from solvers.multiuser.check import check
from solvers.multiuser.costs import switched
from solvers.multiuser.problem import Problem, Steadiness
from solvers.multiuser.solve import price_of_steadiness, solve
from solvers.outcome import Options, Solution, Status
from tests.support.multiuser.brute_force import best_shares, columns
from tests.support.multiuser.cells import a_cell


def moved(seed: int, users: int, *, options: int = 5, deadlines: bool = False) -> Problem:
    """A cell planned once, whose channels then changed."""
    problem = a_cell(seed, users, options=options, deadlines=deadlines)
    previous = solve(problem, Options()).decision
    rng = np.random.default_rng(seed)
    option = np.zeros(users, dtype=np.int64) if previous is None else previous.option
    channel = problem.spectral_efficiency * rng.uniform(0.2, 2.5, users)
    return dataclasses.replace(
        problem, spectral_efficiency=channel, steadiness=Steadiness(previous=option)
    )


def steady(
    problem: Problem, max_switches: int | None = None, switching_cost: float = 0.0
) -> Solution:  # type: ignore[type-arg]
    assert problem.steadiness is not None
    rule = dataclasses.replace(
        problem.steadiness, max_switches=max_switches, switching_cost=switching_cost
    )
    asked = dataclasses.replace(problem, steadiness=rule)
    answer = solve(asked, Options(gap=1e-8))
    if answer.decision is not None:
        assert check(asked, answer.decision).holds
    return answer


def enumerate_steady(problem: Problem, max_switches: int, switching_cost: float) -> float:
    sizes = np.diff(problem.workloads.first)[problem.workload]
    option = np.stack([grid.ravel() for grid in np.meshgrid(*map(np.arange, sizes))], axis=1)
    assert problem.steadiness is not None
    count = (option != problem.steadiness.previous).sum(axis=1)
    option, count = option[count <= max_switches], count[count <= max_switches]
    cost, sent, served, slack = columns(problem, option)
    possible = (sent + served <= slack).all(axis=1)
    parts = (part[possible] for part in (cost, sent, served, slack))
    return float((best_shares(problem, *parts) + switching_cost * count[possible]).min())


@pytest.mark.slow
@pytest.mark.parametrize("switching_cost", [0.0, 0.02])
def test_equals_enumeration(switching_cost: float) -> None:
    for seed in range(25):
        problem = moved(seed, 4)
        for limit in range(5):
            answer = steady(problem, limit, switching_cost)
            assert answer.status is Status.OPTIMAL
            assert answer.objective == pytest.approx(
                enumerate_steady(problem, limit, switching_cost), rel=2e-8
            )


@pytest.mark.slow
def test_every_switch_allowed_helps() -> None:
    for seed in range(8):
        problem = moved(seed, 20)
        costs = [steady(problem, limit).objective for limit in (0, 1, 2, 5, 20)]
        assert all(later <= earlier * (1 + 1e-7) for earlier, later in itertools.pairwise(costs))
        free = solve(dataclasses.replace(problem, steadiness=None), Options(gap=1e-8))
        assert costs[-1] == pytest.approx(free.objective, rel=2e-8)


def test_no_switch_at_all_keeps_the_plan() -> None:
    problem = moved(3, 12)
    answer = steady(problem, 0)
    assert np.array_equal(answer.decision.option, problem.steadiness.previous)  # type: ignore[union-attr]


def test_new_users_choose_freely() -> None:
    problem = moved(3, 12)
    assert problem.steadiness is not None
    previous = problem.steadiness.previous.copy()
    previous[4:] = -1
    fresh = dataclasses.replace(problem, steadiness=Steadiness(previous=previous, max_switches=0))
    answer = solve(fresh, Options())
    assert answer.decision is not None
    assert np.array_equal(answer.decision.option[:4], previous[:4])
    assert not switched(fresh, answer.decision.option).any()
    held = dataclasses.replace(
        problem, steadiness=dataclasses.replace(problem.steadiness, max_switches=0)
    )
    assert answer.objective < solve(held, Options()).objective * (1 + 1e-9)


def test_a_dear_switch_is_rare() -> None:
    problem = moved(7, 40)
    counts = [
        int(switched(problem, steady(problem, None, price).decision.option).sum())
        for price in (0.0, 1e-3, 1e-2, 10.0)
    ]
    assert counts == sorted(counts, reverse=True)
    assert counts[0] > 0
    assert counts[-1] == 0


def test_large_cells_with_few_switches_are_proven() -> None:
    for deadlines in (False, True):
        problem = moved(11, 3_000, deadlines=deadlines)
        answer = steady(problem, 3_000 if deadlines else 50)
        assert answer.gap is not None
        assert answer.gap <= 1e-6
        if not deadlines:
            assert switched(problem, answer.decision.option).sum() <= 50


def test_the_price_of_steadiness_is_told() -> None:
    problem = moved(0, 15)
    answer = steady(problem, 1)
    assert problem.steadiness is not None
    asked = dataclasses.replace(
        problem, steadiness=dataclasses.replace(problem.steadiness, max_switches=1)
    )
    told = price_of_steadiness(asked, answer.decision, Options())
    free = solve(dataclasses.replace(problem, steadiness=None), Options())
    assert told.cost == pytest.approx(answer.objective - free.objective, rel=1e-6)
    assert 0.0 <= told.cost <= told.cost_at_most
    assert told.switches <= 1 < told.free_switches
    with pytest.raises(ValueError, match="previous"):
        price_of_steadiness(
            dataclasses.replace(problem, steadiness=None), answer.decision, Options()
        )

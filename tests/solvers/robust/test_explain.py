"""Explanations against brute force: every combination of options, formulas of their own."""

from dataclasses import replace

import numpy as np
import pytest

from solvers.arrays import Floats
from solvers.records import with_cut
from solvers.registry import answer
from solvers.robust.explain import Asked, Prices, Quantity, bound
from solvers.robust.problem import Problem
from solvers.robust.solve import RobustSolution
from tests.support.robust.brute_force import Option, brute_force
from tests.support.robust.cells import random_cell
from tests.support.seeds import Drawn

KINDS = ("generic", "tight", "tied", "levels")
CLOSE = 1e-6


def cheapest(problem: Problem, per_hz: float) -> Floats:
    """Least of E(b) + price b of each cut of the only user, by brute force."""
    option = Option(problem)
    least = option.least_share()
    works = np.flatnonzero(np.isfinite(least))
    cost = np.full(len(least), np.inf)
    share = option.asked_for(np.array([per_hz]), works, least[works])
    cost[works] = option.energy(share, works) + per_hz * share
    cut = problem.workloads.cut[option.row]
    return np.array([cost[cut == c].min() for c in np.unique(cut)])


def moved(problem: Problem, quantity: Quantity, value: float, per_hz: float) -> Floats:
    """The same where a quantity has another value."""
    if quantity == "price":
        return cheapest(problem, value)
    return cheapest(replace(problem, **{quantity: np.array([value])}), per_hz)


@pytest.mark.slow
def test_explanations_are_what_brute_force_finds(drawn: Drawn) -> None:
    told = 0
    for seed in drawn(2, soak=60):
        rng = np.random.default_rng(seed)
        problem = random_cell(rng, int(rng.integers(2, 5)), 3, KINDS[seed % len(KINDS)])
        solution, _ = answer(problem)
        if solution.decision is None:
            continue
        prices = Prices(per_hz=solution.prices["bandwidth_j_per_hz"], per_server_s=np.zeros(0))
        room = solution.objective - bound(problem, prices)
        assert room >= 0.0
        for user in range(problem.users)[:: max(1, problem.users - 1)]:
            alone = problem.only(np.array([user]))
            asked = Asked(alone, prices)
            costs = asked.costs("price", np.array([prices.per_hz]))[0]
            assert np.allclose(costs, cheapest(alone, prices.per_hz), rtol=CLOSE, atol=0.0)
            told += _look_at_thresholds(asked, alone, prices.per_hz)
            _look_at_the_cell(problem, solution, asked, user, room)
    assert told > 1


def _look_at_thresholds(asked: Asked, alone: Problem, per_hz: float) -> int:
    count = 0
    for quantity in ("gain", "deadline_s", "price"):
        for flip in asked.flips(quantity):
            assert abs(flip.wins_at - flip.loses_at) <= 1e-9 * flip.wins_at + 1e-20
            step = CLOSE * (flip.wins_at - asked._value(quantity))
            for value, wins in ((flip.wins_at + step, True), (flip.loses_at - step, False)):
                at = moved(alone, quantity, value, per_hz)
                others = np.delete(at, flip.option).min()
                if wins:
                    assert at[flip.option] <= others * (1.0 + CLOSE), (quantity, at)
                else:
                    assert not at[flip.option] < others * (1.0 - CLOSE), (quantity, at)
            count += 1
    return count


def _look_at_the_cell(
    problem: Problem, solution: RobustSolution, asked: Asked, user: int, room: float
) -> None:
    assert solution.decision is not None
    assert solution.objective is not None
    option = int(solution.decision.option[user])
    share = float(solution.decision.bandwidth_hz[user])
    slack = CLOSE * solution.objective
    others = np.delete(np.arange(problem.users), user)
    saved = solution.objective - brute_force(problem.only(others))
    assert asked.spent(option, share) - slack <= saved <= room + asked.least + slack
    for change in asked.changes(np.array([0.9, 1.1]), option, share, room):
        deadlines = problem.deadline_s.copy()
        deadlines[user] = change.deadline_s
        more = brute_force(replace(problem, deadline_s=deadlines)) - solution.objective
        assert change.at_least - slack <= more <= change.at_most + slack
    low, high = asked.slopes(option)
    assert low <= high + 1e-9 * abs(high) + 1e-12
    costs = asked.costs("price", np.array([asked.prices.per_hz]))[0]
    for k, cut in enumerate(asked.cuts.tolist()):
        if np.isfinite(costs[k]):
            more = brute_force(with_cut(problem, user, cut)) - solution.objective
            assert costs[k] - asked.least - room <= more + slack

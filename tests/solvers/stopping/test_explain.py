"""Explanations of placements against the slow way, and against plans of what they suggest."""

from dataclasses import replace

import numpy as np
import pytest

from solvers.registry import answer
from solvers.stopping.explain import Asked
from solvers.stopping.fading import Rayleigh
from solvers.stopping.problem import Problem, Rule
from tests.support.seeds import Drawn
from tests.support.stopping.brute_force import induction
from tests.support.stopping.problems import a_problem


@pytest.mark.slow
def test_costs_and_thresholds_are_what_plans_find(drawn: Drawn) -> None:
    told = 0
    for seed in drawn(3, soak=20):
        problem = a_problem(layers=3, seed=seed, law=Rayleigh(), clairvoyant=False)
        asked = Asked(problem)
        running, placing = asked.now
        slow = [induction(problem, placement)[0] for placement in range(4)]
        assert np.allclose(running, slow, rtol=1e-6)
        solution, _ = answer(problem)
        assert (running + placing).argmin() == solution.decision.placement[0]
        for quantity in asked.quantities:
            for flip in asked.flips(quantity):
                wins, loses = (
                    answer(_with(problem, quantity, value))[0].decision
                    for value in (flip.wins_at, flip.loses_at)
                )
                totals = wins.running_curve[0] + _placing(problem, quantity, flip.wins_at)
                assert totals[flip.option] <= totals.min() * (1.0 + 1e-8)
                totals = loses.running_curve[0] + _placing(problem, quantity, flip.loses_at)
                assert totals[flip.option] >= totals.min() * (1.0 - 1e-8)
                told += 1
    assert told > 2


def _with(problem: Problem, quantity: str, value: float) -> Problem:
    given = np.array([value]) if quantity == "mean_snr" else value
    return replace(problem, **{quantity: given})


def _placing(problem: Problem, quantity: str, value: float) -> np.ndarray:
    return _with(problem, quantity, value).placement_cost(np.array([0]), 0)[0]


def test_memory_and_the_rule_count() -> None:
    problem = a_problem(layers=4, seed=2)
    tight = replace(problem, memory_byte=np.array([problem.workloads.parameter_bit[2] / 8.0]))
    running, _ = Asked(tight).now
    assert np.isfinite(running).tolist() == [True, True, True, False, False]
    by_rule = Asked(replace(problem, rule=Rule.ONE_STAGE_LOOK_AHEAD)).now[0]
    assert np.all(by_rule >= Asked(problem).now[0] * (1.0 - 1e-12))

"""Channels that strain solver and check: nearly no way out of an outage, samples next to zero,
waits next to free.
"""

from typing import Any

import numpy as np
import pytest

from solvers.registry import answer
from solvers.stopping.channel import GainTrace, Markov
from solvers.stopping.fading import LogNormal, Nakagami, Rayleigh, Rician
from solvers.stopping.problem import Problem, Rule, Waiting
from tests.support.stopping.problems import a_problem

# Of two states, one an outage, each left once in a billion steps.
SLOW = Markov(np.array([0.0, 1e7]), np.array([[1.0 - 1e-9, 1e-9], [1e-9, 1.0 - 1e-9]]))


def stands(problem: Problem) -> None:
    """The check holds, and the clairvoyant costs no more than the plan."""
    solution, certificate = answer(problem)
    assert solution.decision is not None
    assert certificate is not None
    assert certificate.holds
    baselines = solution.decision.baselines
    assert baselines is not None
    assert np.all(baselines.clairvoyant <= solution.decision.running_cost)


@pytest.mark.parametrize("rule", list(Rule))
@pytest.mark.parametrize("waiting", list(Waiting))
def test_a_chain_that_hardly_moves(rule: Rule, waiting: Waiting) -> None:
    stands(a_problem(law=SLOW, mean_snr=None, min_snr=1e-9, rule=rule, waiting=waiting))


@pytest.mark.parametrize("waiting", list(Waiting))
@pytest.mark.parametrize("law", [GainTrace(np.ones(1)), Rician(100.0), Nakagami(100.0)])
def test_look_ahead_on_a_channel_that_is_never_up(law: Any, waiting: Waiting) -> None:
    stands(a_problem(law=law, min_snr=1e6, rule=Rule.ONE_STAGE_LOOK_AHEAD, waiting=waiting))


@pytest.mark.parametrize("rule", list(Rule))
def test_waiting_on_a_trace_with_a_sample_next_to_zero(rule: Rule) -> None:
    gain = np.append(np.linspace(0.1, 3.0, 40), 1e-22)
    stands(a_problem(law=GainTrace(gain), min_snr=0.0, rule=rule, waiting=Waiting.ALWAYS))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("law", "min_snr"), [(Rayleigh(), 0.01), (Rayleigh(), 3.0), (LogNormal(15.0), 0.01)]
)
@pytest.mark.parametrize("waiting", list(Waiting))
def test_the_clairvoyant_bound_under_outages(law: Any, min_snr: float, waiting: Waiting) -> None:
    placement = np.zeros(4, dtype=np.int64)
    stands(
        a_problem(
            users=4,
            law=law,
            min_snr=min_snr,
            coherence_time_s=0.05,
            waiting=waiting,
            placement=placement,
        )
    )


def test_a_chain_of_waits_next_to_free_ends() -> None:
    """Paths are followed for a bounded number of steps only."""
    problem = a_problem(
        law=SLOW, mean_snr=None, min_snr=1e-9, coherence_time_s=1e-12, placement=np.array([2])
    )
    stands(problem)

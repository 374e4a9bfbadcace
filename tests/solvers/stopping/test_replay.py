"""Simulation against expectation, for every kind of channel."""

import numpy as np
import pytest
from scipy import stats

from solvers.outcome import Options
from solvers.stopping.problem import Problem, Rule, Waiting
from solvers.stopping.replay import replay
from solvers.stopping.solve import solve
from tests.support.stopping.problems import a_problem, every_law

LAWS = every_law()
PARTS = (("cost", "running_cost"), ("time_s", "time_s"), ("energy_j", "energy_j"))


def deviations(problem: Problem, trials: int, seed: int) -> tuple[list[float], float]:
    """Standard errors that the simulated cost, time and energy are off by; the p-value of the cuts'
    frequencies.
    """
    decision = solve(problem, Options()).decision
    assert decision is not None
    paths = replay(problem, decision, 0, trials, np.random.default_rng(seed))
    off = []
    for simulated, expected in PARTS:
        values, mean = getattr(paths, simulated), float(getattr(decision, expected)[0])
        error = values.std() / np.sqrt(trials) + 1e-6 * mean  # and the quadrature's own
        off.append(abs(values.mean() - mean) / error)
    seen = np.bincount(paths.cut, minlength=decision.stop_probability.shape[1])
    likely = decision.stop_probability[0] * trials > 10.0
    rest = [
        trials - seen[likely].sum(),
        trials * max(1.0 - decision.stop_probability[0][likely].sum(), 1e-12),
    ]
    frequencies = (
        np.append(seen[likely], rest[0]),
        np.append(decision.stop_probability[0][likely] * trials, rest[1]),
    )
    if rest[1] < 5.0:
        frequencies = (
            frequencies[0][:-1],
            frequencies[1][:-1] * frequencies[0][:-1].sum() / frequencies[1][:-1].sum(),
        )
    cuts = stats.chisquare(*frequencies, sum_check=False).pvalue if len(frequencies[0]) > 1 else 1.0
    return off, cuts


@pytest.mark.parametrize("waiting", list(Waiting))
@pytest.mark.parametrize("rule", list(Rule))
@pytest.mark.parametrize("kind", LAWS)
def test_simulation_agrees(kind: str, rule: Rule, waiting: Waiting) -> None:
    problem = a_problem(
        layers=7, seed=21, law=LAWS[kind], rule=rule, waiting=waiting, clairvoyant=False
    )
    off, cuts = deviations(problem, 100_000, seed=1)
    assert max(off) < 4.0
    assert cuts > 1e-4


@pytest.mark.slow
@pytest.mark.parametrize("kind", LAWS)
def test_fifty_random_networks(kind: str) -> None:
    """10^5 paths each; of 150 figures three standard errors may miss a few (0.4 expected), five
    none.
    """
    off = []
    for seed in range(50):
        rng = np.random.default_rng(seed)
        problem = a_problem(
            layers=int(rng.integers(1, 12)),
            seed=seed,
            law=LAWS[kind],
            waiting=list(Waiting)[seed % 2],
            min_snr=float(10.0 ** rng.uniform(-1.5, 0.5)),
            clairvoyant=False,
        )
        off.append(deviations(problem, 100_000, seed=100 + seed)[0])
    assert np.max(off) < 5.0
    assert np.mean(np.array(off) < 3.0) >= 0.98


def test_same_seed_same_paths() -> None:
    problem = a_problem(layers=5)
    decision = solve(problem, Options()).decision
    one, other = (replay(problem, decision, 0, 1000, np.random.default_rng(9)) for _ in range(2))
    np.testing.assert_array_equal(one.cost, other.cost)
    np.testing.assert_array_equal(one.cut, other.cut)


def test_no_path_undercuts_the_clairvoyant_mean() -> None:
    """On one's own paths the bound is below every rule's mean cost, clearly beyond its sampling
    error.
    """
    for waiting in Waiting:
        problem = a_problem(layers=7, seed=3, waiting=waiting)
        decision = solve(problem, Options()).decision
        paths = replay(problem, decision, 0, 100_000, np.random.default_rng(0))
        error = paths.cost.std() / np.sqrt(100_000)
        assert decision.baselines.clairvoyant[0] < paths.cost.mean() + 3.0 * error

"""Plans by the compiled kernel against numpy's, on channels of independent looks."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from solvers.compiled.library import Kernel, using
from solvers.outcome import Options, Solution
from solvers.progress import Cancelled, Progress, Stop
from solvers.stopping.channel import GainTrace, RateTrace
from solvers.stopping.decision import Decision, Infeasibility
from solvers.stopping.fading import Fading, LogNormal, Nakagami, Rayleigh, Rician
from solvers.stopping.problem import Problem, Rule, Waiting
from solvers.stopping.solve import solve
from solvers.stopping.solve.kernel import kernel_of
from tests.support.robust.kernel import the_library
from tests.support.seeds import Drawn
from tests.support.stopping.problems import RATE_LAWS, a_network, a_problem, metered, some_rates_bps

FIGURES = ("running_curve", "running_cost", "placement_cost", "time_s", "energy_j")
LAWS = (
    Rayleigh(),
    Rician(4.0),
    Rician(300.0),
    Nakagami(0.7),
    Nakagami(30.0),
    LogNormal(6.0),
    GainTrace(np.ones(1)),
    GainTrace(np.random.default_rng(7).exponential(size=60)),
    RateTrace(some_rates_bps(np.random.default_rng(8), 60)),
    RateTrace(np.array([1e6, 1e6, 2e7])),  # ties
)


def some_problem(seed: int) -> Problem:
    """Any channel, any rule; one layer or many, none worth running on the device or all; SNRs that
    are near, far apart, tiny and huge; memories that are too small; free waits.
    """
    rng = np.random.default_rng(seed)
    layers = int(rng.choice([1, 2, 6, 40]))
    users = int(rng.choice([1, 3, 40]))
    law = LAWS[seed % len(LAWS)]
    middle, spread = rng.uniform(-6.0, 8.0), rng.choice([0.0, 0.01, 1.0])
    network = a_network(layers, rng, stays=bool(rng.integers(2)))
    network = replace(
        network,
        device_s=network.device_s * rng.choice([0.0, 1e-3, 1.0, 1e3]),
        crossing_bit=np.where(rng.random(layers + 1) < 0.1, 0.0, network.crossing_bit),
    )
    problem = a_problem(
        users,
        layers,
        seed,
        law=law,
        workloads=network,
        mean_snr=10.0 ** (middle + spread * rng.normal(size=users)),
        min_snr=10.0 ** rng.uniform(-3.0, 1.0),
        waiting=rng.choice(list(Waiting)),
        rule=rng.choice(list(Rule), p=[0.2, 0.8] if seed % 3 == 0 else [1.0, 0.0]),
        coherence_time_s=float(rng.choice([1e-6, 5e-3, 1.0])),
        memory_byte=rng.choice([np.inf, network.parameter_bit[layers // 2] / 8.0], users),
        clairvoyant=False,
    )
    if seed % 2:
        problem = metered(problem, rng, RATE_LAWS[seed // 2 % len(RATE_LAWS)])
    return problem


def by_both(problem: Problem) -> list[Solution[Decision, Infeasibility]]:
    """Planned by numpy, then by the kernel."""
    solutions = []
    for kernel in (Kernel.NUMPY, Kernel.COMPILED):
        with using(kernel):
            solutions.append(solve(problem, Options()))
    return solutions


def assert_alike(problem: Problem) -> None:
    """The same plan, figures and bound within 1e-9; where placements tie, either."""
    numpys, compiled = by_both(problem)
    assert compiled.status is numpys.status
    one, other = numpys.decision, compiled.decision
    if one is None or other is None:
        assert one is other
        assert compiled.infeasibility is not None
        assert numpys.infeasibility is not None
        assert compiled.infeasibility.reasons == numpys.infeasibility.reasons
        return
    assert compiled.objective == pytest.approx(numpys.objective, rel=1e-9)
    assert compiled.lower_bound == pytest.approx(numpys.lower_bound, rel=1e-9)
    np.testing.assert_array_equal(other.placement, one.placement)
    for name in FIGURES:
        np.testing.assert_allclose(getattr(other, name), getattr(one, name), rtol=1e-9)
    assert one.baselines is not None
    assert other.baselines is not None
    for name in ("device_only", "edge_only", "best_fixed", "look_ahead", "optimum"):
        found, expected = getattr(other.baselines, name), getattr(one.baselines, name)
        np.testing.assert_allclose(found.total_cost, expected.total_cost, rtol=1e-9)
    np.testing.assert_allclose(other.threshold_bps, one.threshold_bps, rtol=1e-7)
    np.testing.assert_allclose(other.stop_probability, one.stop_probability, atol=1e-9)


@pytest.mark.slow
def test_plans_are_as_by_numpy(drawn: Drawn) -> None:
    the_library()
    # The last two are radios of one rate, whose top is reached below the least SNR.
    for seed in (*drawn(60, soak=4_000), 1111, 1643):
        assert_alike(some_problem(seed))


@pytest.mark.slow
@pytest.mark.parametrize("waiting", list(Waiting))
def test_two_hundred_layers(waiting: Waiting) -> None:
    the_library()
    assert_alike(a_problem(4, 200, waiting=waiting))


@pytest.mark.parametrize("law", [Rayleigh(), Nakagami(0.7), LogNormal(6.0)])
def test_horizons_far_off_are_had_from_one_to_rounding(law: Fading) -> None:
    the_library()
    problem = a_problem(6, 60, law=law, clairvoyant=False)
    one, other = (solution.decision for solution in by_both(problem))
    assert one is not None
    assert other is not None
    np.testing.assert_allclose(other.running_curve, one.running_curve, rtol=1e-13)


def test_what_has_no_least_snr_is_for_numpy(monkeypatch: pytest.MonkeyPatch) -> None:
    the_library()
    taken = []

    def told(*given: Any) -> Any:
        found = kernel_of(*given)
        taken.append(found is not None)
        return found

    monkeypatch.setattr("solvers.stopping.solve.plan.kernel_of", told)
    with using(Kernel.COMPILED):
        for law, min_snr in ((Rayleigh(), 0.3), (LogNormal(6.0), 0.3), (LogNormal(6.0), 0.0)):
            solve(a_problem(law=law, min_snr=min_snr))
    with using(Kernel.NUMPY):
        solve(a_problem())
    assert taken == [True, True, False, False]


@pytest.mark.parametrize("kernel", [Kernel.COMPILED, Kernel.NUMPY])
def test_a_solve_is_dropped_between_blocks(kernel: Kernel) -> None:
    the_library()
    asked: list[None] = []

    def stop() -> Stop | None:
        asked.append(None)
        return Stop.DROP if len(asked) > 4 else None

    with using(kernel), pytest.raises(Cancelled):
        solve(a_problem(3_000, clairvoyant=False), Options(), Progress(stop=stop))
    assert len(asked) == 5

"""The closed form against the recursion on networks whose layers are all equal."""

import numpy as np
import pytest

from solvers.outcome import Options
from solvers.stopping.channel import GainTrace, Law, RateTrace
from solvers.stopping.fading import LogNormal, Nakagami, Rayleigh
from solvers.stopping.problem import Rule, Workloads
from solvers.stopping.solve import solve
from solvers.stopping.solve.look import look_at
from solvers.stopping.solve.perceptron import EqualLayers, placement
from tests.support.stopping.problems import a_problem

LAWS = [
    Rayleigh(),
    Nakagami(3.0),
    LogNormal(7.0),
    GainTrace(np.ones(1)),
    RateTrace(np.array([0.0, 2e6, 1e7, 4e7])),
]


@pytest.mark.slow
@pytest.mark.parametrize("stays", [False, True])
@pytest.mark.parametrize("law", LAWS, ids=str)
def test_closed_form_is_the_recursion(law: Law, stays: bool) -> None:
    chosen = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        layers = int(rng.integers(1, 15))
        layer_s, edge_s, bits = (
            rng.uniform(1e-4, 2e-2),
            rng.uniform(0.0, 2e-3),
            10.0 ** rng.uniform(4.5, 6.5),
        )
        layer_bit = 10.0 ** rng.uniform(4.0, 8.0) * (seed % 5 > 0)
        crossing = np.full(layers + 1, bits)
        crossing[-1] *= not stays
        work = Workloads(
            first=np.array([0, layers + 1]),
            device_s=layer_s * np.arange(layers + 1),
            device_j=np.zeros(layers + 1),
            crossing_bit=crossing,
            server_s=edge_s * np.arange(layers, -1, -1),
            parameter_bit=layer_bit * np.arange(layers + 1),
        )
        problem = a_problem(
            seed=seed,
            law=law,
            workloads=work,
            rule=Rule.ONE_STAGE_LOOK_AHEAD,
            coherence_time_s=10.0 ** rng.uniform(-4.0, -1.0),
            min_snr=10.0 ** rng.uniform(-2.0, 1.0),
            clairvoyant=False,
        )
        channel = look_at(problem, problem.mean_snr)
        if channel.up[0] == 0.0:
            continue
        network = EqualLayers(
            layers=layers,
            layer_cost=problem.time_per_s * layer_s,
            edge_step=(problem.time_per_s + problem.energy_per_j * problem.idle_power_w[0])
            * edge_s,
            eta=(problem.time_per_s + problem.energy_per_j * problem.tx_power_w[0]) * bits,
            price=float(problem.placement_cost(slice(None), 0)[0, 1]),
            waiting=float(problem.waiting_cost[0]),
            stays=stays,
        )
        decision = solve(problem, Options()).decision
        total = decision.running_curve[0] + problem.placement_cost(slice(None), 0)[0]
        closed = placement(network, channel)
        assert total[closed] == pytest.approx(total.min(), rel=1e-7)
        if np.sum(total <= total.min() * (1.0 + 1e-7)) == 1:
            assert closed == decision.placement[0]
        chosen.append(closed)
    assert len(set(chosen)) > 1 or isinstance(law, GainTrace)

"""What the family refuses, and the words it does so with."""

from typing import Any

import numpy as np
import pytest

from solvers.stopping.channel import Law, Markov, RateTrace
from solvers.stopping.fading import Nakagami, Rayleigh, Rician
from solvers.stopping.problem import AbsorbingOutage, FreeWaiting, UnboundedCost, Waiting
from tests.support.stopping.problems import a_network, a_problem


@pytest.mark.parametrize(
    "law",
    [Rayleigh(), Rician(10.0), Nakagami(1.0), Nakagami(0.6), RateTrace(np.array([0.0, 1e6]))],
    ids=str,
)
def test_infinite_forced_offload_is_refused(law: Law) -> None:
    with pytest.raises(UnboundedCost, match="minimum SNR"):
        a_problem(law=law, min_snr=0.0)
    a_problem(law=law, min_snr=1e-9)


def test_nakagami_above_one_needs_no_minimum() -> None:
    a_problem(law=Nakagami(1.01), min_snr=0.0)


def test_absorbing_outage_is_refused() -> None:
    law = Markov(np.array([0.0, 1e6]), np.array([[1.0, 0.0], [0.5, 0.5]]), np.array([0.0, 1.0]))
    with pytest.raises(AbsorbingOutage):
        a_problem(law=law)


def test_free_waiting_at_any_time_is_refused() -> None:
    with pytest.raises(FreeWaiting):
        a_problem(waiting=Waiting.ALWAYS, coherence_time_s=0.0)
    with pytest.raises(FreeWaiting):
        a_problem(waiting=Waiting.ALWAYS, time_per_s=0.0, idle_power_w=np.zeros(1))


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"inferences": 0.0}, "inferences"),
        ({"time_per_s": 0.0, "energy_per_j": 0.0}, "time_per_s or energy_per_j"),
        ({"time_per_s": -1.0}, "time_per_s"),
        ({"bandwidth_hz": 0.0}, "bandwidth_hz"),
        ({"mean_snr": None}, "mean_snr"),
        ({"mean_snr": np.zeros(1)}, "mean_snr"),
        ({"mean_snr": np.array([np.nan])}, "mean_snr"),
        ({"tx_power_w": np.array([-1.0])}, "tx_power_w"),
        ({"placement": np.array([7])}, "placement"),
        ({"placement": np.array([-2])}, "placement"),
        ({"workload": np.array([1])}, "workload"),
        ({"workload": np.empty(0, dtype=np.int64)}, "at least one user"),
        ({"min_snr": np.inf}, "min_snr"),
        ({"nodes": 3}, "nodes"),
    ],
)
def test_fields_are_named(changes: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        a_problem(**changes)


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("device_s", [0.0, 2.0, 1.0]),
        ("device_j", [0.1, 0.2, 0.3]),
        ("parameter_bit", [0.0, -1.0, 1.0]),
        ("server_s", [1.0, 1.0, 1.0]),
        ("crossing_bit", [1.0, np.inf, 0.0]),
        ("first", [0, 2]),
    ],
)
def test_workloads_are_named(field: str, values: Any) -> None:
    good = a_network(2, np.random.default_rng(0))
    parts = {
        name: getattr(good, name)
        for name in ("first", "device_s", "device_j", "crossing_bit", "server_s")
    }
    parts["parameter_bit"] = good.parameter_bit
    with pytest.raises(ValueError, match=field):
        type(good)(**(parts | {field: np.array(values)}))


def test_arrays_cannot_be_changed() -> None:
    problem = a_problem()
    with pytest.raises(ValueError, match="read-only"):
        problem.tx_power_w[0] = 2.0
    with pytest.raises(ValueError, match="read-only"):
        problem.workloads.device_s[0] = 2.0


def test_rate_snr_and_gain_name_the_same_threshold() -> None:
    problem = a_problem()
    rate = np.array([5e6, 3e7])
    snr = 2.0 ** (rate / problem.bandwidth_hz) - 1.0
    np.testing.assert_allclose(problem.snr(rate), snr)
    received_w = problem.tx_power_w[0] * problem.gain(rate, 0)
    np.testing.assert_allclose(received_w / (problem.noise_w_per_hz * problem.bandwidth_hz), snr)
    assert np.isnan(a_problem(tx_power_w=np.zeros(1)).gain(rate, 0)).all()

"""Tables on traces: hysteresis, regret, other rules."""

import dataclasses

import numpy as np
import pytest

from solvers.arrays import Floats
from solvers.multiuser.replay import Replay, best_at, replay
from solvers.multiuser.solve import build_table
from solvers.multiuser.table import DecisionTable, TableProblem
from tests.support.multiuser.cells import some_options


def a_network(deadline_s: float = np.inf) -> TableProblem:
    """Seven cuts in two precisions, 0.4 s on the device."""
    done = np.repeat(np.array([0.0, 0.1, 0.25, 0.45, 0.7, 0.9, 1.0]), 2)
    bits = np.tile([32, 8], 7)
    element = np.repeat([150e3, 190e3, 47e3, 65e3, 43e3, 4e3, 0.0], 2)
    sending = element > 0
    keep = sending | (bits == 32)
    return TableProblem(
        latency_weight_per_s=1.0, loss_weight=1.0, network_s=0.03, deadline_s=deadline_s,
        cut=np.repeat(np.arange(7), 2)[keep], bits=bits[keep], device_s=0.4 * done[keep],
        crossing_bit=(element * bits)[keep], server_s=0.02 * (1 - done)[keep],
        loss=np.where((bits == 8) & sending, 0.01, 0.0)[keep],
    )  # fmt: skip


def a_walk(seed: int, samples: int = 4_000) -> Floats:
    """A rate that wanders over four decades and drops out now and then."""
    rng = np.random.default_rng(seed)
    steps = rng.normal(0.0, 0.35, samples)
    level = np.empty(samples)
    now = 0.0
    for sample, step in enumerate(steps):
        now = 0.97 * now + step
        level[sample] = now
    return np.where(rng.random(samples) < 0.01, 0.0, 4e6 * np.exp(level))


def played(problem: TableProblem, rate: Floats, hysteresis: float = 0.0, **more: object) -> Replay:
    speed = build_table(dataclasses.replace(problem, loss_weight=0.0))
    return replay(problem, build_table(problem), speed, rate, 1.0, hysteresis, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("deadline_s", [np.inf, 0.45, 0.3])
def test_without_hysteresis_the_table_is_clairvoyant(deadline_s: float) -> None:
    found = played(a_network(deadline_s), a_walk(1))
    assert found.regret == pytest.approx(0.0, abs=1e-12)
    assert found.table.cost == pytest.approx(found.clairvoyant.cost)
    assert found.table.late == 0.0


@pytest.mark.slow
@pytest.mark.parametrize("deadline_s", [np.inf, 0.35])
def test_hysteresis_trades_switches_for_regret(deadline_s: float) -> None:
    problem = a_network(deadline_s)
    for seed in range(5):
        plays = [
            played(problem, a_walk(seed), hysteresis) for hysteresis in (0.0, 0.05, 0.1, 0.2, 0.4)
        ]
        switches = [play.table.switches_per_hour for play in plays]
        assert switches == sorted(switches, reverse=True)
        assert switches[-1] < 0.75 * switches[0]
        for hysteresis, play in zip((0.0, 0.05, 0.1, 0.2, 0.4), plays, strict=True):
            assert play.regret >= -1e-15
            ran = np.isfinite(play.table.cost) & np.isfinite(play.clairvoyant.cost)
            assert np.all(
                play.table.cost[ran] * (1 - hysteresis) <= play.clairvoyant.cost[ran] * (1 + 1e-12)
            )
            assert play.table.late == 0.0
            assert play.table.stalled == play.clairvoyant.stalled


def test_the_table_beats_other_rules() -> None:
    found = played(a_network(), a_walk(2))
    for other in (found.device_only, found.best_fixed, found.latency_only):
        assert other is not None
        assert other.stalled == 0.0
        assert found.table.mean_cost <= other.mean_cost
    assert found.cloud_only is not None
    assert found.cloud_only.stalled > 0.0
    through = np.isfinite(found.cloud_only.cost)
    assert np.all(found.table.cost[through] <= found.cloud_only.cost[through])
    assert found.latency_only is not None
    assert found.latency_only.mean_latency_s <= found.table.mean_latency_s
    assert found.latency_only.mean_loss >= found.table.mean_loss


def test_stale_rates_cost_regret() -> None:
    rate = a_walk(3)
    fresh, stale = played(a_network(), rate), played(a_network(), rate, seen_bps=np.roll(rate, 5))
    assert stale.regret > fresh.regret


@pytest.mark.slow
def test_best_by_looking_at_all_agrees_with_the_table() -> None:
    rng = np.random.default_rng(0)
    for _ in range(300):
        problem = some_options(rng)
        rate = np.geomspace(1e3, 1e9, 57) * rng.uniform(0.9, 1.1)
        one, other = best_at(problem, rate), build_table(problem).look_up(rate)
        assert np.array_equal(one < 0, other < 0)
        some = one >= 0
        assert problem.cost(one[some], rate[some]) == pytest.approx(
            problem.cost(other[some], rate[some]), rel=1e-12
        )


def test_switches_are_counted_per_hour() -> None:
    problem = a_network()
    rate = np.tile([1e3, 1e9], 1_800)  # an hour of seconds
    assert played(problem, rate).table.switches_per_hour == 3_599


def test_a_table_that_fits_nowhere_never_runs() -> None:
    problem = dataclasses.replace(a_network(), deadline_s=1e-4, device_s=a_network().device_s + 1.0)
    found = played(problem, a_walk(0, 50))
    assert found.table.stalled == 1.0
    assert found.regret == 0.0
    assert isinstance(build_table(problem), DecisionTable)


@pytest.mark.parametrize(
    ("rate", "hysteresis"), [([], 0.0), ([-1.0], 0.0), ([np.nan], 0.0), ([1.0], 1.0), ([1.0], -0.1)]
)
def test_broken_traces_are_refused(rate: list[float], hysteresis: float) -> None:
    with pytest.raises(ValueError, match=r"rates|hysteresis"):
        played(a_network(), np.array(rate), hysteresis)

"""Thresholds and costs at the default nodes against scipy's adaptive integration, deep fades
included.
"""

import numpy as np
import pytest

from solvers.outcome import Options
from solvers.stopping.channel import Law
from solvers.stopping.fading import LogNormal, Nakagami, Rayleigh, Rician
from solvers.stopping.problem import FREE, Rule, Waiting
from solvers.stopping.solve import solve
from solvers.stopping.solve.look import look_at
from tests.support.stopping.brute_force import induction, integral
from tests.support.stopping.problems import a_problem

LAWS = [
    Rayleigh(),
    Rician(0.5),
    Rician(30.0),
    Nakagami(0.6),
    Nakagami(1.2),
    Nakagami(4.0),
    Nakagami(80.0),
]
LAWS += [LogNormal(3.0), LogNormal(10.0)]
MIN_SNR = [0.0, 1e-6, 1e-2, 1.0]


CASES = [
    pytest.param(law, min_snr, id=f"{law}-{min_snr}")
    for law in LAWS
    for min_snr in MIN_SNR
    if min_snr > 0.0 or law.mean_inverse_rate_finite
]


@pytest.mark.parametrize(("law", "min_snr"), CASES)
@pytest.mark.parametrize("mean_snr", [0.3, 10.0, 3000.0])
def test_capped_look_at(law: Law, min_snr: float, mean_snr: float) -> None:
    problem = a_problem(law=law, min_snr=min_snr, mean_snr=np.array([mean_snr]))
    channel = look_at(problem, problem.mean_snr)
    up = integral(problem, law, 0, min_snr) if min_snr > 0.0 else 1.0
    if up < 1e-15:
        assert channel.up[0] == channel.mean[0] == 0.0
        return
    assert channel.up[0] == pytest.approx(up, rel=1e-9)
    assert channel.mean[0] == pytest.approx(integral(problem, law, 1, min_snr) / up, rel=1e-8)
    for snr in mean_snr * np.array([1e-7, 1e-4, 1e-2, 0.3, 1.0, 1.7, 4.0]):
        if snr <= min_snr:
            continue
        cap = np.log(2.0) / problem.bandwidth_hz / np.log1p(snr)
        fast, sent = (integral(problem, law, power, snr) / up for power in (0, 1))
        truth = sent + cap * max(1.0 - fast, 0.0)
        assert min(channel.capped(np.array([[cap]]))[0, 0], cap) == pytest.approx(truth, rel=2e-8)
        assert channel.fast(np.array([[cap]]))[0, 0] == pytest.approx(fast, rel=1e-6, abs=2e-7)


@pytest.mark.parametrize(("law", "min_snr"), CASES)
def test_users_of_a_block_share_nodes(law: Law, min_snr: float) -> None:
    """Nodes reach as deep as the strongest user needs; the others' fades start between two of
    them.
    """
    mean_snr = np.array([0.3, 1.0, 7.0, 90.0, 3000.0])
    together = look_at(a_problem(users=5, law=law, min_snr=min_snr, mean_snr=mean_snr), mean_snr)
    for user, mean in enumerate(mean_snr):
        if together.up[user] > 0.0:
            alone = a_problem(law=law, min_snr=min_snr, mean_snr=np.array([mean]))
            up = integral(alone, law, 0, min_snr) if min_snr > 0.0 else 1.0
            assert together.mean[user] == pytest.approx(
                integral(alone, law, 1, min_snr) / up, rel=5e-7
            )


@pytest.mark.parametrize(("law", "min_snr"), CASES)
def test_thresholds_and_costs(law: Law, min_snr: float) -> None:
    for seed in range(3):
        problem = a_problem(layers=4, seed=seed, law=law, min_snr=min_snr)
        for placement in (4, 3):
            fixed = a_problem(
                layers=4, seed=seed, law=law, min_snr=min_snr, placement=np.array([placement])
            )
            decision = solve(fixed, Options()).decision
            cost, thresholds = induction(problem, placement)
            assert decision.running_cost[0] == pytest.approx(cost, rel=1e-6)
            np.testing.assert_allclose(decision.threshold_bps[0, :placement], thresholds, rtol=1e-6)


@pytest.mark.parametrize("law", LAWS, ids=str)
def test_reservation_is_where_a_wait_is_worth_its_cost(law: Law) -> None:
    """Under `always` at placement 0 the value x solves x = a E[min(S, c_w + x) | up] + (1-a)(c_w +
    x).
    """
    for seed in range(3):
        problem = a_problem(
            layers=2,
            seed=seed,
            law=law,
            min_snr=0.1,
            waiting=Waiting.ALWAYS,
            placement=np.array([0]),
        )
        decision = solve(problem, Options()).decision
        rate = decision.threshold_bps[0, 0]
        snr = max(float(problem.snr(np.array(rate))), problem.min_snr)
        fast, sent = (integral(problem, law, power, snr) for power in (0, 1))
        eta = (
            problem.time_per_s + problem.energy_per_j * problem.tx_power_w[0]
        ) * problem.workloads.crossing_bit[0]
        xi = (
            problem.time_per_s + problem.energy_per_j * problem.idle_power_w[0]
        ) * problem.workloads.server_s[0]
        cost, waiting = decision.running_cost[0], problem.waiting_cost[0]
        assert xi * fast + eta * sent + (1.0 - fast) * (waiting + cost) == pytest.approx(
            cost, rel=1e-6
        )
        assert xi + eta / rate == pytest.approx(waiting + cost, rel=1e-6)


def test_more_nodes_change_nothing_that_counts() -> None:
    coarse, fine = (
        solve(a_problem(users=20, layers=20, min_snr=1e-4, nodes=nodes), Options()).decision
        for nodes in (256, 4096)
    )
    np.testing.assert_allclose(coarse.running_curve, fine.running_curve, rtol=1e-6)
    assert np.array_equal(coarse.placement, fine.placement)


def test_look_ahead_thresholds_in_closed_form() -> None:
    problem = a_problem(layers=5, rule=Rule.ONE_STAGE_LOOK_AHEAD, placement=np.array([5]))
    decision = solve(problem, Options()).decision
    law = problem.law
    up, mean = (
        integral(problem, law, 0, problem.min_snr),
        integral(problem, law, 1, problem.min_snr),
    )
    work = problem.workloads
    for cut in range(5):
        idle = problem.time_per_s + problem.energy_per_j * problem.idle_power_w[0]
        eta = (
            problem.time_per_s + problem.energy_per_j * problem.tx_power_w[0]
        ) * work.crossing_bit
        layer = np.diff(work.device_s)[cut] + problem.energy_per_j * np.diff(work.device_j)[cut]
        after = (
            idle * work.server_s[cut + 1]
            + eta[cut + 1] * mean / up
            + problem.waiting_cost[0] * (1.0 - up) / up
        )
        onward = layer + (after if cut < 4 else 0.0)
        expected = (
            eta[cut] / (onward - idle * work.server_s[cut])
            if onward > idle * work.server_s[cut]
            else np.inf
        )
        assert decision.threshold_bps[0, cut] == pytest.approx(expected, rel=1e-6)


def test_free_placement_is_the_default() -> None:
    assert (
        solve(a_problem(placement=np.array([FREE])), Options()).objective
        == solve(a_problem(), Options()).objective
    )

"""A rate law's means and thresholds against adaptive integration; its atom; a better law."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from solvers.outcome import Options
from solvers.rate_law import RateLaw
from solvers.stopping.channel import GainTrace, Law, RateTrace
from solvers.stopping.check import check
from solvers.stopping.fading import LogNormal, Nakagami, Rayleigh, Rician
from solvers.stopping.problem import Problem, Rule, Waiting
from solvers.stopping.solve import solve
from solvers.stopping.solve.look import look_at
from tests.support.stopping.brute_force import (
    cheapest_table,
    induction,
    integral,
    rate_at,
    snr_at,
)
from tests.support.stopping.problems import RATE_LAWS, a_problem, every_law, metered

LAWS = [Rayleigh(), Rician(4.0), Nakagami(0.7), Nakagami(4.0), LogNormal(6.0)]
FADING = pytest.mark.parametrize("law", LAWS, ids=str)
RADIO = pytest.mark.parametrize("rate_law", RATE_LAWS, ids=str)


def planned(problem: Problem) -> np.ndarray:
    return solve(problem, Options()).decision.running_curve[0]


@FADING
@RADIO
@pytest.mark.parametrize("mean_snr", [0.5, 30.0])
def test_means_against_integration(law: Law, rate_law: RateLaw, mean_snr: float) -> None:
    problem = a_problem(law=law, mean_snr=np.array([mean_snr]), rate_law=rate_law)
    channel = look_at(problem, problem.mean_snr)
    up = integral(problem, law, 0, problem.min_snr)
    assert channel.up[0] == pytest.approx(up, rel=1e-9)
    assert channel.mean[0] == pytest.approx(integral(problem, law, 1, problem.min_snr) / up, 1e-7)
    for snr in (0.4, 1.0, 3.0, 7.0, 20.0, 100.0):
        cap = 1.0 / rate_at(problem, snr)
        least = snr_at(problem, rate_at(problem, snr))
        fast, sent = (integral(problem, law, power, least) / up for power in (0, 1))
        at = np.array([[cap * (1.0 + 1e-12)]])
        assert channel.fast(at)[0, 0] == pytest.approx(fast, rel=1e-6, abs=2e-7)
        capped = min(channel.capped(at)[0, 0], cap)
        assert capped == pytest.approx(sent + cap * (1.0 - fast), rel=1e-7)
        excess = channel.excess(at)[0, 0]
        assert excess == pytest.approx(cap * fast - sent, rel=1e-5, abs=1e-7 * cap)


@RADIO
def test_nothing_is_faster_than_the_top(rate_law: RateLaw) -> None:
    problem = a_problem(rate_law=rate_law, mean_snr=np.array([1e4]))
    channel = look_at(problem, problem.mean_snr)
    floor = 1.0 / problem.max_rate_bps
    if floor == 0.0:
        return
    below, at = np.array([[floor * (1.0 - 1e-9)]]), np.array([[floor]])
    assert channel.fast(below)[0, 0] == channel.excess(below)[0, 0] == 0.0
    assert channel.capped(below)[0, 0] == below[0, 0]
    top = snr_at(problem, problem.max_rate_bps)
    share = integral(problem, problem.law, 0, top) / channel.up[0]
    assert channel.fast(at)[0, 0] == pytest.approx(share, rel=1e-6)
    assert channel.fastest[0] == floor


@FADING
@RADIO
def test_costs_and_thresholds_by_induction(law: Law, rate_law: RateLaw) -> None:
    for seed in range(2):
        plain = a_problem(layers=4, seed=seed, law=law, placement=np.array([3]))
        problem = metered(plain, np.random.default_rng(seed), rate_law)
        decision = solve(problem, Options()).decision
        cost, thresholds = induction(problem, 3)
        assert decision.running_cost[0] == pytest.approx(cost, rel=1e-6)
        np.testing.assert_allclose(decision.threshold_bps[0, :3], thresholds, rtol=1e-6)


@RADIO
@pytest.mark.parametrize("waiting", list(Waiting))
def test_traces_of_snr_by_enumeration(rate_law: RateLaw, waiting: Waiting) -> None:
    for seed in range(6):
        gain = np.array([0.01, 0.2, 3.0])  # above the top two samples may be as good as each other
        plain = a_problem(layers=4, seed=seed, law=GainTrace(gain), waiting=waiting)
        problem = metered(plain, np.random.default_rng(seed), rate_law)
        if np.all(problem.mean_snr[0] * gain < problem.min_snr):
            continue
        every = [cheapest_table(problem, placement) for placement in range(5)]
        np.testing.assert_allclose(planned(problem), every, rtol=1e-9)


@pytest.mark.parametrize("waiting", list(Waiting))
def test_a_tie_at_the_top_stops(waiting: Waiting) -> None:
    """Only a look at the top costs just what going on does, so the device offloads there."""
    problem = a_problem(
        layers=1, law=GainTrace(np.array([0.05, 1.0, 3.0])), mean_snr=np.array([10.0]),
        rate_law=RateLaw(max_bps_per_hz=2.0), waiting=waiting, placement=np.array([1]), min_snr=0.0,
        coherence_time_s=10.0,
    )  # fmt: skip
    work = problem.workloads
    at_top = work.crossing_bit[0] / problem.max_rate_bps
    power_w = problem.tx_power_w[0]
    # On the device the layer takes just as long, and just as much energy.
    work = replace(
        work, device_s=np.array([0.0, at_top]), device_j=np.array([0.0, power_w * at_top]),
        server_s=np.zeros(2),
    )  # fmt: skip
    problem = replace(problem, workloads=work)
    decision = solve(problem, Options()).decision
    assert decision.stop_probability[0, 0] == pytest.approx(2.0 / 3.0)
    row = decision.table(problem, 0)[0]
    assert row.offload == "threshold"
    assert row.snr == pytest.approx(3.0)  # log2(1 + 3) = 2
    assert check(problem, decision).holds


def test_a_threshold_above_the_top_is_never_met() -> None:
    problem = a_problem(layers=6, seed=2, rate_law=RateLaw(max_bps_per_hz=0.05))
    decision = solve(problem, Options()).decision
    rows = decision.table(problem, 0)
    beyond = (decision.threshold_bps[0] > problem.max_rate_bps)[: len(rows)]
    assert beyond.any()
    for row, never in zip(rows[:-1], beyond[:-1], strict=True):  # at home nothing is left to decide
        assert (row.offload == "never") == never
        assert not never or row.stop_probability == 0.0


# Each channel under each way of waiting, with one of two rate laws; with both in `make soak`.
CHANNELS = [
    pytest.param(kind, waiting, law, marks=[] if (k + w + r) % 2 else pytest.mark.soak)
    for k, kind in enumerate(every_law())
    for w, waiting in enumerate(Waiting)
    for r, law in enumerate((RATE_LAWS[0], RATE_LAWS[-1]))
]


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "waiting", "rate_law"), CHANNELS)
def test_every_channel_checks(kind: str, waiting: Waiting, rate_law: RateLaw) -> None:
    for rule in Rule:
        plain = a_problem(
            users=3, layers=9, seed=4, law=every_law()[kind], waiting=waiting, rule=rule
        )
        problem = metered(plain, np.random.default_rng(5), rate_law)
        solution = solve(problem, Options())
        certificate = check(problem, solution.decision)
        assert certificate.holds, certificate.violations[:3]
        assert certificate.objective == pytest.approx(solution.objective, rel=1e-6)
        base = solution.decision.baselines
        assert np.all(base.clairvoyant <= solution.decision.running_cost * (1.0 + 1e-9))


@pytest.mark.slow
@pytest.mark.parametrize("waiting", list(Waiting))
@pytest.mark.parametrize(
    "kind", [kind for kind, law in every_law().items() if "markov" not in kind]
)
def test_a_better_law_never_costs_more(kind: str, waiting: Waiting) -> None:
    problem = a_problem(users=6, layers=8, seed=9, law=every_law()[kind], waiting=waiting)
    laws = [
        RateLaw(efficiency=0.4, max_bps_per_hz=1.0, snr_gap=2.0),
        RateLaw(efficiency=0.4, max_bps_per_hz=2.0, snr_gap=2.0),
        RateLaw(efficiency=0.7, max_bps_per_hz=2.0, snr_gap=2.0),
        RateLaw(efficiency=0.7, max_bps_per_hz=2.0),
        RateLaw(),
    ]
    curves = [
        solve(replace(problem, rate_law=law), Options()).decision.running_curve for law in laws
    ]
    for worse, better in pairwise(curves):
        assert np.all(better <= worse * (1.0 + 1e-9))


def test_rates_are_what_they_are() -> None:
    """The law of a radio says nothing of rates that were recorded."""
    problem = a_problem(law=RateTrace(np.array([4e6, 2e7, 5e8])), min_snr=0.0)
    other = replace(problem, rate_law=RATE_LAWS[0])
    one, two = (solve(of, Options()).decision for of in (problem, other))
    np.testing.assert_array_equal(one.running_curve, two.running_curve)
    assert check(other, two).holds

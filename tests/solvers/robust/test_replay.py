"""Plans played against laws with their mean and variance: kept where they should be, refuted where
not.
"""

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from solvers.margin import Margin
from solvers.rate_law import RateLaw
from solvers.robust.details import describe
from solvers.robust.problem import Decision, Problem
from solvers.robust.replay import Law, Replay, replay
from solvers.robust.solve import solve
from tests.support.robust.cells import ALEXNET_BIT, ALEXNET_FLOP, a_cell, random_cell, workloads

ALL = tuple(Law)
# A handful of long times among many short ones.
SKEWED = np.random.default_rng(7).gamma(0.3, 1.0, 300)


def planned(problem: Problem) -> Decision:
    decision = solve(problem).decision
    assert decision is not None
    return decision


def played(problem: Problem, decision: Decision, trials: int, seed: int = 0) -> Replay:
    samples = [SKEWED] * (len(problem.workloads.first) - 1)
    return replay(problem, decision, trials, np.random.default_rng(seed), ALL, samples)


CELLS = {
    "cameras": a_cell(12),
    "mixed risks": a_cell(
        12, risk=np.geomspace(0.001, 0.4, 12), correlation=np.linspace(-0.9, 0.9, 12)
    ),
    "network that varies": a_cell(8, network_mean_s=0.005, network_variance_s2=1e-6),
    **{
        f"random {seed}": replace(
            random_cell(np.random.default_rng(seed), 12, 6), margin=Margin.CANTELLI
        )
        for seed in (2, 4, 6)
    },
    "levels": replace(
        random_cell(np.random.default_rng(3), 12, 6, "levels"), margin=Margin.CANTELLI
    ),
}


@pytest.mark.parametrize("name", CELLS)
def test_no_law_refutes_a_plan_with_cantellis_margin(name: str) -> None:
    problem = CELLS[name]
    found = played(problem, planned(problem), 20_000)
    assert set(found.laws) == set(Law)
    assert not found.rejected
    assert np.all(found.violation_bound <= problem.risk * (1.0 + 1e-9))
    for misses in found.laws.values():
        assert np.all((misses.low <= misses.share) & (misses.share <= misses.high))
        assert np.all(misses.least <= misses.low)


def test_the_worst_law_uses_up_the_whole_risk_of_users_without_slack() -> None:
    problem = CELLS["mixed risks"]
    decision = planned(problem)
    tight = describe(problem, decision).slack_s == 0.0
    assert tight.sum() >= 6
    worst = played(problem, decision, 200_000).laws[Law.TWO_POINT]
    assert np.all((worst.low <= problem.risk)[tight] & (problem.risk <= worst.high)[tight])


def test_the_worst_law_meets_the_bound_whatever_the_slack() -> None:
    problem = replace(CELLS["cameras"], risk=np.full(12, 0.05))
    looser = replace(problem, deadline_s=problem.deadline_s * np.linspace(1.001, 1.1, 12))
    found = played(looser, planned(problem), 200_000)
    worst = found.laws[Law.TWO_POINT]
    within = (worst.low <= found.violation_bound) & (found.violation_bound <= worst.high)
    assert found.violation_bound.max() < 0.05
    assert within.sum() >= 11  # of twelve intervals of 95 %


def test_the_worst_laws_atoms_are_told_apart_however_close_they_are() -> None:
    """Deviations of 5e-14 s: both atoms lie within 1e-12 of the deadline."""
    work = CELLS["cameras"].workloads
    variances = ("device_variance_s2", "device_variance_low_s2", "server_variance_s2")
    still = replace(work, **{name: 1e-22 * getattr(work, name) for name in variances})
    problem = replace(CELLS["cameras"], workloads=still)
    found = played(problem, planned(problem), 5_000)
    assert 0.0 < np.sqrt(found.variance_s2).max() < 1e-13
    assert not found.laws[Law.TWO_POINT].rejected.any()


def test_mean_only_plans_are_refuted_by_every_law() -> None:
    problem = CELLS["cameras"]
    found = played(problem, planned(replace(problem, margin=Margin.MEAN)), 5_000)
    assert found.rejected
    for misses in found.laws.values():
        assert misses.rejected.any(), misses.law
    assert found.laws[Law.TWO_POINT].share.max() > 0.99


def test_gaussian_plans_are_refuted_by_the_worst_law() -> None:
    problem = CELLS["cameras"]
    found = played(problem, planned(replace(problem, margin=Margin.GAUSSIAN)), 5_000)
    assert found.laws[Law.TWO_POINT].rejected.any()


@pytest.mark.parametrize("law", [Law.GAMMA, Law.LOGNORMAL])
def test_tails_are_those_of_the_law_with_that_mean_and_variance(law: Law) -> None:
    """Deadlines all over the law, so that a wrong mean, variance or shape shows."""
    table = workloads(
        cycles=list(ALEXNET_FLOP / 7), crossing_bit=list(ALEXNET_BIT), flop_per_cycle=7.0, cv=0.8
    )
    problem = a_cell(
        12,
        workloads=table,
        margin=Margin.MEAN,
        network_mean_s=0.01,
        network_variance_s2=1e-4,
        correlation=np.linspace(-0.9, 0.9, 12),
    )
    decision = planned(problem)
    moments = replay(problem, decision, 1, np.random.default_rng(0))
    mean, deviation = moments.mean_s, np.sqrt(moments.variance_s2)
    assert np.ptp(deviation / mean) > 0.1
    assert (decision.bandwidth_hz > 0.0).sum() >= 6
    varies = deviation > 0.0
    assert varies.sum() >= 10
    about = describe(problem, decision)
    np.testing.assert_allclose(mean, about.mean_s, rtol=1e-12)
    np.testing.assert_allclose(deviation, about.std_s, rtol=1e-12)
    for steps in (-0.5, 0.5, 2.0):
        shifted = replace(
            problem, deadline_s=np.where(varies, mean + steps * deviation, problem.deadline_s)
        )
        misses = replay(shifted, decision, 40_000, np.random.default_rng(1), (law,)).laws[law]
        cv = deviation[varies] / mean[varies]
        if law is Law.GAMMA:
            tail = stats.gamma.sf(1.0 + steps * cv, 1.0 / cv**2, scale=cv**2)
        else:
            spread = np.log1p(cv**2)
            tail = stats.lognorm.sf(1.0 + steps * cv, np.sqrt(spread), scale=np.exp(-0.5 * spread))
        error = (misses.share[varies] - tail) / np.sqrt(tail * (1.0 - tail) / 40_000)
        assert np.abs(error).max() < 4.5
        assert np.abs(error).mean() < 1.5


def test_times_are_those_of_the_rate_law_the_most_bits_and_the_result() -> None:
    problem = CELLS["cameras"]
    decision = planned(problem)
    plain = replay(problem, decision, 1, np.random.default_rng(0))
    work, share = problem.workloads, decision.bandwidth_hz
    sends = share > 0.0
    snr = (problem.tx_power_w * problem.gain / problem.noise_w_per_hz)[sends] / share[sends]
    attenuated = 0.6 * np.log2(1.0 + snr / 1.5)
    cap = float(np.median(attenuated))  # rules half of the shares
    more = replace(
        problem,
        rate_law=RateLaw(efficiency=0.6, max_bps_per_hz=cap, snr_gap=1.5),
        downlink_bps=1e6,
        workloads=replace(
            work,
            crossing_most_bit=1.25 * work.crossing_bit,
            result_bit=np.where(work.crossing_bit > 0.0, 8e3, 0.0),
        ),
    )
    found = replay(more, decision, 1, np.random.default_rng(0))
    bits = work.crossing_bit[decision.option][sends] / share[sends]
    longer = np.zeros(12)
    longer[sends] = 1.25 * bits / np.minimum(attenuated, cap) - bits / np.log2(1.0 + snr) + 8e-3
    assert sends.sum() >= 6
    np.testing.assert_allclose(found.mean_s, plain.mean_s + longer, rtol=1e-12)
    assert np.array_equal(found.variance_s2, plain.variance_s2)


def test_observed_times_keep_their_shape_whatever_their_unit() -> None:
    problem = CELLS["cameras"]
    decision = planned(problem)
    moments = replay(problem, decision, 1, np.random.default_rng(0))
    shifted = replace(problem, deadline_s=moments.mean_s + 2.0 * np.sqrt(moments.variance_s2))
    runs = [
        replay(
            shifted,
            decision,
            20_000,
            np.random.default_rng(5),
            (Law.EMPIRICAL,),
            [scale * SKEWED + offset],
        )
        for scale, offset in ((1.0, 0.0), (1e-3, 4.0))
    ]
    first, second = (run.laws[Law.EMPIRICAL] for run in runs)
    assert np.array_equal(first.count, second.count)
    beyond = float(np.mean((SKEWED - SKEWED.mean()) / SKEWED.std() > 2.0))
    assert np.abs(first.share - beyond).max() < 4.5 * np.sqrt(beyond / 20_000)


def test_times_that_cannot_vary_are_known_exactly() -> None:
    problem = CELLS["cameras"]
    zeros = np.zeros(len(problem.workloads.cut))
    sure = replace(
        problem,
        workloads=replace(
            problem.workloads,
            device_variance_s2=zeros,
            device_variance_low_s2=zeros,
            server_variance_s2=zeros,
        ),
    )
    decision = planned(sure)
    deadline = sure.deadline_s.copy()
    deadline[0] *= 0.5
    found = replay(
        replace(sure, deadline_s=deadline), decision, 1_000, np.random.default_rng(0), ALL, [SKEWED]
    )
    for misses in found.laws.values():
        assert misses.count.tolist() == [1_000] + [0] * 11
        assert np.array_equal(misses.low, misses.share)
        assert np.array_equal(misses.high, misses.share)
        assert misses.rejected.tolist() == [True] + [False] * 11
    assert found.violation_bound.tolist() == [1.0] + [0.0] * 11


def test_a_mean_beyond_the_deadline_is_always_late_under_the_worst_law() -> None:
    problem = CELLS["cameras"]
    decision = planned(problem)
    mean = replay(problem, decision, 1, np.random.default_rng(0)).mean_s
    found = played(replace(problem, deadline_s=mean * 0.999), decision, 2_000)
    worst = found.laws[Law.TWO_POINT]
    assert np.all(worst.share == 1.0)
    assert np.all(worst.low == 1.0)
    assert np.all(found.violation_bound == 1.0)
    assert found.laws[Law.GAMMA].share.max() < 1.0


@pytest.mark.slow
def test_intervals_are_the_exact_binomial_ones() -> None:
    problem = CELLS["mixed risks"]
    found = played(problem, planned(replace(problem, margin=Margin.MEAN)), 300)
    counts = set()
    for misses in found.laws.values():
        for n in np.nonzero(misses.low < misses.high)[0]:
            test = stats.binomtest(int(misses.count[n]), 300)
            interval = test.proportion_ci(0.95, "exact")
            assert (misses.low[n], misses.high[n]) == pytest.approx(
                (interval.low, interval.high), rel=1e-9
            )
            assert misses.least[n] == pytest.approx(
                test.proportion_ci(0.998, "exact").low, rel=1e-9
            )
            counts.add(int(misses.count[n]))
    assert len(counts) >= 10


def test_same_seed_same_counts() -> None:
    problem = CELLS["random 2"]
    decision = planned(problem)
    first, again, other = (played(problem, decision, 3_000, seed) for seed in (1, 1, 2))
    for law in Law:
        assert np.array_equal(first.laws[law].count, again.laws[law].count)
    assert any(not np.array_equal(first.laws[law].count, other.laws[law].count) for law in Law)


def test_memory_stays_flat_over_users_and_trials() -> None:
    problem = a_cell(300)
    decision = planned(problem)
    tracemalloc.start()
    found = replay(problem, decision, 20_000, np.random.default_rng(0), (Law.TWO_POINT,))
    _, many_users = tracemalloc.get_traced_memory()
    tracemalloc.reset_peak()
    one = a_cell(1)
    alone = replay(one, planned(one), 5_000_000, np.random.default_rng(0), (Law.TWO_POINT,))
    _, many_trials = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert max(many_users, many_trials) < 30e6  # all draws at once are 48 and 40 MB
    worst = found.laws[Law.TWO_POINT]
    # Over hundreds of users at their risk the mean share is known to a few parts in a thousand.
    tight = describe(problem, decision).slack_s == 0.0
    assert worst.share[tight].mean() == pytest.approx(0.02, rel=0.01)
    assert (
        alone.laws[Law.TWO_POINT].low[0]
        <= alone.violation_bound[0]
        <= alone.laws[Law.TWO_POINT].high[0]
    )


def test_refuses_what_cannot_be_drawn() -> None:
    problem = CELLS["cameras"]
    decision, rng = planned(problem), np.random.default_rng(0)
    with pytest.raises(ValueError, match="trials"):
        replay(problem, decision, 0, rng)
    with pytest.raises(ValueError, match="significance"):
        replay(problem, decision, 10, rng, significance=0.0)
    with pytest.raises(ValueError, match="one array per workload"):
        replay(problem, decision, 10, rng, (Law.EMPIRICAL,))
    with pytest.raises(ValueError, match="vary"):
        replay(problem, decision, 10, rng, (Law.EMPIRICAL,), [np.ones(5)])
    with pytest.raises(ValueError, match="vary"):
        replay(problem, decision, 10, rng, (Law.EMPIRICAL,), [np.array([1.0, np.nan])])
    work = problem.workloads
    zero = np.zeros(11)
    timeless = replace(
        work, cycles=zero, crossing_bit=zero, crossing_most_bit=zero, server_mean_s=zero
    )
    with pytest.raises(ValueError, match="mean above 0"):
        replay(replace(problem, workloads=timeless), decision, 10, rng, (Law.GAMMA,))

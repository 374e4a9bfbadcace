"""Power laws, radios, rates, codecs, streams and servers together: plans against brute force."""

from dataclasses import replace

import numpy as np
import pytest

from solvers.outcome import Status
from solvers.registry import answer
from solvers.robust.check import check
from solvers.robust.problem import Problem
from tests.support.robust.brute_force import (
    Option,
    best_plan,
    brute_force,
    least_bandwidth_hz,
    least_capacity,
)
from tests.support.robust.everything import TERMS, random_cell_with_everything
from tests.support.seeds import Drawn

OPTIONS = {1: 12, 2: 10, 3: 7, 4: 6}


def a_cell(seed: int, terms: tuple[str, ...] = TERMS) -> Problem:
    """One of many small cells, 1 to 4 users each."""
    users = 1 + seed % 4
    rng = np.random.default_rng(seed)
    return random_cell_with_everything(rng, users, terms, OPTIONS[users])


def a_hard_cell(seed: int, terms: tuple[str, ...] = TERMS) -> Problem:
    """Such a cell; every other one with an uplink or a server just beyond what a plan needs, or
    just short of it.
    """
    problem = a_cell(seed, terms)
    kind, way = ("", "uplink", "", "server")[seed // 4 % 4], (1.0, -1.0)[seed // 16 % 2]
    factor = 1.0 + way * 10.0 ** np.random.default_rng(seed).uniform(-7, -2)
    if kind == "uplink" and 0.0 < (least := least_bandwidth_hz(problem)) < np.inf:
        return replace(problem, bandwidth_hz=least * factor)
    if kind == "server" and problem.server_capacity:
        needed = [least_capacity(problem, k) for k in range(2)]
        capacity = [
            least * factor if 0.0 < least < np.inf else held
            for least, held in zip(needed, problem.server_capacity, strict=True)
        ]
        return replace(problem, server_capacity=tuple(capacity))
    return problem


def compare(problem: Problem, seed: int) -> float | None:
    """Hold the answer against the oracle's; the relative difference of their energies."""
    best = brute_force(problem)
    solution, certificate = answer(problem)
    if best == np.inf:
        assert solution.status is Status.INFEASIBLE, seed
        return None
    assert certificate is not None, seed
    assert certificate.holds, seed
    assert solution.status is Status.OPTIMAL, seed
    assert solution.objective == pytest.approx(best, rel=1e-6), seed
    assert solution.objective >= best * (1 - 1e-9), seed
    for bound in (solution.lower_bound, certificate.lower_bound):
        assert bound is not None
        assert bound <= best * (1 + 1e-9), seed
    return abs(solution.objective / best - 1)


@pytest.mark.parametrize("term", TERMS)
def test_equals_brute_force_with_each_term_alone(term: str) -> None:
    terms = ("streams", term) if term == "servers" else (term,)
    assert compare(a_cell(1, terms), 1) is not None


# 30 cells in every suite, 300 in `make soak`.
BLOCKS = [pytest.param(k, marks=[] if k < 2 else pytest.mark.soak) for k in range(20)]


@pytest.mark.slow
@pytest.mark.parametrize("block", BLOCKS)
def test_equals_brute_force_with_every_term(block: int, drawn: Drawn) -> None:
    found = [compare(a_hard_cell(seed), seed) for seed in drawn(15 * block + 15)[-15:]]
    assert sum(error is not None for error in found) >= 5


@pytest.mark.parametrize("seed", [413, 459])
def test_options_that_alone_are_left_need_not_fit_the_servers_together(seed: int) -> None:
    """Reduced costs leave every user one option there."""
    assert compare(a_hard_cell(seed), seed) is not None


def over_all_clocks(option: Option, share: np.ndarray) -> np.ndarray:
    """Least energy of every option at a share, over many clocks, in the words of the statement."""
    problem, work = option.problem, option.problem.workloads
    row, user = option.row, option.owner
    law, standby = problem.rate_law, work.standby_power_w[problem.workload[user]]
    snr = problem.tx_power_w[user] * problem.gain[user] / (problem.noise_w_per_hz * share)
    per_hz = np.minimum(law.max_bps_per_hz, law.efficiency * np.log2(1 + snr / law.snr_gap))
    tau = work.crossing_bit[row] / (share * per_hz)
    tau_max = work.crossing_most_bit[row] / (share * per_hz)
    back = work.result_bit[row] / problem.downlink_bps
    back = back + np.where(work.crossing_bit[row] > 0, problem.network_mean_s, 0.0)
    drawn = problem.tx_power_w if problem.radio_power_w is None else problem.radio_power_w
    part = np.linspace(0.0, 1.0, 4001)[:, None]
    fmin, fmax = work.clock_min_hz[row], work.clock_max_hz[row]
    f = fmin * (fmax / fmin) ** part
    device = work.cycles[row] / f + work.overhead_s[row]
    power = work.static_power_w[row] + work.power_coefficient[row] * f ** work.power_exponent[row]
    energy = power * device + work.fixed_energy_j[row] + drawn[user] * tau
    energy += work.energy_j_per_bit[problem.workload[user]] * work.crossing_bit[row]
    energy += standby * (device + tau + back + work.server_mean_s[row])
    late = device - work.overhead_s[row] + tau_max > option.time_left * (1 + 1e-12)
    if problem.rate_hz is not None:
        period = 1 / problem.rate_hz[user]
        late |= (device - work.overhead_s[row] > option.device_left) | (tau_max > period)
        energy *= problem.rate_hz[user]
    return np.where(late | ~option.open, np.inf, energy).min(axis=0)


@pytest.mark.slow
@pytest.mark.parametrize("block", range(2))
def test_the_oracles_curve_is_the_least_over_all_clocks(block: int) -> None:
    compared = 0
    for seed in range(block, 120, 2):
        option = Option(a_cell(seed))
        everything = np.arange(len(option.row))
        for part in (0.02, 0.1, 0.5, 1.0):
            share = np.full(len(everything), part * option.problem.bandwidth_hz)
            energy, least = option.energy(share, everything), over_all_clocks(option, share)
            both = np.isfinite(least)
            assert np.all(energy[both] <= least[both] * (1 + 1e-9))
            assert np.all(energy[both] >= least[both] * (1 - 3e-3))
            # A coarse list of clocks may miss the only one in time.
            assert np.mean(np.isfinite(energy) == both) > 0.9
            compared += int(both.sum())
    assert compared > 500


@pytest.mark.parametrize("block", range(2))
def test_the_oracles_slope_is_that_of_its_curve(block: int) -> None:
    compared = 0
    for seed in range(block, 120, 2):
        option = Option(a_cell(seed))
        sends = np.nonzero(option.d > 0)[0]
        for part in (0.05, 0.3):
            share = np.full(len(sends), part * option.problem.bandwidth_hz)
            step = 1e-5 * share
            at = np.isfinite(option.energy(share - step, sends))
            share, step, some = share[at], step[at], sends[at]
            before, here, beyond = (option.energy(share + k * step, some) for k in (-1, 0, 1))
            left, right = (before - here) / step, (here - beyond) / step
            rounding = 1e-10 * here / step
            # Convex and falling; at a kink the slope is one of both.
            assert np.all(right >= -rounding)
            assert np.all(left + rounding >= right)
            slope = option.marginal(share, some)
            assert np.all(slope <= left * (1 + 1e-3) + rounding)
            assert np.all(slope >= right * (1 - 1e-3) - rounding)
            compared += int(at.sum())
    assert compared > 250


@pytest.mark.slow
@pytest.mark.parametrize("block", [0, *(pytest.param(k, marks=pytest.mark.soak) for k in (1, 2))])
def test_the_check_accepts_the_oracles_plans_at_their_energies(block: int) -> None:
    """Two of three programs that share no formula, whatever the third says."""
    compared = 0
    for seed in range(block, 60, 3):
        problem = a_cell(seed)
        best, decision = best_plan(problem)
        if decision is not None:
            certificate = check(problem, decision)
            assert certificate.violations == (), seed
            assert certificate.objective == pytest.approx(best, rel=1e-12), seed
            compared += 1
    assert compared > 13

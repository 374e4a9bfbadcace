"""What a plan says of a user is true: sums, bounds, the weakest channel it survives, the way
out.
"""

from dataclasses import fields, replace
from functools import cache
from typing import Any

import numpy as np
import pytest

from solvers.compiled.library import Kernel, using
from solvers.rate_law import RateLaw
from solvers.robust.check import check
from solvers.robust.details import describe
from solvers.robust.problem import Decision, Problem
from solvers.robust.solve import solve
from tests.support.robust.cells import a_cell, random_cell, workloads
from tests.support.robust.everything import random_cell_with_everything
from tests.support.robust.kernel import the_library


@cache
def cells() -> list[tuple[Problem, Any]]:
    some = [
        random_cell(np.random.default_rng(seed), 5, 5, ("generic", "levels")[seed % 2])
        for seed in range(20)
    ]
    some += [random_cell_with_everything(np.random.default_rng(seed), 4) for seed in range(20)]
    solved = [(problem, solve(problem)) for problem in [a_cell(12), *some]]
    return [(problem, solution) for problem, solution in solved if solution.decision is not None]


def test_parts_add_up() -> None:
    for problem, solution in cells():
        details = describe(problem, solution.decision)
        spent = details.energy_j * (1.0 if problem.rate_hz is None else problem.rate_hz)
        assert spent.sum() == pytest.approx(solution.objective, rel=1e-12)
        assert np.all(details.uplink_s <= details.uplink_most_s)
        mean = details.device_s + details.uplink_s + details.network_s + details.server_s
        assert np.allclose(mean, details.mean_s, rtol=1e-14)
        assert np.all(details.bound_s <= problem.deadline_s * (1 + 1e-12))
        assert np.all(details.slack_s >= 0.0)


def test_cantellis_bound_is_within_the_risk_under_its_own_margin() -> None:
    details = describe(a_cell(12), solve(a_cell(12)).decision)
    assert np.all(details.violation_bound <= a_cell(12).risk * (1 + 1e-9))


def test_plan_survives_down_to_the_least_gain_and_not_below() -> None:
    compared = 0
    for problem, solution in cells():
        details = describe(problem, solution.decision)
        sends = np.isfinite(details.least_gain)
        assert np.array_equal(sends, solution.decision.bandwidth_hz > 0)
        assert np.all(details.least_gain[sends] <= problem.gain[sends] * (1 + 1e-9))
        for n in np.nonzero(sends)[0]:
            for factor, holds in ((1 + 1e-6, True), (1 - 1e-2, False)):
                gain = problem.gain.copy()
                gain[n] = details.least_gain[n] * factor
                assert check(replace(problem, gain=gain), solution.decision).holds is holds
            compared += 1
    assert compared > 30


@pytest.mark.slow
def test_fallback_keeps_the_deadline_without_the_channel() -> None:
    for problem, solution in cells():
        if problem.server_capacity:
            continue
        details = describe(problem, solution.decision)
        deaf = replace(problem, gain=np.full(problem.users, 1e-60))
        for n in range(problem.users):
            columns = {
                field.name: getattr(deaf, field.name)[[n]]
                for field in fields(deaf)
                if isinstance(getattr(deaf, field.name), np.ndarray)
            }
            alone = replace(deaf, **columns)
            found = solve(alone)
            if details.fallback_cut[n] < 0:
                assert found.decision is None
            else:
                assert found.decision.cut(alone)[0] == details.fallback_cut[n]


def test_the_whole_device_also_idles_while_it_is_waited_for() -> None:
    """What `whole` adds to a decision is the idle power for the whole response time, split in
    two.
    """
    for problem, solution in cells():
        work = problem.workloads
        idle = np.linspace(0.3, 4.0, len(work.standby_power_w))
        asleep = replace(work, standby_power_w=np.zeros(len(idle)))
        marginal, whole = (
            describe(replace(problem, workloads=table), solution.decision)
            for table in (asleep, replace(work, standby_power_w=idle))
        )
        added = idle[problem.workload] * marginal.mean_s
        assert np.allclose(whole.energy_j, marginal.energy_j + added, rtol=1e-13)
        waited = idle[problem.workload] * (whole.network_s + whole.server_s)
        assert np.allclose(whole.waiting_energy_j, waited, rtol=1e-14)
        assert np.allclose(whole.standby_energy_j + waited, added, rtol=1e-13)
        for name in ("compute_energy_j", "static_energy_j", "radio_energy_j"):
            assert np.array_equal(getattr(whole, name), getattr(marginal, name))
        assert not np.any(marginal.standby_energy_j + marginal.waiting_energy_j)


def test_energies_of_a_plan_worked_by_hand() -> None:
    """A gigacycle at 1 GHz with 10 ms before it, 2 W + 3 W/GHz², 0.5 J to start; 8 Mbit expected of
    10 Mbit at 5 bit/s/Hz over 2 MHz; 1 Mbit back at 10 Mbit/s; 0.1 s server; a radio of 1.5 W and
    20 nJ/bit; 0.4 W standby.
    """
    table = replace(
        workloads(cycles=[1e9], crossing_bit=[10e6], clock_hz=(1e8, 1e9), cv=0.0),
        overhead_s=np.array([0.01]),
        static_power_w=np.array([2.0]),
        power_coefficient=np.array([3e-18]),
        power_exponent=np.array([2.0]),
        fixed_energy_j=np.array([0.5]),
        crossing_bit=np.array([8e6]),
        result_bit=np.array([1e6]),
        server_mean_s=np.array([0.1]),
        server_variance_s2=np.array([0.0]),
        energy_j_per_bit=np.array([20e-9]),
        standby_power_w=np.array([0.4]),
    )
    problem = a_cell(
        1,
        workloads=table,
        rate_law=RateLaw(max_bps_per_hz=5.0),
        downlink_bps=10e6,
        radio_power_w=np.array([1.5]),
        deadline_s=np.array([3.0]),
        gain=np.array([1e-6]),
    )
    decision = Decision(
        option=np.array([0]), frequency_hz=np.array([1e9]), bandwidth_hz=np.array([2e6])
    )
    details = describe(problem, decision)
    assert details.uplink_s[0] == pytest.approx(0.8)
    assert details.uplink_most_s[0] == pytest.approx(1.0)
    assert details.mean_s[0] == pytest.approx(1.01 + 0.8 + 0.1 + 0.1)
    assert details.bound_s[0] == pytest.approx(1.01 + 1.0 + 0.1 + 0.1)
    assert details.compute_energy_j[0] == pytest.approx(3.0 * 1.01 + 0.5)
    assert details.static_energy_j[0] == pytest.approx(2.0 * 1.01)
    assert details.radio_energy_j[0] == pytest.approx(1.5 * 0.8 + 20e-9 * 8e6)
    assert details.standby_energy_j[0] == pytest.approx(0.4 * (1.01 + 0.8))
    assert details.waiting_energy_j[0] == pytest.approx(0.4 * 0.2)


def test_no_channel_carries_more_than_the_cap_of_its_law() -> None:
    """A plan at the cap survives down to the gain at which the cap ends, whatever slack a better
    one would find.
    """
    problem = a_cell(1, rate_law=RateLaw(efficiency=0.5, max_bps_per_hz=2.0, snr_gap=2.0))
    bits = float(problem.workloads.crossing_bit[0])
    share = np.array([bits / 0.1 / 2.0])  # 0.1 s at the cap
    decision = Decision(
        option=np.array([0]), frequency_hz=problem.workloads.clock_min_hz[:1], bandwidth_hz=share
    )
    details = describe(replace(problem, gain=np.array([1e-3])), decision)
    late = details.bound_s[0]
    tight = replace(problem, gain=np.array([1e-3]), deadline_s=np.array([late]))
    at_cap = (2.0**4 - 1.0) * 2.0 * problem.noise_w_per_hz * share[0] / 0.2
    assert describe(tight, decision).least_gain[0] == pytest.approx(at_cap, rel=1e-9)
    slack = replace(tight, deadline_s=np.array([late + 0.1]))  # half the rate is enough
    assert describe(slack, decision).least_gain[0] == pytest.approx(at_cap / 15.0 * 3.0, rel=1e-9)


def test_both_kernels_fall_back_to_the_same_cut() -> None:
    the_library()
    found = 0
    for problem, solution in cells():
        cuts = []
        for kernel in Kernel.COMPILED, Kernel.NUMPY:
            with using(kernel):
                cuts.append(describe(problem, solution.decision).fallback_cut)
        np.testing.assert_array_equal(*cuts)
        found += int(np.sum(cuts[0] >= 0))
    assert found > 20

"""Every term of time, energy and limits against the formulas of the problem, in plain numbers."""

import math
from dataclasses import replace
from statistics import NormalDist

import numpy as np
import pytest

from solvers.margin import Margin
from solvers.rate_law import RateLaw
from solvers.robust.check import check
from solvers.robust.check.terms import terms
from solvers.robust.problem import Decision, Problem
from tests.support.robust.cells import a_cell
from tests.support.robust.everything import random_cell_with_everything


def any_decision(rng: np.random.Generator, problem: Problem) -> Decision:
    """Some option, clock and share of each user, in range but perhaps not in time."""
    work = problem.workloads
    option = rng.integers(0, np.diff(work.first)[problem.workload])
    row = work.first[problem.workload] + option
    return Decision(
        option=option,
        frequency_hz=rng.uniform(work.clock_min_hz[row], work.clock_max_hz[row]),
        bandwidth_hz=rng.dirichlet(np.ones(problem.users)) * problem.bandwidth_hz,
    )


def in_plain_numbers(problem: Problem, decision: Decision, n: int) -> dict[str, float]:
    """Times [s] and energy [J] of one user."""
    kind, work = int(problem.workload[n]), problem.workloads
    row = int(work.first[kind] + decision.option[n])
    value = {
        name: float(getattr(work, name)[row])
        for name in work.per_row()
        if name not in ("cut", "fits_memory", "server_load_s")
    }
    f, b, law = float(decision.frequency_hz[n]), float(decision.bandwidth_hz[n]), problem.rate_law
    p = float(problem.tx_power_w[n])
    snr = p * float(problem.gain[n]) / (problem.noise_w_per_hz * b)
    rate = b * min(law.max_bps_per_hz, law.efficiency * math.log(1 + snr / law.snr_gap, 2))
    device = value["cycles"] / f + value["overhead_s"]
    tau, most = value["crossing_bit"] / rate, value["crossing_most_bit"] / rate
    r = problem.network_mean_s if value["crossing_bit"] > 0 else 0.0
    r += value["result_bit"] / problem.downlink_bps
    total = device + tau + r + value["server_mean_s"]
    radio = p if problem.radio_power_w is None else float(problem.radio_power_w[n])
    watts = value["static_power_w"] + value["power_coefficient"] * f ** value["power_exponent"]
    energy = watts * device + value["fixed_energy_j"] + radio * tau
    energy += float(work.energy_j_per_bit[kind]) * value["crossing_bit"]
    energy += float(work.standby_power_w[kind]) * total
    return {
        "mean_s": total,
        "most_s": total + most - tau,
        "device_s": device,
        "uplink_most_s": most,
        "energy_j": energy,
    }


def test_times_and_energies_are_those_of_the_formulas() -> None:
    for seed in range(60):
        rng = np.random.default_rng(seed)
        problem = random_cell_with_everything(rng, 4)
        decision = any_decision(rng, problem)
        found = terms(problem, decision)
        for n in range(problem.users):
            for name, expected in in_plain_numbers(problem, decision, n).items():
                assert getattr(found, name)[n] == pytest.approx(expected, rel=1e-11), name
        rate = np.ones(problem.users) if problem.rate_hz is None else problem.rate_hz
        row = problem.workloads.first[problem.workload] + decision.option
        certificate = check(problem, decision)
        assert certificate.objective == pytest.approx(float((rate * found.energy_j).sum()))
        for k in range(len(problem.server_capacity)):
            load = problem.workloads.server_load_s[row, k]
            assert certificate.used[f"server_{k}_s"] == pytest.approx(float((rate * load).sum()))


def test_the_radio_draws_what_it_radiates_unless_it_is_said() -> None:
    problem = a_cell(3)
    decision = any_decision(np.random.default_rng(0), problem)
    said = replace(problem, radio_power_w=problem.tx_power_w)
    assert np.array_equal(terms(problem, decision).energy_j, terms(said, decision).energy_j)


def test_a_law_of_shannon_is_no_law() -> None:
    problem = a_cell(3)
    decision = any_decision(np.random.default_rng(0), problem)
    far = replace(problem, rate_law=RateLaw(max_bps_per_hz=1e9))
    assert np.array_equal(terms(problem, decision).mean_s, terms(far, decision).mean_s)


def test_silence_takes_no_network_and_no_bits_without_a_share() -> None:
    problem = a_cell(2)
    all_on_the_device = Decision(
        option=np.full(2, 10), frequency_hz=np.full(2, 1e9), bandwidth_hz=np.zeros(2)
    )
    standing_by = replace(problem.workloads, standby_power_w=np.ones(1))
    found = terms(replace(problem, workloads=standing_by, network_mean_s=1.0), all_on_the_device)
    assert np.all(found.mean_s == found.device_s)
    assert np.all(np.isfinite(found.energy_j))
    unsent = replace(all_on_the_device, option=np.zeros(2, dtype=np.int64))
    assert np.all(terms(problem, unsent).mean_s == np.inf)


# What breaks each new limit: how a plan that keeps it by a hair is made to miss it by a hair.
HAIR = 5e-9  # relative; the tolerance is 1e-9


def a_stream(**changes: object) -> tuple[Problem, Decision]:
    """One camera that sends its picture, with all its stages far from their ends."""
    base = a_cell(1)
    work = replace(
        base.workloads,
        device_variance_s2=np.full(11, 1e-6),
        device_variance_low_s2=np.full(11, 1e-6),
        device_excess_s=np.full(11, 4e-3),
        server_excess_s=np.full(11, 5e-3),
        server_load_s=base.workloads.server_mean_s[:, None],
        loss=np.full(11, 0.01),
    )
    values = {
        "workloads": work,
        "rate_hz": np.array([1.0]),
        "server_capacity": (1.0,),
        "max_loss": np.array([0.1]),
        "deadline_s": np.array([10.0]),
    }
    decision = Decision(
        option=np.array([3]), frequency_hz=np.array([1e9]), bandwidth_hz=np.array([5e5])
    )
    return replace(base, **(values | changes)), decision


def broken(problem: Problem, decision: Decision) -> set[str]:
    return {str(violation.constraint) for violation in check(problem, decision).violations}


@pytest.mark.parametrize("margin", list(Margin))
def test_the_device_keeps_up_with_its_stream_with_a_margin_of_its_own(margin: Margin) -> None:
    problem, decision = a_stream(margin=margin, bandwidth_hz=1e8)
    decision = replace(decision, bandwidth_hz=np.array([1e8]))
    assert broken(problem, decision) == set()
    factor = {
        Margin.CANTELLI: math.sqrt(0.98 / 0.02),
        Margin.GAUSSIAN: NormalDist().inv_cdf(0.98),
        Margin.UNIMODAL: math.sqrt(4.0 / (9.0 * 0.02) - 1.0),
        Margin.MEAN: 0.0,
        Margin.WORST_CASE: 4.0,
        Margin.MEASURED: 4.0,
    }[margin]
    device_s = float(terms(problem, decision).device_s[0])
    period = device_s + factor * 1e-3
    assert period > float(terms(problem, decision).uplink_most_s[0])
    for factor, expected in ((1.0 - HAIR, {"stage"}), (1.0 - 5e-10, set()), (1.0, set())):
        kept = replace(problem, rate_hz=np.array([1.0 / (period * factor)]))
        assert broken(kept, decision) == expected


def test_the_uplink_keeps_up_with_the_most_bits() -> None:
    problem, decision = a_stream(margin=Margin.MEAN)
    work = problem.workloads
    problem = replace(problem, workloads=replace(work, crossing_most_bit=work.crossing_bit * 4.0))
    period = float(terms(problem, decision).uplink_most_s[0])
    assert period > float(terms(problem, decision).device_s[0])
    for factor, expected in ((1.0 - HAIR, {"stage"}), (1.0 - 5e-10, set()), (1.0, set())):
        kept = replace(problem, rate_hz=np.array([1.0 / (period * factor)]))
        assert broken(kept, decision) == expected


def test_the_deadline_is_that_of_the_most_bits() -> None:
    problem, decision = a_stream(margin=Margin.MEAN, rate_hz=np.array([1e-3]))
    work = problem.workloads
    problem = replace(problem, workloads=replace(work, crossing_most_bit=work.crossing_bit * 4.0))
    most = float(terms(problem, decision).most_s[0])
    assert most > 1.5 * float(terms(problem, decision).mean_s[0])
    for factor, expected in ((1.0 - HAIR, {"deadline"}), (1.0 - 5e-10, set()), (1.0, set())):
        assert broken(replace(problem, deadline_s=np.array([most * factor])), decision) == expected


def test_results_that_come_back_are_late_too() -> None:
    problem, decision = a_stream(margin=Margin.MEAN, downlink_bps=1e6)
    before = float(terms(problem, decision).mean_s[0])
    result = replace(problem.workloads, result_bit=np.full(11, 2e5))
    problem = replace(problem, workloads=result, deadline_s=np.array([before + 0.2]))
    assert broken(problem, decision) == set()
    assert broken(replace(problem, downlink_bps=0.99e6), decision) == {"deadline"}


def test_no_more_is_lost_than_allowed() -> None:
    for allowed, expected in ((0.01, set()), (0.01 * (1.0 - HAIR), {"loss"}), (0.0, {"loss"})):
        problem, decision = a_stream(max_loss=np.array([allowed]))
        assert broken(problem, decision) == expected
    problem, decision = a_stream(max_loss=None)
    assert broken(problem, decision) == set()


def test_a_server_does_no_more_than_its_budget() -> None:
    problem, decision = a_stream(rate_hz=np.array([1.25]))
    busy = 1.25 * float(problem.workloads.server_mean_s[3])
    assert check(problem, decision).used["server_0_s"] == pytest.approx(busy)
    for factor, expected in ((1.0, set()), (1.0 - 5e-10, set()), (1.0 - HAIR, {"server"})):
        assert broken(replace(problem, server_capacity=(busy * factor,)), decision) == expected


def test_each_server_has_a_budget_of_its_own() -> None:
    problem, decision = a_stream()
    work = problem.workloads
    split = replace(work, server_load_s=np.stack([0.0 * work.server_mean_s, work.server_mean_s], 1))
    busy = float(work.server_mean_s[3])
    kept = replace(problem, workloads=split, server_capacity=(1e-9, busy))
    assert broken(kept, decision) == set()
    swapped = check(replace(kept, server_capacity=(busy, 1e-9)), decision)
    assert [violation.constraint for violation in swapped.violations] == ["server"]
    assert swapped.violations[0].user is None
    assert swapped.violations[0].excess == pytest.approx(busy, rel=1e-6)

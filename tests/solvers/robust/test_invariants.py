"""What must hold of plans with every term, whatever the numbers are."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from solvers.margin import Margin
from solvers.outcome import Options
from solvers.robust.check import check
from solvers.robust.details import describe
from solvers.robust.problem import Decision, Problem, Workloads
from solvers.robust.solve import solve
from tests.support.robust.brute_force import least_capacity
from tests.support.robust.everything import TERMS, random_cell_with_everything
from tests.support.seeds import Drawn

pytestmark = pytest.mark.slow

FINE = Options(gap=1e-9)


def a_cell(seed: int, terms: tuple[str, ...] = TERMS, users: int | None = None) -> Problem:
    rng = np.random.default_rng(seed)
    return random_cell_with_everything(rng, users or 1 + seed % 6, terms, 8)


def planned(problem: Problem) -> tuple[Decision, float]:
    solution = solve(problem, FINE)
    assert solution.decision is not None
    assert solution.objective is not None
    return solution.decision, solution.objective


def feasible(problem: Problem) -> bool:
    return solve(problem).decision is not None


def rates(problem: Problem) -> np.ndarray:
    return np.ones(problem.users) if problem.rate_hz is None else problem.rate_hz


def test_the_whole_energy_is_the_marginal_one_and_idle_power_over_the_response() -> None:
    compared = 0
    for seed in range(60):
        whole = a_cell(seed)
        standby = whole.workloads.standby_power_w
        if not standby.any() or not feasible(whole):
            continue
        decision, energy = planned(whole)
        marginal = replace(
            whole, workloads=replace(whole.workloads, standby_power_w=np.zeros_like(standby))
        )
        waited = rates(whole) * standby[whole.workload] * describe(whole, decision).mean_s
        expected = check(marginal, decision).objective + waited.sum()
        assert energy == pytest.approx(expected, rel=1e-12), seed
        compared += 1
    assert compared >= 25


def test_the_parts_of_the_energy_add_up() -> None:
    compared = 0
    for seed in range(40):
        problem = a_cell(seed)
        if not feasible(problem):
            continue
        decision, energy = planned(problem)
        told, weight = describe(problem, decision), rates(problem)
        assert (weight * told.energy_j).sum() == pytest.approx(energy, rel=1e-12), seed
        parts = (
            told.compute_energy_j,
            told.static_energy_j,
            told.radio_energy_j,
            told.waiting_energy_j,
            told.standby_energy_j,
        )
        assert np.all(np.array(parts) >= 0.0), seed
        np.testing.assert_allclose(sum(parts), told.energy_j, rtol=1e-12)
        # Each is what it says.
        work, row = problem.workloads, problem.workloads.first[problem.workload] + decision.option
        idle = work.standby_power_w[problem.workload]
        np.testing.assert_allclose(
            told.static_energy_j, work.static_power_w[row] * told.device_s, rtol=1e-12
        )
        np.testing.assert_allclose(
            told.standby_energy_j, idle * (told.device_s + told.uplink_s), rtol=1e-12
        )
        np.testing.assert_allclose(
            told.waiting_energy_j, idle * (told.network_s + told.server_s), rtol=1e-12
        )
        drawn = problem.tx_power_w if problem.radio_power_w is None else problem.radio_power_w
        per_bit = work.energy_j_per_bit[problem.workload] * work.crossing_bit[row]
        np.testing.assert_allclose(told.radio_energy_j, drawn * told.uplink_s + per_bit, rtol=1e-12)
        compared += 1
    assert compared >= 25


def with_servers(problem: Problem, capacity: tuple[float, ...]) -> Problem:
    return replace(problem, server_capacity=capacity)


def test_servers_that_never_fill_up_are_no_servers() -> None:
    compared = 0
    for seed in range(60):
        problem = a_cell(seed)
        if not problem.server_capacity:
            continue
        large = solve(with_servers(problem, (1e6, 1e6)), FINE)
        work = problem.workloads
        bare = replace(work, server_load_s=np.zeros((len(work.cut), 0)))
        endless = solve(replace(problem, workloads=bare, server_capacity=()), FINE)
        assert large.status is endless.status, seed
        if endless.objective is None:
            continue
        assert large.objective == pytest.approx(endless.objective, rel=1e-9), seed
        assert large.prices["dual_server_0_j_per_s"] == 0.0
        assert large.prices["dual_server_1_j_per_s"] == 0.0
        compared += 1
    assert compared >= 20


def with_rows(
    problem: Problem, change: Callable[[dict[str, np.ndarray]], None]
) -> tuple[Problem, np.ndarray]:
    """The problem with a changed copy behind every option that crosses; and the rows that are
    copies.
    """
    work = problem.workloads
    crosses = work.crossing_bit > 0.0
    order = np.argsort(np.concatenate((np.arange(len(crosses)), np.nonzero(crosses)[0] + 0.5)))
    copy = np.concatenate((np.zeros(len(crosses), bool), np.ones(crosses.sum(), bool)))[order]
    columns = {}
    copies = {name: getattr(work, name)[crosses].copy() for name in Workloads.per_row()}
    change(copies)
    for name in Workloads.per_row():
        columns[name] = np.concatenate((getattr(work, name), copies[name]))[order]
    counts = np.add.reduceat(1 + crosses.astype(np.int64), work.first[:-1])
    first = np.concatenate(([0], np.cumsum(counts)))
    return replace(problem, workloads=replace(work, first=first, **columns)), copy


def bits_by(factor: float, server_s: float) -> Callable[[dict[str, np.ndarray]], None]:
    def change(columns: dict[str, np.ndarray]) -> None:
        columns["crossing_bit"] *= factor
        columns["crossing_most_bit"] *= factor
        columns["server_mean_s"] += server_s

    return change


def test_a_codec_that_is_dominated_is_never_sent() -> None:
    compared = 0
    for seed in range(30):
        problem = a_cell(seed)
        if not feasible(problem):
            continue
        more, copy = with_rows(problem, bits_by(1.2, 1e-3))
        decision, energy = planned(more)
        row = more.workloads.first[more.workload] + decision.option
        assert not copy[row].any(), seed
        assert energy == pytest.approx(planned(problem)[1], rel=2e-9), seed
        compared += int(np.any(more.workloads.crossing_bit[row] > 0.0))
    assert compared >= 15


def test_a_codec_that_dominates_is_always_sent() -> None:
    compared = 0
    for seed in range(30):
        problem = a_cell(seed)
        if not feasible(problem):
            continue
        more, copy = with_rows(problem, bits_by(0.8, 0.0))
        decision, _ = planned(more)
        row = more.workloads.first[more.workload] + decision.option
        sends = more.workloads.crossing_bit[row] > 0.0
        assert copy[row][sends].all(), seed
        compared += int(sends.any())
    assert compared >= 15


def looser_risk(problem: Problem, k: float) -> Problem:
    most = 0.5 if problem.margin is Margin.GAUSSIAN else 0.9
    return replace(problem, risk=np.minimum(problem.risk * k, most))


def looser_loss(problem: Problem, k: float) -> Problem:
    if problem.max_loss is None:
        return problem
    return replace(problem, max_loss=np.minimum(problem.max_loss + 0.02 * (k - 1.0), 1.0))


LOOSER: dict[str, Callable[[Problem, float], Problem]] = {
    "deadline": lambda p, k: replace(p, deadline_s=p.deadline_s * k),
    "risk": looser_risk,
    "bandwidth": lambda p, k: replace(p, bandwidth_hz=p.bandwidth_hz * k),
    "gain": lambda p, k: replace(p, gain=p.gain * k),
    "rate law": lambda p, k: replace(
        p,
        rate_law=replace(
            p.rate_law,
            efficiency=min(1.0, p.rate_law.efficiency * k),
            max_bps_per_hz=p.rate_law.max_bps_per_hz * k,
            snr_gap=max(1.0, p.rate_law.snr_gap / k),
        ),
    ),
    "downlink": lambda p, k: replace(p, downlink_bps=p.downlink_bps * k),
    "servers' capacity": lambda p, k: with_servers(p, tuple(c * k for c in p.server_capacity)),
    "max_loss": looser_loss,
}


@pytest.mark.parametrize("what", LOOSER)
def test_what_is_looser_never_costs_more(what: str, drawn: Drawn) -> None:
    compared = 0
    seeds = drawn(20, soak=120)
    for seed in seeds:
        problem = a_cell(seed)
        if what == "servers' capacity" and problem.server_capacity:
            # From where the first has just enough.
            least = least_capacity(problem, 0) if problem.users <= 4 else 0.0
            if 0.0 < least < np.inf:
                problem = with_servers(problem, (least, problem.server_capacity[1]))
        factor = float(np.random.default_rng(seed).uniform(1.0, 3.0))
        before, after = solve(problem, FINE), solve(LOOSER[what](problem, factor), FINE)
        if before.objective is None:
            continue
        assert after.objective is not None, seed
        assert after.objective <= before.objective * (1 + 3e-9), seed
        compared += 1
    assert compared >= len(seeds) // 2


def test_one_more_server_never_costs_more(drawn: Drawn) -> None:
    """The second stands still before, which leaves every user an option at the device."""
    compared = 0
    for seed in drawn(60):
        problem = a_cell(seed)
        if not problem.server_capacity:
            continue
        work = problem.workloads
        runs = work.fits_memory & (work.server_load_s[:, 1] == 0.0)
        if not np.all(np.add.reduceat(runs.astype(np.int64), work.first[:-1])):
            continue
        alone = replace(problem, workloads=replace(work, fits_memory=runs))
        before, after = solve(alone, FINE), solve(problem, FINE)
        if before.objective is not None:
            assert after.objective is not None, seed
            assert after.objective <= before.objective * (1 + 3e-9), seed
            compared += 1
    assert compared >= 5


USERS = (
    "workload",
    "tx_power_w",
    "radio_power_w",
    "rate_hz",
    "max_loss",
    "gain",
    "deadline_s",
    "risk",
    "correlation",
)


def test_the_answer_does_not_depend_on_the_order_of_users() -> None:
    compared = 0
    for seed in range(30):
        problem = a_cell(seed, users=5)
        order = np.random.default_rng(seed).permutation(5)
        columns = {name: getattr(problem, name) for name in USERS}
        turned = replace(
            problem,
            **{name: column[order] for name, column in columns.items() if column is not None},
        )
        one, other = solve(problem, FINE), solve(turned, FINE)
        assert one.status is other.status, seed
        if one.objective is None:
            continue
        assert one.decision is not None
        assert other.decision is not None
        assert other.objective == pytest.approx(one.objective, rel=2e-9), seed
        if np.array_equal(one.decision.option[order], other.decision.option):
            np.testing.assert_allclose(
                one.decision.bandwidth_hz[order], other.decision.bandwidth_hz, rtol=1e-5
            )
            compared += 1
    assert compared >= 15


def in_other_seconds(p: Problem, k: float) -> Problem:
    """Seconds counted in parts, hertz and watts likewise: joules stay, watts do not."""
    work = p.workloads
    return replace(
        p,
        bandwidth_hz=p.bandwidth_hz / k,
        network_mean_s=p.network_mean_s * k,
        network_variance_s2=p.network_variance_s2 * k * k,
        downlink_bps=p.downlink_bps / k,
        tx_power_w=p.tx_power_w / k,
        radio_power_w=None if p.radio_power_w is None else p.radio_power_w / k,
        rate_hz=None if p.rate_hz is None else p.rate_hz / k,
        deadline_s=p.deadline_s * k,
        workloads=replace(
            work,
            standby_power_w=work.standby_power_w / k,
            static_power_w=work.static_power_w / k,
            power_coefficient=work.power_coefficient * k ** (work.power_exponent - 1.0),
            clock_min_hz=work.clock_min_hz / k,
            clock_max_hz=work.clock_max_hz / k,
            overhead_s=work.overhead_s * k,
            device_variance_s2=work.device_variance_s2 * k * k,
            device_variance_low_s2=work.device_variance_low_s2 * k * k,
            device_excess_s=work.device_excess_s * k,
            server_mean_s=work.server_mean_s * k,
            server_variance_s2=work.server_variance_s2 * k * k,
            server_excess_s=work.server_excess_s * k,
            server_load_s=work.server_load_s * k,
        ),
    )


def in_other_joules(p: Problem, k: float) -> Problem:
    """Joules counted in parts, and watts with them."""
    work = p.workloads
    return replace(
        p,
        noise_w_per_hz=p.noise_w_per_hz * k,
        tx_power_w=p.tx_power_w * k,
        radio_power_w=None if p.radio_power_w is None else p.radio_power_w * k,
        workloads=replace(
            work,
            standby_power_w=work.standby_power_w * k,
            energy_j_per_bit=work.energy_j_per_bit * k,
            static_power_w=work.static_power_w * k,
            power_coefficient=work.power_coefficient * k,
            fixed_energy_j=work.fixed_energy_j * k,
        ),
    )


def in_other_cycles(p: Problem, k: float) -> Problem:
    """Clocks counted in parts of a hertz, and the device's cycles with them."""
    work = p.workloads
    return replace(
        p,
        workloads=replace(
            work,
            clock_min_hz=work.clock_min_hz * k,
            clock_max_hz=work.clock_max_hz * k,
            cycles=work.cycles * k,
            power_coefficient=work.power_coefficient * k**-work.power_exponent,
        ),
    )


UNITS = {"seconds": in_other_seconds, "joules": in_other_joules, "cycles": in_other_cycles}


@pytest.mark.parametrize("factor", [1e3, 1e-3])
@pytest.mark.parametrize("unit", UNITS)
def test_the_answer_does_not_depend_on_the_units(unit: str, factor: float) -> None:
    compared = 0
    for seed in range(15):
        problem = a_cell(seed)
        one, other = solve(problem, FINE), solve(UNITS[unit](problem, factor), FINE)
        assert one.status is other.status, seed
        if one.objective is None:
            continue
        scale = {
            "seconds": 1.0 if problem.rate_hz is None else 1.0 / factor,
            "joules": factor,
            "cycles": 1.0,
        }[unit]
        assert other.objective == pytest.approx(scale * one.objective, rel=2e-9), seed
        compared += 1
    assert compared >= 10

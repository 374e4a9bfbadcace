"""What an inference's energy is made of: parts that add up, idle power for all of the time."""

from dataclasses import replace

import numpy as np
import pytest

from solvers.outcome import Options
from solvers.stopping.channel import Law
from solvers.stopping.check import check
from solvers.stopping.problem import Problem
from solvers.stopping.replay import replay
from solvers.stopping.solve import solve
from tests.support.stopping.problems import a_problem, every_law, metered

KINDS = pytest.mark.parametrize("law", every_law().values(), ids=every_law())


def counted(problem: Problem, idle_w: float, *, whole: bool) -> Problem:
    """The same problem counting what the device draws beyond idle, or all that it draws."""
    power_w = idle_w if whole else 0.0
    work = replace(problem.workloads, standby_power_w=np.array([power_w]))
    return replace(problem, workloads=work, idle_power_w=np.full(problem.users, power_w))


@KINDS
def test_parts_add_up(law: Law) -> None:
    problem = metered(a_problem(users=5, layers=7, law=law), np.random.default_rng(1))
    decision = solve(problem, Options()).decision
    energy = decision.energy
    parts = [energy.compute_j, energy.static_j, energy.radio_j, energy.wait_j, energy.standby_j]
    assert np.all(np.array(parts) >= 0.0)
    np.testing.assert_allclose(np.sum(parts, axis=0), decision.energy_j, rtol=1e-12)


@KINDS
def test_whole_is_marginal_and_idle_for_all_the_time(law: Law) -> None:
    """For one table on the same looks, and for each fixed cut."""
    base = metered(a_problem(layers=7, seed=3, law=law), np.random.default_rng(2))
    whole, marginal = (counted(base, 0.8, whole=whole) for whole in (True, False))
    decision = solve(whole, Options()).decision
    more, less = (
        replay(of, decision, 0, 2000, np.random.default_rng(4)) for of in (whole, marginal)
    )
    np.testing.assert_array_equal(more.time_s, less.time_s)
    np.testing.assert_allclose(more.energy_j, less.energy_j + 0.8 * more.time_s, rtol=1e-9)
    timed = replace(base, time_per_s=1.0, energy_per_j=0.0)
    for name in ("device_only", "edge_only"):
        all_of_it, beyond_idle, seconds = (
            getattr(solve(of, Options()).decision.baselines, name).running_cost
            for of in (whole, marginal, timed)
        )
        added = whole.energy_per_j * 0.8 * seconds
        np.testing.assert_allclose(all_of_it, beyond_idle + added, rtol=1e-9)


@KINDS
def test_simulation_agrees(law: Law) -> None:
    problem = metered(a_problem(layers=6, seed=8, law=law), np.random.default_rng(3))
    decision = solve(problem, Options()).decision
    paths = replay(problem, decision, 0, 100_000, np.random.default_rng(5))
    for simulated, expected in (
        (paths.cost, decision.running_cost),
        (paths.time_s, decision.time_s),
        (paths.energy_j, decision.energy_j),
    ):
        error = simulated.std() / np.sqrt(simulated.size) + 1e-6 * expected[0]
        assert abs(simulated.mean() - expected[0]) < 4.0 * error


@pytest.mark.parametrize("part", ["compute_j", "static_j", "radio_j", "wait_j", "standby_j"])
def test_a_part_that_is_wrong_is_refused(part: str) -> None:
    problem = metered(a_problem(users=3, layers=6, seed=2), np.random.default_rng(1))
    decision = solve(problem, Options()).decision
    values = getattr(decision.energy, part).copy()
    values[1] += 1e-3 * decision.energy_j[1]
    tampered = replace(decision, energy=replace(decision.energy, **{part: values}))
    broken = {violation.constraint for violation in check(problem, tampered).violations}
    assert broken == {"energy_parts"}


def test_what_is_not_said_counts_for_nothing() -> None:
    problem = a_problem(users=4, layers=8)
    work = problem.workloads
    said = replace(
        problem,
        radio_power_w=problem.tx_power_w,
        workloads=replace(
            work, static_j=np.zeros(9), standby_power_w=np.zeros(1), energy_j_per_bit=np.zeros(1)
        ),
    )
    one, two = (solve(of, Options()).decision for of in (problem, said))
    for name in ("running_curve", "threshold_bps", "time_s", "energy_j", "stop_probability"):
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name))


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("static_j", np.ones(7)),
        ("static_j", np.zeros(3)),
        ("standby_power_w", np.array([-1.0])),
        ("energy_j_per_bit", np.zeros(2)),
    ],
)
def test_fields_are_named(field: str, values: np.ndarray) -> None:
    with pytest.raises(ValueError, match=field):
        replace(a_problem(layers=6).workloads, **{field: values})

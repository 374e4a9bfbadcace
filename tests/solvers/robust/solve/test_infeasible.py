"""Reasons and relaxations: what is said to help helps, and a hair less does not."""

from dataclasses import replace

import numpy as np
import pytest

from solvers.margin import Margin
from solvers.outcome import Status
from solvers.robust.problem import Problem
from solvers.robust.solve import solve
from solvers.robust.solve.infeasible import Binding, Infeasibility
from tests.support.robust.cells import a_cell, random_cell
from tests.support.seeds import Drawn


def why(problem: Problem) -> Infeasibility:
    solution = solve(problem)
    assert solution.status is Status.INFEASIBLE
    assert solution.decision is None
    assert solution.infeasibility is not None
    return solution.infeasibility


def feasible(problem: Problem) -> bool:
    return solve(problem).status is not Status.INFEASIBLE


@pytest.mark.slow
@pytest.mark.parametrize("margin", [Margin.CANTELLI, Margin.GAUSSIAN, Margin.MEAN])
def test_each_relaxation_of_a_lone_user_is_the_least(margin: Margin, drawn: Drawn) -> None:
    checked = {"deadline": 0, "risk": 0, "bandwidth": 0}
    few = 100 if margin is Margin.GAUSSIAN else 40  # where a risk helps is rare there
    for seed in drawn(few, soak=300):
        problem = random_cell(np.random.default_rng(seed), 1, 5, ("generic", "levels")[seed % 2])
        problem = replace(
            problem,
            margin=margin,
            deadline_s=problem.deadline_s * (0.2, 0.5)[seed % 3 // 2],
            risk=problem.risk * 1e-4,
        )
        if feasible(problem):
            continue
        found = why(problem)
        assert found.users.tolist() == [0]
        deadline, risk, bandwidth = (
            found.least_deadline_s[0],
            found.least_risk[0],
            found.least_bandwidth_hz[0],
        )
        assert feasible(replace(problem, deadline_s=np.array([deadline])))
        assert not feasible(replace(problem, deadline_s=np.array([deadline * (1 - 1e-9)])))
        checked["deadline"] += 1
        if np.isfinite(risk) and not (margin is Margin.GAUSSIAN and risk > 0.5):
            assert feasible(replace(problem, risk=np.array([risk])))
            assert not feasible(replace(problem, risk=np.array([risk * (1 - 1e-9)])))
            checked["risk"] += 1
        if np.isfinite(bandwidth):
            assert found.least_total_bandwidth_hz == bandwidth
            assert feasible(replace(problem, bandwidth_hz=bandwidth))
            assert not feasible(replace(problem, bandwidth_hz=bandwidth * (1 - 1e-9)))
            checked["bandwidth"] += 1
        else:
            assert not feasible(replace(problem, bandwidth_hz=problem.bandwidth_hz * 1e6))
    assert checked["deadline"] > 5
    assert checked["bandwidth"] > 1
    assert (checked["risk"] > 0) == (margin is not Margin.MEAN)


def test_no_risk_helps_where_the_mean_is_late() -> None:
    found = why(a_cell(1, deadline_s=np.array([1e-4])))
    assert np.isnan(found.least_risk[0])


def test_names_the_first_thing_that_binds() -> None:
    problem = a_cell(1, gain=np.array([1e-13]), deadline_s=np.array([0.06]))
    found = why(problem)
    by_cut = dict(zip(found.reasons.cut.tolist(), found.reasons.binding, strict=True))
    assert by_cut[0] is Binding.RATE
    assert by_cut[10] is Binding.CLOCK
    margin = why(replace(problem, deadline_s=np.array([0.115]), risk=np.array([1e-6])))
    assert Binding.MARGIN in margin.reasons.binding
    table = replace(problem.workloads, fits_memory=np.arange(len(problem.workloads.cut)) == 0)
    memory = why(replace(problem, workloads=table))
    assert memory.reasons.binding == (Binding.RATE,) + (Binding.MEMORY,) * 10
    assert np.all(np.isnan(memory.reasons.short_by_s[1:]))
    assert np.all(found.reasons.short_by_s > 0)


def test_names_stages_that_cannot_keep_up() -> None:
    """Eight seconds of deadline, but 30 inferences each second: the device takes 100 ms of each at
    its largest clock, and 50 MHz carry the picture in 12 ms.
    """
    problem = a_cell(
        1,
        bandwidth_hz=50e6,
        deadline_s=np.array([8.0]),
        rate_hz=np.array([30.0]),
        risk=np.array([0.5]),
    )
    assert feasible(problem)  # by sending everything
    narrow = replace(problem, bandwidth_hz=1e5)
    found = why(narrow)
    assert set(found.reasons.binding) == {Binding.STAGE}
    whole = 1.0 / 30.0
    work = narrow.workloads
    device = work.cycles / work.clock_max_hz
    device = device + np.sqrt(work.device_variance_s2)  # the factor of an even chance is 1
    assert found.reasons.short_by_s[-1] == pytest.approx(device[-1] - whole, rel=1e-9)
    # No deadline and no risk makes 100 kHz carry so much; enough bandwidth does.
    assert np.isnan(found.least_deadline_s[0])
    assert np.isnan(found.least_risk[0])
    assert feasible(replace(narrow, bandwidth_hz=float(found.least_bandwidth_hz[0])))
    # A risk that is all that keeps a device from its stream is told.
    local = replace(
        narrow, rate_hz=1.0 / (1.001 * device[-1:]), gain=np.array([1e-30]), risk=np.array([0.4])
    )
    told = why(local)
    assert told.least_risk[0] > 0.4
    assert feasible(replace(local, risk=told.least_risk))
    assert not feasible(replace(local, risk=told.least_risk * (1.0 - 1e-6)))
    assert told.reasons.binding[-1] is Binding.STAGE


def test_names_what_would_lose_too_much() -> None:
    """The picture may cross with a loss of a tenth only; nobody's device is fast enough."""
    problem = a_cell(1, bandwidth_hz=50e6, deadline_s=np.array([0.06]), max_loss=np.array([0.01]))
    loss = np.where(problem.workloads.crossing_bit > 0.0, 0.1, 0.0)
    problem = replace(problem, workloads=replace(problem.workloads, loss=loss))
    found = why(problem)
    assert found.reasons.binding == (Binding.LOSS,) * 10 + (Binding.CLOCK,)
    assert np.all(np.isnan(found.reasons.short_by_s[:10]))
    assert np.isnan(found.least_bandwidth_hz[0])
    assert feasible(replace(problem, max_loss=np.array([0.1])))
    assert feasible(replace(problem, max_loss=None))
    # Of several ways to send a cut, one that is allowed speaks for it.
    work = problem.workloads
    twice = np.sort(np.tile(np.arange(11), 2))
    columns = {name: getattr(work, name)[twice] for name in work.per_row()}
    columns["loss"] = np.tile([0.1, 0.0], 11)
    columns["crossing_bit"] = columns["crossing_most_bit"] = columns["crossing_bit"] * np.tile(
        [1.0, 1e3], 11
    )
    both = replace(problem, workloads=replace(work, first=np.array([0, 22]), **columns))
    found = why(both)
    assert Binding.LOSS not in found.reasons.binding
    assert np.all(found.reasons.short_by_s > 0.0)


def test_over_subscribed_cell_says_what_makes_room() -> None:
    problem = a_cell(12, deadline_s=np.full(12, 0.12), bandwidth_hz=2e6)
    found = why(problem)
    assert len(found.users) == 0
    assert found.least_total_bandwidth_hz > problem.bandwidth_hz
    assert feasible(replace(problem, bandwidth_hz=found.least_total_bandwidth_hz))
    assert not feasible(replace(problem, bandwidth_hz=found.least_total_bandwidth_hz * (1 - 1e-9)))
    factor = found.least_deadline_factor
    assert feasible(replace(problem, deadline_s=problem.deadline_s * factor))
    assert not feasible(replace(problem, deadline_s=problem.deadline_s * factor * (1 - 1e-9)))


def test_total_bandwidth_is_unknown_where_no_bandwidth_helps_somebody() -> None:
    found = why(a_cell(3, deadline_s=np.array([0.2, 1e-4, 0.2])))
    assert found.users.tolist() == [1]
    assert np.isnan(found.least_total_bandwidth_hz)
    assert np.isnan(found.least_deadline_factor)

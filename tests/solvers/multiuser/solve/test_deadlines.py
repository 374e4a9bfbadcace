"""Why there is no plan: who fails alone, which budget is short, and by how much."""

import dataclasses
import itertools

import numpy as np
import pytest

from solvers.multiuser.problem import Infeasibility, Method, Problem, Steadiness
from solvers.multiuser.solve import solve
from solvers.multiuser.solve.budget import FACTOR, SERVER, UPLINK, least
from solvers.multiuser.solve.fleet import Fleet
from solvers.outcome import Options, Status, silent
from tests.support.multiuser.brute_force import columns
from tests.support.multiuser.cells import a_cell, a_short_cell
from tests.support.seeds import Drawn


def needs(problem: Problem) -> tuple[float, float, float]:
    """Least common factor, uplink and server over all combinations, by bisection on a fine grid of slopes."""
    sizes = np.diff(problem.workloads.first)[problem.workload]
    option = np.array(list(itertools.product(*(range(size) for size in sizes))))
    _, sent, served, room = columns(problem, option)
    possible = (sent + served <= room).all(axis=1)
    sent, served, room = sent[possible], served[possible], room[possible]
    slope = np.exp(np.linspace(-14.0, 14.0, 40_001))
    both = (np.sqrt(sent * served) / room).sum(axis=1)[:, None]
    up = (sent / room).sum(axis=1)[:, None] + both * slope
    on = (served / room).sum(axis=1)[:, None] + both / slope
    factor = np.maximum(up, on).min()
    return float(factor), float(up[on <= 1.0].min(initial=np.inf)), float(on[up <= 1.0].min(initial=np.inf))


def test_least_budgets_equal_enumeration(drawn: Drawn) -> None:
    finite = 0
    for seed in drawn(25):
        problem = a_short_cell(seed)
        expected = needs(problem)
        fleet = Fleet(problem)
        for ask, amount in zip((FACTOR, UPLINK, SERVER), expected, strict=True):
            need = least(fleet, ask, np.random.default_rng(0))
            assert need.bound <= amount * (1 + 1e-6)
            assert need.found >= amount * (1 - 2e-3)  # the grid of slopes is coarse
            if np.isinf(amount):
                assert need.found == np.inf
            elif np.isfinite(need.found):
                finite += 1
                assert need.bound <= need.found
    assert finite > 30


@pytest.mark.slow
def test_the_amounts_that_suffice_do_and_those_below_do_not() -> None:
    explained = 0
    for seed in range(40):
        problem = a_short_cell(seed)
        answer = solve(problem, Options(), silent)
        if answer.status is not Status.INFEASIBLE:
            continue
        why: Infeasibility = answer.infeasibility  # type: ignore[assignment]
        assert why.proven
        assert not len(why.alone)
        assert why.factor is not None
        assert why.bandwidth_hz is not None
        assert why.server_flop_per_s is not None
        assert 1.0 - 1e-9 <= why.factor[0] <= why.factor[1]
        explained += 1
        more = why.factor[1]
        assert solve(scaled(problem, more, more), Options(), silent).decision is not None
        less = why.factor[0] * (1 - 1e-6)
        assert solve(scaled(problem, less, less), Options(), silent).decision is None
        for amount, axis in (
            (why.bandwidth_hz[1] / problem.bandwidth_hz, 0),
            (why.server_flop_per_s[1] / problem.server_flop_per_s, 1),
        ):
            if np.isfinite(amount):
                grown = scaled(problem, amount if axis == 0 else 1.0, amount if axis == 1 else 1.0)
                assert solve(grown, Options(), silent).decision is not None
    assert explained >= 10


def scaled(problem: Problem, bandwidth: float, server: float) -> Problem:
    work = dataclasses.replace(problem.workloads, server_s=problem.workloads.server_s / server)
    return dataclasses.replace(problem, workloads=work, bandwidth_hz=problem.bandwidth_hz * bandwidth)


def test_a_budget_that_cannot_mend_it_is_infinite() -> None:
    problem = a_short_cell(0)
    work = problem.workloads
    device = dataclasses.replace(work, device_s=np.where(work.crossing_bit > 0, work.device_s, 10.0))
    crowded = dataclasses.replace(
        problem, workloads=dataclasses.replace(device, server_s=0.5 * (work.crossing_bit > 0))
    )
    crowded = dataclasses.replace(crowded, bandwidth_hz=1e9, deadline_s=np.full(4, 1.5))
    why = solve(crowded, Options(), silent).infeasibility
    assert why is not None
    assert why.bandwidth_hz == (np.inf, np.inf)
    assert why.server_flop_per_s is not None
    assert np.isfinite(why.server_flop_per_s).all()


def test_who_fails_alone_is_named_with_the_deadline_it_could_keep() -> None:
    problem = a_cell(5, 8, kinds=4)
    deadline = problem.deadline_s.copy()
    deadline[[6, 2]] = 1e-3
    short = dataclasses.replace(problem, deadline_s=deadline)
    why = solve(short, Options(), silent).infeasibility
    assert why is not None
    assert why.proven
    assert why.alone.tolist() == [2, 6]
    for user, least_s in zip(why.alone, why.least_deadline_s, strict=True):
        for factor, feasible in ((1 + 1e-9, True), (1 - 1e-9, False)):
            one = dataclasses.replace(
                short,
                **{
                    name: getattr(short, name)[[user]]
                    for name in ("workload", "spectral_efficiency", "weight", "max_loss")
                },
                deadline_s=np.array([least_s * factor]),
            )
            alone = solve(one, Options(), silent).infeasibility
            assert (alone is None or not len(alone.alone)) == feasible


def test_a_loss_limit_that_forbids_everything_has_no_deadline() -> None:
    problem = a_cell(5, 3)
    work = dataclasses.replace(problem.workloads, loss=np.full(len(problem.workloads.loss), 0.2))
    strict = dataclasses.replace(problem, workloads=work, max_loss=np.array([1.0, 0.1, 1.0]))
    why = solve(strict, Options(), silent).infeasibility
    assert why is not None
    assert why.alone.tolist() == [1]
    assert why.least_deadline_s.tolist() == [np.inf]


def test_what_a_simple_rule_cannot_do_is_not_called_impossible() -> None:
    problem = a_cell(0, 4, hertz_per_user=1e7)
    work = problem.workloads
    alone = work.device_s[work.first[problem.workload + 1] - 1]
    tight = dataclasses.replace(problem, deadline_s=np.where(np.arange(4) == 0, 0.95 * alone, np.inf))
    assert solve(tight, Options(), silent).decision is not None
    rule = solve(dataclasses.replace(tight, method=Method.DEVICE_ONLY), Options(), silent)
    assert rule.status is Status.INFEASIBLE
    assert rule.infeasibility is not None
    assert not rule.infeasibility.proven


def test_more_forced_switches_than_allowed() -> None:
    problem = a_cell(0, 6)
    answer = solve(problem, Options(), silent)
    assert answer.decision is not None
    work = problem.workloads
    on_device = np.diff(work.first)[problem.workload] - 1
    alone = work.device_s[work.first[problem.workload] + on_device]
    deadline = np.where(np.arange(6) < 3, 0.99 * alone, np.inf)
    steady = Steadiness(previous=on_device, max_switches=2)
    moved = dataclasses.replace(problem, bandwidth_hz=1e12, deadline_s=deadline, steadiness=steady)
    why = solve(moved, Options(), silent).infeasibility
    assert why is not None
    assert why.switches == 3
    loose = dataclasses.replace(moved, steadiness=dataclasses.replace(steady, max_switches=3))
    assert solve(loose, Options(), silent).decision is not None
    with pytest.raises(ValueError, match="previous"):
        dataclasses.replace(moved, steadiness=Steadiness(previous=np.full(6, 99)))

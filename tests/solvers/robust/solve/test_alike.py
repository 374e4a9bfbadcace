"""Who is the same to a plan: fleets at the cap of their rate law are proven, and none wrongly."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from solvers.outcome import Status
from solvers.progress import Progress
from solvers.rate_law import RateLaw
from solvers.registry import answer
from solvers.robust.problem import Problem
from solvers.robust.solve.alike import classes, classes_in_reach
from solvers.robust.solve.answer import enter
from solvers.robust.solve.dual import Relaxation, maximise
from solvers.robust.solve.fleet import Bracketed
from solvers.robust.solve.primal import complete
from tests.support.robust.brute_force import brute_force
from tests.support.robust.cells import a_cell, random_cell
from tests.support.seeds import Drawn

LTE = RateLaw(efficiency=0.4, max_bps_per_hz=2.0)


def in_reach(problem: Problem) -> np.ndarray:
    """Classes beside the first plan of a cell."""
    entered = enter(problem, Progress())
    assert isinstance(entered, Bracketed)
    relaxation: Relaxation = entered.relaxation
    dual = maximise(relaxation, 1e-8)
    plan = complete(relaxation, dual.above, dual.below, float(np.log(dual.price)))
    return classes_in_reach(problem, relaxation, plan.energy_j, dual.bound_j, dual.price)


def test_users_at_the_cap_are_the_same_whatever_their_channels() -> None:
    problem = a_cell(60, rate_law=LTE)
    assert len(set(classes(problem).tolist())) == 60
    found = in_reach(problem)
    sizes = np.bincount(found)
    assert sizes.max() > 40
    # Whose channel does not reach the cap over what he may be given is himself.
    edge = problem.tx_power_w * problem.gain / problem.noise_w_per_hz
    worst = int(np.argmin(edge))
    deaf = replace(problem, gain=np.where(np.arange(60) == worst, 1e-13, problem.gain))
    assert np.bincount(in_reach(deaf))[in_reach(deaf)[worst]] == 1


def test_users_differ_in_all_but_their_channels() -> None:
    hurried = np.where(np.arange(60) % 2, 0.2, 0.201)
    problem = a_cell(60, rate_law=LTE, deadline_s=hurried)
    found = in_reach(problem)
    assert not set(found[::2].tolist()) & set(found[1::2].tolist())
    # What is radiated is energy, unless it is known what the radio draws.
    power = np.where(np.arange(60) % 2, 0.2, 0.25)
    told = a_cell(60, rate_law=LTE, tx_power_w=power)
    found = in_reach(told)
    assert not set(found[::2].tolist()) & set(found[1::2].tolist())
    found = in_reach(replace(told, radio_power_w=np.full(60, 1.8)))
    assert set(found[::2].tolist()) & set(found[1::2].tolist())


def test_without_a_cap_only_the_same_are_the_same() -> None:
    problem = a_cell(20)
    assert np.array_equal(in_reach(problem), classes(problem))


@pytest.mark.slow
@pytest.mark.parametrize("users", [60, 200])
def test_a_fleet_of_one_kind_is_proven(users: int) -> None:
    """Cameras on an LTE uplink with measured power: all senders need the same share, so many plans
    are the same but for names.
    """
    problem = a_cell(users)
    work = problem.workloads
    rows = len(work.cut)
    changes: dict[str, Any] = {
        "static_power_w": np.full(rows, 0.3),
        "power_exponent": np.full(rows, 2.2),
        "power_coefficient": work.power_coefficient * 1.9e9**0.8,
    }
    for fleet in (
        replace(problem, rate_law=LTE),
        replace(
            problem,
            rate_law=LTE,
            radio_power_w=np.full(users, 1.8),
            workloads=replace(work, **changes),
        ),
    ):
        solution, certificate = answer(fleet)
        assert solution.status is Status.OPTIMAL
        assert certificate is not None
        assert certificate.holds


@pytest.mark.slow
def test_no_plan_is_lost_among_users_who_are_the_same(drawn: Drawn) -> None:
    """Users alike in all but their channels, about a cap that some reach, against brute force."""
    compared = 0
    for seed in drawn(24):
        rng = np.random.default_rng(seed)
        problem = random_cell(rng, 4, 3, "tied")
        law = RateLaw(max_bps_per_hz=float(rng.choice([1.0, 2.0, 4.0])))
        snr_hz = np.expm1(law.max_bps_per_hz * np.log(2.0)) * problem.bandwidth_hz
        reach = snr_hz * problem.noise_w_per_hz / problem.tx_power_w
        problem = replace(problem, rate_law=law, gain=reach * 10.0 ** rng.uniform(-1.0, 1.0, 4))
        best = brute_force(problem)
        solution, _ = answer(problem)
        assert (solution.objective is None) == (best == np.inf)
        if solution.objective is not None:
            assert solution.status is Status.OPTIMAL
            assert solution.objective == pytest.approx(best, rel=2e-6)
            compared += 1
    assert compared > 12

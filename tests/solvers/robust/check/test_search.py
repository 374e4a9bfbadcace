"""The search of a small cell with servers that have no time for everybody."""

import math
from dataclasses import replace

import numpy as np
import pytest

from solvers.robust.check import check, prove
from solvers.robust.check.bound import lower_bound_j
from solvers.robust.problem import Decision, Problem
from tests.support.robust.brute_force import best_plan, brute_force
from tests.support.robust.cells import a_cell

ALL_LOCAL = 10


def streams(users: int, busy: float) -> Problem:
    """Cameras that would all rather send their picture, on a server with time for some of them.

    `busy` says of how many, with their whole network.
    """
    base = a_cell(users)
    whole_s = base.workloads.server_mean_s
    return replace(
        base,
        bandwidth_hz=users * 20e6,
        deadline_s=np.full(users, 2.0),
        workloads=replace(
            base.workloads,
            server_load_s=whole_s[:, None],
            power_coefficient=10.0 * base.workloads.power_coefficient,
        ),
        rate_hz=np.full(users, 0.5),
        server_capacity=(0.5 * float(whole_s[0]) * busy,),
    )


def test_the_price_of_a_server_lifts_the_bound() -> None:
    problem = streams(3, 1.5)
    best, plan = best_plan(problem)
    assert plan is not None
    free, _ = best_plan(replace(problem, server_capacity=(1e3,)))
    assert free < 0.9 * best  # so that the server costs something
    price = 1e-3 * best / problem.bandwidth_hz
    saved = best / float(problem.server_capacity[0])
    bounds = [
        lower_bound_j(problem, plan, [price], -np.inf, [np.array([saved * factor])]).energy_j
        for factor in (0.0, 0.1, 0.3, 0.6, 1.0, 10.0)
    ]
    assert bounds[0] <= free
    assert free < max(bounds) <= best
    assert bounds[-1] < max(bounds)  # too dear a server pays for its own budget


@pytest.mark.parametrize("busy", [0.5, 1.0, 1.5, 2.2])
@pytest.mark.parametrize("users", [2, 3])
def test_closes_the_gap_that_a_full_server_leaves(users: int, busy: float) -> None:
    problem = streams(users, busy)
    best, plan = best_plan(problem)
    assert plan is not None
    held = check(problem, plan)
    assert held.holds
    prices = {"dual_bandwidth_j_per_hz": 1e-3 * best / problem.bandwidth_hz}
    found = prove(problem, plan, held, best, prices, 1e-6)
    assert found.holds
    assert found.lower_bound is not None
    assert best * (1.0 - 1.01e-6) <= found.lower_bound <= best


def test_a_rival_keeps_the_servers() -> None:
    """All on the device claims to be optimal: what refutes it has room on the server."""
    problem = streams(3, 1.5)
    work = problem.workloads
    local = Decision(
        option=np.full(3, ALL_LOCAL),
        frequency_hz=np.full(3, work.clock_min_hz[ALL_LOCAL]),
        bandwidth_hz=np.zeros(3),
    )
    held = check(problem, local)
    assert held.holds
    best = brute_force(problem)
    assert best < held.objective
    price = 1e-3 * best / problem.bandwidth_hz
    bound = lower_bound_j(problem, local, [price], held.objective)
    rival = min((check(problem, one) for one in bound.rivals), key=lambda one: one.objective)
    assert rival.holds
    assert rival.used["server_0_s"] <= problem.server_capacity[0]
    assert best * (1.0 - 1e-9) <= rival.objective < held.objective
    prices = {"dual_bandwidth_j_per_hz": price}
    refuted = prove(problem, local, held, held.objective, prices, 1e-6)
    assert [violation.constraint for violation in refuted.violations] == ["lower_bound"]


@pytest.mark.parametrize("told", [math.nan, math.inf, -1e3])
def test_what_is_no_price_of_a_server_is_none(told: float) -> None:
    problem = streams(2, 1.0)
    best, plan = best_plan(problem)
    assert plan is not None
    held = check(problem, plan)
    prices = {"dual_bandwidth_j_per_hz": 1e-3 * best / problem.bandwidth_hz}
    without = prove(problem, plan, held, best, prices, 1e-6)
    found = prove(problem, plan, held, best, prices | {"dual_server_0_j_per_s": told}, 1e-6)
    assert found == without


def test_a_plan_at_the_end_of_the_tolerance_is_held_to_a_bound_of_its_limits() -> None:
    """A server a hair too small for the plan: it is accepted, and no bound refutes it."""
    problem = streams(2, 1.0)
    best, plan = best_plan(problem)
    assert plan is not None
    busy = check(problem, plan).used["server_0_s"]
    hair = replace(problem, server_capacity=(busy * (1.0 - 5e-10),))
    assert brute_force(hair) > best * 1.01
    held = check(hair, plan)
    assert held.holds
    prices = {"dual_bandwidth_j_per_hz": 1e-3 * best / problem.bandwidth_hz}
    found = prove(hair, plan, held, best, prices, 1e-6)
    assert found.holds
    assert found.lower_bound is not None
    assert found.lower_bound <= best

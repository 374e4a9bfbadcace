"""Every number that a cell without a plan is told, put into the cell: a plan at it, none a
billionth below.
"""

import itertools
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from benchmarks.robust_remedies import QUICK, infeasible_cells, planned, remedies_of
from solvers.later import LIBRARIES, Later
from solvers.outcome import Status
from solvers.registry import answer
from solvers.robust.problem import TOLERANCE, Method, Problem
from solvers.robust.solve import solve
from solvers.robust.solve.infeasible import Binding, Infeasibility
from solvers.robust.solve.remedies import _root
from tests.support.robust.cells import a_cell, random_cell
from tests.support.robust.everything import TERMS, random_cell_with_everything


@pytest.mark.slow
def test_what_is_told_is_the_least() -> None:
    told: dict[str, int] = {}
    for kind, problem, found in infeasible_cells(30):
        for remedy in remedies_of(problem, found):
            assert planned(remedy.problem), (kind, remedy.name, remedy.value)
            assert not planned(remedy.below), (kind, remedy.name, remedy.value)
            told[remedy.name] = told.get(remedy.name, 0) + 1
    assert len(told) == 7
    assert min(told.values()) >= 5, told


def strained_cells(count: int) -> Iterator[tuple[Problem, Infeasibility]]:
    """Cells with every term that have no plan: late, unsure or narrow ones, and streams too fast
    for device or uplink.
    """
    terms = tuple(term for term in TERMS if term != "servers")
    seed = found = 0
    while found < count:
        rng = np.random.default_rng([23, seed])
        seed += 1
        problem = random_cell_with_everything(rng, int(rng.integers(1, 8)), terms)
        hurried = rng.random(problem.users) < rng.choice([0.2, 0.6, 1.0])
        rate, faster = problem.rate_hz, rng.choice([1, 2, 5, 30], problem.users)
        problem = replace(
            problem,
            bandwidth_hz=problem.bandwidth_hz * rng.choice([0.02, 0.3, 1.0]),
            deadline_s=np.where(
                hurried, problem.deadline_s * rng.uniform(0.1, 1.0), problem.deadline_s
            ),
            risk=np.where(rng.random(problem.users) < 0.3, problem.risk * 1e-2, problem.risk),
            rate_hz=None if rate is None else rate * faster,
        )
        solution, _ = answer(problem, QUICK)
        if solution.infeasibility is not None:
            found += 1
            yield problem, solution.infeasibility


@pytest.mark.slow
def test_what_is_told_is_the_least_with_every_term() -> None:
    told: dict[str, int] = {}
    reasons: set[Binding] = set()
    for problem, found in strained_cells(40):
        reasons |= set(found.reasons.binding)
        for remedy in remedies_of(problem, found):
            assert planned(remedy.problem), (remedy.name, remedy.value)
            assert not planned(remedy.below), (remedy.name, remedy.value)
            told[remedy.name] = told.get(remedy.name, 0) + 1
    assert len(told) >= 6
    assert reasons >= {Binding.STAGE, Binding.CLOCK, Binding.RATE, Binding.MARGIN}


def test_limits_within_the_tolerance_are_planned_and_checked() -> None:
    """Cells that lack half the tolerance of the uplink have a plan, those that lack twice have
    none.
    """
    for seed in range(10):
        problem = random_cell(np.random.default_rng(seed), 5, 4)
        edge = solve(replace(problem, bandwidth_hz=1.0)).infeasibility
        if edge is None or not np.isfinite(edge.least_total_bandwidth_hz):
            continue
        exact = edge.least_total_bandwidth_hz * (1.0 + TOLERANCE)
        assert planned(replace(problem, bandwidth_hz=exact * (1.0 - 0.5 * TOLERANCE)))
        assert not planned(replace(problem, bandwidth_hz=exact * (1.0 - 2.0 * TOLERANCE)))


def test_the_reference_method_has_the_same_tolerance() -> None:
    problem = a_cell(3, deadline_s=np.full(3, 0.12), bandwidth_hz=1e4)
    found = solve(problem).infeasibility
    assert found is not None
    narrow = replace(
        problem,
        bandwidth_hz=found.least_total_bandwidth_hz * (1.0 + 0.5 * TOLERANCE),
        method=Method.PCCP,
    )
    assert solve(narrow).status is not Status.INFEASIBLE


def test_no_bandwidth_is_needed_where_everybody_may_stay_on_the_device() -> None:
    """Deadlines that let every network run to its end need no uplink at all."""
    problem = a_cell(2, deadline_s=np.full(2, 0.02))
    found = solve(problem).infeasibility
    assert found is not None
    assert len(found.users) == 2
    slow = replace(
        problem, deadline_s=problem.deadline_s * found.together.deadline_factor, bandwidth_hz=1e-3
    )
    wide = replace(slow, bandwidth_hz=problem.bandwidth_hz)
    assert solve(wide).status is not Status.INFEASIBLE
    told = found.together.bandwidth_with_deadlines_hz
    eased = replace(problem, deadline_s=found.least_deadline_s)
    assert solve(replace(eased, bandwidth_hz=max(told, 1e-3))).status is not Status.INFEASIBLE


@pytest.mark.parametrize("power", [1.0, 3.0, 0.3])
def test_a_root_is_found_to_its_last_digits_however_flat_or_steep(power: float) -> None:
    rng = np.random.default_rng(7)
    for root, scale, before, beyond in rng.uniform((-2, -3, 1e-3, 0), (2, 3, 3, 3), (50, 4)):
        asked = itertools.count()

        def falling(
            x: float, at: float = root, steep: float = 10**scale, count: Iterator[int] = asked
        ) -> float:
            assert next(count) < 100
            return float(np.clip(np.sign(at - x) * abs(steep * (at - x)) ** power, -99, 99))

        found = _root(falling, root - before, root + beyond)
        assert abs(found - root) <= 2e-13 * (1.0 + abs(root))


def test_what_is_missing_is_told_without_a_library_of_optimisers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Loading one takes a second, which the first who asks for too much would wait for."""

    def loaded(library: Later, name: str) -> Any:
        raise AssertionError(f"{library.__name__}.{name} was asked for")

    for library in LIBRARIES:
        for name in [name for name in vars(library) if not name.startswith("__")]:
            monkeypatch.delattr(library, name)
    monkeypatch.setattr(Later, "__getattr__", loaded)
    cell = a_cell(6)
    found = solve(replace(cell, deadline_s=0.7 * cell.deadline_s, bandwidth_hz=3e6))
    assert found.infeasibility is not None
    assert found.infeasibility.least_deadline_factor > 1.03

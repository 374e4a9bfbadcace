"""Shares of chosen options: the square-root rule, deadlines, prices."""

import dataclasses

import numpy as np
import pytest

from solvers.arrays import Integers
from solvers.multiuser.check import check
from solvers.multiuser.problem import Decision
from solvers.multiuser.solve import shares as shares_module
from solvers.multiuser.solve.fleet import Fleet
from solvers.multiuser.solve.shares import _bisect, clear, shares
from tests.support.multiuser.brute_force import best_shares, columns, convex_shares
from tests.support.multiuser.cells import a_cell
from tests.support.seeds import Drawn


def a_choice(fleet: Fleet, seed: int) -> Integers | None:
    """Random undominated options that each keep their limits, all together within the budgets."""
    rng = np.random.default_rng(seed)
    allowed = fleet.table.real[fleet.kind] if fleet.allowed is None else fleet.allowed
    for _ in range(200):
        choice = np.array([rng.choice(np.flatnonzero(row)) for row in allowed])
        if np.isfinite(clear(fleet.chosen(choice))[0]):
            return choice
    return None


@pytest.mark.slow
def test_square_root_rule_equals_a_convex_solver(drawn: Drawn) -> None:
    for seed in drawn(12):
        problem = a_cell(seed, 6)
        fleet = Fleet(problem)
        choice = a_choice(fleet, seed)
        assert choice is not None
        option = fleet.unsorted(fleet.table.number[fleet.kind, choice])
        cost, p, q = clear(fleet.chosen(choice))
        assert float(cost) == pytest.approx(convex_shares(problem, option), rel=1e-6)
        fixed, sent, served, _ = columns(problem, option)
        weight = problem.weight * problem.latency_weight_per_s
        rule = fixed.sum() + np.sqrt(weight * sent).sum() ** 2 + np.sqrt(weight * served).sum() ** 2
        assert float(cost) == pytest.approx(float(rule), rel=1e-12)
        assert (p, q) == pytest.approx(
            (np.sqrt(weight * sent).sum(), np.sqrt(weight * served).sum()), rel=1e-12
        )


@pytest.mark.slow
def test_binding_deadlines_equal_a_convex_solver(drawn: Drawn) -> None:
    bound = 0
    for seed in drawn(40):
        problem = a_cell(seed, 6, deadlines=True, hertz_per_user=4e5)
        fleet = Fleet(problem)
        choice = a_choice(fleet, seed)
        if choice is None:
            continue
        cost, p, q = clear(fleet.chosen(choice))
        loose = clear(dataclasses.replace(fleet.chosen(choice), slack_s=np.full(6, np.inf)))[0]
        if (
            not float(loose) * (1 + 1e-9) < float(cost) < 3.0 * float(loose)
        ):  # near the edge the oracle is inexact
            continue
        bound += 1
        option = fleet.unsorted(fleet.table.number[fleet.kind, choice])
        assert float(cost) == pytest.approx(convex_shares(problem, option), rel=1e-6)
        assert float(cost) == pytest.approx(
            float(best_shares(problem, *(v[None] for v in columns(problem, option)))[0]), rel=1e-9
        )
        x, y = shares(fleet, choice, float(p), float(q))
        decision = Decision(
            option=option, bandwidth_share=fleet.unsorted(x), server_share=fleet.unsorted(y)
        )
        certificate = check(problem, decision)
        assert certificate.holds
        assert certificate.objective == pytest.approx(float(cost), rel=1e-9)
    assert bound >= 10


@pytest.mark.slow
def test_bisection_agrees_with_newton() -> None:
    compared = 0
    for seed in range(30):
        fleet = Fleet(a_cell(seed, 8, options=4, deadlines=True))
        choice = a_choice(fleet, seed)
        if choice is not None:
            chosen = fleet.chosen(choice)
            assert _bisect(chosen) == pytest.approx([float(v) for v in clear(chosen)], rel=1e-6)
            compared += 1
    assert compared >= 10


def test_where_newton_cycles_a_single_choice_is_settled_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As if every choice made it cycle: bisection takes over, of one choice or of several."""
    fleet = Fleet(a_cell(3, 8, options=4, deadlines=True))
    choice = a_choice(fleet, 3)
    assert choice is not None
    expected = clear(fleet.chosen(choice))
    monkeypatch.setattr(shares_module, "_ROUNDS", 1)
    for chosen in (choice, np.stack([choice, choice])):
        for found, value in zip(clear(fleet.chosen(chosen)), expected, strict=True):
            assert found == pytest.approx(np.full(np.shape(found), float(value)), rel=1e-9)

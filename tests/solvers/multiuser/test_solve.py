"""Joint cuts and shares against enumeration, against simpler methods, and against what must hold of
any optimum.
"""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from solvers.arrays import Integers
from solvers.multiuser.check import check
from solvers.multiuser.costs import latency, table_problem
from solvers.multiuser.problem import Decision, Method, Problem
from solvers.multiuser.solve import build_table, solve
from solvers.multiuser.solve.dual import first_root
from solvers.multiuser.solve.fleet import Fleet
from solvers.outcome import Options, Status
from solvers.progress import Cancelled, Progress, Step
from tests.support.multiuser.answers import solved
from tests.support.multiuser.brute_force import best_shares, columns, enumerate_cell
from tests.support.multiuser.cells import a_cell, a_short_cell
from tests.support.seeds import Drawn


@pytest.mark.slow
@pytest.mark.parametrize("deadlines", [False, True])
def test_exact_equals_enumeration(deadlines: bool, drawn: Drawn) -> None:
    """Random cells of up to five users."""
    infeasible = 0
    for seed in drawn(25, soak=100):
        users = 1 + seed % 5
        short = deadlines and seed % 3 == 0
        problem = (
            a_short_cell(seed, users)
            if short
            else a_cell(seed, users, options=4, deadlines=deadlines)
        )
        best, _ = enumerate_cell(problem)
        answer = solved(problem)
        if np.isinf(best):
            infeasible += 1
            assert answer.status is Status.INFEASIBLE
            assert answer.infeasibility.proven
            continue
        assert answer.status is Status.OPTIMAL, seed
        assert answer.objective == pytest.approx(best, rel=1e-8)
        assert answer.lower_bound <= best * (1 + 1e-9)
    assert (infeasible >= 2) == deadlines


@pytest.mark.slow
@pytest.mark.parametrize("deadlines", [False, True])
def test_any_price_bounds_the_optimum(deadlines: bool, drawn: Drawn) -> None:
    for seed in drawn(20):
        problem = a_cell(seed, 3, deadlines=deadlines)
        best, _ = enumerate_cell(problem)
        fleet = Fleet(problem)
        p, q = first_root(fleet)
        for factor in (0.0, 0.1, 0.5, 1.0, 2.0, 10.0):
            # By how much the oracle rounds.
            assert fleet.price(factor * p, factor * q).bound <= best * (1 + 1e-11)


@pytest.mark.slow
def test_one_user_alone_is_the_table_at_full_rate() -> None:
    for seed in range(60):
        problem = a_cell(seed, 1, options=8, deadlines=seed % 2 == 1)
        answer = solved(problem)
        everything = Decision(
            option=np.zeros(1, dtype=np.int64), bandwidth_share=np.ones(1), server_share=np.ones(1)
        )
        alone = table_problem(problem, everything, 0)
        rate = np.array([problem.bandwidth_hz * problem.spectral_efficiency[0]])
        option = build_table(alone).look_up(rate)
        if option[0] < 0:
            assert answer.status is Status.INFEASIBLE
            assert answer.infeasibility.users.tolist() == [0]
            continue
        assert answer.status is Status.OPTIMAL
        assert answer.objective == pytest.approx(
            float(problem.weight[0] * alone.cost(option, rate)[0]), rel=1e-9
        )


@pytest.mark.slow
@pytest.mark.parametrize("users", [5, 10, 30])
@pytest.mark.parametrize("deadlines", [False, True])
def test_exact_is_proven_and_never_worse_than_any_rule(
    users: int, deadlines: bool, drawn: Drawn
) -> None:
    """Cells of each size."""
    better = 0
    for seed in drawn(40, soak=100):
        problem = a_cell(1_000 + seed, users, options=8, deadlines=deadlines)
        answer = solved(problem, gap=1e-6)
        if answer.status is Status.INFEASIBLE:
            assert answer.infeasibility.proven
            continue
        assert answer.status is Status.OPTIMAL
        other = solve(dataclasses.replace(problem, method=Method.ALTERNATING), Options())
        if other.decision is None:
            better += 1
            continue
        assert check(problem, other.decision).holds
        assert answer.objective <= other.objective * (1 + 1e-9)
        assert answer.lower_bound <= other.objective
        better += other.objective > answer.objective * (1 + 1e-6)
    assert better > 8


@pytest.mark.slow
@pytest.mark.parametrize("deadlines", [False, True])
@pytest.mark.parametrize("users", [300, 5_000])
def test_large_cells_close_the_gap(users: int, deadlines: bool) -> None:
    for seed in range(6):
        answer = solved(a_cell(seed, users, kinds=6, options=12, deadlines=deadlines), gap=1e-6)
        assert answer.status is Status.OPTIMAL


def test_prices_climb_from_a_plan_that_uses_nothing() -> None:
    """Everyone can keep its deadline alone on the device: the first plan known has prices of
    zero.
    """
    problem = a_cell(3, 2_000, kinds=2, options=7)
    problem = dataclasses.replace(problem, deadline_s=np.full(2_000, 1.0))
    answer = solved(problem, gap=1e-6)
    assert answer.status is Status.OPTIMAL
    assert min(answer.prices.values()) > 0.0


@pytest.mark.slow
def test_identical_users_are_split_between_options() -> None:
    """At the best prices all are indifferent at once; the plan must break the tie by number."""
    split = 0
    for seed in range(12):
        problem = a_cell(seed, 2_000, kinds=1, options=8)
        problem = dataclasses.replace(
            problem, spectral_efficiency=np.full(2_000, 2.0), weight=np.ones(2_000)
        )
        answer = solved(problem, gap=1e-6)
        assert answer.status is Status.OPTIMAL
        split += len(np.unique(answer.decision.option)) > 1
    assert split >= 3


@pytest.mark.slow
@pytest.mark.parametrize("deadlines", [False, True])
def test_a_hundred_thousand_users_in_seconds(deadlines: bool) -> None:
    answer = solved(a_cell(0, 100_000, kinds=8, options=20, deadlines=deadlines), gap=1e-6)
    assert answer.status is Status.OPTIMAL


def test_every_user_with_its_own_network() -> None:
    problem = a_cell(3, 400, kinds=400, options=9, deadlines=True)
    assert solved(problem, gap=1e-6).status is Status.OPTIMAL


@pytest.mark.slow
@pytest.mark.parametrize("deadlines", [False, True])
def test_prices_are_derivatives_at_the_chosen_options(deadlines: bool) -> None:
    for seed in range(8):
        problem = a_cell(seed, 6, deadlines=deadlines, hertz_per_user=6e5)
        answer = solved(problem)
        if answer.decision is None:
            continue
        option = answer.decision.option[None]

        def at(
            bandwidth: float = 1.0,
            server: float = 1.0,
            problem: Problem = problem,
            option: Integers = option,
        ) -> float:
            work = dataclasses.replace(
                problem.workloads, server_s=problem.workloads.server_s / server
            )
            moved = dataclasses.replace(
                problem, workloads=work, bandwidth_hz=problem.bandwidth_hz * bandwidth
            )
            return float(best_shares(moved, *columns(moved, option))[0])

        step = 1e-4
        per_hz = (at(1 - step) - at(1 + step)) / (2 * step * problem.bandwidth_hz)
        per_flop_per_s = (at(server=1 - step) - at(server=1 + step)) / (
            2 * step * problem.server_flop_per_s
        )
        assert answer.prices["bandwidth_per_hz"] == pytest.approx(per_hz, rel=1e-4, abs=1e-16)
        assert answer.prices["server_per_flop_per_s"] == pytest.approx(
            per_flop_per_s, rel=1e-4, abs=1e-22
        )


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 12), st.booleans())
def test_the_order_of_users_does_not_matter(seed: int, users: int, deadlines: bool) -> None:
    problem = a_cell(seed, users, deadlines=deadlines)
    order = np.random.default_rng(seed).permutation(users)
    columns_of = ("workload", "spectral_efficiency", "weight", "deadline_s", "max_loss")
    shuffled = dataclasses.replace(
        problem, **{name: getattr(problem, name)[order] for name in columns_of}
    )
    one, other = solved(problem, 1e-8), solved(shuffled, 1e-8)
    assert one.status is other.status
    if one.objective is not None:
        assert other.objective == pytest.approx(one.objective, rel=2e-8)


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.floats(1.0, 3.0), st.floats(1.0, 3.0), st.booleans())
def test_more_budget_never_costs_more(
    seed: int, bandwidth: float, server: float, deadlines: bool
) -> None:
    problem = a_cell(seed, 6, deadlines=deadlines)
    work = dataclasses.replace(problem.workloads, server_s=problem.workloads.server_s / server)
    richer = dataclasses.replace(
        problem, workloads=work, bandwidth_hz=problem.bandwidth_hz * bandwidth
    )
    poor, rich = solved(problem, 1e-8), solved(richer, 1e-8)
    if poor.objective is not None:
        assert rich.objective is not None
        assert rich.objective <= poor.objective * (1 + 1e-8)


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.floats(1.0, 3.0))
def test_a_later_deadline_never_costs_more(seed: int, later: float) -> None:
    problem = a_cell(seed, 6, deadlines=True)
    tight, loose = (
        solved(problem, 1e-8),
        solved(dataclasses.replace(problem, deadline_s=problem.deadline_s * later), 1e-8),
    )
    if tight.objective is not None:
        assert loose.objective is not None
        assert loose.objective <= tight.objective * (1 + 1e-8)


def test_same_seed_same_answer() -> None:
    problem = a_cell(8, 500, deadlines=True)
    one, other = (solve(problem, Options(seed=5)) for _ in range(2))
    assert one.objective == other.objective
    assert np.array_equal(one.decision.option, other.decision.option)  # type: ignore[union-attr]


def test_utilisation_is_full_where_anything_is_used() -> None:
    problem = a_cell(2, 10)
    answer = solved(problem)
    used = check(problem, answer.decision).used
    assert used == pytest.approx({"bandwidth_share": 1.0, "server_share": 1.0})
    parts = latency(problem, answer.decision)
    assert parts.total_s == pytest.approx(
        parts.device_s + parts.uplink_s + parts.network_s + parts.server_s
    )


def test_nobody_sends_where_the_device_is_best() -> None:
    problem = a_cell(1, 5)
    slow = dataclasses.replace(problem, bandwidth_hz=1.0, max_loss=np.zeros(5))
    answer = solved(slow)
    assert answer.status is Status.OPTIMAL
    assert not latency(slow, answer.decision).uplink_s.any()
    assert answer.prices == {"bandwidth_per_hz": 0.0, "server_per_flop_per_s": 0.0}


def test_time_limit_is_kept_and_told() -> None:
    problem = a_cell(0, 30, options=10, deadlines=True)
    ticks = iter(range(10**9))
    answer = solve(
        problem, Options(gap=0.0), Progress(time_limit_s=3.0, clock=lambda: float(next(ticks)))
    )
    assert answer.timed_out
    assert answer.status is not Status.OPTIMAL


def test_cancelling_stops_at_the_next_report() -> None:
    seen: list[Step] = []

    def report(progress: Step) -> None:
        seen.append(progress)
        if len(seen) == 3:
            raise Cancelled

    ticks = iter(range(10**9))
    with pytest.raises(Cancelled):
        solve(
            a_cell(0, 30, options=10, deadlines=True),
            Options(),
            Progress(report, clock=lambda: float(next(ticks))),
        )
    assert len(seen) == 3

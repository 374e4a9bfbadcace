"""The table is the lower envelope of all options, at every rate."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from solvers.arrays import Floats
from solvers.multiuser.check import check_table
from solvers.multiuser.solve import build_table
from solvers.multiuser.table import DecisionTable, TableProblem
from tests.support.multiuser.cells import some_options

RATES = np.geomspace(1e3, 1e9, 601)


def brute_force(problem: TableProblem, rate: Floats) -> Floats:
    """Least cost over the options that keep the limits at each rate."""
    sent = problem.crossing_bit[:, None] / rate
    latency = problem.device_s[:, None] + problem.server_s[:, None] + sent
    latency += problem.network_s * (problem.crossing_bit[:, None] > 0)
    cost = problem.latency_weight_per_s * latency + problem.loss_weight * problem.loss[:, None]
    fits = (latency <= problem.deadline_s) & (problem.loss[:, None] <= problem.max_loss)
    return np.where(fits, cost, np.inf).min(axis=0)


def table_cost(problem: TableProblem, table: DecisionTable, rate: Floats) -> Floats:
    option = table.look_up(rate)
    return np.where(option >= 0, problem.cost(np.maximum(option, 0), rate), np.inf)


@pytest.mark.slow
def test_envelope_is_the_minimum_on_ten_thousand_option_sets() -> None:
    rng = np.random.default_rng(1)
    returned = 0
    for _ in range(10_000):
        problem = some_options(rng)
        table = build_table(problem)
        rows = np.flatnonzero((table.option >= 0) & (table.rate_from_bps > 0.0))
        assert np.all(
            problem.latency_s(table.option[rows], table.rate_from_bps[rows]) <= problem.deadline_s
        )
        rate = np.concatenate(
            [RATES, table.rate_from_bps * (1.0 + 1e-12), table.rate_from_bps * (1.0 - 1e-12)]
        )
        rate = rate[rate > 0.0]
        expected, found = brute_force(problem, rate), table_cost(problem, table, rate)
        assert np.array_equal(np.isfinite(found), np.isfinite(expected))
        np.testing.assert_allclose(found, expected, rtol=1e-12)
        named = table.option[table.option >= 0]
        assert len(named) <= max(2 * len(problem.cut) - 1, 0)
        returned += len(named) > len(set(named.tolist()))
    assert returned >= 10  # options that come back: what a hull would get wrong


@pytest.mark.slow
def test_no_row_is_wasted() -> None:
    rng = np.random.default_rng(2)
    for _ in range(1_000):
        table = build_table(some_options(rng))
        assert np.all(np.diff(table.option) != 0)
        assert np.all(np.diff(table.rate_from_bps) > 0)
        assert table.rate_from_bps[0] == 0.0


@pytest.mark.slow
def test_the_check_agrees_and_refuses_corrupted_tables() -> None:
    rng = np.random.default_rng(3)
    refused = 0
    for _ in range(2_000):
        problem = some_options(rng)
        table = build_table(problem)
        assert check_table(problem, table).holds
        row = int(rng.integers(len(table.option)))
        wrong = (table.option[row] + 1) % len(problem.cut)
        option = table.option.copy()
        option[row] = wrong
        middle = np.array([table.rate_from_bps[row] * 1.001 if table.rate_from_bps[row] else 1e-3])
        if row + 1 < len(table.option):
            middle = np.sqrt(np.maximum(middle, 1.0) * table.rate_from_bps[row + 1]).reshape(1)
        corrupted = dataclasses.replace(table, option=option)
        worse = table_cost(problem, corrupted, middle) > brute_force(problem, middle) * (1 + 1e-6)
        if worse[0] or not np.isfinite(brute_force(problem, middle))[0]:
            refused += 1
            assert not check_table(problem, corrupted).holds
    assert refused > 500


def test_the_check_refuses_moved_limits_and_gaps() -> None:
    problem = dataclasses.replace(
        some_options(np.random.default_rng(6)), deadline_s=np.inf, max_loss=1.0
    )
    table = build_table(problem)
    assert len(table.option) > 1
    assert not check_table(
        problem, dataclasses.replace(table, rate_from_bps=table.rate_from_bps * 1.5 + 1.0)
    ).holds
    moved = table.rate_from_bps.copy()
    moved[1] *= 0.7
    assert not check_table(problem, dataclasses.replace(table, rate_from_bps=moved)).holds
    tight = dataclasses.replace(problem, deadline_s=float(problem.fixed_s.min()) + 0.05)
    assert not check_table(tight, table).holds


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**9), st.floats(1.01, 10.0))
def test_a_faster_network_never_costs_more(seed: int, faster: float) -> None:
    problem = some_options(np.random.default_rng(seed))
    table = build_table(problem)
    assert np.all(
        table_cost(problem, table, RATES * faster)
        <= table_cost(problem, table, RATES) * (1 + 1e-12)
    )


def test_rows_carry_what_a_device_needs() -> None:
    problem = TableProblem(
        latency_weight_per_s=2.0,
        loss_weight=1.0,
        deadline_s=0.5,
        cut=np.array([0, 1]),
        bits=np.array([8, 32]),
        device_s=np.array([0.0, 0.6]),
        crossing_bit=np.array([1e6, 0.0]),
        server_s=np.array([0.1, 0.0]),
        loss=np.array([0.05, 0.0]),
    )
    nothing, cloud = build_table(problem).rows(problem)
    assert nothing["cut"] is None
    assert nothing["rate_from_bps"] == 0.0
    assert nothing["rate_to_bps"] == cloud["rate_from_bps"] == pytest.approx(1e6 / 0.4)
    assert cloud["rate_to_bps"] is None
    assert (cloud["cut"], cloud["bits"]) == (0, 8)
    assert cloud["fixed_cost"] == pytest.approx(2.0 * 0.1 + 0.05)
    assert cloud["cost_per_inverse_rate"] == pytest.approx(2e6)
    assert cloud["cost_from"] == pytest.approx(2.0 * 0.5 + 0.05)
    assert cloud["cost_to"] == cloud["fixed_cost"]
    assert cloud["late_below_bps"] == cloud["rate_from_bps"]


def test_nothing_fits_anywhere() -> None:
    problem = some_options(np.random.default_rng(0))
    problem = dataclasses.replace(problem, device_s=problem.device_s + 0.1, deadline_s=0.09)
    table = build_table(problem)
    assert table.option.tolist() == [-1]
    assert check_table(problem, table).holds


def test_at_rate_zero_what_sends_costs_without_end() -> None:
    problem = dataclasses.replace(
        some_options(np.random.default_rng(11)), deadline_s=np.inf, max_loss=1.0
    )
    sending = dataclasses.replace(problem, crossing_bit=problem.crossing_bit + 1.0)
    table = build_table(sending)
    assert sending.cost(table.look_up(np.zeros(1)), np.zeros(1))[0] == np.inf
    assert table.rows(sending)[0]["cost_from"] is None

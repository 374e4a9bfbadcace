"""A table is the lower envelope of all options, at every rate; rows pinned to a plan's option."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from client.edge import RateTable
from solvers.multiuser.check import check_table
from solvers.multiuser.solve import build_table
from solvers.multiuser.solve.envelope import pin
from solvers.multiuser.table import TableProblem
from tests.support.multiuser.cells import some_options
from tests.support.multiuser.tables import least_option_cost, table_cost


def at_some_rate(rng: np.random.Generator) -> tuple[TableProblem, int, float] | None:
    """A question with an option that keeps its limits at a rate, whether it is the best there or
    not.
    """
    problem = some_options(rng)
    rate = float(rng.choice([0.0, 10 ** rng.uniform(4.0, 8.0)]))
    every = np.arange(len(problem.cut))
    fits = (problem.latency_s(every, np.array(rate)) <= problem.deadline_s) & (
        problem.loss <= problem.max_loss
    )
    return (problem, int(rng.choice(every[fits])), rate) if fits.any() else None


@pytest.mark.slow
def test_a_device_that_asks_at_the_planned_rate_keeps_to_the_plan() -> None:
    rng = np.random.default_rng(5)
    pinned_rows = split = 0
    for _ in range(1_000):
        found = at_some_rate(rng)
        if found is None:
            continue
        problem, option, rate = found
        best = build_table(problem)
        row = int(np.searchsorted(best.rate_from_bps, rate, side="right")) - 1
        if best.option[row] == option:
            continue
        pinned = pin(problem, best, row, option)
        pinned_rows += 1
        split += len(pinned.option) > len(best.option)
        assert pinned.pinned is not None
        assert pinned.look_up(np.array([rate]))[0] == option
        rows = pinned.rows(problem)
        assert [at for at, stored in enumerate(rows) if stored.get("pinned")] == [pinned.pinned]
        carried = RateTable(rows, hysteresis=float(rng.choice([0.0, 0.2])))
        for answer in (carried.best(rate), carried.decide(rate)):
            assert answer is not None
            assert (answer.cut, answer.bits) == (problem.cut[option], problem.bits[option])
        # Elsewhere nothing has changed, and nowhere is the option late.
        end = best.rate_from_bps[row + 1] if row + 1 < len(best.option) else np.inf
        rates = np.concatenate(
            [np.geomspace(1e3, 1e9, 200), best.rate_from_bps, pinned.rate_from_bps]
        )
        outside = (rates < pinned.rate_from_bps[pinned.pinned]) | (rates >= end)
        assert np.array_equal(pinned.look_up(rates[outside]), best.look_up(rates[outside]))
        assert np.all(pinned.look_up(rates[~outside]) == option)
        inside = rates[~outside & (rates > 0.0)]
        assert np.all(problem.latency_s(np.int64(option), inside) <= problem.deadline_s)  # type: ignore[arg-type]
    assert pinned_rows > 200
    assert split > 5


def test_an_option_that_is_late_all_over_the_row_is_refused() -> None:
    problem = TableProblem(
        latency_weight_per_s=1.0, loss_weight=0.0, deadline_s=0.3,
        cut=np.array([0, 1]), bits=np.array([8, 32]), device_s=np.array([0.0, 0.4]),
        crossing_bit=np.array([1e6, 0.0]), server_s=np.array([0.1, 0.0]), loss=np.zeros(2),
    )  # fmt: skip
    table = build_table(problem)
    assert table.option.tolist() == [-1, 0]
    for row, option in ((0, 0), (1, 1)):
        with pytest.raises(ValueError, match="late"):
            pin(problem, table, row, option)


RATES = np.geomspace(1e3, 1e9, 601)


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
        expected, found = least_option_cost(problem, rate), table_cost(problem, table, rate)
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
@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**9), st.floats(1.01, 10.0))
def test_a_faster_network_never_costs_more(seed: int, faster: float) -> None:
    problem = some_options(np.random.default_rng(seed))
    table = build_table(problem)
    assert np.all(
        table_cost(problem, table, RATES * faster)
        <= table_cost(problem, table, RATES) * (1 + 1e-12)
    )


def test_nothing_fits_anywhere() -> None:
    problem = some_options(np.random.default_rng(0))
    problem = dataclasses.replace(problem, device_s=problem.device_s + 0.1, deadline_s=0.09)
    table = build_table(problem)
    assert table.option.tolist() == [-1]
    assert check_table(problem, table).holds

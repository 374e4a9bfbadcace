"""Rows that are pinned to a plan's option."""

import numpy as np
import pytest

from client.edge import RateTable
from solvers.multiuser.solve.envelope import build_table, pin
from solvers.multiuser.table import TableProblem
from tests.support.multiuser.cells import some_options


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

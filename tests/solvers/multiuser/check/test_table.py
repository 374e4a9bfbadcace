"""Tables that name anything but the best allowed option somewhere are refused."""

import dataclasses

import numpy as np
import pytest

from solvers.multiuser.check import check_table
from solvers.multiuser.solve import build_table
from tests.support.multiuser.cells import some_options
from tests.support.multiuser.tables import least_option_cost, table_cost


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
        worse = table_cost(problem, corrupted, middle) > least_option_cost(problem, middle) * (
            1 + 1e-6
        )
        if worse[0] or not np.isfinite(least_option_cost(problem, middle))[0]:
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

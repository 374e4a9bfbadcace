"""What a row of a table carries for a device."""

import dataclasses

import numpy as np
import pytest

from solvers.multiuser.solve import build_table
from solvers.multiuser.table import TableProblem
from tests.support.multiuser.cells import some_options


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


def test_at_rate_zero_what_sends_costs_without_end() -> None:
    problem = dataclasses.replace(
        some_options(np.random.default_rng(11)), deadline_s=np.inf, max_loss=1.0
    )
    sending = dataclasses.replace(problem, crossing_bit=problem.crossing_bit + 1.0)
    table = build_table(sending)
    assert sending.cost(table.look_up(np.zeros(1)), np.zeros(1))[0] == np.inf
    assert table.rows(sending)[0]["cost_from"] is None

"""Cells that make no sense are refused, and none can be changed."""

import dataclasses

import numpy as np
import pytest

from tests.support.multiuser.cells import a_cell


@pytest.mark.parametrize(
    "change",
    [
        {"latency_weight_per_s": 0.0},
        {"bandwidth_hz": float("nan")},
        {"spectral_efficiency": np.zeros(3)},
        {"weight": np.ones(2)},
        {"workload": np.array([0, 1, 99])},
        {"deadline_s": np.array([1.0, np.nan, 1.0])},
    ],
)
def test_nonsense_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(change))):
        dataclasses.replace(a_cell(0, 3), **change)


def test_a_problem_cannot_be_changed_afterwards() -> None:
    problem = a_cell(0, 3)
    with pytest.raises(ValueError, match="read-only"):
        problem.weight[0] = 2.0

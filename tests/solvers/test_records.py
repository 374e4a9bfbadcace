"""Records that refuse what they cannot be."""

import numpy as np
import pytest

from solvers.records import require_workloads


def test_rows_are_shared_out_to_workloads() -> None:
    require_workloads(np.array([0, 1, 4]), 4, "cut")


@pytest.mark.parametrize("first", [[0], [1, 4], [0, 3], [0, 2, 2, 4], [0, 5, 4]])
def test_rows_that_are_not_shared_out_are_refused_by_name(first: list[int]) -> None:
    with pytest.raises(ValueError, match=r"^first must rise from 0 .* one cut per workload$"):
        require_workloads(np.array(first), 4, "cut")

"""Cells that rounding decides, solved by either kernel and checked, against 50 digits."""

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from solvers.compiled.library import Kernel, using
from solvers.outcome import RefutedAnswer, Solution, Status
from solvers.registry import FAMILIES, answer
from solvers.robust.problem import Decision, Problem
from solvers.robust.solve import solve
from solvers.robust.solve.candidates import options_of
from tests.support.robust.exact import exact_j
from tests.support.robust.knife_edge import (
    claims_beyond,
    hasty,
    knife_edge_cell,
    least_shares_hz,
)
from tests.support.seeds import Drawn


@pytest.mark.slow
def test_no_certificate_claims_more_than_holds(drawn: Drawn) -> None:
    told: Counter[Status | None] = Counter()
    for seed in drawn(8, soak=1_500):
        problem = knife_edge_cell(seed)
        if problem is None:
            continue
        exact = exact_j(problem)
        for kernel in (Kernel.NUMPY, Kernel.AUTO):
            with using(kernel):
                status, faults = claims_beyond(problem, exact)
            assert not faults, (seed, kernel)
            told[status] += 1
    assert told[Status.OPTIMAL] > 0.5 * told.total() > 1


@pytest.mark.parametrize("cycles", [(1e-6, 1e-3), (0.05, 20.0), (5.0, 2000.0)])
def test_a_false_bound_of_such_a_cell_is_refused(
    cycles: tuple[float, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """All that is left goes to one of the two, and that is called the best there is."""
    problem = hasty(cycles, 1e-12 if cycles[1] < 1.0 else 1e-7)
    options, _ = options_of(problem)
    shares = least_shares_hz(problem)
    shares[0] = (problem.bandwidth_hz - shares[1]) * (1.0 - 1e-16)
    clocks, energy_j = options.curves[options.first[:-1]].carried_out(shares)
    assert energy_j > 1.01 * solve(problem).objective
    decision = Decision(option=np.zeros(2, np.int64), frequency_hz=clocks, bandwidth_hz=shares)

    def boasting(*_: Any) -> Solution[Decision, Any]:
        price = {"dual_bandwidth_j_per_hz": 7.6e6, "bandwidth_j_per_hz": np.inf}
        return Solution(
            status=Status.OPTIMAL,
            decision=decision,
            objective=energy_j,
            lower_bound=energy_j,
            prices=price,
        )

    monkeypatch.setitem(FAMILIES, Problem, replace(FAMILIES[Problem], solve=boasting))
    with pytest.raises(RefutedAnswer, match="lower_bound"):
        answer(problem)

"""What a plan says of a user is true: sums, bounds, the weakest channel it survives, the way
out.
"""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from solvers.robust.check import check
from solvers.robust.details import describe
from solvers.robust.problem import Problem
from solvers.robust.solve import solve
from tests.support.robust.cells import a_cell, random_cell


def cells() -> list[tuple[Problem, Any]]:
    some = [
        random_cell(np.random.default_rng(seed), 5, 5, ("generic", "levels")[seed % 2])
        for seed in range(20)
    ]
    solved = [(problem, solve(problem)) for problem in [a_cell(12), *some]]
    return [(problem, solution) for problem, solution in solved if solution.decision is not None]


def test_parts_add_up() -> None:
    for problem, solution in cells():
        details = describe(problem, solution.decision)
        assert details.energy_j.sum() == pytest.approx(solution.objective, rel=1e-12)
        mean = details.device_s + details.uplink_s + details.network_s + details.server_s
        assert np.allclose(mean, details.mean_s, rtol=1e-14)
        assert np.all(details.bound_s <= problem.deadline_s * (1 + 1e-12))
        assert np.all(details.slack_s >= 0.0)


def test_cantellis_bound_is_within_the_risk_under_its_own_margin() -> None:
    details = describe(a_cell(12), solve(a_cell(12)).decision)
    assert np.all(details.violation_bound <= a_cell(12).risk * (1 + 1e-9))


def test_plan_survives_down_to_the_least_gain_and_not_below() -> None:
    compared = 0
    for problem, solution in cells():
        details = describe(problem, solution.decision)
        sends = np.isfinite(details.least_gain)
        assert np.array_equal(sends, solution.decision.bandwidth_hz > 0)
        assert np.all(details.least_gain[sends] <= problem.gain[sends] * (1 + 1e-9))
        for n in np.nonzero(sends)[0]:
            for factor, holds in ((1 + 1e-6, True), (1 - 1e-2, False)):
                gain = problem.gain.copy()
                gain[n] = details.least_gain[n] * factor
                assert check(replace(problem, gain=gain), solution.decision).holds is holds
            compared += 1
    assert compared > 30


@pytest.mark.slow
def test_fallback_keeps_the_deadline_without_the_channel() -> None:
    for problem, solution in cells():
        details = describe(problem, solution.decision)
        deaf = replace(problem, gain=np.full(problem.users, 1e-60))
        for n in range(problem.users):
            columns = ("workload", "tx_power_w", "gain", "deadline_s", "risk", "correlation")
            alone = replace(deaf, **{name: getattr(deaf, name)[[n]] for name in columns})
            found = solve(alone)
            if details.fallback_cut[n] < 0:
                assert found.decision is None
            else:
                assert found.decision.cut(alone)[0] == details.fallback_cut[n]

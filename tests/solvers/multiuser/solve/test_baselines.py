"""Every baseline keeps its rule, and none beats the exact method."""

import dataclasses

import numpy as np
import pytest

from solvers.multiuser.check import check
from solvers.multiuser.problem import Method
from solvers.multiuser.solve import baselines, solve
from solvers.outcome import Options, Status
from tests.support.multiuser.answers import solved
from tests.support.multiuser.cells import a_cell
from tests.support.seeds import Drawn


@pytest.mark.slow
@pytest.mark.parametrize("deadlines", [False, True])
def test_baselines_keep_their_rule(deadlines: bool, drawn: Drawn) -> None:
    for seed in drawn(12):
        problem = a_cell(seed, 8, deadlines=deadlines, hertz_per_user=3e6)
        answer, found = solved(problem), baselines(problem, Options())
        assert set(found) == set(Method) - {Method.EXACT}
        work = problem.workloads
        for method in found:
            plan = solve(dataclasses.replace(problem, method=method), Options())
            assert (plan.decision is not None) == found[method].feasible
            if plan.decision is None:
                continue
            assert check(problem, plan.decision).holds
            assert plan.status is Status.FEASIBLE
            assert plan.lower_bound is None
            assert plan.objective == pytest.approx(found[method].objective)
            assert answer.objective <= plan.objective * (1 + 1e-8)
            row = plan.decision.row(problem)
            if method is Method.DEVICE_ONLY:
                assert not work.crossing_bit[row].any()
            if method is Method.EDGE_ONLY:
                assert not work.cut[row].any()
            if method is Method.EQUAL_SHARE:
                assert plan.decision.bandwidth_share == pytest.approx(np.full(8, 1 / 8))
        if not deadlines and problem.loss_weight > 0.0:
            fastest = min(found.values(), key=lambda baseline: baseline.latency_s)
            assert found[Method.LATENCY_ONLY].latency_s <= fastest.latency_s * (1 + 1e-3)

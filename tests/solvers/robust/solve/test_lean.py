"""Options that no least share needs are left out, and nothing else changes."""

from dataclasses import replace

import numpy as np

from solvers.progress import Progress
from solvers.robust.solve.lean import for_least_shares
from solvers.robust.solve.remedies import Remedies, all_least_shares
from tests.support.robust.cells import random_cell
from tests.support.robust.everything import random_cell_with_everything
from tests.support.seeds import Drawn


def test_least_shares_and_remedies_are_those_of_all_options(drawn: Drawn) -> None:
    fewer = 0
    for seed in drawn(40, soak=400):
        rng = np.random.default_rng(seed)
        problem = (
            random_cell(rng, 4, 5, "levels") if seed % 2 else random_cell_with_everything(rng, 4)
        )
        problem = replace(problem, correlation=np.abs(problem.correlation))
        lean = for_least_shares(problem)
        fewer += len(lean.workloads.cut) < len(problem.workloads.cut)
        for scale in (0.3, 1.0, 3.0):
            later = [replace(one, deadline_s=one.deadline_s * scale) for one in (problem, lean)]
            shares = [all_least_shares(one.at_tolerance(), Progress()) for one in later]
            np.testing.assert_allclose(shares[1], shares[0], rtol=1e-12)
        failing = np.flatnonzero(np.isinf(all_least_shares(problem.at_tolerance(), Progress())))
        told = [Remedies(one, Progress()).least_deadline_s(failing) for one in (problem, lean)]
        np.testing.assert_allclose(told[1], told[0], rtol=1e-12)
    assert fewer > 15


def test_where_times_vary_against_each_other_all_options_stay() -> None:
    problem = random_cell(np.random.default_rng(1), 4, 5, "levels")
    against = replace(problem, correlation=np.full(4, -0.5))
    assert for_least_shares(against) is against

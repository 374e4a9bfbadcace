"""Why not another cut: the bound is below every plan that takes it, and a cut without one says what
stops it.
"""

from dataclasses import replace

import numpy as np
import pytest

from solvers.robust.alternatives import why_not
from solvers.robust.problem import Problem
from solvers.robust.solve import solve
from solvers.robust.solve.infeasible import Binding
from tests.support.robust.brute_force import brute_force
from tests.support.robust.cells import a_cell, joined, random_cell
from tests.support.robust.everything import TERMS, random_cell_with_everything
from tests.support.robust.served import least_of_all, served_cells
from tests.support.seeds import Drawn


def forced(problem: Problem, user: int, cut: int) -> Problem:
    """The problem in which one user must take one cut (others run as before, on workloads of their
    own).
    """
    work = problem.workloads
    rows = slice(*work.first[problem.workload[user] : problem.workload[user] + 2])
    own = {name: getattr(work, name)[rows] for name in work.per_row()}
    own |= {name: getattr(work, name)[[problem.workload[user]]] for name in work.per_workload()}
    own |= {"fits_memory": own["fits_memory"] & (own["cut"] == cut)}
    alone = replace(
        work,
        first=np.array([0, len(own["cut"])]),
        **own,
    )
    of = problem.workload.copy()
    of[user] = len(work.first) - 1
    return replace(problem, workloads=joined([work, alone]), workload=of)


@pytest.mark.slow
def test_bound_is_below_every_plan_that_takes_the_cut(drawn: Drawn) -> None:
    compared = 0
    for seed in drawn(3, soak=12):
        rng = np.random.default_rng(seed)
        if seed % 3 < 2:
            problem = random_cell(rng, 3, 4, ("generic", "levels")[seed % 2])
        else:
            terms = tuple(term for term in TERMS if term != "servers")
            problem = random_cell_with_everything(rng, 2, terms)
        solution = solve(problem)
        if solution.decision is None:
            continue
        assert solution.objective is not None
        found = why_not(problem, solution.prices)
        chosen = solution.decision.cut(problem)
        for user, cut, bound, binding in zip(
            found.user, found.cut, found.cell_energy_at_least_j, found.binding, strict=True
        ):
            best = brute_force(forced(problem, int(user), int(cut)))
            if binding is None:
                assert bound <= best * (1 + 1e-9)
                compared += np.isfinite(best)
            else:
                assert best == np.inf
            if cut == chosen[user]:
                assert bound <= solution.objective * (1 + 1e-12)
    assert compared > 10


def test_the_chosen_cuts_cost_the_bound_itself() -> None:
    problem = a_cell(300)
    solution = solve(problem)
    assert solution.decision is not None
    found = why_not(problem, solution.prices)
    taken = found.cut == solution.decision.cut(problem)[found.user]
    assert np.count_nonzero(taken) == 300
    assert np.allclose(found.cell_energy_at_least_j[taken], solution.objective, rtol=1e-3)
    assert found.cell_energy_at_least_j[taken].min() == pytest.approx(
        solution.lower_bound, rel=1e-5
    )


@pytest.mark.slow
def test_no_plan_with_a_cut_is_cheaper_than_told_where_servers_have_budgets() -> None:
    compared = 0
    for problem in served_cells(list(range(8)), 3, 4, 2):
        solution = solve(problem)
        if solution.decision is None:
            continue
        found = why_not(problem, solution.prices)
        for n, cut, energy, binding in zip(
            found.user.tolist(),
            found.cut.tolist(),
            found.cell_energy_at_least_j.tolist(),
            found.binding,
            strict=True,
        ):
            best = least_of_all(forced(problem, n, cut))
            if binding is Binding.SERVER:
                assert best == np.inf
            if np.isfinite(energy) and np.isfinite(best):
                assert energy <= best * (1.0 + 1e-9)
                compared += 1
    assert compared >= 10

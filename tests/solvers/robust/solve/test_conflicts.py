"""Users of a cell who collide: what is told is what enumeration finds."""

from dataclasses import replace

import numpy as np
import pytest

from solvers import outcome
from solvers.outcome import Proof, RefutedAnswer
from solvers.progress import Progress
from solvers.registry import confirmed
from solvers.robust.problem import Problem
from solvers.robust.solve.conflicts import conflict_of
from solvers.robust.solve.infeasible import Infeasibility, diagnose
from solvers.robust.solve.remedies import all_least_shares
from tests.support.conflicts import assert_is_smallest
from tests.support.robust.brute_force import least_bandwidth_hz
from tests.support.robust.cells import a_cell, random_cell
from tests.support.robust.served import least_of_all, served_cells
from tests.support.seeds import Drawn


def crowded(seed: int) -> tuple[Problem, np.ndarray]:
    """Up to ten users on a fraction of what they need, with what each needs as brute force has
    it.
    """
    rng = np.random.default_rng(seed)
    kind = ("generic", "levels", "tied", "single")[seed % 4]
    problem = random_cell(rng, int(rng.integers(1, 11)), 4, kind)
    wide = replace(problem, bandwidth_hz=1e15)
    needs = np.array([least_bandwidth_hz(wide.only(np.array([n]))) for n in everyone(problem)])
    known = needs[needs <= 1e9]
    most = max(float(known.sum()), 1e3) * rng.uniform(0.2, 1.1)
    return replace(problem, bandwidth_hz=most), needs


def a_crowd() -> Problem:
    """Twelve users who need four times the uplink that there is."""
    return a_cell(12, bandwidth_hz=5e6, deadline_s=np.full(12, 0.09))


def everyone(problem: Problem) -> range:
    return range(problem.users)


def test_conflicts_equal_enumeration(drawn: Drawn) -> None:
    sizes = []
    for seed in drawn(60, soak=2000):
        problem, needs = crowded(seed)
        most = problem.bandwidth_hz * (1.0 + 1e-9)
        others = np.nonzero(needs <= most)[0]
        least = all_least_shares(problem.at_tolerance(), Progress())
        assert np.nonzero(np.isfinite(least))[0].tolist() == others.tolist()

        def fits(some: tuple[int, ...], needs: np.ndarray = needs, most: float = most) -> bool:
            return bool(needs[list(some)].sum() <= most)

        found = conflict_of(problem, least, Progress())
        size = assert_is_smallest(found, others.tolist(), fits)
        sizes.append(size)
        if size:
            told = outcome.Infeasibility(
                users=np.setdiff1d(everyone(problem), others), conflict=found
            )
            checked = confirmed(problem, told, Progress())
            assert checked is not None
            assert checked.removals_checked == size
    assert set(sizes) >= {0, 2, 3, 4}


def test_a_cell_without_a_plan_is_told_who_collides_beside_who_fails_alone() -> None:
    cell = a_crowd()
    late = replace(cell, deadline_s=np.where(np.arange(12) == 3, 1e-6, cell.deadline_s))
    for problem in (cell, late):
        found = diagnose(problem)
        assert found is not None
        assert found.conflict is not None
        assert (3 in found.users) == (problem is late)
        assert not set(found.users) & set(found.conflict.users)


@pytest.mark.slow
@pytest.mark.parametrize("servers", [1, 2])
def test_conflicts_over_servers_equal_enumeration(servers: int, drawn: Drawn) -> None:
    sizes = []
    for problem in served_cells(list(drawn(40, soak=200)), 4, 4, servers, room=(0.02, 0.6)):
        found = diagnose(problem)
        if found is None:
            continue

        def fits(some: tuple[int, ...], whole: Problem = problem) -> bool:
            return least_of_all(whole.only(np.array(some))) < np.inf

        others = np.setdiff1d(np.arange(problem.users), found.users).tolist()
        sizes.append(assert_is_smallest(found.conflict, others, fits))
        if found.conflict is not None:
            checked = confirmed(problem, found, Progress())
            assert checked is not None
            assert checked.removals_checked == sizes[-1]
    assert any(sizes)


def refused(problem: Problem) -> Infeasibility:
    found = diagnose(problem)
    assert found is not None
    assert found.conflict is not None
    return found


def test_a_conflict_that_is_none_is_refuted() -> None:
    crowd = refused(a_crowd())
    assert crowd.conflict is not None
    for users in (crowd.conflict.users[:-1], np.arange(12)):
        wrong = replace(crowd, conflict=replace(crowd.conflict, users=users))
        with pytest.raises(RefutedAnswer):
            confirmed(a_crowd(), wrong, Progress())
    kept = replace(crowd, conflict=replace(crowd.conflict, proof=Proof.FOUND))
    assert confirmed(a_crowd(), kept, Progress()) == kept.conflict

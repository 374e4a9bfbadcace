"""A cell at many uplinks: the plans of each by itself, from a price nearby."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from solvers import sweep
from solvers.outcome import Certificate, Options, RefutedAnswer, Status
from solvers.progress import Cancelled, Progress, Stop
from solvers.registry import answer
from solvers.robust.check import check, nearby
from solvers.robust.problem import Decision, Problem
from solvers.robust.solve import solve
from solvers.sweep import all_together, sweepable, swept
from tests.support.robust.cells import a_cell, random_cell
from tests.support.robust.kernel import the_library
from tests.support.seeds import Drawn

GAP = 1e-6


@pytest.fixture(autouse=True, scope="module")
def _kernel() -> None:
    the_library()


def widths_hz(problem: Problem, count: int = 12) -> list[float]:
    """Falling, around the cell's own."""
    return (problem.bandwidth_hz * np.geomspace(4.0, 0.1, count)).tolist()


def held_against_each(problem: Problem, widths: list[float]) -> int:
    """How many uplinks have a plan, each the one that is found by itself."""
    found = list(swept(problem, widths, Options(gap=GAP), Progress()))
    for width, (solution, certificate) in zip(widths, found, strict=False):
        alone, checked = answer(problem.with_bandwidth(width), Options(gap=GAP), Progress())
        assert solution.status is alone.status
        if solution.decision is None:
            assert len(found) == widths.index(width) + 1, "narrower uplinks have no plan either"
            return len(found) - 1
        assert certificate is not None
        assert checked is not None
        assert solution.objective == pytest.approx(alone.objective, rel=2.0 * GAP)
        assert solution.lower_bound is not None
        assert solution.lower_bound <= checked.objective * (1.0 + 1e-9)
        assert solution.gap is not None
        assert (solution.gap <= GAP) == (solution.status is Status.OPTIMAL)
        assert certificate.lower_bound is not None
        assert certificate.lower_bound <= checked.objective * (1.0 + 1e-9)
        again = check(problem.with_bandwidth(width), solution.decision)
        assert again.holds
        assert again.objective == pytest.approx(certificate.objective, rel=1e-12)
    assert len(found) == len(widths)
    return len(found)


@pytest.mark.parametrize("kind", ["generic", "levels", "tied", "tight", "infeasible"])
def test_plans_are_those_of_each_uplink_by_itself(kind: str, drawn: Drawn) -> None:
    solved = 0
    for seed in drawn(3, soak=30):
        rng = np.random.default_rng(seed)
        problem = random_cell(rng, users=6, cuts=8, kind=kind)
        assert sweepable(problem)
        solved += held_against_each(problem, widths_hz(problem))
    assert solved > 0


def test_few_prices_serve_many_uplinks(monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[float] = []
    usual = sweep.reference

    def counted(
        problem: Problem, decision: Decision, price: float, energy_j: float
    ) -> nearby.Reference | None:
        looks.append(problem.bandwidth_hz)
        return usual(problem, decision, price, energy_j)

    monkeypatch.setattr(sweep, "reference", counted)
    problem = a_cell(12)
    widths = (problem.bandwidth_hz * np.geomspace(2.0, 0.5, 40)).tolist()
    assert held_against_each(problem, widths) == 40
    assert len(looks) < 20


def test_hardly_any_options_kept_change_no_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nearby, "_NEAR", 0.0)
    problem = a_cell(8)
    assert held_against_each(problem, widths_hz(problem, 6)) > 3


def test_a_plan_with_what_is_left_out_spends_as_much_as_is_said(drawn: Drawn) -> None:
    tried = 0
    for seed in drawn(4, soak=30):
        problem = random_cell(np.random.default_rng(seed), users=4, cuts=6)
        solution = solve(problem)
        if solution.decision is None or solution.objective is None:
            continue
        price = solution.prices["dual_bandwidth_j_per_hz"]
        of = nearby.reference(problem, solution.decision, 1.1 * price, 0.01 * solution.objective)
        if of is None:
            continue
        first = problem.workloads.first
        for row in np.flatnonzero(~of.kept).tolist():
            kind = int(np.searchsorted(first, row, side="right")) - 1
            if kind not in problem.workload:
                continue
            forced = np.ones(len(of.kept), dtype=np.bool_)
            forced[first[kind] : first[kind + 1]] = False
            forced[row] = True
            for part in (1.0, 0.6):
                cell = problem.with_bandwidth(part * problem.bandwidth_hz)
                only = solve(replace(cell, workloads=problem.workloads.keep(forced)))
                if only.objective is not None:
                    tried += 1
                    least_j = of.beyond_j(cell.bandwidth_hz)
                    assert only.objective >= least_j * (1.0 - 1e-9) - 1e-12
    assert tried > 10


def test_what_the_check_does_not_confirm_is_no_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    usual = sweep.by_kernel

    def too_slow(*how: Any, **more: Any) -> Any:
        solution = usual(*how, **more)
        assert solution is not None
        assert solution.decision is not None
        clock = 0.9 * solution.decision.frequency_hz
        return replace(solution, decision=replace(solution.decision, frequency_hz=clock))

    monkeypatch.setattr(sweep, "by_kernel", too_slow)
    problem = a_cell(6)
    with pytest.raises(RefutedAnswer):
        list(swept(problem, widths_hz(problem, 4), Options(), Progress()))


def test_who_stops_gets_what_there_is() -> None:
    problem, asked = a_cell(6), [None, None, Stop.KEEP_BEST]
    progress = Progress(stop=lambda: asked[min(len(found), 2)])
    found: list[Certificate | None] = []
    for _, certificate in swept(problem, widths_hz(problem, 40), Options(), progress):
        found.append(certificate)
    assert 0 < len(found) < 40
    dropped = Progress(stop=lambda: Stop.DROP)
    with pytest.raises(Cancelled):
        list(swept(problem, widths_hz(problem), Options(), dropped))


def test_all_users_of_several_plans_are_told_together() -> None:
    problem = a_cell(5)
    found = list(swept(problem, widths_hz(problem, 3)[:2], Options(), Progress()))
    together, decision = all_together(problem, [solution for solution, _ in found])
    assert together.users == 10
    whole = check(together.with_bandwidth(1e12), decision)
    energies = [solution.objective or 0.0 for solution, _ in found]
    assert whole.objective == pytest.approx(sum(energies), rel=1e-9)

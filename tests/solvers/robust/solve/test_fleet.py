"""Large cells are swept block by block, and look up often while they are."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

import solvers.robust.solve.answer as solving
from solvers.compiled.library import Kernel, using
from solvers.margin import Margin
from solvers.outcome import Options, Status
from solvers.progress import Cancelled, Progress, Step
from solvers.registry import answer
from solvers.robust.baselines import baselines
from solvers.robust.problem import Problem
from solvers.robust.solve import solve
from solvers.robust.solve.certified import RobustSolution
from solvers.robust.solve.infeasible import diagnose
from tests.support.robust.cells import ALEXNET_BIT, ALEXNET_FLOP, a_cell, random_cell, workloads


@pytest.fixture(autouse=True)
def _by_numpy() -> Iterator[None]:
    """These blocks are numpy's; the kernel has stretches of its own."""
    with using(Kernel.NUMPY):
        yield


@pytest.fixture
def sweeping(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every cell counts as large, and a block holds few users."""
    monkeypatch.setattr(solving, "_LARGE_CELL", 0)
    monkeypatch.setattr(solving, "_LARGE_TABLE", 0)
    monkeypatch.setattr("solvers.robust.solve.candidates.BLOCK", 300)
    monkeypatch.setattr("solvers.robust.solve.fleet._SAMPLE", 64)
    monkeypatch.setattr("solvers.robust.solve.dual.AT_ONCE", 100)
    monkeypatch.setattr("solvers.robust.solve.shares._AT_ONCE", 100)
    monkeypatch.setattr("solvers.robust.solve.primal._PLANNED_AT_ONCE", 100)


def cells() -> list[Problem]:
    """Cells of many kinds, larger than a block."""
    kinds = ("generic", "tied", "levels")
    some = [
        random_cell(np.random.default_rng(seed), 150 + seed, 5, kinds[seed % 3])
        for seed in range(12)
    ]
    silent = replace(
        a_cell(100),
        tx_power_w=np.full(100, 50.0),
        gain=np.full(100, 1e-16),
        deadline_s=np.full(100, 30.0),
    )
    starved = a_cell(200, deadline_s=np.full(200, 0.12), bandwidth_hz=3e7)
    hopeless = a_cell(200, deadline_s=np.where(np.arange(200) == 77, 1e-4, 0.2))
    return [*some, silent, starved, hopeless, a_cell(300)]


@pytest.fixture(scope="module")
def answered() -> list[tuple[Problem, RobustSolution]]:
    """Each of them with the answer of who sees it whole."""
    with using(Kernel.AUTO):
        return [(problem, solve(problem)) for problem in cells()]


@pytest.mark.slow
@pytest.mark.parametrize("number", range(16))
def test_swept_cell_has_the_answer_of_the_whole_one(
    answered: list[tuple[Problem, RobustSolution]], sweeping: None, number: int
) -> None:
    problem, whole = answered[number]
    swept, certificate = answer(problem)
    if whole.infeasibility is not None:
        assert swept.infeasibility is not None
        for name in (
            "users",
            "least_deadline_s",
            "least_risk",
            "least_bandwidth_hz",
            "least_total_bandwidth_hz",
        ):
            one, other = getattr(swept.infeasibility, name), getattr(whole.infeasibility, name)
            assert np.allclose(one, other, rtol=1e-9, equal_nan=True)
        return
    assert certificate is not None
    assert whole.objective is not None
    assert whole.lower_bound is not None
    assert swept.objective is not None
    assert swept.lower_bound is not None
    # Without branch and bound a cell this small may keep a gap, but both answers hold for the same
    # optimum.
    assert swept.objective >= whole.lower_bound * (1 - 1e-9)
    assert swept.lower_bound <= whole.objective * (1 + 1e-9)
    assert swept.objective == pytest.approx(whole.objective, rel=2e-3)


@pytest.mark.slow
def test_fifty_thousand_users_are_proven() -> None:
    solution, certificate = answer(a_cell(50_000))
    assert solution.status is Status.OPTIMAL
    assert certificate is not None
    assert certificate.used["bandwidth_hz"] == pytest.approx(a_cell(50_000).bandwidth_hz, rel=1e-9)


class Clock:
    """Goes on by a tenth of a second whenever somebody looks at it."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 0.1
        return self.now


class Watcher:
    """Notes what it is told, and stops the solve at a report."""

    def __init__(self, stop_at: int | None = None) -> None:
        self.seen: list[Step] = []
        self.stop_at = stop_at

    def __call__(self, progress: Step, /) -> None:
        self.seen.append(progress)
        if len(self.seen) - 1 == self.stop_at:
            raise Cancelled


def a_large_cell(users: int = 16_000) -> Problem:
    """Just large enough to be swept block by block."""
    table = workloads(
        cycles=list(ALEXNET_FLOP / 7.0), crossing_bit=list(ALEXNET_BIT), flop_per_cycle=7.0
    )
    return a_cell(users, workloads=table)


def over_subscribed(problem: Problem) -> Problem:
    return replace(
        problem, bandwidth_hz=problem.bandwidth_hz / 40.0, deadline_s=0.5 * problem.deadline_s
    )


def assert_bounds_hold(seen: list[Step], best_j: float) -> None:
    """Whatever was said on the way is true of the plan at the end."""
    assert all(
        progress.bound is None or progress.bound <= best_j * (1.0 + 1e-9) for progress in seen
    )
    assert all(
        progress.objective is None or progress.objective >= best_j * (1.0 - 1e-9)
        for progress in seen
    )


@pytest.mark.slow
def test_a_large_cell_says_how_far_it_is() -> None:
    watcher = Watcher()
    solution = solve(a_large_cell(), Options(), Progress(watcher, clock=Clock(), time_limit_s=1e9))
    assert solution.objective is not None
    fractions = [progress.fraction for progress in watcher.seen]
    assert fractions == sorted(fractions)
    assert fractions[0] == 0.0
    assert fractions[-1] <= 1.0
    assert len({fraction for fraction in fractions if fraction < 0.5}) > 3, (
        "the sweeps are most of the work"
    )
    assert [progress.stage for progress in watcher.seen][:1] == ["sweep"]
    assert {"sweep", "price", "complete"} <= {progress.stage for progress in watcher.seen}
    assert watcher.seen[-1].bound is not None
    assert_bounds_hold(watcher.seen, solution.objective)


@pytest.mark.slow
@pytest.mark.parametrize("stop_at", [0, 1, 3, 5, 8, 12])
def test_a_large_cell_can_be_stopped_anywhere(stop_at: int) -> None:
    watcher = Watcher(stop_at)
    with pytest.raises(Cancelled):
        solve(a_large_cell(), Options(), Progress(watcher, clock=Clock(), time_limit_s=1e9))
    assert len(watcher.seen) == stop_at + 1, "not asked again"


@pytest.mark.slow
def test_the_search_of_a_small_cell_reports_both_ends() -> None:
    proofs = 0
    for seed in range(40):
        problem = random_cell(np.random.default_rng(seed), 12, 8)
        watcher = Watcher()
        solution = solve(problem, Options(), Progress(watcher, clock=Clock(), time_limit_s=1e9))
        if solution.objective is None:
            continue
        assert_bounds_hold(watcher.seen, solution.objective)
        branch = [
            progress
            for progress in watcher.seen
            if progress.stage == "branch" and progress.fraction > 0.8
        ]
        proofs += any(progress.gap is not None and progress.gap < 1.0 for progress in branch)
    assert proofs > 5


@pytest.mark.slow
def test_the_reasons_of_a_cell_without_a_plan_can_be_stopped() -> None:
    problem = over_subscribed(a_large_cell())
    full = Watcher()
    assert (
        solve(problem, Options(), Progress(full, clock=Clock(), time_limit_s=1e9)).status
        is Status.INFEASIBLE
    )
    explaining = [n for n, progress in enumerate(full.seen) if progress.stage == "explain"]
    assert len(explaining) > 10
    for stop_at in (explaining[0], explaining[-1]):
        watcher = Watcher(stop_at)
        with pytest.raises(Cancelled):
            solve(problem, Options(), Progress(watcher, clock=Clock(), time_limit_s=1e9))


@pytest.mark.slow
def test_the_baselines_report_and_can_be_stopped() -> None:
    watcher = Watcher()
    baselines(a_large_cell(), None, Options(), Progress(watcher, clock=Clock(), time_limit_s=1e9))
    fractions = [progress.fraction for progress in watcher.seen]
    assert fractions == sorted(fractions)
    assert len(set(fractions)) > 10
    assert {progress.stage for progress in watcher.seen} == {"baselines"}
    for stop_at in (0, len(watcher.seen) // 2, len(watcher.seen) - 1):
        with pytest.raises(Cancelled):
            baselines(
                a_large_cell(),
                None,
                Options(),
                Progress(Watcher(stop_at), clock=Clock(), time_limit_s=1e9),
            )


@pytest.mark.slow
def test_the_time_of_a_large_cell_includes_its_sweeps() -> None:
    """At a limit that is over before the first sweep ends: a checked plan, said to be late unless
    it is proven.
    """
    problem = replace(a_large_cell(), margin=Margin.MEAN)
    free = solve(problem)
    late = solve(problem, Options(gap=1e-12), Progress(time_limit_s=0.0))
    assert late.decision is not None
    assert late.timed_out
    assert late.status is Status.FEASIBLE
    assert late.lower_bound is not None
    assert free.objective is not None
    assert late.lower_bound <= free.objective * (1.0 + 1e-9)
    assert not free.timed_out


def test_diagnosis_is_what_solving_says() -> None:
    assert diagnose(a_large_cell()) is None
    for problem in (
        over_subscribed(a_cell(12)),
        random_cell(np.random.default_rng(3), 6, 5, "infeasible"),
    ):
        found, solution = diagnose(problem), solve(problem)
        assert (found is None) == (solution.infeasibility is None)
        if found is not None:
            assert solution.infeasibility is not None
            assert found.least_total_bandwidth_hz == pytest.approx(
                solution.infeasibility.least_total_bandwidth_hz, nan_ok=True
            )
            assert found.users.tolist() == solution.infeasibility.users.tolist()

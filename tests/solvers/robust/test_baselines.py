"""The baselines: each is what its rule says, and none beats the plan but the one that ignores the
risk.
"""

import itertools
from dataclasses import replace

import numpy as np
import pytest

from benchmarks.robust_reference import cameras
from solvers.margin import Margin
from solvers.outcome import Options, Solution
from solvers.progress import Progress
from solvers.registry import answer
from solvers.robust.baselines import baselines
from solvers.robust.problem import Problem, Workloads
from solvers.robust.solve import attempt, solve
from solvers.robust.solve.candidates import options_of
from tests.support.robust.brute_force import Option, brute_force
from tests.support.robust.cells import ALEXNET_BIT, ALEXNET_FLOP, a_cell, random_cell, workloads
from tests.support.robust.served import least_of_all, served_cells
from tests.support.seeds import Drawn


def only(problem: Problem, keep: np.ndarray) -> Problem:
    """The problem with the options of `keep` alone able to run."""
    return replace(problem, workloads=replace(problem.workloads, fits_memory=keep))


@pytest.mark.slow
def test_single_cut_rules_are_plans_of_that_cut(drawn: Drawn) -> None:
    for seed in drawn(15):
        problem = random_cell(np.random.default_rng(seed), 4, 5, ("generic", "levels")[seed % 2])
        found, cut = baselines(problem), problem.workloads.cut
        for baseline, keep in ((found.device_only, cut == cut.max()), (found.edge_only, cut == 0)):
            exact = solve(only(problem, keep))
            assert baseline.feasible == (exact.objective is not None)
            if baseline.energy_j is not None:
                assert baseline.energy_j == pytest.approx(exact.objective, rel=1e-6)
                assert baseline.energy_j >= exact.objective * (1 - 1e-6)
                assert baseline.lower_bound_j <= exact.objective * (1 + 1e-9)
                assert baseline.gap <= 1e-6


def test_equal_share_is_the_best_cut_at_an_equal_share(drawn: Drawn) -> None:
    for seed in drawn(15):
        problem = random_cell(np.random.default_rng(seed), 4, 5)
        option = Option(problem)
        share = np.full(len(option.row), problem.bandwidth_hz / 4)
        energy = option.energy(share, np.arange(len(share)))
        expected = sum(energy[option.owner == n].min() for n in range(4))
        found = baselines(problem).equal_share
        assert found.energy_j == (
            pytest.approx(expected, rel=1e-9) if np.isfinite(expected) else None
        )


def test_mean_only_is_cheaper_and_says_how_late_it_may_be() -> None:
    problem = a_cell(12)
    found, plan = baselines(problem), solve(problem)
    assert found.mean_only.energy_j == pytest.approx(
        solve(replace(problem, margin=Margin.MEAN)).objective, rel=1e-6
    )
    assert plan.objective is not None
    assert found.mean_only.energy_j < plan.objective
    assert found.mean_only.violation_bound_max is not None
    assert found.mean_only.violation_bound_max > problem.risk.max()


def test_mean_only_of_a_small_cell_is_searched_to_its_end() -> None:
    """Where exchanges of single users alone end 2.5e-4 above the best plan there is."""
    problem = cameras(38, 12)
    found = baselines(problem, solve(problem)).mean_only
    blind = problem.with_margin(Margin.MEAN)
    best, certificate = answer(blind, Options(gap=1e-9))
    assert certificate is not None
    assert certificate.lower_bound >= best.objective * (1 - 2e-9)
    assert found.energy_j == pytest.approx(best.objective, rel=1e-9)
    assert found.lower_bound_j <= best.objective
    exchanged = attempt(blind, Options(), Progress(), prove=False)
    assert isinstance(exchanged, Solution)
    assert exchanged.objective > 1.0002 * found.energy_j


@pytest.mark.slow
def test_no_rule_that_respects_the_risk_beats_the_plan(drawn: Drawn) -> None:
    for seed in drawn(20):
        problem = random_cell(np.random.default_rng(seed), 3, 4)
        plan, found = solve(problem, Options(gap=1e-9)), baselines(problem)
        for baseline in (found.device_only, found.edge_only, found.equal_share):
            if baseline.energy_j is not None:
                assert plan.objective is not None
                assert baseline.energy_j >= plan.objective * (1 - 1e-8)
    assert brute_force(problem) == pytest.approx(plan.objective, rel=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("margin", list(Margin)[:3])
def test_a_rule_that_the_plan_keeps_is_never_dearer(margin: Margin) -> None:
    """Whatever is left open in either: the plan itself is a plan by the rule."""
    kept = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        problem = random_cell(
            rng, int(rng.integers(1, 8)), int(rng.integers(1, 6)), ("generic", "levels")[seed % 2]
        )
        problem = replace(problem, margin=margin)
        plan = solve(problem, Options(gap=(1e-6, 1e-2)[seed % 2]))
        if plan.decision is None:
            continue
        found, cut = baselines(problem, plan), plan.decision.cut(problem)
        work = problem.workloads
        last = np.maximum.reduceat(work.cut, work.first[:-1])[problem.workload]
        rules = {
            "mean_only": True,
            "device_only": np.all(cut == last),
            "edge_only": np.all(cut == 0),
        }
        for name in (name for name, keeps in rules.items() if keeps):
            baseline = getattr(found, name)
            assert baseline.energy_j <= plan.objective, (seed, name)
            assert baseline.lower_bound_j <= baseline.energy_j, (seed, name)
            kept += 1
    assert kept > 40


def test_the_same_question_has_the_same_answer() -> None:
    """Without a margin, or where nothing varies, the mean is all there is to plan with."""
    for problem in (replace(a_cell(12), margin=Margin.MEAN), a_cell(12, workloads=steady())):
        plan = solve(problem)
        found = baselines(problem, plan).mean_only
        assert (found.energy_j, found.lower_bound_j) == (plan.objective, plan.lower_bound)


def steady() -> Workloads:
    """A network whose times do not vary."""
    table = a_cell().workloads
    still = np.zeros(len(table.cut))
    return replace(
        table, device_variance_s2=still, device_variance_low_s2=still, server_variance_s2=still
    )


def test_what_is_not_searched_says_what_is_left_open() -> None:
    """A cell of many options: no search unless asked for, and the bound is below what the search
    then finds.
    """
    levels = np.linspace(0.2e9, 1.9e9, 12).tolist()
    table = workloads(
        cycles=list(ALEXNET_FLOP / 7.0), crossing_bit=list(ALEXNET_BIT), levels_hz=levels
    )
    problem = a_cell(12, workloads=table, deadline_s=np.full(12, 0.5))
    plan = solve(problem)
    rough, proven = (
        baselines(problem, plan).mean_only,
        baselines(problem, plan, prove=True).mean_only,
    )
    assert proven.gap is not None
    assert proven.gap <= 1e-6
    assert rough.lower_bound_j <= proven.energy_j * (1 + 1e-12)
    assert proven.lower_bound_j <= rough.energy_j
    assert rough.gap > proven.gap, "or the case shows nothing"


@pytest.mark.slow
def test_every_rule_keeps_the_budgets_of_servers() -> None:
    compared = 0
    for problem in served_cells(list(range(10)), 3, 4, 2):
        found, cut = baselines(problem, prove=True), problem.workloads.cut
        rules = ((found.device_only, cut == cut.max()), (found.edge_only, cut == 0))
        for baseline, keep in rules:
            best = least_of_all(only(problem, keep & problem.workloads.fits_memory))
            assert baseline.feasible == np.isfinite(best)
            if baseline.feasible:
                assert baseline.energy_j == pytest.approx(best, rel=1e-6)
        options, possible = options_of(problem)
        share = problem.bandwidth_hz / 3
        fits = possible & (options.curves.least_hz <= share)
        x = np.where(options.curves.sends & fits, options.curves.x_at(share), 0.0)
        energy = np.where(fits, options.curves.energy_j(x), np.inf)
        choices = np.array(list(itertools.product(*map(range, options.first, options.first[1:]))))
        room = np.array(problem.server_capacity) * (1.0 + 1e-12)
        kept = np.all(options.load[choices].sum(axis=1) <= room, axis=1)
        best = float(energy[choices[kept]].sum(axis=1).min())
        assert found.equal_share.feasible == np.isfinite(best)
        if found.equal_share.feasible:
            assert found.equal_share.energy_j == pytest.approx(best, rel=1e-6)
            compared += 1
    assert compared >= 3

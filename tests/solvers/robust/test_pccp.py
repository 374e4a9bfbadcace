"""The paper's own method: right in each half, never better than the exact one."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from solvers import physics
from solvers.margin import Margin
from solvers.outcome import Options, Status
from solvers.progress import Progress, Step
from solvers.registry import answer
from solvers.robust.budget import time_budget
from solvers.robust.check import check
from solvers.robust.pccp import PccpSolution, pccp, relaxed_cuts, starts
from solvers.robust.problem import Decision, Method, Problem
from solvers.robust.solve import solve
from tests.support.robust.brute_force import best_plan, brute_force, least_capacity
from tests.support.robust.cells import ALEXNET_BIT, ALEXNET_FLOP, a_cell, random_cell, workloads
from tests.support.robust.everything import TERMS, random_cell_with_everything
from tests.support.seeds import Drawn


def a_case(seed: int) -> Problem:
    """Feasible cells of 12 users, some tight."""
    return random_cell(np.random.default_rng(seed), 12, 8)


def traced(problem: Problem, start: np.ndarray | None = None) -> tuple[PccpSolution, list[float]]:
    energies: list[float] = []

    def note(progress: Step) -> None:
        assert progress.objective is not None
        if progress.stage == "resources":
            energies.append(progress.objective)

    return pccp(problem, start, progress=Progress(note)), energies


def at_the_same_resources(
    problem: Problem, decision: Decision
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Energy of every (user, option) pair with the user's clock and share, whether it is in time,
    and the user.
    """
    work, budget = problem.workloads, time_budget(problem)
    row, user = budget.row, budget.user
    share, clock = decision.bandwidth_hz[user], decision.frequency_hz[user]
    rate = physics.rate_bps(
        share, problem.tx_power_w[user], problem.gain[user], problem.noise_w_per_hz
    )
    uplink = physics.transfer_s(work.crossing_bit[row], rate)
    device = physics.device_s(work.cycles[row], clock, work.overhead_s[row])
    kappa = work.power_coefficient[row]
    energy = physics.compute_energy_j(kappa, clock, device) + physics.radio_energy_j(
        problem.tx_power_w[user], uplink
    )
    in_time = work.fits_memory[row] & (work.cycles[row] / clock + uplink <= budget.left_s)
    return energy, in_time, user


def cheaper_elsewhere(problem: Problem, decision: Decision) -> int:
    """Users with a cheaper option in time at the clocks and shares they have, by looking at all."""
    energy, in_time, user = at_the_same_resources(problem, decision)
    held = energy[time_budget(problem).first[:-1] + decision.option]
    return len(np.unique(user[in_time & (energy < held[user] * (1.0 - 1e-9))]))


@pytest.mark.slow
@pytest.mark.parametrize(
    "seed", [pytest.param(k, marks=[] if k < 6 else pytest.mark.soak) for k in range(15)]
)
def test_never_beats_the_exact_method_and_never_gets_worse(seed: int) -> None:
    problem = a_case(seed)
    exact = solve(problem)
    assert exact.objective is not None
    begin = starts(problem)
    assert set(begin) == {"least_bandwidth", "equal_share"}
    for name, start in begin.items():
        solution, energies = traced(problem, start)
        assert solution.status is Status.FEASIBLE
        assert solution.lower_bound is None
        assert solution.decision is not None
        assert solution.objective == energies[-1]
        certificate = check(problem, solution.decision)
        assert certificate.holds, (name, certificate.violations)
        assert certificate.objective == pytest.approx(solution.objective, rel=1e-12)
        assert certificate.objective >= exact.objective * (1.0 - 1e-9), name
        assert np.all(np.diff(energies) <= 0.0), name


@pytest.mark.parametrize("seed", range(5))
def test_splits_the_uplink_of_the_exact_cuts_as_the_exact_method_does(seed: int) -> None:
    """The convex half against the closed formulas, which share no line."""
    problem = a_case(seed)
    exact = solve(problem)
    assert exact.decision is not None
    solution, energies = traced(problem, exact.decision.option)
    assert solution.objective == pytest.approx(exact.objective, rel=1e-7)
    assert len(energies) == 1
    assert solution.decision is not None
    assert np.array_equal(solution.decision.option, exact.decision.option)


def test_shares_are_those_of_the_exact_method_where_much_time_does_not_scale_with_the_clock() -> (
    None
):
    table = workloads(
        cycles=list(ALEXNET_FLOP / 7),
        crossing_bit=list(ALEXNET_BIT),
        flop_per_cycle=7.0,
        overhead_s=0.05,
        cv=0.01,
    )
    problem = a_cell(6, workloads=table, bandwidth_hz=2e6, deadline_s=np.linspace(0.22, 0.4, 6))
    option = np.full(6, 7)
    only = replace(table, fits_memory=np.arange(11) == 7)
    exact = solve(replace(problem, workloads=only)).decision
    found = pccp(problem, option, Options(), Progress(time_limit_s=-1.0)).decision
    assert exact is not None
    assert found is not None
    assert np.all((exact.frequency_hz > 1.01 * 0.2e9) & (exact.frequency_hz < 1.8e9))
    assert np.ptp(exact.bandwidth_hz) > 0.1 * exact.bandwidth_hz.mean()
    np.testing.assert_allclose(found.bandwidth_hz, exact.bandwidth_hz, rtol=1e-4)
    np.testing.assert_allclose(found.frequency_hz, exact.frequency_hz, rtol=1e-4)


@pytest.mark.slow
def test_moves_cuts_until_hardly_any_user_has_a_cheaper_one() -> None:
    """The relaxed half against looking at every cut: it starts where many could move, and few still
    can at the end.
    """
    could, still, moved = 0, 0, 0
    for seed in range(8):
        problem = a_case(seed)
        start = starts(problem)["least_bandwidth"]
        first = pccp(problem, start, Options(), Progress(time_limit_s=-1.0))
        last, energies = traced(problem, start)
        assert first.decision is not None
        assert last.decision is not None
        could += cheaper_elsewhere(problem, first.decision)
        still += cheaper_elsewhere(problem, last.decision)
        moved += energies[-1] < energies[0]
    assert moved >= 4
    assert could >= 10
    assert still <= 0.2 * could


def cameras(seed: int) -> Problem:
    rng = np.random.default_rng(seed)
    gain_db = -(15.3 + 37.6 * np.log10(rng.uniform(30.0, 250.0, 12)))
    return a_cell(12, gain=10.0 ** (gain_db / 10.0), deadline_s=rng.uniform(0.2, 0.6, 12))


@pytest.mark.slow
@pytest.mark.parametrize(("cell", "clock"), [(cameras, 0.4), (a_case, 1.0)])
def test_the_procedure_ends_in_whole_numbers_that_looking_at_every_cut_confirms(
    cell: Callable[[int], Problem], clock: float
) -> None:
    """At equal shares and clocks that leave a choice.

    It may end at a cut that is late, where both ways out cost slack first; cuts in time must be the
    cheapest there are.
    """
    users, in_time_users, cheapest, fractional = 0, 0, 0, 0
    for seed in range(10):
        problem = cell(seed)
        work = problem.workloads
        decision = Decision(
            option=starts(problem)["least_bandwidth"],
            frequency_hz=clock * work.clock_max_hz[work.first[problem.workload]],
            bandwidth_hz=np.full(12, problem.bandwidth_hz / 12),
        )
        energy, in_time, user = at_the_same_resources(problem, decision)
        x = relaxed_cuts(problem, decision)
        assert x.min() >= 0.0
        assert x.sum(axis=1) == pytest.approx(np.ones(12), abs=1e-6)
        for n in range(12):
            allowed = np.where(in_time, energy, np.inf)[user == n]
            if np.isfinite(allowed.min()):
                users += 1
                in_time_users += bool(np.isfinite(allowed[x[n].argmax()]))
                cheapest += allowed[x[n].argmax()] <= allowed.min() * (1.0 + 1e-9)
                fractional += x[n].max() < 0.999
    assert users >= 90
    assert in_time_users >= 0.8 * users
    assert cheapest >= 0.95 * in_time_users
    assert fractional <= 0.05 * users


def test_each_margin_is_kept() -> None:
    problem = a_cell(8)
    work = replace(
        problem.workloads,
        device_excess_s=10.0 * np.sqrt(problem.workloads.device_variance_s2),
        server_excess_s=10.0 * np.sqrt(problem.workloads.server_variance_s2),
    )
    for margin in Margin:
        held = replace(problem, workloads=work, margin=margin)
        exact, solution = solve(held), pccp(held, starts(held)["equal_share"])
        assert solution.decision is not None
        assert solution.objective is not None
        assert exact.objective is not None
        assert check(held, solution.decision).holds
        assert solution.objective >= exact.objective * (1.0 - 1e-9)


def test_users_who_send_nothing_need_no_program() -> None:
    problem = a_cell(4, bandwidth_hz=1e3, deadline_s=np.full(4, 0.4))
    solution = pccp(problem)
    assert solution.decision is not None
    assert np.all(solution.decision.bandwidth_hz == 0.0)
    assert solution.objective == pytest.approx(solve(problem).objective, rel=1e-12)


def test_says_who_cannot_start() -> None:
    impossible = pccp(a_cell(3, deadline_s=np.array([0.2, 1e-3, 0.2])))
    assert impossible.status is Status.INFEASIBLE
    assert impossible.decision is None
    assert impossible.infeasibility is not None
    assert impossible.infeasibility.users == (1,)

    narrow = a_cell(12, bandwidth_hz=5e6, deadline_s=np.full(12, 0.13))
    crowded = pccp(narrow)
    assert solve(narrow).status is Status.INFEASIBLE
    assert starts(narrow) == {}
    assert crowded.infeasibility is not None
    assert crowded.infeasibility.users == ()
    needed = crowded.infeasibility.least_bandwidth_hz
    assert needed > narrow.bandwidth_hz
    assert solve(replace(narrow, bandwidth_hz=needed * (1 + 1e-9))).decision is not None
    assert solve(replace(narrow, bandwidth_hz=needed * (1 - 1e-6))).decision is None


def test_stops_in_time_with_what_it_has() -> None:
    problem = a_case(3)
    solution = pccp(problem, progress=Progress(time_limit_s=-1.0))
    assert solution.timed_out
    assert solution.decision is not None
    assert check(problem, solution.decision).holds


FREE = tuple(term for term in TERMS if term != "levels")


def every_term(seed: int) -> Problem:
    users = 1 + seed % 4
    return random_cell_with_everything(np.random.default_rng(seed), users, FREE, 8)


@pytest.mark.slow
@pytest.mark.parametrize(
    "block", [0, 1, *(pytest.param(k, marks=pytest.mark.soak) for k in (2, 3))]
)
def test_with_every_term_the_convex_half_splits_the_uplink_as_brute_force_does(block: int) -> None:
    """A conic program, in tau and b, against bisection, in f and b."""
    compared = 0
    for seed in range(block, 60, 4):
        problem = every_term(seed)
        best, decision = best_plan(problem)
        if decision is None:
            continue
        found = pccp(problem, decision.option, Options(), Progress(time_limit_s=-1.0))
        assert found.decision is not None
        certificate = check(problem, found.decision)
        assert certificate.holds, (seed, certificate.violations)
        assert certificate.objective == pytest.approx(found.objective, rel=1e-12), seed
        assert found.objective == pytest.approx(best, rel=1e-7), seed
        compared += 1
    assert compared >= 8


@pytest.mark.slow
def test_with_every_term_it_never_beats_brute_force_and_often_finds_it(drawn: Drawn) -> None:
    started, found_it = 0, 0
    for seed in drawn(16, soak=32):
        problem = every_term(seed)
        best = brute_force(problem)
        for start in starts(problem).values():
            solution = pccp(problem, start)
            assert solution.decision is not None
            assert solution.objective is not None
            certificate = check(problem, solution.decision)
            assert certificate.holds, (seed, certificate.violations)
            assert certificate.objective == pytest.approx(solution.objective, rel=1e-12), seed
            assert solution.objective >= best * (1 - 1e-9), seed
            started += 1
            found_it += solution.objective <= best * (1 + 1e-6)
    assert started >= 20
    assert found_it >= 0.3 * started


@pytest.mark.slow
def test_with_budgets_of_servers_it_starts_wherever_there_is_a_plan(drawn: Drawn) -> None:
    """Through the registry, so that every plan is checked and bounded; every other cell has a
    server that is just large enough, or just too small.
    """
    planned, refused = 0, 0
    for seed in drawn(30, soak=60):
        problem = every_term(seed)
        if not problem.server_capacity:
            continue
        needed = [least_capacity(problem, k) for k in range(2)]
        factor = (1.0 + 1e-6, 1.0 - 1e-6)[seed // 4 % 2]
        capacity = [
            least * factor if 0.0 < least < np.inf else held
            for least, held in zip(needed, problem.server_capacity, strict=True)
        ]
        problem = replace(problem, server_capacity=tuple(capacity), method=Method.PCCP)
        best = brute_force(problem)
        solution, certificate = answer(problem)
        if best == np.inf:
            assert solution.status is Status.INFEASIBLE, seed
            refused += 1
            continue
        assert certificate is not None, seed
        assert solution.objective is not None
        assert solution.lower_bound is not None
        assert solution.objective >= best * (1 - 1e-9), seed
        assert solution.lower_bound <= best * (1 + 1e-9), seed
        planned += 1
    assert planned >= 7
    assert refused >= 1


def test_refuses_what_it_does_not_take() -> None:
    table = workloads(
        cycles=list(ALEXNET_FLOP / 7),
        crossing_bit=list(ALEXNET_BIT),
        flop_per_cycle=7.0,
        levels_hz=[0.4e9, 0.8e9],
    )
    with pytest.raises(ValueError, match="not levels"):
        pccp(a_cell(2, workloads=table))
    with pytest.raises(ValueError, match="start"):
        pccp(a_cell(12, bandwidth_hz=1e5), np.zeros(12, dtype=np.int64))
    work = a_cell(12).workloads
    loaded = replace(work, server_load_s=work.server_mean_s[:, None])
    crowded = a_cell(12, workloads=loaded, rate_hz=np.full(12, 2.0), server_capacity=(1e-9,))
    with pytest.raises(ValueError, match="servers' budgets"):
        pccp(crowded, np.zeros(12, dtype=np.int64))


def test_same_cell_same_answer() -> None:
    first, second = pccp(a_case(2)), pccp(a_case(2))
    assert first.objective == second.objective

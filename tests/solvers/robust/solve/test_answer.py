"""The exact method against brute force, against itself and against the clock."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from solvers.compiled.library import Kernel, using
from solvers.margin import Margin
from solvers.outcome import Options, Status
from solvers.progress import Cancelled, Progress, Step
from solvers.registry import answer
from solvers.robust.problem import Problem
from solvers.robust.solve import solve
from solvers.robust.solve.candidates import options_of
from tests.support.robust.brute_force import brute_force
from tests.support.robust.cells import a_cell, random_cell
from tests.support.seeds import Drawn

KINDS = ("generic", "generic", "tied", "levels", "tight", "infeasible", "single", "worst_case")
CUTS = {1: 8, 2: 8, 3: 6, 4: 5, 5: 4}


def least_bandwidth_hz(problem: Problem) -> float:
    """Sum of the users' least shares."""
    options, possible = options_of(problem)
    return float(options.least(np.where(possible, options.curves.least_hz, np.inf)).sum())


def a_case(seed: int) -> tuple[str, Problem]:
    """One of 200 cells of 1 to 5 users, tight, infeasible, tied and single-option ones among
    them.
    """
    rng = np.random.default_rng(seed)
    kind = KINDS[seed % len(KINDS)]
    users = 1 + seed // len(KINDS) % 5
    problem = random_cell(rng, users, 3 if kind == "levels" else CUTS[users], kind)
    if kind == "worst_case":
        work = problem.workloads
        table = replace(
            work,
            device_excess_s=4.0 * np.sqrt(work.device_variance_s2),
            server_excess_s=3.0 * np.sqrt(work.server_variance_s2),
        )
        problem = replace(
            problem, margin=Margin.WORST_CASE, network_variance_s2=0.0, workloads=table
        )
    least = least_bandwidth_hz(problem)
    if kind == "tight" and 0.0 < least < np.inf:
        problem = replace(problem, bandwidth_hz=least * (1.0 + 10.0 ** rng.uniform(-7, -2)))
    if kind == "infeasible" and 0.0 < least < np.inf:
        problem = replace(problem, bandwidth_hz=least * (1.0 - 10.0 ** rng.uniform(-7, -2)))
    return kind, problem


QUICK, USUAL = 2, 5  # one of each kind and number of users; all in `make soak`
BLOCKS = [
    pytest.param(
        block,
        marks=[] if block < QUICK else [pytest.mark.slow] if block < USUAL else [pytest.mark.soak],
    )
    for block in range(20)
]


@pytest.mark.slow
@pytest.mark.parametrize("block", BLOCKS)
def test_equals_brute_force_over_all_cuts(block: int, drawn: Drawn) -> None:
    for seed in drawn(10 * block + 10)[-10:]:
        kind, problem = a_case(seed)
        best = brute_force(problem)
        for kernel in (Kernel.AUTO, Kernel.NUMPY):
            with using(kernel):
                solution, certificate = answer(problem)
            if best == np.inf:
                assert solution.status is Status.INFEASIBLE, (seed, kind)
                continue
            assert certificate is not None
            assert solution.status is Status.OPTIMAL, (seed, kind)
            assert solution.gap is not None
            assert solution.gap <= 1e-6
            assert solution.objective == pytest.approx(best, rel=1e-6), (seed, kind)
            assert solution.lower_bound is not None
            assert solution.lower_bound <= best * (1.0 + 1e-8), (seed, kind)
            assert certificate.holds, (seed, kind)


@pytest.mark.slow
def test_the_cases_hold_what_they_promise() -> None:
    found = [(kind, answer(problem)[0].status) for kind, problem in map(a_case, range(200))]
    for kind in set(KINDS):
        assert sum(k == kind and status is Status.OPTIMAL for k, status in found) >= (
            0 if kind == "infeasible" else 5
        )
    assert sum(status is Status.INFEASIBLE for _, status in found) >= 15


def test_brute_force_agrees_with_a_conic_solver() -> None:
    """The oracle itself, for one choice of cuts, against the paper's convex form in cvxpy."""
    import cvxpy as cp

    problem = a_cell(3, gain=np.array([3e-12, 1e-11, 5e-12]), bandwidth_hz=6e6)
    solution = solve(problem)
    assert solution.decision is not None
    work, row = problem.workloads, solution.decision.option
    users = range(problem.users)
    c, d, t0 = work.cycles[row], work.crossing_bit[row], work.overhead_s[row]
    a = problem.tx_power_w * problem.gain / problem.noise_w_per_hz
    sigma = np.sqrt((1 - problem.risk) / problem.risk)
    deviation = np.sqrt(work.device_variance_s2[row] + work.server_variance_s2[row])
    left = problem.deadline_s - t0 - work.server_mean_s[row] - sigma * deviation
    # In units near 1: time in s, bandwidth in MHz, energy in J.
    tau, b, off = cp.Variable(3, pos=True), cp.Variable(3, pos=True), cp.Variable(3, pos=True)
    rate = [-cp.rel_entr(b[n], b[n] + a[n] / 1e6) / np.log(2) for n in users]
    constraints = [off[n] >= d[n] / 1e6 * cp.inv_pos(rate[n]) for n in users]
    constraints += [tau + off <= left, cp.sum(b) <= problem.bandwidth_hz / 1e6]
    constraints += [tau <= c / work.clock_min_hz[row], tau >= c / work.clock_max_hz[row]]
    energy = work.power_coefficient[row] * c**3
    objective = cp.sum(
        cp.multiply(energy, cp.power(tau, -2)) + cp.multiply(problem.tx_power_w, off)
    )
    value = cp.Problem(cp.Minimize(objective), constraints).solve(solver=cp.CLARABEL)
    assert solution.objective == pytest.approx(value, rel=1e-6)


@pytest.mark.slow
def test_twelve_users_are_proven_within_two_seconds_each() -> None:
    proven = 0
    for seed in range(100):
        problem = random_cell(np.random.default_rng(1000 + seed), 12, 8)
        proven += (
            solve(problem, Options(), Progress(time_limit_s=2.0)).status is not Status.FEASIBLE
        )
    assert proven >= 99


@pytest.mark.parametrize("users", [100, 1000])
def test_large_cells_reach_the_gap_in_one_call(users: int) -> None:
    solution, certificate = answer(a_cell(users))
    assert solution.status is Status.OPTIMAL
    assert solution.gap is not None
    assert solution.gap <= 1e-6
    assert certificate is not None
    assert certificate.holds


@pytest.mark.parametrize("users", [2, 12, 100, 1000])
def test_users_who_are_all_alike(users: int) -> None:
    solution = solve(a_cell(users, gain=np.full(users, 1e-10)))
    assert solution.status is Status.OPTIMAL


def test_a_user_alone_has_no_gap() -> None:
    solution = solve(a_cell(1))
    assert solution.decision is not None
    assert solution.gap is not None
    assert solution.gap <= 1e-12
    assert solution.decision.bandwidth_hz[0] == pytest.approx(a_cell(1).bandwidth_hz, rel=1e-12)


def test_nobody_transmits_when_the_device_is_cheaper() -> None:
    problem = a_cell(6, deadline_s=np.full(6, 30.0))
    problem = replace(problem, tx_power_w=np.full(6, 50.0), gain=np.full(6, 1e-16))
    solution = solve(problem)
    assert solution.decision is not None
    assert solution.decision.bandwidth_hz.sum() == 0.0
    assert solution.prices["bandwidth_j_per_hz"] == 0.0
    assert solution.status is Status.OPTIMAL


def test_price_is_what_one_more_hertz_saves() -> None:
    from solvers.robust.solve.dual import Relaxation
    from solvers.robust.solve.primal import best_of

    for seed in range(20):
        problem = random_cell(np.random.default_rng(seed), 4, 5)
        solution = solve(problem)
        if solution.decision is None or solution.prices["bandwidth_j_per_hz"] == 0.0:
            continue
        options, _ = options_of(problem)
        chosen = options.first[:-1] + solution.decision.option
        step = 1e-6 * problem.bandwidth_hz
        energy = []
        for bandwidth in (problem.bandwidth_hz, problem.bandwidth_hz + step):
            relaxation = Relaxation(options, bandwidth).priceable()
            energy.append(
                best_of(relaxation, chosen[None, :], np.log(solution.prices["bandwidth_j_per_hz"]))[
                    0
                ].energy_j
            )
        assert (energy[0] - energy[1]) / step == pytest.approx(
            solution.prices["bandwidth_j_per_hz"], rel=1e-3
        )


def test_the_answer_does_not_depend_on_the_order_of_users() -> None:
    rng = np.random.default_rng(5)
    for seed in range(10):
        problem = random_cell(np.random.default_rng(seed), 7, 5)
        order = rng.permutation(7)
        columns = ("workload", "tx_power_w", "gain", "deadline_s", "risk", "correlation")
        turned = replace(problem, **{name: getattr(problem, name)[order] for name in columns})
        one, other = solve(problem), solve(turned)
        assert one.status is other.status
        if one.objective is not None:
            assert other.objective == pytest.approx(one.objective, rel=1e-6)


def test_the_answer_does_not_depend_on_the_units() -> None:
    for seed in range(10):
        problem = random_cell(np.random.default_rng(seed), 5, 5)
        work = problem.workloads
        # Seconds counted in milliseconds, hertz in cycles per millisecond, watts in a unit that
        # leaves joules alone.
        k = 1e3
        scaled = replace(
            problem,
            bandwidth_hz=problem.bandwidth_hz / k,
            noise_w_per_hz=problem.noise_w_per_hz,
            network_mean_s=problem.network_mean_s * k,
            network_variance_s2=problem.network_variance_s2 * k * k,
            deadline_s=problem.deadline_s * k,
            tx_power_w=problem.tx_power_w / k,
            workloads=replace(
                work,
                power_coefficient=work.power_coefficient * k * k,
                clock_min_hz=work.clock_min_hz / k,
                clock_max_hz=work.clock_max_hz / k,
                overhead_s=work.overhead_s * k,
                device_variance_s2=work.device_variance_s2 * k * k,
                device_variance_low_s2=work.device_variance_low_s2 * k * k,
                server_mean_s=work.server_mean_s * k,
                server_variance_s2=work.server_variance_s2 * k * k,
            ),
        )
        one, other = solve(problem), solve(scaled)
        assert one.status is other.status
        if one.objective is not None:
            assert other.objective == pytest.approx(one.objective, rel=1e-6)


def test_the_same_question_has_the_same_answer() -> None:
    one, other = solve(a_cell(30)), solve(a_cell(30))
    assert one.objective == other.objective
    assert one.decision is not None
    assert other.decision is not None
    assert np.array_equal(one.decision.bandwidth_hz, other.decision.bandwidth_hz)


RELAXED = {
    "bandwidth_hz": lambda p, k: replace(p, bandwidth_hz=p.bandwidth_hz * k),
    "deadline_s": lambda p, k: replace(p, deadline_s=p.deadline_s * k),
    "risk": lambda p, k: replace(p, risk=np.minimum(p.risk * k, 0.5)),
    "gain": lambda p, k: replace(p, gain=p.gain * k),
    "network_mean_s": lambda p, k: replace(p, network_mean_s=p.network_mean_s / k),
}


@pytest.mark.slow
@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 10**6), factor=st.floats(1.0, 3.0), what=st.sampled_from(sorted(RELAXED))
)
def test_more_freedom_never_costs_more(seed: int, factor: float, what: str) -> None:
    rng = np.random.default_rng(seed)
    problem = random_cell(rng, int(rng.integers(1, 8)), 5, ("generic", "levels")[seed % 2])
    before, after = solve(problem), solve(RELAXED[what](problem, factor))
    if before.objective is not None:
        assert after.objective is not None
        assert after.objective <= before.objective * (1.0 + 2e-6)


@pytest.mark.slow
@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 10**6))
def test_any_cell_gets_a_proof_or_a_reason(seed: int) -> None:
    """Numbers far from any radio or chip still end in a checked plan or in reasons, without a
    warning.
    """
    rng = np.random.default_rng(seed)
    problem = random_cell(rng, int(rng.integers(1, 6)), 4, ("generic", "levels", "tied")[seed % 3])
    users = problem.users
    wild = replace(
        problem,
        bandwidth_hz=10.0 ** rng.uniform(-3, 15),
        gain=10.0 ** rng.uniform(-40, 10, users),
        tx_power_w=10.0 ** rng.uniform(-20, 5, users),
        deadline_s=10.0 ** rng.uniform(-9, 6, users),
        risk=10.0 ** rng.uniform(-12, -0.4, users),
    )
    solution, certificate = answer(wild)
    assert (certificate is None) == (solution.infeasibility is not None)


def test_time_limit_ends_with_a_plan_and_its_gap() -> None:
    ticks = iter(range(1_000_000))
    progress = Progress(time_limit_s=0.5, clock=lambda: float(next(ticks)))
    with using(Kernel.NUMPY):  # the kernel is done before it looks
        solution = solve(a_cell(40), Options(gap=1e-9), progress)
    assert solution.timed_out
    assert solution.decision is not None
    assert solution.status is Status.FEASIBLE
    assert solution.gap is not None
    assert 1e-9 < solution.gap < 0.1
    proven = solve(a_cell(40))
    assert solution.lower_bound is not None
    assert proven.objective is not None
    assert solution.lower_bound <= proven.objective


def test_progress_can_stop_the_solver() -> None:
    seen: list[Step] = []

    def report(progress: Step, /) -> None:
        seen.append(progress)
        if progress.stage == "complete":
            raise Cancelled

    with pytest.raises(Cancelled):
        solve(a_cell(12), progress=Progress(report))
    assert [progress.stage for progress in seen] == ["price", "complete"]
    assert seen[-1].bound is not None

"""Why there is no plan: who fails alone, which budget is short, and by how much."""

import dataclasses
import itertools
from collections.abc import Callable, Iterable, Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from solvers.multiuser.check import check
from solvers.multiuser.costs import cost, latency
from solvers.multiuser.problem import (
    Decision,
    Infeasibility,
    Method,
    Problem,
    Steadiness,
    Workloads,
)
from solvers.multiuser.solve import solve
from solvers.multiuser.solve.fleet import Fleet
from solvers.outcome import Options, Status
from solvers.registry import answer
from tests.support.multiuser.brute_force import columns
from tests.support.multiuser.cells import a_cell, a_short_cell, least_latency_s
from tests.support.seeds import Drawn

# Whether there is a plan at all: at the edge of what fits the last digits of the best one take
# long.
ANY = Options(gap=1.0)


def options_of(problem: Problem) -> NDArray[np.int64]:
    """Every combination of one option for each user, (combinations, users)."""
    sizes = np.diff(problem.workloads.first)[problem.workload]
    return np.array(list(itertools.product(*(range(size) for size in sizes))))


def needs(problem: Problem) -> tuple[float, float, float]:
    """Least common factor, uplink and server over all combinations, by bisection on what each one
    needs.
    """
    option = options_of(problem)
    _, sent, served, slack = columns(problem, option)
    slack = slack + 1e-9 * problem.deadline_s
    loss = problem.workloads.loss[problem.workloads.first[problem.workload] + option]
    possible = ((slack > 0.0) & (loss <= problem.max_loss)).all(axis=1)
    up, on = sent[possible] / slack[possible], served[possible] / slack[possible]
    a, c, s = up.sum(axis=1), on.sum(axis=1), np.sqrt(up * on).sum(axis=1)

    def least(fits: Callable[[float], NDArray[np.bool_]]) -> float:
        low, high = 0.0, 1e9
        if not fits(high).any():
            return float("inf")
        while high - low > 1e-9 * high:
            middle = 0.5 * (low + high)
            low, high = (low, middle) if fits(middle).any() else (middle, high)
        return high

    def fitting(uplink: float, server: float) -> NDArray[np.bool_]:
        return np.asarray((a < uplink) & (c < server) & ((uplink - a) * (server - c) > s * s))

    return (
        least(lambda amount: fitting(amount, amount)),
        least(lambda amount: fitting(amount, 1.0)),
        least(lambda amount: fitting(1.0, amount)),
    )


def a_crowded_cell(seed: int, users: int) -> Problem:
    """Deadlines of any kind: some that nobody could keep alone, some too many for one budget or for
    both.
    """
    rng = np.random.default_rng(seed)
    cell = a_cell(
        seed,
        users,
        options=4,
        hertz_per_user=10 ** rng.uniform(4.8, 5.8),
        server_load=rng.uniform(1.0, 4.0),
    )
    hurry = rng.uniform(0.9, 1.8) * rng.uniform(0.95, 1.05, users)
    return dataclasses.replace(cell, deadline_s=hurry * least_latency_s(cell))


def pairs(
    problem: Problem, why: Infeasibility
) -> dict[str, tuple[tuple[float, float], float, float]]:
    """Remedies as fractions of the present budgets, each with the powers it scales uplink and
    server by.
    """
    assert why.factor is not None
    assert why.bandwidth_hz is not None
    assert why.server_flop_per_s is not None
    up = why.bandwidth_hz[0] / problem.bandwidth_hz, why.bandwidth_hz[1] / problem.bandwidth_hz
    on = (
        why.server_flop_per_s[0] / problem.server_flop_per_s,
        why.server_flop_per_s[1] / problem.server_flop_per_s,
    )
    return {"factor": (why.factor, 1.0, 1.0), "uplink": (up, 1.0, 0.0), "server": (on, 0.0, 1.0)}


@pytest.mark.slow
def test_least_budgets_equal_enumeration(drawn: Drawn) -> None:
    """Over all options: also those that only larger budgets allow, and for users who fail alone as
    things are.
    """
    finite = hopeless = with_alone = 0
    for seed in drawn(60, soak=120):
        problem = a_crowded_cell(seed, 2 + seed % 3)
        why = solve(problem, Options()).infeasibility
        if why is None:
            continue
        with_alone += len(why.users) > 0
        for (found, *_), truth in zip(pairs(problem, why).values(), needs(problem), strict=True):
            assert found[0] <= truth * (1 + 1e-8)
            if np.isinf(truth):
                hopeless += 1
                assert found == (np.inf, np.inf)
            else:
                finite += 1
                assert truth * (1 - 1e-8) <= found[1] <= truth * (1 + 3e-6)
    assert min(finite, hopeless, with_alone) >= 5


def assert_remedies_hold(seeds: Iterable[int], sizes: Sequence[int]) -> int:
    """Each amount said to suffice has a plan, and just below the proven bound there is none; how
    many were tried.
    """
    tried = 0
    for seed in seeds:
        problem = a_crowded_cell(seed, sizes[seed % len(sizes)])
        why = solve(problem, ANY).infeasibility
        if why is None:
            continue
        tried += 1
        assert why.proven
        for (bound, enough), uplink, server in pairs(problem, why).values():
            if np.isinf(enough):
                assert np.isinf(bound)
                assert solve(scaled(problem, 1e6**uplink, 1e6**server), ANY).decision is None
                continue
            # The search for the last digits settles small cells.
            assert 1.0 <= bound <= enough <= bound * (1 + (3e-6 if problem.users <= 12 else 1e-3))
            assert solve(scaled(problem, enough**uplink, enough**server), ANY).decision is not None
            below = bound * (1 - 1e-7)
            assert solve(scaled(problem, below**uplink, below**server), ANY).decision is None
    return tried


def test_amounts_that_suffice_do_and_those_below_do_not() -> None:
    assert assert_remedies_hold(range(8), (3, 8)) >= 4


@pytest.mark.slow
def test_amounts_of_many_cells(drawn: Drawn) -> None:
    cells = drawn(60, soak=500)
    assert assert_remedies_hold(cells, (2, 5, 12, 40, 150)) >= 0.6 * len(cells)


def test_an_option_that_only_a_larger_uplink_allows() -> None:
    """Alone nobody can send the input now; both on the server's long way are too many for it."""
    work = Workloads(
        first=np.array([0, 3]),
        cut=np.arange(3),
        bits=np.full(3, 32),
        device_s=np.array([0.0, 0.1, 1.01]),
        crossing_bit=np.array([1.05e6, 8e3, 0.0]),
        server_s=np.array([0.001, 0.8, 0.0]),
        loss=np.zeros(3),
    )
    problem = dataclasses.replace(
        a_cell(0, 2),
        bandwidth_hz=1e6,
        network_s=0.0,
        workloads=work,
        workload=np.zeros(2, dtype=np.int64),
        spectral_efficiency=np.ones(2),
        deadline_s=np.ones(2),
    )
    why = solve(problem, Options()).infeasibility
    assert why is not None
    assert not len(why.users)
    assert why.bandwidth_hz is not None
    assert 1.05e6 < why.bandwidth_hz[1] < 1.2e6
    assert solve(dataclasses.replace(problem, bandwidth_hz=1.2e6), Options()).decision is not None


def test_a_deadline_is_refused_no_sooner_than_the_check_refuses_it() -> None:
    """0.2 s and 0.1 s are more than 0.3 s by rounding; up to a billionth of a deadline is no reason
    to refuse.
    """
    for excess, feasible in (
        (0.0, True),
        (0.9e-9, True),
        (-1.0, True),
        (1.2e-9, False),
        (1e-6, False),
    ):
        work = Workloads(
            first=np.array([0, 1]),
            cut=np.array([0]),
            bits=np.array([32]),
            device_s=np.array([0.2]),
            crossing_bit=np.array([0.0]),
            server_s=np.array([0.1]),
            loss=np.zeros(1),
        )
        problem = dataclasses.replace(
            a_cell(0, 1),
            workloads=work,
            workload=np.array([0]),
            deadline_s=np.array([0.3 / (1.0 + max(excess, -0.5))]),
        )
        for method in (Method.EXACT, Method.GREEDY, Method.EDGE_ONLY, Method.LATENCY_ONLY):
            asked = dataclasses.replace(problem, method=method)
            answer = solve(asked, Options())
            assert (answer.decision is not None) == feasible
            if answer.decision is not None:
                assert check(asked, answer.decision).holds
            kept = Decision(
                option=np.zeros(1, dtype=np.int64),
                bandwidth_share=np.ones(1),
                server_share=np.ones(1),
            )
            assert check(asked, kept).holds == feasible


def scaled(problem: Problem, bandwidth: float, server: float) -> Problem:
    work = dataclasses.replace(problem.workloads, server_s=problem.workloads.server_s / server)
    return dataclasses.replace(
        problem, workloads=work, bandwidth_hz=problem.bandwidth_hz * bandwidth
    )


def test_a_budget_that_cannot_mend_it_is_infinite() -> None:
    problem = a_short_cell(0)
    work = problem.workloads
    device = dataclasses.replace(
        work, device_s=np.where(work.crossing_bit > 0, work.device_s, 10.0)
    )
    crowded = dataclasses.replace(
        problem, workloads=dataclasses.replace(device, server_s=0.5 * (work.crossing_bit > 0))
    )
    crowded = dataclasses.replace(crowded, bandwidth_hz=1e9, deadline_s=np.full(4, 1.5))
    why = solve(crowded, Options()).infeasibility
    assert why is not None
    assert why.bandwidth_hz == (np.inf, np.inf)
    assert why.server_flop_per_s is not None
    assert np.isfinite(why.server_flop_per_s).all()


def test_who_fails_alone_is_named_with_the_deadline_it_could_keep() -> None:
    problem = a_cell(5, 8, kinds=4)
    deadline = problem.deadline_s.copy()
    deadline[[6, 2]] = 1e-3
    short = dataclasses.replace(problem, deadline_s=deadline)
    why = solve(short, Options()).infeasibility
    assert why is not None
    assert why.proven
    assert why.users.tolist() == [2, 6]
    for user, least_s in zip(why.users, why.least_deadline_s, strict=True):
        for factor, feasible in ((1 + 1e-9, True), (1 - 3e-9, False)):
            one = dataclasses.replace(
                short,
                **{
                    name: getattr(short, name)[[user]]
                    for name in ("workload", "spectral_efficiency", "weight", "max_loss")
                },
                deadline_s=np.array([least_s * factor]),
            )
            alone = solve(one, Options()).infeasibility
            assert (alone is None or not len(alone.users)) == feasible


def test_a_loss_limit_that_forbids_everything_has_no_deadline() -> None:
    problem = a_cell(5, 3)
    work = dataclasses.replace(problem.workloads, loss=np.full(len(problem.workloads.loss), 0.2))
    strict = dataclasses.replace(problem, workloads=work, max_loss=np.array([1.0, 0.1, 1.0]))
    why = solve(strict, Options()).infeasibility
    assert why is not None
    assert why.users.tolist() == [1]
    assert why.least_deadline_s.tolist() == [np.inf]


def test_what_a_simple_rule_cannot_do_is_not_called_impossible() -> None:
    problem = a_cell(0, 4, hertz_per_user=1e7)
    work = problem.workloads
    alone = work.device_s[work.first[problem.workload + 1] - 1]
    tight = dataclasses.replace(
        problem, deadline_s=np.where(np.arange(4) == 0, 0.95 * alone, np.inf)
    )
    assert solve(tight, Options()).decision is not None
    rule = solve(dataclasses.replace(tight, method=Method.DEVICE_ONLY), Options())
    assert rule.status is Status.INFEASIBLE
    assert rule.infeasibility is not None
    assert not rule.infeasibility.proven


def least_switches(problem: Problem, previous: NDArray[np.int64]) -> float:
    """The fewest switches of any combination that fits; infinite where none does."""
    option = options_of(problem)
    _, sent, served, slack = columns(problem, option)
    slack = slack + 1e-9 * problem.deadline_s
    loss = problem.workloads.loss[problem.workloads.first[problem.workload] + option]
    with np.errstate(divide="ignore", invalid="ignore"):
        up, on = (
            np.where(sent > 0.0, sent / slack, 0.0),
            np.where(served > 0.0, served / slack, 0.0),
        )
    a, c, s = up.sum(axis=1), on.sum(axis=1), np.sqrt(up * on).sum(axis=1)
    alone = (slack > 0.0) | ((sent + served == 0.0) & (slack >= 0.0))
    fits = (alone & (loss <= problem.max_loss)).all(axis=1)
    fits &= (a < 1.0) & (c < 1.0) & ((1.0 - a) * (1.0 - c) > s * s)
    count = ((previous >= 0) & (option != previous)).sum(axis=1)
    return float(count[fits].min()) if fits.any() else float("inf")


@pytest.mark.slow
def test_least_switches_equal_enumeration(drawn: Drawn) -> None:
    """Over the whole cell: users forced one by one, budgets that are short, and cells that no
    switch mends.
    """
    mended = hopeless = more_than_forced = 0
    for seed in drawn(60):
        rng = np.random.default_rng(seed)
        problem = a_cell(
            seed, 4, options=4, hertz_per_user=10 ** rng.uniform(4.8, 6.3), server_load=2.0
        )
        hurry = rng.uniform(0.9, 2.5) * rng.uniform(0.95, 1.5, 4)
        problem = dataclasses.replace(problem, deadline_s=hurry * least_latency_s(problem))
        previous = rng.integers(-1, np.diff(problem.workloads.first)[problem.workload])
        truth = least_switches(problem, previous)
        for limit in range(4):
            held = dataclasses.replace(
                problem, steadiness=Steadiness(previous=previous, max_switches=limit)
            )
            answer = solve(held, Options())
            assert (answer.decision is not None) == (truth <= limit)
            if answer.infeasibility is not None:
                assert answer.infeasibility.proven
                assert answer.infeasibility.switches == (truth, truth)
                mended += np.isfinite(truth)
                hopeless += np.isinf(truth)
                more_than_forced += np.isfinite(truth) and Fleet(held).forced < truth
    assert min(mended, hopeless, more_than_forced) >= 10


@pytest.mark.slow
def test_a_limit_on_switches_that_suffices_has_a_plan_and_one_fewer_has_none() -> None:
    """Deadlines that a free plan just keeps, and users who start elsewhere: most could stay, were
    they alone.
    """
    for seed in range(30):
        rng = np.random.default_rng(seed)
        problem = a_cell(
            seed, 25, options=5, hertz_per_user=10 ** rng.uniform(5.3, 6.3), server_load=2.0
        )
        free = solve(problem, Options()).decision
        assert free is not None
        elsewhere = rng.integers(0, np.diff(problem.workloads.first)[problem.workload])
        previous = np.where(rng.random(25) < 0.6, free.option, elsewhere)
        still = Steadiness(previous=previous, max_switches=0)
        held = dataclasses.replace(
            problem, deadline_s=1.1 * latency(problem, free).total_s, steadiness=still
        )
        why = solve(held, Options()).infeasibility
        assert why is not None
        assert why.switches is not None
        enough = int(why.switches[1])
        assert Fleet(held).forced <= why.switches[0] == enough
        for limit, feasible in ((enough, True), (enough - 1, False)):
            moved = dataclasses.replace(
                held, steadiness=dataclasses.replace(still, max_switches=limit)
            )
            assert (solve(moved, ANY).decision is not None) == feasible


def test_more_forced_switches_than_allowed() -> None:
    problem = a_cell(0, 6)
    answer = solve(problem, Options())
    assert answer.decision is not None
    work = problem.workloads
    on_device = np.diff(work.first)[problem.workload] - 1
    alone = work.device_s[work.first[problem.workload] + on_device]
    deadline = np.where(np.arange(6) < 3, 0.99 * alone, np.inf)
    steady = Steadiness(previous=on_device, max_switches=2)
    moved = dataclasses.replace(problem, bandwidth_hz=1e12, deadline_s=deadline, steadiness=steady)
    why = solve(moved, Options()).infeasibility
    assert why is not None
    assert why.switches == (3, 3)
    loose = dataclasses.replace(moved, steadiness=dataclasses.replace(steady, max_switches=3))
    assert solve(loose, Options()).decision is not None
    with pytest.raises(ValueError, match="previous"):
        dataclasses.replace(moved, steadiness=Steadiness(previous=np.full(6, 99)))


@pytest.mark.slow
@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("slack", [0.0, 1e-12, 9e-10, -9e-10])
def test_deadlines_that_are_a_plans_own_latencies_have_that_plan(slack: float) -> None:
    """In each of these cells the budgets are met by rounding alone; in the first no price does."""
    for seed, users in ((53, 4), (3, 1), (8, 2), (21, 5), (34, 8)):
        free = a_cell(seed, users, deadlines=False)
        plan = solve(free).decision
        assert plan is not None
        tight = dataclasses.replace(free, deadline_s=latency(free, plan).total_s * (1.0 + slack))
        found, certificate = answer(tight)
        assert found.status is Status.OPTIMAL, (seed, found.infeasibility)
        assert certificate is not None
        assert certificate.objective == pytest.approx(cost(free, plan).sum(), rel=3e-6)

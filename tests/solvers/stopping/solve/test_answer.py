"""The plan against enumeration, its neighbours and its own promises."""

from typing import Any

import numpy as np
import pytest

from solvers.compiled.library import Kernel, using
from solvers.outcome import Options, Status
from solvers.progress import Cancelled, Progress, Step
from solvers.stopping.channel import GainTrace, Markov, RateTrace
from solvers.stopping.check import check
from solvers.stopping.decision import Decision
from solvers.stopping.fading import LogNormal, Rayleigh
from solvers.stopping.problem import Problem, Rule, Waiting, Workloads
from solvers.stopping.solve import solve
from tests.support.stopping.brute_force import cheapest_chain_table, cheapest_table
from tests.support.stopping.problems import BANDWIDTH_HZ, a_network, a_problem, every_law

LAWS = every_law()


def planned(problem: Problem) -> Decision:
    solution = solve(problem, Options())
    assert solution.decision is not None
    return solution.decision


@pytest.mark.parametrize("kernel", [Kernel.AUTO, Kernel.NUMPY])
@pytest.mark.parametrize("waiting", list(Waiting))
@pytest.mark.parametrize("rates", [[2e6, 1e7, 4e7], [0.0, 5e6, 3e7]], ids=["up", "outage"])
def test_three_rates_four_layers_by_enumeration(
    waiting: Waiting, rates: Any, kernel: Kernel
) -> None:
    for seed in range(20):
        problem = a_problem(layers=4, seed=seed, law=RateTrace(np.array(rates)), waiting=waiting)
        with using(kernel):
            curve = planned(problem).running_curve[0]
        every = [cheapest_table(problem, placement) for placement in range(5)]
        np.testing.assert_allclose(curve, every, rtol=1e-9)


@pytest.mark.parametrize("waiting", list(Waiting))
@pytest.mark.parametrize("rates", [[2e6, 4e7], [0.0, 3e7]], ids=["up", "outage"])
def test_chain_by_enumeration(waiting: Waiting, rates: Any) -> None:
    for seed in range(6):
        rng = np.random.default_rng(seed)
        law = Markov(np.array(rates), rng.dirichlet(np.ones(2), 2))
        problem = a_problem(layers=2, seed=seed, law=law, waiting=waiting)
        every = [cheapest_chain_table(problem, placement) for placement in range(3)]
        np.testing.assert_allclose(planned(problem).running_curve[0], every, rtol=1e-9)


def test_a_middle_state_may_stop_alone() -> None:
    """The fast state is sure to stay fast, the slow one to become fast; only the middle one must be
    used at once.
    """
    law = Markov(
        np.array([1e6, 1e7, 2e7]),
        np.array([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]),
        np.full(3, 1 / 3),
    )
    work = Workloads(
        first=np.array([0, 2]),
        device_s=np.array([0.0, 0.01]),
        device_j=np.zeros(2),
        crossing_bit=np.array([1e6, 5e5]),
        server_s=np.zeros(2),
        parameter_bit=np.zeros(2),
    )
    decision = planned(a_problem(law=law, workloads=work, min_snr=0.0, placement=np.array([1])))
    assert decision.stop_states[0, 0].tolist() == [False, True, False]
    assert np.isnan(decision.threshold_bps[0, 0])
    row = decision.table(a_problem(law=law, workloads=work, min_snr=0.0), 0)[0]
    assert (row.offload, row.rate_bps, row.stop_states) == ("threshold", None, (1,))


def test_chain_with_equal_rows_is_the_independent_channel() -> None:
    rates = np.array([0.0, 4e6, 9e6, 2e7, 5e7])
    chain = Markov(rates, np.full((5, 5), 0.2))
    for waiting in Waiting:
        for seed in range(5):
            one, other = (
                planned(a_problem(users=2, layers=7, seed=seed, law=law, waiting=waiting))
                for law in (chain, RateTrace(rates))
            )
            np.testing.assert_allclose(one.running_curve, other.running_curve, rtol=1e-11)
            np.testing.assert_array_equal(one.placement, other.placement)
            np.testing.assert_allclose(one.stop_probability, other.stop_probability, atol=1e-11)
            np.testing.assert_allclose(
                [one.time_s, one.energy_j], [other.time_s, other.energy_j], rtol=1e-11
            )
            for name in ("device_only", "edge_only", "best_fixed", "look_ahead"):
                np.testing.assert_allclose(
                    getattr(one.baselines, name).total_cost,
                    getattr(other.baselines, name).total_cost,
                    rtol=1e-11,
                )


@pytest.mark.slow
@pytest.mark.parametrize("waiting", list(Waiting))
@pytest.mark.parametrize("kind", LAWS)
def test_everything_checks(kind: str, waiting: Waiting) -> None:
    for rule in Rule:
        problem = a_problem(users=6, layers=9, seed=4, law=LAWS[kind], waiting=waiting, rule=rule)
        solution = solve(problem, Options())
        certificate = check(problem, solution.decision)
        assert certificate.holds, certificate.violations[:3]
        assert certificate.objective == pytest.approx(solution.objective, rel=1e-6)


@pytest.mark.parametrize("waiting", list(Waiting))
@pytest.mark.parametrize("kind", LAWS)
def test_neighbours_stand_in_order(kind: str, waiting: Waiting) -> None:
    """Clairvoyant <= optimum <= look-ahead and every fixed cut; and the curve only falls."""
    problem = a_problem(users=8, layers=10, seed=11, law=LAWS[kind], waiting=waiting)
    decision = planned(problem)
    base, total = decision.baselines, decision.running_cost + decision.placement_cost
    slack = 1.0 + 1e-7
    for offer in (base.device_only, base.edge_only, base.best_fixed, base.look_ahead):
        assert np.all(total <= offer.total_cost * slack)
    assert np.all(decision.running_cost <= base.look_ahead_same_placement * slack)
    assert np.all(base.clairvoyant <= decision.running_cost * (1.0 + 1e-4))
    assert np.all(
        base.best_fixed.total_cost
        <= np.minimum(base.device_only.total_cost, base.edge_only.total_cost) * slack
    )
    assert np.all(np.diff(decision.running_curve, axis=1) <= 1e-9 * decision.running_curve[:, :1])
    np.testing.assert_allclose(base.optimum.total_cost, total)


def test_with_free_placement_more_layers_never_cost() -> None:
    for law in (Rayleigh(), LogNormal(8.0)):
        problem = a_problem(users=5, layers=20, law=law, placement_s_per_bit=np.zeros(5))
        decision = planned(problem)
        assert np.all(
            np.diff(decision.running_curve, axis=1) <= 1e-9 * decision.running_curve[:, :1]
        )
        assert not decision.placement_cost.any()


@pytest.mark.slow
def test_parts_of_the_cost_add_up() -> None:
    for law in LAWS.values():
        for waiting in Waiting:
            problem = a_problem(
                users=4, layers=8, law=law, waiting=waiting, energy_per_j=0.7, time_per_s=1.3
            )
            decision = planned(problem)
            np.testing.assert_allclose(
                1.3 * decision.time_s + 0.7 * decision.energy_j, decision.running_cost, rtol=1e-6
            )
            np.testing.assert_allclose(decision.stop_probability.sum(axis=1), 1.0, rtol=1e-6)


def test_table_ends_at_the_placement() -> None:
    problem = a_problem(layers=5, placement=np.array([3]))
    rows = planned(problem).table(problem, 0)
    assert [row.cut for row in rows] == [0, 1, 2, 3]
    assert rows[-1].offload == "always"
    assert rows[-1].wait
    assert all(row.rate_bps is None or row.rate_bps > 0.0 for row in rows)
    home = planned(a_problem(layers=5, placement=np.array([5]))).table(problem, 0)
    assert (home[-1].offload, home[-1].wait) == ("never", False)
    sent = a_problem(
        placement=np.array([5]), workloads=a_network(5, np.random.default_rng(0), stays=False)
    )
    assert planned(sent).table(sent, 0)[-1].offload == "always"


def test_placements_that_do_not_fit_are_no_candidates() -> None:
    free = a_problem(users=3, layers=8)
    wanted = planned(free).placement
    assert np.all(wanted > 2)
    most_byte = free.workloads.parameter_bit[2] / 8.0
    problem = a_problem(users=3, layers=8, memory_byte=np.full(3, most_byte))
    decision = planned(problem)
    assert np.all(decision.placement <= 2)
    assert problem.fits_memory(slice(None), 0).sum(axis=1).tolist() == [3, 3, 3]
    assert np.isinf(decision.baselines.device_only.total_cost).all()
    assert np.isfinite(decision.baselines.best_fixed.total_cost).all()
    assert check(problem, decision).holds


def test_fixed_placement_that_does_not_fit() -> None:
    problem = a_problem(users=2, placement=np.array([6, 0]), memory_byte=np.zeros(2))
    solution = solve(problem, Options())
    assert solution.status is Status.INFEASIBLE
    assert solution.decision is None
    assert (solution.infeasibility.users.tolist(), solution.infeasibility.reasons) == (
        [0],
        ("memory",),
    )


def test_never_up_means_all_on_the_device() -> None:
    for waiting in Waiting:
        problem = a_problem(users=2, min_snr=1e6, waiting=waiting)
        decision = planned(problem)
        assert decision.placement.tolist() == [6, 6]
        assert np.isinf(decision.running_curve[:, :-1]).all()
        assert decision.time_s == pytest.approx(problem.workloads.device_s[-1])
        assert check(problem, decision).holds
        cramped = solve(a_problem(min_snr=1e6, waiting=waiting, memory_byte=np.zeros(1)), Options())
        assert cramped.infeasibility.reasons == ("outage",)


def test_trace_that_is_always_in_outage() -> None:
    problem = a_problem(law=RateTrace(np.zeros(3)))
    assert planned(problem).placement.tolist() == [6]


def test_network_without_layers() -> None:
    empty = {"first": np.array([0, 1]), "device_s": np.zeros(1), "device_j": np.zeros(1)}
    empty |= {"server_s": np.zeros(1), "parameter_bit": np.zeros(1)}
    nothing = planned(a_problem(workloads=Workloads(**empty, crossing_bit=np.zeros(1))))
    assert (nothing.placement[0], nothing.running_cost[0], nothing.time_s[0]) == (0, 0.0, 0.0)
    problem = a_problem(workloads=Workloads(**empty, crossing_bit=np.full(1, 1e6)))
    assert planned(problem).running_cost[0] > 0.0
    assert check(problem, planned(problem)).holds


@pytest.mark.parametrize("field", ["tx_power_w", "idle_power_w", "rx_power_w"])
def test_zero_powers(field: str) -> None:
    for waiting in Waiting:
        problem = a_problem(users=2, waiting=waiting, **{field: np.zeros(2)})
        assert check(problem, planned(problem)).holds
    energy = a_problem(users=2, time_per_s=0.0, energy_per_j=1.0, **{field: np.zeros(2)})
    assert check(energy, planned(energy)).holds


def test_cuts_that_cross_nothing_compare_costs_directly() -> None:
    work = a_network(4, np.random.default_rng(1))
    bits = work.crossing_bit.copy()
    bits[1] = 0.0
    parts = {
        name: getattr(work, name)
        for name in ("first", "device_s", "device_j", "server_s", "parameter_bit")
    }
    for law in (Rayleigh(), RateTrace(np.array([0.0, 1e6, 1e7]))):
        problem = a_problem(workloads=Workloads(**parts, crossing_bit=bits), law=law)
        decision = planned(problem)
        assert decision.placement[0] >= 1
        assert decision.threshold_bps[0, 1] in (0.0, np.inf)
        assert check(problem, decision).holds


def test_ties_stop_and_take_the_smaller_placement() -> None:
    flat = Workloads(
        first=np.array([0, 4]),
        device_s=np.zeros(4),
        device_j=np.zeros(4),
        crossing_bit=np.full(4, 1e6),
        server_s=np.zeros(4),
        parameter_bit=np.zeros(4),
    )
    problem = a_problem(workloads=flat, law=GainTrace(np.ones(1)), min_snr=0.0)
    assert planned(problem).placement.tolist() == [0]
    forced = a_problem(
        workloads=flat, law=GainTrace(np.ones(1)), min_snr=0.0, placement=np.array([3])
    )
    assert planned(forced).stop_probability[0, 0] == 1.0


def test_look_ahead_is_feasible_and_its_bound_the_optimum() -> None:
    problem = a_problem(users=20, layers=12, rule=Rule.ONE_STAGE_LOOK_AHEAD)
    solution = solve(problem, Options())
    assert solution.status is Status.FEASIBLE
    assert solution.lower_bound == pytest.approx(
        solve(a_problem(users=20, layers=12), Options()).objective
    )
    assert solution.objective >= solution.lower_bound
    assert not solution.decision.optimal.any()


def test_out_of_time_falls_back_to_look_ahead() -> None:
    ticks = iter(range(1000))
    problem = a_problem(users=600, layers=12, clairvoyant=False)
    solution = solve(
        problem, Options(), Progress(time_limit_s=3.5, clock=lambda: float(next(ticks)))
    )
    assert solution.timed_out
    assert solution.status is Status.FEASIBLE
    assert 0 < solution.decision.optimal.sum() < 600
    late = ~solution.decision.optimal
    np.testing.assert_array_equal(
        solution.decision.running_cost[late],
        solution.decision.baselines.look_ahead.running_cost[late],
    )
    assert check(problem, solution.decision).holds


def test_progress_and_cancellation() -> None:
    seen: list[Step] = []
    ticks = iter(range(1000))
    progress = Progress(seen.append, clock=lambda: float(next(ticks)))
    solve(a_problem(users=600, layers=3, clairvoyant=False), Options(), progress)
    assert [round(step.fraction, 3) for step in seen] == [0.0, 0.333, 0.667, 1.0]

    def stop(progress: Step) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        solve(a_problem(users=600, layers=3, clairvoyant=False), Options(), Progress(stop))


def test_users_are_independent() -> None:
    """A fleet of two networks in any order, or in parts, is planned as each of its users alone."""
    rng = np.random.default_rng(5)
    small, large = a_network(3, rng), a_network(9, rng)
    both = {
        name: np.concatenate([getattr(small, name), getattr(large, name)])
        for name in ("device_s", "device_j", "crossing_bit", "server_s", "parameter_bit")
    }
    works = Workloads(first=np.array([0, 4, 14]), **both)
    workload = rng.integers(0, 2, 400)
    fleet = a_problem(users=400, workloads=works, workload=workload, clairvoyant=False)
    together = planned(fleet)
    assert np.isnan(together.running_curve[workload == 0, 4:]).all()
    half = planned(fleet.part(200, 400))
    np.testing.assert_array_equal(half.placement, together.placement[200:])
    np.testing.assert_allclose(half.running_cost, together.running_cost[200:], rtol=1e-8)
    for user in range(0, 400, 57):
        alone = planned(fleet.part(user, user + 1))
        assert alone.placement[0] == together.placement[user]
        assert alone.running_cost[0] == pytest.approx(together.running_cost[user], rel=1e-8)


def test_cheaper_placement_never_places_less() -> None:
    placements = [
        planned(a_problem(users=30, layers=15, inferences=served)).placement
        for served in (1e1, 1e3, 1e5)
    ]
    assert np.all(placements[0] <= placements[1])
    assert np.all(placements[1] <= placements[2])


def test_in_outage_the_cost_may_fall_as_the_minimum_rises() -> None:
    """A minimum SNR turns poor looks into outages, and an outage may be waited out where a poor
    look may not.
    """
    law, placement = RateTrace(np.array([1e5, 4e7])), np.array([0])
    low = planned(a_problem(law=law, min_snr=1e-4, placement=placement)).running_cost[0]
    high = planned(a_problem(law=law, min_snr=0.1, placement=placement)).running_cost[0]
    assert high < low
    always = [
        planned(
            a_problem(law=law, min_snr=snr, placement=placement, waiting=Waiting.ALWAYS)
        ).running_cost[0]
        for snr in (1e-4, 0.1)
    ]
    assert always[0] <= always[1] * (1.0 + 1e-12)
    assert BANDWIDTH_HZ * np.log2(1.1) > 1e5


@pytest.mark.slow
def test_probabilities_of_chains_stay_probabilities() -> None:
    """Stationary laws and systems of waits are rounded, and what they add up to must not leave [0,
    1].
    """
    for seed in range(20):
        rng = np.random.default_rng(seed)
        states = int(rng.integers(2, 6))
        law = Markov(
            np.sort(10.0 ** rng.uniform(5.0, 8.0, states)), rng.dirichlet(np.ones(states), states)
        )
        for waiting in Waiting:
            problem = a_problem(
                users=4, seed=seed, law=law, waiting=waiting, mean_snr=None, min_snr=0.0
            )
            ends = solve(problem, Options()).decision.stop_probability
            assert np.all((ends >= 0.0) & (ends <= 1.0)), (seed, waiting)

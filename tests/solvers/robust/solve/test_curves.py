"""Curves against plain minimisation, and bounds that hold however badly they are asked for."""

import mpmath
import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from solvers import physics
from solvers.compiled.library import library
from solvers.robust.problem import Problem
from solvers.robust.solve.candidates import options_of
from solvers.robust.solve.curves import Curves
from solvers.robust.solve.dual import Relaxation
from solvers.robust.solve.rates import log_cap_of
from solvers.robust.solve.shares import ROUNDING
from tests.support.robust.cells import random_cell
from tests.support.robust.kernel import pricing_of
from tests.support.robust.one_option import DIGITS, ExactOption, hostile_options
from tests.support.seeds import Drawn


def relaxations() -> list[tuple[Problem, Relaxation]]:
    found = []
    for seed in range(12):
        problem = random_cell(np.random.default_rng(seed), 4, 5, ("generic", "levels")[seed % 2])
        options, possible = options_of(problem)
        if np.all(np.add.reduceat(possible, options.first[:-1]) > 0):
            found.append(
                (problem, Relaxation(options.keep(possible), problem.bandwidth_hz).priceable())
            )
    return found


def prices_of(relaxation: Relaxation) -> np.ndarray:
    return relaxation.first_price() * np.array([1e-4, 0.03, 1.0, 30.0, 1e4])


@pytest.mark.slow
def test_share_at_a_price_minimises_energy_plus_price() -> None:
    compared = 0
    for _, relaxation in relaxations():
        curves = relaxation.options.curves
        for price in prices_of(relaxation):
            value, _ = relaxation.priced_j(np.array([price]))
            for k in np.nonzero(curves.sends)[0]:
                one = curves[np.array([k])]
                low, high = float(relaxation.x_least[k]), float(one.x_most[0])

                def cost(x: float, one: Curves = one, price: float = float(price)) -> float:
                    at = np.array([x])
                    return float((one.energy_j(at) + price * one.share_hz(at))[0])

                if high - low < 1e-9:
                    continue
                best = minimize_scalar(
                    cost, bounds=(low, high), method="bounded", options={"xatol": 1e-12}
                )
                least = min(
                    best.fun, cost(low), cost(high), cost(float(np.clip(one.x_kink[0], low, high)))
                )
                assert value[0, k] == pytest.approx(least, rel=1e-9)
                assert value[0, k] <= least * (1.0 + 1e-12)
                compared += 1
    assert compared > 200


def test_a_bad_point_gives_a_weaker_bound_never_a_wrong_one() -> None:
    rng = np.random.default_rng(1)
    for _, relaxation in relaxations():
        curves = relaxation.options.curves
        for price in prices_of(relaxation):
            best, _ = relaxation.priced_j(np.array([price]))
            span = np.maximum(curves.x_most - relaxation.x_least, 0.0)
            bad = relaxation.x_least + rng.uniform(0, 1, span.shape) * span
            value, _ = curves.priced_j(price, bad, relaxation.x_least)
            assert np.all(value <= best[0] * (1.0 + 1e-12) + 1e-300)


def test_energy_and_least_share_are_those_of_the_papers_formulas() -> None:
    for problem, relaxation in relaxations():
        curves = relaxation.options.curves
        work = problem.workloads
        user = relaxation.options.user()
        row = work.first[problem.workload[user]] + relaxation.options.option
        share = np.where(curves.sends, np.minimum(curves.least_hz * 1.7, problem.bandwidth_hz), 1.0)
        x = np.where(curves.sends, curves.x_at(share), 0.0)
        rate = physics.rate_bps(
            share, problem.tx_power_w[user], problem.gain[user], problem.noise_w_per_hz
        )
        uplink = physics.transfer_s(work.crossing_bit[row], rate)
        assert np.allclose(np.where(curves.sends, curves.uplink_s(x), 0.0), uplink, rtol=1e-12)
        clock = curves.clock_hz(uplink)
        device = physics.device_s(work.cycles[row], clock, work.overhead_s[row])
        energy = physics.compute_energy_j(curves.kappa, clock, device) + physics.radio_energy_j(
            curves.radio_w, uplink
        )
        assert np.allclose(curves.energy_j(x), energy, rtol=1e-12)
        # At the least share the largest clock just meets the deadline.
        rate = physics.rate_bps(
            curves.least_hz, problem.tx_power_w[user], problem.gain[user], problem.noise_w_per_hz
        )
        total = (
            physics.transfer_s(work.crossing_bit[row], rate)
            + work.cycles[row] / curves.clock_max_hz
        )
        assert np.allclose(total[curves.sends], curves.left_s[curves.sends], rtol=1e-11)


def test_marginal_energy_is_the_derivative() -> None:
    for _, relaxation in relaxations():
        curves = relaxation.options.curves
        inside = curves.sends & (curves.x_most - relaxation.x_least > 0.1)
        curves, x = curves[inside], 0.5 * (relaxation.x_least + curves.x_most)[inside]
        smooth = np.abs(x - curves.x_kink) > 1e-2
        share, step = curves.share_hz(x), 1e-4
        up, down = (curves.energy_j(curves.x_at(share * (1 + s))) for s in (step, -step))
        slope = (down - up) / (2 * step * share)
        larger, smaller = curves.marginal_j_per_hz(x)
        assert np.allclose(larger[smooth], slope[smooth], rtol=1e-4)
        assert np.allclose(smaller[smooth], slope[smooth], rtol=1e-4)


BLOCKS = [
    pytest.param(block, marks=[pytest.mark.slow] if block < 3 else [pytest.mark.soak])
    for block in range(40)
]


@pytest.mark.parametrize("block", BLOCKS)
def test_no_bound_is_above_what_fifty_digits_say(block: int, drawn: Drawn) -> None:
    """At prices at, between and far from the slopes of kinks, caps and ends, of hostile options."""
    compared, near = 0, 0
    with mpmath.workdps(DIGITS):
        for seed in drawn(2 * block + 2)[-2:]:
            rng = np.random.default_rng(seed)
            problem = hostile_options(rng, 20)
            options, possible = options_of(problem)
            curves = options.curves.with_marginals()
            compiled = None if library() is None else pricing_of(problem)
            x_least = curves.x_at(problem.bandwidth_hz)
            for user in range(problem.users):
                exact = ExactOption(problem, user)
                least = exact.least_share(problem.bandwidth_hz)
                assert possible[user] == (least is not None)
                if least is None:
                    continue
                one, most = curves[np.array([user])], x_least[user : user + 1]
                assert one.surely_least_hz()[0] <= least
                price = a_price(rng, one, float(most[0]))
                x, _ = one.respond(np.log(price), most)
                bound, _ = one.priced_j(price, x, most)
                widest = float(one.scale_hz[0] * np.exp(-most[0])) * (1.0 - 1e-15)
                true = exact.priced(float(price[0]), least, widest)
                assert bound[0] <= true * (1.0 + ROUNDING), (seed, user)
                near += bool(bound[0] >= true * (1.0 - 1e-9))
                if compiled is not None:
                    told = compiled.option(user, user, float(price[0]), widest)
                    assert told is not None
                    assert true * (1.0 - 1e-9) <= told[0] <= true * (1.0 + ROUNDING), (seed, user)
                compared += 1
    assert compared > 10
    assert near > 0.5 * compared


def a_price(rng: np.random.Generator, one: Curves, x_least: float) -> np.ndarray:
    """At which the answer is at a kink, the cap, an end or anywhere between; now and then beyond
    all.
    """
    x_most = float(one.x_most[0])
    where = [x_least + (x_most - x_least) * rng.random(), float(one.x_kink[0]), x_most]
    where += [log_cap_of(one.cap)] if one.capped else []
    x = np.array([np.clip(where[rng.integers(len(where))], x_least, x_most)])
    larger, smaller = one.marginal_j_per_hz(x)
    price = larger + (smaller - larger) * rng.random()
    return np.asarray(price * (1.0 if rng.random() < 0.8 else 10.0 ** rng.uniform(-3.0, 3.0)))

"""Energies of an option over its shares: the statement's in many digits, convex, falling, with the
slopes they claim.
"""

from collections.abc import Iterator

import mpmath
import numpy as np
import pytest

from solvers.robust.problem import Problem
from solvers.robust.solve.candidates import options_of
from solvers.robust.solve.curves import Curves
from tests.support.robust.cells import random_cell
from tests.support.robust.one_option import DIGITS, ExactOption, hostile_options


def hostile_curves(seeds: range, users: int = 60) -> Iterator[tuple[Problem, np.ndarray, Curves]]:
    """The possible options of some hostile ones, with their users."""
    for seed in seeds:
        problem = hostile_options(np.random.default_rng(seed), users)
        options, possible = options_of(problem)
        yield problem, np.nonzero(possible)[0], options.curves[possible].with_marginals()


def shares_of(one: Curves, most_hz: float, count: int = 100) -> np.ndarray:
    """Shares of one curve from its least to a large one, all its kinks among them."""
    least = float(one.least_hz[0])
    widest = np.log(min(most_hz / least, 1e6))
    return np.asarray(least * np.exp(np.linspace(0.0, widest, count)))


@pytest.mark.slow
def test_energy_is_that_of_the_statement() -> None:
    compared = 0
    with mpmath.workdps(DIGITS):
        for problem, users, curves in hostile_curves(range(12), 12):
            for k, user in enumerate(users):
                one, exact = curves[np.array([k])], ExactOption(problem, int(user))
                for share in shares_of(one, problem.bandwidth_hz, 6)[1:]:
                    told = float(one.energy_j(one.x_at(np.array([share])))[0])
                    energy = exact.energy(mpmath.mpf(float(share)))
                    # Times are good to a part of the deadline, which may be all that is left.
                    doubt = told - float(one.surely_j(one.x_at(np.array([share])))[0])
                    assert abs(told - energy) <= 1e-14 * told + 1.01 * doubt
                    compared += 1
    assert compared > 200


def test_energies_are_convex_and_never_rise() -> None:
    compared = 0
    for problem, users, curves in hostile_curves(range(12)):
        for k in range(len(users)):
            one = curves[np.array([k])]
            share = shares_of(one, problem.bandwidth_hz)
            energy = one.energy_j(one.x_at(share))
            change, width = np.diff(energy), np.diff(share)
            assert np.all(change <= 1e-14 * energy[1:])
            rounding = 4e-15 * energy[1:-1] * (1.0 / width[1:] + 1.0 / width[:-1])
            assert np.all(np.diff(change / width) >= -rounding)
            compared += 1
    assert compared > 300


@pytest.mark.slow
def test_marginal_energies_are_the_slopes_to_both_sides() -> None:
    kinks = 0
    for problem, users, curves in hostile_curves(range(12)):
        for k in range(len(users)):
            one = curves[np.array([k])]
            share = shares_of(one, problem.bandwidth_hz)
            x = one.x_at(share)
            energy = one.energy_j(x)
            larger, smaller = one.marginal_j_per_hz(x)
            assert np.all(larger <= smaller * (1.0 + 1e-12))
            # The slope between two shares lies between the slopes at the two.
            slope, rounding = -np.diff(energy) / np.diff(share), 4e-15 * energy[1:] / np.diff(share)
            assert np.all(slope >= smaller[1:] * (1.0 - 1e-9) - rounding)
            assert np.all(slope <= larger[:-1] * (1.0 + 1e-9) + rounding)
            beside = one.marginal_j_per_hz(one.x_kink)
            kinks += bool(beside[1][0] > beside[0][0] * 1.01)
    assert kinks > 20


@pytest.mark.slow
def test_no_clock_is_below_the_cheapest_unless_the_largest_is() -> None:
    free = capped = 0
    with mpmath.workdps(DIGITS):
        for problem, users, curves in hostile_curves(range(8), 30):
            work = problem.workloads
            for k, user in enumerate(users):
                if work.cycles[user] == 0.0:
                    continue
                one, exact = curves[np.array([k])], ExactOption(problem, int(user))
                share = shares_of(one, problem.bandwidth_hz, 5)
                clock = one.clock_hz(one.uplink_s(one.x_at(share)))
                assert np.all(clock >= float(exact.cheapest) * (1.0 - 1e-12))
                assert np.all(clock <= work.clock_max_hz[user])
                free += bool(work.clock_min_hz[user] < exact.cheapest < work.clock_max_hz[user])
                capped += bool(exact.cheapest >= work.clock_max_hz[user])
    assert free > 10
    assert capped > 10


def test_a_cube_may_be_told_in_all_columns() -> None:
    """Curves with and without the columns of other power laws are the same, and may be joined."""
    for seed in range(6):
        problem = random_cell(np.random.default_rng(seed), 4, 5, ("generic", "levels")[seed % 2])
        options, possible = options_of(problem)
        curves = options.curves[possible].with_marginals()
        general = curves.generalised()
        assert len(curves.table) < len(general.table)
        assert general.generalised() is general
        x = curves.x_most - 0.3
        assert np.allclose(curves.energy_j(x), general.energy_j(x), rtol=1e-14)
        for mine, theirs in zip(
            curves.marginal_j_per_hz(x), general.marginal_j_per_hz(x), strict=True
        ):
            assert np.allclose(mine, theirs, rtol=1e-13)
        price = float(np.median(curves.marginal_j_per_hz(x)[0][curves.sends]))
        x_least = curves.x_at(problem.bandwidth_hz)
        mine, theirs = (some.respond(np.log(price), x_least)[0] for some in (curves, general))
        assert np.allclose(mine, theirs, atol=1e-9)
        both = Curves.joined([curves, general])
        assert both.general
        assert both.shape == (2 * curves.shape[0],)
        assert np.array_equal(both.energy_j(np.tile(x, 2))[len(x) :], general.energy_j(x))


@pytest.mark.parametrize("columns", [16, 19, 24])
def test_a_table_has_the_columns_that_its_curves_need(columns: int) -> None:
    cap = 1.4 if columns == 19 else float("inf")
    given = {"left_s": np.ones(3)} | ({"static_w": np.ones(3)} if columns == 24 else {})
    assert len(Curves.of(cap=cap, **given).table) == columns

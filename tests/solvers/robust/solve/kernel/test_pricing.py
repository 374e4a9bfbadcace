"""The compiled prices against numpy's, of every term there is."""

from dataclasses import replace

import numpy as np
import pytest

from solvers.progress import Cancelled, Progress, Stop
from solvers.robust.problem import Problem
from solvers.robust.solve.candidates import Candidates, options_of
from solvers.robust.solve.dual import Relaxation, points_at
from tests.support.robust.cells import a_cell, random_cell
from tests.support.robust.everything import TERMS, random_cell_with_everything
from tests.support.robust.kernel import most_of, pricing_of, the_library
from tests.support.robust.one_option import hostile_options
from tests.support.seeds import Drawn

WITHOUT_SERVERS = tuple(term for term in TERMS if term != "servers")


def some_cell(seed: int) -> Problem:
    """Any cell without budgets of servers: with every term, at a corner, or of odd units."""
    rng = np.random.default_rng(seed)
    kind = ("generic", "tight", "tied", "levels", "everything", "everything", "hostile")[seed % 7]
    if kind == "hostile":
        return hostile_options(rng, 7)
    users = int(rng.integers(1, 9))
    if kind == "everything":
        return random_cell_with_everything(rng, users, WITHOUT_SERVERS)
    return scaled(random_cell(rng, users, 6, kind), 10.0 ** rng.integers(-6, 7))


def scaled(problem: Problem, unit: float) -> Problem:
    """The same cell with other hertz: of the uplink, and with as many bits and cycles to send and
    compute.
    """
    work = problem.workloads
    return replace(
        problem,
        bandwidth_hz=problem.bandwidth_hz * unit,
        noise_w_per_hz=problem.noise_w_per_hz / unit,
        workloads=replace(
            work,
            crossing_bit=work.crossing_bit * unit,
            crossing_most_bit=work.crossing_most_bit * unit,
        ),
    )


def rows(problem: Problem, options: Candidates) -> np.ndarray:
    return np.asarray(problem.workloads.first[problem.workload[options.user()]] + options.option)


@pytest.mark.slow
def test_every_option_is_priced_as_by_numpy(drawn: Drawn) -> None:
    the_library()
    compared = 0
    for seed in drawn(84, soak=2_000):
        problem = some_cell(seed)
        options, possible = options_of(problem)
        pricing, user, row = pricing_of(problem), options.user(), rows(problem, options)
        told = [
            pricing.option(int(n), int(r), 1e-9, problem.bandwidth_hz)
            for n, r in zip(user, row, strict=True)
        ]
        assert [one is not None for one in told] == possible.tolist(), seed
        if not np.all(options.least(np.where(possible, 0.0, 1.0)) == 0.0):
            continue
        relaxation = Relaxation(options.keep(possible), problem.bandwidth_hz).priceable()
        curves, kept = relaxation.options.curves, np.nonzero(possible)[0]
        most = np.minimum(curves.scale_hz * np.exp(-relaxation.x_least), 1e300)
        base = relaxation.first_price() or 1e-9
        for price in base * np.array([1e-4, 0.1013, 1.013, 10.13, 1e4]):
            value, share = (one[0] for one in relaxation.priced_j(np.array([price])))
            for k, option in enumerate(kept):
                mine = pricing.option(int(user[option]), int(row[option]), price, most[k])
                assert mine is not None
                assert mine[0] == pytest.approx(value[k], rel=1e-9, abs=0.0), (seed, option)
                assert mine[1] == pytest.approx(share[k], rel=1e-6), (seed, option)
                assert np.isfinite(mine).all()
                # The bound is of the energy at that share and its price: no lower, but for proofs.
                assert mine[0] <= (mine[4] + price * mine[1]) * (1.0 + 1e-12)
                compared += 1
    assert compared > 2_000


@pytest.mark.slow
def test_users_and_sweeps_are_those_of_numpy(drawn: Drawn) -> None:
    kept: list[int] = []
    laid_out: list[int] = []
    for seed in drawn(42, soak=1_000):
        problem = some_cell(seed)
        options, possible = options_of(problem)
        pricing = pricing_of(problem)
        least, surely = pricing.least()
        theirs = options.least(np.where(possible, options.curves.least_hz, np.inf))
        np.testing.assert_allclose(least, theirs, rtol=1e-9)
        assert np.all(surely <= least), seed
        if not theirs.sum() <= problem.bandwidth_hz:
            continue
        options = options.keep(possible)
        relaxation = Relaxation(
            options, problem.bandwidth_hz, least_total_hz=float(surely.sum())
        ).priceable()
        most, base = most_of(problem, surely), relaxation.first_price() or 1e-9
        low, high = base * 0.9, base * 1.1
        row = rows(problem, options)
        for point in points_at(relaxation, np.array([low, high])):
            mine = pricing.at(point.price, most)
            assert mine.bound_j == pytest.approx(point.bound_j, rel=1e-9)
            assert mine.excess_hz == pytest.approx(
                point.excess_hz, rel=1e-6, abs=1e-9 * problem.bandwidth_hz
            )
            assert np.array_equal(mine.choice, row[point.choice]), seed
        swept = pricing.between(low, base, high, most)
        assert swept is not None
        assert swept.point.bound_j == pytest.approx(pricing.at(base, most).bound_j, rel=1e-9)
        kept.append(len(swept.kept.rows))
        laid_out.append(len(row))
        # Nothing is missed of what was dropped, at the ends neither.
        for price in np.linspace(low, high, 9):
            mine, of_all = pricing.at(price, most, swept.kept), pricing.at(price, most)
            assert mine.bound_j == pytest.approx(of_all.bound_j, rel=1e-12), (seed, price)
    assert sum(kept) < 0.7 * sum(laid_out)


@pytest.mark.slow
def test_nothing_is_dropped_that_is_the_best_at_any_price(drawn: Drawn) -> None:
    # A user of many options for which few things decide, over a wide bracket.
    for seed in drawn(40, soak=2_000):
        problem = some_cell(seed)
        options, possible = options_of(problem)
        if not options.least(np.where(possible, options.curves.least_hz, np.inf)).sum() < np.inf:
            continue
        pricing, whole = pricing_of(problem), np.full(problem.users, problem.bandwidth_hz)
        base = 10.0 ** np.random.default_rng(seed).uniform(-12, -6)
        swept = pricing.between(0.2 * base, base, 5.0 * base, whole)
        assert swept is not None
        for price in base * np.geomspace(0.2, 5.0, 15):
            price = float(np.clip(price, 0.2 * base, 5.0 * base))
            mine, of_all = pricing.at(price, whole, swept.kept), pricing.at(price, whole)
            assert mine.bound_j == pytest.approx(of_all.bound_j, rel=1e-12), (seed, price)


def test_sums_do_not_depend_on_the_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = a_cell(40_000)
    told = []
    for processors in (1, 5):
        monkeypatch.setattr("solvers.compiled.crew.processors", lambda n=processors: n)
        pricing = pricing_of(problem)
        least, surely = pricing.least()
        point = pricing.at(2e-9, most_of(problem, surely))
        told.append((least.tobytes(), point.bound_j, point.excess_hz, point.choice.tobytes()))
    assert told[0] == told[1]


def test_whoever_drops_a_solve_is_heard_between_stretches(monkeypatch: pytest.MonkeyPatch) -> None:
    # Alone: a helper that is quick may leave this thread no stretch to look up after.
    monkeypatch.setattr("solvers.compiled.crew.processors", lambda: 1)
    asked = iter([None, Stop.DROP])
    progress = Progress(stop=lambda: next(asked, Stop.DROP))
    with pytest.raises(Cancelled):
        pricing_of(a_cell(40_000), progress).least()

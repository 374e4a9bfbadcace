"""The compiled prices of a fleet, and whole plans, against numpy's."""

from dataclasses import replace

import numpy as np
import pytest

from solvers.compiled.library import Kernel, using
from solvers.multiuser.problem import Problem, Steadiness
from solvers.multiuser.solve import solve
from solvers.multiuser.solve.fleet import Fleet
from solvers.multiuser.solve.kernel import kernel_of
from solvers.multiuser.solve.shares import clear, clear_all, needs
from solvers.outcome import Options
from solvers.progress import Cancelled, Progress, Stop
from tests.support.multiuser.cells import a_cell, a_short_cell
from tests.support.robust.kernel import the_library
from tests.support.seeds import Drawn

CLOSE = 1e-11


def some_cell(seed: int, users: int) -> Problem:
    """Few workloads or many, of few options or many; with deadlines, too many of them, or none; in
    odd units.
    """
    rng = np.random.default_rng(seed)
    if seed % 5 == 4:
        return a_short_cell(seed, users)
    cell = a_cell(
        seed,
        users,
        kinds=int(rng.integers(1, 6)),
        options=int(rng.choice([3, 6, 40])),
        deadlines=seed % 5 > 1,
    )
    unit = 10.0 ** rng.integers(-6, 7)
    return replace(
        cell,
        bandwidth_hz=cell.bandwidth_hz * unit,
        workloads=replace(cell.workloads, crossing_bit=cell.workloads.crossing_bit * unit),
    )


@pytest.mark.slow
def test_every_price_is_as_by_numpy(drawn: Drawn) -> None:
    the_library()
    for seed in drawn(40, soak=1_000):
        problem = some_cell(seed, users=1 + seed * 37 % 400)
        rng = np.random.default_rng(seed)
        with using(Kernel.NUMPY):
            reference = Fleet(problem)
            grown = reference.growing(uplink=seed % 2 == 0, server=seed % 3 == 0).allowed
        with using(Kernel.COMPILED):
            fleet = Fleet(problem)
            assert kernel_of(fleet) is not None
            other = fleet.growing(uplink=seed % 2 == 0, server=seed % 3 == 0).allowed
        np.testing.assert_array_equal(fleet.allowed, reference.allowed)
        np.testing.assert_array_equal(other, grown)
        for p, q in [(0.0, 0.0), *10.0 ** rng.uniform(-6.0, 6.0, (6, 2))]:
            with using(Kernel.NUMPY):
                expected, least = reference.price(p, q), reference.least_need(p, q)
                need, cleared = needs(reference, least[1]), clear(reference.chosen(least[1]), p, q)
            with using(Kernel.COMPILED):
                priced, found = fleet.price(p, q), fleet.least_need(p, q)
                # The same operations in the same order: ties too are broken in the same way.
                np.testing.assert_array_equal(priced.choice, expected.choice)
                np.testing.assert_array_equal(found[1], least[1])
                assert priced.bound == pytest.approx(expected.bound, rel=1e-11)
                assert found[0] == pytest.approx(least[0], rel=1e-11)
                np.testing.assert_allclose(priced.sums, expected.sums, rtol=CLOSE)
                np.testing.assert_allclose(
                    fleet.sums(found[1], p, q), reference.sums(found[1], p, q), rtol=CLOSE
                )
                np.testing.assert_allclose(needs(fleet, found[1]), need, rtol=CLOSE)
                np.testing.assert_allclose(
                    clear_all(fleet, found[1], p, q), [float(one) for one in cleared], rtol=1e-9
                )


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(12))
def test_plans_are_as_by_numpy(seed: int) -> None:
    the_library()
    problem = some_cell(seed, users=(4, 30, 300, 3_000)[seed % 4])
    answers = []
    for kernel in (Kernel.NUMPY, Kernel.COMPILED):
        with using(kernel):
            answers.append(solve(problem, Options(gap=1e-6), Progress(time_limit_s=np.inf)))
    numpys, compiled = answers
    assert compiled.status is numpys.status
    assert (compiled.decision is None) == (numpys.decision is None)
    if numpys.decision is not None and compiled.decision is not None:
        assert compiled.objective == pytest.approx(numpys.objective, rel=1e-9)
        assert compiled.lower_bound == pytest.approx(numpys.lower_bound, rel=1e-9)
        np.testing.assert_array_equal(compiled.decision.option, numpys.decision.option)


@pytest.mark.slow
def test_threads_change_no_digit(monkeypatch: pytest.MonkeyPatch) -> None:
    the_library()
    fleet = Fleet(a_cell(3, 40_000, deadlines=True))
    found = []
    for threads in (1, 2, 7):
        monkeypatch.setattr("solvers.compiled.crew.processors", lambda threads=threads: threads)
        priced = fleet.price(0.3, 0.2)
        found.append((priced.bound, priced.sums.tolist(), fleet.least_need(0.3, 0.2)[0]))
    assert found[0] == found[1] == found[2]


@pytest.mark.slow
@pytest.mark.parametrize("kernel", [Kernel.COMPILED, Kernel.NUMPY])
def test_pricing_is_dropped_between_stretches(
    kernel: Kernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    the_library()
    # Alone: a helper that is quick may leave this thread fewer stretches to look up after.
    monkeypatch.setattr("solvers.compiled.crew.processors", lambda: 1)
    asked: list[None] = []

    def stop() -> Stop | None:
        asked.append(None)
        return Stop.DROP if len(asked) > 3 else None

    with using(kernel):
        fleet = Fleet(a_cell(0, 40_000), progress=Progress(stop=stop))
        with pytest.raises(Cancelled):
            fleet.price(0.1, 0.1)
    assert len(asked) == 4


def test_what_holds_a_previous_plan_is_for_numpy() -> None:
    the_library()
    cell = a_cell(1, 20)
    steady = Steadiness(previous=np.zeros(20, dtype=np.int64), max_switches=3)
    assert kernel_of(Fleet(cell)) is not None
    assert kernel_of(Fleet(replace(cell, steadiness=steady))) is None
    with using(Kernel.NUMPY):
        assert kernel_of(Fleet(cell)) is None

"""The check's part of the kernel says what the check says in arrays, and errs on the same side."""

from collections.abc import Callable

import numpy as np
import pytest

from solvers.arrays import Floats
from solvers.compiled.library import Kernel, using
from solvers.outcome import Options
from solvers.robust.check.bound import lower_bound_j, open_options, within
from solvers.robust.check.curves import Reach, least_at_each_j, least_j
from solvers.robust.check.options import Options as Choices
from solvers.robust.check.options import frugal_clock_hz
from solvers.robust.problem import Decision, Problem
from solvers.robust.solve import RobustSolution, solve
from tests.support.robust.cells import random_cell
from tests.support.robust.everything import random_cell_with_everything
from tests.support.robust.kernel import the_library

# Both lay tangents a little aside of the same minimum, and not quite at the same place.
CLOSE = 1e-9
# Far from any that is right, too.
PRICES = 10.0 ** np.arange(-14.0, 1.0, 2.0)


@pytest.fixture(autouse=True, scope="module")
def _kernel() -> None:
    the_library()


@pytest.fixture(scope="module")
def solved() -> list[tuple[Problem, RobustSolution, Decision]]:
    """Cells with plans."""
    cells = [
        random_cell(np.random.default_rng(seed), users, 6, kind)
        for seed, users in enumerate((1, 5, 12))
        for kind in ("generic", "levels", "single")
    ]
    cells += [random_cell_with_everything(np.random.default_rng(seed), 5) for seed in range(12)]
    found = [(problem, solve(problem, Options(gap=1e-6))) for problem in cells]
    return [
        (problem, solution, solution.decision)
        for problem, solution in found
        if solution.decision is not None
    ]


def choices(problem: Problem, decision: Decision) -> tuple[Choices, Reach]:
    users = np.arange(len(problem.workload))
    options, cap_hz = open_options(problem, users, frugal_clock_hz(problem), decision.option)
    return within(options, cap_hz, users, decision.option)


def by_both(function: Callable[..., object], *given: object) -> list[Floats]:
    found = []
    for kernel in (Kernel.NUMPY, Kernel.COMPILED):
        with using(kernel):
            found.append(np.asarray(function(*given)))
    return found


def test_every_option_at_every_price(
    solved: list[tuple[Problem, RobustSolution, Decision]],
) -> None:
    compared = 0
    for problem, _, decision in solved:
        options, reach = choices(problem, decision)
        scale = PRICES * float(np.median(options.power_w))
        numpy, compiled = by_both(least_at_each_j, options, scale, reach)
        np.testing.assert_allclose(compiled, numpy, rtol=CLOSE)
        own = np.resize(scale, len(options.user))
        (numpy, numpy_hz), (compiled, compiled_hz) = by_both(least_j, options, own, reach)
        np.testing.assert_allclose(compiled, numpy, rtol=CLOSE)
        np.testing.assert_allclose(compiled_hz, numpy_hz, rtol=1e-4)
        compared += len(options.user)
    assert compared > 500


@pytest.mark.slow
def test_the_bound_of_a_cell_is_the_same(
    solved: list[tuple[Problem, RobustSolution, Decision]],
) -> None:
    compared = 0
    for problem, solution, decision in solved:
        assert solution.objective is not None
        price = solution.prices["dual_bandwidth_j_per_hz"]
        for at in (price, 0.0, 0.7 * price):
            for goal_j in (solution.objective * (1.0 - 1e-6), np.inf):
                bounds = [
                    float(each)
                    for each in by_both(
                        lambda *given: lower_bound_j(*given).energy_j,
                        problem,
                        decision,
                        [at],
                        goal_j,
                    )
                ]
                size = abs(solution.objective) + at * problem.bandwidth_hz
                assert bounds[1] == pytest.approx(bounds[0], abs=1e-9 * size)
                assert bounds[1] <= solution.objective * (1.0 + 1e-9)
                compared += 1
    assert compared > 50

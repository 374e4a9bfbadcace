"""The dip against its definition, a linear programme over every place of the mode."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.optimize import linprog

from solvers.arrays import Floats
from solvers.evidence.dip import dip


def by_definition(times: Floats) -> float:
    """The least distance to a distribution function of one mode, at each of the times in turn: a
    function that is convex before it, jumps there if it must, and is concave after it.
    """
    values, counts = np.unique(times, return_counts=True)
    above = np.cumsum(counts) / len(times)
    below = above - counts / len(times)
    return min(_at_mode(values, below, above, mode) for mode in range(len(values)))


def _at_mode(values: Floats, below: Floats, above: Floats, mode: int) -> float:
    """Unknowns are the function at the values before the mode, before and after its jump, at the
    values after it, and the distance.
    """
    at = np.concatenate([values[: mode + 1], values[mode:]])
    count = len(at)
    rows: list[Floats] = []
    limits: list[float] = []

    def least(limit: float, **weights: float) -> None:
        row = np.zeros(count + 1)
        for name, weight in weights.items():
            row[int(name[1:])] -= weight
        rows.append(row)
        limits.append(-limit)

    distance = f"_{count}"
    for k in range(len(values)):
        first, last = (k, k) if k < mode else (k + 1, k + 1) if k > mode else (k, k + 1)
        least(above[k], **{f"_{last}": 1.0, distance: 1.0})
        least(-below[k], **{f"_{first}": -1.0, distance: 1.0})
    for k in range(count - 1):
        least(0.0, **{f"_{k + 1}": 1.0, f"_{k}": -1.0})
    for k in range(1, count - 1):
        if k in (mode, mode + 1):
            continue
        before, after = 1.0 / (at[k] - at[k - 1]), 1.0 / (at[k + 1] - at[k])
        sign = 1.0 if k < mode else -1.0
        weights = {f"_{k - 1}": before, f"_{k}": -before - after, f"_{k + 1}": after}
        least(0.0, **{name: sign * weight for name, weight in weights.items()})
    cost = np.eye(count + 1)[count]
    found = linprog(cost, A_ub=np.array(rows), b_ub=limits, bounds=(0.0, 1.0), method="highs")
    return float(found.fun) if found.status == 0 else 1.0


@pytest.mark.slow
@settings(deadline=None, max_examples=60)
@given(arrays(np.int64, st.integers(2, 9), elements=st.integers(0, 12)))
def test_it_is_the_distance_by_definition(times: np.ndarray) -> None:
    """Small whole numbers are often equal, and evenly spaced."""
    found = dip(times.astype(float))
    if np.ptp(times) == 0:
        assert found == 0.0
    else:
        assert found == pytest.approx(by_definition(times.astype(float)), abs=1e-9)


@pytest.mark.slow
@settings(deadline=None, max_examples=40)
@given(arrays(np.float64, st.integers(2, 9), elements=st.floats(0.0, 1.0), unique=True))
def test_it_is_the_distance_of_unequal_times_too(times: Floats) -> None:
    if np.diff(np.sort(times)).min() > 1e-3:  # the programme's slopes
        assert dip(times) == pytest.approx(by_definition(times), abs=1e-9)


@settings(max_examples=50)
@given(
    arrays(np.int64, st.integers(2, 60), elements=st.integers(-1000, 1000)),
    st.sampled_from([0.25, 8.0, 1024.0]),
)
def test_units_order_and_direction_do_not_matter(times: np.ndarray, scale: float) -> None:
    found = dip(times.astype(float))
    assert dip(scale * times + 17.0) == pytest.approx(found, rel=1e-12)
    assert dip(-times.astype(float)) == pytest.approx(found, rel=1e-12)
    assert dip(np.random.default_rng(0).permutation(times).astype(float)) == found


def test_known_dips() -> None:
    # Evenly spaced times are as near as steps can be; two heaps of the same size, a quarter.
    assert dip(np.arange(100.0)) == pytest.approx(1.0 / 200.0)
    assert dip(np.repeat([0.0, 1.0], 50)) == pytest.approx(0.25)
    assert dip(np.ones(7)) == 0.0
    assert dip(np.array([1.0, 1.0, 1.0, 1.0, 2.0])) == pytest.approx(0.1)


def test_half_of_kuipers_statistic_bounds_it() -> None:
    """A uniform law with an atom at one end is as near to uniform samples."""
    rng = np.random.default_rng(4)
    for count in [2, 5, 30, 400] * 25:
        values, steps = np.sort(rng.random(count)), np.arange(count + 1) / count
        kuiper = np.max(steps[1:] - values) + np.max(values - steps[:-1])
        assert dip(values) <= kuiper / 2.0 + 1e-12


@pytest.mark.parametrize("count", [30, 200, 3000])
def test_it_is_what_another_program_found(count: int) -> None:
    """By diptest 0.12 (PyPI), of the same draws."""
    rng = np.random.default_rng([7, count])
    plain, two = rng.gamma(3.0, 1.0, count), rng.normal(size=count)
    two[: count // 3] += 4.0
    assert (dip(plain), dip(two)) == pytest.approx(FOUND_BY_ANOTHER[count], rel=1e-12)


FOUND_BY_ANOTHER: dict[int, tuple[float, float]] = {
    30: (0.06764582771521721, 0.05973046033688124),
    200: (0.023722983220051185, 0.02887705464373737),
    3000: (0.004322540555260862, 0.023078208441193557),
}

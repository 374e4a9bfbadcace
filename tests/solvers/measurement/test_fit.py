"""The fit of a device's time over its clock."""

import numpy as np
import pytest
from scipy.optimize import nnls

from solvers.arrays import Floats
from solvers.measurement.fit import Fit, fit

CLOCKS_HZ = np.array([3e8, 5e8, 7e8, 9e8, 1.1e9])


def fitted(
    rng: np.random.Generator,
    cycles: float,
    overhead_s: float,
    count: int,
    clocks_hz: Floats = CLOCKS_HZ,
) -> Fit:
    """A fit of gamma times of 5 % variation."""
    mean = cycles / clocks_hz + overhead_s
    times = rng.gamma(400.0, mean[:, None] / 400.0, (len(clocks_hz), count))
    return fit(
        clocks_hz,
        np.full(len(clocks_hz), float(count)),
        times.mean(axis=1),
        times.var(axis=1, ddof=1),
    )


def test_a_law_without_noise_is_found_exactly() -> None:
    mean = 4.2e7 / CLOCKS_HZ + 9e-3
    found = fit(CLOCKS_HZ, np.full(5, 30.0), mean, (0.02 * mean) ** 2)
    assert found.cycles == pytest.approx(4.2e7, rel=1e-9)
    assert found.overhead_s == pytest.approx(9e-3, rel=1e-9)
    assert found.misfit < 1e-12
    assert found.misfit_p_value == pytest.approx(1.0)


def test_it_is_the_weighted_non_negative_least_squares() -> None:
    rng = np.random.default_rng(0)
    bounded = 0
    for _ in range(50):
        cycles, overhead = rng.choice([0.0, 1e6, 4e7]), rng.choice([0.0, 1e-4, 1e-2])
        mean = (cycles / CLOCKS_HZ + overhead + 1e-3) * rng.uniform(0.9, 1.1, 5)
        count, variance = (
            rng.integers(10, 100, 5).astype(float),
            (mean * rng.uniform(0.01, 0.1, 5)) ** 2,
        )
        found = fit(CLOCKS_HZ, count, mean, variance)
        root = np.sqrt(count / variance)
        design = np.stack([1e9 / CLOCKS_HZ, np.ones(5)], axis=1)
        (a, b), _ = nnls(design * root[:, None], mean * root)
        assert found.cycles == pytest.approx(a * 1e9, rel=1e-6, abs=1e-3)
        assert found.overhead_s == pytest.approx(b, rel=1e-6, abs=1e-12)
        bounded += a == 0.0 or b == 0.0
    assert bounded > 5


@pytest.mark.parametrize(
    ("cycles", "overhead_s"), [(4.2e7, 9e-3), (4.2e7, 0.0), (4.2e7, 2e-4), (0.0, 1e-2)]
)
@pytest.mark.parametrize("count", [10, 40])
def test_intervals_cover_what_they_say(cycles: float, overhead_s: float, count: int) -> None:
    """500 sets: 95 % and more at the boundary; 5 standard errors of tolerance."""
    rng = np.random.default_rng(int(cycles + 1e6 * overhead_s) + count)
    found = [fitted(rng, cycles, overhead_s, count) for _ in range(500)]
    for name, truth in (("cycles_interval", cycles), ("overhead_interval_s", overhead_s)):
        hits = np.mean([getattr(one, name)[0] <= truth <= getattr(one, name)[1] for one in found])
        assert hits > 0.95 - 5.0 * np.sqrt(0.95 * 0.05 / 500)
        assert hits < 0.995, "wider than they need be"
    assert np.mean([one.misfit_p_value < 0.01 for one in found]) < 0.04
    for one in found:
        assert one.cycles_interval[0] <= one.cycles <= one.cycles_interval[1]
        assert one.overhead_interval_s[0] <= one.overhead_s <= one.overhead_interval_s[1]
        assert one.overhead_interval_s[1] > 0.0


def test_errors_are_those_of_repeated_fits() -> None:
    rng = np.random.default_rng(1)
    found = [fitted(rng, 4.2e7, 9e-3, 50) for _ in range(500)]
    assert np.std([one.cycles for one in found]) == pytest.approx(
        np.mean([one.cycles_error for one in found]), rel=0.1
    )
    spread = np.std([one.overhead_s for one in found])
    assert spread == pytest.approx(np.mean([one.overhead_error_s for one in found]), rel=0.1)


def test_a_law_that_does_not_fit_is_refuted_and_its_errors_are_wider() -> None:
    mean = 4.2e7 / CLOCKS_HZ + 9e-3
    bent = mean * np.array([1.0, 1.1, 1.0, 0.9, 1.0])
    count, variance = np.full(5, 50.0), (0.02 * mean) ** 2
    found, straight = fit(CLOCKS_HZ, count, bent, variance), fit(CLOCKS_HZ, count, mean, variance)
    assert found.misfit_p_value < 1e-6
    assert found.misfit > 0.05
    assert found.cycles_error > 3.0 * straight.cycles_error
    low, high = found.cycles_interval
    assert low < 4.2e7 < high


def test_requested_clocks_of_a_throttled_processor_mislead() -> None:
    """Above 0.8 GHz the processor holds 0.8: by the clocks asked for both numbers are far off."""
    requested = np.array([3e8, 5e8, 7e8, 9e8, 1.1e9, 1.3e9])
    real = np.minimum(requested, 8e8)
    mean = 4.2e7 / real + 9e-3
    count, variance = np.full(6, 100.0), (0.01 * mean) ** 2
    wrong, right = fit(requested, count, mean, variance), fit(real, count, mean, variance)
    assert right.overhead_s == pytest.approx(9e-3, rel=1e-9)
    assert wrong.overhead_s > 1.5 * 9e-3
    assert wrong.misfit_p_value < 0.01


def test_a_part_that_computes_nothing_has_an_overhead_alone() -> None:
    found = fit(CLOCKS_HZ, np.full(5, 20.0), np.full(5, 1e-3), np.full(5, 1e-10), scales=False)
    assert (found.cycles, found.cycles_interval) == (0.0, (0.0, 0.0))
    assert found.overhead_s == pytest.approx(1e-3)


def test_identical_times_have_no_errors() -> None:
    mean = 4.2e7 / CLOCKS_HZ + 9e-3
    found = fit(CLOCKS_HZ, np.full(5, 20.0), mean, np.zeros(5))
    assert found.cycles == pytest.approx(4.2e7)
    assert (found.cycles_error, found.cycles_interval) == (0.0, (found.cycles, found.cycles))
    assert np.isnan(found.misfit_p_value)

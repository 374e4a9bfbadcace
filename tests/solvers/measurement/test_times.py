"""Moments by cut and clock."""

import numpy as np
import pytest

from solvers.measurement.samples import nominal_hz
from solvers.measurement.times import standardised, times_of
from tests.solvers.measurement.test_fit import CLOCKS_HZ
from tests.support.samples import samples


def test_moments_by_cut_and_clock() -> None:
    rng = np.random.default_rng(0)
    clock = np.repeat(CLOCKS_HZ, 40)
    times = rng.gamma(2500.0, (4.2e7 / clock + 9e-3) / 2500.0)
    some = samples(time_s=times, frequency_hz=clock)
    one = times_of(some, nominal_hz(some.frequency_hz), np.array([0.0, 1e8]), fits=True)[1]
    assert one.fit is not None
    assert [level.frequency_hz for level in one.levels] == CLOCKS_HZ.tolist()
    for level in one.levels:
        mine = times[clock == level.frequency_hz]
        assert (level.count, level.mean_s, level.worst_s) == (
            40,
            pytest.approx(mine.mean()),
            mine.max(),
        )
        assert level.variance_s2 == pytest.approx(mine.var(ddof=1))
    expected = one.fit.cycles / clock + one.fit.overhead_s
    assert one.beyond_fit_s == pytest.approx(np.max(times - expected))
    above = [
        level.mean_s - one.fit.cycles / level.frequency_hz - one.fit.overhead_s
        for level in one.levels
    ]
    largest = max(
        (level.variance_s2**0.5 + max(miss, 0.0)) ** 2
        for level, miss in zip(one.levels, above, strict=True)
    )
    assert one.about_fit_s2 == pytest.approx(largest)
    assert (
        times_of(some, nominal_hz(some.frequency_hz), np.array([0.0, 1e8]), fits=False)[1].fit
        is None
    )


def test_standardised_times() -> None:
    rng = np.random.default_rng(0)
    clock = np.repeat([5e8, 1e9], 100)
    some = samples(time_s=rng.gamma(4.0, 1e9 / clock), frequency_hz=clock)
    nominal = nominal_hz(clock)
    pooled = standardised(some, nominal, "device", 1, None)
    assert len(pooled) == 200
    assert (pooled.mean(), pooled.std()) == (pytest.approx(0.0, abs=1e-12), pytest.approx(1.0))
    assert len(standardised(some, nominal, "device", 1, 1e9)) == 100
    assert len(standardised(some, nominal, "device", 2, None)) == 0
    assert len(standardised(some, nominal, "server", 1, None)) == 0
    assert (
        len(standardised(samples(time_s=np.full(50, 0.1)), np.full(50, 1e9), "device", 1, None))
        == 0
    )


def test_what_the_fit_misses_never_costs_the_promise() -> None:
    """Cantelli's bound at the true moments of every clock, for a margin by the fit, at every risk
    up to 1/2.
    """
    rng = np.random.default_rng(0)
    clock = np.repeat(CLOCKS_HZ, 200)
    bend = np.repeat([1.0, 1.08, 0.95, 1.0, 1.05], 200)
    some = samples(
        time_s=bend * (4.2e7 / clock + 9e-3) * rng.gamma(400.0, 1 / 400.0, 1000), frequency_hz=clock
    )
    one = times_of(some, nominal_hz(clock), np.array([0.0, 1e8]), fits=True)[1]
    assert one.fit is not None
    assert one.fit.misfit > 0.03
    for risk in (0.5, 0.2, 0.05, 0.01):
        margin = np.sqrt((1.0 - risk) / risk * one.about_fit_s2)
        for level in one.levels:
            slack = one.fit.cycles / level.frequency_hz + one.fit.overhead_s + margin - level.mean_s
            assert level.variance_s2 / (level.variance_s2 + slack**2) <= risk * (1.0 + 1e-9)


@pytest.mark.slow
def test_times_that_resemble_their_neighbours_are_worth_fewer() -> None:
    """The intervals of 300 fits to times with a memory of 0.5 cover the truth all the same."""
    rng = np.random.default_rng(0)
    hits = np.zeros(2)
    for _ in range(300):
        noise = rng.normal(size=(5, 100))
        for n in range(1, 100):
            noise[:, n] = 0.5 * noise[:, n - 1] + np.sqrt(0.75) * noise[:, n]
        times = ((4.2e7 / CLOCKS_HZ + 9e-3)[:, None] * (1.0 + 0.03 * noise)).ravel()
        clock = np.repeat(CLOCKS_HZ, 100)
        found = times_of(
            samples(time_s=times, frequency_hz=clock), clock, np.array([0.0, 1e8]), fits=True
        )[1].fit
        assert found is not None
        hits += [
            found.cycles_interval[0] <= 4.2e7 <= found.cycles_interval[1],
            found.overhead_interval_s[0] <= 9e-3 <= found.overhead_interval_s[1],
        ]
    assert np.all(hits / 300 > 0.9)

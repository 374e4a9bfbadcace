"""Moments and fits of samples whose law is known."""

from typing import Any

import numpy as np
import pytest
from scipy.optimize import nnls

from solvers.arrays import Floats
from solvers.measurement import (
    Fit,
    Samples,
    findings,
    fit,
    nominal_hz,
    pairings,
    standardised,
    times_of,
    two_modes,
)

CLOCKS_HZ = np.array([3e8, 5e8, 7e8, 9e8, 1.1e9])


def samples(**columns: Any) -> Samples:
    """Rows of one cut of a device at one clock, unless a test says otherwise."""
    rows = len(columns["time_s"])
    nan = np.full(rows, np.nan)
    defaults: dict[str, Any] = {
        "session": 0,
        "cut": 1,
        "part": 0,
        "frequency_hz": 1e9,
        "requested_hz": nan,
        "order": np.arange(rows),
        "cpu_time_s": nan,
        "involuntary_switches": nan,
    }
    kinds = dict.fromkeys(("session", "cut", "part", "order"), np.int64)
    return Samples(
        **{
            name: np.broadcast_to(np.asarray(value, dtype=kinds.get(name, np.float64)), rows)
            for name, value in (defaults | columns).items()
        }
    )


def fitted(
    rng: np.random.Generator, cycles: float, overhead_s: float, count: int, clocks_hz: Floats = CLOCKS_HZ
) -> Fit:
    """A fit of gamma times of 5 % variation."""
    mean = cycles / clocks_hz + overhead_s
    times = rng.gamma(400.0, mean[:, None] / 400.0, (len(clocks_hz), count))
    return fit(clocks_hz, np.full(len(clocks_hz), float(count)), times.mean(axis=1), times.var(axis=1, ddof=1))


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
        count, variance = rng.integers(10, 100, 5).astype(float), (mean * rng.uniform(0.01, 0.1, 5)) ** 2
        found = fit(CLOCKS_HZ, count, mean, variance)
        root = np.sqrt(count / variance)
        design = np.stack([1e9 / CLOCKS_HZ, np.ones(5)], axis=1)
        (a, b), _ = nnls(design * root[:, None], mean * root)
        assert found.cycles == pytest.approx(a * 1e9, rel=1e-6, abs=1e-3)
        assert found.overhead_s == pytest.approx(b, rel=1e-6, abs=1e-12)
        bounded += a == 0.0 or b == 0.0
    assert bounded > 5


@pytest.mark.parametrize(("cycles", "overhead_s"), [(4.2e7, 9e-3), (4.2e7, 0.0), (4.2e7, 2e-4), (0.0, 1e-2)])
@pytest.mark.parametrize("count", [10, 40])
def test_intervals_cover_what_they_say(cycles: float, overhead_s: float, count: int) -> None:
    """500 sets: 95 % and more at the boundary; 5 standard errors of room."""
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
    assert np.std([one.cycles for one in found]) == pytest.approx(np.mean([one.cycles_error for one in found]), rel=0.1)
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


def test_clocks_that_stand_for_one() -> None:
    clocks = np.array([1.0e9, 1.003e9, 1.009e9, 1.5e9, np.nan, 8e8])
    named = nominal_hz(clocks)
    assert named[0] == named[1] == named[2] == pytest.approx(1.004e9)
    assert named[3] == 1.5e9
    assert np.isnan(named[4])
    snapped = nominal_hz(clocks, np.array([8e8, 1.005e9, 2e9]))
    assert snapped[:3].tolist() == [1.005e9] * 3
    assert (snapped[3], snapped[5]) == (1.5e9, 8e8)
    assert nominal_hz(clocks, np.array([1e9]))[:2].tolist() == [1e9, 1e9]
    assert np.isnan(nominal_hz(np.array([np.nan]))).all()


def test_a_clock_that_wanders_makes_no_endless_group() -> None:
    clocks = np.linspace(1e9, 2e9, 10_001)
    named = nominal_hz(clocks)
    assert np.max(np.abs(named / clocks - 1.0)) < 0.01
    assert 60 < len(np.unique(named)) < 80


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
        assert (level.count, level.mean_s, level.worst_s) == (40, pytest.approx(mine.mean()), mine.max())
        assert level.variance_s2 == pytest.approx(mine.var(ddof=1))
    expected = one.fit.cycles / clock + one.fit.overhead_s
    assert one.beyond_fit_s == pytest.approx(np.max(times - expected))
    above = [level.mean_s - one.fit.cycles / level.frequency_hz - one.fit.overhead_s for level in one.levels]
    largest = max((level.variance_s2**0.5 + max(miss, 0.0)) ** 2 for level, miss in zip(one.levels, above, strict=True))
    assert one.about_fit_s2 == pytest.approx(largest)
    assert times_of(some, nominal_hz(some.frequency_hz), np.array([0.0, 1e8]), fits=False)[1].fit is None


def test_correlation_is_that_within_each_clock() -> None:
    """Both parts slow down together at low clocks: that is no correlation."""
    rng = np.random.default_rng(0)
    clock = np.tile(np.repeat([5e8, 1e9], 200), 2)
    slow = 1e9 / clock
    shared = rng.normal(0.0, 1.0, 400)
    device = 10.0 + 0.5 * shared + 0.5 * rng.normal(0.0, 1.0, 400)
    server = 10.0 + 0.5 * shared + 0.5 * rng.normal(0.0, 1.0, 400)
    both = samples(
        time_s=np.concatenate([device, server]) * slow,
        frequency_hz=clock,
        part=np.repeat([0, 1], 400),
        order=np.tile(rng.permutation(400), 2),
    )
    found = pairings(both, nominal_hz(both.frequency_hz))[1]
    assert found.pairs == 400
    assert found.interval[0] < 0.5 < found.interval[1]
    assert found.interval[1] - found.interval[0] < 0.2
    unordered = samples(time_s=both.time_s, frequency_hz=clock, part=both.part, order=-1)
    assert pairings(unordered, nominal_hz(clock)) == {}
    twice = samples(time_s=both.time_s, frequency_hz=clock, part=both.part, order=np.tile(np.arange(200), 4))
    assert pairings(twice, nominal_hz(clock)) == {}, "an order that is there twice pairs nothing"


def test_modes() -> None:
    rng = np.random.default_rng(0)
    one, other = rng.normal(1.0, 0.01, 200), rng.normal(1.2, 0.01, 100)
    low, high, share = two_modes(np.concatenate([one, other])) or (0.0, 0.0, 0.0)
    assert (low, high, share) == (
        pytest.approx(1.0, abs=0.01),
        pytest.approx(1.2, abs=0.01),
        pytest.approx(1 / 3, abs=0.01),
    )
    for law in (
        rng.gamma(9.0, 1.0, 300),
        rng.uniform(1.0, 2.0, 300),
        rng.lognormal(0.0, 0.7, 300),
        rng.exponential(1.0, 300),
    ):
        assert two_modes(law) is None
    assert two_modes(np.append(rng.normal(1.0, 0.01, 300), 3.0)) is None, "an outlier is no mode"


def test_outliers_and_interruptions_are_noted() -> None:
    rng = np.random.default_rng(0)
    times = rng.normal(1.0, 0.01, 100)
    times[[3, 50]] = 2.0
    some = samples(time_s=times, involuntary_switches=(np.arange(100) % 2).astype(float))
    found = {finding.check: finding for finding in findings(some, nominal_hz(some.frequency_hz))}
    assert set(found) == {"outliers", "interruptions"}
    assert {finding.severity for finding in found.values()} == {"note"}
    assert "2 of 100" in found["outliers"].detail


def test_what_slows_all_cuts_is_seen_together() -> None:
    """Twenty times of each of fifty cuts say nothing alone; in the order of measurement they do."""
    rng = np.random.default_rng(0)
    order = rng.permutation(1000)
    cut = np.repeat(np.arange(50), 20)
    times = (1.0 + cut) * (1.0 + 0.01 * rng.normal(0.0, 1.0, 1000) + 0.015 * (order > 500))
    some = samples(time_s=times, cut=cut, order=order)
    drifts = [finding for finding in findings(some, nominal_hz(some.frequency_hz)) if finding.check == "drift"]
    assert [(finding.cut, finding.severity) for finding in drifts] == [(None, "warning")]
    steady = samples(time_s=(1.0 + cut) * (1.0 + 0.01 * rng.normal(0.0, 1.0, 1000)), cut=cut, order=order)
    assert not [f for f in findings(steady, nominal_hz(steady.frequency_hz)) if f.check == "drift"]


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
    assert len(standardised(samples(time_s=np.full(50, 0.1)), np.full(50, 1e9), "device", 1, None)) == 0


def test_columns_must_go_together() -> None:
    with pytest.raises(ValueError, match="one entry per row"):
        Samples(
            session=np.zeros(1, dtype=np.int64),
            cut=np.zeros(2, dtype=np.int64),
            part=np.zeros(2, dtype=np.int64),
            frequency_hz=np.ones(2),
            requested_hz=np.ones(2),
            order=np.zeros(2, dtype=np.int64),
            time_s=np.ones(2),
            cpu_time_s=np.ones(2),
            involuntary_switches=np.ones(2),
        )


def test_what_the_fit_misses_never_costs_the_promise() -> None:
    """Cantelli's bound at the true moments of every clock, for a margin by the fit, at every risk up to 1/2."""
    rng = np.random.default_rng(0)
    clock = np.repeat(CLOCKS_HZ, 200)
    bend = np.repeat([1.0, 1.08, 0.95, 1.0, 1.05], 200)
    some = samples(time_s=bend * (4.2e7 / clock + 9e-3) * rng.gamma(400.0, 1 / 400.0, 1000), frequency_hz=clock)
    one = times_of(some, nominal_hz(clock), np.array([0.0, 1e8]), fits=True)[1]
    assert one.fit is not None
    assert one.fit.misfit > 0.03
    for risk in (0.5, 0.2, 0.05, 0.01):
        margin = np.sqrt((1.0 - risk) / risk * one.about_fit_s2)
        for level in one.levels:
            room = one.fit.cycles / level.frequency_hz + one.fit.overhead_s + margin - level.mean_s
            assert level.variance_s2 / (level.variance_s2 + room**2) <= risk * (1.0 + 1e-9)


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
        found = times_of(samples(time_s=times, frequency_hz=clock), clock, np.array([0.0, 1e8]), fits=True)[1].fit
        assert found is not None
        hits += [
            found.cycles_interval[0] <= 4.2e7 <= found.cycles_interval[1],
            found.overhead_interval_s[0] <= 9e-3 <= found.overhead_interval_s[1],
        ]
    assert np.all(hits / 300 > 0.9)

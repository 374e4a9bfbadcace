"""What speaks against samples."""

import numpy as np
import pytest

from solvers.measurement.findings import findings, two_modes
from solvers.measurement.samples import nominal_hz
from tests.support.samples import samples


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
    drifts = [
        finding
        for finding in findings(some, nominal_hz(some.frequency_hz))
        if finding.check == "drift"
    ]
    assert [(finding.cut, finding.severity) for finding in drifts] == [(None, "warning")]
    steady = samples(
        time_s=(1.0 + cut) * (1.0 + 0.01 * rng.normal(0.0, 1.0, 1000)), cut=cut, order=order
    )
    assert not [f for f in findings(steady, nominal_hz(steady.frequency_hz)) if f.check == "drift"]

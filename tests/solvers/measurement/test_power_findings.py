"""What speaks against a fit of power."""

import numpy as np

from benchmarks.power import Truth
from benchmarks.power_figures import figures
from solvers.measurement.power import fit_power
from solvers.measurement.power_findings import PowerFinding, power_findings
from solvers.measurement.power_samples import power_samples


def checks(found: list[PowerFinding], severity: str = "warning") -> set[str]:
    return {one.check for one in found if one.severity == severity}


def test_good_samples_raise_no_warning() -> None:
    samples = Truth(static_w=1.0, clocked_w=3.0, exponent=2.0, noise=0.01).measured(
        np.random.default_rng(0)
    )
    found = power_findings(fit_power(samples))
    assert checks(found) == set()
    assert checks(found, "note") == {"unknown"}  # no sample has its time


def test_two_clocks_are_few_and_leave_wide_intervals() -> None:
    clock = np.repeat([6e8, 1.2e9], 3)
    found = power_findings(fit_power(power_samples(clock, power_w=1.0 + 1e-9 * clock)))
    assert checks(found) == {"clocks", "intervals"}
    (exponent,) = [one for one in found if "power_exponent" in one.detail]
    assert "1.00 to 3.00" in exponent.detail


def test_a_clock_that_did_not_run_is_named() -> None:
    clock = np.array([6e8, 8e8, 1e9, 1.2e9, 1.4e9])
    time = 1e9 / clock
    time[1] = time[4]
    found = power_findings(fit_power(power_samples(clock, time_s=time, energy_j=3.0 * time)))
    (one,) = [finding for finding in found if finding.check == "clock"]
    assert one.severity == "warning"
    assert one.frequency_hz == 8e8
    assert "1.4e+09 Hz would" in one.detail
    left = power_findings(
        fit_power(power_samples(clock, time_s=time, energy_j=3.0 * time), leave_out_suspicious=True)
    )
    assert any("1 samples at such clocks are left out" in finding.detail for finding in left)


def test_a_law_that_misses_says_so() -> None:
    clock = np.repeat([6e8, 8e8, 1e9, 1.2e9], 2)
    power = np.tile([1.0, 2.0], 4)
    assert "fit" in checks(power_findings(fit_power(power_samples(clock, power_w=power))))


def test_means_that_stray_are_noted() -> None:
    truth = Truth(
        static_w=1.0, clocked_w=3.0, exponent=2.0, samples=20, noise=0.005, clock_noise=0.05
    )
    found = power_findings(fit_power(truth.measured(np.random.default_rng(1))))
    assert "stray" in checks(found, "note")


def test_few_samples_at_a_clock_are_noted_and_outliers_kept() -> None:
    found = power_findings(fit_power(figures()["Orin Nano GPU", "board"]))
    assert {one.frequency_hz for one in found if one.check == "samples"} >= {6.11e8}
    clock = np.repeat(np.linspace(6e8, 1.8e9, 7), 5)
    power = (1.0 + 1e-18 * clock**2) * np.random.default_rng(2).uniform(0.98, 1.02, 35)
    power[17] *= 2.0
    assert "outliers" in checks(
        power_findings(fit_power(power_samples(clock, power_w=power))), "note"
    )

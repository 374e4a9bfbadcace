"""The formulas at numbers worked by hand, and at their limits."""

import numpy as np
import pytest

from solvers import physics
from solvers.rate_law import RateLaw


def test_rate_of_a_worked_example() -> None:
    """1 MHz at 15 dB-like SNR 31: 5 bit/s/Hz."""
    rate = physics.rate_bps(
        np.array([1e6, 0.0]), np.array([0.1, 0.1]), np.array([31e-5, 31e-5]), 3.1e-11 / 1.0
    )
    snr = 0.1 * 31e-5 / (3.1e-11 * 1e6)
    assert rate.tolist() == [pytest.approx(1e6 * np.log2(1 + snr)), 0.0]


def test_rate_tends_to_the_limit_of_unlimited_bandwidth() -> None:
    limit = 0.2 * 1e-10 / (4e-21 * np.log(2))
    assert physics.rate_bps(np.array([1e18]), np.array([0.2]), np.array([1e-10]), 4e-21)[
        0
    ] == pytest.approx(limit)


def test_nothing_to_send_takes_no_time_even_without_a_rate() -> None:
    assert physics.transfer_s(np.array([0.0, 8.0, 8.0]), np.array([0.0, 0.0, 4.0])).tolist() == [
        0.0,
        np.inf,
        2.0,
    ]


def test_required_gain_inverts_the_rate() -> None:
    share, power, gain, noise = np.array([2e5]), np.array([0.2]), np.array([3e-11]), 4e-21
    rate = physics.rate_bps(share, power, gain, noise)
    assert physics.required_gain(rate, share, power, noise)[0] == pytest.approx(3e-11, rel=1e-12)
    assert physics.required_gain(np.array([0.0]), np.array([0.0]), power, noise)[0] == 0.0


def test_energy_of_a_second_at_one_gigahertz() -> None:
    assert physics.compute_energy_j(np.array(1e-27), np.array(1e9), np.array(1.0)) == pytest.approx(
        1.0
    )
    assert physics.device_s(np.array(3e8), np.array(1e9), np.array(0.01)) == pytest.approx(0.31)


def test_a_rate_law_attenuates_and_caps() -> None:
    """SNR 31: 5 bit/s/Hz, of which 0.4 are reached; 1 bit/s/Hz with a gap of 31."""
    share, power, gain, noise = np.array([1e6]), np.array([0.31]), np.array([1e-4]), 1e-12
    for law, per_hz in (
        (RateLaw(), 5.0),
        (RateLaw(efficiency=0.4), 2.0),
        (RateLaw(snr_gap=31.0), 1.0),
        (RateLaw(max_bps_per_hz=3.0), 3.0),
        (RateLaw(efficiency=0.4, max_bps_per_hz=3.0), 2.0),
    ):
        rate = physics.rate_bps(share, power, gain, noise, law)
        assert rate[0] == pytest.approx(per_hz * 1e6)
        needed = physics.required_gain(rate, share, power, noise, law)
        reached = min(gain[0], 7.0 * noise * 1e6 / 0.31) if per_hz == 3.0 else gain[0]
        assert needed[0] == pytest.approx(reached, rel=1e-12)


def test_no_gain_carries_more_than_the_cap() -> None:
    share, power, law = np.array([1e6]), np.array([0.2]), RateLaw(max_bps_per_hz=2.0)
    needed = physics.required_gain(np.array([2e6, 2.001e6]), share, power, 4e-21, law)
    assert np.isfinite(needed[0])
    assert needed[1] == np.inf


def test_power_of_any_exponent() -> None:
    assert physics.compute_energy_j(
        np.array(2e-18), np.array(1e9), np.array(3.0), np.array(2.0)
    ) == pytest.approx(6.0)


@pytest.mark.parametrize("alpha", [1.0, 1.0 + 1e-9, 1.5, 2.0, 3.0, 4.0])
@pytest.mark.parametrize("overhead_s", [0.0, 1e-6, 0.02, 3.0])
def test_cheapest_clock_has_no_cheaper_beside_it(alpha: float, overhead_s: float) -> None:
    static, cycles = np.array([1e-3, 0.3, 40.0]), np.full(3, 2e8)
    kappa, t0, exponent = np.full(3, 2.0 / 1e9**alpha), np.full(3, overhead_s), np.full(3, alpha)
    clock = physics.cheapest_clock_hz(static, kappa, exponent, cycles, t0)
    if alpha == 1.0 and overhead_s == 0.0:
        assert np.all(np.isinf(clock))
        return
    some = clock < 1e200  # a line but for a billionth of its exponent needs absurd clocks
    assert some.any() or alpha < 1.1

    def energy(f: np.ndarray) -> np.ndarray:
        power = static + physics.compute_energy_j(kappa, f, np.ones(3), exponent)
        return np.asarray(power * physics.device_s(cycles, f, t0))

    for factor in (0.99, 1.01):
        assert np.all((energy(clock) < energy(clock * factor))[some])
    saved = physics.clock_power_w(static, kappa, exponent, clock, cycles, t0)
    assert np.all(np.abs(saved)[some] <= 1e-12 * static[some])


def test_without_static_power_slower_is_cheaper_and_without_a_clocked_part_faster() -> None:
    static, kappa = np.array([0.0, 1.0, 1.0, 0.0]), np.array([1e-27, 0.0, 1e-27, 0.0])
    cycles, t0 = np.array([1e8, 1e8, 0.0, 1e8]), np.array([0.0, 0.01, 0.01, 0.0])
    clock = physics.cheapest_clock_hz(static, kappa, np.full(4, 3.0), cycles, t0)
    assert clock.tolist() == [0.0, np.inf, 0.0, 0.0]


def test_what_a_second_more_for_the_cycles_saves_is_a_slope() -> None:
    rng = np.random.default_rng(3)
    alpha, cycles, t0 = rng.uniform(1, 4, 50), 10 ** rng.uniform(6, 9, 50), rng.uniform(0, 0.1, 50)
    static, time = rng.uniform(0, 3, 50), rng.uniform(0.01, 1.0, 50)
    kappa = rng.uniform(0, 3, 50) / 1e9**alpha

    def energy(for_cycles: np.ndarray) -> np.ndarray:
        f = cycles / for_cycles
        return np.asarray((static + kappa * f**alpha) * (for_cycles + t0))

    slope = (energy(time * (1 - 1e-6)) - energy(time * (1 + 1e-6))) / (2e-6 * time)
    saved = physics.clock_power_w(static, kappa, alpha, cycles / time, cycles, t0)
    assert np.allclose(saved, slope, rtol=1e-6, atol=1e-6)

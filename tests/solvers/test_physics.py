"""The formulas at numbers worked by hand, and at their limits."""

import numpy as np
import pytest

from solvers import physics


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

"""Each physical formula once, as the papers write it. Solvers may use equivalent
forms; the checks write their own."""

import numpy as np

from solvers.arrays import Floats


def rate_bps(
    bandwidth_hz: Floats, tx_power_w: Floats, gain: Floats, noise_w_per_hz: float
) -> Floats:
    """Shannon rate of an FDMA share: b log2(1 + p h/(N0 b)) [bit/s], 0 at b = 0 (arXiv 2503.21476,
    eq. 5).
    """
    share = np.asarray(bandwidth_hz, dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        snr = tx_power_w * gain / (noise_w_per_hz * share)
        return np.where(share > 0.0, share * np.log1p(snr) / np.log(2.0), 0.0)


def transfer_s(crossing_bit: Floats, rate: Floats) -> Floats:
    """Time to send `crossing_bit` at `rate` [s]: 0 where nothing crosses, infinite where something
    must at rate 0.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(crossing_bit > 0.0, crossing_bit / rate, 0.0)


def device_s(cycles: Floats, frequency_hz: Floats, overhead_s: Floats) -> Floats:
    """Mean device time c/f + t0 [s] (arXiv 2503.21476, eq. 2, with the intercept that fits of
    measurements need).
    """
    return cycles / frequency_hz + overhead_s


def compute_energy_j(
    power_coefficient_w_per_hz3: Floats, frequency_hz: Floats, time_s: Floats
) -> Floats:
    """Energy of a CMOS processor: kappa f³ for `time_s` [J] (arXiv 2503.21476, eq. 4)."""
    return power_coefficient_w_per_hz3 * frequency_hz**3 * time_s


def radio_energy_j(tx_power_w: Floats, transfer: Floats) -> Floats:
    """Energy to transmit for `transfer` seconds [J] (arXiv 2503.21476, eq. 6)."""
    return tx_power_w * transfer


def required_gain(
    rate: Floats, bandwidth_hz: Floats, tx_power_w: Floats, noise_w_per_hz: float
) -> Floats:
    """Least channel power gain that carries `rate` over a share: (2^(R/b) - 1) N0 b/p; 0 where no
    rate is needed.
    """
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        gain = (
            np.expm1(np.log(2.0) * rate / bandwidth_hz) * noise_w_per_hz * bandwidth_hz / tx_power_w
        )
        return np.where(rate > 0.0, gain, 0.0)

"""Each physical formula once, as the papers write it. Solvers may use equivalent
forms; the checks write their own."""

import numpy as np

from solvers.arrays import Floats
from solvers.rate_law import SHANNON, RateLaw

_LN2 = np.log(2.0)
# How far rounding may take bit/s/Hz beyond what a law carries at most.
_AT_CAP = 1.0 + 1e-12
# Newton's steps to a clock: the error, at most ln 2 at first, is squared and divided by 8 by each.
_CLOCK_STEPS = 5


def rate_bps(
    bandwidth_hz: Floats,
    tx_power_w: Floats,
    gain: Floats,
    noise_w_per_hz: float,
    law: RateLaw = SHANNON,
) -> Floats:
    """Rate of an FDMA share: b min(c_max, eta log2(1 + p h/(N0 b Gamma))) [bit/s], 0 at b = 0
    (arXiv 2503.21476, eq. 5, with the attenuation and the cap of 3GPP TR 36.942 annex A.1).
    """
    share = np.asarray(bandwidth_hz, dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        snr = tx_power_w * gain / (noise_w_per_hz * share) / law.snr_gap
        rate = share * np.log1p(snr) / _LN2 * law.efficiency
        return np.where(share > 0.0, np.minimum(rate, share * law.max_bps_per_hz), 0.0)


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
    power_coefficient: Floats,
    frequency_hz: Floats,
    time_s: Floats,
    power_exponent: Floats | float = 3.0,
) -> Floats:
    """Energy of what follows the clock: kappa f^alpha for `time_s` [J]; a CMOS processor has alpha
    = 3 (arXiv 2503.21476, eq. 4), whole boards have less.
    """
    return np.asarray(power_coefficient * frequency_hz**power_exponent * time_s)


def clock_power_w(
    static_power_w: Floats,
    power_coefficient: Floats,
    power_exponent: Floats,
    frequency_hz: Floats,
    cycles: Floats,
    overhead_s: Floats,
) -> Floats:
    """What each second more for the cycles saves of (P_s + kappa f^alpha)(c/f + t0) [W]: kappa
    f^alpha ((alpha - 1) + alpha t0 f/c) - P_s, 0 without cycles.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        rising = (power_exponent - 1.0) + power_exponent * overhead_s * frequency_hz / cycles
        power = power_coefficient * frequency_hz**power_exponent * rising - static_power_w
    return np.where(cycles > 0.0, power, 0.0)


def cheapest_clock_hz(
    static_power_w: Floats,
    power_coefficient: Floats,
    power_exponent: Floats,
    cycles: Floats,
    overhead_s: Floats,
) -> Floats:
    """Clock of least energy (P_s + kappa f^alpha)(c/f + t0) [Hz], all arrays of one shape.

    Returns
    -------
    The root of `clock_power_w`, which is dE/df times f²/c; 0 where slower is always cheaper (no
    static power, or no cycles), infinite where faster is.

    Notes
    -----
    The logarithm of the sum of the two terms is convex in ln f with a slope between alpha and alpha
    + 1, so Newton's method from where the larger of them alone would do falls to the root.
    """
    if not np.any(static_power_w > 0.0):
        return np.zeros_like(cycles)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        log_static = np.log(static_power_w)
        term = np.log((power_exponent - 1.0) * power_coefficient) - log_static
        rising = np.log(power_exponent * power_coefficient * (overhead_s / cycles)) - log_static
        log_clock = np.minimum(-term / power_exponent, -rising / (power_exponent + 1.0))
        for _ in range(_CLOCK_STEPS):
            value = np.logaddexp(
                term + power_exponent * log_clock, rising + (power_exponent + 1.0) * log_clock
            )
            part = np.exp(rising + (power_exponent + 1.0) * log_clock - value)
            log_clock = np.where(
                np.isfinite(log_clock), log_clock - value / (power_exponent + part), log_clock
            )
        clock = np.exp(log_clock)
    return np.where((static_power_w > 0.0) & (cycles > 0.0), clock, 0.0)


def radio_energy_j(radio_power_w: Floats, transfer: Floats) -> Floats:
    """Energy of a radio that draws `radio_power_w` for `transfer` seconds [J] (arXiv 2503.21476,
    eq. 6, where it is what is radiated).
    """
    return radio_power_w * transfer


def required_gain(
    rate: Floats,
    bandwidth_hz: Floats,
    tx_power_w: Floats,
    noise_w_per_hz: float,
    law: RateLaw = SHANNON,
) -> Floats:
    """Least channel power gain that carries `rate` over a share: (2^(R/(eta b)) - 1) N0 b Gamma/p;
    0 where no rate is needed, infinite beyond the law's cap.
    """
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        gain = (
            np.expm1(_LN2 * rate / bandwidth_hz / law.efficiency)
            * noise_w_per_hz
            * bandwidth_hz
            / tx_power_w
            * law.snr_gap
        )
        carried = rate <= bandwidth_hz * law.max_bps_per_hz * _AT_CAP
        return np.where(rate > 0.0, np.where(carried, gain, np.inf), 0.0)

"""Laws of the channel, written for the check alone: densities of ln G, and where they count."""

import numpy as np

from solvers.arrays import Floats
from solvers.later import special
from solvers.stopping.channel import Markov
from solvers.stopping.fading import Fading, LogNormal, Nakagami, Rayleigh, Rician
from solvers.stopping.problem import Problem

_LEFT_OUT = 1e-18  # probability beyond each end of a law
_DB = 10.0 / np.log(10.0)  # decibels per unit of ln G


def min_rate_bps(problem: Problem) -> float:
    """Rate below which nobody transmits: of rates as given, else at the least SNR."""
    if problem.least_rate_bps is not None:
        return problem.least_rate_bps
    return float(carried_bps(problem, np.array(problem.min_snr)))


def carried_bps(problem: Problem, snr: Floats) -> Floats:
    """Rate at an SNR: what the band carries of it once the gap is taken off, or its best coding."""
    law = problem.rate_law
    share = law.efficiency / np.log(2.0)
    per_hz = np.minimum(share * np.log1p(snr / law.snr_gap), law.max_bps_per_hz)
    return np.asarray(problem.bandwidth_hz * per_hz)


def needed_snr(problem: Problem, rate_bps: Floats) -> Floats:
    """Least SNR at which a rate is carried; infinite where none does."""
    law = problem.rate_law
    per_hz = rate_bps / problem.bandwidth_hz
    with np.errstate(over="ignore"):
        snr = law.snr_gap * np.expm1(np.log(2.0) * per_hz / law.efficiency)
    return np.where(per_hz <= law.max_bps_per_hz, snr, np.inf)


def full_snr(problem: Problem) -> float:
    """SNR from which on the best coding is in use; infinite where the rate has no top."""
    law = problem.rate_law
    with np.errstate(over="ignore"):
        return float(law.snr_gap * np.expm1(np.log(2.0) * law.max_bps_per_hz / law.efficiency))


def start_of(law: Markov) -> Floats:
    """Law of the state first seen: as given, else stationary, pi = 1 (I - P + 1 1')^-1."""
    if law.initial is not None:
        return law.initial
    states = len(law.transition)
    ones = np.ones(states)
    found = np.linalg.solve((np.eye(states) - law.transition + 1.0).T, ones)
    return np.asarray(np.maximum(found, 0.0))


def log_gain_density(law: Fading, log_gain: Floats) -> Floats:
    """Density of ln G, from the textbook density of G times G.

    Raises
    ------
    TypeError : for a law this check does not know.
    """
    gain = np.exp(log_gain)
    match law:
        case Rayleigh():
            return np.asarray(gain * np.exp(-gain))
        case Nakagami(m=m):
            # G ~ Gamma(m, 1/m): (mG)^m e^(-mG)/Gamma(m).
            return np.asarray(
                np.exp(special.xlogy(m, m) + m * log_gain - m * gain - special.gammaln(m))
            )
        case Rician(k_factor=k):
            scattered = (1.0 + k) * gain
            bessel = 2.0 * np.sqrt(k * scattered)
            return np.asarray(scattered * np.exp(bessel - k - scattered) * special.ive(0, bessel))
        case LogNormal(std_db=std_db):
            deviations = _DB * log_gain / std_db
            return np.asarray(np.exp(-0.5 * deviations**2) * _DB / (std_db * np.sqrt(2.0 * np.pi)))
        case _:
            raise TypeError(f"the check has no density of a {type(law).__name__} channel")


def log_gain_span(law: Fading) -> tuple[float, float]:
    """Interval of ln G outside which nothing counts; -inf where deep fades never cease to."""
    reach = float(np.sqrt(-np.log(_LEFT_OUT)))
    match law:
        case Rayleigh():
            return -np.inf, float(np.log(reach**2))
        case Nakagami(m=m):
            return -np.inf, float(np.log(special.chdtri(2.0 * m, _LEFT_OUT) / (2.0 * m)))
        case Rician(k_factor=k):
            sight, spread = np.sqrt(k / (1.0 + k)), reach / np.sqrt(1.0 + k)
            low = max(float(sight - spread), 0.0)
            return (2.0 * float(np.log(low)) if low > 0.0 else -np.inf), 2.0 * float(
                np.log(sight + spread)
            )
        case LogNormal(std_db=std_db):
            std = std_db / _DB
            return -std * (std + 9.0), 9.0 * std
        case _:
            raise TypeError(f"the check has no density of a {type(law).__name__} channel")


def deep_fade_weight(law: Fading, log_gain: float) -> float:
    """Part of E[1/G] that comes from gains below; 0 where E[1/G] is infinite or fades end."""
    match law:
        case Nakagami(m=m) if m > 1.0:
            return float(special.chdtr(2.0 * (m - 1.0), 2.0 * m * np.exp(log_gain)))
        case LogNormal(std_db=std_db):
            std = std_db / _DB
            return float(0.5 * special.erfc(-(log_gain / std + std) / np.sqrt(2.0)))
        case _:
            return 0.0

"""A channel profile as the law that a device sees after each layer, and why some channels cannot be
planned on.
"""

import math
from collections.abc import Iterator

import numpy as np

from app.errors import FieldError
from app.plans import units
from app.profiles.schemas.channel import Channel
from app.profiles.schemas.fading import (
    LognormalFading,
    MarkovFading,
    NakagamiFading,
    RayleighFading,
    RicianFading,
    TraceFading,
)
from solvers.arrays import Floats
from solvers.stopping.channel import (
    GainTrace,
    Law,
    Markov,
    RateTrace,
    fit_markov,
    mean_seconds_per_bit,
    usable,
)
from solvers.stopping.fading import LogNormal, Nakagami, Rayleigh, Rician

# Beyond these no radio works, and costs run out of range.
_SNR_DB = (-200.0, 200.0)
_RATE_BPS = (1e-6, 1e18)
_BANDWIDTH_HZ = (1e-3, 1e15)
_STD_DB = (0.1, 20.0)
_K_DB = (-1000.0, 35.0)
_NAKAGAMI_M = (0.5, 2000.0)
_LONGEST_S = 1e5
_LEAST_SHARE = 1e-8
_LEAST_OF_A_LAW = 1e-6
_COHERENCE_S = (1e-6, _LONGEST_S)
# Closer to Rayleigh fading, fades deeper than 1e-130 decide E[1/R].
_LEAST_M_WITHOUT_OUTAGE = 1.1


def faults(
    channel: Channel, bandwidth_hz: float, downlink_bps: float | None
) -> Iterator[FieldError]:
    """Numbers of a channel that no radio has; pointers into the channel."""
    yield from _within("/bandwidth_hz", [bandwidth_hz], _BANDWIDTH_HZ, "Hz")
    if downlink_bps is not None:
        yield from _within("/downlink_bps", [downlink_bps], _RATE_BPS, "bit/s")
    if channel.min_snr_db is not None:
        yield from _within("/min_snr_db", [channel.min_snr_db], _SNR_DB, "dB")
    if channel.min_rate_bps is not None:
        yield from _within("/min_rate_bps", [channel.min_rate_bps], _RATE_BPS, "bit/s")
    if channel.coherence_time_s is not None:
        yield from _within("/coherence_time_s", [channel.coherence_time_s], _COHERENCE_S, "s")
    if channel.rate_law is not None:
        law = channel.rate_law
        yield from _within("/rate_law/efficiency", [law.efficiency], (_LEAST_OF_A_LAW, 1.0), "")
        if law.max_bps_per_hz is not None:
            top = (_LEAST_OF_A_LAW, math.inf)
            yield from _within("/rate_law/max_bps_per_hz", [law.max_bps_per_hz], top, "bit/s/Hz")
    yield from _within("/rtt_mean_s", [channel.rtt_mean_s or 0.0], (0.0, _LONGEST_S), "s")
    match channel.fading:
        case TraceFading(rate_bps=rates, snr_db=snrs_db):
            yield from _within(
                "/fading/rate_bps", [rate for rate in rates or () if rate > 0.0], _RATE_BPS, "bit/s"
            )
            yield from _within("/fading/snr_db", snrs_db or (), _SNR_DB, "dB")
        case MarkovFading(rate_bps=rates, trace_bps=trace):
            yield from _within(
                "/fading/rate_bps", [rate for rate in rates or () if rate > 0.0], _RATE_BPS, "bit/s"
            )
            yield from _within(
                "/fading/trace_bps",
                [rate for rate in trace or () if rate > 0.0],
                _RATE_BPS,
                "bit/s",
            )
        case RicianFading(k_factor_db=k_db):
            yield from _within("/fading/k_factor_db", [k_db], _K_DB, "dB")
        case LognormalFading(std_db=std_db) if std_db > 0.0:
            yield from _within("/fading/std_db", [std_db], _STD_DB, "dB")
        case NakagamiFading(m=m):
            yield from _within("/fading/m", [m], _NAKAGAMI_M, "")
            if channel.min_snr_db is None and 1.0 < m < _LEAST_M_WITHOUT_OUTAGE:
                yield FieldError(
                    "/min_snr_db",
                    f"is needed with m = {m:g}: fades beyond any radio decide the mean",
                )


def law(channel: Channel, min_rate_bps: float) -> Law:
    """The law of a look at the channel; a trace of SNR is taken relative to its mean.

    Raises
    ------
    ValueError : a Markov channel that has several stationary laws, so where it starts is not known.
    """
    match channel.fading:
        case RayleighFading():
            return Rayleigh()
        case RicianFading(k_factor_db=k_db):
            return Rician(units.ratio(k_db))
        case NakagamiFading(m=m):
            return Nakagami(m)
        case LognormalFading(std_db=std_db) if std_db > 0.0:
            return LogNormal(std_db)
        case TraceFading(rate_bps=rates) if rates is not None:
            return RateTrace(np.array(rates))
        case TraceFading(snr_db=snrs_db):
            snr = 10.0 ** (np.array(snrs_db) / 10.0)
            return GainTrace(snr / snr.mean())
        case MarkovFading(trace_bps=trace, states=states) if trace is not None:
            assert states is not None
            return fit_markov(np.array(trace), states, min_rate_bps)
        case MarkovFading(rate_bps=rates, transition=transition):
            rows = np.array(transition)
            chain = Markov(np.array(rates), rows / rows.sum(axis=1, keepdims=True))
            assert chain.start is not None  # refuses a chain without a single stationary law
            return chain
        case _:
            return GainTrace(np.ones(1))


def may_fail(law: Law, min_snr: float, min_rate_bps: float, mean_snr: Floats | None) -> bool:
    """Whether an outage is possible for anybody."""
    match law:
        case RateTrace(rate_bps=rates):
            return not bool(usable(rates, min_rate_bps).all())
        case Markov():
            return bool(law.in_outage(min_rate_bps).any())
        case GainTrace(gain=gains):
            assert mean_snr is not None
            return not bool(usable(gains * mean_snr.min(), min_snr).all())
    return min_snr > 0.0


def outage_in_disguise(
    law: Law, min_snr: float, min_rate_bps: float, mean_snr: Floats | None
) -> bool:
    """Whether a trace has usable samples so far below its best that they would drown every other in
    the mean.
    """
    match law:
        case RateTrace(rate_bps=samples):
            up = samples[usable(samples, min_rate_bps)]
        case GainTrace(gain=samples):
            assert mean_snr is not None
            up = samples[usable(samples * mean_snr.max(), min_snr)]
        case _:
            return False
    return bool(up.size and up.min() < _LEAST_SHARE * up.max())


def placement_s_per_bit(downlink_bps: float) -> float:
    """Downlink seconds per bit of parameters: the rate is a mean, over many fades."""
    return mean_seconds_per_bit(np.array([downlink_bps]), one_fade=False)


def _within(
    pointer: str, values: "list[float] | tuple[float, ...]", ends: tuple[float, float], unit: str
) -> Iterator[FieldError]:
    wrong = next((value for value in values if not ends[0] <= value <= ends[1]), None)
    if wrong is not None:
        low, high = ends
        yield FieldError(
            pointer,
            f"{wrong:g} {unit} cannot be planned with: {low:g} to {high:g} {unit}".replace(
                "  ", " "
            ),
        )

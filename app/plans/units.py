"""Where decibels end: everything after the request mapping is watts, hertz and pure numbers."""

import math

import numpy as np
from numpy.typing import NDArray

from app.plans.resolve import Resolver
from app.plans.schemas import SnrReference
from app.profiles.schemas.channel import Channel
from solvers.arrays import Floats
from solvers.rate_law import SHANNON, RateLaw

# Beyond these no radio works, and powers of ten run out of range.
_GAIN_DB = (-400.0, 100.0)


def watts_per_hz(noise_psd_dbm_per_hz: float) -> float:
    """Noise density in W/Hz."""
    return float(10.0 ** ((noise_psd_dbm_per_hz - 30.0) / 10.0))


def ratio(decibel: float) -> float:
    """A power ratio as a pure number."""
    return float(10.0 ** (decibel / 10.0))


def decibels(power_ratio: float) -> float:
    """A power ratio in dB."""
    return 10.0 * math.log10(power_ratio)


def rate_law(channel: Channel) -> RateLaw:
    """What of Shannon's rate the channel's radio reaches."""
    law = channel.rate_law
    if law is None:
        return SHANNON
    return RateLaw(
        efficiency=law.efficiency,
        max_bps_per_hz=math.inf if law.max_bps_per_hz is None else law.max_bps_per_hz,
        snr_gap=ratio(law.snr_gap_db),
    )


def gain(
    resolver: Resolver,
    channel: Channel,
    where: str,
    *,
    gain_db: float | None,
    distance_m: float | None,
    snr_reference: SnrReference | None = None,
    tx_power_w: float,
) -> float:
    """Mean channel power gain of a user, a pure number; 0 with a fault where there is none."""
    if gain_db is not None:
        pointer = f"{where}/gain_db"
    elif distance_m is not None:
        pointer = f"{where}/distance_m"
        if channel.path_loss is None:
            resolver.fault(pointer, _no_path_loss(channel))
            return 0.0
        gain_db = channel.path_loss.gain_db(distance_m)
    else:
        assert snr_reference is not None
        pointer = f"{where}/snr_reference"
        noise_db = channel.noise_psd_dbm_per_hz - 30.0 + decibels(snr_reference.bandwidth_hz)
        gain_db = snr_reference.snr_db + noise_db - decibels(tx_power_w)
    return ratio(gain_db) if _believed(resolver, pointer, gain_db) else 0.0


def gains(
    resolver: Resolver,
    channel: Channel,
    users: NDArray[np.int64],
    *,
    gain_db: Floats,
    distance_m: Floats,
    snr_db: Floats,
    snr_bandwidth_hz: Floats,
    tx_power_w: Floats,
) -> Floats:
    """`gain` of many users at once, who are at these positions of the request; NaN in what they do
    not say.
    """
    ways = (("gain_db", gain_db), ("distance_m", distance_m), ("snr_reference", snr_db))
    told = {name: np.isfinite(given) for name, given in ways}
    noise_db = channel.noise_psd_dbm_per_hz - 30.0 + 10.0 * np.log10(snr_bandwidth_hz)
    db = np.where(told["gain_db"], gain_db, snr_db + noise_db - 10.0 * np.log10(tx_power_w))
    if channel.path_loss is not None:
        loss = channel.path_loss
        far = told["distance_m"]
        db[far] = -(loss.intercept_db + 10.0 * loss.exponent * np.log10(distance_m[far]))
    elif told["distance_m"].any():
        for n in users[told["distance_m"]].tolist():
            resolver.fault(f"/users/{n}/distance_m", _no_path_loss(channel))
    strange = np.isfinite(db) & ((db > 0.0) | (db < _GAIN_DB[0]))
    for name, some in told.items() if strange.any() else ():
        odd = some & strange
        for n, value in zip(users[odd].tolist(), db[odd].tolist(), strict=True):
            _believed(resolver, f"/users/{n}/{name}", value)
    return np.asarray(10.0 ** (np.clip(db, *_GAIN_DB) / 10.0))


def _believed(resolver: Resolver, pointer: str, gain_db: float) -> bool:
    if not _GAIN_DB[0] <= gain_db <= _GAIN_DB[1]:
        resolver.fault(
            pointer,
            f"means a gain of {gain_db:.0f} dB, outside {_GAIN_DB[0]:.0f}..{_GAIN_DB[1]:.0f} dB",
        )
        return False
    if gain_db > 0.0:
        resolver.warn(
            pointer, f"means a gain of {gain_db:.1f} dB: more power arrives than was sent"
        )
    return True


def _no_path_loss(channel: Channel) -> str:
    return f"channel {channel.name!r} has no path_loss: say how good the channel is instead"

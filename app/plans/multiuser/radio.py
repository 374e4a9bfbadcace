"""What one hertz of the uplink carries for a user, from what the request says of its channel."""

import numpy as np

from app.plans import units
from app.plans.multiuser.schemas import LEAST_EFFICIENCY, MultiUserUser
from app.plans.resolve import Resolver
from app.profiles.plausibility import warnings_of_snr
from app.profiles.schemas.channel import Channel
from app.profiles.schemas.device import Device

# 5G's best: 256-QAM in eight layers. More is a rate that somebody took for an efficiency.
_HIGH_EFFICIENCY = 60.0
_SNR_DB = (-200.0, 200.0)


def efficiency_of(
    resolver: Resolver, channel: Channel, device: Device, user: MultiUserUser, where: str
) -> float:
    """Spectral efficiency of a user [bit/s/Hz], that of the channel's rate law at its mean SNR; 1
    with a fault where there is none.
    """
    if user.spectral_efficiency_bps_per_hz is not None:
        if user.spectral_efficiency_bps_per_hz > _HIGH_EFFICIENCY:
            detail = (
                f"{user.spectral_efficiency_bps_per_hz:g} bit/s/Hz is more than any radio carries:"
                " is it bit/s?"
            )
            resolver.warn(f"{where}/spectral_efficiency_bps_per_hz", detail)
        return user.spectral_efficiency_bps_per_hz
    pointer = f"{where}/{'distance_m' if user.snr_db is None else 'snr_db'}"
    snr_db = _snr_db(resolver, channel, device, user, where) if user.snr_db is None else user.snr_db
    if snr_db is None:
        return 1.0
    if user.snr_db is not None:
        for warning in warnings_of_snr(pointer, user.snr_db):
            resolver.warn(*warning)
    if channel.min_snr_db is not None and snr_db < channel.min_snr_db:
        detail = (
            f"a mean SNR of {snr_db:.1f} dB is below the {channel.min_snr_db:g} dB that"
            f" {channel.name!r} can decode"
        )
        resolver.warn(pointer, detail)
    efficiency = _carried_bps_per_hz(channel, units.ratio(snr_db))
    if efficiency < LEAST_EFFICIENCY:
        detail = (
            f"means {efficiency:g} bit/s/Hz by the rate_law of {channel.name!r}: at least"
            f" {LEAST_EFFICIENCY:g} can be planned with"
        )
        resolver.fault(pointer, detail)
        return 1.0
    return efficiency


def _snr_db(
    resolver: Resolver, channel: Channel, device: Device, user: MultiUserUser, where: str
) -> float | None:
    """SNR at a user's distance over the channel's own bandwidth; None with a fault where there is
    none.
    """
    gain = units.gain(
        resolver,
        channel,
        where,
        gain_db=None,
        distance_m=user.distance_m,
        tx_power_w=device.tx_power_w,
    )
    if gain == 0.0:
        return None
    noise_dbw = channel.noise_psd_dbm_per_hz - 30.0 + units.decibels(channel.bandwidth_hz)
    snr_db = units.decibels(gain) + units.decibels(device.tx_power_w) - noise_dbw
    if not _SNR_DB[0] <= snr_db <= _SNR_DB[1]:
        resolver.fault(
            f"{where}/distance_m",
            f"means an SNR of {snr_db:.0f} dB, outside {_SNR_DB[0]:.0f}..{_SNR_DB[1]:.0f} dB",
        )
        return None
    return snr_db


def _carried_bps_per_hz(channel: Channel, snr: float) -> float:
    """What one hertz carries at an SNR by the channel's rate law."""
    law = units.rate_law(channel)
    shannon = float(np.log1p(snr / law.snr_gap) / np.log(2.0))
    return min(law.efficiency * shannon, law.max_bps_per_hz)

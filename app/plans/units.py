"""Where decibels end: everything after the customs house is watts, hertz and pure numbers."""

import math

from app.plans.resolve import Dossier
from app.plans.schemas import SnrReference
from app.profiles.schemas import Channel

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


def gain(
    dossier: Dossier,
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
            dossier.fault(pointer, f"channel {channel.name!r} has no path_loss: say how good the channel is instead")
            return 0.0
        gain_db = channel.path_loss.gain_db(distance_m)
    else:
        assert snr_reference is not None
        pointer = f"{where}/snr_reference"
        noise_db = channel.noise_psd_dbm_per_hz - 30.0 + decibels(snr_reference.bandwidth_hz)
        gain_db = snr_reference.snr_db + noise_db - decibels(tx_power_w)
    if not _GAIN_DB[0] <= gain_db <= _GAIN_DB[1]:
        dossier.fault(pointer, f"means a gain of {gain_db:.0f} dB, outside {_GAIN_DB[0]:.0f}..{_GAIN_DB[1]:.0f} dB")
        return 0.0
    if gain_db > 0.0:
        dossier.warn(pointer, f"means a gain of {gain_db:.1f} dB: more power arrives than was sent")
    return ratio(gain_db)

"""What smells of a wrong unit in measured powers and energies, radios, recorded channels and
codecs.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from statistics import median

from app.profiles.schemas.channel import Channel
from app.profiles.schemas.device import Device
from app.profiles.schemas.fading import MarkovFading, TraceFading
from app.profiles.schemas.model import ModelCut
from app.profiles.schemas.timing import Estimated, TimingLevel


def level_powers(device: Device) -> Iterator[tuple[str, str]]:
    """Powers measured at the clocks of a device."""
    powers = device.level_power_w or ()
    for k, power_w in enumerate(powers):
        if power_w > 1e3:
            yield f"/level_power_w/{k}", f"{power_w:g} W: is it in mW?"
    for k, (low, high) in enumerate(pairwise(powers), start=1):
        if high < low:
            yield (
                f"/level_power_w/{k}",
                f"{high:g} W is less than at the clock below ({low:g} W): is the order the same as"
                " that of frequency_levels_hz?",
            )
            return


def radio(device: Device) -> Iterator[tuple[str, str]]:
    """What the radio of a device draws."""
    if device.radio is None:
        return
    active_w, per_bit_j = device.radio.active_power_w, device.radio.energy_j_per_bit
    if active_w > 100.0:
        yield "/radio/active_power_w", f"a radio that draws {active_w:g} W: is it in mW?"
    elif active_w < device.tx_power_w:
        yield (
            "/radio/active_power_w",
            f"the radio draws {active_w:g} W and radiates {device.tx_power_w:g} W: more than it"
            " gets",
        )
    if per_bit_j > 1e-5:
        yield (
            "/radio/energy_j_per_bit",
            f"{per_bit_j:g} J for each bit: is it in nJ? Phones spend some 1e-8 J",
        )


# Whoever plans an upload has more than this; Mbit/s or kbit/s taken for bit/s have less.
_SLOW_BPS = 1e4
# What all antennas of a base station together carry in one hertz.
_MOST_BPS_PER_HZ = 100.0
# Between the fastest and the usual second of a moving phone lie factors of ten, not thousands.
_MIXED = 3000.0
# Nothing is decoded below; reference powers (RSRP, RSSI) in dBm all are.
_LEAST_SNR_DB, _GREAT_SNR_DB = -40.0, 70.0


def recorded(channel: Channel) -> Iterator[tuple[str, str]]:
    """Rates and signals of a channel as somebody recorded them."""
    match channel.fading:
        case TraceFading(rate_bps=rates, snr_db=None) if rates is not None:
            yield from _rates("/fading/rate_bps", rates, channel.bandwidth_hz)
        case TraceFading(snr_db=signals) if signals is not None:
            yield from snr("/fading/snr_db", median(signals))
        case MarkovFading(rate_bps=states, trace_bps=trace):
            where = "rate_bps" if trace is None else "trace_bps"
            yield from _rates(f"/fading/{where}", states or trace or (), channel.bandwidth_hz)
    if channel.min_snr_db is not None:
        yield from snr("/min_snr_db", channel.min_snr_db)


def snr(field: str, snr_db: float) -> Iterator[tuple[str, str]]:
    """A signal-to-noise ratio, of a recording or of a user."""
    if snr_db < _LEAST_SNR_DB:
        yield (
            field,
            f"an SNR of {snr_db:g} dB: is it a received power (RSRP, RSSI) in dBm? The SNR is what"
            " is left over noise and interference",
        )
    elif snr_db > _GREAT_SNR_DB:
        yield field, f"an SNR of {snr_db:g} dB: is it a ratio, or a loss in dB?"


def _rates(field: str, rates: Sequence[float], bandwidth_hz: float) -> Iterator[tuple[str, str]]:
    fastest, up = max(rates), [rate for rate in rates if rate > 0.0]
    if not up:
        yield field, "is 0 throughout: nobody ever gets anything through; was the column read?"
    elif fastest < _SLOW_BPS:
        yield field, f"the fastest rate is {fastest:g} bit/s: is it in Mbit/s or kbit/s?"
    elif fastest > _MOST_BPS_PER_HZ * bandwidth_hz:
        yield (
            field,
            f"{fastest:g} bit/s in a band of {bandwidth_hz:g} Hz is more than"
            f" {_MOST_BPS_PER_HZ:g} bit/s/Hz: is one of the two in another unit?",
        )
    elif fastest > _MIXED * median(up):
        yield (
            field,
            f"the fastest rate is {fastest:g} bit/s and the usual one {median(up):g}: are some rows"
            " in another unit?",
        )


def codecs(at: str, cut: ModelCut) -> Iterator[tuple[str, str]]:
    """Other ways to send what crosses a cut."""
    for k, codec in enumerate(cut.codecs or ()):
        here = f"{at}/codecs/{k}"
        if codec.byte >= cut.feature_byte and codec.loss > 0.0:
            yield (
                f"{here}/byte",
                f"{codec.name!r} sends {codec.byte} byte, no less than the plain tensor"
                f" ({cut.feature_byte} byte), and loses accuracy: is it in kB, or for many frames?",
            )
        elif codec.byte > cut.feature_byte:
            yield (
                f"{here}/byte",
                f"{codec.name!r} sends {codec.byte} byte, more than the plain tensor"
                f" ({cut.feature_byte} byte)",
            )
        elif codec.byte < cut.feature_byte / 10_000:
            yield (
                f"{here}/byte",
                f"{codec.byte} byte for a feature of {cut.feature_byte} byte: is it in kB?",
            )
        for field in ("device_s", "server_s"):
            value = getattr(codec, field)
            if value is not None and value > 60.0:
                yield f"{here}/{field}", f"{value:g} s to code one feature: is it in milliseconds?"
        if (codec.device_cycles or 0.0) > 1e13:
            yield f"{here}/device_cycles", f"{codec.device_cycles:g} cycles to code one feature"


def measured_energy(at: str, level: TimingLevel) -> Iterator[tuple[str, str]]:
    """Energy and power of a level, each by itself and held against each other."""
    if level.power_w is not None and level.power_w > 1e3:
        yield f"{at}/power_w", f"{level.power_w:g} W: is it in mW?"
    if level.energy_j is None or level.mean_s == 0.0:
        return
    drawn_w = level.energy_j / level.mean_s
    if drawn_w > 1e3:
        yield (
            f"{at}/energy_j",
            f"{level.energy_j:g} J in {level.mean_s:g} s are {drawn_w:g} W: is it in mJ?",
        )
    elif level.power_w and not 0.5 <= drawn_w / level.power_w <= 2.0:
        yield (
            f"{at}/energy_j",
            f"{level.energy_j:g} J in {level.mean_s:g} s are {drawn_w:g} W, and power_w says"
            f" {level.power_w:g}: energy_j is used",
        )


def estimated(how: Estimated) -> Iterator[tuple[str, str]]:
    """Times that nobody measured cut by cut."""
    away = how.share_error_p90
    yield (
        "/estimated",
        f"no cut was timed: {how.whole_s:g} s for the whole network were shared out"
        f" ({how.rule}), and in nine of ten cases such a share is within {100.0 * away:.1f} % of"
        f" the whole time, here {away * how.whole_s:.2g} s. variance_s2 counts this, but it is the"
        " same in every inference of a device: measure the cuts before a deadline rests on them",
    )


def estimated_power(device: Device) -> Iterator[tuple[str, str]]:
    """Power that was measured at one clock, at the others."""
    how = device.power_estimated
    if how is None or device.frequency_min_hz >= device.frequency_max_hz:
        return
    law, slowest = device.power_law, device.frequency_min_hz
    top_w = law.static_w + law.coefficient * device.frequency_max_hz**law.exponent
    assumed_w = law.static_w + law.coefficient * slowest**law.exponent
    low_w, high_w = (
        top_w * (slowest / device.frequency_max_hz) ** exponent
        for exponent in (how.exponent_high, how.exponent_low)
    )
    yield (
        "/power_estimated",
        f"power was measured at the highest clock alone: at {slowest:g} Hz {assumed_w:.3g} W above"
        f" idle are assumed, and {low_w:.3g} to {high_w:.3g} W would be as on"
        f" {how.processors} processors that others measured. Measure it at each clock before a"
        " plan slows the device down for it",
    )

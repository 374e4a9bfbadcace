"""What is allowed but smells of a wrong unit."""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from app.profiles.doubts import (
    codecs,
    estimated,
    estimated_power,
    level_powers,
    measured_energy,
    radio,
    recorded,
    snr,
)
from app.profiles.schemas.channel import Channel
from app.profiles.schemas.device import Device
from app.profiles.schemas.model import Model
from app.profiles.schemas.profile import FieldWarning, Profile
from app.profiles.schemas.server import Server
from app.profiles.schemas.timing import Timing

GIGABYTE = 1e9
# Carriers are aggregated, a handful at most.
_WIDER = 10.0


def warnings_of(
    profile: Profile, stale: Mapping[str, Any] | None = None
) -> tuple[FieldWarning, ...]:
    """The warnings about a profile, stored (perhaps with what refuted it) or inline; pointers into
    its body.
    """
    found = _of_body(profile)
    if stale is None:
        return found
    message = (
        f"{profile.name!r} is stale, by times observed under plan {stale['plan']}:"
        f" {stale['detail']}"
    )
    return (FieldWarning(field="", message=message), *found)


# The same few are named again and again.
@lru_cache(maxsize=512)
def _of_body(profile: Profile) -> tuple[FieldWarning, ...]:
    match profile:
        case Device():
            told = _device(profile)
        case Model():
            told = _model(profile)
        case Channel():
            told = _channel(profile)
        case Server():
            told = _server(profile)
        case Timing():
            told = _timing(profile)
        case _:
            raise TypeError(f"no such kind of profile: {type(profile).__name__}")
    return tuple(FieldWarning(field=field, message=message) for field, message in told)


def warnings_of_tx_power(field: str, tx_power_w: float) -> Iterator[tuple[str, str]]:
    """The warnings about a transmit power, a device's own or a user's."""
    if tx_power_w > 10.0:
        yield (
            field,
            f"a device that transmits {tx_power_w:g} W: is it in mW or dBm? 23 dBm is 0.2 W",
        )
    elif tx_power_w < 1e-6:
        yield field, f"a device that transmits only {tx_power_w:g} W"


def warnings_of_bandwidth(field: str, bandwidth_hz: float) -> Iterator[tuple[str, str]]:
    """The warnings about an uplink, a channel's own or a plan's."""
    if bandwidth_hz < 1e3:
        yield field, f"a channel of {bandwidth_hz:g} Hz: is it in MHz?"
    elif bandwidth_hz > 1e11:
        yield field, f"a channel of {bandwidth_hz:g} Hz is wider than any radio band"


def warnings_of_shared_bandwidth(
    field: str, bandwidth_hz: float, channel: Channel | None
) -> Iterator[tuple[str, str]]:
    """The warnings about an uplink that a plan says, where the channel has one of its own."""
    yield from warnings_of_bandwidth(field, bandwidth_hz)
    if channel is not None and bandwidth_hz > _WIDER * channel.bandwidth_hz:
        times = bandwidth_hz / channel.bandwidth_hz
        yield (
            field,
            f"{bandwidth_hz:g} Hz is {times:.3g} times the {channel.bandwidth_hz:g} Hz of"
            f" {channel.name!r}: is it meant? No radio of this channel has as much",
        )


def warnings_of_risk(field: str, risk: float) -> Iterator[tuple[str, str]]:
    """The warnings about an accepted probability of being late."""
    if risk > 0.5:
        yield (
            field,
            f"a risk of {risk:g} accepts more late inferences than timely ones: is it the"
            " probability of being on time, or in percent?",
        )


def warnings_of_rate(field: str, rate_hz: float) -> Iterator[tuple[str, str]]:
    """The warnings about how often somebody infers."""
    if rate_hz > 1e4:
        yield field, f"{rate_hz:g} inferences per second: is it per minute, or a period?"


def warnings_of_max_loss(field: str, max_loss: float) -> Iterator[tuple[str, str]]:
    """The warnings about a loss of accuracy that is accepted."""
    if max_loss >= 0.5:
        yield field, f"a loss of {max_loss:g} is {max_loss:.0%} of the accuracy: is it in percent?"


def warnings_of_backhaul(where: str, bps: float, rtt_s: float) -> Iterator[tuple[str, str]]:
    """The warnings about a fixed line between servers."""
    if bps < 1e4:
        yield f"{where}/backhaul_bps", f"a line of {bps:g} bit/s: is it in Mbit/s?"
    if rtt_s > 5.0:
        yield f"{where}/backhaul_rtt_s", f"a round trip of {rtt_s:g} s: is it in milliseconds?"


def warnings_of_snr(field: str, snr_db: float) -> Iterator[tuple[str, str]]:
    """The warnings about a signal-to-noise ratio that a user states."""
    yield from snr(field, snr_db)


def _clock(field: str, frequency_hz: float) -> Iterator[tuple[str, str]]:
    if frequency_hz < 1e6:
        yield field, f"a clock of {frequency_hz:g} Hz: is it in MHz or GHz?"
    elif frequency_hz > 1e10:
        yield field, f"a clock of {frequency_hz:g} Hz is faster than any processor"


def _device(device: Device) -> Iterator[tuple[str, str]]:
    yield from _clock("/frequency_min_hz", device.frequency_min_hz)
    yield from _clock("/frequency_max_hz", device.frequency_max_hz)
    measured = device.power_measured
    if measured is not None and measured.doubts:
        doubts = ", ".join(measured.doubts)
        yield "/power_measured/doubts", f"power was measured, but is doubtful: {doubts}"
    law = device.power_law
    power_w = law.static_w + law.coefficient * device.frequency_max_hz**law.exponent
    if law.coefficient > 0.0 and not 1e-3 <= power_w <= 1e3:
        cubic = device.power_coefficient_w_per_hz3 is not None
        yield (
            "/power_coefficient_w_per_hz3" if cubic else "/power_coefficient",
            f"the device would draw {power_w:g} W at its highest clock",
        )
    yield from warnings_of_tx_power("/tx_power_w", device.tx_power_w)
    for field in ("rx_power_w", "idle_power_w", "static_power_w"):
        value = getattr(device, field)
        if value is not None and value > 1e3:
            yield f"/{field}", f"{value:g} W: is it in mW?"
    yield from level_powers(device)
    yield from estimated_power(device)
    if device.energy_per_inference_j is not None and device.energy_per_inference_j > 1e3:
        yield (
            "/energy_per_inference_j",
            f"{device.energy_per_inference_j:g} J to start an inference: is it in mJ?",
        )
    yield from radio(device)
    if device.memory_byte is not None and not 1e3 <= device.memory_byte <= 1e13:
        yield "/memory_byte", f"a device with {device.memory_byte:g} bytes of memory"


def _model(model: Model) -> Iterator[tuple[str, str]]:
    first = model.cuts[0]
    if first.flop > 0:
        yield "/cuts/0/flop", "the first cut leaves nothing on the device, so its flop should be 0"
    if first.parameter_byte > 0:
        yield (
            "/cuts/0/parameter_byte",
            "the first cut leaves nothing on the device, so this should be 0",
        )
    if model.cuts[-1].flop == 0:
        yield f"/cuts/{len(model.cuts) - 1}/flop", "a network that computes nothing"
    elif model.cuts[-1].flop < 1e3:
        yield f"/cuts/{len(model.cuts) - 1}/flop", "less than 1000 FLOP in all: is it in GFLOP?"
    for position, cut in enumerate(model.cuts):
        if cut.feature_byte > 16 * GIGABYTE:
            yield (
                f"/cuts/{position}/feature_byte",
                f"{cut.feature_byte / GIGABYTE:g} GB cross this cut",
            )
        if cut.parameter_byte > 10_000 * GIGABYTE:
            yield (
                f"/cuts/{position}/parameter_byte",
                f"{cut.parameter_byte / GIGABYTE:g} GB of parameters",
            )
        if cut.flop > 1e17:
            yield f"/cuts/{position}/flop", f"{cut.flop:g} FLOP for one inference"
        yield from codecs(f"/cuts/{position}", cut)
    if model.result_byte is not None and model.result_byte > GIGABYTE:
        yield "/result_byte", f"a result of {model.result_byte / GIGABYTE:g} GB"


def _channel(channel: Channel) -> Iterator[tuple[str, str]]:
    yield from warnings_of_bandwidth("/bandwidth_hz", channel.bandwidth_hz)
    yield from recorded(channel)
    yield from _noise("/noise_psd_dbm_per_hz", channel.noise_psd_dbm_per_hz)
    if channel.path_loss is not None and channel.path_loss.gain_db(1.0) > 0.0:
        yield (
            "/path_loss/intercept_db",
            (
                f"at 1 m the gain is {channel.path_loss.gain_db(1.0):g} dB: a positive gain"
                " amplifies. gain_db = -(intercept_db + 10 exponent log10(distance_m)), distance"
                " in metres"
            ),
        )
    for field, most in (
        ("rtt_mean_s", 10.0),
        ("rtt_variance_s2", 100.0),
        ("coherence_time_s", 1e4),
    ):
        value = getattr(channel, field)
        if value is not None and value > most:
            yield f"/{field}", f"{value:g} is very long: is it in milliseconds?"
    if channel.rate_law is not None:
        cap, law = channel.rate_law.max_bps_per_hz, channel.rate_law
        if cap is not None and not 0.1 <= cap <= 30.0:
            yield (
                "/rate_law/max_bps_per_hz",
                f"{cap:g} bit/s/Hz: 64-QAM carries less than 6, and 30 takes many antennas; is it"
                " in bit/s?",
            )
        if law.efficiency < 0.05:
            yield (
                "/rate_law/efficiency",
                f"{law.efficiency:g} of Shannon's rate: 0.4 to 0.75 is usual",
            )
        if law.snr_gap_db > 20.0:
            yield "/rate_law/snr_gap_db", f"a gap of {law.snr_gap_db:g} dB to Shannon's rate"
    for field, what in (("downlink_bps", "a downlink of"), ("min_rate_bps", "an outage below")):
        rate_bps = getattr(channel, field)
        if rate_bps is not None and rate_bps < 1e3:
            yield f"/{field}", f"{what} {rate_bps:g} bit/s: is it in Mbit/s?"


def _noise(field: str, psd_dbm_per_hz: float) -> Iterator[tuple[str, str]]:
    if psd_dbm_per_hz < -184.0:
        yield (
            field,
            f"{psd_dbm_per_hz:g} dBm/Hz is far below thermal noise (-174): is it in dBW/Hz?",
        )
    elif psd_dbm_per_hz > -100.0:
        yield field, f"{psd_dbm_per_hz:g} dBm/Hz is very loud: is it per channel?"


def _server(server: Server) -> Iterator[tuple[str, str]]:
    if server.capacity_flop_per_s < 1e6:
        yield "/capacity_flop_per_s", f"{server.capacity_flop_per_s:g} FLOP/s: is it in GFLOP/s?"
    elif server.capacity_flop_per_s > 1e18:
        yield (
            "/capacity_flop_per_s",
            f"{server.capacity_flop_per_s:g} FLOP/s is more than any server has",
        )
    if server.parallel is not None and server.parallel > 100_000:
        yield (
            "/parallel",
            f"{server.parallel} inferences at once: leave it out, and the server is endless",
        )
    if server.max_utilisation is not None and server.max_utilisation > 0.95:
        yield (
            "/max_utilisation",
            f"a server at work {server.max_utilisation:.0%} of the time has queues without end",
        )


def _timing(timing: Timing) -> Iterator[tuple[str, str]]:
    if timing.measured is not None and timing.measured.doubts:
        yield "/measured/doubts", f"measured, but doubtful: {', '.join(timing.measured.doubts)}"
    if timing.estimated is not None:
        yield from estimated(timing.estimated)
    for position, cut in enumerate(timing.cuts):
        at = f"/cuts/{position}"
        if cut.flop_per_cycle is not None and not 1e-6 <= cut.flop_per_cycle <= 1e7:
            yield f"{at}/flop_per_cycle", f"{cut.flop_per_cycle:g} FLOP per cycle"
        for field in ("mean_s", "overhead_s", "worst_s"):
            value = getattr(cut, field)
            if value is not None and value > 3600.0:
                yield f"{at}/{field}", f"{value:g} s is more than an hour: is it in milliseconds?"
        for entry, level in enumerate(cut.levels or ()):
            yield from _clock(f"{at}/levels/{entry}/frequency_hz", level.frequency_hz)
            if level.mean_s > 3600.0:
                yield (
                    f"{at}/levels/{entry}/mean_s",
                    f"{level.mean_s:g} s is more than an hour: is it in milliseconds?",
                )
            yield from measured_energy(f"{at}/levels/{entry}", level)

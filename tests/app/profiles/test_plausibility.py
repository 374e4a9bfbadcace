"""What is allowed and smells of a mistake."""

from typing import Any

import pytest

from tests.support.builders import (
    Body,
    a_channel,
    a_device,
    a_model,
    a_server,
    a_server_timing,
    a_timing,
)
from tests.support.profiles import cuts, entries, warned


def with_levels(powers: list[float]) -> Body:
    return a_device(frequency_levels_hz=[5e8, 1e9], level_power_w=powers)


def a_codec(**fields: Any) -> Body:
    """A picture of 150,528 byte as JPEG."""
    jpeg = {"name": "jpeg", "byte": 15_000, "loss": 0.01, "provenance": "measured"}
    return a_model(cuts=cuts(_0={"codecs": [jpeg | fields]}))


def recorded(kind: str = "trace", **fields: Any) -> Body:
    """A channel of somebody's recording."""
    return a_channel(bandwidth_hz=2e7, fading={"kind": kind} | fields)


def at_a_level(**fields: Any) -> Body:
    """A cut that takes 0.1 s at 1 GHz."""
    level = {"frequency_hz": 1e9, "mean_s": 0.1, "variance_s2": 0.0}
    return a_timing(cuts=entries(_1={"levels": [level | fields]}))


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        (a_device(frequency_min_hz=1.2, frequency_max_hz=1.9e9), {"/frequency_min_hz"}),
        (a_device(frequency_max_hz=1.9e10), {"/frequency_max_hz", "/power_coefficient_w_per_hz3"}),
        (a_device(power_coefficient_w_per_hz3=1e-31), {"/power_coefficient_w_per_hz3"}),
        (a_device(power_coefficient_w_per_hz3=1.1e-24), {"/power_coefficient_w_per_hz3"}),
        (a_device(tx_power_w=23), {"/tx_power_w"}),
        (a_device(memory_byte=8), {"/memory_byte"}),
        (a_device(idle_power_w=1500, rx_power_w=1200), {"/idle_power_w", "/rx_power_w"}),
        (a_device(static_power_w=2500), {"/static_power_w", "/power_coefficient_w_per_hz3"}),
        (a_device(energy_per_inference_j=5000), {"/energy_per_inference_j"}),
        (a_device(radio={"active_power_w": 1900}), {"/radio/active_power_w"}),
        (a_device(radio={"active_power_w": 0.1}), {"/radio/active_power_w"}),
        (
            a_device(radio={"active_power_w": 1.9, "energy_j_per_bit": 17.0}),
            {"/radio/energy_j_per_bit"},
        ),
        (with_levels([0.5, 1000.1]), {"/level_power_w/1"}),
        (with_levels([1.5, 0.5]), {"/level_power_w/1"}),
        (with_levels([0.5, 1.5]), set()),
        (a_codec(byte=200_000), {"/cuts/0/codecs/0/byte"}),
        (a_codec(byte=150_529, loss=0.0), {"/cuts/0/codecs/0/byte"}),
        (a_codec(byte=12), {"/cuts/0/codecs/0/byte"}),
        (
            a_codec(device_s=80.0, server_s=70.0),
            {f"/cuts/0/codecs/0/{s}_s" for s in ("device", "server")},
        ),
        (a_codec(device_cycles=1e14), {"/cuts/0/codecs/0/device_cycles"}),
        (a_codec(), set()),
        (a_model(result_byte=10**10), {"/result_byte"}),
        (a_channel(rate_law={"max_bps_per_hz": 2e6}), {"/rate_law/max_bps_per_hz"}),
        (a_channel(rate_law={"max_bps_per_hz": 31}), {"/rate_law/max_bps_per_hz"}),
        (a_channel(rate_law={"efficiency": 0.004}), {"/rate_law/efficiency"}),
        (a_channel(rate_law={"snr_gap_db": 60}), {"/rate_law/snr_gap_db"}),
        (a_channel(rate_law={"efficiency": 0.4, "max_bps_per_hz": 2.0}), set()),
        (a_server(parallel=10**6), {"/parallel"}),
        (a_server(parallel=2, max_utilisation=1.0), {"/max_utilisation"}),
        (at_a_level(energy_j=500.0), {"/cuts/1/levels/0/energy_j"}),
        (at_a_level(power_w=5000.0), {"/cuts/1/levels/0/power_w"}),
        (at_a_level(energy_j=0.5, power_w=1.0), {"/cuts/1/levels/0/energy_j"}),
        (at_a_level(energy_j=0.12, power_w=1.0), set()),
        (a_model(cuts=cuts(_0={"flop": 5})), {"/cuts/0/flop"}),
        (a_model(cuts=cuts(_2={"feature_byte": 10**12})), {"/cuts/2/feature_byte"}),
        (a_channel(bandwidth_hz=10), {"/bandwidth_hz"}),
        (a_channel(bandwidth_hz=1e13), {"/bandwidth_hz"}),
        (a_channel(noise_psd_dbm_per_hz=-204), {"/noise_psd_dbm_per_hz"}),
        (a_channel(noise_psd_dbm_per_hz=-90), {"/noise_psd_dbm_per_hz"}),
        (a_channel(path_loss={"intercept_db": -30.0, "exponent": 3}), {"/path_loss/intercept_db"}),
        (a_channel(rtt_mean_s=20), {"/rtt_mean_s"}),
        (a_channel(downlink_bps=50), {"/downlink_bps"}),
        (recorded(rate_bps=[0.57, 1.06, 0.9, 0.36]), {"/fading/rate_bps"}),  # Mbit/s
        (recorded(rate_bps=[570.0, 1060.0]), {"/fading/rate_bps"}),  # kbit/s
        (recorded(rate_bps=[0.0, 0.0]), {"/fading/rate_bps"}),
        (recorded(rate_bps=[1e6, 2e6, 3e6, 9e9]), {"/fading/rate_bps"}),  # one row in kbit/s
        (recorded(rate_bps=[1e12]), {"/fading/rate_bps"}),
        (recorded(rate_bps=[0.0, 1e5, 1e6, 1e7]), set()),
        (recorded(snr_db=[-85.0, -101.0, -97.0]), {"/fading/snr_db"}),  # RSRP in dBm
        (recorded(snr_db=[90.0]), {"/fading/snr_db"}),
        (recorded(snr_db=[-6.0, 12.0, 30.0]), set()),
        (recorded("markov", trace_bps=[0.57, 1.06], states=2), {"/fading/trace_bps"}),
        (
            recorded("markov", rate_bps=[0.57, 1.06], transition=[[0.5, 0.5], [0.5, 0.5]]),
            {"/fading/rate_bps"},
        ),
        (a_channel(min_snr_db=-100.0), {"/min_snr_db"}),
        (a_server(capacity_flop_per_s=4), {"/capacity_flop_per_s"}),
        (a_server(capacity_flop_per_s=4e20), {"/capacity_flop_per_s"}),
        (a_timing(cuts=entries(_1={"flop_per_cycle": 4e9})), {"/cuts/1/flop_per_cycle"}),
        (a_server_timing(cuts=entries(a_server_timing, _0={"mean_s": 4000})), {"/cuts/0/mean_s"}),
        (
            a_timing(
                cuts=entries(
                    _1={"levels": [{"frequency_hz": 1.2, "mean_s": 0.1, "variance_s2": 0}]}
                )
            ),
            {"/cuts/1/levels/0/frequency_hz"},
        ),
    ],
)
def test_a_smell_of_a_wrong_unit_warns(body: dict[str, Any], fields: set[str]) -> None:
    assert warned(body) == fields

"""What is allowed and smells of a mistake."""

from typing import Any

import pytest

from tests.support.builders import a_channel, a_device, a_model, a_server, a_server_timing, a_timing
from tests.support.profiles import cuts, entries, warned


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
        (a_model(cuts=cuts(_0={"flop": 5})), {"/cuts/0/flop"}),
        (a_model(cuts=cuts(_2={"feature_byte": 10**12})), {"/cuts/2/feature_byte"}),
        (a_channel(bandwidth_hz=10), {"/bandwidth_hz"}),
        (a_channel(bandwidth_hz=1e13), {"/bandwidth_hz"}),
        (a_channel(noise_psd_dbm_per_hz=-204), {"/noise_psd_dbm_per_hz"}),
        (a_channel(noise_psd_dbm_per_hz=-90), {"/noise_psd_dbm_per_hz"}),
        (a_channel(path_loss={"intercept_db": -30.0, "exponent": 3}), {"/path_loss/intercept_db"}),
        (a_channel(rtt_mean_s=20), {"/rtt_mean_s"}),
        (a_channel(downlink_bps=50), {"/downlink_bps"}),
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

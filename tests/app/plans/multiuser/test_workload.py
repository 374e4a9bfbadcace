"""The options of a workload: clocks, memory, quantised features, by hand."""

from typing import Any

import httpx
import pytest

from tests.support.builders import a_channel, a_device, a_model, a_timing
from tests.support.multiuser.requests import (
    CLOCK_HZ,
    a_cell,
    a_quantised_model,
    a_user,
    only,
    planned,
    solved,
)

pytestmark = pytest.mark.either


def test_without_a_table_features_go_in_full_precision(client: httpx.Client) -> None:
    result = solved(client, a_cell(weights={"latency_per_s": 1.0, "loss": 0.0}, bandwidth_hz=1.0e5))
    assert only(result)["loss"] == 0.0
    rows = only(solved(client, a_cell()))["table"]["rows"]
    # The input is a picture
    assert {(row["cut"], row["bits"]) for row in rows} <= {
        (0, 8),
        (1, 32),
        (2, 32),
        (3, 32),
    }


def test_quantisation_saves_time_and_respects_the_loss_limit(client: httpx.Client) -> None:
    narrow: dict[str, Any] = {"bandwidth_hz": 2.0e6}
    free = only(solved(client, a_cell(a_user(model=a_quantised_model()), **narrow)))
    assert free["bits"] == 4
    elements = a_quantised_model()["cuts"][free["cut"]]["feature_elements"]
    assert free["latency"]["uplink_s"] == pytest.approx(4 * elements / free["rate_bps"])
    limited = only(
        solved(client, a_cell(a_user(model=a_quantised_model(), max_loss=0.0041), **narrow))
    )
    assert limited["bits"] == 8
    lossless = only(
        solved(client, a_cell(a_user(model=a_quantised_model(), max_loss=0.0), **narrow))
    )
    assert lossless["loss"] == 0.0
    assert lossless["cost"] >= limited["cost"] >= free["cost"]
    careful = only(
        solved(
            client,
            a_cell(
                a_user(model=a_quantised_model()),
                weights={"latency_per_s": 1.0, "loss": 1e6},
                **narrow,
            ),
        )
    )
    assert careful["loss"] == 0.0


def test_elements_that_nobody_counted_have_32_bits(client: httpx.Client) -> None:
    counted, uncounted = a_quantised_model(), a_quantised_model()
    for cut in uncounted["cuts"][1:]:
        cut.pop("feature_elements", None)
    documents = [
        planned(client, a_cell(a_user(model=model), bandwidth_hz=2e6))
        for model in (counted, uncounted)
    ]
    assert documents[0]["result"]["objective"] == documents[1]["result"]["objective"]
    assert "warnings" not in documents[0]
    (warning,) = documents[1]["warnings"]
    assert warning["field"] == "/users/0/model"
    assert "cut 1" in warning["message"]


def test_cuts_beyond_the_memory_are_left_out(client: httpx.Client) -> None:
    small = a_user(device=a_device(memory_byte=1_000_000), spectral_efficiency_bps_per_hz=1e-3)
    assert only(solved(client, a_cell(small)))["cut"] == 2  # 12 MB of fc do not fit
    assert only(solved(client, a_cell(a_user(spectral_efficiency_bps_per_hz=1e-3))))["cut"] == 3


@pytest.mark.parametrize("frequency_hz", [None, 5.0e8])
def test_the_clock_is_the_highest_unless_said(
    client: httpx.Client, frequency_hz: float | None
) -> None:
    user = only(
        solved(client, a_cell(a_user(frequency_hz=frequency_hz), options={"method": "device_only"}))
    )
    clock = frequency_hz or CLOCK_HZ
    assert user["frequency_hz"] == clock
    assert user["latency"]["device_s"] == pytest.approx(200e6 / 3.8 / clock + 0.002)


def test_measured_clocks_count_as_measured(client: httpx.Client) -> None:
    levels = [(4.0e8, 0.2), (8.0e8, 0.11)]
    cuts = [
        {
            "levels": [
                {"frequency_hz": hz, "mean_s": share * mean_s, "variance_s2": 0.0}
                for hz, mean_s in levels
            ]
        }
        for share in (0.0, 0.3, 0.9, 1.0)
    ]
    device = a_device(frequency_levels_hz=[4.0e8, 8.0e8])
    for frequency_hz, mean_s in ((None, 0.11), (4.0e8, 0.2)):
        camera = a_user(device=device, device_timing=a_timing(cuts=cuts), frequency_hz=frequency_hz)
        user = only(solved(client, a_cell(camera, options={"method": "device_only"})))
        assert user["latency"]["mean_s"] == mean_s


def test_the_last_cut_may_send_its_result(client: httpx.Client) -> None:
    cuts = a_model()["cuts"]
    cuts[-1]["feature_byte"] = 4000
    channel = a_channel(rtt_mean_s=0.01)
    user = only(
        solved(
            client,
            a_cell(
                a_user(model=a_model(cuts=cuts), spectral_efficiency_bps_per_hz=0.05),
                channel=channel,
            ),
        )
    )
    assert user["cut"] == 3
    assert user["latency"]["network_s"] == 0.01
    assert user["latency"]["uplink_s"] == pytest.approx(32_000 / user["rate_bps"])

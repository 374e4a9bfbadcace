"""What a request means: names, channels, servers, and what looks like a mistake."""

import math

import httpx
import pytest

from tests.support.answers import unnamed
from tests.support.builders import (
    a_channel,
    a_server,
)
from tests.support.multiuser.requests import (
    ADAPTIVE,
    MULTI_USER,
    a_cell,
    a_fleet,
    a_rate_user,
    a_stored_user,
    a_user,
    only,
    planned,
    solved,
)
from tests.support.robust.requests import pointers, store_profiles

pytestmark = pytest.mark.either


@pytest.mark.slow
def test_names_revisions_and_bodies_mean_the_same(client: httpx.Client) -> None:
    store_profiles(client)
    by_name = a_cell(a_stored_user(), channel="cell", server="edge-gpu")
    numbered = a_cell(
        a_stored_user(device="camera-cpu@1", model="small-net@1"),
        channel="cell@1",
        server="edge-gpu@1",
    )
    assert unnamed(solved(client, a_cell())) == unnamed(solved(client, by_name))
    assert solved(client, by_name) == solved(client, numbered)


@pytest.mark.slow
def test_distance_snr_and_efficiency_mean_the_same(client: httpx.Client) -> None:
    distance_m = 120.0
    gain_db = -(15.3 + 37.6 * math.log10(distance_m))
    snr_db = gain_db + 10.0 * math.log10(0.2) - (-174.0 - 30.0 + 70.0)  # 0.2 W over 10 MHz
    efficiency = math.log2(1.0 + 10.0 ** (snr_db / 10.0))
    by_distance = a_user(spectral_efficiency_bps_per_hz=None, distance_m=distance_m)
    for bandwidth_hz in (
        1.0e7,
        2.0e6,
    ):  # an uplink of which a part is shared has the same efficiency
        costs = [
            solved(client, a_cell(user, bandwidth_hz=bandwidth_hz))["objective"]["cost"]
            for user in (
                by_distance,
                a_user(spectral_efficiency_bps_per_hz=None, snr_db=snr_db),
                a_user(spectral_efficiency_bps_per_hz=efficiency),
            )
        ]
        assert costs[1:] == pytest.approx(costs[:1] * 2)
    rate = only(solved(client, a_cell(by_distance, options={"method": "edge_only"})))["rate_bps"]
    assert rate == pytest.approx(1.0e7 * efficiency)


def test_a_server_without_timing_works_at_its_share_of_the_capacity(client: httpx.Client) -> None:
    users = [a_user(id=name, server_timing=None) for name in "ab"]
    document = planned(client, a_cell(*users, options={"method": "edge_only"}))
    assert [warning["field"] for warning in document["warnings"]] == ["/users/0/server_timing"]
    assert document["provenance"]["weakest"] == "analytic"
    for user in document["result"]["users"]:
        assert user["latency"]["server_s"] == pytest.approx(200e6 / user["server_flop_per_s"])


def test_a_mean_below_what_can_be_decoded_is_doubted(client: httpx.Client) -> None:
    document = planned(
        client,
        a_cell(
            a_user(id="a", spectral_efficiency_bps_per_hz=None, snr_db=3.0),
            a_user(id="b", deadline_s=180.0),
            a_user(id="c", spectral_efficiency_bps_per_hz=100.0),
            channel=a_channel(min_snr_db=5.0),
            bandwidth_hz=10.0,
            server=a_server(capacity_flop_per_s=4.0),
        ),
    )
    assert {warning["field"] for warning in document["warnings"]} == {
        "/users/0/snr_db",
        "/users/1/deadline_s",
        "/users/2/spectral_efficiency_bps_per_hz",
        "/bandwidth_hz",
        "/server/capacity_flop_per_s",
    }


def test_a_timing_that_is_stored_is_found(client: httpx.Client) -> None:
    store_profiles(client)
    document = planned(client, a_cell(a_user(device_timing=None, server_timing=None)))
    assert "warnings" not in document
    assert ("timing", "edge-gpu.small-net@1") in {
        (entry["kind"], entry["ref"]) for entry in document["provenance"]["profiles"]
    }


def test_the_round_trip_counts_where_a_channel_has_one(client: httpx.Client) -> None:
    without = only(solved(client, a_fleet(), ADAPTIVE))["table"]["rows"]
    with_rtt = only(solved(client, a_fleet(channel=a_channel(rtt_mean_s=0.01)), ADAPTIVE))["table"][
        "rows"
    ]
    assert without[-1]["cut"] == with_rtt[-1]["cut"] == 0
    assert with_rtt[-1]["fixed_cost"] == pytest.approx(without[-1]["fixed_cost"] + 0.01)
    assert with_rtt[0]["fixed_cost"] == without[0]["fixed_cost"]  # nothing is sent


def test_a_server_without_timing_is_told(client: httpx.Client) -> None:
    document = planned(client, a_fleet(a_rate_user(server_timing=None)), ADAPTIVE)
    assert [warning["field"] for warning in document["warnings"]] == ["/users/0/server_timing"]
    last = only(document["result"])["table"]["rows"][-1]
    assert last["fixed_cost"] == pytest.approx(200e6 / 4.0e12)


def test_a_distance_needs_a_path_loss(client: httpx.Client) -> None:
    channel = a_channel()
    del channel["path_loss"]
    far = a_user(spectral_efficiency_bps_per_hz=None, distance_m=100.0)
    assert pointers(client.post(MULTI_USER, json=a_cell(far, channel=channel))) == [
        "/users/0/distance_m"
    ]


def test_a_fault_of_a_shared_workload_is_told_once(client: httpx.Client) -> None:
    users = [a_user(id=str(n), frequency_hz=1.9) for n in range(50)]
    assert pointers(client.post(MULTI_USER, json=a_cell(*users))) == ["/users/0/frequency_hz"]

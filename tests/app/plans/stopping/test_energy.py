"""Energies of a stopping plan against physics by hand: laws, measurements, radios and idling."""

import math
from typing import Any

import httpx
import pytest

from tests.support.answers import pointers
from tests.support.builders import Body, a_device, a_model, a_timing
from tests.support.stopping.requests import (
    STOPPING,
    a_fleet,
    a_radio,
    a_robot,
    first,
    plan,
    warnings,
    without_none,
)

# Numbers are the same on every database.
pytestmark = pytest.mark.parametrize("backend", ["sqlite"], indirect=True, scope="session")

RADIO = {"active_power_w": 1.8, "energy_j_per_bit": 1.5e-8}
LEVELS = {"frequency_levels_hz": [5e8, 1e9]}
# Up to each cut at 1 GHz.
DEVICE_S = [0.0, 0.015 + 0.001, 0.045 + 0.002, 0.2 / 3.8 + 0.002]
SENT_S = 8.0 * 150_528 / (1e7 * math.log2(1.0 + 10.0**1.5))
EDGE_S = 0.003


def placed(
    client: httpx.Client, layers: int, device: Body, *, energy: str | None = None, **robot: Any
) -> dict[str, Any]:
    """The robot with another device, on a channel that does not fade, so many layers placed."""
    options = {"placement": layers} | ({"energy": energy} if energy else {})
    device = without_none(a_device(**{"idle_power_w": 0.05, "rx_power_w": 0.3} | device))
    fleet = a_fleet(
        a_robot(device=device, **robot),
        channel=a_radio(fading={"kind": "none"}, min_snr_db=None),
        options=options,
    )
    return first(client, fleet)


def on_device(client: httpx.Client, device: Body, **robot: Any) -> tuple[float, str]:
    """Energy of everything on the device, and what it was made from."""
    user = placed(client, 3, device, **robot)
    cost = user["baselines"]["device_only"]["cost"]
    timing = robot.get("device_timing", a_timing())["cuts"][3]
    seconds = timing["levels"][0]["mean_s"] if "levels" in timing else DEVICE_S[3]
    return (cost - seconds) / 0.5, user["energy_source"]


def levelled(**measured: float) -> Body:
    """A timing whose last cut was measured at 1 GHz."""
    timing = a_timing()
    level = {"frequency_hz": 1e9, "mean_s": 0.06, "variance_s2": 0.0}
    timing["cuts"][3]["levels"] = [level | measured]
    return timing


@pytest.mark.parametrize(
    ("device", "power_w"),
    [
        ({}, 1.0),
        ({"static_power_w": 0.7}, 1.7),
        (
            {
                "power_coefficient_w_per_hz3": None,
                "power_coefficient": 2e-9,
                "power_exponent": 1.0,
            },
            2.0,
        ),
        ({**LEVELS, "level_power_w": [0.4, 1.3]}, 1.3),
        ({**LEVELS, "level_power_w": [0.4, 1.3], "static_power_w": 9.0}, 1.3),
    ],
)
def test_power_by_hand(client: httpx.Client, device: Body, power_w: float) -> None:
    energy_j, source = on_device(client, device)
    assert energy_j == pytest.approx(power_w * DEVICE_S[3])
    assert source == ("level_power_w" if "level_power_w" in device else "law")


def test_what_was_measured_goes_before_laws(client: httpx.Client) -> None:
    device = {**LEVELS, "level_power_w": [0.4, 1.3], "energy_per_inference_j": 0.01}
    measured = {"power_w": 2.5, "energy_j": 0.2}
    energy_j, source = on_device(client, device, device_timing=levelled(**measured))
    assert energy_j == pytest.approx(0.2)  # a start-up is in it already
    assert source == "level_power_w"  # of the cuts before it
    del measured["energy_j"]
    energy_j, _ = on_device(client, device, device_timing=levelled(**measured))
    assert energy_j == pytest.approx(2.5 * 0.06 + 0.01)
    energy_j, _ = on_device(client, device, device_timing=levelled())
    assert energy_j == pytest.approx(1.3 * 0.06 + 0.01)
    timing = a_timing()
    for cut, spent in zip(timing["cuts"], (0.0, 0.05, 0.12, 0.2), strict=True):
        cut["levels"] = [
            {"frequency_hz": 1e9, "mean_s": spent, "variance_s2": 0.0, "energy_j": spent}
        ]
    assert placed(client, 3, LEVELS, device_timing=timing)["energy_source"] == "energy_j"
    assert placed(client, 0, LEVELS, device_timing=timing)["energy_source"] is None


def test_energy_that_falls_along_the_network_is_said(client: httpx.Client) -> None:
    timing = a_timing()
    timing["cuts"][2]["levels"] = [
        {"frequency_hz": 1e9, "mean_s": 0.047, "variance_s2": 0.0, "energy_j": 0.001}
    ]
    robot = a_robot(
        device=a_device(**LEVELS, radio=RADIO, idle_power_w=0.1, rx_power_w=0.3),
        device_timing=timing,
    )
    assert "falls from cut 1 to 2" in warnings(client, a_fleet(robot))["/users/0/device_timing"]


def test_a_start_up_is_paid_where_anything_runs(client: httpx.Client) -> None:
    started = {"energy_per_inference_j": 0.04}
    near, plain = (placed(client, 0, device)["expected"] for device in (started, {}))
    assert near["energy_j"] == plain["energy_j"]
    energy_j, _ = on_device(client, started)
    assert energy_j == pytest.approx(DEVICE_S[3] + 0.04)


@pytest.mark.parametrize("energy", [None, "waiting", "marginal", "whole"])
def test_a_radio_and_idling_by_hand(client: httpx.Client, energy: str | None) -> None:
    expected = placed(client, 0, {"radio": RADIO}, energy=energy)["expected"]
    parts = expected["energy"]
    radio_j = 1.8 * SENT_S + 1.5e-8 * 8.0 * 150_528
    assert expected["time_s"] == pytest.approx(SENT_S + EDGE_S)
    assert parts["radio_j"] == pytest.approx(radio_j)
    assert parts["compute_j"] == parts["static_j"] == 0.0
    waits_j = 0.0 if energy == "marginal" else 0.05 * EDGE_S
    assert parts["wait_j"] == pytest.approx(waits_j)
    assert ("standby_j" in parts) == (energy == "whole")
    if energy == "whole":
        assert parts["standby_j"] == pytest.approx(0.05 * SENT_S)
    assert sum(parts.values()) == pytest.approx(expected["energy_j"])


def test_static_power_is_told_apart(client: httpx.Client) -> None:
    device = {"static_power_w": 0.5, "tx_power_w": 1e-9}
    # A channel that is never worth it: everything stays on the device.
    user = placed(client, 3, device, mean_snr_db=-60.0)
    parts = user["expected"]["energy"]
    assert parts["static_j"] == pytest.approx(0.5 * DEVICE_S[3])
    assert parts["compute_j"] == pytest.approx(1.0 * DEVICE_S[3])


def test_without_a_radio_what_it_radiates_is_counted_and_doubted(client: httpx.Client) -> None:
    assert placed(client, 0, {})["expected"]["energy"]["radio_j"] == pytest.approx(0.2 * SENT_S)
    robot = a_robot(device=a_device(idle_power_w=0.05, rx_power_w=0.3))
    assert "what its radio draws" in warnings(client, a_fleet(robot))["/users/0/device"]
    free = a_fleet(robot, weights={"time_per_s": 1.0, "energy_per_j": 0.0})
    assert warnings(client, free) == {}


@pytest.mark.parametrize("inline", [True, False])
def test_all_idle_power_needs_to_be_known(client: httpx.Client, inline: bool) -> None:
    device: Any = a_device(radio=RADIO, rx_power_w=0.3)
    if not inline:
        assert client.post("/v1/devices", json=device).status_code == 201
        device = "camera-cpu"
    body = a_fleet(a_robot(device=device), options={"energy": "whole"})
    answer = client.post(STOPPING, json=body)
    assert pointers(answer) == ["/users/0/device" + ("/idle_power_w" if inline else "")]
    assert "idle_power_w" in answer.json()["errors"][0]["detail"]
    assert plan(client, body | {"options": {"energy": "marginal"}})["status"] == "solved"


def test_waiting_that_counts_for_nothing_has_no_end(client: httpx.Client) -> None:
    body = a_fleet(
        weights={"time_per_s": 0.0, "energy_per_j": 1.0},
        options={"waiting": "always", "energy": "marginal"},
    )
    answer = client.post(STOPPING, json=body)
    assert pointers(answer) == ["/options/waiting"]
    assert "options.energy" in answer.json()["errors"][0]["detail"]


def test_results_come_back(client: httpx.Client) -> None:
    model = a_model(result_byte=40_000)
    returned_s = 8.0 * 40_000 / 2e7
    near = placed(client, 0, {}, model=model)["expected"]
    assert near["time_s"] == pytest.approx(SENT_S + EDGE_S + returned_s)
    assert near["energy"]["wait_j"] == pytest.approx(0.05 * (EDGE_S + returned_s))
    own_j, _ = on_device(client, {}, model=model)
    assert own_j == pytest.approx(DEVICE_S[3])


def test_results_over_a_channel_that_does_not_say_how_fast(client: httpx.Client) -> None:
    cuts = [cut | {"parameter_byte": 0} for cut in a_model()["cuts"]]
    robot = a_robot(model=a_model(cuts=cuts, result_byte=1000))
    found = warnings(client, a_fleet(robot, channel=a_radio(downlink_bps=None)))
    assert "no time" in found["/channel/downlink_bps"]


@pytest.mark.parametrize("value", [5e-324, 1e-60, 1e60, 1e300])
@pytest.mark.parametrize(
    "path",
    [
        "device/static_power_w",
        "device/energy_per_inference_j",
        "device/radio/active_power_w",
        "device/radio/energy_j_per_bit",
        "channel/rate_law/efficiency",
        "channel/rate_law/max_bps_per_hz",
    ],
)
@pytest.mark.parametrize("fading", ["rayleigh", "none"])
def test_extremes_are_planned_or_refused(
    client: httpx.Client, path: str, value: float, fading: str
) -> None:
    device = a_device(radio=dict(RADIO), idle_power_w=0.05)
    channel = a_radio(fading={"kind": fading}, rate_law={"snr_gap_db": 3.0})
    *parents, last = path.split("/")
    target: Body = {"device": device, "channel": channel}
    for part in parents:
        target = target[part]
    target[last] = value
    body = a_fleet(a_robot(device=device), channel=channel, options={"energy": "whole"})
    answer = client.post(STOPPING, json=body)
    assert answer.status_code in (201, 422), answer.text
    assert answer.status_code == 201 or pointers(answer)

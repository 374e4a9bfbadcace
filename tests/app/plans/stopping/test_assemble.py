"""Stopping requests that cannot be planned, or look like a mistake: where, why and what to do
instead.
"""

import copy
from typing import Any

import httpx
import pytest

from tests.support.answers import pointers
from tests.support.builders import Body, a_device, a_model, a_server_timing, a_timing
from tests.support.stopping.requests import (
    STOPPING,
    a_fleet,
    a_radio,
    a_robot,
    a_stored_robot,
    plan,
    store_profiles,
    warnings,
)

# What is refused before anything is stored is the same on every database.
pytestmark = pytest.mark.parametrize("backend", ["sqlite"], indirect=True, scope="session")

HUGE = 1e60


def refused(client: httpx.Client, body: Body) -> dict[str, str]:
    """Where a request is at fault and why; nothing of it is stored."""
    answer = client.post(STOPPING, json=body)
    pointers(answer)
    assert client.get("/v1/plans").json()["items"] == []
    return {error["pointer"]: error["detail"] for error in answer.json()["errors"]}


def changed(body: Body, path: str, value: Any) -> Body:
    """The body with one value replaced."""
    body = copy.deepcopy(body)
    *parents, last = (int(part) if part.isdigit() else part for part in path.strip("/").split("/"))
    place: Any = body
    for parent in parents:
        place = place[parent]
    place[last] = value
    return body


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("/users/0/deadline_s", 0.1),
        ("/users", []),
        ("/users/0/mean_snr_db", 201.0),
        ("/users/0/mean_snr_db", "15"),
        ("/users/0/frequency_hz", -1.0),
        ("/users/0/frequency_hz", 2e9),
        ("/weights/time_per_s", -1.0),
        ("/weights/time_per_s", 1e-300),
        ("/weights/time_per_s", 1e30),
        ("/inferences_per_update", 0),
        ("/inferences_per_update", -5),
        ("/options/rule", "guess"),
        ("/options/nodes", 8),
        ("/options/placement", 4),
        ("/options/waiting", "never"),
        ("/bandwidth_hz", 1e-9),
        ("/downlink_bps", HUGE),
        ("/channel/min_snr_db", 500.0),
        ("/channel/coherence_time_s", 1e-30),
        ("/channel/coherence_time_s", HUGE),
        ("/channel/rtt_mean_s", HUGE),
        ("/channel/downlink_bps", 1e-30),
    ],
)
def test_a_wrong_value_is_pointed_at(client: httpx.Client, path: str, value: Any) -> None:
    assert list(refused(client, changed(a_fleet(options={}), path, value))) == [path]


@pytest.mark.parametrize(
    ("fading", "pointer"),
    [
        ({"kind": "lognormal", "std_db": 60.0}, "std_db"),
        ({"kind": "lognormal", "std_db": 1e-6}, "std_db"),
        ({"kind": "rician", "k_factor_db": 90.0}, "k_factor_db"),
        ({"kind": "nakagami", "m": 1e5}, "m"),
        ({"kind": "trace", "rate_bps": [1e6, 1e-30]}, "rate_bps"),
        ({"kind": "trace", "snr_db": [3.0, 700.0]}, "snr_db"),
        ({"kind": "markov", "trace_bps": [1e6, HUGE], "states": 2}, "trace_bps"),
        (
            {"kind": "markov", "rate_bps": [1e6, 2e6], "transition": [[1.0, 0.0], [0.0, 1.0]]},
            "transition",
        ),
    ],
)
def test_a_law_no_radio_has(client: httpx.Client, fading: Body, pointer: str) -> None:
    faults = refused(client, a_fleet(channel=a_radio(fading=fading)))
    assert list(faults) == [f"/channel/fading/{pointer}"]


@pytest.mark.parametrize(
    ("channel", "pointer", "mend"),
    [
        ({"min_snr_db": None}, "/channel/min_snr_db", "nobody transmits"),
        (
            {"min_snr_db": None, "fading": {"kind": "nakagami", "m": 0.8}},
            "/channel/min_snr_db",
            "minimum SNR",
        ),
        (
            {"min_snr_db": None, "fading": {"kind": "nakagami", "m": 1.01}},
            "/channel/min_snr_db",
            "needed",
        ),
        (
            {"min_snr_db": None, "fading": {"kind": "trace", "rate_bps": [0.0, 1e6]}},
            "/channel/min_snr_db",
            "minimum",
        ),
        (
            {"min_snr_db": None, "fading": {"kind": "trace", "rate_bps": [1.0, 1e9]}},
            "/channel/min_snr_db",
            "outages",
        ),
        ({"coherence_time_s": None}, "/channel/coherence_time_s", "waited out"),
        ({"downlink_bps": None}, "/channel/downlink_bps", "downlink_bps in the request"),
        (
            {
                "fading": {
                    "kind": "markov",
                    "rate_bps": [0.0, 1e7],
                    "transition": [[1.0, 0.0], [0.5, 0.5]],
                }
            },
            "/channel/fading",
            "a way back",
        ),
    ],
)
def test_a_channel_without_an_answer_says_the_mend(
    client: httpx.Client, channel: Body, pointer: str, mend: str
) -> None:
    faults = refused(client, a_fleet(channel=a_radio(**channel)))
    assert list(faults) == [pointer]
    assert mend in faults[pointer]


def test_a_stored_channel_is_pointed_at_by_its_reference(client: httpx.Client) -> None:
    store_profiles(client)
    channel = a_radio(name="deep", min_snr_db=None, downlink_bps=None)
    assert client.post("/v1/channels", json=channel).status_code == 201
    answer = client.post(
        STOPPING,
        json=a_fleet(a_stored_robot(), channel="deep", server="edge-gpu", downlink_bps=1e7),
    )
    assert pointers(answer) == ["/channel"]
    assert "min_snr_db of 'deep@1'" in answer.json()["errors"][0]["detail"]


def test_nothing_to_weigh(client: httpx.Client) -> None:
    faults = refused(client, a_fleet(weights={"time_per_s": 0, "energy_per_j": 0}))
    assert "both are 0" in faults["/weights"]


def test_no_inference_is_served(client: httpx.Client) -> None:
    assert (
        "spread over the inferences"
        in refused(client, a_fleet(inferences_per_update=0))["/inferences_per_update"]
    )


def test_waiting_for_free_has_no_end(client: httpx.Client) -> None:
    robot = a_robot(device=a_device())
    body = a_fleet(
        robot, weights={"time_per_s": 0.0, "energy_per_j": 1.0}, options={"waiting": "always"}
    )
    assert "idle_power_w" in refused(client, body)["/options/waiting"]


def test_waiting_needs_to_know_how_long(client: httpx.Client) -> None:
    steady = a_radio(fading={"kind": "none"}, coherence_time_s=None)
    assert plan(client, a_fleet(channel=steady))["status"] == "solved"
    body = a_fleet(channel=steady, options={"waiting": "always"}, name="refused")
    assert pointers(client.post(STOPPING, json=body)) == ["/channel/coherence_time_s"]


@pytest.mark.parametrize(
    ("state", "pointer"),
    [
        ({"mean_snr_db": None}, "/users/0"),
        ({"gain_db": -100.0}, "/users/0/gain_db"),
        ({"mean_snr_db": None, "gain_db": -390.0}, "/users/0/gain_db"),
        ({"mean_snr_db": None, "distance_m": HUGE}, "/users/0/distance_m"),
    ],
)
def test_the_users_channel(client: httpx.Client, state: Body, pointer: str) -> None:
    assert list(refused(client, a_fleet(a_robot(**state)))) == [pointer]


def test_a_distance_needs_a_path_loss(client: httpx.Client) -> None:
    body = a_fleet(a_robot(mean_snr_db=None, distance_m=100.0), channel=a_radio(path_loss=None))
    assert "path_loss" in refused(client, body)["/users/0/distance_m"]


def test_a_trace_of_snr_needs_the_users_mean(client: httpx.Client) -> None:
    channel = a_radio(fading={"kind": "trace", "snr_db": [1.0, 9.0]})
    assert list(refused(client, a_fleet(a_robot(mean_snr_db=None), channel=channel))) == [
        "/users/0"
    ]


def test_a_clock_the_device_does_not_have(client: httpx.Client) -> None:
    levelled = a_robot(device=a_device(frequency_levels_hz=[5e8, 1e9]), frequency_hz=7e8)
    assert "5" in refused(client, a_fleet(levelled))["/users/0/frequency_hz"]
    timing = a_timing()
    for cut in timing["cuts"]:
        del cut["flop_per_cycle"]
        cut.pop("overhead_s", None)
        cut["levels"] = [{"frequency_hz": 5e8, "mean_s": 0.1, "variance_s2": 0.0}]
    unmeasured = refused(client, a_fleet(a_robot(device_timing=timing)))
    assert "say frequency_hz" in unmeasured["/users/0/device_timing"]


def test_every_fault_at_once(client: httpx.Client) -> None:
    body = a_fleet(
        a_robot(device_timing=None, device="nobody", mean_snr_db=None),
        a_robot(id="other", mean_snr_db=None),
        channel=a_radio(downlink_bps=None),
        server="nowhere",
    )
    assert set(refused(client, body)) >= {"/server", "/users/0/device"}
    twins = a_fleet(a_robot(), a_robot())
    assert list(refused(client, twins)) == ["/users/1/id"]


@pytest.mark.parametrize(
    ("users", "channel", "pointer", "said"),
    [
        ({"device": {}}, {}, "/users/0/device", "rx_power_w"),
        ({"mean_snr_db": 90.0}, {}, "/users/0/mean_snr_db", "90 dB"),
        ({"server_timing": None}, {}, "/users/0/server_timing", "remaining flop over capacity"),
        ({"device": {"memory_byte": 100_000}}, {}, "/users/0/model", "larger than the memory"),
        (
            {},
            {"fading": {"kind": "trace", "rate_bps": [1e7]}},
            "/users/0/mean_snr_db",
            "is not used",
        ),
        ({}, {"downlink_bps": 20.0}, "/channel/downlink_bps", "Mbit/s"),
    ],
)
def test_what_looks_like_a_mistake_is_said(
    client: httpx.Client, users: Body, channel: Body, pointer: str, said: str
) -> None:
    if "device" in users:
        users = users | {"device": a_device(**users["device"])}
    found = warnings(client, a_fleet(a_robot(**users), channel=a_radio(**channel)))
    assert said in found[pointer]


def test_what_is_left_out_is_said(client: httpx.Client) -> None:
    timing, server_timing, model = a_timing(), a_server_timing(), a_model()
    timing["cuts"][0]["overhead_s"] = 0.02
    server_timing["cuts"][-1]["mean_s"] = 0.01
    model["cuts"][-1]["feature_byte"] = 4000
    robot = a_robot(device_timing=timing, server_timing=server_timing, model=model)
    found = plan(client, a_fleet(robot, channel=a_radio(rtt_mean_s=0.01)))["warnings"]
    said = " ".join(entry["message"] for entry in found)
    for part in (
        "before the first layer",
        "at the last cut are left out",
        "falls from cut 0",
        "round trip",
    ):
        assert part in said


def test_a_fully_described_robot_raises_no_doubt(client: httpx.Client) -> None:
    device = a_device(idle_power_w=0.05, rx_power_w=0.3, radio={"active_power_w": 1.8})
    assert warnings(client, a_fleet(a_robot(device=device))) == {}


@pytest.mark.parametrize("users", [10_001, 100_000])
def test_too_many_users(client: httpx.Client, users: int) -> None:
    answer = client.post(STOPPING, json=a_fleet() | {"users": [{}] * users})
    assert answer.status_code == 413
    assert answer.json()["errors"][0]["pointer"] == "/users"


@pytest.mark.parametrize("literal", ["NaN", "Infinity", "1e999"])
def test_numbers_that_are_none(client: httpx.Client, literal: str) -> None:
    text = (
        f'{{"channel": "cell", "server": "s", "users": [], "weights": {{"time_per_s": {literal}}}}}'
    )
    answer = client.post(STOPPING, content=text, headers={"Content-Type": "application/json"})
    assert answer.status_code == (422 if literal == "1e999" else 400)


@pytest.mark.parametrize("value", [5e-324, 1e-60, 1e60])
@pytest.mark.parametrize(
    "path",
    [
        "/users/0/device/power_coefficient_w_per_hz3",
        "/users/0/device/tx_power_w",
        "/users/0/device/idle_power_w",
        "/users/0/device_timing/cuts/2/flop_per_cycle",
        "/users/0/device_timing/cuts/2/overhead_s",
        "/users/0/server_timing/cuts/1/mean_s",
        "/channel/bandwidth_hz",
        "/channel/downlink_bps",
        "/server/capacity_flop_per_s",
        "/inferences_per_update",
    ],
)
def test_extremes_are_planned_or_refused(client: httpx.Client, path: str, value: float) -> None:
    answer = client.post(STOPPING, json=changed(a_fleet(), path, value))
    assert answer.status_code in (201, 422), answer.text
    assert answer.status_code == 201 or pointers(answer)


@pytest.mark.parametrize("waiting", ["in_outage", "always"])
def test_a_slow_chain_settles(client: httpx.Client, waiting: str) -> None:
    """The chain leaves its outage once in a billion steps."""
    chain = {
        "kind": "markov",
        "rate_bps": [0.0, 1e7],
        "transition": [[1.0 - 1e-9, 1e-9], [1e-9, 1.0 - 1e-9]],
    }
    body = a_fleet(
        a_robot(mean_snr_db=None), channel=a_radio(fading=chain), options={"waiting": waiting}
    )
    assert plan(client, body)["status"] == "solved"


@pytest.mark.slow
def test_waiting_for_the_rarest_look_is_worked_out(client: httpx.Client) -> None:
    """A wait is so cheap that only one look in thousands is taken: the quadrature is refined until
    it is right.
    """
    weights = {"time_per_s": 1e-6, "energy_per_j": 1.0}
    body = a_fleet(a_robot(device=a_device()), weights=weights, options={"waiting": "always"})
    certificate = plan(client, changed(body, "/channel/coherence_time_s", 1e-3))["result"][
        "certificate"
    ]
    assert certificate["holds"]
    assert certificate["nodes"] > 256
    next_to_free = changed(body, "/channel/coherence_time_s", 1e-6) | {
        "weights": weights | {"time_per_s": 1e-9}
    }
    assert pointers(client.post(STOPPING, json=next_to_free)) == ["/options/waiting"]

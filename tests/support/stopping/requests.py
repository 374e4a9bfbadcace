"""Stopping requests, and how they are sent."""

from typing import Any

import httpx

from app.plans.stopping.answers import StoppingPlan
from tests.support.builders import (
    Body,
    a_channel,
    a_device,
    a_model,
    a_server,
    a_server_timing,
    a_timing,
)

STOPPING = "/v1/plans/stopping"
NOISE_W_PER_HZ = 10.0 ** ((-174.0 - 30.0) / 10.0)
RATES_BPS = [0.0, 1.0e6, 2.0e6, 5.0e6, 8.0e6, 2.0e7, 3.0e7, 5.0e7]
CHAIN = {
    "kind": "markov",
    "rate_bps": [0.0, 4.0e6, 3.0e7],
    "transition": [[0.5, 0.4, 0.1], [0.2, 0.5, 0.3], [0.0, 0.4, 0.6]],
}
EVERY_FADING: dict[str, Body | None] = {
    "absent": None,
    "none": {"kind": "none"},
    "rayleigh": {"kind": "rayleigh"},
    "rician": {"kind": "rician", "k_factor_db": 6.0},
    "nakagami": {"kind": "nakagami", "m": 0.7},
    "lognormal": {"kind": "lognormal", "std_db": 8.0},
    "lognormal of 0 dB": {"kind": "lognormal", "std_db": 0.0},
    "trace of rates": {"kind": "trace", "rate_bps": RATES_BPS},
    "trace of SNR": {"kind": "trace", "snr_db": [-30.0, 0.0, 5.0, 12.0, 20.0]},
    "chain": CHAIN,
    "fitted chain": {"kind": "markov", "trace_bps": RATES_BPS * 3, "states": 4},
}


def without_none(body: Body) -> Body:
    """None takes a field out."""
    return {name: value for name, value in body.items() if value is not None}


def a_radio(**fields: Any) -> Body:
    """The Rayleigh cell with all that this family asks for."""
    own = {"min_snr_db": -10.0, "coherence_time_s": 0.02, "downlink_bps": 2.0e7}
    return without_none(a_channel(**own | fields))


def a_robot(**fields: Any) -> Body:
    """A user with everything inline, at a mean SNR of 15 dB."""
    user = {
        "id": "robot",
        "device": a_device(idle_power_w=0.05, rx_power_w=0.3),
        "model": a_model(),
        "device_timing": a_timing(),
        "server_timing": a_server_timing(),
        "mean_snr_db": 15.0,
        **fields,
    }
    return without_none(user)


def a_stored_robot(**fields: Any) -> Body:
    """The same robot, by the names of `store_profiles`."""
    names = {
        "device": "camera-cpu",
        "model": "small-net",
        "device_timing": None,
        "server_timing": None,
    }
    return a_robot(**names | fields)


def a_fleet(*users: Body, **fields: Any) -> Body:
    """A request with inline channel and server; half a second's cost for a joule."""
    return without_none(
        {
            "channel": a_radio(),
            "server": a_server(),
            "users": list(users) or [a_robot()],
            "weights": {"time_per_s": 1.0, "energy_per_j": 0.5},
            "inferences_per_update": 1000,
            **fields,
        }
    )


def store_profiles(client: httpx.Client) -> None:
    """One profile of each kind, and a timing of each processor."""
    for collection, body in (
        ("devices", a_device(idle_power_w=0.05, rx_power_w=0.3)),
        ("models", a_model()),
        ("channels", a_radio()),
        ("servers", a_server()),
        ("timings", a_timing()),
        ("timings", a_server_timing()),
    ):
        answer = client.post(f"/v1/{collection}", json=body)
        assert answer.status_code == 201, answer.text


def plan(client: httpx.Client, body: Body) -> dict[str, Any]:
    """Post a request that must become a plan, solved or not, and says what its schema says."""
    answer = client.post(STOPPING, json=body)
    assert answer.status_code == 201, answer.text
    StoppingPlan.model_validate_json(answer.content)
    return dict(answer.json())


def solved(client: httpx.Client, body: Body) -> dict[str, Any]:
    """The result of a request that must have a plan."""
    document = plan(client, body)
    assert document["status"] == "solved", document
    assert document["result"]["certificate"]["holds"]
    return dict(document["result"])


def first(client: httpx.Client, body: Body) -> dict[str, Any]:
    """The only user of a request that must have a plan."""
    return dict(solved(client, body)["users"][0])


def warnings(client: httpx.Client, body: Body) -> dict[str, str]:
    """What a plan warns of, by field."""
    return {entry["field"]: entry["message"] for entry in plan(client, body).get("warnings", [])}

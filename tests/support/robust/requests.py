"""Planning requests, and how they are sent."""

import math
from typing import Any

import httpx

from tests.support.builders import (
    Body,
    a_channel,
    a_device,
    a_model,
    a_server,
    a_server_timing,
    a_timing,
)

ROBUST = "/v1/plans/robust"
NOISE_W_PER_HZ = 10.0 ** ((-174.0 - 30.0) / 10.0)


def a_user(**fields: Any) -> Body:
    """A camera 100 dB away, with everything it needs inline; None takes a field out."""
    user = {
        "id": "camera",
        "device": a_device(),
        "model": a_model(),
        "device_timing": a_timing(),
        "server_timing": a_server_timing(),
        "gain_db": -100.0,
        "deadline_s": 0.2,
        "risk": 0.05,
        **fields,
    }
    return {name: value for name, value in user.items() if value is not None}


def a_stored_user(**fields: Any) -> Body:
    """The same camera, by the names of `store_profiles`."""
    return a_user(
        **{
            "device": "camera-cpu",
            "model": "small-net",
            "device_timing": None,
            "server_timing": None,
        }
        | fields
    )


def a_cell(*users: Body, **fields: Any) -> Body:
    """A request with inline channel and server."""
    return {
        "channel": a_channel(),
        "server": a_server(),
        "users": list(users) or [a_user()],
        **fields,
    }


def a_stored_cell(*users: Body, **fields: Any) -> Body:
    """A request that names stored profiles."""
    return a_cell(
        *(users or (a_stored_user(),)), **{"channel": "cell", "server": "edge-gpu"} | fields
    )


def a_crowd(count: int, **fields: Any) -> list[Body]:
    """Cameras from 80 to 110 dB away, by name."""
    return [
        a_stored_user(id=f"camera-{n}", gain_db=-80.0 - 30.0 * n / count, **fields)
        for n in range(count)
    ]


def store_profiles(client: httpx.Client) -> None:
    """One profile of each kind, and a timing of each processor."""
    for collection, body in (
        ("devices", a_device()),
        ("models", a_model()),
        ("channels", a_channel()),
        ("servers", a_server()),
        ("timings", a_timing()),
        ("timings", a_server_timing()),
    ):
        answer = client.post(f"/v1/{collection}", json=body)
        assert answer.status_code == 201, answer.text


def plan(client: httpx.Client, body: Body) -> dict[str, Any]:
    """Post a request that must become a plan, solved or infeasible."""
    answer = client.post(ROBUST, json=body)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def solved(client: httpx.Client, body: Body) -> dict[str, Any]:
    """The result of a request that must have a plan."""
    document = plan(client, body)
    assert document["status"] == "solved", document
    return dict(document["result"])


def infeasible(client: httpx.Client, body: Body) -> dict[str, Any]:
    """The reasons of a request that must have no plan."""
    document = plan(client, body)
    assert document["status"] == "infeasible", document
    assert document["result"] is None
    return dict(document["infeasible"])


def energy_j(client: httpx.Client, body: Body) -> float:
    """The energy of a request that must have a plan."""
    return float(solved(client, body)["objective"]["energy_j"])


def refusal(answer: httpx.Response, status: int, slug: str) -> dict[str, Any]:
    """A problem of that kind."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = dict(answer.json())
    assert problem["type"] == f"/v1/problem-types/{slug}"
    assert problem["status"] == status
    return problem


def pointers(answer: httpx.Response) -> list[str]:
    """Where a request is at fault; every fault says the mend."""
    errors = refusal(answer, 422, "invalid-request")["errors"]
    assert all(error["detail"] for error in errors)
    return [error["pointer"] for error in errors]


def assert_nothing_stored(client: httpx.Client) -> None:
    """No plan is there."""
    assert client.get("/v1/plans").json() == {"items": [], "next_cursor": None}


def snr_db(gain_db: float, tx_power_w: float, bandwidth_hz: float) -> float:
    """The signal-to-noise ratio that a gain means over a bandwidth."""
    return gain_db + 10.0 * math.log10(tx_power_w / (NOISE_W_PER_HZ * bandwidth_hz))

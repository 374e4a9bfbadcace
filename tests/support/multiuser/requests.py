"""Requests of the multi-user family, and how they are sent."""

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

MULTI_USER = "/v1/plans/multi-user"
ADAPTIVE = "/v1/plans/adaptive"

CLOCK_HZ = 1.0e9
# The device, the uplink and the server of `tests.support.builders`, by hand: 4 FLOP per cycle and
# an overhead.
DEVICE_S = [
    0.0,
    60e6 / 4.0 / CLOCK_HZ + 0.001,
    180e6 / 4.0 / CLOCK_HZ + 0.002,
    200e6 / 3.8 / CLOCK_HZ + 0.002,
]
SERVER_S = [0.0030, 0.0022, 0.0008, 0.0]
CROSSING_BIT = [8.0 * 150_528, 8.0 * 96_000, 8.0 * 24_000, 0.0]


def a_quantised_model(**fields: Any) -> Body:
    """The same network with float features that may be sent with 8 or 4 bits at some loss."""
    cuts = a_model()["cuts"]
    for cut, losses in zip(cuts, [None, (0.004, 0.03), (0.002, 0.02), None], strict=True):
        if losses:
            cut["feature_elements"] = cut["feature_byte"] // 4
            cut["quantization"] = [
                {"bits": bits, "loss": loss} for bits, loss in zip((8, 4), losses, strict=True)
            ]
    return a_model(cuts=cuts, **fields)


def a_user(**fields: Any) -> Body:
    """A camera with everything it needs inline; None takes a field out."""
    user = {
        "id": "camera",
        "device": a_device(),
        "model": a_model(),
        "device_timing": a_timing(),
        "server_timing": a_server_timing(),
        "spectral_efficiency_bps_per_hz": 4.0,
        **fields,
    }
    return {name: value for name, value in user.items() if value is not None}


def a_stored_user(**fields: Any) -> Body:
    """The same camera, by the names of `tests.support.robust.requests.store_profiles`."""
    named = {
        "device": "camera-cpu",
        "model": "small-net",
        "device_timing": None,
        "server_timing": None,
    }
    return a_user(**named | fields)


def a_cell(*users: Body, **fields: Any) -> Body:
    """A request with inline channel and server."""
    cell = {
        "channel": a_channel(),
        "server": a_server(),
        "users": list(users) or [a_user()],
        "weights": {"latency_per_s": 1.0, "loss": 0.0},
        **fields,
    }
    return {name: value for name, value in cell.items() if value is not None}


def a_rate_user(**fields: Any) -> Body:
    """A camera whose rate is not known: for tables."""
    return a_user(**{"spectral_efficiency_bps_per_hz": None} | fields)


def a_fleet(*users: Body, **fields: Any) -> Body:
    """A request for tables."""
    return a_cell(*(users or (a_rate_user(),)), **{"channel": None} | fields)


def a_mixed_cell(**fields: Any) -> Body:
    """Four cameras near and far, two with deadlines, one that counts double, with quantised
    features.
    """
    common = {"model": a_quantised_model()}
    return a_cell(
        a_user(id="near", spectral_efficiency_bps_per_hz=6.0, **common),
        a_user(id="far", spectral_efficiency_bps_per_hz=0.8, **common),
        a_user(id="urgent", deadline_s=0.05, **common),
        a_user(id="double", weight=2.0, deadline_s=0.2, max_loss=0.01, **common),
        **{"weights": {"latency_per_s": 1.0, "loss": 2.0}, "bandwidth_hz": 5.0e6} | fields,
    )


def a_crowd(count: int, **fields: Any) -> list[Body]:
    """Cameras whose server time goes by its capacity."""
    return [
        a_user(id=f"camera-{n}", server_timing=None, deadline_s=0.05, **fields)
        for n in range(count)
    ]


def planned(client: httpx.Client, body: Body, endpoint: str = MULTI_USER) -> dict[str, Any]:
    """The plan of a request that is accepted."""
    answer = client.post(endpoint, json=body)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def solved(client: httpx.Client, body: Body, endpoint: str = MULTI_USER) -> dict[str, Any]:
    """The result of a request that must have a plan."""
    document = planned(client, body, endpoint)
    assert document["status"] == "solved", document
    return dict(document["result"])


def infeasible(client: httpx.Client, body: Body) -> dict[str, Any]:
    """The reasons of a request that must have no plan."""
    document = planned(client, body)
    assert document["status"] == "infeasible", document
    assert document["result"] is None
    return dict(document["infeasible"])


def only(result: dict[str, Any]) -> dict[str, Any]:
    """The one user of a result."""
    (user,) = result["users"]
    return dict(user)

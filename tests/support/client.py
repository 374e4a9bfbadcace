"""What a client of the service sends: profiles to store, cells to plan, and fleets that keep a
solver busy.
"""

import random
from typing import Any

import httpx

from client.planning import Collection, Json, PlanningClient
from tests.support.builders import a_channel, a_device, a_model, a_server, a_timing

# In an order in which they can be stored.
PROFILES: dict[Collection, Json] = {
    "devices": a_device(),
    "models": a_model(),
    "channels": a_channel(),
    "servers": a_server(),
    "timings": a_timing(),
}


def connected(url: str, **how: Any) -> PlanningClient:
    """A client that asks no proxy."""
    return PlanningClient(url, transport=httpx.HTTPTransport(), **how)


def a_request(users: int = 2, **fields: Any) -> Json:
    """A cell that is planned in milliseconds."""
    return {
        "channel": "cell",
        "server": "edge-gpu",
        "users": [
            {
                "id": f"camera {n}?#",
                "device": "camera-cpu",
                "model": "small-net",
                "gain_db": -90.0,
                "deadline_s": 0.5,
                "risk": 0.02,
            }
            for n in range(users)
        ],
        **fields,
    }


def a_long_request() -> Json:
    """A cell whose least gap keeps a solver at branch and bound, a plan in hand from the start,
    for longer than any test takes on a busy machine: more than 5 minutes on an idle one.
    """
    draw = random.Random(1)
    users = [
        {
            "id": f"camera-{n}",
            "device": "camera-cpu",
            "model": "small-net",
            "snr_db": draw.uniform(0.0, 25.0),
            "weight": draw.uniform(0.5, 2.0),
            "deadline_s": draw.uniform(0.1, 2.0),
        }
        for n in range(4000)
    ]
    options = {"gap": 1e-9, "time_limit_s": 3600.0}
    weights = {"latency_per_s": 1.0, "loss": 1.0}
    return {
        "channel": "cell",
        "server": "edge-gpu",
        "users": users,
        "weights": weights,
        "options": options,
    }

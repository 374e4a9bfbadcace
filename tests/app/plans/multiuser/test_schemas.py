"""Requests of the multi-user family that are refused: where the fault is and how to mend it, and
nothing is stored.
"""

import json
from typing import Any

import httpx
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
from tests.support.multiuser.requests import (
    ADAPTIVE,
    MULTI_USER,
    a_cell,
    a_fleet,
    a_rate_user,
    a_user,
)
from tests.support.robust.requests import assert_nothing_stored, pointers, refusal

pytestmark = pytest.mark.either


def levels_only(**fields: Any) -> Body:
    """A timing that knows two clocks."""
    entry = [{"frequency_hz": hz, "mean_s": 0.1, "variance_s2": 0.0} for hz in (4.0e8, 8.0e8)]
    return a_timing(cuts=[{"levels": entry}] * 4, **fields)


SHARED: list[tuple[Body, str]] = [
    ({"deadline_s": -0.1}, "/users/0/deadline_s"),
    ({"deadline_s": 0}, "/users/0/deadline_s"),
    ({"max_loss": 1.5}, "/users/0/max_loss"),
    ({"frequency_hz": 1.0}, "/users/0/frequency_hz"),
    ({"frequency_hz": 1.1e9}, "/users/0/frequency_hz"),
    (
        {"device": a_device(frequency_levels_hz=[4e8, 8e8]), "frequency_hz": 5e8},
        "/users/0/frequency_hz",
    ),
    ({"device_timing": levels_only()}, "/users/0/device_timing"),
    ({"device_timing": None}, "/users/0/device_timing"),
    ({"device_timing": a_timing(processor="another")}, "/users/0/device_timing"),
    ({"server_timing": a_server_timing(model="another")}, "/users/0/server_timing"),
    ({"device": "nobody"}, "/users/0/device"),
    ({"device": "nobody@3"}, "/users/0/device"),
    ({"risk": 0.02}, "/users/0/risk"),
    ({"id": "a/b"}, "/users/0/id"),
    (
        {
            "device": a_device(memory_byte=1),
            "model": a_model(
                cuts=[cut | {"parameter_byte": 9_000_000} for cut in a_model()["cuts"]]
            ),
        },
        "/users/0/device",
    ),
    (
        {"device_timing": a_timing(cuts=[{"flop_per_cycle": 1e-20, "variance_s2": 0}] * 4)},
        "/users/0/device_timing",
    ),
    (
        {"server_timing": a_server_timing(cuts=[{"mean_s": 1e30, "variance_s2": 0}] * 4)},
        "/users/0/server_timing",
    ),
]


@pytest.mark.parametrize(("fields", "pointer"), SHARED)
def test_a_user_of_either_endpoint(client: httpx.Client, fields: Body, pointer: str) -> None:
    assert pointers(client.post(MULTI_USER, json=a_cell(a_user(**fields)))) == [pointer]
    assert pointers(client.post(ADAPTIVE, json=a_fleet(a_rate_user(**fields)))) == [pointer]
    assert_nothing_stored(client)


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"spectral_efficiency_bps_per_hz": None}, "/users/0"),
        ({"snr_db": 3.0}, "/users/0/snr_db"),
        (
            {"snr_db": 3.0, "distance_m": 50.0, "spectral_efficiency_bps_per_hz": None},
            "/users/0/distance_m",
        ),
        ({"spectral_efficiency_bps_per_hz": 0}, "/users/0/spectral_efficiency_bps_per_hz"),
        ({"spectral_efficiency_bps_per_hz": 1e7}, "/users/0/spectral_efficiency_bps_per_hz"),
        ({"spectral_efficiency_bps_per_hz": None, "snr_db": 201.0}, "/users/0/snr_db"),
        ({"spectral_efficiency_bps_per_hz": None, "distance_m": 1e30}, "/users/0/distance_m"),
        ({"weight": 0}, "/users/0/weight"),
        ({"weight": 1e10}, "/users/0/weight"),
    ],
)
def test_a_user_of_a_cell(client: httpx.Client, fields: Body, pointer: str) -> None:
    assert pointers(client.post(MULTI_USER, json=a_cell(a_user(**fields)))) == [pointer]
    assert_nothing_stored(client)


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"users": []}, "/users"),
        ({"weights": {"latency_per_s": 0, "loss": 1}}, "/weights/latency_per_s"),
        ({"weights": {"latency_per_s": 1, "loss": -1}}, "/weights/loss"),
        ({"weights": None}, "/weights"),
        ({"options": {"method": "pccp"}}, "/options/method"),
        ({"options": {"gap": 0}}, "/options/gap"),
        ({"options": {"time_limit_s": 0}}, "/options/time_limit_s"),
        ({"bandwidth_hz": 0}, "/bandwidth_hz"),
        ({"bandwidth_hz": 1e20}, "/bandwidth_hz"),
        ({"channel": a_channel(bandwidth_hz=1e-9)}, "/channel"),
        ({"channel": a_channel(rtt_mean_s=1e10)}, "/channel"),
        ({"channel": "nobody"}, "/channel"),
        ({"server": "nobody"}, "/server"),
        ({"users": [a_user(), a_user()]}, "/users/1/id"),
        ({"supersedes": "0" * 32}, "/supersedes"),
        ({"name": "No Name"}, "/name"),
        ({"hysteresis": 0.1}, "/hysteresis"),
    ],
)
def test_a_cell(client: httpx.Client, fields: Body, pointer: str) -> None:
    assert pointers(client.post(MULTI_USER, json=a_cell(**fields))) == [pointer]
    assert_nothing_stored(client)


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"users": []}, "/users"),
        ({"users": [a_user()]}, "/users/0/spectral_efficiency_bps_per_hz"),
        ({"users": [a_rate_user(weight=1.0)]}, "/users/0/weight"),
        ({"users": [a_rate_user(), a_rate_user()]}, "/users/1/id"),
        ({"options": {"hysteresis": 1.0}}, "/options/hysteresis"),
        ({"options": {"hysteresis": -0.1}}, "/options/hysteresis"),
        ({"channel": "nobody"}, "/channel"),
        ({"channel": a_channel(rtt_mean_s=1e10)}, "/channel"),
        ({"bandwidth_hz": 1e7}, "/bandwidth_hz"),
    ],
)
def test_a_fleet(client: httpx.Client, fields: Body, pointer: str) -> None:
    assert pointers(client.post(ADAPTIVE, json=a_fleet(**fields))) == [pointer]
    assert_nothing_stored(client)


@pytest.mark.parametrize("endpoint", [MULTI_USER, ADAPTIVE])
def test_what_is_no_json_or_too_much(client: httpx.Client, endpoint: str) -> None:
    body = a_cell() if endpoint == MULTI_USER else a_fleet()
    text = json.dumps(body | {"weights": {"latency_per_s": float("nan"), "loss": 1}})
    headers = {"content-type": "application/json"}
    refusal(client.post(endpoint, content=text, headers=headers), 400, "malformed-json")
    refusal(
        client.post(endpoint, content=text, headers={"content-type": "text/plain"}),
        415,
        "unsupported-media-type",
    )
    users = [
        a_rate_user() | {"device": "d", "model": "m", "device_timing": "t", "server_timing": "s"}
    ] * 10_001
    refusal(client.post(endpoint, json=body | {"users": users}), 413, "too-many-users")
    endless = json.dumps(body | {"weights": {"latency_per_s": 1, "loss": 1}}).replace(
        '"loss": 1', '"loss": 1e999'
    )
    refusal(client.post(endpoint, content=endless, headers=headers), 422, "invalid-request")
    assert_nothing_stored(client)


@pytest.mark.slow
@pytest.mark.parametrize("extreme", [5e-324, 1e-60, 1e-9, 1e9, 1e60])
def test_extremes_are_answered_or_refused(client: httpx.Client, extreme: float) -> None:
    """Every number of a request in turn at the end of its range; numpy's warnings are errors
    here.
    """

    def ask(endpoint: str, body: Body) -> None:
        assert client.post(endpoint, json=body).status_code in (201, 422)

    for field in ("deadline_s", "max_loss", "frequency_hz"):
        ask(ADAPTIVE, a_fleet(a_rate_user(**{field: extreme})))
        ask(MULTI_USER, a_cell(a_user(**{field: extreme})))
    for field in ("snr_db", "distance_m", "spectral_efficiency_bps_per_hz"):
        ask(MULTI_USER, a_cell(a_user(**{"spectral_efficiency_bps_per_hz": None, field: extreme})))
    ask(MULTI_USER, a_cell(a_user(weight=extreme), a_user(id="b")))
    ask(MULTI_USER, a_cell(bandwidth_hz=extreme))
    for field in ("bandwidth_hz", "rtt_mean_s"):
        ask(MULTI_USER, a_cell(channel=a_channel(**{field: extreme})))
    ask(
        MULTI_USER, a_cell(a_user(server_timing=None), server=a_server(capacity_flop_per_s=extreme))
    )
    for weights in ({"latency_per_s": extreme, "loss": 1}, {"latency_per_s": 1, "loss": extreme}):
        ask(MULTI_USER, a_cell(weights=weights))
        ask(ADAPTIVE, a_fleet(weights=weights))
    far = a_user(
        device=a_device(tx_power_w=extreme), spectral_efficiency_bps_per_hz=None, distance_m=100.0
    )
    ask(MULTI_USER, a_cell(far))

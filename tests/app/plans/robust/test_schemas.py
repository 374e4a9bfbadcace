"""Numbers at the ends of their ranges: an answer or a refusal, never a failure.

The service runs in this process, where a warning of numpy is an error, so a silent overflow would
be a 500 here.
"""

import math
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.plans.robust.answers import RobustPlan
from app.quantities import LARGEST_INTEGER, LARGEST_NUMBER, SMALLEST_NUMBER
from tests.support.builders import (
    Body,
    a_channel,
    a_device,
    a_model,
    a_server,
    a_server_timing,
    a_timing,
)
from tests.support.robust.requests import ROBUST, a_cell, a_user, plan, solved
from tests.support.servers import Service

pytestmark = pytest.mark.either

ENDS = (SMALLEST_NUMBER, 1e-30, 1e-12, 1e12, 1e30, LARGEST_NUMBER)


def device_timing(**fields: Any) -> Body:
    return a_timing(cuts=[{**cut, **fields} for cut in a_timing()["cuts"]])


def server_timing(**fields: Any) -> Body:
    return a_server_timing(cuts=[{**cut, **fields} for cut in a_server_timing()["cuts"]])


QUANTITIES = {
    "bandwidth": lambda value: a_cell(bandwidth_hz=value),
    "deadline": lambda value: a_cell(a_user(deadline_s=value)),
    "transmit power": lambda value: a_cell(a_user(tx_power_w=value)),
    "power coefficient": lambda value: a_cell(
        a_user(device=a_device(power_coefficient_w_per_hz3=value))
    ),
    "clock": lambda value: a_cell(
        a_user(device=a_device(frequency_min_hz=value, frequency_max_hz=value))
    ),
    "least clock": lambda value: a_cell(
        a_user(device=a_device(frequency_min_hz=value, frequency_max_hz=max(value, 1e9)))
    ),
    "flop per cycle": lambda value: a_cell(
        a_user(device_timing=device_timing(flop_per_cycle=value))
    ),
    "overhead": lambda value: a_cell(a_user(device_timing=device_timing(overhead_s=value))),
    "device variance": lambda value: a_cell(a_user(device_timing=device_timing(variance_s2=value))),
    "server mean": lambda value: a_cell(a_user(server_timing=server_timing(mean_s=value))),
    "server variance": lambda value: a_cell(a_user(server_timing=server_timing(variance_s2=value))),
    "capacity": lambda value: a_cell(
        a_user(server_timing=None), server=a_server(capacity_flop_per_s=value)
    ),
    "round trip": lambda value: a_cell(channel=a_channel(rtt_mean_s=value, rtt_variance_s2=value)),
}


@pytest.mark.slow
@pytest.mark.parametrize("value", ENDS)
@pytest.mark.parametrize("cell", QUANTITIES.values(), ids=QUANTITIES)
def test_a_quantity_at_its_end(client: httpx.Client, cell: Any, value: float) -> None:
    body = cell(value)
    alone = plan(client, body)
    assert alone["status"] in ("solved", "infeasible")
    twin = body["users"][0] | {"id": "twin", "gain_db": -105.0}
    assert plan(client, body | {"users": [*body["users"], twin]})["status"] in (
        "solved",
        "infeasible",
    )


@pytest.mark.parametrize("gain_db", [-400.0, -300.0, -200.0, -150.0, -60.0, 0.0, 60.0, 100.0])
def test_any_gain(client: httpx.Client, gain_db: float) -> None:
    for deadline_s in (1e-9, 0.03, 0.2, 1e6):
        plan(client, a_cell(a_user(gain_db=gain_db, deadline_s=deadline_s)))


@pytest.mark.parametrize("noise_psd_dbm_per_hz", [-1000.0, -300.0, 300.0, 1000.0])
def test_any_noise(client: httpx.Client, noise_psd_dbm_per_hz: float) -> None:
    plan(client, a_cell(channel=a_channel(noise_psd_dbm_per_hz=noise_psd_dbm_per_hz)))


@pytest.mark.parametrize(
    "risk", [SMALLEST_NUMBER, 1e-30, 1e-9, 1.0 - 1e-9, math.nextafter(1.0, 0.0)]
)
def test_any_risk(client: httpx.Client, risk: float) -> None:
    plan(client, a_cell(a_user(risk=risk)))


def model_with(flop: list[int], feature_byte: list[int], parameter_byte: int = 0) -> Body:
    cuts = zip(flop, feature_byte, strict=True)
    return a_model(
        cuts=[
            {
                "name": f"cut-{m}",
                "flop": work,
                "feature_byte": feature,
                "parameter_byte": parameter_byte,
            }
            for m, (work, feature) in enumerate(cuts)
        ]
    )


def test_a_network_that_computes_nothing(client: httpx.Client) -> None:
    user = a_user(model=model_with([0] * 4, [1000, 500, 100, 0]), server_timing=None)
    (decided,) = solved(client, a_cell(user))["users"]
    assert decided["frequency_hz"] == pytest.approx(2e8, rel=1e-12), (
        "without cycles the clock is at its least"
    )


def test_a_network_that_sends_nothing(client: httpx.Client) -> None:
    result = solved(
        client,
        a_cell(*(a_user(id=str(n), model=model_with([0, 1, 2, 3], [0] * 4)) for n in range(3))),
    )
    assert result["certificate"]["bandwidth_used_hz"] == 0.0
    assert result["certificate"]["bandwidth_price_j_per_hz"] == 0.0
    for user in result["users"]:
        assert (user["bandwidth_hz"], user["rate_bps"], user["radio_energy_j"]) == (0.0, 0.0, 0.0)
        assert user["valid_gain_db"] == [None, None]


def test_a_result_that_is_sent(client: httpx.Client) -> None:
    work = [cut["flop"] for cut in a_model()["cuts"]]
    sends = model_with(work, [10_000_000, 9_000_000, 8_000_000, 4_000])
    (user,) = solved(client, a_cell(a_user(model=sends)))["users"]
    assert user["cut"] == 3
    assert user["rate_bps"] > 0.0
    assert user["latency"]["uplink_s"] == pytest.approx(32_000 / user["rate_bps"], rel=1e-9)
    assert user["fallback_cut"] is None, "no cut sends nothing"


def test_the_largest_integers(client: httpx.Client) -> None:
    largest = model_with(
        [0, LARGEST_INTEGER, LARGEST_INTEGER, LARGEST_INTEGER],
        [LARGEST_INTEGER] * 4,
        LARGEST_INTEGER,
    )
    for memory_byte in (1, LARGEST_INTEGER):
        user = a_user(model=largest, device=a_device(memory_byte=memory_byte), server_timing=None)
        document = plan(client, a_cell(user))
        assert document["status"] == "infeasible"
        expected = "memory" if memory_byte == 1 else "clock"
        assert document["infeasible"]["users"][0]["reasons"][3]["binding"] == expected


def decades(low: float, high: float) -> st.SearchStrategy[float]:
    return st.floats(low, high).map(lambda exponent: 10.0**exponent)


@st.composite
def cells(draw: st.DrawFn) -> Body:
    """Cells as odd as a caller may send, near what devices do and far from it."""
    size = draw(st.integers(2, 5))
    wide = draw(st.booleans())

    def about(value: float) -> float:
        return draw(
            decades(-30.0, 30.0) if wide else decades(-1.0, 1.0).map(lambda factor: factor * value)
        )

    def maybe(value: float) -> float:
        return draw(st.sampled_from([0.0, about(value)]))

    clocks = sorted(draw(st.lists(decades(8.0, 9.5), min_size=2, max_size=4, unique=True)))
    levels = draw(st.sampled_from([None, clocks]))
    work = sorted(draw(st.lists(st.integers(0, 10**9), min_size=size, max_size=size)))
    features = draw(st.lists(st.integers(0, 10**6), min_size=size, max_size=size))
    entries: list[Body] = [
        {"flop_per_cycle": about(4.0), "overhead_s": maybe(1e-3), "variance_s2": maybe(1e-6)}
        for _ in work
    ]
    if levels and draw(st.booleans()):
        for entry in entries:
            entry["levels"] = [
                {"frequency_hz": clock, "mean_s": maybe(0.02), "variance_s2": 1e-7}
                for clock in clocks
            ]
    device = a_device(
        frequency_min_hz=clocks[0],
        frequency_max_hz=clocks[-1],
        power_coefficient_w_per_hz3=about(1e-27),
        tx_power_w=about(0.2),
    )
    users = [
        a_user(
            id=str(n),
            device=device | ({"frequency_levels_hz": levels} if levels else {}),
            model=model_with(work, features),
            device_timing=a_timing(cuts=entries),
            server_timing=draw(
                st.sampled_from(
                    [None, a_server_timing(cuts=[{"mean_s": 1e-3, "variance_s2": 1e-8}] * size)]
                )
            ),
            gain_db=draw(st.floats(-400.0, 100.0) if wide else st.floats(-130.0, -80.0)),
            deadline_s=about(0.1),
            risk=draw(decades(-6.0, -0.31)),
            correlation=draw(st.sampled_from([-1.0, 0.0, 0.3, 1.0])),
        )
        for n in range(draw(st.integers(1, 4)))
    ]
    margin = draw(st.sampled_from(["cantelli", "gaussian", "mean"]))
    return a_cell(*users, bandwidth_hz=about(1e7), options={"margin": margin, "time_limit_s": 2.0})


@pytest.mark.slow
@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(body=cells())
def test_any_cell_has_an_answer(running: Service, body: Body) -> None:
    with httpx.Client(base_url=running.url, timeout=60.0, trust_env=False, verify=False) as client:
        answer = client.post(ROBUST, json=body)
    assert answer.status_code == 201, answer.text
    document = RobustPlan.model_validate_json(answer.content, strict=True)
    if document.result is None:
        return
    certificate = document.result.certificate
    assert certificate.holds
    assert certificate.lower_bound_j <= document.result.objective.energy_j
    assert document.result.users is not None
    total = sum(user.energy_j for user in document.result.users)
    assert total == pytest.approx(document.result.objective.energy_j, rel=1e-8)
    for user in document.result.users:
        assert user.latency.bound_s <= user.deadline_s * (1.0 + 1e-9)

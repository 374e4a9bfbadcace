"""The plan as a whole, in joules or in watts."""

from typing import Any

import httpx
import pytest

from app.plans.robust.answers import RobustPlan
from tests.support.builders import Body, a_device, a_model, a_server
from tests.support.robust.requests import a_cell, a_user, plan

pytestmark = pytest.mark.either


def test_streams_are_planned_in_watts(client: httpx.Client) -> None:
    users = [a_user(id=str(n), gain_db=-95.0 - 4.0 * n, rate_hz=1.0 + n) for n in range(3)]
    document = plan(client, a_cell(*users))
    RobustPlan.model_validate(document)
    result = document["result"]
    objective, told = result["objective"], result["users"]
    assert objective["energy_j"] == pytest.approx(sum(user["energy_j"] for user in told))
    power = sum(user["rate_hz"] * user["energy_j"] for user in told)
    assert objective["power_w"] == pytest.approx(power)
    certificate = result["certificate"]
    for name in ("lower_bound", "checked_lower_bound", "bandwidth_price"):
        joules, watts = (
            f"{name}_{unit}{'_per_hz' if 'price' in name else ''}" for unit in ("j", "w")
        )
        assert certificate[joules] is None
        assert certificate[watts] >= 0.0
    assert certificate["lower_bound_w"] <= objective["power_w"]
    assert certificate["gap"] <= 1e-6
    assert "servers" not in certificate
    for rule in result["baselines"].values():
        assert rule["energy_j"] is rule["lower_bound_j"] is None
        assert rule["power_w"] is None or rule["power_w"] >= 0.0
    assert result["baselines"]["device_only"]["power_w"] >= objective["power_w"]


def test_one_stream_is_an_inference_at_its_rate(client: httpx.Client) -> None:
    alone = plan(client, a_cell(a_user()))["result"]
    stream = plan(client, a_cell(a_user(rate_hz=2.0)))["result"]
    assert stream["objective"]["power_w"] == pytest.approx(2.0 * alone["objective"]["energy_j"])
    assert stream["objective"]["energy_j"] == pytest.approx(alone["objective"]["energy_j"])


def test_an_endless_server_may_be_overloaded(client: httpx.Client) -> None:
    """Slow at the edge, hopeless on the device: every camera keeps the server at work all day."""
    slow = a_server(capacity_flop_per_s=2e9)
    device = a_device(radio={"active_power_w": 0.3}, memory_byte=1000)
    users = [
        a_user(id=str(n), device=device, server_timing=None, rate_hz=8.0, deadline_s=1.0)
        for n in range(3)
    ]
    for some, warned in ((users, True), (users[:1], False)):
        document = plan(client, a_cell(*some, server=slow))
        assert document["status"] == "solved"
        assert ("/server" in [w["field"] for w in document["warnings"]]) == warned
        assert client.get(f"/v1/plans/{document['id']}").json() == document


def crowded(parallel: int, **server: Any) -> Body:
    """Cameras that cannot hold the network: each keeps the server at work 0.3 s of every second."""
    slow = a_server(capacity_flop_per_s=2e9, parallel=parallel, **server)
    device = a_device(memory_byte=1000)
    users = [
        a_user(id=str(n), device=device, server_timing=None, rate_hz=3.0, deadline_s=1.0)
        for n in range(3)
    ]
    return a_cell(*users, server=slow)


def test_a_server_keeps_its_budget(client: httpx.Client) -> None:
    (server,) = plan(client, crowded(2))["result"]["certificate"]["servers"]
    assert server["server"] == "inline:edge-gpu"
    assert server["budget"] == pytest.approx(1.4)
    assert server["used"] == pytest.approx(0.9)
    assert server["price_j_per_s"] == 0.0
    tight = a_user(rate_hz=3.0, server_timing=None, gain_db=-80.0)
    body = a_cell(tight, server=a_server(capacity_flop_per_s=2e9, parallel=1, max_utilisation=0.2))
    certificate = plan(client, body)["result"]["certificate"]
    assert certificate["servers"][0]["used"] <= 0.2


def test_what_a_server_lacks_is_told_and_enough(client: httpx.Client) -> None:
    document = plan(client, crowded(1))
    RobustPlan.model_validate(document)
    assert document["status"] == "infeasible"
    (need,) = document["infeasible"]["servers"]
    assert need["budget"] == pytest.approx(0.7)
    assert need["least_budget"] == pytest.approx(0.9)
    assert need["least_parallel"] == 2
    assert plan(client, crowded(2))["status"] == "solved"
    assert plan(client, crowded(1, max_utilisation=0.9))["status"] == "solved"
    assert plan(client, crowded(1, max_utilisation=0.89))["status"] == "infeasible"


def test_the_binding_reasons_of_the_new_terms(client: httpx.Client) -> None:
    lossy = {"name": "jpeg", "byte": 1000, "loss": 0.2, "provenance": "analytic"}
    first, *others = a_model()["cuts"]
    model = a_model(cuts=[first | {"codecs": [lossy]}, *others])
    for fields, binding in (
        ({"rate_hz": 1000.0}, "stage"),
        ({"max_loss": 0.1, "model": model, "gain_db": -130.0, "deadline_s": 0.06}, "rate"),
    ):
        document = plan(client, a_cell(a_user(**fields)))
        RobustPlan.model_validate(document)
        assert document["status"] == "infeasible"
        (user,) = document["infeasible"]["users"]
        assert binding in {reason["binding"] for reason in user["reasons"]}


@pytest.mark.parametrize("rate_hz", [None, 2.0])
def test_what_was_not_taken_is_explained(client: httpx.Client, rate_hz: float | None) -> None:
    """The least that the cell spends, or draws, with each cut."""
    users = [a_user(id=str(n), gain_db=-95.0 - 4.0 * n, rate_hz=rate_hz) for n in range(3)]
    document = plan(client, a_cell(*users, options={"explain": True}))
    RobustPlan.model_validate(document)
    certificate = document["result"]["certificate"]
    at_least = "cell_energy_at_least_j" if rate_hz is None else "cell_power_at_least_w"
    spent = document["result"]["objective"]["energy_j" if rate_hz is None else "power_w"]
    for user in document["result"]["users"]:
        told = [entry[at_least] for entry in user["alternatives"]]
        assert len(told) == 4
        # The price bounds the plan too, from below, and closely.
        assert told[user["cut"]] == pytest.approx(spent, rel=1e-2)
        assert told[user["cut"]] <= spent * (1.0 + 1e-9)
        assert certificate["gap"] <= 1e-6

"""Decision tables over HTTP, against all options by hand and as a device plays them."""

import json
import math

import httpx
import numpy as np
import pytest

from app.plans.documents import Estimate
from app.plans.multiuser.answers import AdaptivePlan, AdaptiveResult
from client.edge import RateTable
from solvers.multiuser.replay import decide
from solvers.multiuser.solve import build_table
from solvers.multiuser.table import TableProblem
from tests.support.builders import Body, a_channel
from tests.support.multiuser.requests import (
    ADAPTIVE,
    CROSSING_BIT,
    DEVICE_S,
    SERVER_S,
    a_fleet,
    a_quantised_model,
    a_rate_user,
    a_stored_user,
    only,
    planned,
    solved,
)
from tests.support.robust.requests import assert_nothing_stored, store_profiles

RTT_S = 0.004
LOSS_WEIGHT = 2.0
# (cut, bits, bits that cross, loss) of the quantised network, by hand.
OPTIONS = [
    (0, 8, CROSSING_BIT[0], 0.0),
    (1, 32, CROSSING_BIT[1], 0.0),
    (1, 8, 8.0 * 24_000, 0.004),
    (1, 4, 4.0 * 24_000, 0.03),
    (2, 32, CROSSING_BIT[2], 0.0),
    (2, 8, 8.0 * 6_000, 0.002),
    (2, 4, 4.0 * 6_000, 0.02),
    (3, 32, 0.0, 0.0),
]


def quantised(**fields: object) -> Body:
    return a_fleet(
        a_rate_user(model=a_quantised_model(), **fields),
        channel=a_channel(rtt_mean_s=RTT_S),
        weights={"latency_per_s": 1.0, "loss": LOSS_WEIGHT},
    )


def question(deadline_s: float, max_loss: float) -> TableProblem:
    cut, bits, crossing, loss = (np.array(column) for column in zip(*OPTIONS, strict=True))
    return TableProblem(
        latency_weight_per_s=1.0,
        loss_weight=LOSS_WEIGHT,
        network_s=RTT_S,
        deadline_s=deadline_s,
        max_loss=max_loss,
        cut=cut,
        bits=bits,
        device_s=np.array(DEVICE_S)[cut],
        crossing_bit=crossing,
        server_s=np.array(SERVER_S)[cut],
        loss=loss,
    )


@pytest.mark.parametrize("deadline_s", [math.inf, 0.06, 0.05, 0.03])
@pytest.mark.parametrize("max_loss", [1.0, 0.01, 0.0])
def test_every_rate_gets_the_best_option(
    client: httpx.Client, deadline_s: float, max_loss: float
) -> None:
    limits = {"max_loss": max_loss} | (
        {"deadline_s": deadline_s} if math.isfinite(deadline_s) else {}
    )
    user = only(solved(client, quantised(**limits), ADAPTIVE))
    rows = user["table"]["rows"]
    assert user["table"]["schema_version"] == 1
    assert rows[0]["rate_from_bps"] == 0.0
    assert rows[-1]["rate_to_bps"] is None
    table = RateTable(rows)
    for rate in np.geomspace(1e3, 1e10, 200).tolist():
        costs = {}
        for cut, bits, crossing, loss in OPTIONS:
            latency = DEVICE_S[cut] + SERVER_S[cut] + (RTT_S + crossing / rate if crossing else 0.0)
            if latency <= deadline_s and loss <= max_loss:
                costs[cut, bits] = latency + LOSS_WEIGHT * loss
        row = table.best(rate)
        assert (row is None) == (not costs)
        if row is not None:
            assert row.bits is not None
            assert costs[row.cut, row.bits] == pytest.approx(min(costs.values()))
    for row in rows:
        if row["cut"] is None:
            continue
        assert row["cut_name"] == a_quantised_model()["cuts"][row["cut"]]["name"]
        if row["rate_to_bps"] is None:
            assert row["cost_to"] == row["fixed_cost"]
        if row["rate_from_bps"] > 0.0:
            at_start = row["fixed_cost"] + row["cost_per_inverse_rate"] / row["rate_from_bps"]
            assert row["cost_from"] == pytest.approx(at_start)
        elif row["cost_per_inverse_rate"] > 0.0:
            assert row["cost_from"] is None


@pytest.mark.parametrize("hysteresis", [0.0, 0.1, 0.4])
@pytest.mark.parametrize("deadline_s", [None, 0.05])
def test_a_device_decides_as_the_replay_does(
    client: httpx.Client, hysteresis: float, deadline_s: float | None
) -> None:
    """The table as stored by the service, loaded and played by the client's reader on a random walk
    of rates.
    """
    body = quantised(deadline_s=deadline_s) | {"options": {"hysteresis": hysteresis}}
    document = planned(client, body, ADAPTIVE)
    held = client.get(f"/v1/plans/{document['id']}/users/camera").json()
    assert held["hysteresis"] == hysteresis
    table = RateTable.load(json.dumps(held["table"]), hysteresis=held["hysteresis"])
    rng = np.random.default_rng(3)
    rates = np.exp(np.log(5e6) + np.cumsum(rng.normal(0.0, 0.4, 2000)) * 0.5)
    asked = question(deadline_s or np.inf, 1.0)
    expected = decide(asked, build_table(asked), rates, hysteresis)
    for rate, option in zip(rates.tolist(), expected.tolist(), strict=True):
        row = table.decide(rate)
        assert (row and (row.cut, row.bits)) == (OPTIONS[option][:2] if option >= 0 else None)
    assert len(set(expected.tolist())) >= 3


def test_where_nothing_fits_the_row_says_so(client: httpx.Client) -> None:
    hurried, hopeless = (
        a_rate_user(id="hurried", deadline_s=0.03),
        a_rate_user(id="hopeless", deadline_s=0.001),
    )
    answered = client.post(ADAPTIVE, json=a_fleet(a_rate_user(id="calm"), hurried, hopeless))
    AdaptivePlan.model_validate_json(answered.content)
    result = answered.json()["result"]
    assert answered.json()["status"] == "solved"
    assert result["unserved"] == 1
    calm, late, never = result["users"]
    assert calm["least_rate_bps"] == 0.0
    first, *rest = late["table"]["rows"]
    assert (first["cut"], first["cut_name"], first["bits"], first["cost_from"]) == (
        None,
        None,
        None,
        None,
    )
    assert rest[0]["rate_from_bps"] == late["least_rate_bps"] == rest[0]["late_below_bps"]
    # The fastest way at a low rate is the first or second cut: what crosses over what the deadline
    # leaves.
    least = min(CROSSING_BIT[m] / (0.03 - DEVICE_S[m] - SERVER_S[m]) for m in (0, 1))
    assert late["least_rate_bps"] == pytest.approx(least)
    assert never["least_rate_bps"] is None
    (row,) = never["table"]["rows"]
    assert row["cut"] is None
    assert (row["rate_from_bps"], row["rate_to_bps"]) == (0.0, None)
    assert RateTable(never["table"]["rows"]).decide(1e9) is None


def test_the_round_trip_counts_where_a_channel_has_one(client: httpx.Client) -> None:
    without = only(solved(client, a_fleet(), ADAPTIVE))["table"]["rows"]
    with_rtt = only(solved(client, a_fleet(channel=a_channel(rtt_mean_s=0.01)), ADAPTIVE))["table"][
        "rows"
    ]
    assert without[-1]["cut"] == with_rtt[-1]["cut"] == 0
    assert with_rtt[-1]["fixed_cost"] == pytest.approx(without[-1]["fixed_cost"] + 0.01)
    assert with_rtt[0]["fixed_cost"] == without[0]["fixed_cost"]  # nothing is sent


def test_a_table_is_found_again_as_it_was_answered(client: httpx.Client) -> None:
    store_profiles(client)
    user = a_stored_user(spectral_efficiency_bps_per_hz=None)
    created = client.post(ADAPTIVE, json=a_fleet(user, channel="cell", server="edge-gpu"))
    assert client.get(created.headers["location"]).content == created.content
    document = created.json()
    assert document["kind"] == "adaptive"
    assert document["result"]["certificate"]["status"] == "optimal"
    assert document["result"]["certificate"]["excess"] <= 1e-9
    by_body = solved(client, a_fleet(channel=a_channel()), ADAPTIVE)
    assert document["result"] == by_body
    AdaptiveResult.model_validate(client.get(f"{created.headers['location']}/users/camera").json())


def test_a_server_without_timing_is_told(client: httpx.Client) -> None:
    document = planned(client, a_fleet(a_rate_user(server_timing=None)), ADAPTIVE)
    assert [warning["field"] for warning in document["warnings"]] == ["/users/0/server_timing"]
    last = only(document["result"])["table"]["rows"][-1]
    assert last["fixed_cost"] == pytest.approx(200e6 / 4.0e12)


@pytest.mark.slow
def test_thousands_share_tables(client: httpx.Client) -> None:
    store_profiles(client)
    users = [
        a_stored_user(
            id=f"u{n}", spectral_efficiency_bps_per_hz=None, deadline_s=0.05 if n % 2 else None
        )
        for n in range(3000)
    ]
    body = a_fleet(*users, server="edge-gpu")
    estimate = Estimate.model_validate(
        client.post(ADAPTIVE, params={"dry_run": True}, json=body).json()
    )
    assert (estimate.kind, estimate.users, estimate.options) == ("adaptive", 3000, 12_000)
    assert_nothing_stored(client)
    document = planned(client, body, ADAPTIVE)
    result = document["result"]
    page = client.get(result["users_url"], params={"limit": 4}).json()["items"]
    assert page[0]["table"] == page[2]["table"] != page[1]["table"] == page[3]["table"]
    assert client.get(f"{result['users_url']}/u2999").json()["table"] == page[1]["table"]

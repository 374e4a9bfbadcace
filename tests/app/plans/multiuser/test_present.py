"""Plans, tables and reasons as they are told, against all options and remedies by hand."""

import json
import math

import httpx
import numpy as np
import pytest

from app.plans.multiuser.answers import AdaptivePlan
from client.edge import RateTable
from solvers.multiuser.replay import decide
from solvers.multiuser.solve import build_table
from solvers.multiuser.table import TableProblem
from tests.support.builders import (
    Body,
    a_channel,
    a_model,
    a_server,
    a_server_timing,
)
from tests.support.multiuser.requests import (
    ADAPTIVE,
    CLOCK_HZ,
    CROSSING_BIT,
    DEVICE_S,
    SERVER_S,
    a_cell,
    a_crowd,
    a_fleet,
    a_mixed_cell,
    a_quantised_model,
    a_rate_user,
    a_user,
    infeasible,
    only,
    planned,
    solved,
)

pytestmark = pytest.mark.either


def test_every_part_of_a_latency_is_what_it_says(client: httpx.Client) -> None:
    channel, server = a_channel(rtt_mean_s=0.004), a_server()
    result = solved(client, a_mixed_cell(channel=channel))
    model = a_quantised_model()
    total = 0.0
    for user, asked in zip(result["users"], a_mixed_cell()["users"], strict=True):
        cut, latency = user["cut"], user["latency"]
        full = 8 * model["cuts"][cut]["feature_byte"]
        elements = model["cuts"][cut].get("feature_elements", 0)
        sent = user["bits"] * elements if 0 < user["bits"] * elements < full else full
        assert user["cut_name"] == model["cuts"][cut]["name"]
        assert user["frequency_hz"] == CLOCK_HZ
        assert user["rate_bps"] == pytest.approx(
            user["bandwidth_hz"] * asked["spectral_efficiency_bps_per_hz"]
        )
        assert user["bandwidth_hz"] == pytest.approx(user["bandwidth_share"] * 5.0e6)
        assert user["server_flop_per_s"] == pytest.approx(
            user["server_share"] * server["capacity_flop_per_s"]
        )
        assert latency["device_s"] == pytest.approx(DEVICE_S[cut])
        assert latency["uplink_s"] == pytest.approx(sent / user["rate_bps"] if sent else 0.0)
        assert latency["network_s"] == (0.004 if sent else 0.0)
        assert latency["server_s"] == pytest.approx(
            SERVER_S[cut] / user["server_share"] if SERVER_S[cut] else 0.0
        )
        assert latency["mean_s"] == pytest.approx(
            sum(v for k, v in latency.items() if k != "mean_s")
        )
        losses = {
            entry["bits"]: entry["loss"] for entry in model["cuts"][cut].get("quantization", [])
        }
        assert user["loss"] == losses.get(user["bits"], 0.0) <= asked.get("max_loss", 1.0)
        assert user["cost"] == pytest.approx(
            asked.get("weight", 1.0) * (latency["mean_s"] + 2.0 * user["loss"])
        )
        if "deadline_s" in asked:
            assert user["deadline_s"] == asked["deadline_s"]
            assert user["slack_s"] == pytest.approx(
                asked["deadline_s"] - latency["mean_s"], abs=1e-12
            )
            assert user["slack_s"] >= -1e-9
        else:
            assert user["deadline_s"] is None
            assert user["slack_s"] is None
        total += user["cost"]
    assert result["objective"]["cost"] == pytest.approx(total)
    assert {user["bits"] for user in result["users"]} & {4, 8}, (
        "nobody quantises: the cell tests too little"
    )


def test_a_rule_that_breaks_a_limit_is_no_feasible_baseline(client: httpx.Client) -> None:
    result = solved(client, a_cell(a_user(deadline_s=0.04)))
    device_only = result["baselines"]["device_only"]
    assert not device_only["feasible"]
    assert device_only["latency_s"] == pytest.approx(DEVICE_S[3])
    for name, baseline in result["baselines"].items():
        if baseline["feasible"]:
            assert baseline["cost"] >= result["certificate"]["lower_bound"], name


def test_tables_hold_at_the_users_share_of_the_server(client: httpx.Client) -> None:
    """Every table, as a device reads it, against all options by hand."""
    result = solved(client, a_mixed_cell())
    model = a_quantised_model()
    options = [
        (cut, bits, sent, loss)
        for cut, row in enumerate(model["cuts"])
        for bits, sent, loss in [
            (8 if cut == 0 else 32, CROSSING_BIT[cut], 0.0),
            *(
                (entry["bits"], entry["bits"] * row["feature_elements"], entry["loss"])
                for entry in row.get("quantization", [])
            ),
        ]
    ]
    for user, asked in zip(result["users"], a_mixed_cell()["users"], strict=True):
        table = RateTable(user["table"]["rows"])
        for rate in (1e3, 1e5, 1e6, user["rate_bps"] or 3e6, 1e7, 1e8, 1e12):
            costs = {}
            for cut, bits, sent, loss in options:
                if SERVER_S[cut] and not user["server_share"]:
                    continue
                served = SERVER_S[cut] / user["server_share"] if SERVER_S[cut] else 0.0
                latency = DEVICE_S[cut] + sent / rate + served
                if latency <= asked.get("deadline_s", math.inf) * (
                    1.0 + 1e-9
                ) and loss <= asked.get("max_loss", 1.0):
                    costs[cut, bits] = latency + 2.0 * loss
            row = table.best(rate)
            if not costs:
                assert row is None
                continue
            assert row is not None
            assert row.bits is not None
            assert costs[row.cut, row.bits] == pytest.approx(min(costs.values()))
            assert row.fixed_cost + row.cost_per_inverse_rate / rate == pytest.approx(
                min(costs.values())
            )
            assert row.cut_name == model["cuts"][row.cut]["name"]


@pytest.mark.parametrize("seed", range(4))
def test_a_device_that_asks_its_table_at_once_keeps_to_the_plan(
    client: httpx.Client, seed: int
) -> None:
    """No other option is better at the shares of an optimum, and a deadline that just holds still
    holds.
    """
    rng = np.random.default_rng(seed)
    users = [
        a_user(
            id=str(n),
            model=a_quantised_model(),
            spectral_efficiency_bps_per_hz=float(rng.uniform(0.5, 6.0)),
            weight=float(rng.uniform(0.5, 2.0)),
            **({"deadline_s": float(rng.uniform(0.03, 0.05))} if n % 2 else {}),
        )
        for n in range(12)
    ]
    result = solved(
        client, a_cell(*users, weights={"latency_per_s": 1.0, "loss": 1.0}, bandwidth_hz=4e7)
    )
    tight = 0
    for user, asked in zip(result["users"], users, strict=True):
        rate = user["rate_bps"]
        row = RateTable(user["table"]["rows"]).decide(rate)
        assert row is not None
        cost = row.fixed_cost + (
            row.cost_per_inverse_rate / rate if row.cost_per_inverse_rate else 0.0
        )
        assert asked["weight"] * cost == pytest.approx(user["cost"], rel=1e-5)
        tight += user["slack_s"] is not None and abs(user["slack_s"]) < 1e-9
    assert tight >= 1


@pytest.mark.slow
def test_the_plan_of_one_user_is_its_table(client: httpx.Client) -> None:
    for efficiency in (0.01, 0.3, 1.0, 5.0, 30.0):
        user = only(solved(client, a_cell(a_user(spectral_efficiency_bps_per_hz=efficiency))))
        row = RateTable(user["table"]["rows"]).decide(user["rate_bps"] or 1.0)
        assert row is not None
        assert (row.cut, row.bits) == (user["cut"], user["bits"])


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


def test_what_an_oversubscribed_cell_is_short_of(client: httpx.Client) -> None:
    bandwidth_hz, capacity = 2.0e7, 8.0e11

    def cell(hertz: float = 1.0, flops: float = 1.0) -> Body:
        server = a_server(capacity_flop_per_s=capacity * flops)
        return a_cell(*a_crowd(6), bandwidth_hz=bandwidth_hz * hertz, server=server)

    reasons = infeasible(client, cell())
    assert reasons["proven"]
    assert reasons["users"] == []
    remedies = {
        "bandwidth_hz": (
            bandwidth_hz,
            reasons["least_total_bandwidth_hz"],
            lambda factor: cell(hertz=factor),
        ),
        "server_flop_per_s": (
            capacity,
            reasons["least_server_flop_per_s"],
            lambda factor: cell(flops=factor),
        ),
        "budget_factor": (1.0, reasons["least_budget_factor"], lambda factor: cell(factor, factor)),
    }
    worked = 0
    for name, (budget, enough, changed) in remedies.items():
        proven = reasons["proven_at_least"][name]
        if enough is None:
            assert proven is None
            infeasible(client, changed(1e3))
            continue
        assert 1.0 < proven / budget <= enough / budget
        solved(client, changed(enough / budget))
        infeasible(client, changed(0.999 * proven / budget))
        worked += 1
    assert worked >= 2


def test_an_option_that_only_a_larger_uplink_allows(client: httpx.Client) -> None:
    """Alone nobody could send the picture now; what all can do instead is too much for the
    server.
    """
    cuts = a_model()["cuts"]
    cuts[1]["feature_byte"] = 100
    slow = a_server_timing()
    for cut, mean_s in zip(slow["cuts"], (0.001, 0.03, 0.03, 0.0), strict=True):
        cut["mean_s"] = mean_s
    users = [
        a_user(id=name, model=a_model(cuts=cuts), server_timing=slow, deadline_s=0.05)
        for name in "ab"
    ]
    # The picture takes a little longer than the deadline on the whole uplink, at 4 bit/s/Hz.
    narrow = 8.0 * 150_528 / 4.0 / 0.0505

    def cell(factor: float) -> Body:
        return a_cell(*users, bandwidth_hz=factor * narrow)

    reasons = infeasible(client, cell(1.0))
    assert reasons["proven"]
    assert reasons["users"] == []
    enough = reasons["least_total_bandwidth_hz"] / narrow
    assert enough < 3.0
    assert reasons["proven_at_least"]["budget_factor"] <= enough
    assert {user["cut"] for user in solved(client, cell(enough))["users"]} >= {0}
    infeasible(client, cell(0.999 * enough))


def test_no_uplink_mends_a_server_that_is_too_small(client: httpx.Client) -> None:
    """Without a number there is none: neither a least amount nor a bound on it."""
    server = a_server(capacity_flop_per_s=1.0e10)
    reasons = infeasible(client, a_cell(*a_crowd(4), server=server, bandwidth_hz=1e9))
    assert reasons["proven"]
    assert reasons["least_total_bandwidth_hz"] is None
    assert reasons["proven_at_least"]["bandwidth_hz"] is None
    infeasible(client, a_cell(*a_crowd(4), server=server, bandwidth_hz=1e15))
    enough = reasons["least_server_flop_per_s"]
    solved(
        client, a_cell(*a_crowd(4), server=a_server(capacity_flop_per_s=enough), bandwidth_hz=1e9)
    )

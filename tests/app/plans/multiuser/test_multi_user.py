"""Joint plans over HTTP: every way to ask for one, and its numbers by hand."""

import math
from typing import Any

import httpx
import numpy as np
import pytest

from app.plans.documents import Estimate
from app.plans.multiuser.answers import MultiUserPlan, MultiUserResult
from client.edge import RateTable
from solvers.multiuser.problem import Method, Problem, Workloads
from solvers.outcome import Options
from solvers.registry import answer
from tests.support.builders import Body, a_channel, a_device, a_model, a_server, a_timing
from tests.support.multiuser.requests import (
    CLOCK_HZ,
    CROSSING_BIT,
    DEVICE_S,
    MULTI_USER,
    SERVER_S,
    a_cell,
    a_quantised_model,
    a_stored_user,
    a_user,
    only,
    planned,
    solved,
)
from tests.support.robust.requests import assert_nothing_stored, store_profiles


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


@pytest.mark.slow
def test_names_revisions_and_bodies_mean_the_same(client: httpx.Client) -> None:
    store_profiles(client)
    by_name = a_cell(a_stored_user(), channel="cell", server="edge-gpu")
    numbered = a_cell(
        a_stored_user(device="camera-cpu@1", model="small-net@1"),
        channel="cell@1",
        server="edge-gpu@1",
    )
    assert solved(client, a_cell()) == solved(client, by_name) == solved(client, numbered)


def test_a_plan_is_found_again_as_it_was_answered(client: httpx.Client) -> None:
    created = client.post(MULTI_USER, json=a_mixed_cell(name="lobby"))
    document = created.json()
    MultiUserPlan.model_validate_json(created.content)
    assert client.get(created.headers["location"]).content == created.content
    assert client.get("/v1/plans/current", params={"name": "lobby"}).json() == document
    (listed,) = client.get("/v1/plans", params={"kind": "multi-user"}).json()["items"]
    assert listed["id"] == document["id"]
    user = client.get(f"/v1/plans/{document['id']}/users/far")
    assert user.json() == document["result"]["users"][1]
    MultiUserResult.model_validate_json(user.content)
    again = client.get(
        f"/v1/plans/{document['id']}/users/far", headers={"If-None-Match": user.headers["etag"]}
    )
    assert again.status_code == 304


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


def test_objective_is_the_solvers_own(client: httpx.Client) -> None:
    """The same cell, put together by hand."""
    result = solved(
        client, a_cell(*(a_user(id=str(n), weight=1.0 + n) for n in range(3)), bandwidth_hz=4.0e6)
    )
    work = Workloads(
        first=np.array([0, 4]),
        cut=np.arange(4),
        bits=np.full(4, 32),
        device_s=np.array(DEVICE_S),
        crossing_bit=np.array(CROSSING_BIT),
        server_s=np.array(SERVER_S),
        loss=np.zeros(4),
    )
    problem = Problem(
        bandwidth_hz=4.0e6,
        server_flop_per_s=4.0e12,
        latency_weight_per_s=1.0,
        loss_weight=0.0,
        workloads=work,
        workload=np.zeros(3, dtype=np.int64),
        spectral_efficiency=np.full(3, 4.0),
        weight=np.array([1.0, 2.0, 3.0]),
        deadline_s=np.full(3, np.inf),
        max_loss=np.ones(3),
    )
    solution, _ = answer(problem, Options())
    certificate = result["certificate"]
    assert result["objective"]["cost"] == solution.objective
    assert certificate["lower_bound"] == solution.lower_bound
    assert certificate["status"] == "optimal"
    assert certificate["holds"]
    assert certificate["gap"] <= 1e-6
    assert (certificate["bandwidth_price"], certificate["server_price"]) == (
        solution.prices["bandwidth_per_hz"],
        solution.prices["server_per_flop_per_s"],
    )


def test_shares_follow_the_square_roots_of_the_weights(client: httpx.Client) -> None:
    light, heavy = a_user(id="light"), a_user(id="heavy", weight=4.0)
    result = solved(client, a_cell(light, heavy, options={"method": "edge_only"}))
    for budget in ("bandwidth_share", "server_share"):
        assert [user[budget] for user in result["users"]] == pytest.approx([1 / 3, 2 / 3])
    assert result["utilisation"] == {
        "bandwidth_hz": pytest.approx(1e7),
        "bandwidth_share": pytest.approx(1.0),
        "server_flop_per_s": pytest.approx(4e12),
        "server_share": pytest.approx(1.0),
    }
    assert result["cut_counts"] == {"small-net/input": 2}


def test_prices_are_what_one_more_is_worth(client: httpx.Client) -> None:
    def cost(bandwidth_hz: float, capacity: float) -> float:
        cell = a_cell(
            a_user(server_timing=None),
            bandwidth_hz=bandwidth_hz,
            server=a_server(capacity_flop_per_s=capacity),
            options={"method": "edge_only"},
        )
        return float(solved(client, cell)["objective"]["cost"])

    certificate = solved(
        client, a_cell(a_user(server_timing=None), options={"method": "edge_only"})
    )["certificate"]
    hertz = (cost(1e7 * 0.999, 4e12) - cost(1e7 * 1.001, 4e12)) / (0.002 * 1e7)
    flops = (cost(1e7, 4e12 * 0.999) - cost(1e7, 4e12 * 1.001)) / (0.002 * 4e12)
    assert certificate["bandwidth_price"] == pytest.approx(hertz, rel=1e-4)
    assert certificate["server_price"] == pytest.approx(flops, rel=1e-4)


@pytest.mark.slow
def test_distance_snr_and_efficiency_mean_the_same(client: httpx.Client) -> None:
    distance_m = 120.0
    gain_db = -(15.3 + 37.6 * math.log10(distance_m))
    snr_db = gain_db + 10.0 * math.log10(0.2) - (-174.0 - 30.0 + 70.0)  # 0.2 W over 10 MHz
    efficiency = math.log2(1.0 + 10.0 ** (snr_db / 10.0))
    by_distance = a_user(spectral_efficiency_bps_per_hz=None, distance_m=distance_m)
    for bandwidth_hz in (
        1.0e7,
        2.0e6,
    ):  # an uplink of which a part is shared has the same efficiency
        costs = [
            solved(client, a_cell(user, bandwidth_hz=bandwidth_hz))["objective"]["cost"]
            for user in (
                by_distance,
                a_user(spectral_efficiency_bps_per_hz=None, snr_db=snr_db),
                a_user(spectral_efficiency_bps_per_hz=efficiency),
            )
        ]
        assert costs[1:] == pytest.approx(costs[:1] * 2)
    rate = only(solved(client, a_cell(by_distance, options={"method": "edge_only"})))["rate_bps"]
    assert rate == pytest.approx(1.0e7 * efficiency)


def test_a_server_without_timing_works_at_its_share_of_the_capacity(client: httpx.Client) -> None:
    users = [a_user(id=name, server_timing=None) for name in "ab"]
    document = planned(client, a_cell(*users, options={"method": "edge_only"}))
    assert [warning["field"] for warning in document["warnings"]] == ["/users/0/server_timing"]
    assert document["provenance"]["weakest"] == "analytic"
    for user in document["result"]["users"]:
        assert user["latency"]["server_s"] == pytest.approx(200e6 / user["server_flop_per_s"])


def test_without_a_table_features_go_in_full_precision(client: httpx.Client) -> None:
    result = solved(client, a_cell(weights={"latency_per_s": 1.0, "loss": 0.0}, bandwidth_hz=1.0e5))
    assert only(result)["loss"] == 0.0
    rows = only(solved(client, a_cell()))["table"]["rows"]
    assert {(row["cut"], row["bits"]) for row in rows} <= {
        (0, 8),
        (1, 32),
        (2, 32),
        (3, 32),
    }  # the input is a picture


def test_quantisation_saves_time_and_respects_the_loss_limit(client: httpx.Client) -> None:
    narrow: dict[str, Any] = {"bandwidth_hz": 2.0e6}
    free = only(solved(client, a_cell(a_user(model=a_quantised_model()), **narrow)))
    assert free["bits"] == 4
    elements = a_quantised_model()["cuts"][free["cut"]]["feature_elements"]
    assert free["latency"]["uplink_s"] == pytest.approx(4 * elements / free["rate_bps"])
    limited = only(
        solved(client, a_cell(a_user(model=a_quantised_model(), max_loss=0.0041), **narrow))
    )
    assert limited["bits"] == 8
    lossless = only(
        solved(client, a_cell(a_user(model=a_quantised_model(), max_loss=0.0), **narrow))
    )
    assert lossless["loss"] == 0.0
    assert lossless["cost"] >= limited["cost"] >= free["cost"]
    dear = only(
        solved(
            client,
            a_cell(
                a_user(model=a_quantised_model()),
                weights={"latency_per_s": 1.0, "loss": 1e6},
                **narrow,
            ),
        )
    )
    assert dear["loss"] == 0.0


def test_elements_that_nobody_counted_have_32_bits(client: httpx.Client) -> None:
    counted, uncounted = a_quantised_model(), a_quantised_model()
    for cut in uncounted["cuts"][1:]:
        cut.pop("feature_elements", None)
    documents = [
        planned(client, a_cell(a_user(model=model), bandwidth_hz=2e6))
        for model in (counted, uncounted)
    ]
    assert documents[0]["result"]["objective"] == documents[1]["result"]["objective"]
    assert "warnings" not in documents[0]
    (warning,) = documents[1]["warnings"]
    assert warning["field"] == "/users/0/model"
    assert "cut 1" in warning["message"]


def test_cuts_beyond_the_memory_are_left_out(client: httpx.Client) -> None:
    small = a_user(device=a_device(memory_byte=1_000_000), spectral_efficiency_bps_per_hz=1e-3)
    assert only(solved(client, a_cell(small)))["cut"] == 2  # 12 MB of fc do not fit
    assert only(solved(client, a_cell(a_user(spectral_efficiency_bps_per_hz=1e-3))))["cut"] == 3


@pytest.mark.parametrize("frequency_hz", [None, 5.0e8])
def test_the_clock_is_the_highest_unless_said(
    client: httpx.Client, frequency_hz: float | None
) -> None:
    user = only(
        solved(client, a_cell(a_user(frequency_hz=frequency_hz), options={"method": "device_only"}))
    )
    clock = frequency_hz or CLOCK_HZ
    assert user["frequency_hz"] == clock
    assert user["latency"]["device_s"] == pytest.approx(200e6 / 3.8 / clock + 0.002)


def test_measured_clocks_count_as_measured(client: httpx.Client) -> None:
    levels = [(4.0e8, 0.2), (8.0e8, 0.11)]
    cuts = [
        {
            "levels": [
                {"frequency_hz": hz, "mean_s": share * mean_s, "variance_s2": 0.0}
                for hz, mean_s in levels
            ]
        }
        for share in (0.0, 0.3, 0.9, 1.0)
    ]
    device = a_device(frequency_levels_hz=[4.0e8, 8.0e8])
    for frequency_hz, mean_s in ((None, 0.11), (4.0e8, 0.2)):
        camera = a_user(device=device, device_timing=a_timing(cuts=cuts), frequency_hz=frequency_hz)
        user = only(solved(client, a_cell(camera, options={"method": "device_only"})))
        assert user["latency"]["mean_s"] == mean_s


@pytest.mark.parametrize(
    "method", [method.value for method in Method if method is not Method.EXACT]
)
def test_simpler_rules_prove_nothing_and_win_nothing(client: httpx.Client, method: str) -> None:
    unlimited = a_mixed_cell()
    for user in unlimited["users"]:
        user.pop("deadline_s", None)
        user.pop("max_loss", None)
    best = solved(client, unlimited)
    document = planned(client, unlimited | {"options": {"method": method}})
    assert document["options"]["method"] == method
    result = document["result"]
    assert result["certificate"]["status"] == "feasible"
    assert result["certificate"]["lower_bound"] is None
    assert result["certificate"]["gap"] is None
    assert result["certificate"]["holds"]
    assert result["objective"]["cost"] >= best["certificate"]["lower_bound"]
    assert result["objective"] == {
        name: pytest.approx(value)
        for name, value in best["baselines"][method].items()
        if name != "feasible"
    }


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


def test_a_dry_run_stores_nothing(client: httpx.Client) -> None:
    answered = client.post(MULTI_USER, params={"dry_run": True}, json=a_mixed_cell())
    assert answered.status_code == 200
    estimate = Estimate.model_validate_json(answered.content)
    assert (estimate.kind, estimate.users, estimate.options) == ("multi-user", 4, 4 * 8)
    assert_nothing_stored(client)


def test_out_of_time_with_a_plan(client: httpx.Client) -> None:
    users = [
        a_user(id=str(n), spectral_efficiency_bps_per_hz=0.5 + 0.37 * (n % 11)) for n in range(40)
    ]
    document = planned(client, a_cell(*users, options={"time_limit_s": 1e-9, "gap": 1e-9}))
    assert document["status"] == "timed_out"
    certificate = document["result"]["certificate"]
    assert certificate["status"] == "feasible"
    assert certificate["holds"]
    assert certificate["lower_bound"] <= document["result"]["objective"]["cost"]


@pytest.mark.slow
def test_many_users_have_an_address_of_their_own(client: httpx.Client) -> None:
    store_profiles(client)
    users = [
        a_stored_user(
            id=f"u{n}",
            spectral_efficiency_bps_per_hz=0.5 + n % 7,
            deadline_s=0.06 if n % 2 else None,
        )
        for n in range(2500)
    ]
    cell = a_cell(*users, channel="cell", server="edge-gpu", bandwidth_hz=2.5e9)
    document = planned(client, cell)
    result = document["result"]
    assert document["status"] == "solved"
    assert "users" not in result
    assert sum(result["cut_counts"].values()) == document["users_count"] == 2500
    cost, ids, cursor = 0.0, [], None
    while True:
        page = client.get(
            result["users_url"], params={"limit": 1000, **({"cursor": cursor} if cursor else {})}
        ).json()
        for user in page["items"]:
            cost += user["cost"]
            ids.append(user["id"])
        cursor = page["next_cursor"]
        if cursor is None:
            break
    MultiUserResult.model_validate(page["items"][-1])
    assert ids == [user["id"] for user in users]
    assert cost == pytest.approx(result["objective"]["cost"])


def test_a_mean_below_what_can_be_decoded_is_doubted(client: httpx.Client) -> None:
    document = planned(
        client,
        a_cell(
            a_user(id="a", spectral_efficiency_bps_per_hz=None, snr_db=3.0),
            a_user(id="b", deadline_s=180.0),
            a_user(id="c", spectral_efficiency_bps_per_hz=100.0),
            channel=a_channel(min_snr_db=5.0),
            bandwidth_hz=10.0,
            server=a_server(capacity_flop_per_s=4.0),
        ),
    )
    assert {warning["field"] for warning in document["warnings"]} == {
        "/users/0/snr_db",
        "/users/1/deadline_s",
        "/users/2/spectral_efficiency_bps_per_hz",
        "/bandwidth_hz",
        "/server/capacity_flop_per_s",
    }


def test_a_timing_that_is_stored_is_found(client: httpx.Client) -> None:
    store_profiles(client)
    document = planned(client, a_cell(a_user(device_timing=None, server_timing=None)))
    assert "warnings" not in document
    assert ("timing", "edge-gpu.small-net@1") in {
        (entry["kind"], entry["ref"]) for entry in document["provenance"]["profiles"]
    }


def test_the_last_cut_may_send_its_result(client: httpx.Client) -> None:
    cuts = a_model()["cuts"]
    cuts[-1]["feature_byte"] = 4000
    channel = a_channel(rtt_mean_s=0.01)
    user = only(
        solved(
            client,
            a_cell(
                a_user(model=a_model(cuts=cuts), spectral_efficiency_bps_per_hz=0.05),
                channel=channel,
            ),
        )
    )
    assert user["cut"] == 3
    assert user["latency"]["network_s"] == 0.01
    assert user["latency"]["uplink_s"] == pytest.approx(32_000 / user["rate_bps"])

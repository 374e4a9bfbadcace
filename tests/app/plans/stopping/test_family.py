"""Stopping plans that exist: every way to ask for one, and how it is answered."""

from itertools import pairwise
from typing import Any

import httpx
import pytest

from app.plans.documents import Estimate, PlanUserPage
from tests.support.answers import unnamed
from tests.support.builders import a_device, a_model
from tests.support.stopping.requests import (
    CHAIN,
    EVERY_FADING,
    RATES_BPS,
    STOPPING,
    a_fleet,
    a_radio,
    a_robot,
    a_stored_robot,
    first,
    plan,
    solved,
    store_profiles,
)

pytestmark = pytest.mark.either


def test_names_revisions_and_bodies_mean_the_same(client: httpx.Client) -> None:
    store_profiles(client)
    by_name = solved(client, a_fleet(a_stored_robot(), channel="cell", server="edge-gpu"))
    by_number = solved(
        client,
        a_fleet(a_stored_robot(device="camera-cpu@1"), channel="cell@1", server="edge-gpu@1"),
    )
    assert unnamed(solved(client, a_fleet())) == unnamed(by_name)
    assert by_name == by_number


def test_what_is_read_is_what_was_answered(client: httpx.Client) -> None:
    answer = plan(client, a_fleet(name="robots"))
    assert client.get(f"/v1/plans/{answer['id']}").json() == answer
    assert client.get("/v1/plans/current", params={"name": "robots"}).json() == answer
    assert (
        client.get("/v1/plans", params={"kind": "stopping"}).json()["items"][0]["id"]
        == answer["id"]
    )
    user = client.get(f"/v1/plans/{answer['id']}/users/robot")
    assert user.json() == answer["result"]["users"][0]
    again = client.get(
        f"/v1/plans/{answer['id']}/users/robot", headers={"If-None-Match": user.headers["etag"]}
    )
    assert again.status_code == 304
    assert answer["options"] == {
        "rule": "backward_induction",
        "nodes": 256,
        "waiting": "in_outage",
        "energy": "waiting",
        "clairvoyant": True,
        "time_limit_s": 60.0,
    }
    assert answer["provenance"]["weakest"] == "analytic"
    assert {entry["kind"] for entry in answer["provenance"]["profiles"]} == {
        "channel",
        "server",
        "device",
        "model",
        "timing",
    }


def test_a_dry_run_stores_nothing(client: httpx.Client) -> None:
    answer = client.post(STOPPING, params={"dry_run": True}, json=a_fleet())
    assert answer.status_code == 200
    estimate = Estimate.model_validate_json(answer.content)
    assert (estimate.kind, estimate.users, estimate.options) == ("stopping", 1, 4)
    assert client.get("/v1/plans").json()["items"] == []


@pytest.mark.parametrize("waiting", ["in_outage", "always"])
@pytest.mark.parametrize("rule", ["backward_induction", "one_stage_look_ahead"])
@pytest.mark.parametrize("kind", EVERY_FADING)
def test_every_channel_is_planned_on(
    client: httpx.Client, kind: str, rule: str, waiting: str
) -> None:
    fading = EVERY_FADING[kind]
    by_rates = fading is not None and ("rate_bps" in fading or fading["kind"] == "markov")
    robot = a_robot(mean_snr_db=None if by_rates else 15.0)
    options = {"rule": rule, "waiting": waiting}
    result = solved(client, a_fleet(robot, channel=a_radio(fading=fading), options=options))
    user, certificate = result["users"][0], result["certificate"]
    rows, placement = user["table"]["rows"], user["placement"]
    assert [row["cut"] for row in rows] == list(range(placement + 1))
    assert sum(row["stop_probability"] for row in rows) == pytest.approx(1.0)
    for row in rows:
        known = {"rate_bps", "snr_db", "gain_db"} & row.keys()
        assert known == (
            set() if row["offload"] != "threshold" else {"rate_bps"} if by_rates else known
        )
        assert ("stop_states" in row) == (fading is not None and fading["kind"] == "markov")
        assert ("below" in row) == (waiting == "always")
    totals = [point["total_cost"] for point in user["curve"]]
    assert user["total_cost"] == pytest.approx(min(totals)) == pytest.approx(totals[placement])
    assert certificate["lower_bound"] <= user["total_cost"] * (1 + 1e-9)
    if rule == "backward_induction":
        assert certificate["status"] == "optimal"
        neighbours = [
            user["look_ahead"],
            *(user["baselines"][n] for n in ("device_only", "edge_only", "best_fixed")),
        ]
        assert all(one["total_cost"] >= user["total_cost"] * (1 - 1e-9) for one in neighbours)
    assert user["baselines"]["clairvoyant"]["cost"] <= user["expected"]["cost"] * (1 + 1e-9)


def test_a_look_ahead_plan_is_as_dear_as_the_optimum_says_it_is(client: httpx.Client) -> None:
    best = first(client, a_fleet())["look_ahead"]
    rule = first(client, a_fleet(options={"rule": "one_stage_look_ahead"}))
    assert rule["total_cost"] == pytest.approx(best["total_cost"])
    assert rule["look_ahead"]["dearer_by"] == pytest.approx(best["dearer_by"])
    assert rule["placement"] == best["placement"]


def test_mean_snr_gain_and_distance_mean_the_same(client: httpx.Client) -> None:
    # 10 MHz of -174 dBm/Hz are -104 dBm; 0.2 W are 23.0103 dBm.
    distance_m = 200.0
    by_distance = first(client, a_fleet(a_robot(mean_snr_db=None, distance_m=distance_m)))
    gain_db = -(15.3 + 37.6 * 2.3010299956639813)
    by_gain = first(client, a_fleet(a_robot(mean_snr_db=None, gain_db=gain_db)))
    by_snr = first(client, a_fleet(a_robot(mean_snr_db=gain_db + 23.010299956639813 + 104.0)))
    assert by_distance["mean_snr_db"] == pytest.approx(by_snr["mean_snr_db"])
    assert (
        by_gain["total_cost"]
        == pytest.approx(by_snr["total_cost"])
        == pytest.approx(by_distance["total_cost"])
    )


def test_a_trace_of_snr_is_taken_relative_to_its_mean(client: httpx.Client) -> None:
    steady = first(client, a_fleet(channel=a_radio(fading={"kind": "none"})))
    one = first(client, a_fleet(channel=a_radio(fading={"kind": "trace", "snr_db": [3.0, 3.0]})))
    assert one["total_cost"] == pytest.approx(steady["total_cost"])


def test_a_chain_without_memory_is_a_trace(client: httpx.Client) -> None:
    count = len(RATES_BPS)
    robot = a_robot(mean_snr_db=None)
    chain = {"kind": "markov", "rate_bps": RATES_BPS, "transition": [[1.0 / count] * count] * count}
    by_chain = first(client, a_fleet(robot, channel=a_radio(fading=chain)))
    by_trace = first(
        client, a_fleet(robot, channel=a_radio(fading={"kind": "trace", "rate_bps": RATES_BPS}))
    )
    assert by_chain["total_cost"] == pytest.approx(by_trace["total_cost"])
    assert by_chain["placement"] == by_trace["placement"]


def test_a_chain_says_the_rates_of_its_states(client: httpx.Client) -> None:
    table = first(client, a_fleet(a_robot(mean_snr_db=None), channel=a_radio(fading=CHAIN)))[
        "table"
    ]
    assert table["state_rate_bps"] == CHAIN["rate_bps"]
    assert all(set(row["stop_states"]) <= {1, 2} for row in table["rows"])


def test_waiting_at_any_time_never_costs_more(client: httpx.Client) -> None:
    tight = first(client, a_fleet())["total_cost"]
    free = first(client, a_fleet(options={"waiting": "always"}))["total_cost"]
    assert free <= tight * (1 + 1e-9)


def test_a_placement_that_is_asked_for(client: httpx.Client) -> None:
    curve = first(client, a_fleet())["curve"]
    for placement, point in enumerate(curve):
        user = first(client, a_fleet(options={"placement": placement}))
        assert user["placement"] == placement
        assert user["total_cost"] == pytest.approx(point["total_cost"])


def test_more_memory_and_more_inferences_never_cost_more(client: httpx.Client) -> None:
    def cost(memory_byte: int, inferences: float) -> float:
        robot = a_robot(device=a_device(memory_byte=memory_byte, idle_power_w=0.05, rx_power_w=0.3))
        return float(first(client, a_fleet(robot, inferences_per_update=inferences))["total_cost"])

    by_memory = [cost(memory_byte, 1e4) for memory_byte in (1000, 50_000, 1_000_000, 20_000_000)]
    by_inferences = [cost(20_000_000, inferences) for inferences in (1, 100, 1e4, 1e8)]
    for costs in (by_memory, by_inferences):
        assert all(later <= earlier * (1 + 1e-12) for earlier, later in pairwise(costs))
        assert costs[-1] < costs[0]


def test_placements_beyond_the_memory_are_named(client: httpx.Client) -> None:
    robot = a_robot(device=a_device(memory_byte=500_000))
    user = first(client, a_fleet(robot, inferences_per_update=1e9))
    assert user["beyond_memory"] == ["conv2", "fc"]
    assert [point["fits_memory"] for point in user["curve"]] == [True, True, False, False]
    assert user["placement"] <= 1
    assert user["placement_byte"] <= 500_000
    device_only = user["baselines"]["device_only"]
    assert (device_only["feasible"], device_only["cost"], device_only["total_cost"]) == (
        False,
        None,
        None,
    )


def test_the_fleet_is_the_sum_of_its_users(client: httpx.Client) -> None:
    robots = [
        a_robot(id=f"robot-{n}", mean_snr_db=snr_db)
        for n, snr_db in enumerate((25.0, 5.0, -5.0, 15.0))
    ]
    result = solved(client, a_fleet(*robots))
    alone = [first(client, a_fleet(robot)) for robot in robots]
    assert [user["id"] for user in result["users"]] == [robot["id"] for robot in robots]
    for together, single in zip(result["users"], alone, strict=True):
        assert together["total_cost"] == pytest.approx(single["total_cost"], rel=1e-7)
        assert together["placement"] == single["placement"]
    objective = result["objective"]
    assert objective["cost"] == pytest.approx(sum(user["total_cost"] for user in result["users"]))
    assert objective["cost"] == pytest.approx(
        objective["running_cost"] + objective["placement_cost"]
    )
    assert sum(result["placement_counts"].values()) == 4
    for name, total in result["baselines"].items():
        own = [
            user["look_ahead"] if name == "look_ahead" else user["baselines"][name]
            for user in result["users"]
        ]
        assert total["cost"] == pytest.approx(sum(one["total_cost"] for one in own))


def test_the_clairvoyant_may_be_left_out(client: httpx.Client) -> None:
    result = solved(client, a_fleet(options={"clairvoyant": False}))
    assert result["users"][0]["baselines"]["clairvoyant"] is None
    assert result["baselines"]["clairvoyant"]["cost"] is None


def test_time_may_run_out(client: httpx.Client) -> None:
    document = plan(client, a_fleet(options={"time_limit_s": 1e-9}))
    assert document["status"] == "timed_out"
    certificate = document["result"]["certificate"]
    assert (certificate["status"], certificate["lower_bound"], certificate["gap"]) == (
        "feasible",
        None,
        None,
    )
    rule = first(client, a_fleet(options={"rule": "one_stage_look_ahead"}))
    assert document["result"]["objective"]["cost"] == pytest.approx(rule["total_cost"])


@pytest.mark.slow
def test_many_users_have_pages_of_their_own(client: httpx.Client) -> None:
    store_profiles(client)
    robots = [a_stored_robot(id=f"robot-{n}", mean_snr_db=30.0 * n / 1200) for n in range(1200)]
    document = plan(client, a_fleet(*robots, channel="cell", server="edge-gpu"))
    result = document["result"]
    assert "users" not in result
    assert document["options"]["clairvoyant"] is False
    users: list[Any] = []
    asked: dict[str, Any] = {"limit": 1000}
    while asked:
        page = client.get(result["users_url"], params=asked).json()
        PlanUserPage.model_validate(page)
        users += page["items"]
        asked = {"cursor": page["next_cursor"]} if page["next_cursor"] else {}
    assert len(users) == 1200
    assert client.get(f"{result['users_url']}/robot-7").json() == users[7]
    assert sum(result["placement_counts"].values()) == 1200


def test_a_placement_asked_for_must_fit(client: httpx.Client) -> None:
    tight = a_robot(id="tight", device=a_device(memory_byte=500_000))
    document = plan(client, a_fleet(a_robot(), tight, options={"placement": 2}))
    assert (document["status"], document["result"]) == ("infeasible", None)
    assert document["infeasible"]["users"] == [
        {"id": "tight", "reason": "memory", "placement": 2, "short_by_byte": 400_000.0}
    ]
    assert client.get(f"/v1/plans/{document['id']}").json() == document


def test_without_a_channel_all_must_fit_the_device(client: httpx.Client) -> None:
    lost = {"mean_snr_db": -60.0}
    user = first(client, a_fleet(a_robot(**lost)))
    assert user["placement"] == 3
    assert user["baselines"]["edge_only"]["cost"] is None
    small = a_robot(id="small", device=a_device(memory_byte=11_000_000), **lost)
    document = plan(client, a_fleet(a_robot(), small))
    assert document["infeasible"]["users"] == [
        {"id": "small", "reason": "outage", "placement": 3, "short_by_byte": 1_000_000.0}
    ]


def test_a_network_that_sends_its_result(client: httpx.Client) -> None:
    model = a_model()
    model["cuts"][-1]["feature_byte"] = 4000
    user = first(client, a_fleet(a_robot(model=model), options={"placement": 3}))
    assert user["table"]["rows"][-1]["offload"] == "always"
    assert user["table"]["rows"][-1]["in_outage"] == "wait"

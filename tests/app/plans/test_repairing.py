"""Repairs at the caller's prices: each gives the request a plan, and costs what is told."""

from typing import Any

import httpx
import pytest

from tests.support.builders import Body, a_server
from tests.support.multiuser import requests as multiuser
from tests.support.robust.requests import a_cell, a_user, plan, pointers, refusal
from tests.support.stopping import requests as stopping

pytestmark = pytest.mark.either

PRICES = {"drop": 1.0, "deadline_per_s": 20.0, "risk": 30.0, "bandwidth_per_hz": 1e-5}


def crowded(**fields: Any) -> Body:
    """Six cameras who need several times the uplink that there is."""
    users = [a_user(id=str(n), gain_db=-100.0 - n, deadline_s=0.05) for n in range(6)]
    return a_cell(*users, **{"bandwidth_hz": 6e6} | fields)


def repaired(client: httpx.Client, document: Body, status: int = 200, **body: Any) -> Body:
    answer = client.post(f"/v1/plans/{document['id']}/repairs", json=body)
    assert answer.status_code == status, answer.text
    return dict(answer.json())


def assert_each_is_planned(client: httpx.Client, document: Body, found: Body) -> list[str]:
    """Send every patch: it is solved, to the same objective."""
    costs = [repair["cost"] for repair in found["repairs"]]
    assert costs == sorted(costs)
    for repair in found["repairs"]:
        assert repair["cost_at_least"] <= repair["cost"]
        if repair["patch"] is None:
            continue
        path = f"/v1/plans/{document['id']}/replan"
        again = client.post(path, json=repair["patch"]).json()
        assert again["status"] == "solved", repair
        for name, value in repair["objective"].items():
            assert again["result"]["objective"][name] == pytest.approx(value, rel=1e-5)
    return [repair["kind"] for repair in found["repairs"]]


def priced(request: Body, repair: Body, prices: Body) -> float:
    """What the changes of a repair cost."""
    cost = prices["drop"] * len(repair["users_dropped"])
    cost += (
        sum(c["deadline_s"] - c["before_s"] for c in repair["deadlines"])
        * (prices["deadline_per_s"])
    )
    cost += sum(c["risk"] - c["before"] for c in repair["risks"]) * prices["risk"]
    hertz = sum(c["bandwidth_hz"] - c["before_hz"] for c in repair["bandwidths"])
    return float(cost + hertz * prices["bandwidth_per_hz"])


def test_every_repair_gives_a_plan_and_costs_what_its_changes_cost(client: httpx.Client) -> None:
    request = crowded()
    document = plan(client, request)
    assert document["status"] == "infeasible"
    found = repaired(client, document, prices=PRICES)
    kinds = assert_each_is_planned(client, document, found)
    assert {"drop", "deadline", "bandwidth"} <= set(kinds)
    assert {one["kind"] for one in found["without"]} <= {"risk"}
    for repair in found["repairs"]:
        assert repair["cost"] == pytest.approx(priced(request, repair, PRICES), rel=1e-9)
    by_kind = {repair["kind"]: repair for repair in found["repairs"]}
    assert by_kind["drop"]["proof"] == by_kind["bandwidth"]["proof"] == "cheapest"
    least = document["infeasible"]["least_total_bandwidth_hz"]
    (uplink,) = by_kind["bandwidth"]["bandwidths"]
    assert uplink == {"before_hz": 6e6, "bandwidth_hz": least}
    stretched = (document["infeasible"]["together"]["deadline_factor"] - 1.0) * 6 * 0.05
    assert by_kind["deadline"]["cost"] <= 20.0 * stretched * (1.0 + 1e-9)
    assert client.get(f"/v1/plans/{document['id']}").json() == document


def test_who_has_to_stay_stays_and_what_has_no_price_stays(client: httpx.Client) -> None:
    document = plan(client, crowded())
    own = {"5": None, "0": 0.0}
    found = repaired(client, document, prices={"drop": 1.0, "users": own})
    (drop,) = found["repairs"]
    assert drop["kind"] == "drop"
    assert "5" not in drop["users_dropped"]
    assert "0" in drop["users_dropped"]
    assert drop["cost"] == len(drop["users_dropped"]) - 1
    everybody = {str(n): None for n in range(6)}
    found = repaired(client, document, prices={"drop": 1.0, "users": everybody})
    assert found["repairs"] == []
    assert [one["kind"] for one in found["without"]] == ["drop"]


def test_who_fails_alone_is_repaired_too(client: httpx.Client) -> None:
    document = plan(client, a_cell(a_user(deadline_s=0.03, gain_db=-120.0), bandwidth_hz=2e5))
    (failing,) = document["infeasible"]["users"]
    found = repaired(client, document, prices=PRICES)
    kinds = assert_each_is_planned(client, document, found)
    assert "drop" not in kinds, "nobody would be left"
    (later,) = next(one for one in found["repairs"] if one["kind"] == "deadline")["deadlines"]
    assert later["deadline_s"] == pytest.approx(failing["least_deadline_s"], rel=1e-9)


def test_cells_are_repaired_one_by_one(client: httpx.Client) -> None:
    users = [user | {"cell": "hall"} for user in crowded()["users"]]
    late = a_user(id="late", cell="roof", deadline_s=0.03, gain_db=-120.0)
    fine = [a_user(id="fine", cell="yard"), a_user(id="too", cell="roof")]
    cells = [{"id": "hall"}, {"id": "yard"}, {"id": "roof", "bandwidth_hz": 5e5}]
    document = plan(client, a_cell(*users, late, *fine, bandwidth_hz=6e6, cells=cells))
    assert len(document["infeasible"]["cells"]) == 2
    prices = PRICES | {"drop": 0.01, "users": {"late": None, "too": None}}
    found = repaired(client, document, prices=prices)
    kinds = assert_each_is_planned(client, document, found)
    assert {"deadline", "bandwidth", "mixed"} <= set(kinds)
    assert kinds[0] == "mixed"


def test_streams_beside_a_full_server(client: httpx.Client) -> None:
    users = [
        a_user(id=str(n), rate_hz=40.0, deadline_s=0.06, gain_db=-95.0, risk=0.2) for n in range(4)
    ]
    small = a_server(parallel=1, max_utilisation=0.01)
    document = plan(client, a_cell(*users, server=small, bandwidth_hz=1e7))
    assert document["status"] == "infeasible"
    prices = PRICES | {"server_per_inference": 5.0}
    found = repaired(client, document, prices=prices)
    kinds = assert_each_is_planned(client, document, found)
    assert "server" in kinds or "drop" in kinds
    for repair in found["repairs"]:
        if repair["kind"] == "server":
            parallel = repair["servers"][0]["parallel"]
            assert repair["cost"] == 5.0 * (parallel - 1)
            larger = a_server(parallel=parallel, max_utilisation=0.01)
            assert plan(client, a_cell(*users, server=larger, bandwidth_hz=1e7))["status"] == (
                "solved"
            )


def test_a_multi_user_cell(client: httpx.Client) -> None:
    body = multiuser.a_cell(*multiuser.a_crowd(4), bandwidth_hz=1.0e7)
    document = multiuser.planned(client, body)
    prices = {
        "drop": 1.0,
        "deadline_per_s": 10.0,
        "bandwidth_per_hz": 1e-7,
        "server_per_flop_per_s": 1e-12,
        "risk": 1.0,
    }
    found = repaired(client, document, prices=prices)
    assert {"drop", "deadline", "bandwidth"} <= set(assert_each_is_planned(client, document, found))
    assert {one["kind"] for one in found["without"]} >= {"risk"}


def test_a_stopping_fleet_without_whom_no_placement_serves(client: httpx.Client) -> None:
    robots = [stopping.a_robot(id="fine"), stopping.a_robot(id="full")]
    robots[1]["device"] = robots[1]["device"] | {"memory_byte": 1}
    body = stopping.a_fleet(*robots, options={"placement": 2})
    document = stopping.plan(client, body)
    assert document["status"] == "infeasible", document
    found = repaired(client, document, prices={"drop": 2.5})
    assert assert_each_is_planned(client, document, found) == ["drop"]
    assert (found["repairs"][0]["cost"], found["repairs"][0]["users_dropped"]) == (2.5, ["full"])


@pytest.mark.parametrize(
    ("prices", "pointer"),
    [
        ({}, "/prices"),
        ({"users": {}}, "/prices"),
        ({"drop": -1.0}, "/prices/drop"),
        ({"drop": "1"}, "/prices/drop"),
        ({"users": {"9": 1.0}}, "/prices/users/9"),
        ({"users": {"1": -1.0}}, "/prices/users/1"),
        ({"dropp": 1.0}, "/prices/dropp"),
    ],
)
def test_prices_that_mean_nothing_are_refused(
    client: httpx.Client, prices: Body, pointer: str
) -> None:
    document = plan(client, crowded())
    answer = client.post(f"/v1/plans/{document['id']}/repairs", json={"prices": prices})
    refusal(answer, 422, "invalid-request")
    assert pointers(answer) == [pointer]


def test_nan_is_no_price_and_a_plan_that_is_feasible_is_not_repaired(client: httpx.Client) -> None:
    document = plan(client, crowded())
    at = f"/v1/plans/{document['id']}/repairs"
    headers = {"Content-Type": "application/json"}
    nan = client.post(at, content=b'{"prices": {"drop": NaN}}', headers=headers)
    assert nan.status_code == 400
    solved = plan(client, a_cell())
    answer = client.post(f"/v1/plans/{solved['id']}/repairs", json={"prices": PRICES})
    assert "/replan" in refusal(answer, 409, "plan-not-infeasible")["detail"]
    assert client.post("/v1/plans/0/repairs", json={"prices": PRICES}).status_code == 404


def test_changes_for_nothing_cost_nothing(client: httpx.Client) -> None:
    document = plan(client, crowded())
    free = dict.fromkeys(PRICES, 0.0)
    found = repaired(client, document, prices=free)
    assert_each_is_planned(client, document, found)
    assert {repair["cost"] for repair in found["repairs"]} == {0.0}
    assert {repair["proof"] for repair in found["repairs"]} == {"cheapest"}

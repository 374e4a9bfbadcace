"""Explanations over HTTP: each cut, what would make it win, what the cell owes to a user."""

import math
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from app.explanations import anew, asked
from tests.support.answers import slug
from tests.support.background import submit_long
from tests.support.builders import Body, a_timing
from tests.support.bundles import PLANS, posted
from tests.support.multiuser import requests as shares
from tests.support.robust import requests as cells
from tests.support.robust.columns import as_table, planned

# Reading is the same whatever stores the plans, and plans of many users are read as they are sent.
pytestmark = pytest.mark.either


def explained(client: httpx.Client, plan: Body, user: str) -> Body:
    answer = client.get(f"/v1/plans/{plan['id']}/explain", params={"user": user})
    assert answer.status_code == 200, answer.text
    told = dict(answer.json())
    assert (told["plan"], told["kind"], told["user"]) == (plan["id"], plan["kind"], user)
    assert [cut["cut"] for cut in told["cuts"]] == list(range(len(told["cuts"])))
    (chosen,) = (cut for cut in told["cuts"] if cut["chosen"])
    assert chosen["feasible"]
    costs = [cut["price_cost"] for cut in told["cuts"] if cut["feasible"]]
    assert {cut["price_cost"] for cut in told["cuts"] if cut["wins"]} == {min(costs)}
    for cut in told["cuts"]:
        assert cut["feasible"] == (cut["price_cost"] is not None) == (cut["binding"] is None)
        assert cut["sentence"].startswith(cut["cut_name"])
        assert not (cut["wins"] and cut["wins_if"])
    owed = told["sensitivity"]["saved_without"]
    assert owed["at_most"] is None or owed["at_least"] <= owed["at_most"]
    return told


@pytest.mark.slow
@pytest.mark.parametrize("name", ["robust", "metered", "sampled", "stopping", "multi_user", "held"])
def test_users_of_every_family_are_explained(
    client: httpx.Client, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(anew, "_TIME_S", 0.1)  # the rest by the price
    if name == "held":
        patch = {"max_switches": 0, "weights": {"loss": 3.0}}
        parent = PLANS["multi_user"](client)
        plan = posted(client, f"/v1/plans/{parent['id']}/replan", patch)
    else:
        plan = PLANS[name](client)
    users = plan["result"]["users"]
    for entry in users[:: max(1, len(users) - 1)]:
        told = explained(client, plan, entry["id"])
        (chosen,) = (cut for cut in told["cuts"] if cut["chosen"])
        assert chosen["cut"] == entry.get("cut", entry.get("placement"))
        spent = told["sensitivity"]["spent"]
        if plan["kind"] == "stopping":
            assert spent == entry["total_cost"]
            assert chosen["price_cost"] == pytest.approx(spent, rel=1e-6)
            assert chosen["wins"]
        elif plan["kind"] == "multi-user":
            assert spent == entry["cost"]
        else:
            rate = entry.get("rate_hz", 1.0)
            assert spent == pytest.approx(rate * entry["energy_j"], rel=1e-8)


@pytest.mark.slow
def test_the_whole_cell_is_planned_anew_where_it_is_small(
    client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    cells.store_profiles(client)
    crowd = cells.a_crowd(6, deadline_s=0.1)
    plan = posted(client, cells.ROBUST, cells.a_stored_cell(*crowd, bandwidth_hz=1e7))
    objective = plan["result"]["objective"]["energy_j"]
    told = explained(client, plan, "camera-0")
    gone = posted(client, f"/v1/plans/{plan['id']}/replan", {"users": {"camera-0": None}})
    saved = objective - gone["result"]["objective"]["energy_j"]
    exact, slack = told["sensitivity"], 2e-6 * objective
    assert exact["proof"] == "solved"
    _holds(exact["saved_without"], saved, slack)
    for change in exact["deadlines"]:
        patch = {"users": {"camera-0": {"deadline_s": change["deadline_s"]}}}
        moved = posted(client, f"/v1/plans/{plan['id']}/replan", patch)
        _holds(change["change"], moved["result"]["objective"]["energy_j"] - objective, slack)
    assert all("cell_more" in cut for cut in told["cuts"] if cut["feasible"])

    monkeypatch.setattr(anew, "_USERS", 0)
    priced = explained(client, plan, "camera-0")
    assert priced["sensitivity"]["proof"] == "lagrangian"
    _holds(priced["sensitivity"]["saved_without"], saved, slack)
    for rough, fine in zip(priced["cuts"], told["cuts"], strict=True):
        if rough["feasible"] and fine["cell_more"]["at_most"] is not None:
            assert rough["cell_more"]["at_least"] <= fine["cell_more"]["at_most"] + slack

    monkeypatch.setattr(asked, "WHOLE", 1)
    alone = explained(client, plan, "camera-0")
    assert alone["sensitivity"]["proof"] == "none"
    assert alone["sensitivity"]["saved_without"]["at_most"] is None
    assert [cut["price_cost"] for cut in alone["cuts"]] == pytest.approx(
        [cut["price_cost"] for cut in told["cuts"]], rel=1e-9
    )


def _holds(interval: dict[str, Any], value: float, slack: float) -> None:
    high = math.inf if interval["at_most"] is None else interval["at_most"]
    assert interval["at_least"] - slack <= value <= high + slack


@pytest.mark.slow
def test_a_plan_in_columns_and_deleted_profiles(client: httpx.Client) -> None:
    cells.store_profiles(client)
    users = cells.a_crowd(1200, deadline_s=0.1)
    odd = users[1100]["id"] = "hall 5 & 6? #ü%2F"
    plan = planned(client, as_table(cells.a_stored_cell(*users, bandwidth_hz=1e9)))
    told = explained(client, plan, odd)
    assert told["sensitivity"]["proof"] == "lagrangian"
    assert client.delete(f"/v1/timings/{a_timing()['name']}").is_success
    assert client.delete("/v1/models/small-net").is_success
    assert explained(client, plan, odd) == told
    assert client.get(f"/v1/plans/{plan['id']}/explain?user={quote(odd)}").json() == told


def test_what_cannot_be_explained_says_why(client: httpx.Client) -> None:
    plan, adaptive = PLANS["robust"](client), PLANS["unservable"](client)
    at = f"/v1/plans/{plan['id']}/explain"
    answer = client.get(at, params={"user": "camera-99"})
    assert (answer.status_code, slug(answer)) == (404, "plan-user-not-found")
    assert "camera-99" in answer.json()["detail"]
    assert slug(client.get(at)) == "invalid-request"
    assert slug(client.get(at, params={"user": "x" * 129})) == "invalid-request"
    assert slug(client.get(f"/v1/plans/{'0' * 32}/explain?user=a")) == "plan-not-found"
    answer = client.get(f"/v1/plans/{adaptive['id']}/explain?user=a")
    assert (answer.status_code, slug(answer)) == (409, "nothing-to-explain")
    waiting = submit_long(client, 3)  # nobody works here
    assert slug(client.get(f"/v1/plans/{waiting}/explain?user=a")) == "plan-not-ended"
    tables = posted(
        client,
        shares.ADAPTIVE,
        shares.a_fleet(
            shares.a_stored_user(spectral_efficiency_bps_per_hz=None),
            channel="cell",
            server="edge-gpu",
        ),
    )
    assert slug(client.get(f"/v1/plans/{tables['id']}/explain?user=a")) == "nothing-to-explain"

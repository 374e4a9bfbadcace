"""Comparisons over HTTP: what differs, who changed, and why."""

import random
from typing import Any

import httpx
import pytest

from app.comparisons import difference, service, sides
from tests.support.answers import slug
from tests.support.background import submit_long
from tests.support.builders import Body, a_channel, a_timing
from tests.support.bundles import PLANS, posted
from tests.support.robust import requests as cells
from tests.support.robust.columns import as_table, planned


def compared(client: httpx.Client, before: Body, after: Body) -> Body:
    answer = client.get(f"/v1/plans/{before['id']}/compare/{after['id']}")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def replanned(client: httpx.Client, plan: Body, patch: Body) -> Body:
    return posted(client, f"/v1/plans/{plan['id']}/replan", patch)


def why(told: Body) -> dict[str, tuple[str, list[str]]]:
    return {user["id"]: (user["change"], user["because"]) for user in told["users"]}


def test_each_input_is_named_where_it_changed_somebody(client: httpx.Client) -> None:
    cells.store_profiles(client)
    before = posted(
        client,
        cells.ROBUST,
        cells.a_stored_cell(*cells.a_crowd(8, deadline_s=0.1), bandwidth_hz=1e7),
    )
    users = {
        "camera-0": {"deadline_s": 0.12},
        "camera-1": {"gain_db": -82.0},
        "camera-2": {"risk": 0.06, "tx_power_w": 0.4},
        "camera-3": None,
        "camera-4": {"rate_hz": None},
        "a%b ~ ü?&=": cells.a_stored_user(id="a%b ~ ü?&=", deadline_s=0.3),
    }
    after = replanned(client, before, {"users": users})
    told = compared(client, before, after)
    found = why(told)
    assert found["camera-0"][1] == ["deadline"]
    assert found["camera-1"][1] == ["channel"]
    assert found["camera-2"][1] == ["channel", "risk"]
    assert found["camera-3"] == ("left", [])
    assert found["a%b ~ ü?&="] == ("joined", [])
    assert found["camera-5"][1] == ["price"]
    assert told["users_compared"]["joined"] == told["users_compared"]["left"] == 1
    by_id = {user["id"]: user for user in told["users"]}
    assert by_id["camera-0"]["inputs"] == [{"field": "deadline_s", "before": 0.1, "after": 0.12}]
    assert "its deadline (deadline_s 0.1, then 0.12)" in by_id["camera-0"]["sentence"]
    of = {plan["id"]: {u["id"]: u for u in plan["result"]["users"]} for plan in (before, after)}
    for name, user in by_id.items():
        for side, plan in (("before", before), ("after", after)):
            entry = of[plan["id"]].get(name)
            assert (user[side] is None) == (entry is None)
            if entry is not None:
                assert user[side]["energy_j"] == entry["energy_j"]
                assert user[side]["latency_s"] == entry["latency"]["mean_s"]
    total = told["energy_j"]
    assert total["before"] == pytest.approx(before["result"]["objective"]["energy_j"])
    assert total["after"] == pytest.approx(after["result"]["objective"]["energy_j"])
    both = set(of[before["id"]]) & set(of[after["id"]])
    for which, plan in (("in_both_before", before), ("in_both_after", after)):
        spent = sum(of[plan["id"]][name]["energy_j"] for name in both)
        assert total[which] == pytest.approx(spent)
    assert told["terms"] == []
    same = compared(client, before, before)
    assert same["users"] == []
    assert same["users_compared"]["unchanged"] == 8


def test_terms_revisions_and_options_are_told_by_name(client: httpx.Client) -> None:
    cells.store_profiles(client)
    body = cells.a_stored_cell(*cells.a_crowd(8, deadline_s=0.1), bandwidth_hz=3e6)
    before = posted(client, cells.ROBUST, body)
    wider = posted(client, cells.ROBUST, body | {"bandwidth_hz": 1e7})
    told = compared(client, before, wider)
    assert told["terms"] == [{"field": "/bandwidth_hz", "before": 3e6, "after": 1e7}]
    assert {reason for _, because in why(told).values() for reason in because} == {"price"}
    timing = a_timing()
    answer = client.get(f"/v1/timings/{timing['name']}")
    tag = answer.headers["etag"]
    cuts = [cut | {"variance_s2": 2.0 * cut["variance_s2"]} for cut in timing["cuts"]]
    changed = client.put(
        f"/v1/timings/{timing['name']}", json=timing | {"cuts": cuts}, headers={"If-Match": tag}
    )
    assert changed.is_success, changed.text
    newer = posted(client, cells.ROBUST, body | {"options": {"margin": "gaussian"}})
    told = compared(client, before, newer)
    assert told["terms"] == [
        {"field": "/options/margin", "before": "cantelli", "after": "gaussian"}
    ]
    assert told["profiles"] == [
        {"kind": "timing", "name": timing["name"], "before": [1], "after": [2]}
    ]
    assert {tuple(because) for _, because in why(told).values()} == {("profile", "options")}
    assert any("gaussian" in said for said in told["summary"])
    channel = posted(client, cells.ROBUST, body | {"channel": a_channel(name="other")})
    told = compared(client, before, channel)
    assert {tuple(because) for _, because in why(told).values()} == {("channel", "profile")}
    assert client.delete(f"/v1/timings/{timing['name']}").is_success
    assert compared(client, before, channel) == told


@pytest.mark.parametrize("name", ["stopping", "multi_user", "adaptive", "metered", "infeasible"])
def test_every_kind_of_plan_has_a_comparison(client: httpx.Client, name: str) -> None:
    before = PLANS[name](client)
    request = client.get(f"/v1/plans/{before['id']}/request").json()
    first, *_ = request["users"]
    patch: dict[str, Any] = {"users": {first["id"]: {"deadline_s": 0.5}}}
    if name == "stopping":
        patch = {"users": {first["id"]: {"mean_snr_db": -3.0}}}
    after = replanned(client, before, patch)
    told = compared(client, before, after)
    entry = {user["id"]: user for user in told["users"]}.get(first["id"])
    assert entry is None or entry["because"] == ["channel" if name == "stopping" else "deadline"]
    if name == "infeasible":
        assert told["summary"][:2] == [
            "The first plan is infeasible: it has no result.",
            "The second plan is infeasible: it has no result.",
        ]
        assert told["energy_j"]["before"] is None
        solved = posted(client, cells.ROBUST, cells.a_stored_cell(*cells.a_crowd(3)))
        told = compared(client, before, solved)
        assert told["users_compared"]["gained"] == 3
        assert {user["after"]["model"] for user in told["users"]} == {"small-net@1"}
        assert compared(client, solved, before)["users_compared"]["lost"] == 3
    elif name != "adaptive":
        assert entry is not None
        assert told["summary"][0].startswith("Users: ")


@pytest.mark.slow
@pytest.mark.parametrize("spilt", [False, True])
def test_users_in_columns_are_told_in_pages(
    client: httpx.Client, monkeypatch: pytest.MonkeyPatch, *, spilt: bool
) -> None:
    """In any order of the fleet, and with the numbers on disk."""
    if spilt:
        monkeypatch.setattr(sides, "_IN_MEMORY", 100)
        monkeypatch.setattr(service, "_LOOKED_AT", 4096)
    cells.store_profiles(client)
    users = cells.a_crowd(5000, deadline_s=0.4)
    before = planned(client, as_table(cells.a_stored_cell(*users, bandwidth_hz=5e9)))
    later = [user | {"deadline_s": 0.35} if n % 1000 == 7 else user for n, user in enumerate(users)]
    later = [*later[3:], cells.a_stored_user(id="new", deadline_s=0.4)]
    random.Random(1).shuffle(later)
    after = planned(client, as_table(cells.a_stored_cell(*later, bandwidth_hz=5e9)))
    told = compared(client, before, after)
    assert "users" not in told
    counts = told["users_compared"]
    assert (counts["joined"], counts["left"]) == (1, 3)
    assert counts["because"]["deadline"] == 5
    assert sum(counts[name] for name in (*difference.CHANGES, "unchanged")) == 5001
    seen: list[Body] = []
    query: dict[str, Any] = {"limit": 700}
    while True:
        page = client.get(told["users_url"], params=query).json()
        seen += page["items"]
        assert len(page["items"]) <= 700
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]
    assert len(seen) == len({user["id"] for user in seen}) == 5001 - counts["unchanged"]
    assert [user["id"] for user in seen if "deadline" in user["because"]] == [
        user["id"] for user in later if user["deadline_s"] == 0.35
    ]
    assert [user["id"] for user in seen[-3:]] == ["camera-0", "camera-1", "camera-2"]
    joined = client.get(told["users_url"], params={"change": "joined"}).json()["items"]
    assert spilt or [user["id"] for user in joined] == ["new"]


def test_what_cannot_be_compared_says_why(client: httpx.Client) -> None:
    robust, stopping = PLANS["robust"](client), PLANS["metered"](client)
    waiting = submit_long(client, 3)  # nobody works here
    at = f"/v1/plans/{robust['id']}/compare"
    assert slug(client.get(f"{at}/{'0' * 32}")) == "plan-not-found"
    assert slug(client.get(f"{at}/{waiting}")) == "plan-not-ended"
    assert slug(client.get(f"{at}/{waiting}/users")) == "plan-not-ended"
    client.post(f"/v1/plans/{waiting}/cancel")
    answer = client.get(f"{at}/{waiting}")
    assert (answer.status_code, slug(answer)) == (409, "plans-not-comparable")
    assert slug(client.get(f"{at}/{stopping['id']}/users?cursor=x")) == "invalid-request"
    assert slug(client.get(f"{at}/{stopping['id']}/users?change=gone")) == "invalid-request"

"""Plans made from earlier ones: what is patched changes, what is not stays, and steadiness has its
price.
"""

import math
import random
from typing import Any

import httpx
import pytest
from pydantic import TypeAdapter
from sqlalchemy import update

from app.errors import InvalidRequest
from app.plans.replan import merged, patched
from app.plans.routes import AnyPlan
from app.plans.tables import PlanRow
from client.edge import RateTable
from tests.support.builders import Body, a_channel, a_model, a_timing
from tests.support.multiuser.requests import (
    ADAPTIVE,
    MULTI_USER,
    a_cell,
    a_fleet,
    a_quantised_model,
    a_rate_user,
    a_stored_user,
    a_user,
)
from tests.support.robust import requests as cells
from tests.support.robust.requests import assert_nothing_stored, pointers, refusal, store_profiles
from tests.support.servers import Service

STOPPING = "/v1/plans/stopping"
MERGE_PATCH = {"Content-Type": "application/merge-patch+json"}


def planned(client: httpx.Client, body: Body, path: str = MULTI_USER) -> dict[str, Any]:
    """A plan to start from."""
    answer = client.post(path, json=body)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def replanned(client: httpx.Client, parent: dict[str, Any], patch: Body) -> dict[str, Any]:
    """The new plan, which is the same when it is read again."""
    answer = client.post(f"/v1/plans/{parent['id']}/replan", json=patch)
    assert answer.status_code == 201, answer.text
    TypeAdapter(AnyPlan).validate_json(answer.content)  # refuses any field that is not documented
    document = dict(answer.json())
    assert answer.headers["location"] == f"/v1/plans/{document['id']}"
    assert client.get(answer.headers["location"]).content == answer.content
    assert document["parent"] == parent["id"]
    assert document["kind"] == parent["kind"]
    return document


def refused(client: httpx.Client, parent: dict[str, Any], patch: Any) -> list[str]:
    """Where a patch is at fault; nothing was stored."""
    before = len(client.get("/v1/plans").json()["items"])
    found = pointers(client.post(f"/v1/plans/{parent['id']}/replan", json=patch))
    assert len(client.get("/v1/plans").json()["items"]) == before
    return found


def options(document: dict[str, Any]) -> dict[str, tuple[int, int]]:
    """Cut and bits of every user."""
    return {user["id"]: (user["cut"], user["bits"]) for user in document["result"]["users"]}


def without_time(document: dict[str, Any]) -> dict[str, Any]:
    """What a plan says, but for what differs between two plans of one request; warnings name users
    by id or place.
    """
    changing = (
        "id",
        "created_at",
        "started_at",
        "finished_at",
        "provenance",
        "parent",
        "changed",
        "warnings",
    )
    return {name: value for name, value in document.items() if name not in changing}


def a_shared_cell(**fields: Any) -> Body:
    """Eight cameras that share one uplink: the better half send, the others compute."""
    users = [a_user(id=f"camera-{n}", spectral_efficiency_bps_per_hz=1.0 + n) for n in range(8)]
    return a_cell(*users, bandwidth_hz=5.0e7, **fields)


def a_parent(client: httpx.Client, kind: str) -> dict[str, Any]:
    """Two cameras and how each family plans them."""
    weights = {"time_per_s": 1.0, "energy_per_j": 0.1}
    two = [{"id": "a"}, {"id": "b"}]
    path, body = {
        "robust": (cells.ROBUST, cells.a_cell(*(cells.a_user(**user) for user in two))),
        "stopping": (
            STOPPING,
            cells.a_cell(
                *(cells.a_user(gain_db=-100.0, deadline_s=None, risk=None, **user) for user in two),
                weights=weights,
                channel=a_channel(min_snr_db=-5.0, coherence_time_s=0.05, downlink_bps=1.0e8),
                inferences_per_update=1e4,
            ),
        ),
        "multi-user": (MULTI_USER, a_cell(*(a_user(**user) for user in two))),
        "adaptive": (ADAPTIVE, a_fleet(*(a_rate_user(**user) for user in two))),
    }[kind]
    return planned(client, body, path)


NOTHING: Body = {"users_added": [], "users_removed": [], "users_changed": [], "fields": []}
KINDS = ("robust", "stopping", "multi-user", "adaptive")


@pytest.mark.parametrize("kind", KINDS)
def test_an_empty_patch_gives_the_same_plan(client: httpx.Client, kind: str) -> None:
    parent = a_parent(client, kind)
    assert "parent" not in parent
    again = replanned(client, parent, {})
    assert again["changed"] == NOTHING | {"switched": 0}
    assert without_time(again) == without_time(parent)
    assert replanned(client, again, {})["request_hash"] == parent["request_hash"]


@pytest.mark.parametrize("kind", KINDS)
def test_users_come_and_go(client: httpx.Client, kind: str) -> None:
    parent = a_parent(client, kind)
    new = cells.a_user(id=None, gain_db=None, deadline_s=None, risk=None)
    new |= {
        "robust": {"gain_db": -101.0, "deadline_s": 0.3, "risk": 0.1},
        "stopping": {"gain_db": -101.0},
        "multi-user": {"snr_db": 9.0},
        "adaptive": {},
    }[kind]
    later = replanned(
        client, parent, {"users": {"z": new, "a": None, "c": new | {"id": "c"}}, "name": "hall"}
    )
    assert [user["id"] for user in later["result"]["users"]] == ["b", "z", "c"]
    changed = later["changed"]
    assert (changed["users_added"], changed["users_removed"], changed["users_changed"]) == (
        ["z", "c"],
        ["a"],
        [],
    )
    assert changed["fields"] == ["name"]
    assert client.get("/v1/plans/current?name=hall").json() == later


@pytest.mark.slow
def test_one_deadline(client: httpx.Client) -> None:
    parent = planned(client, a_shared_cell())
    sending = [user for user in parent["result"]["users"] if user["bandwidth_hz"]]
    slowest = max(sending, key=lambda user: user["latency"]["mean_s"])
    deadline_s = 0.9 * slowest["latency"]["mean_s"]
    later = replanned(client, parent, {"users": {slowest["id"]: {"deadline_s": deadline_s}}})
    assert later["changed"]["users_changed"] == [slowest["id"]]
    users = {user["id"]: user for user in later["result"]["users"]}
    assert users[slowest["id"]]["latency"]["mean_s"] <= deadline_s * (1.0 + 1e-9)
    assert later["result"]["objective"]["cost"] > parent["result"]["objective"]["cost"]
    differing = sum(options(parent)[key] != option for key, option in options(later).items())
    assert later["changed"]["switched"] == differing
    assert list(users) == [user["id"] for user in parent["result"]["users"]]

    undone = replanned(client, later, {"users": {slowest["id"]: {"deadline_s": None}}})
    assert without_time(undone) == without_time(parent)


@pytest.mark.slow
def test_steadiness_and_its_price(client: httpx.Client) -> None:
    parent = planned(client, a_shared_cell())
    patch = {"bandwidth_hz": 3.0e6}
    free = replanned(client, parent, patch)
    assert "steadiness" not in free["result"]
    assert free["changed"]["switched"] >= 2

    costs = []
    for most in range(free["changed"]["switched"] + 1):
        held = replanned(client, parent, patch | {"max_switches": most})
        price = held["result"]["steadiness"]
        assert held["changed"] == NOTHING | {"fields": ["bandwidth_hz"], "max_switches": most} | {
            "switched": price["switches"]
        }
        assert price["switches"] <= most
        cost = held["result"]["objective"]["cost"]
        assert price["cost"] == pytest.approx(
            cost - free["result"]["objective"]["cost"], abs=1e-6 * cost
        )
        assert 0.0 <= price["cost"] <= price["cost_at_most"] + 1e-12
        assert price["free_switches"] == free["changed"]["switched"]
        costs.append(price["cost"])
        if most == 0:
            assert options(held) == options(parent)
    assert costs == sorted(costs, reverse=True)
    assert costs[0] > 0.0
    assert costs[-1] == pytest.approx(0.0, abs=1e-6 * free["result"]["objective"]["cost"])


def test_too_many_switches_are_needed(client: httpx.Client) -> None:
    body = a_shared_cell()
    parent = planned(client, body)
    sending = [user["id"] for user in parent["result"]["users"] if user["cut"] == 0]
    assert sending
    # At its least spectral efficiency nobody could send the input in time, but all on the device
    # takes 55 ms.
    weak = {key: {"spectral_efficiency_bps_per_hz": 0.01, "deadline_s": 0.06} for key in sending}
    later = replanned(client, parent, {"users": weak, "max_switches": 0})
    assert later["status"] == "infeasible"
    assert later["infeasible"]["least_switches"] == len(sending)
    assert later["changed"]["switched"] is None
    enough = replanned(client, parent, {"users": weak, "max_switches": len(sending)})
    assert enough["status"] == "solved"
    assert enough["result"]["steadiness"]["switches"] == len(sending)


def test_switches_are_counted_where_the_budgets_are_short(client: httpx.Client) -> None:
    """Everyone could stay if alone, but on half of the uplink not all may: some must, and the
    answer says how many.
    """
    parent = planned(client, a_shared_cell() | {"bandwidth_hz": 2.0e8})
    slowest = max(user["latency"]["mean_s"] for user in parent["result"]["users"])
    users = {
        user["id"]: {"deadline_s": max(1.05 * slowest, 0.056)} for user in parent["result"]["users"]
    }
    patch = {"users": users, "bandwidth_hz": 1.0e7}
    reasons = replanned(client, parent, patch | {"max_switches": 0})["infeasible"]
    least = reasons["least_switches"]
    assert reasons["proven"]
    assert reasons["users"] == []
    assert least == reasons["proven_at_least"]["switches"] > 0
    assert replanned(client, parent, patch | {"max_switches": least})["status"] == "solved"
    assert replanned(client, parent, patch | {"max_switches": least - 1})["status"] == "infeasible"


def test_no_number_of_switches_helps(client: httpx.Client) -> None:
    parent = planned(client, a_shared_cell())
    patch = {"users": {"camera-0": {"deadline_s": 1e-6}}, "max_switches": 3}
    reasons = replanned(client, parent, patch)["infeasible"]
    assert [user["id"] for user in reasons["users"]] == ["camera-0"]
    assert reasons["least_switches"] is None
    assert reasons["proven_at_least"]["switches"] is None


def test_a_limit_beyond_every_fleet_is_no_limit(client: httpx.Client) -> None:
    parent = planned(client, a_shared_cell())
    patch = {"bandwidth_hz": 3.0e6, "max_switches": 2**63 - 1}
    held = replanned(client, parent, patch)
    assert held["changed"]["max_switches"] == 2**63 - 1
    assert held["result"]["steadiness"]["cost"] == 0.0


def assert_tables_agree(document: dict[str, Any]) -> int:
    """A device that loads its table and asks at the planned rate does what the plan says; how many
    rows are pinned.
    """
    pinned = 0
    for user in document["result"]["users"]:
        rows = user["table"]["rows"]
        for answer in (
            RateTable(rows).best(user["rate_bps"]),
            RateTable(rows, 0.1).decide(user["rate_bps"]),
        ):
            assert answer is not None
            assert (answer.cut, answer.bits) == (user["cut"], user["bits"])
        pinned += sum(row.get("pinned", False) for row in rows)
        for row in rows:
            if row.get("pinned"):
                end = row["rate_to_bps"]
                assert row["rate_from_bps"] <= user["rate_bps"] < (math.inf if end is None else end)
    return pinned


def assert_replans_agree(client: httpx.Client, seeds: range) -> int:
    """Cells replanned on another uplink, held to few switches or to a rule; how many of their rows
    were pinned.
    """
    pinned = 0
    for seed in seeds:
        rng = random.Random(seed)
        users = [
            a_user(
                id=f"u{n}",
                model=a_quantised_model() if n % 2 else a_model(),
                spectral_efficiency_bps_per_hz=rng.uniform(0.3, 8.0),
                weight=10 ** rng.uniform(-1.0, 1.0),
                **({"deadline_s": rng.uniform(0.06, 0.3)} if rng.random() < 0.3 else {}),
            )
            for n in range(6)
        ]
        body = a_cell(
            *users,
            bandwidth_hz=10 ** rng.uniform(6.5, 8.5),
            weights={"latency_per_s": 1.0, "loss": 2.0},
        )
        parent = client.post(MULTI_USER, json=body).json()
        patch: Body = {"bandwidth_hz": 10 ** rng.uniform(6.5, 8.5)}
        if seed % 4 == 3:
            rule = rng.choice(
                ["alternating", "equal_share", "device_only", "edge_only", "latency_only", "greedy"]
            )
            patch["options"] = {"method": rule}
        else:
            patch["max_switches"] = rng.choice([0, 0, 1, 3])
        later = replanned(client, parent, patch)
        if later["result"] is not None:
            pinned += assert_tables_agree(later)
        if parent["result"] is not None:
            assert assert_tables_agree(parent) == 0  # free plans are what each device would choose
    return pinned


@pytest.mark.slow
def test_tables_agree_with_plans(client: httpx.Client) -> None:
    assert assert_replans_agree(client, range(24)) >= 10


@pytest.mark.soak
def test_tables_agree_with_three_hundred_plans(client: httpx.Client) -> None:
    assert assert_replans_agree(client, range(1000, 1300)) >= 150


def test_a_kept_cut_is_not_undone_by_its_own_table(client: httpx.Client) -> None:
    """On a much slower uplink nobody would send, but nobody may switch: tables keep to it at the
    planned rate.
    """
    parent = planned(client, a_shared_cell() | {"bandwidth_hz": 5.0e8})
    held = replanned(client, parent, {"bandwidth_hz": 5.0e6, "max_switches": 0})
    assert options(held) == options(parent)
    assert held["result"]["steadiness"]["free_switches"] > 0
    assert assert_tables_agree(held) > 0
    free = replanned(client, parent, {"bandwidth_hz": 5.0e6})
    assert assert_tables_agree(free) == 0


def test_another_network_is_no_switch(client: httpx.Client) -> None:
    parent = planned(client, a_cell(a_user(id="a"), a_user(id="b")))
    patch = {
        "users": {"a": {"model": {"name": "other-net"}, "device_timing": {"model": "other-net"}}}
    }
    patch["users"]["a"]["server_timing"] = {"model": "other-net"}
    later = replanned(client, parent, patch | {"spare": None, "max_switches": 0})
    assert later["changed"]["users_changed"] == ["a"]
    assert later["changed"]["switched"] == 0
    assert later["result"]["steadiness"]["switches"] == 0


def test_an_infeasible_parent(client: httpx.Client) -> None:
    parent = planned(client, a_cell(a_user(id="a", deadline_s=1e-4)))
    assert parent["status"] == "infeasible"
    for limit in ({}, {"max_switches": 0}):
        later = replanned(client, parent, {"users": {"a": {"deadline_s": 0.5}}} | limit)
        assert later["status"] == "solved"
        assert later["changed"]["switched"] is None


@pytest.mark.slow
def test_revisions_stay_unless_patched(client: httpx.Client) -> None:
    store_profiles(client)
    parent = planned(
        client,
        a_cell(a_stored_user(id="a"), a_stored_user(id="b"), channel="cell", server="edge-gpu"),
    )
    faster = a_timing(cuts=[cut | {"flop_per_cycle": 40.0} for cut in a_timing()["cuts"]])
    for at, body in (
        ("timings/camera-cpu.small-net", faster),
        ("models/small-net", a_model(provenance="measured")),
    ):
        assert client.put(f"/v1/{at}", json=body, headers={"If-Match": '"1"'}).status_code == 200
    assert client.delete("/v1/channels/cell").status_code == 204

    def refs(document: dict[str, Any]) -> set[str]:
        return {entry["ref"] for entry in document["provenance"]["profiles"]}

    again = replanned(client, parent, {"users": {"a": {"weight": 1.0}}})
    assert refs(again) == refs(parent)
    assert without_time(again)["result"] == parent["result"]
    moved = replanned(client, again, {"users": {"a": {"device_timing": "camera-cpu.small-net@2"}}})
    assert refs(moved) == refs(parent) | {"camera-cpu.small-net@2"}
    assert moved["result"]["objective"]["cost"] < parent["result"]["objective"]["cost"]
    model = replanned(client, moved, {"users": {key: {"model": "small-net@2"} for key in "ab"}})
    assert refs(model) == refs(moved) - {"small-net@1"} | {"small-net@2"}


def test_what_a_plan_superseded_is_its_own_affair(client: httpx.Client) -> None:
    first = planned(client, a_cell(name="lobby"))
    second = planned(client, a_cell(name="lobby", supersedes=first["id"]))
    assert client.delete(f"/v1/plans/{first['id']}").status_code == 204
    assert replanned(client, second, {})["supersedes"] is None
    third = replanned(client, second, {"supersedes": second["id"]})
    assert third["supersedes"] == second["id"]
    assert third["changed"]["fields"] == ["supersedes"]
    assert refused(client, second, {"supersedes": "0" * 32}) == ["/supersedes"]
    assert client.delete(f"/v1/plans/{second['id']}").status_code == 204
    assert client.get(f"/v1/plans/{third['id']}").json() == third


FAULTS: dict[str, tuple[Any, list[str]]] = {
    "no object": ([], [""]),
    "an unknown field": ({"color": 1}, ["/color"]),
    "what is required": ({"channel": None}, ["/channel"]),
    "users by position": ({"users": [{"id": "a"}]}, ["/users"]),
    "a user that is none": ({"users": {"a": 5}}, ["/users/a"]),
    "nobody left": ({"users": {"a": None, "b": None}}, ["/users"]),
    "no users": ({"users": None}, ["/users"]),
    "another id": ({"users": {"b": {"id": "a"}}}, ["/users/b/id"]),
    "half a user": ({"users": {"c": {"device": "camera-cpu"}}}, ["/users/c", "/users/c/model"]),
    "a user's field": ({"users": {"b": {"deadline_s": "1"}}}, ["/users/b/deadline_s"]),
    "an unfit id": ({"users": {"c/~": a_user(id=None)}}, ["/users/c~1~0/id"]),
    "two ways to say it": ({"users": {"b": {"snr_db": 3.0}}}, ["/users/b/snr_db"]),
    "a reference": ({"users": {"b": {"device": "nothing@3"}}}, ["/users/b/device"]),
    "a negative limit": ({"max_switches": -1}, ["/max_switches"]),
    "half a switch": ({"max_switches": 0.5}, ["/max_switches"]),
    "infinity": ({"bandwidth_hz": 10**400}, ["/bandwidth_hz"]),
}


@pytest.mark.parametrize(("patch", "where"), FAULTS.values(), ids=FAULTS)
def test_bad_patches(client: httpx.Client, patch: Any, where: list[str]) -> None:
    parent = planned(client, a_cell(a_user(id="a"), a_user(id="b")))
    assert refused(client, parent, patch) == where


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "multi-user"])
def test_only_multi_user_plans_are_held(client: httpx.Client, kind: str) -> None:
    assert refused(client, a_parent(client, kind), {"max_switches": 1}) == ["/max_switches"]


def test_doubts_name_users(client: httpx.Client) -> None:
    parent = planned(client, a_cell(a_user(id="a"), a_user(id="b")))
    later = replanned(client, parent, {"users": {"b": {"deadline_s": 50.0}}})
    assert [warning["field"] for warning in later["warnings"]] == ["/users/b/deadline_s"]


@pytest.mark.slow
def test_what_cannot_be_planned_again(client: httpx.Client, service: Service) -> None:
    refusal(client.post(f"/v1/plans/{'0' * 32}/replan", json={}), 404, "plan-not-found")
    assert_nothing_stored(client)
    at = f"/v1/plans/{planned(client, a_cell())['id']}/replan"
    refusal(
        client.post(at, content=b"{}", headers={"Content-Type": "text/plain"}),
        415,
        "unsupported-media-type",
    )
    deep = b'{"channel":' * 3000 + b"1" + b"}" * 3000
    refusal(client.post(at, content=deep, headers=MERGE_PATCH), 400, "malformed-json")
    crowd: Body = {"users": {f"user-{n}": {} for n in range(service.settings.max_users)}}
    refusal(client.post(at, json=crowd), 413, "too-many-users")
    assert client.post(at, content=b"{}", headers=MERGE_PATCH).status_code == 201
    with service.database.writing() as session:
        session.execute(update(PlanRow).values(pins=None))
    refusal(client.post(at, json={}), 409, "revisions-unknown")


def test_the_examples_of_rfc_7396() -> None:
    """Its appendix A."""
    for target, patch, result in (
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a", "b"], ["c", "d"], ["c", "d"]),
        ({"a": "b"}, ["c"], ["c"]),
        ({"a": "foo"}, None, None),
        ({"a": "foo"}, "bar", "bar"),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ):
        assert merged(target, patch) == result


@pytest.mark.parametrize(
    ("patch", "told"),
    [
        ({"phone": None}, {}),  # one of the plan's own
        ({"fone": None}, {"/users/fone": "no user to remove: did you mean 'phone'"}),
        ({"camera/9": None}, {"/users/camera~19": "no user to remove"}),
        (
            {"fone": {"deadline_s": 0.5}},
            {"/users/fone": "is new, and a new user is given whole: did you mean 'phone'?"},
        ),
        ({"phone": {"deadline_s": -0.5}}, {"/users/phone/deadline_s": ""}),
    ],
)
def test_users_that_are_not_there_are_named_beside_those_that_are(
    client: httpx.Client, patch: Body, told: dict[str, str]
) -> None:
    parent = planned(client, a_cell(a_user(id="phone"), a_user(id="tablet")))
    answer = client.post(f"/v1/plans/{parent['id']}/replan", json={"users": patch})
    if not told:
        assert answer.status_code == 201
        return
    refusal(answer, 422, "invalid-request")
    said = {error["pointer"]: error["detail"] for error in answer.json()["errors"]}
    for pointer, detail in told.items():
        assert said[pointer].startswith(detail), said


@pytest.mark.parametrize(
    ("new", "meant"),
    [
        ("camra-12", "camera-12"),
        ("Camera_12", "camera-12"),
        ("camera-l2", "camera-12"),
        ("lobyb", "lobby"),
        ("camera-13", None),  # the next in a row
        ("camera-112", None),
        ("door-c", None),
        ("garage", None),
    ],
)
def test_a_new_user_who_looks_like_a_slip_is_doubted(
    client: httpx.Client, new: str, meant: str | None
) -> None:
    ids = ("camera-12", "lobby", "door-a", "door-b")
    parent = planned(client, a_cell(*(a_user(id=known) for known in ids)))
    later = replanned(client, parent, {"users": {new: a_user(id=None)}})
    doubts = [warning for warning in later.get("warnings", ()) if "new user" in warning["message"]]
    assert [warning["field"] for warning in doubts] == ([] if meant is None else [f"/users/{new}"])
    assert all(repr(meant) in warning["message"] for warning in doubts)


@pytest.mark.parametrize("patch", [{}, {"users": {"a": {}}}, {"users": {"a": {"weight": None}}}])
def test_a_patch_that_changes_nothing_says_so(client: httpx.Client, patch: Body) -> None:
    parent = planned(client, a_cell(a_user(id="a")))
    for headers in ({}, {"Prefer": "respond-async"}):
        again = client.post(f"/v1/plans/{parent['id']}/replan", json=patch, headers=headers)
        messages = [warning["message"] for warning in again.json()["warnings"]]
        assert sum("changes nothing" in message for message in messages) == 1
    more = replanned(client, parent, {"users": {"a": {"deadline_s": 0.7}}})
    assert "changes nothing" not in str(more.get("warnings"))


@pytest.mark.slow
def test_unknown_users_are_found_among_very_many() -> None:
    known = {f"camera-{n}-{place}": None for n in range(12_500) for place in "abcdefgh"}
    with pytest.raises(InvalidRequest) as refused:
        patched({"users": known}, {"users": {"camrea-12000-a": None, "nobody": None}}, 200_000)
    assert "'camera-12000-a'" in refused.value.errors[0].detail


def test_a_robust_plan_becomes_one_of_streams(client: httpx.Client) -> None:
    """Rates, losses, servers, tiers and the kind of energy are patched like anything else."""
    store_profiles(client)
    users = [cells.a_stored_user(id=name, gain_db=-90.0) for name in ("a", "b")]
    parent = planned(client, cells.a_stored_cell(*users), cells.ROBUST)
    both = {"a": {"rate_hz": 2.0, "max_loss": 0.1}, "b": {"rate_hz": 1.0}}
    told = replanned(client, parent, {"users": both})
    assert told["changed"]["users_changed"] == ["a", "b"]
    power = sum(user["rate_hz"] * user["energy_j"] for user in told["result"]["users"])
    assert told["result"]["objective"]["power_w"] == pytest.approx(power)
    back = replanned(client, told, {"users": {"a": {"rate_hz": None}, "b": {"rate_hz": None}}})
    assert back["result"]["objective"] == parent["result"]["objective"]
    assert refused(client, parent, {"users": {"a": {"rate_hz": 2.0}}}) == ["/users/b/rate_hz"]
    assert refused(client, parent, {"users": {"a": {"servers": ["nowhere"]}}}) == [
        "/users/a/servers/0"
    ]
    assert refused(client, parent, {"options": {"energy": "whole"}}) == ["/users/a/device"]
    same = {"server": "edge-gpu", "backhaul_bps": 1e9, "backhaul_rtt_s": 0.01}
    assert set(refused(client, parent, {"tiers": [same]})) == {"/tiers/0/server"}

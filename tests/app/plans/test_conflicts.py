"""What answers say of users who cannot be served together."""

from dataclasses import replace

import httpx
import numpy as np
import pytest

from app.plans.conflicts import CellConflicts, conflicts
from solvers.outcome import Conflict, Proof
from tests.support.builders import Body
from tests.support.multiuser import requests as multiuser
from tests.support.robust.requests import a_cell, a_user, infeasible, plan

pytestmark = pytest.mark.either


def cameras(count: int, **fields: object) -> list[Body]:
    """The last ones need most of the uplink."""
    return [
        a_user(**{"id": str(n), "gain_db": -100.0 - n, "deadline_s": 0.05} | fields)
        for n in range(count)
    ]


def without(body: Body, user: str) -> Body:
    return body | {"users": [some for some in body["users"] if some["id"] != user]}


def test_users_who_collide_are_told_and_any_one_of_them_may_go(client: httpx.Client) -> None:
    body = a_cell(*cameras(6), bandwidth_hz=2e5)
    least = infeasible(client, body)["least_total_bandwidth_hz"]
    body["bandwidth_hz"] = 0.5 * least
    found = infeasible(client, body)
    (conflict,) = found["conflicts"]
    assert (found["users_failing"], found["users_listed"], found["users"]) == (0, 0, [])
    members = conflict["users"]
    assert conflict | {"users": None} == {
        "kind": "together",
        "users_count": len(members),
        "users": None,
        "proof": "smallest",
        "at_least": len(members),
        "removals_checked": len(members),
    }
    assert members == [str(n) for n in range(6 - len(members), 6)]
    them = body | {"users": [user for user in body["users"] if user["id"] in members]}
    assert plan(client, them)["status"] == "infeasible"
    for member in members:
        assert plan(client, without(them, member))["status"] == "solved"


def test_who_fails_alone_is_a_conflict_of_one_beside_those_who_collide(
    client: httpx.Client,
) -> None:
    hopeless = a_user(id="hopeless", deadline_s=1e-6)
    cells = [{"id": "hall"}, {"id": "yard", "bandwidth_hz": 1e8}, {"id": "roof"}]
    body = a_cell(
        *(user | {"cell": "hall"} for user in (*cameras(6), hopeless)),
        a_user(id="fine", cell="yard"),
        a_user(id="late", cell="roof", deadline_s=1e-6),
        bandwidth_hz=4e6,
        cells=cells,
    )
    found = infeasible(client, body)
    assert (found["users_failing"], found["users_listed"]) == (2, 2)
    told = [(one["kind"], one["cell"], one["users_count"]) for one in found["conflicts"]]
    alone = [("alone", "hall", 1), ("alone", "roof", 1)]
    assert [one for one in told if one[0] == "alone"] == alone
    assert [one[:2] for one in told if one[0] == "together"] == [("together", "hall")]
    assert "hopeless" not in found["conflicts"][1]["users"]


def test_one_user_and_equal_users(client: httpx.Client) -> None:
    found = infeasible(client, a_cell(a_user(deadline_s=1e-6)))
    assert found["conflicts"] == [{"kind": "alone", "users_count": 1, "users": ["camera"]}]
    alike = cameras(5, gain_db=-105.0)
    least = infeasible(client, a_cell(*alike, bandwidth_hz=2e5))["least_total_bandwidth_hz"]
    for hertz, size in ((0.99, 5), (0.61, 4), (0.59, 3), (0.21, 2)):
        found = infeasible(client, a_cell(*alike, bandwidth_hz=hertz * least))
        (conflict,) = found["conflicts"]
        assert conflict["users"] == ["0", "1", "2", "3", "4"][:size]


def test_users_of_a_multi_user_cell_collide_over_uplink_and_server(client: httpx.Client) -> None:
    users = multiuser.a_crowd(4)
    found = multiuser.infeasible(client, multiuser.a_cell(*users, bandwidth_hz=1.0e7))
    (conflict,) = found["conflicts"]
    assert found["users_failing"] == 0
    assert (conflict["kind"], conflict["proof"]) == ("together", "smallest")
    assert conflict["users_count"] == conflict["removals_checked"]


def test_long_lists_are_cut_and_counted() -> None:
    ids = [f"{n}" for n in range(30_000)]
    together = Conflict(users=np.arange(2_000), proof=Proof.FOUND, at_least=2)
    cells = [
        CellConflicts(f"{c}", np.arange(5_000), replace(together, users=together.users + 5_000))
        for c in range(6)
    ]
    found = conflicts(ids, cells)
    assert found["users_failing"] == 30_000
    assert [one["users_count"] for one in found["conflicts"]] == [5_000, 2_000] * 6
    assert [len(one["users"]) for one in found["conflicts"]] == [1_000] * 10 + [0, 0]
    assert found["conflicts"][1]["users"][0] == "5000"

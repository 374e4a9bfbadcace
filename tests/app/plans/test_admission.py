"""Plans for the most valuable users who fit, over HTTP."""

from typing import Any

import httpx
import pyarrow as pa
import pytest

from tests.support.builders import Body
from tests.support.multiuser import requests as multiuser
from tests.support.robust import columns
from tests.support.robust.requests import (
    a_cell,
    a_stored_user,
    a_user,
    infeasible,
    plan,
    pointers,
    refusal,
    solved,
    store_profiles,
)

pytestmark = pytest.mark.either

ADMIT = {"admission": "most_valuable"}


def cameras(values: list[float | None], **fields: Any) -> list[Body]:
    """Each farther away than the one before, so that it needs more of the uplink."""
    return [
        a_user(**{"id": str(n), "gain_db": -100.0 - n, "deadline_s": 0.05, "value": value} | fields)
        for n, value in enumerate(values)
    ]


def test_the_most_valuable_users_are_planned_for_and_the_others_named(
    client: httpx.Client,
) -> None:
    users = [*cameras([None] * 6), a_user(id="hopeless", deadline_s=1e-6, value=0.5)]
    document = plan(client, a_cell(*users, bandwidth_hz=6e6, options=ADMIT))
    assert document["status"] == "solved"
    assert document["options"]["admission"] == "most_valuable"
    assert document["users_count"] == 7
    result = document["result"]
    admission = result["admission"]
    served = [user["id"] for user in result["users"]]
    out = {one["id"]: one for one in admission["not_admitted"]}
    assert served == [str(n) for n in range(len(served))], "those who need least, in their order"
    assert admission["status"] == "optimal"
    assert admission["value"] == admission["value_at_most"] == len(served)
    assert admission["users_admitted"] == len(served)
    assert admission["users_not_admitted"] == 7 - len(served) == len(out)
    assert {one["reason"] for user, one in out.items() if user != "hopeless"} == {"room"}
    assert out["hopeless"] == {"id": "hopeless", "value": 0.5, "reason": "alone"}
    alone = a_cell(*[user for user in users if user["id"] in served], bandwidth_hz=6e6)
    assert solved(client, alone)["objective"] == result["objective"], "least energy among them"
    more = [user for user in users if user["id"] in [*served, str(len(served))]]
    assert plan(client, a_cell(*more, bandwidth_hz=6e6))["status"] == "infeasible"


def test_who_is_worth_more_comes_first(client: httpx.Client) -> None:
    body = a_cell(*cameras([1.0, 1.0, 1.0, 1.0, 1.0, 9.0]), bandwidth_hz=6e6, options=ADMIT)
    assert "5" in [user["id"] for user in solved(client, body)["users"]]
    body = a_cell(*cameras([0.0] * 6), bandwidth_hz=6e6, options=ADMIT)
    found = solved(client, body)["admission"]
    assert (found["value"], found["status"]) == (0.0, "optimal")
    assert found["users_admitted"] >= 1, "nobody is left out for nothing"


def test_where_everybody_fits_nobody_is_left_out_and_where_nobody_does_there_is_no_plan(
    client: httpx.Client,
) -> None:
    body = a_cell(*cameras([1.0] * 3), bandwidth_hz=1e9)
    everybody = solved(client, body | {"options": ADMIT})
    assert everybody.pop("admission")["not_admitted"] == []
    assert everybody["objective"] == solved(client, body)["objective"]
    nobody = a_cell(a_user(deadline_s=1e-6), options=ADMIT)
    assert infeasible(client, nobody)["users_failing"] == 1


def test_without_it_answers_are_as_they_were(client: httpx.Client) -> None:
    document = plan(client, a_cell())
    assert "admission" not in document["options"]
    assert "admission" not in document["result"]


def test_what_is_made_of_such_a_plan_knows_whom_it_serves(client: httpx.Client) -> None:
    cells = [{"id": "hall"}, {"id": "roof"}]
    users = [user | {"cell": "hall"} for user in cameras([None] * 6)]
    users.insert(0, a_user(id="late", cell="roof", deadline_s=1e-6))
    body = a_cell(*users, bandwidth_hz=6e6, cells=cells, options=ADMIT)
    document = plan(client, body)
    served = [user["id"] for user in document["result"]["users"]]
    assert 0 < len(served) < 6
    at = f"/v1/plans/{document['id']}"
    assert client.get(at).json() == document
    assert client.get(f"{at}/users/{served[-1]}").json()["id"] == served[-1]
    assert client.get(f"{at}/users/late").status_code == 404
    replay = client.post(f"{at}/validations", json={"trials": 1000}).json()
    assert replay["holds"], replay
    wider = client.post(f"{at}/replan", json={"bandwidth_hz": 1e9}).json()
    assert wider["result"]["admission"]["users_admitted"] == 6
    bundle = client.get(f"{at}/bundle").json()
    assert bundle["answered"]["result"]["admission"]["users_admitted"] == len(served)


def test_thousands_in_columns(client: httpx.Client) -> None:
    store_profiles(client)
    users = [
        a_stored_user(id=f"u{n:04d}", gain_db=-100.0 - n % 7, deadline_s=0.05, value=1.0 + n % 3)
        for n in range(2_500)
    ]
    terms = {"channel": "cell", "server": "edge-gpu", "bandwidth_hz": 4e9, "options": ADMIT}
    document = columns.planned(client, columns.as_table({"users": users} | terms))
    assert document["status"] == "solved", document
    admission = document["result"]["admission"]
    assert 1_000 < admission["users_admitted"] < 2_500
    table = client.get(
        f"/v1/plans/{document['id']}/users",
        headers={"Accept": "application/vnd.apache.arrow.stream"},
    ).content
    told = pa.ipc.open_stream(table).read_all()
    assert told.num_rows == admission["users_admitted"]
    out = {one["id"] for one in admission["not_admitted"]}
    assert len(out) == admission["users_not_admitted"]
    assert not out & set(told["id"].to_pylist())
    first = client.get(f"/v1/plans/{document['id']}/users", params={"limit": 1000}).json()
    assert [user["id"] for user in first["items"]] == told["id"].to_pylist()[:1000]


def test_a_multi_user_cell_admits_too(client: httpx.Client) -> None:
    users = multiuser.a_crowd(4)
    users[3]["value"] = 5.0
    body = multiuser.a_cell(*users, bandwidth_hz=1.0e7, options=ADMIT)
    result = multiuser.solved(client, body)
    served = [user["id"] for user in result["users"]]
    assert "camera-3" in served
    assert len(served) < 4
    assert result["admission"]["status"] == "optimal"
    assert result["admission"]["value"] == 5.0 + len(served) - 1
    rule = multiuser.a_cell(*users, options=ADMIT | {"method": "greedy"})
    answer = client.post(multiuser.MULTI_USER, json=rule)
    refusal(answer, 422, "invalid-request")
    assert pointers(answer) == ["/options/admission"]


@pytest.mark.parametrize("value", [-1.0, "1", 1e300])
def test_values_that_mean_nothing_are_refused(client: httpx.Client, value: object) -> None:
    answer = client.post("/v1/plans/robust", json=a_cell(a_user(value=value)))
    refusal(answer, 422, "invalid-request")
    assert pointers(answer) == ["/users/0/value"]

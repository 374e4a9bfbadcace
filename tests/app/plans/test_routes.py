"""Plans that exist: found again as they were answered, listed, paged, forgotten."""

import httpx
import pytest

from tests.support.builders import a_model, a_timing
from tests.support.robust.requests import (
    ROBUST,
    a_cell,
    a_crowd,
    a_stored_cell,
    a_stored_user,
    a_user,
    plan,
    refusal,
    store_profiles,
)


def test_a_plan_is_read_again_byte_for_byte(client: httpx.Client) -> None:
    body = a_cell(a_user(server_timing=None, gain_db=3.0), a_user(id="ünïcode"), name="lobby")
    answer = client.post(ROBUST, json=body)
    assert answer.headers["content-type"] == "application/json"
    address = answer.headers["location"]
    assert address == f"/v1/plans/{answer.json()['id']}"
    assert client.get(address).content == answer.content
    assert client.get("/v1/plans/current", params={"name": "lobby"}).content == answer.content


@pytest.mark.slow
def test_a_plan_outlives_what_it_was_made_of(client: httpx.Client) -> None:
    store_profiles(client)
    before = plan(client, a_stored_cell())
    faster = a_timing(cuts=[{**cut, "flop_per_cycle": 8.0} for cut in a_timing()["cuts"]])
    at = "/v1/timings/camera-cpu.small-net"
    assert client.put(at, json=faster, headers={"If-Match": '"1"'}).status_code == 200
    assert client.get(f"/v1/plans/{before['id']}").json() == before

    after = plan(client, a_stored_cell(a_stored_user(gain_db=-125.0)))
    pinned = plan(
        client, a_stored_cell(a_stored_user(gain_db=-125.0, device_timing="camera-cpu.small-net@1"))
    )
    assert after["result"]["objective"]["energy_j"] < pinned["result"]["objective"]["energy_j"]
    refs = [
        [entry["ref"] for entry in document["provenance"]["profiles"]]
        for document in (pinned, after)
    ]
    assert "camera-cpu.small-net@1" in refs[0]
    assert "camera-cpu.small-net@2" in refs[1]

    assert client.delete("/v1/devices/camera-cpu").status_code == 204
    assert client.get(f"/v1/plans/{before['id']}").json() == before
    assert plan(client, a_stored_cell(a_stored_user(device="camera-cpu@1")))["status"] == "solved"


def test_a_name_finds_the_newest(client: httpx.Client) -> None:
    first = plan(client, a_cell(name="lobby"))
    other = plan(client, a_cell(name="hall"))
    second = plan(client, a_cell(name="lobby", supersedes=first["id"]))
    assert second["supersedes"] == first["id"]
    assert first["supersedes"] is None
    assert client.get("/v1/plans/current?name=lobby").json() == second
    assert client.get("/v1/plans/current?name=hall").json() == other
    assert client.delete(f"/v1/plans/{second['id']}").status_code == 204
    assert client.get("/v1/plans/current?name=lobby").json() == first


@pytest.mark.slow
def test_lists_are_newest_first_and_filtered(client: httpx.Client) -> None:
    ids = {}
    for name, deadline_s in (("a", 0.2), ("b", 1e-4), ("a", 1e-4), ("b", 0.2), ("a", 0.2)):
        document = plan(client, a_cell(a_user(deadline_s=deadline_s), name=name))
        ids[document["id"]] = (name, document["status"])

    def listed(**query: str) -> list[str]:
        return [item["id"] for item in client.get("/v1/plans", params=query).json()["items"]]

    newest_first = list(reversed(ids))
    assert listed() == newest_first
    assert listed(kind="robust") == newest_first
    assert listed(name="a") == [key for key in newest_first if ids[key][0] == "a"]
    assert listed(status="infeasible") == [
        key for key in newest_first if ids[key][1] == "infeasible"
    ]
    assert listed(name="b", status="solved") == [
        key for key in newest_first if ids[key] == ("b", "solved")
    ]
    assert listed(name="nobody") == []


@pytest.mark.slow
def test_lists_are_paged_while_plans_come(client: httpx.Client) -> None:
    ids = [plan(client, a_cell(name="page"))["id"] for _ in range(7)]
    seen: list[str] = []
    address = "/v1/plans?limit=3&name=page"
    while True:
        page = client.get(address)
        seen += [item["id"] for item in page.json()["items"]]
        if page.json()["next_cursor"] is None:
            assert "next" not in page.links
            break
        address = page.links["next"]["url"]
        assert "name=page" in address, "the next page has the filter of this one"
        plan(client, a_cell(name="page"))
    assert seen == ids[::-1], "what came later is not in the pages"


def test_users_of_a_small_plan(client: httpx.Client) -> None:
    document = plan(client, a_cell(a_user(id="a"), a_user(id="b"), a_user(id="c")))
    at = f"/v1/plans/{document['id']}/users"
    assert client.get(at).json() == {"items": document["result"]["users"], "next_cursor": None}
    first = client.get(f"{at}?limit=2")
    assert [user["id"] for user in first.json()["items"]] == ["a", "b"]
    assert [user["id"] for user in client.get(first.links["next"]["url"]).json()["items"]] == ["c"]


def test_a_device_polls_its_own_entry(client: httpx.Client) -> None:
    document = plan(client, a_cell(a_user(id="a"), a_user(id="b", gain_db=-90.0)))
    at = f"/v1/plans/{document['id']}/users/b"
    answer = client.get(at)
    assert answer.json() == document["result"]["users"][1]
    etag = answer.headers["etag"]
    for held in (etag, f"W/{etag}", f'"other", {etag}', "*"):
        unchanged = client.get(at, headers={"If-None-Match": held})
        assert unchanged.status_code == 304
        assert unchanged.content == b""
        assert unchanged.headers["etag"] == etag
    assert client.get(at, headers={"If-None-Match": '"other"'}).status_code == 200
    neighbour = client.get(f"/v1/plans/{document['id']}/users/a")
    assert neighbour.headers["etag"] != etag
    refusal(client.get(f"/v1/plans/{document['id']}/users/z"), 404, "plan-user-not-found")


@pytest.mark.slow
@pytest.mark.parametrize(("deadline_s", "part"), [(0.4, "result"), (1e-4, "infeasible")])
def test_a_crowd_has_an_address_of_its_own(
    client: httpx.Client, deadline_s: float, part: str
) -> None:
    store_profiles(client)
    crowd = a_crowd(2345, deadline_s=deadline_s)
    document = plan(client, a_stored_cell(*crowd, options={"gap": 1e-3}))
    assert document["users_count"] == 2345
    assert "users" not in document[part]
    at = document[part]["users_url"]
    assert at == f"/v1/plans/{document['id']}/users"

    seen = []
    address = f"{at}?limit=1000"
    while address:
        page = client.get(address)
        seen += page.json()["items"]
        address = page.links.get("next", {}).get("url", "")
    assert [user["id"] for user in seen] == [user["id"] for user in crowd], (
        "each once, in the order of the request"
    )
    odd = client.get(f"{at}?limit=700").json()
    second = client.get(at, params={"limit": 700, "cursor": odd["next_cursor"]}).json()
    assert odd["items"] + second["items"] == seen[:1400], "a page may lie across two blocks"
    assert client.get(f"{at}/camera-1999").json() == seen[1999]
    if part == "result":
        assert sum(user["energy_j"] for user in seen) == pytest.approx(
            document["result"]["objective"]["energy_j"], rel=1e-9
        )
        assert sum(document["result"]["cut_counts"].values()) == 2345
    assert client.delete(f"/v1/plans/{document['id']}").status_code == 204
    refusal(client.get(at), 404, "plan-not-found")


@pytest.mark.slow
def test_a_thousand_users_are_still_told_at_once(client: httpx.Client) -> None:
    store_profiles(client)
    for count, listed in ((1000, True), (1001, False)):
        document = plan(
            client, a_stored_cell(*a_crowd(count, deadline_s=0.4), options={"gap": 1e-3})
        )
        assert ("users" in document["result"]) is listed
        assert client.get(f"/v1/plans/{document['id']}").json() == document


@pytest.mark.slow
def test_the_few_who_fail_of_a_crowd_are_told_at_once(client: httpx.Client) -> None:
    store_profiles(client)
    crowd = a_crowd(1500)
    crowd[1234]["deadline_s"] = 1e-4
    document = plan(client, a_stored_cell(*crowd))
    assert [user["id"] for user in document["infeasible"]["users"]] == ["camera-1234"]
    assert client.get(f"/v1/plans/{document['id']}").json() == document
    assert (
        client.get(f"/v1/plans/{document['id']}/users").json()["items"]
        == document["infeasible"]["users"]
    )


def test_a_forgotten_plan_is_gone(client: httpx.Client) -> None:
    gone, kept = plan(client, a_cell(name="lobby")), plan(client, a_cell(name="hall"))
    at = f"/v1/plans/{gone['id']}"
    answer = client.delete(at)
    assert (answer.status_code, answer.content) == (204, b"")
    for path in (at, f"{at}/users", f"{at}/users/camera", "/v1/plans/current?name=lobby"):
        refusal(client.get(path), 404, "plan-not-found")
    refusal(client.delete(at), 404, "plan-not-found")
    assert [item["id"] for item in client.get("/v1/plans").json()["items"]] == [kept["id"]]


def test_the_hash_is_of_the_content(client: httpx.Client) -> None:
    body = a_cell()
    hashes = [
        plan(client, some)["request_hash"]
        for some in (body, dict(reversed(body.items())), a_cell(name="other"))
    ]
    assert hashes[0] == hashes[1] != hashes[2]


def test_models_of_two_cuts_and_users_of_two_models(client: httpx.Client) -> None:
    whole = a_model(
        name="all-or-nothing",
        cuts=[
            {"name": "input", "flop": 0, "feature_byte": 50_000, "parameter_byte": 0},
            {"name": "output", "flop": 100_000_000, "feature_byte": 0, "parameter_byte": 0},
        ],
    )
    timing = a_timing(name="t", model="all-or-nothing", cuts=a_timing()["cuts"][:2])
    other = a_user(id="b", model=whole, device_timing=timing, server_timing=None)
    result = plan(client, a_cell(a_user(id="a"), other))["result"]
    counts = result["cut_counts"]
    assert sum(counts.values()) == 2
    for user, model in zip(result["users"], ("small-net", "all-or-nothing"), strict=True):
        assert counts[f"{model}/{user['cut_name']}"] == 1

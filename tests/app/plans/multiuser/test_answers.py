"""What is answered has the form that the service promises, and is found again as it was."""

import httpx
import pytest

from app.plans.multiuser.answers import (
    AdaptiveUserResult,
    MultiUserInfeasibleUser,
    MultiUserPlan,
    MultiUserUserResult,
)
from tests.support.answers import unnamed
from tests.support.builders import a_channel
from tests.support.multiuser.requests import (
    ADAPTIVE,
    MULTI_USER,
    a_cell,
    a_fleet,
    a_mixed_cell,
    a_quantised_model,
    a_stored_user,
    a_user,
    infeasible,
    only,
    planned,
    solved,
)
from tests.support.robust.requests import store_profiles

pytestmark = pytest.mark.either


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
    MultiUserUserResult.model_validate_json(user.content)
    again = client.get(
        f"/v1/plans/{document['id']}/users/far", headers={"If-None-Match": user.headers["etag"]}
    )
    assert again.status_code == 304


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
    MultiUserUserResult.model_validate(page["items"][-1])
    assert ids == [user["id"] for user in users]
    assert cost == pytest.approx(result["objective"]["cost"])


def test_a_table_is_found_again_as_it_was_answered(client: httpx.Client) -> None:
    store_profiles(client)
    user = a_stored_user(spectral_efficiency_bps_per_hz=None)
    created = client.post(ADAPTIVE, json=a_fleet(user, channel="cell", server="edge-gpu"))
    assert client.get(created.headers["location"]).content == created.content
    document = created.json()
    assert document["kind"] == "adaptive"
    assert document["result"]["certificate"]["status"] == "optimal"
    assert document["result"]["certificate"]["excess"] <= 1e-9
    by_body = solved(client, a_fleet(channel=a_channel()), ADAPTIVE)
    assert unnamed(document["result"]) == unnamed(by_body)
    AdaptiveUserResult.model_validate(
        client.get(f"{created.headers['location']}/users/camera").json()
    )


def test_users_who_fail_alone_are_named_with_a_deadline_that_works(client: httpx.Client) -> None:
    calm = a_user(id="calm")
    hurried = a_user(id="hurried", spectral_efficiency_bps_per_hz=0.5, deadline_s=0.01)
    lossless = a_user(id="lossless", model=a_quantised_model(), deadline_s=0.015, max_loss=0.0)
    answered = client.post(MULTI_USER, json=a_cell(calm, hurried, lossless))
    MultiUserPlan.model_validate_json(answered.content)
    reasons = answered.json()["infeasible"]
    assert reasons["proven"]
    assert [user["id"] for user in reasons["users"]] == ["hurried", "lossless"]
    wide = reasons["least_total_bandwidth_hz"]
    assert solved(client, a_cell(calm, hurried, lossless, bandwidth_hz=wide))
    assert infeasible(client, a_cell(calm, hurried, lossless, bandwidth_hz=0.999 * wide))["proven"]
    for asked, failed in zip((hurried, lossless), reasons["users"], strict=True):
        least = failed["least_deadline_s"]
        user = only(solved(client, a_cell(asked | {"deadline_s": least})))
        assert user["latency"]["mean_s"] == pytest.approx(least, rel=2e-6)
        infeasible(client, a_cell(asked | {"deadline_s": 0.999 * least}))


@pytest.mark.slow
def test_many_who_fail_have_an_address(client: httpx.Client) -> None:
    users = [a_user(id=f"u{n}", deadline_s=1e-4) for n in range(1200)]
    reasons = infeasible(client, a_cell(*users))
    assert "users" not in reasons
    page = client.get(reasons["users_url"], params={"limit": 1000}).json()
    assert len(page["items"]) == 1000
    MultiUserInfeasibleUser.model_validate(page["items"][0])

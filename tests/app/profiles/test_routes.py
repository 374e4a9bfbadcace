"""The five collections over HTTP."""

from typing import Any

import httpx
import pytest

from tests.support.answers import pointers, slug
from tests.support.builders import a_channel, a_device, a_model, a_server, a_server_timing, a_timing

ONE_OF_EACH = [
    ("devices", a_device),
    ("models", a_model),
    ("channels", a_channel),
    ("servers", a_server),
    ("timings", a_timing),
]
KINDS = pytest.mark.parametrize(
    ("collection", "build"), ONE_OF_EACH, ids=[name for name, _ in ONE_OF_EACH]
)


def post(client: httpx.Client, collection: str, body: dict[str, Any]) -> httpx.Response:
    return client.post(f"/v1/{collection}", json=body)


def store(client: httpx.Client, collection: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = post(client, collection, body)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def prepare(client: httpx.Client, collection: str) -> None:
    """A timing needs its processor and model."""
    if collection == "timings":
        store(client, "devices", a_device())
        store(client, "models", a_model())


@KINDS
def test_the_life_of_a_profile(client: httpx.Client, collection: str, build: Any) -> None:
    prepare(client, collection)
    body = build()
    at = f"/v1/{collection}/{body['name']}"

    created = post(client, collection, body)
    assert created.status_code == 201
    assert created.headers["location"] == at
    assert created.headers["etag"] == '"1"'
    assert created.json() == {**created.json(), **body, "revision": 1}

    read = client.get(at)
    assert read.status_code == 200
    assert read.json() == created.json()
    assert read.headers["etag"] == '"1"'
    for tag in ('W/"1"', '"0,5", "1"', "*"):
        assert client.get(at, headers={"If-None-Match": tag}).status_code == 304
    assert client.get(at, headers={"If-None-Match": '"0,"1""'}).status_code == 200
    lines = [("If-None-Match", '"0"'), ("If-None-Match", '"1"')]
    assert client.get(at, headers=lines).status_code == 304

    revised = client.put(
        at, json={**read.json(), "reference": "bench log 7"}, headers={"If-Match": '"1"'}
    )
    assert revised.status_code == 200
    assert revised.json()["revision"] == 2
    assert revised.headers["etag"] == '"2"'
    assert revised.json()["created_at"] >= read.json()["created_at"]

    assert client.get(f"{at}/revisions/1").json() == created.json()
    assert client.get(f"{at}/revisions/2").json() == revised.json()
    assert [entry["revision"] for entry in client.get(f"{at}/revisions").json()["items"]] == [1, 2]

    assert client.delete(at).status_code == 204
    assert slug(client.get(at)) == "profile-not-found"
    assert client.get(f"/v1/{collection}").json() == {"items": [], "next_cursor": None}
    assert client.get(f"{at}/revisions/2").json() == revised.json()

    again = post(client, collection, body)
    assert again.status_code == 201
    assert again.json()["revision"] == 3, "numbers are never reused"
    assert [entry["revision"] for entry in client.get(f"{at}/revisions").json()["items"]] == [
        1,
        2,
        3,
    ]


def test_a_taken_name_is_a_conflict(client: httpx.Client) -> None:
    store(client, "devices", a_device())
    refused = post(client, "devices", a_device(tx_power_w=1.0))
    assert refused.status_code == 409
    assert slug(refused) == "profile-exists"
    assert client.get("/v1/devices/camera-cpu").json()["tx_power_w"] == 0.2


def test_kinds_have_their_own_names(client: httpx.Client) -> None:
    store(client, "devices", a_device(name="box"))
    assert store(client, "servers", a_server(name="box"))["revision"] == 1


@pytest.mark.parametrize(
    ("if_match", "status", "problem"),
    [
        (None, 428, "revision-required"),
        ('"2"', 412, "stale-revision"),
        ('W/"1"', 412, "stale-revision"),
        ('"one"', 412, "stale-revision"),
        ("1", 422, "invalid-request"),
        ("", 422, "invalid-request"),
    ],
)
def test_a_put_must_start_from_the_latest_revision(
    client: httpx.Client, if_match: str | None, status: int, problem: str
) -> None:
    store(client, "servers", a_server())
    headers = {} if if_match is None else {"If-Match": if_match}
    refused = client.put(
        "/v1/servers/edge-gpu", json=a_server(capacity_flop_per_s=1e12), headers=headers
    )
    assert (refused.status_code, slug(refused)) == (status, problem)
    assert client.get("/v1/servers/edge-gpu").json()["revision"] == 1


@pytest.mark.parametrize("if_match", ["*", '"7", "1"'])
def test_a_put_may_accept_several_revisions(client: httpx.Client, if_match: str) -> None:
    store(client, "servers", a_server())
    body = a_server(capacity_flop_per_s=1e12)
    assert (
        client.put("/v1/servers/edge-gpu", json=body, headers={"If-Match": if_match}).json()[
            "revision"
        ]
        == 2
    )


def test_an_equal_body_makes_no_revision(client: httpx.Client) -> None:
    first = store(client, "servers", a_server())
    same = client.put(
        "/v1/servers/edge-gpu",
        json=a_server(capacity_flop_per_s=4 * 10**12),
        headers={"If-Match": "*"},
    )
    assert same.status_code == 200
    assert same.json() == first


def test_a_put_cannot_rename_or_create(client: httpx.Client) -> None:
    store(client, "servers", a_server())
    renamed = client.put(
        "/v1/servers/edge-gpu", json=a_server(name="other"), headers={"If-Match": "*"}
    )
    assert pointers(renamed) == ["/name"]
    missing = client.put(
        "/v1/servers/other", json=a_server(name="other"), headers={"If-Match": "*"}
    )
    assert slug(missing) == "profile-not-found"


def test_a_delete_may_say_what_it_deletes(client: httpx.Client) -> None:
    store(client, "servers", a_server())
    assert client.delete("/v1/servers/edge-gpu", headers={"If-Match": '"2"'}).status_code == 412
    assert client.delete("/v1/servers/edge-gpu", headers={"If-Match": '"1"'}).status_code == 204
    assert client.delete("/v1/servers/edge-gpu").status_code == 404


def test_missing_revisions_and_names(client: httpx.Client) -> None:
    store(client, "servers", a_server())
    assert slug(client.get("/v1/servers/edge-gpu/revisions/2")) == "revision-not-found"
    assert slug(client.get("/v1/servers/nobody/revisions/1")) == "profile-not-found"
    assert slug(client.get("/v1/servers/nobody/revisions")) == "profile-not-found"
    assert client.get("/v1/servers/edge-gpu/revisions/0").status_code == 422


def test_lists_are_paged_in_one_order_everywhere(client: httpx.Client) -> None:
    names = ["a-b", "a.b", "a0", "a_b", "aa", "b", "z9"]
    for name in reversed(names):
        store(client, "servers", a_server(name=name))
    seen: list[str] = []
    address = "/v1/servers?limit=3"
    while True:
        page = client.get(address)
        seen += [entry["name"] for entry in page.json()["items"]]
        if page.json()["next_cursor"] is None:
            assert "link" not in page.headers
            break
        assert (
            page.links["next"]["url"] == f"/v1/servers?limit=3&cursor={page.json()['next_cursor']}"
        )
        address = page.links["next"]["url"]
    assert seen == names, "byte order, each name once"


@pytest.mark.parametrize("cursor", ["x", "W10", "WzFd", "bnVsbA", "é", "WyJcdTAwMDAiXQ"])
def test_a_cursor_of_another_list_is_refused(client: httpx.Client, cursor: str) -> None:
    refused = client.get("/v1/servers", params={"cursor": cursor})
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["parameter"] == "cursor"


@pytest.mark.parametrize("parameters", ["limit=0", "limit=1001", "limit=x", "limt=5"])
def test_list_parameters_are_checked(client: httpx.Client, parameters: str) -> None:
    refused = client.get(f"/v1/servers?{parameters}")
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["parameter"] == parameters.split("=")[0]


def test_a_wrong_unit_warns(client: httpx.Client) -> None:
    answer = store(client, "devices", a_device(frequency_min_hz=0.2, frequency_max_hz=1.9))
    assert {warning["field"] for warning in answer["warnings"]} == {
        "/frequency_min_hz",
        "/frequency_max_hz",
        "/power_coefficient_w_per_hz3",
    }
    assert client.get("/v1/devices/camera-cpu").json()["warnings"] == answer["warnings"]
    assert "warnings" not in store(client, "devices", a_device(name="sane"))


class TestTimings:
    """A timing is checked against what it names."""

    def test_a_processor_and_model_must_exist(self, client: httpx.Client) -> None:
        assert pointers(post(client, "timings", a_timing())) == ["/processor", "/model"]
        store(client, "devices", a_device())
        assert pointers(post(client, "timings", a_timing())) == ["/model"]

    def test_one_entry_per_cut(self, client: httpx.Client) -> None:
        prepare(client, "timings")
        assert pointers(post(client, "timings", a_timing(cuts=a_timing()["cuts"][:3]))) == ["/cuts"]

    def test_the_kind_is_found_and_said(self, client: httpx.Client) -> None:
        prepare(client, "timings")
        body = a_timing()
        del body["processor_kind"]
        assert store(client, "timings", body)["processor_kind"] == "device"

    def test_the_kind_is_required_where_both_have_the_name(self, client: httpx.Client) -> None:
        prepare(client, "timings")
        store(client, "servers", a_server(name="camera-cpu"))
        body = a_timing()
        del body["processor_kind"]
        assert pointers(post(client, "timings", body)) == ["/processor_kind"]
        store(client, "timings", a_timing())

    def test_entries_have_the_form_of_their_processor(self, client: httpx.Client) -> None:
        prepare(client, "timings")
        store(client, "servers", a_server())
        store(client, "timings", a_server_timing())
        swapped = a_timing(cuts=a_server_timing()["cuts"], processor_kind=None)
        assert pointers(post(client, "timings", swapped)) == [
            f"/cuts/{cut}/mean_s" for cut in range(4)
        ]
        swapped = a_server_timing(cuts=a_timing()["cuts"], name="x")
        assert pointers(post(client, "timings", swapped)) == [
            f"/cuts/{cut}/mean_s" for cut in range(4)
        ]

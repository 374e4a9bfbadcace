"""HEAD, wherever GET is."""

import re

import httpx
import pytest

from app.http.media import ARROW, CSV
from tests.support.document import DOCUMENT
from tests.support.robust.requests import ROBUST, a_crowd, a_stored_cell, store_profiles

pytestmark = pytest.mark.either

GET = sorted(path for path, methods in DOCUMENT["paths"].items() if "get" in methods)
NAMES = {"name": "camera-cpu", "revision": "1", "number": "1", "event_id": "1", "slug": "not-found"}
# Of the moment, of the connection, or of the content that is not sent.
OF_THE_MOMENT = {"date", "transfer-encoding", "content-length", "x-request-id"}


@pytest.fixture
def plan_id(client: httpx.Client) -> str:
    store_profiles(client)
    answer = client.post(ROBUST, json=a_stored_cell(*a_crowd(2), name="hall"))
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


@pytest.mark.slow
def test_head_is_get_without_its_content(client: httpx.Client, plan_id: str) -> None:
    known = NAMES | {"plan_id": plan_id, "other_id": plan_id, "user_id": "camera-0"}
    known |= {"figure": "latency", "experiment_id": "0"}
    answered = 0
    for path in GET:
        address = re.sub(r"\{(\w+)\}", lambda found: known[found[1]], path)
        address += "?name=hall" * ("/current" in path)
        with client.stream("GET", address) as got:
            head = client.head(address)
            assert (head.status_code, head.content) == (got.status_code, b""), address
            told = {name: got.headers[name] for name in got.headers if name not in OF_THE_MOMENT}
            assert told.items() <= dict(head.headers).items(), address
            length = got.headers.get("content-length")
            if path != "/metrics":  # each look is counted by the next
                assert head.headers.get("content-length") in (length, None), address
        answered += got.is_success
    assert answered > len(GET) / 2


@pytest.mark.parametrize("media_type", [CSV, ARROW])
def test_head_of_a_table_and_of_what_is_unchanged(
    client: httpx.Client, plan_id: str, media_type: str
) -> None:
    head = client.head(f"/v1/plans/{plan_id}/users", headers={"Accept": media_type})
    assert (head.status_code, head.headers["content-type"].partition(";")[0]) == (200, media_type)
    user = f"/v1/plans/{plan_id}/users/camera-1"
    etag = client.head(user).headers["etag"]
    assert client.head(user, headers={"If-None-Match": etag}).status_code == 304


def test_head_where_get_is_not(client: httpx.Client) -> None:
    assert client.head("/v1/nowhere").status_code == 404
    refused = client.head("/v1/plans/some/cancel")
    assert (refused.status_code, refused.headers["allow"]) == (405, "POST")
    other = client.patch("/v1/devices")
    assert (other.status_code, other.headers["allow"]) == (405, "GET, HEAD, POST")

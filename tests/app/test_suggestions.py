"""What does not exist is told with what is near, and where it is listed."""

from typing import Any

import httpx
import pytest

from app.plans import service as plans
from app.plans import strangers
from tests.support.answers import slug
from tests.support.builders import a_device
from tests.support.client import a_request
from tests.support.robust.requests import store_profiles
from tests.support.servers import Service

pytestmark = pytest.mark.either

RULE = (
    "must be a name: lower-case letters, digits, '.', '_' and '-', the first a letter or a digit,"
    " at most 63"
)


def detail(answer: httpx.Response, status: int, problem: str) -> str:
    assert (answer.status_code, slug(answer)) == (status, problem)
    return str(answer.json()["detail"])


def faults(client: httpx.Client, **changes: Any) -> dict[str, str]:
    answer = client.post("/v1/plans/robust", json=a_request(1) | changes)
    assert slug(answer) == "invalid-request"
    return {error["pointer"]: error["detail"] for error in answer.json()["errors"]}


def test_names_in_addresses(client: httpx.Client) -> None:
    store_profiles(client)
    plan = client.post("/v1/plans/robust", json=a_request(2, name="lobby")).json()["id"]
    users = f"/v1/plans/{plan}/users"
    for address, problem, told in (
        (
            "/v1/devices/camera-cp",
            "profile-not-found",
            "There is no device profile named 'camera-cp'; is it 'camera-cpu'?"
            " GET /v1/devices lists them.",
        ),
        (
            "/v1/models/zzz",
            "profile-not-found",
            "There is no model profile named 'zzz'. GET /v1/models lists them.",
        ),
        (
            "/v1/devices/camera-cpu/revisions/9",
            "revision-not-found",
            "The device profile 'camera-cpu' has no revision 9: the latest is 1."
            " GET /v1/devices/camera-cpu/revisions lists them.",
        ),
        (
            "/v1/timings/camera-cpu/measurements",
            "profile-not-found",
            "There is no timing profile named 'camera-cpu'; is it 'camera-cpu.small-net'?"
            " GET /v1/timings lists them.",
        ),
        (
            "/v1/plans/current?name=loby",
            "plan-not-found",
            "There is no plan named 'loby' with a result. Plans are named 'lobby'; GET /v1/plans"
            " lists those that exist.",
        ),
        (
            "/v1/plans/lobby",
            "plan-not-found",
            "There is no plan 'lobby'. 'lobby' is the name of a plan: GET /v1/plans?name=lobby"
            " lists those of the name, GET /v1/plans/current?name=lobby is the newest that has"
            " ended.",
        ),
        (
            "/v1/plans/robust",
            "plan-not-found",
            "There is no plan 'robust'. POST /v1/plans/robust makes a plan of this kind.",
        ),
        (
            f"{users}/camera%2011%3F%23",
            "plan-user-not-found",
            f"The plan '{plan}' says nothing of a user 'camera 11?#'; is it 'camera 1?#' or"
            f" 'camera 0?#'? GET {users} lists them.",
        ),
        (
            "/v1/problem-types/plan-not-fund",
            "problem-type-not-found",
            "There is no problem type 'plan-not-fund'; is it 'plan-not-found'?",
        ),
        (
            "/v1/device/camera-cpu",
            "not-found",
            "Nothing has the address /v1/device/camera-cpu; near it: GET/PUT/DELETE"
            " /v1/devices/{name}",
        ),
        (
            "/plans/current",
            "not-found",
            "Nothing has the address /plans/current; near it: GET /v1/plans/current",
        ),
        (
            "/wp-login.php",
            "not-found",
            "Nothing has the address /wp-login.php. GET /openapi.json lists them all.",
        ),
    ):
        assert detail(client.get(address), 404, problem).startswith(told), address
    told = detail(client.post("/v1/plans", json={}), 405, "method-not-allowed")
    assert told.startswith(
        "/v1/plans has no POST, only GET, HEAD; there are POST /v1/plans/robust,"
    )
    told = detail(client.get("/v1/plans", params={"stats": "solved"}), 422, "invalid-request")
    assert told == "this operation has no such query parameter: stats; is it 'status'?"
    told = detail(client.get("/v1/devices/Jetson-X"), 422, "invalid-request")
    assert told == f"path parameter name: {RULE}; 'jetson-x' would do"


def test_names_in_requests(client: httpx.Client) -> None:
    store_profiles(client)
    user = a_request(1)["users"][0]
    assert faults(client, channel="cel") == {
        "/channel": "There is no channel profile named 'cel'; is it 'cell'? GET /v1/channels lists"
        " them."
    }
    for field, given, told in (
        ("device", "camera-gpu", "named 'camera-gpu'; is it 'camera-cpu'? GET /v1/devices"),
        (
            "device",
            "camera-cpu@7",
            "has no revision 7: the latest is 1. GET /v1/devices/camera-cpu",
        ),
        ("model", "small", "named 'small'; is it 'small-net'? GET /v1/models lists"),
        (
            "device_timing",
            "camera",
            "named 'camera'; is it 'camera-cpu.small-net'? GET /v1/timings",
        ),
        ("servers", ["edge"], "named 'edge'; is it 'edge-gpu'? GET /v1/servers lists"),
        ("device", "a/b", "'a-b' would do"),
        ("device", "Jetson X@2", "'jetson-x@2' would do"),
        (
            "deadline",
            0.5,
            "is not a field here: call it deadline_s, and say it in seconds",
        ),
        (
            "deadline_ms",
            150,
            "is not a field here: call it deadline_s, and say it in seconds",
        ),
        (
            "deadlines_s",
            0.5,
            "is not a field here: remove it, or check its spelling; is it 'deadline_s'?",
        ),
        ("id", "a/b", "must have no '/', line breaks, tabs or other control characters"),
    ):
        (said,) = faults(client, users=[user | {field: given}]).values()
        assert told in said, field
    inline = a_device(name="Jetson-X", frequncy_min_hz=1.0)
    odd = faults(client, users=[user | {"device": inline}])
    assert odd["/users/0/device/frequncy_min_hz"].endswith("; is it 'frequency_min_hz'?")
    assert odd["/users/0/device/name"] == f"{RULE}; 'jetson-x' would do"
    hall = [{"id": "hall"}]
    assert faults(client, cells=hall, users=[user | {"cell": "hal"}]) == {
        "/users/0/cell": "there is no cell 'hal'; is it 'hall'?"
    }


def test_bodies_of_another_type_or_too_long(client: httpx.Client, service: Service) -> None:
    taken = "application/vnd.apache.arrow.stream, application/vnd.apache.parquet"
    xml = {"Content-Type": "application/xml"}
    told = detail(
        client.post("/v1/plans/robust", content=b"<a/>", headers=xml), 415, "unsupported-media-type"
    )
    assert told.startswith(f"The body is application/xml: send {taken}"), told
    assert "application/json" in told
    many = a_request(1)["users"] * (service.settings.max_users + 1)
    told = detail(
        client.post("/v1/plans/robust", json=a_request(1) | {"users": many}), 413, "too-many-users"
    )
    assert "go in one request as columns, with Content-Type application/vnd.apache" in told
    assert "docs/large-fleets.md" in told


def test_a_large_plan_is_looked_through_where_the_id_would_be(
    client: httpx.Client, service: Service
) -> None:
    store_profiles(client)
    plan = client.post("/v1/plans/robust", json=a_request(1001)).json()
    with service.database.reading() as session:
        number = plans.find(session, plan["id"]).number
        near = strangers.near_users(session, number, "camera 500?")
    assert near[0] == "camera 500?#", plan


def test_what_is_allowed_but_hardly_meant_is_warned_of(client: httpx.Client) -> None:
    store_profiles(client)
    request = a_request(1, bandwidth_hz=1e9)
    request["users"][0]["risk"] = 0.9
    plan = client.post("/v1/plans/robust", json=request).json()
    said = {warning["field"]: warning["message"] for warning in plan["warnings"]}
    assert "times the" in said["/bandwidth_hz"]
    assert said["/users/0/risk"].startswith("a risk of 0.9 accepts more late inferences")

"""Numbers and texts as bodies and headers may give them, and what no database could hold."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support import seeds
from tests.support.builders import a_device
from tests.support.document import DOCUMENT
from tests.support.examples import story
from tests.support.examples.story import BODIES_UNDER_OTHERS, ESTIMATES, PROFILES, REQUESTS
from tests.support.profiles import faults
from tests.support.robust.requests import ROBUST

SCHEMAS: dict[str, Any] = DOCUMENT["components"]["schemas"]
JSON = "application/json"
# In `make soak` every value is tried in every place, else the worst one once in every schema.
TEXTS = ("a\0b", "a\ud800b", "\U0010ffff") if seeds.SOAKING else ("a\0b",)
INTEGERS = (2**63 - 1, 2**63, -(2**63) - 1, 10**400) if seeds.SOAKING else (2**63 - 1,)
BODIES = {
    **REQUESTS,
    **{f"/v1/{collection}": body for collection, body in PROFILES.items()},
    **{f"/v1/{collection}/{{name}}": body for collection, body in PROFILES.items()},
    **{f"/v1/{collection}/estimate": body for collection, body in ESTIMATES.items()},
    **BODIES_UNDER_OTHERS,
    "/v1/experiments": {
        "base": {"kind": "robust", "request": REQUESTS[ROBUST]},
        "axes": [{"pointer": "/users/*/risk", "values": [0.01, 0.1]}],
    },
}


@given(st.floats(min_value=-1e18, max_value=1e18))
def test_integers_are_integral_numbers(value: float) -> None:
    body = a_device(memory_byte=value)
    assert (faults(body) == set()) == (value.is_integer() and 1 <= value <= 2**63 - 1)


def alternatives(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """What a value may be by a schema, without references."""
    if "$ref" in schema:
        yield from alternatives(SCHEMAS[schema["$ref"].rpartition("/")[2]])
    elif several := schema.get("anyOf") or schema.get("oneOf"):
        for one in several:
            yield from alternatives(one)
    else:
        yield schema


def changed(value: Any, schema: dict[str, Any], seen: set[int]) -> Iterator[Any]:
    """A value with something hostile in one place, for each place that its schema has; without the
    schemas in `seen`.
    """
    kinds = list(alternatives(schema))
    told = {kind.get("type") for kind in kinds}
    if "string" in told:
        yield from TEXTS
    if told & {"integer", "number"}:
        yield from INTEGERS
    for kind in kinds:
        if id(kind) in seen:
            continue
        if not seeds.SOAKING:
            seen.add(id(kind))
        if kind.get("type") == "array":
            first, *rest = value if isinstance(value, list) and value else [None]
            yield from ([one, *rest] for one in changed(first, kind.get("items", {}), seen))
        if kind.get("type") == "object":
            known = value if isinstance(value, dict) else {}
            for name, field in kind.get("properties", {}).items():
                for one in changed(known.get(name), field, seen):
                    yield known | {name: one}
            yield from (known | {text: {}} for text in TEXTS)


@pytest.fixture
def places(client: httpx.Client) -> dict[str, str]:
    """What stands in the addresses; there is a plan of every kind and a profile of every one."""
    story.make_profiles(client)
    made = [client.post(path, json=body) for path, body in REQUESTS.items()]
    assert all(one.status_code == 201 for one in made)
    return {"plan_id": made[2].json()["id"]}


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_no_field_makes_the_service_fail(client: httpx.Client, places: dict[str, str]) -> None:
    seen: set[int] = set()
    count = 0
    for path, methods in DOCUMENT["paths"].items():
        for method, operation in methods.items():
            told = operation.get("requestBody", {}).get("content", {}).get(JSON)
            if told is None:
                continue
            body = BODIES[path]
            address = path.format(name=body.get("name", "camera-cpu.small-net"), **places)
            for hostile in changed(body, told["schema"], seen):
                answer = client.request(
                    method,
                    address,
                    content=json.dumps(hostile),
                    headers={"Content-Type": JSON, "If-Match": "*"},
                )
                assert answer.status_code < 500, (method, path, hostile, answer.text)
                count += 1
    assert count > 300


HEADERS = (
    "If-Match", "If-None-Match", "Idempotency-Key", "Last-Event-ID", "Prefer", "Accept",
    "Content-Type", "Content-Encoding", "X-Request-ID", "Authorization",
)  # fmt: skip
VALUES = (b"\xff\xfe", b"9" * 4_000, b'"' + b"9" * 30 + b'"', b"wait=1e999", b"\xed\xa0\x80", b"")


@pytest.mark.slow
def test_no_header_makes_the_service_fail(client: httpx.Client, places: dict[str, str]) -> None:
    at = f"/v1/plans/{places['plan_id']}"
    of_new_plans = ("If-Match", "Idempotency-Key", "Prefer")
    for method, address, body, names in (
        ("PUT", "/v1/devices/camera-cpu", PROFILES["devices"], HEADERS),
        ("GET", at, None, HEADERS),
        ("POST", f"{at}/replan", {"users": {"far": {"deadline_s": 0.3}}}, of_new_plans),
        ("POST", f"{at}/validations", {"trials": 10}, of_new_plans),
    ):
        for name in names:
            for value in VALUES:
                headers = {"content-type": JSON.encode(), name.lower(): value}
                answer = client.request(
                    method, address, content=json.dumps(body).encode(), headers=headers
                )
                assert answer.status_code < 500, (method, address, name, value, answer.text)


@pytest.mark.parametrize("form", ["tegrastats", "powerstat"])
def test_a_name_that_cannot_be_stored_is_refused_in_its_line(
    client: httpx.Client, form: str
) -> None:
    assert client.post("/v1/devices", json=PROFILES["devices"]).status_code == 201
    refused = client.post(
        "/v1/devices/camera-cpu/power-measurements",
        params={"format": form},
        content=b"# run a\0b frequency_hz=1e9 time_s=0.1\n",
        headers={"Content-Type": "text/plain"},
    )
    assert refused.status_code == 422, refused.text
    assert "line 1: has a control character" in refused.json()["detail"]

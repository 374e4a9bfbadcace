"""Requests whose users are a CSV: the plan of the same request in JSON, whatever its kind, kept as
other columns are, and refused in the same words with the line and the column.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pytest

from app.bundles.carried import read as bundle_in
from app.bundles.replay import Verdict, replay
from app.http.media import ARROW, CSV, PARQUET
from tests.support.answers import slug
from tests.support.builders import Body, a_server
from tests.support.multiuser import requests as shares
from tests.support.robust import requests as cells
from tests.support.robust.columns import as_table, packed
from tests.support.spreadsheets import as_csv
from tests.support.stopping import requests as rules

CHECKOUT = Path(__file__).parent.parent.parent.parent
FLEET = "id,device,model,gain_db,deadline_s,risk\nc,camera-cpu,small-net,-100,0.2,0.05\n"
HERE = {"channel": "cell", "server": "edge-gpu"}


def post(
    client: httpx.Client, path: str, content: bytes | str, media_type: str = CSV, **more: Any
) -> httpx.Response:
    headers = {"Content-Type": media_type, **more.pop("headers", {})}
    return client.post(path, content=content, headers=headers, **more)


def faults(answer: httpx.Response) -> dict[str, str]:
    assert answer.status_code == 422, answer.text
    return {
        fault["pointer"] or fault["parameter"]: fault["detail"] for fault in answer.json()["errors"]
    }


def a_robust_request() -> Body:
    """Of every field that a column may be."""
    far = {"snr_db": 12.5, "bandwidth_hz": 1e6}
    common: Body = {"deadline_s": 0.4, "rate_hz": 1.5, "max_loss": 0.01, "tx_power_w": 0.25}
    return cells.a_stored_cell(
        cells.a_stored_user(id="gain", servers=["edge-gpu", "near"], cell="hall", **common),
        cells.a_stored_user(
            id='a "quoted", id;', gain_db=None, snr_reference=far, cell="yard", **common
        ),
        cells.a_stored_user(id="007", correlation=-0.5, cell="hall", **common),
        name="csv",
        cells=[{"id": "hall"}, {"id": "yard", "bandwidth_hz": 2.5e6}],
        options={"seed": 3, "explain": True},
    )


REQUESTS: dict[str, Callable[[], Body]] = {
    "robust": a_robust_request,
    "stopping": lambda: rules.a_fleet(
        rules.a_stored_robot(id="near"), rules.a_stored_robot(id="far", mean_snr_db=3.25)
    ),
    "multi-user": lambda: shares.a_cell(
        shares.a_stored_user(id="one", weight=2.0, deadline_s=0.5), shares.a_stored_user(id="two")
    ),
    "adaptive": lambda: shares.a_fleet(
        shares.a_stored_user(spectral_efficiency_bps_per_hz=None, frequency_hz=1e9)
    ),
}


@pytest.fixture
def stocked(client: httpx.Client) -> httpx.Client:
    rules.store_profiles(client)
    near = a_server(name="near", capacity_flop_per_s=2e9, parallel=4)
    assert client.post("/v1/servers", json=near).status_code == 201
    return client


@pytest.mark.slow
@pytest.mark.parametrize("kind", REQUESTS)
def test_a_csv_and_json_are_the_same_plan(stocked: httpx.Client, kind: str) -> None:
    request = REQUESTS[kind]()
    told = stocked.post(f"/v1/plans/{kind}", json=request)
    assert told.status_code == 201, told.text
    for separator, mark in ((",", "."), (";", ","), ("\t", ".")):
        params, body = as_csv(request, separator, mark)
        answer = post(stocked, f"/v1/plans/{kind}", body, params=params)
        assert answer.status_code == 201, answer.text
        assert answer.json()["result"] == told.json()["result"]
        assert answer.json()["name"] == request.get("name")
        dry = post(stocked, f"/v1/plans/{kind}", body, params=params | {"dry_run": "true"})
        assert (dry.status_code, dry.json()["object"]) == (200, "estimate")
    kept = stocked.get(f"/v1/plans/{answer.json()['id']}/request").json()
    if kind == "robust":
        assert kept == {name: value for name, value in request.items() if name != "users"}
    else:  # they are read as JSON, and kept as that
        assert kept == request
        assert answer.json()["request_hash"] == told.json()["request_hash"]


@pytest.mark.slow
def test_a_stored_csv_is_given_back_and_replayed(stocked: httpx.Client) -> None:
    params, body = as_csv(a_robust_request())
    plan = post(stocked, cells.ROBUST, body, params=params).json()
    address = f"/v1/plans/{plan['id']}"
    back = stocked.get(f"{address}/request", headers={"Accept": CSV})
    again = post(stocked, cells.ROBUST, back.content, params=params)
    assert again.status_code == 201, again.text
    assert again.json()["result"] == plan["result"]
    bundle = bundle_in(stocked.get(f"{address}/bundle").content)
    assert replay(bundle).verdict is Verdict.SAME
    patch = {"users": {"007": {"deadline_s": 0.5}}}
    changed = stocked.post(f"{address}/replan", json=patch).json()
    assert changed["changed"]["users_changed"] == ["007"]


def test_a_key_belongs_to_one_csv(stocked: httpx.Client) -> None:
    once: Body = {"params": HERE, "headers": {"Idempotency-Key": "sheet"}}
    first, second = (post(stocked, cells.ROBUST, FLEET, **once) for _ in range(2))
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json()["id"] == second.json()["id"]
    for content, params in ((FLEET + "\n", HERE), (FLEET, HERE | {"name": "other"})):
        other = post(stocked, cells.ROBUST, content, **once | {"params": params})
        assert (other.status_code, slug(other)) == (422, "idempotency-key-reused")


def test_what_is_wrong_is_told_with_its_line(stocked: httpx.Client) -> None:
    text = (
        "id,device,model,gain_db,distance_m,deadline_s,risk,servers\n"
        "a,camera-cpu,small-net,-100,,-1,0.05,\n"
        "\n"
        "a,camera-cpu,small-net,-100,3,0.2,1.5,\n"
        "c,camera-cpu,Small Net,-100,,,0.05,\n"
        'd,camera-cpu,small-net,-100,,0.2,0.05,"[""near"", ""a/b""]"\n'
    )
    told = faults(post(stocked, cells.ROBUST, text, params=HERE))
    assert told == {
        "/users/0/deadline_s": "line 2, column deadline_s: must be above 0",
        "/users/1/risk": "line 4, column risk: must be below 1",
        "/users/2/model": told["/users/2/model"],
        "/users/2/deadline_s": "line 5, column deadline_s: is required",
        "/users/3/servers/1": told["/users/3/servers/1"],
    }
    assert told["/users/2/model"].startswith("line 5, column model: must be a name")
    assert told["/users/3/servers/1"].startswith("line 6, column servers: must be a name")
    unknown = FLEET.replace("small-net", "tiny-net")
    told = faults(post(stocked, cells.ROBUST, unknown, params=HERE))
    assert told["/users/0/model"].startswith("line 2, column model: There is no model")
    told = faults(post(stocked, shares.MULTI_USER, "id,device,deadline_s\na,b,x\n"))
    assert told["/users/0/deadline_s"].startswith("line 2, column deadline_s: must be a number")
    cells.assert_nothing_stored(stocked)


def test_what_is_wrong_in_the_address(stocked: httpx.Client) -> None:
    wrong = [("bandwidth_hz", "10 MHz"), ("options", "{"), ("name", "a"), ("name", "b")]
    told = faults(post(stocked, cells.ROBUST, FLEET, params=[*HERE.items(), *wrong]))
    assert told["bandwidth_hz"].startswith("query parameter bandwidth_hz: must be a number, not")
    assert told["options"].startswith("query parameter options: must be JSON, not '{'")
    assert told["name"] == "query parameter name: is given twice"
    told = faults(post(stocked, cells.ROBUST, FLEET, params=HERE | {"chanel": "x"}))
    assert told == {
        "chanel": "this operation has no such query parameter: chanel; is it 'channel'?"
    }
    told = faults(post(stocked, cells.ROBUST, FLEET, params=HERE | {"options": '{"sed": 1}'}))
    assert "is it 'seed'?" in told["/options/sed"]
    told = faults(stocked.post(cells.ROBUST, json=cells.a_stored_cell(), params=HERE))
    assert told["channel"] == "query parameter channel: is not for bodies of this media type"
    headless = post(stocked, cells.ROBUST, FLEET, "text/csv; header=absent", params=HERE)
    assert (headless.status_code, slug(headless)) == (415, "unsupported-media-type")
    cells.assert_nothing_stored(stocked)


def test_other_tables_may_say_the_rest_in_the_address(stocked: httpx.Client) -> None:
    """As tools write them that know of no metadata, and of no structs."""
    request = a_robust_request()
    params, _ = as_csv(request)
    table = as_table(request).flatten()
    assert "snr_reference.snr_db" in table.column_names
    told = stocked.post(cells.ROBUST, json=request).json()
    bare = table.replace_schema_metadata(None)
    for media_type in (ARROW, PARQUET):
        answer = post(stocked, cells.ROBUST, packed(bare, media_type), media_type, params=params)
        assert answer.status_code == 201, answer.text
        assert answer.json()["result"] == told["result"]
        whole = packed(as_table(request), media_type)
        twice = post(stocked, cells.ROBUST, whole, media_type, params=HERE)
        detail = "query parameter channel: is in the metadata of the schema too: say it once"
        assert faults(twice)["channel"] == detail
    both = as_table(request).append_column("snr_reference.snr_db", pa.nulls(3))
    refused = post(stocked, cells.ROBUST, packed(both), ARROW)
    assert (refused.status_code, slug(refused)) == (400, "malformed-columns")
    assert "both whole and in parts" in refused.json()["detail"]


def test_as_many_users_as_the_kind_may_have(stocked: httpx.Client) -> None:
    """Of kinds whose users are kept as JSON no more than JSON may have."""
    rows = "".join(f"c{n},camera-cpu,small-net\n" for n in range(10_001))
    params = {"server": "edge-gpu", "weights": json.dumps({"latency_per_s": 1.0, "loss": 0.0})}
    refused = post(stocked, shares.ADAPTIVE, "id,device,model\n" + rows, params=params)
    assert (refused.status_code, slug(refused)) == (413, "too-many-users")


def test_the_document_says_what_tables_are_taken() -> None:
    document = json.loads((CHECKOUT / "openapi/openapi.json").read_bytes())
    for kind, request in (("robust", a_robust_request()), ("adaptive", REQUESTS["adaptive"]())):
        door = document["paths"][f"/v1/plans/{kind}"]["post"]
        assert {CSV, ARROW, PARQUET} < set(door["requestBody"]["content"])
        named = {each["name"] for each in door["parameters"] if each["in"] == "query"}
        assert set(as_csv(request)[0]) < named

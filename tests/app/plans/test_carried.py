"""Every answer says which network runs on which device, and where it is split."""

import csv
import io
from typing import Any

import httpx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from app.http.media import ARROW, CSV, PARQUET
from client import edge
from tests.support.builders import Body, a_model
from tests.support.multiuser import requests as shares
from tests.support.robust import requests as cells
from tests.support.robust.columns import as_table, planned
from tests.support.robust.requests import store_profiles
from tests.support.stopping import requests as rules

pytestmark = pytest.mark.either

TENSORS: list[list[str]] = [["data"], ["relu1", "mask"], ["relu2"], []]
NAMED = a_model(
    name="named-net",
    source_sha256="ab" * 32,
    cuts=[
        cut | {"tensors": tensors} for cut, tensors in zip(a_model()["cuts"], TENSORS, strict=True)
    ],
)


def solved(client: httpx.Client, path: str, body: Body) -> dict[str, Any]:
    answer = client.post(path, json=body)
    assert answer.status_code == 201, answer.text
    result: dict[str, Any] = answer.json()["result"]
    return result["users"][0]


def timings(model: str) -> Body:
    """Both timings of the user's network, inline."""
    given = cells.a_user()
    return {name: given[name] | {"model": model} for name in ("device_timing", "server_timing")}


FAMILIES: dict[str, Any] = {
    cells.ROBUST: lambda user: cells.a_cell(cells.a_user(**user)),
    rules.STOPPING: lambda user: rules.a_fleet(rules.a_robot(**user)),
    shares.MULTI_USER: lambda user: shares.a_cell(shares.a_user(**user)),
    shares.ADAPTIVE: lambda user: shares.a_fleet(shares.a_rate_user(**user)),
}


@pytest.mark.parametrize("path", FAMILIES)
@pytest.mark.parametrize("model", [NAMED, a_model()], ids=["named", "unnamed"])
def test_an_answer_carries_what_carries_it_out(
    client: httpx.Client, path: str, model: Body
) -> None:
    store_profiles(client)
    client.post("/v1/models", json=NAMED)
    user = solved(client, path, FAMILIES[path]({"model": model["name"], **timings(model["name"])}))
    assert user["model"] == f"{model['name']}@1"
    assert user["device"].startswith("inline:")
    rows = [row for row in user.get("table", {}).get("rows", []) if row["cut"] is not None]
    for row in rows:
        assert row["partition_id"] == edge.partition_id(model, row["cut"])
        assert user["table"]["tensors"][row["partition_id"]] == model["cuts"][row["cut"]].get(
            "tensors"
        )
    assert rows or path == cells.ROBUST
    cut = user.get("cut", user.get("placement"))
    if cut is not None:
        assert user["partition_id"] == edge.partition_id(model, cut)
        assert user["tensors"] == model["cuts"][cut].get("tensors")
    if "rate_from_bps" in (rows or [{}])[0]:
        carried = edge.RateTable(user["table"]["rows"]).decide(1e6)
        assert carried is None or carried.partition_id == edge.partition_id(model, carried.cut)


@pytest.mark.slow
def test_columns_carry_it_too(client: httpx.Client) -> None:
    store_profiles(client)
    client.post("/v1/models", json=NAMED)
    for timing in timings("named-net").values():
        name = f"{timing['processor']}.named-net"
        assert client.post("/v1/timings", json=timing | {"name": name}).is_success
    users = cells.a_crowd(1001, deadline_s=0.4)
    users = [user | {"model": ("named-net", "small-net")[n % 2]} for n, user in enumerate(users)]
    plan = planned(client, as_table(cells.a_stored_cell(*users, bandwidth_hz=2e9)))
    first, second = client.get(f"/v1/plans/{plan['id']}/users?limit=2").json()["items"]
    for user, model in ((first, NAMED), (second, a_model())):
        assert (user["model"], user["device"]) == (f"{model['name']}@1", "camera-cpu@1")
        assert user["partition_id"] == edge.partition_id(model, user["cut"])
        assert user["tensors"] == model["cuts"][user["cut"]].get("tensors")
    told = {
        media_type: client.get(f"/v1/plans/{plan['id']}/users", headers={"Accept": media_type})
        for media_type in (CSV, ARROW, PARQUET)
    }
    arrow = pa.ipc.open_stream(told[ARROW].content).read_all()
    names = ["model", "device", "partition_id", "tensors"]
    assert arrow.slice(0, 2).select(names).to_pylist() == [
        {name: user[name] for name in names} for user in (first, second)
    ]
    assert pa.types.is_dictionary(arrow.schema.field("partition_id").type)
    parquet = pq.read_table(io.BytesIO(told[PARQUET].content))
    assert parquet.select(names).to_pylist() == arrow.select(names).to_pylist()
    row = next(csv.DictReader(io.StringIO(told[CSV].text)))
    assert row["partition_id"] == first["partition_id"]

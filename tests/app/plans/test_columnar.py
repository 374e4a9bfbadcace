"""Users in columns: the same request in Arrow, Parquet and JSON is the same plan, and is refused in
the same words.
"""

import io
import json
import threading
from collections.abc import Callable
from typing import Any

import httpx
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.ipc
import pyarrow.parquet as pq
import pytest

from app.http.media import ARROW, CSV, PARQUET
from tests.support.builders import Body, a_server, a_timing
from tests.support.robust.columns import as_table, packed, planned, post
from tests.support.robust.requests import (
    ROBUST,
    a_crowd,
    a_stored_cell,
    a_stored_user,
    assert_nothing_stored,
    infeasible,
    pointers,
    refusal,
    solved,
    store_profiles,
)

FORMATS = (ARROW, PARQUET)


@pytest.fixture(autouse=True)
def _stored(client: httpx.Client) -> None:
    store_profiles(client)


def users(client: httpx.Client, plan: Body) -> list[Body]:
    """All users of a plan, from its body or page by page."""
    if "users" in plan["result"]:
        return list(plan["result"]["users"])
    found: list[Body] = []
    cursor: str | None = ""
    while cursor is not None:
        page = client.get(
            plan["result"]["users_url"],
            params={"limit": 1000} | ({"cursor": cursor} if cursor else {}),
        )
        found += page.json()["items"]
        cursor = page.json()["next_cursor"]
    return found


@pytest.mark.slow
@pytest.mark.parametrize("media_type", FORMATS)
@pytest.mark.parametrize("size", [3, 2500])
def test_columns_and_json_are_the_same_plan(
    client: httpx.Client, media_type: str, size: int
) -> None:
    request = a_stored_cell(*a_crowd(size, deadline_s=0.4), bandwidth_hz=1e6 * size)
    told = solved(client, request)
    columns = planned(client, as_table(request), media_type)
    assert columns["result"]["objective"] == told["objective"]
    assert columns["result"]["certificate"] == told["certificate"]
    plan = client.get("/v1/plans", params={"limit": 2}).json()["items"][1]
    assert users(client, columns) == users(client, client.get(f"/v1/plans/{plan['id']}").json())
    again = client.get(f"/v1/plans/{columns['id']}").json()
    assert again == columns


@pytest.mark.parametrize("media_type", FORMATS)
def test_streams_losses_and_servers_in_columns(client: httpx.Client, media_type: str) -> None:
    near = a_server(name="near", capacity_flop_per_s=2e9, parallel=4)
    assert client.post("/v1/servers", json=near).status_code == 201
    request = a_stored_cell(
        *(
            a_stored_user(
                id=str(n),
                rate_hz=1.0 + n,
                max_loss=(0.0, 0.1)[n % 2],
                servers=(["edge-gpu", "near"], ["near"])[n % 2],
                gain_db=-85.0,
                deadline_s=0.5,
            )
            for n in range(4)
        ),
        options={"baselines": True},  # whole, however long it takes
    )
    del request["server"]
    told = solved(client, request)
    columns = planned(client, as_table(request), media_type)
    assert columns["result"] == told
    (server,) = told["certificate"]["servers"]
    assert server["server"] == "near@1"
    assert [user["rate_hz"] for user in told["users"]] == [1.0, 2.0, 3.0, 4.0]
    assert {user["server"] for user in told["users"]} <= {"edge-gpu@1", "near@1", None}


def test_odd_servers_and_rates_in_columns_are_pointed_at(client: httpx.Client) -> None:
    users = [a_stored_user(id=str(n), servers=["edge-gpu"], rate_hz=1.0) for n in range(3)]
    for change, pointer in (
        ({"servers": []}, "/users/1/servers"),
        ({"servers": ["edge-gpu", "edge-gpu"]}, "/users/1/servers/1"),
        ({"servers": ["edge gpu"]}, "/users/1/servers/0"),
        ({"servers": ["edge-gpu", None]}, "/users/1/servers/1"),
        ({"servers": ["nowhere"]}, "/users/1/servers/0"),
        ({"rate_hz": None}, "/users/1/rate_hz"),
        ({"rate_hz": -1.0}, "/users/1/rate_hz"),
        ({"max_loss": 2.0}, "/users/1/max_loss"),
    ):
        body = a_stored_cell(users[0], users[1] | change, users[2])
        assert pointers(post(client, packed(as_table(body)))) == [pointer]
    (error,) = refusal(
        post(client, packed(as_table(a_stored_cell(users[0] | {"servers": "edge-gpu"})))),
        422,
        "invalid-request",
    )["errors"]
    assert error["pointer"] == "/users"
    assert "lists of text" in error["detail"]
    assert_nothing_stored(client)


def test_every_field_means_what_it_means_in_json(client: httpx.Client) -> None:
    request = a_stored_cell(
        a_stored_user(
            id="a", cell="north", correlation=0.5, tx_power_w=0.05, device_timing=a_timing()["name"]
        ),
        a_stored_user(
            id="b", cell="south", gain_db=None, snr_reference={"snr_db": 20.0, "bandwidth_hz": 1e6}
        ),
        a_stored_user(id="c", cell="south", gain_db=None, distance_m=80.0, server_timing=None),
        cells=[{"id": "north"}, {"id": "south", "bandwidth_hz": 5e6}],
    )
    assert planned(client, as_table(request))["result"] == solved(client, request)


def test_any_arrow_type_that_holds_the_values_will_do(client: httpx.Client) -> None:
    request = a_stored_cell(*a_crowd(5, deadline_s=1))
    plain = as_table(request)
    table = plain
    for name, kind in (
        ("id", pa.large_string()),
        ("device", pa.dictionary(pa.int8(), pa.string())),
        ("deadline_s", pa.int32()),
        ("gain_db", pa.float32()),
    ):
        column = (
            table[name].dictionary_encode()
            if pa.types.is_dictionary(kind)
            else table[name].cast(kind, safe=False)
        )
        table = table.set_column(table.column_names.index(name), name, column)
    plan, other = planned(client, table), planned(client, plain)
    assert [user["cut"] for user in plan["result"]["users"]] == [
        user["cut"] for user in other["result"]["users"]
    ]


@pytest.mark.slow
def test_columns_as_tools_write_them(client: httpx.Client) -> None:
    """Polars' categories and enumerations, its texts without copies, DuckDB's decimals, pandas'
    categories and index, runs, dictionaries of numbers.
    """
    request = a_stored_cell(*a_crowd(4, deadline_s=0.5), options={"baselines": True})
    for user in request["users"]:
        user["servers"] = [request["server"]]
    del request["server"]
    plain = as_table(request)
    told = planned(client, plain)["result"]

    def coded(index: pa.DataType, value: pa.DataType, name: str) -> pa.Array:
        one = plain[name].combine_chunks().dictionary_encode()
        return pa.DictionaryArray.from_arrays(one.indices.cast(index), one.dictionary.cast(value))

    described = json.dumps({"index_columns": ["__index_level_0__"]})
    for changes in (
        {"device": coded(pa.uint32(), pa.string_view(), "device")},
        {"model": coded(pa.int8(), pa.large_string(), "model")},
        {"deadline_s": coded(pa.uint8(), pa.float64(), "deadline_s")},
        {"deadline_s": pc.run_end_encode(plain["deadline_s"].combine_chunks())},
        {"device": pc.run_end_encode(plain["device"].combine_chunks())},
        {"deadline_s": plain["deadline_s"].cast(pa.decimal128(20, 3))},
        {"id": plain["id"].cast(pa.string_view()), "gain_db": plain["gain_db"]},
        {"servers": plain["servers"].cast(pa.large_list(pa.string_view()))},
        {"servers": pa.array(plain["servers"].to_pylist(), pa.list_view(pa.string()))},
        {"servers": pa.array(plain["servers"].to_pylist(), pa.list_(pa.dictionary("i4", "str")))},
        {"__index_level_0__": pa.array([3, 1, 0, 7])},
    ):
        table = plain
        for name, column in changes.items():
            if name in plain.column_names:
                table = table.set_column(table.column_names.index(name), name, column)
            else:
                table = table.append_column(name, column)
        metadata = plain.schema.metadata | {"pandas": described}
        result = planned(client, table.replace_schema_metadata(metadata))["result"]
        assert result == told, changes


def test_metadata_beside_a_parquet_schema(client: httpx.Client) -> None:
    table = as_table(a_stored_cell(*a_crowd(2)))
    bare = table.replace_schema_metadata(None)
    for schema in (bare.schema, None):
        sink = io.BytesIO()
        with pq.ParquetWriter(sink, bare.schema, store_schema=schema is not None) as writer:
            writer.write_table(bare)
            writer.add_key_value_metadata(table.schema.metadata)
        answer = post(client, sink.getvalue(), PARQUET)
        assert answer.status_code == 201, answer.text


def test_the_format_of_arrow_files_is_read_as_a_stream(client: httpx.Client) -> None:
    request = a_stored_cell(*a_crowd(300, deadline_s=0.5), bandwidth_hz=1e9)
    table, sink = as_table(request), io.BytesIO()
    with pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=100)
    answer = post(client, sink.getvalue())
    assert answer.status_code == 201, answer.text
    assert answer.json()["result"] == planned(client, table)["result"]
    refusal(post(client, sink.getvalue()[:-50]), 400, "malformed-columns")


@pytest.mark.parametrize(
    ("kind", "said"),
    [(pa.binary(), "not binary: send text"), (pa.timestamp("s"), "not timestamp[s]: send text")],
)
def test_types_that_hold_no_text_are_named(
    client: httpx.Client, kind: pa.DataType, said: str
) -> None:
    table = with_values(as_table(a_stored_cell(*a_crowd(2))), "id", [b"1", b"2"])
    odd = table["id"].cast(kind) if kind == pa.binary() else pa.array([1, 2], kind)
    table = table.set_column(table.column_names.index("id"), "id", odd)
    (error,) = refusal(post(client, packed(table)), 422, "invalid-request")["errors"]
    assert error["detail"] == f"column id must hold text, {said}"


def without(table: pa.Table, name: str) -> pa.Table:
    return table.drop_columns([name])


def with_values(table: pa.Table, name: str, values: list[Any]) -> pa.Table:
    kept = table.replace_schema_metadata(table.schema.metadata)
    if name in table.column_names:
        return kept.set_column(table.column_names.index(name), name, pa.array(values))
    return kept.append_column(name, pa.array(values))


@pytest.mark.parametrize(
    ("change", "where"),
    [
        (lambda t: with_values(t, "deadline_s", [0.4, -1.0, 0.4]), "/users/1/deadline_s"),
        (lambda t: with_values(t, "deadline_s", [0.4, float("nan"), 0.4]), "/users/1/deadline_s"),
        (lambda t: with_values(t, "deadline_s", [0.4, None, 0.4]), "/users/1/deadline_s"),
        (lambda t: with_values(t, "risk", [0.1, 0.1, 1.0]), "/users/2/risk"),
        (lambda t: with_values(t, "id", ["a", "b", "a"]), "/users/2/id"),
        (lambda t: with_values(t, "id", ["a", "b/c", "d"]), "/users/1/id"),
        (lambda t: with_values(t, "id", ["a", "", "d"]), "/users/1/id"),
        (lambda t: with_values(t, "id", ["a", "x" * 129, "d"]), "/users/1/id"),
        (
            lambda t: with_values(t, "device", ["camera-cpu", "No Name", "camera-cpu"]),
            "/users/1/device",
        ),
        (
            lambda t: with_values(t, "device", ["camera-cpu", "camera-cpu", "nobody"]),
            "/users/2/device",
        ),
        (lambda t: with_values(t, "distance_m", [None, 5.0, None]), "/users/1/distance_m"),
        (lambda t: without(t, "gain_db"), "/users/0"),
        (lambda t: with_values(t, "cell", [None, "north", None]), "/users/1/cell"),
        (lambda t: with_values(t, "correlation", [0.0, 0.0, 1.5]), "/users/2/correlation"),
        (lambda t: without(t, "risk"), "/users"),
        (lambda t: with_values(t, "riks", [0.1, 0.1, 0.1]), "/users"),
        (lambda t: with_values(t, "risk", ["0.1", "0.1", "0.1"]), "/users"),
        (lambda t: with_values(t, "risk", [True, True, False]), "/users"),
        (lambda t: with_values(t, "device", [{"name": "x"}] * 3), "/users"),
        (lambda t: t.slice(0, 0), "/users"),
    ],
)
def test_faults_are_told_in_the_words_of_json(
    client: httpx.Client, change: Callable[[pa.Table], pa.Table], where: str
) -> None:
    table = change(as_table(a_stored_cell(*a_crowd(3))))
    assert where in pointers(post(client, packed(table)))
    assert_nothing_stored(client)


def test_faults_of_the_rest_point_into_it(client: httpx.Client) -> None:
    table = as_table(a_stored_cell(*a_crowd(2), options={"gap": 2.0}))
    assert pointers(post(client, packed(table))) == ["/options/gap"]
    table = as_table(a_stored_cell(*a_crowd(2)) | {"server": "nobody"})
    assert "/server" in pointers(post(client, packed(table)))
    table = as_table(a_stored_cell(*a_crowd(2))).replace_schema_metadata(None)
    assert "metadata" in refusal(post(client, packed(table)), 422, "invalid-request")["detail"]
    table = table.replace_schema_metadata({"splitplan": "{"})
    refusal(post(client, packed(table)), 400, "malformed-json")
    assert_nothing_stored(client)


@pytest.mark.parametrize("media_type", FORMATS)
def test_what_is_not_the_declared_file_is_refused(client: httpx.Client, media_type: str) -> None:
    whole = packed(as_table(a_stored_cell(*a_crowd(50))), media_type)
    for body in (b"", b"{}", whole[: len(whole) // 2], whole[len(whole) // 2 :], b"\xff" * 4096):
        refusal(post(client, body, media_type), 400, "malformed-columns")
    refusal(post(client, whole, "text/csv"), 400, "malformed-columns")
    refusal(post(client, whole, "application/vnd.ms-excel"), 415, "unsupported-media-type")
    assert_nothing_stored(client)


def test_a_dry_run_of_columns_stores_nothing(client: httpx.Client) -> None:
    answer = post(client, packed(as_table(a_stored_cell(*a_crowd(20)))), params={"dry_run": True})
    assert answer.status_code == 200
    assert answer.json()["users"] == 20
    assert_nothing_stored(client)


def test_a_key_belongs_to_one_body(client: httpx.Client) -> None:
    body = packed(as_table(a_stored_cell(*a_crowd(20))))
    first = post(client, body, headers={"Idempotency-Key": "columns"})
    second = post(client, body, headers={"Idempotency-Key": "columns"})
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json()["id"] == second.json()["id"]
    other = post(
        client,
        packed(as_table(a_stored_cell(*a_crowd(21)))),
        headers={"Idempotency-Key": "columns"},
    )
    refusal(other, 422, "idempotency-key-reused")


def test_columns_are_planned_in_the_background_too(client: httpx.Client, worker: str) -> None:
    request = a_stored_cell(*a_crowd(1500, deadline_s=0.4), bandwidth_hz=2e9)
    answer = post(client, packed(as_table(request)), headers={"Prefer": "respond-async"})
    assert answer.status_code == 202, answer.text
    ended = follow(client, answer.headers["location"])
    assert ended["status"] == "solved"
    assert ended["result"]["objective"] == solved(client, request)["objective"]
    assert client.get(f"/v1/plans/{ended['id']}/users/camera-7").json()["id"] == "camera-7"


def follow(client: httpx.Client, address: str) -> Body:
    """A plan once it has ended."""
    with client.stream("GET", f"{address}/events") as events:
        for line in events.iter_lines():
            if line == "event: end":
                break
    return dict(client.get(address).json())


@pytest.mark.slow
def test_users_are_found_by_their_ids_in_any_order(client: httpx.Client) -> None:
    crowd = a_crowd(2000, deadline_s=0.4)
    for n, user in enumerate(crowd):
        user["id"] = f"{(n * 7919) % 2000:04d} é" if n % 2 else f"Z{n}"
    request = a_stored_cell(*crowd, bandwidth_hz=2e9)
    plan = planned(client, as_table(request))
    listed = users(client, plan)
    assert [user["id"] for user in listed] == [user["id"] for user in crowd]
    for n in (0, 1, 777, 1998, 1999):
        assert client.get(f"/v1/plans/{plan['id']}/users/{crowd[n]['id']}").json() == listed[n]
    for stranger in ("nobody", "0", "~", "Z"):
        refusal(client.get(f"/v1/plans/{plan['id']}/users/{stranger}"), 404, "plan-user-not-found")


@pytest.mark.slow
@pytest.mark.parametrize("size", [3, 2500])
def test_all_users_at_once_as_csv_arrow_and_parquet(client: httpx.Client, size: int) -> None:
    request = a_stored_cell(*a_crowd(size, deadline_s=0.4), bandwidth_hz=1e6 * size)
    plan = planned(client, as_table(request))
    told, address = users(client, plan), f"/v1/plans/{plan['id']}/users"
    arrow = client.get(address, headers={"Accept": ARROW})
    assert arrow.headers["content-type"] == ARROW
    with pa.ipc.open_stream(arrow.content) as reader:
        assert reader.read_all().to_pylist() == told
    parquet = client.get(address, headers={"Accept": f"{PARQUET}, application/json;q=0.5"})
    assert pq.read_table(io.BytesIO(parquet.content)).to_pylist() == told
    csv = client.get(address, headers={"Accept": CSV})
    assert csv.headers["content-type"].startswith(CSV)
    table = pa.csv.read_csv(io.BytesIO(csv.content))
    assert table["id"].to_pylist() == [user["id"] for user in told]
    assert table["latency.bound_s"].to_pylist() == pytest.approx(
        [user["latency"]["bound_s"] for user in told]
    )
    for most in ("image/png", f"{CSV};q=0, application/json", f"{CSV}, application/json", "*/*"):
        page = client.get(address, headers={"Accept": most})
        assert (page.json()["items"], page.headers["vary"]) == (told[:100], "Accept")
    lines = [("Accept", f"{CSV};q=0.5"), ("Accept", ARROW)]
    assert client.get(address, headers=lines).headers["content-type"] == ARROW
    refusal(client.get("/v1/plans/none/users", headers={"Accept": CSV}), 404, "plan-not-found")


def test_infeasible_columns_say_why(client: httpx.Client) -> None:
    request = a_stored_cell(*a_crowd(3, deadline_s=1e-4))
    table = as_table(request)
    answer = post(client, packed(table))
    assert answer.status_code == 201
    assert answer.json()["infeasible"] == infeasible(client, request)


@pytest.mark.slow
@pytest.mark.parametrize("size", [3, 1200])
def test_a_plan_in_columns_is_replayed(client: httpx.Client, size: int) -> None:
    request = a_stored_cell(*a_crowd(size, deadline_s=0.4), bandwidth_hz=1e6 * size)
    verdicts = []
    for plan in (planned(client, as_table(request)), client.post(ROBUST, json=request).json()):
        asked = {"trials": 200, "seed": 1, "distributions": ["gamma", "two_point"]}
        answer = client.post(f"/v1/plans/{plan['id']}/validations", json=asked)
        assert answer.status_code == 201, answer.text
        verdicts.append(answer.json())
    for told in ("holds", "check", "laws"):
        assert verdicts[0][told] == verdicts[1][told]


def test_a_plan_in_columns_is_planned_again_with_changes(client: httpx.Client) -> None:
    request = a_stored_cell(*a_crowd(4, deadline_s=0.4))
    plan = planned(client, as_table(request))
    patch = {"users": {"camera-1": {"deadline_s": 0.3}, "camera-2": None}}
    headers = {"Content-Type": "application/merge-patch+json"}
    again = client.post(
        f"/v1/plans/{plan['id']}/replan", content=json.dumps(patch), headers=headers
    )
    assert again.status_code == 201, again.text
    told = {user["id"]: user["deadline_s"] for user in again.json()["result"]["users"]}
    assert told == {"camera-0": 0.4, "camera-1": 0.3, "camera-3": 0.4}


def test_a_plan_in_columns_is_forgotten_whole(client: httpx.Client) -> None:
    plan = planned(
        client, as_table(a_stored_cell(*a_crowd(1200, deadline_s=0.4), bandwidth_hz=2e9))
    )
    assert client.delete(f"/v1/plans/{plan['id']}").status_code == 204
    refusal(
        client.get(f"/v1/plans/{plan['id']}/users", headers={"Accept": ARROW}),
        404,
        "plan-not-found",
    )


@pytest.mark.slow
def test_two_readers_at_once(client: httpx.Client) -> None:
    plan = planned(
        client, as_table(a_stored_cell(*a_crowd(9000, deadline_s=0.4), bandwidth_hz=9e9))
    )
    sizes: list[int] = []

    def read() -> None:
        answer = client.get(f"/v1/plans/{plan['id']}/users", headers={"Accept": ARROW})
        with pa.ipc.open_stream(answer.content) as reader:
            sizes.append(reader.read_all().num_rows)

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    assert sizes == [9000, 9000]

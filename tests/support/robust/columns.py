"""Requests with their users in columns, and how they are sent."""

import io
import json
from typing import Any

import httpx
import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet as pq

from app.http.media import ARROW
from tests.support.builders import Body
from tests.support.robust.requests import ROBUST


def as_table(request: Body) -> pa.Table:
    """A JSON request as columns: its users are the rows, the rest is in the metadata."""
    rest = {name: value for name, value in request.items() if name != "users"}
    names = dict.fromkeys(name for user in request["users"] for name in user)
    # Its columns are those of its first row.
    rows = [dict.fromkeys(names) | user for user in request["users"]]
    return pa.Table.from_pylist(rows).replace_schema_metadata({"splitplan": json.dumps(rest)})


def packed(table: pa.Table, media_type: str = ARROW) -> bytes:
    sink = io.BytesIO()
    if media_type == ARROW:
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
    else:
        pq.write_table(table, sink)
    return sink.getvalue()


def post(
    client: httpx.Client, content: bytes, media_type: str = ARROW, **more: Any
) -> httpx.Response:
    return client.post(
        ROBUST,
        content=content,
        headers={"Content-Type": media_type, **more.pop("headers", {})},
        **more,
    )


def planned(client: httpx.Client, table: pa.Table, media_type: str = ARROW) -> Body:
    answer = post(client, packed(table, media_type), media_type)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())

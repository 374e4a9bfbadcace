"""Columns of strangers: what they claim, what comes of it, and who ends over them."""

import io

import httpx
import pyarrow as pa
import pytest
from pyarrow import parquet as pq

from app import columns_apart
from app.apart import Apart
from app.columns_apart import Limits
from app.errors import BodyTooLarge, MalformedColumns, TooManyUsers
from app.http.media import ARROW, PARQUET
from tests.support.builders import a_channel

LIMITS = Limits(10_000, 2**20)


def parquet(table: pa.Table, **how: object) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd", **how)
    return sink.getvalue()


def arrow(table: pa.Table, **how: object) -> bytes:
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(**how)) as stream:
        stream.write_table(table)
    return sink.getvalue()


def test_what_was_sent_is_read() -> None:
    table = pa.table({"id": ["a", "b", None], "risk": [0.1, None, 0.2]}, metadata={"k": "v"})
    for form, body in ((ARROW, arrow(table)), (PARQUET, parquet(table))):
        found = columns_apart.read(form, body, LIMITS)
        assert found.to_pydict() == table.to_pydict()
        assert found.schema.metadata[b"k"] == b"v"


@pytest.mark.parametrize("form", [ARROW, PARQUET])
def test_bounds_hold_before_anything_is_unpacked(form: str) -> None:
    write = parquet if form == PARQUET else arrow
    few = {"compression": "zstd"} if form == ARROW else {}
    with pytest.raises(TooManyUsers):
        columns_apart.read(form, write(pa.table({"a": [0] * 10_001}), **few), LIMITS)
    wide = pa.table({f"c{n}": [0] for n in range(1001)})
    with pytest.raises(BodyTooLarge, match="at most 1000"):
        columns_apart.read(form, write(wide, **few), LIMITS)
    plain = pa.table({f"c{n}": [n] * 10_000 for n in range(20)})  # 1.6 MB in a few kB
    body = write(plain, **few)
    assert len(body) < 100_000
    with pytest.raises(BodyTooLarge, match="1048576 bytes"):
        columns_apart.read(form, body, LIMITS)


def test_a_text_that_is_meant_often_is_kept_once() -> None:
    """Ten thousand times 10 kB in 20 kB: no more than its dictionary is there at any time."""
    often = pa.table({"id": pa.array(["x" * 10_000] * 5_000).dictionary_encode()})
    body = parquet(often)
    assert len(body) < 100_000
    with pytest.raises(BodyTooLarge):
        columns_apart.read(PARQUET, body, LIMITS)


def test_what_is_damaged_is_told() -> None:
    table = pa.table({"id": ["a", "b"] * 1000})
    for form, body in ((ARROW, arrow(table)[:-700]), (PARQUET, parquet(table)[:-9])):
        with pytest.raises(MalformedColumns, match=form.replace(".", r"\.")):
            columns_apart.read(form, body, LIMITS)


@pytest.mark.either
@pytest.mark.parametrize("form", [ARROW, PARQUET, "text/csv"])
def test_who_ends_over_a_body_is_not_the_service(
    client: httpx.Client, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    """The child is told to end: no body that would have it do so is kept here."""
    assert client.post("/v1/channels", json=a_channel()).status_code == 201
    users = pa.table({"id": ["a"], "device": ["camera-cpu"], "model": ["small-net"]})
    body = {ARROW: arrow(users), PARQUET: parquet(users)}.get(form, b"id,device\na,camera-cpu\n")
    dying = Apart("tests.support.dying", 2**31, time_s=60.0)
    with monkeypatch.context() as patched:
        patched.setenv("LANG", "die")
        patched.setattr(columns_apart, "READERS", dying)
        asked = {"params": {"channel": "cell"}, "content": body, "headers": {"Content-Type": form}}
        refused = client.post("/v1/plans/robust", **asked)
    dying.close()
    assert refused.status_code == 422, refused.text
    assert "break whoever reads them" in refused.json()["detail"]
    assert client.get("/livez").status_code == 200
    told = client.post("/v1/plans/robust", **asked)
    assert told.status_code == 422
    assert "break whoever" not in told.text

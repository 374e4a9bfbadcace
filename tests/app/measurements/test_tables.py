"""Hostile and broken tables: each is refused with a reason, none is a failure of the service."""

import io
import random
from typing import Any

import httpx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from app.errors import InvalidRequest
from app.http.media import CSV, PARQUET
from app.measurements.files import from_rows
from app.measurements.reader import Refused, read
from tests.support.answers import pointers
from tests.support.sheets import CLOCKS_HZ, at, device_mean_s, store

pytestmark = pytest.mark.either

OF = {"model": "small-net", "processor": "camera-cpu"}
HEADER = "cut,part,frequency_hz,time_s"


def send(client: httpx.Client, content: bytes | str, media_type: str = CSV) -> httpx.Response:
    return client.post(at(), content=content, headers={"Content-Type": media_type}, params=OF)


def rows() -> list[tuple[int, str, float, float]]:
    return [
        (cut, "device", clock, device_mean_s(cut, clock) * (1.0 + 0.01 * (n % 3)))
        for n in range(12)
        for cut in (1, 2, 3)
        for clock in CLOCKS_HZ
    ]


def columns(**changed: Any) -> dict[str, Any]:
    cut, part, frequency_hz, time_s = (list(column) for column in zip(*rows(), strict=True))
    return {"cut": cut, "part": part, "frequency_hz": frequency_hz, "time_s": time_s} | changed


def parquet(table: Any, **options: Any) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table(table), sink, **options)
    return sink.getvalue()


def csv(*lines: str, header: str = HEADER) -> str:
    return "\n".join([header, *(",".join(map(str, row)) for row in rows()), *lines]) + "\n"


@pytest.mark.slow
def test_the_tables_themselves_are_read(client: httpx.Client) -> None:
    store(client)
    assert send(client, csv()).status_code == 201
    assert send(client, "\ufeff" + csv().replace("\n", "\r\n")).status_code == 201
    assert send(client, parquet(columns()), PARQUET).status_code == 201
    coded = pa.array(columns()["part"]).dictionary_encode()
    narrow = columns(
        part=coded,
        cut=pa.array(columns()["cut"], pa.int8()),
        time_s=pa.array(columns()["time_s"], pa.float32()),
    )
    assert send(client, parquet(narrow, compression="gzip"), PARQUET).status_code == 201
    exact = pa.table(
        columns(
            frequency_hz=pa.array(columns()["frequency_hz"]).cast(pa.decimal128(20, 1)),
            part=pa.array(columns()["part"]).cast(pa.string_view()),
            __index_level_0__=list(range(N)),
        )
    ).replace_schema_metadata({"pandas": '{"index_columns": ["__index_level_0__"]}'})
    assert send(client, parquet(exact), PARQUET).status_code == 201


N = len(rows())


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("", ""),
        (HEADER, ""),
        (HEADER + "\n", ""),
        ("a,b\n1,2\n", ""),
        (csv(header="cut,part,time_s,time_s"), ""),
        (csv(header="cut,part,frequency_hz"), ""),
        (csv("1,device,1e9"), ""),
        (csv("1,device,1e9,soon"), f"/rows/{N}/time_s"),
        (csv("1,device,1e9,nan"), f"/rows/{N}/time_s"),
        (csv("1,device,1e9,inf"), f"/rows/{N}/time_s"),
        (csv("1,device,1e9,-0.1"), f"/rows/{N}/time_s"),
        (csv("1,device,1e9,"), f"/rows/{N}/time_s"),
        (csv("1,device,0,0.1"), f"/rows/{N}/frequency_hz"),
        (csv("1.5,device,1e9,0.1"), f"/rows/{N}/cut"),
        (csv("-1,device,1e9,0.1"), f"/rows/{N}/cut"),
        (csv("99999999999999999999,device,1e9,0.1"), f"/rows/{N}/cut"),
        (csv(",device,1e9,0.1"), f"/rows/{N}/cut"),
        (csv("1,gpu,1e9,0.1"), f"/rows/{N}/part"),
        (csv("1,,1e9,0.1"), f"/rows/{N}/part"),
        ("\x00" * 1000, ""),
        ('"' * 100_001, ""),
        (b"\xff\xfe" + csv().encode("utf-16-le"), ""),
    ],
)
def test_broken_csv(content: str | bytes, expected: str) -> None:
    with pytest.raises(Refused) as refused:
        read("csv", content if isinstance(content, bytes) else content.encode(), 2_000_000)
    assert refused.value.args[0] == expected
    assert refused.value.args[1]


def broken() -> list[bytes]:
    good, times = parquet(columns()), columns()["time_s"]
    return [
        b"",
        b"PAR1",
        b"PAR1" + bytes(100) + b"PAR1",
        good[: len(good) // 2],
        good[:-1],
        parquet(columns(time_s=[[value] for value in times])),
        parquet(columns(time_s=[{"s": value} for value in times])),
        parquet(columns(time_s=[str(value) for value in times])),
        parquet(columns(part=list(range(N)))),
        parquet(columns(colour=["red"] * N)),
        parquet({name: column for name, column in columns().items() if name != "time_s"}),
        parquet({name: column[:0] for name, column in columns().items()}),
        parquet(columns(time_s=[None, *times[1:]])),
        parquet(columns(time_s=[float("nan"), *times[1:]])),
        parquet(columns(cut=[2**62] * N)),
    ]


@pytest.mark.parametrize("content", broken(), ids=range(15))
def test_broken_parquet(content: bytes) -> None:
    with pytest.raises(Refused):
        read("parquet", content, 2_000_000)


@pytest.mark.slow
def test_refusals_over_http(client: httpx.Client) -> None:
    store(client)
    for content, media_type, expected in (
        (csv("1,device,1e9,soon"), CSV, f"/rows/{N}/time_s"),
        (csv("1,device,1e9,0"), CSV, f"/rows/{N}/time_s"),
        (csv("1,device,,0.1"), CSV, f"/rows/{N}/frequency_hz"),
        (csv("4,device,1e9,0.1"), CSV, f"/rows/{N}/cut"),
        (b"PAR1", PARQUET, ""),
    ):
        assert pointers(send(client, content, media_type)) == [expected]


@pytest.mark.slow
def test_a_bomb_bursts_somewhere_else() -> None:
    """Small files that become large: too many rows, and one long text said again in every row."""
    zeros = pa.array([0], pa.int64()).take(pa.array([0] * 3_000_000, pa.int32()))
    many = parquet({"cut": zeros, "part": ["device"] * 3_000_000, "time_s": zeros})
    assert len(many) < 100_000
    with pytest.raises(InvalidRequest, match="more than the 2000000"):
        from_rows(many, PARQUET)
    long = pa.DictionaryArray.from_arrays(
        pa.array([0] * 1_900_000, pa.int32()), pa.array(["device" * 100_000])
    )
    some = pa.array([1.0]).take(pa.array([0] * 1_900_000, pa.int32()))
    bomb = parquet({"cut": some, "part": long, "time_s": some})
    assert len(bomb) < 2_000_000
    with pytest.raises(InvalidRequest):
        from_rows(bomb, PARQUET)


@pytest.mark.slow
def test_damaged_parquet_is_refused_or_read() -> None:
    """Flipped bytes anywhere: the process that reads them may die, the service says what it was."""
    good, rng = parquet(columns()), random.Random(0)
    refused = 0
    for _ in range(4):
        damaged = bytearray(good)
        for _ in range(3):
            damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        try:
            assert len(from_rows(bytes(damaged), PARQUET).samples) == N
        except InvalidRequest:
            refused += 1
    assert refused > 0


def test_a_reader_that_dies_is_a_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    for fatal in ("import os; os.kill(os.getpid(), 11)", "import sys; sys.exit(1)"):
        monkeypatch.setattr("app.measurements.files.READER", ("-c", fatal))
        with pytest.raises(InvalidRequest, match="damaged"):
            from_rows(csv().encode(), CSV)

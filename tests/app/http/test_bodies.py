"""How requests are read: JSON and YAML by the letter, size, media type."""

import gzip
import json
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
import yaml

from app.errors import MalformedJson
from app.http.bodies import parse_json
from app.settings import Settings
from tests.support.answers import pointers, slug
from tests.support.builders import a_channel, a_device
from tests.support.robust.requests import ROBUST, a_cell
from tests.support.servers import Service

pytestmark = pytest.mark.either

JSON = {"Content-Type": "application/json"}
GZIP = JSON | {"Content-Encoding": "gzip"}
YAML = {"Content-Type": "application/yaml"}


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"", "empty"),
        (b"{", "line 1, column 2"),
        (b'{"a": NaN}', "NaN"),
        (b'{"a": -Infinity}', "-Infinity"),
        (b'{"a": {"b": 1, "c": 2, "b": 3}}', "'b' is given twice"),
        (b"[" * 100_000, "nested"),
        (b"\xff", "UTF-8"),
        ('{"a": 1}'.encode("utf-16"), "UTF-8"),
        (b"1" * 5000, "digits"),
        (b"{} {}", "Extra data"),
    ],
)
def test_what_is_not_json_is_refused(body: bytes, told: str) -> None:
    with pytest.raises(MalformedJson, match=told):
        parse_json(body)


def test_json_is_read() -> None:
    assert parse_json(b' {"a": [1, 2.5, "x", null, true, 1e999]} ') == {
        "a": [1, 2.5, "x", None, True, float("inf")]
    }


def test_malformed_json_over_http(client: httpx.Client) -> None:
    refused = client.post("/v1/devices", content=b'{"name": NaN}', headers=JSON)
    assert (refused.status_code, slug(refused)) == (400, "malformed-json")


@pytest.mark.parametrize("body", [b"[]", b"null", b"3", b'"name"'])
def test_json_that_is_no_object(client: httpx.Client, body: bytes) -> None:
    assert pointers(client.post("/v1/devices", content=body, headers=JSON)) == [""]


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/json; charset=latin-1"},
        {"Content-Type": "x"},
    ],
)
def test_another_media_type(client: httpx.Client, headers: dict[str, str]) -> None:
    refused = client.post("/v1/devices", content=b"{}", headers=headers)
    assert (refused.status_code, slug(refused)) == (415, "unsupported-media-type")


def test_json_with_a_charset(client: httpx.Client) -> None:
    headers = {"Content-Type": "application/json; charset=UTF-8"}
    assert client.post("/v1/devices", content=b"{}", headers=headers).status_code == 422


@pytest.fixture
def small(settings: Settings) -> Iterator[Service]:
    """A service that takes no more than 4 KiB."""
    with Service(settings.model_copy(update={"max_body_byte": 4096})) as service:
        yield service


def send_head(service: Service, *headers: str) -> socket.socket:
    port = int(service.url.rsplit(":", 1)[1])
    connection = socket.create_connection(("127.0.0.1", port), timeout=10.0)
    lines = [
        "POST /v1/devices HTTP/1.1",
        "Host: localhost",
        "Content-Type: application/json",
        *headers,
        "",
        "",
    ]
    connection.sendall("\r\n".join(lines).encode())
    return connection


def receive(connection: socket.socket) -> bytes:
    """An answer whose body is one JSON object; it may come in several pieces."""
    answer = b""
    while not answer.endswith(b"}"):
        part = connection.recv(65536)
        assert part, answer
        answer += part
    return answer


def test_a_declared_length_above_the_limit_is_refused_unread(small: Service) -> None:
    with send_head(small, "Content-Length: 4097") as connection:
        answer = receive(connection)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"/v1/problem-types/body-too-large" in answer


def test_an_undeclared_length_is_counted_and_cut_off(small: Service) -> None:
    with send_head(small, "Transfer-Encoding: chunked") as connection:
        for _ in range(5):
            connection.sendall(b"400\r\n" + b" " * 1024 + b"\r\n")
        answer = b""
        while part := connection.recv(65536):  # ends because the service closes the connection
            answer += part
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"/v1/problem-types/body-too-large" in answer


def test_a_body_at_the_limit_is_read(small: Service) -> None:
    body = b'{"name": "x"}'.ljust(4096)
    with send_head(small, "Content-Length: 4096") as connection:
        connection.sendall(body)
        assert receive(connection).startswith(b"HTTP/1.1 422 ")


def test_an_unknown_query_parameter(client: httpx.Client) -> None:
    refused = client.post("/v1/devices?dry_ran=true", json=a_device())
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["parameter"] == "dry_ran"
    assert client.get("/v1/devices").json()["items"] == []


@pytest.mark.parametrize(
    ("path", "media_type"),
    [
        ("/v1/devices", "application/json"),
        ("/v1/plans/robust", "application/vnd.apache.parquet"),
        ("/v1/models/import?name=x", "application/octet-stream"),
        ("/v1/timings/x/measurements", "text/csv"),
    ],
)
def test_a_body_in_another_coding_than_gzip(
    client: httpx.Client, path: str, media_type: str
) -> None:
    for coding in ("identity, BR", "zstd", "gzip, gzip"):
        told = {"Content-Type": media_type, "Content-Encoding": coding}
        refused = client.post(path, content=b"\x1f\x8b", headers=told)
        assert (refused.status_code, slug(refused)) == (415, "unsupported-media-type")
        assert refused.headers["Accept-Encoding"] == "gzip"
    assert "'gzip, gzip'" in refused.json()["detail"]
    torn = client.post(
        path,
        content=gzip.compress(b"{}")[:-1],
        headers={"Content-Type": media_type, "Content-Encoding": "GZIP"},
    )
    assert (torn.status_code, slug(torn)) == (400, "malformed-encoding")
    plain = client.post("/v1/devices", json=a_device(), headers={"Content-Encoding": "identity"})
    assert plain.status_code == 201


def test_gzip_is_what_it_comes_to(client: httpx.Client) -> None:
    body = json.dumps(a_device(name="packed")).encode()
    packed = gzip.compress(body[:20]) + gzip.compress(b"") + gzip.compress(body[20:])
    for parts in (packed, (packed[at : at + 1] for at in range(len(packed)))):  # sent chunked
        made = client.post("/v1/devices", content=parts, headers=GZIP)
        assert made.status_code in (201, 409), made.text
    assert client.get("/v1/devices/packed").json()["name"] == "packed"
    fleet = b"id\n" + b"camera\n" * 100_000  # several pieces
    answers = [
        client.post("/v1/plans/robust", content=content, headers={"Content-Type": "text/csv"} | how)
        for content, how in ((fleet, {}), (gzip.compress(fleet), {"Content-Encoding": "gzip"}))
    ]
    assert answers[0].status_code == 422
    assert answers[0].json() == answers[1].json()


def test_gzip_is_bounded_by_what_it_comes_to(small: Service) -> None:
    with httpx.Client(base_url=small.url, trust_env=False, verify=False) as client:
        body = b'{"name": "x"}'
        fits = client.post("/v1/devices", content=gzip.compress(body.ljust(4096)), headers=GZIP)
        assert fits.status_code == 422
        refused = client.post("/v1/devices", content=gzip.compress(body.ljust(4097)), headers=GZIP)
        assert (refused.status_code, slug(refused)) == (413, "body-too-large")
        assert "once it is unpacked" in refused.json()["detail"]
        assert refused.headers["Connection"] == "close"
        # A head of the stream without an end comes to nothing, and is bounded all the same.
        named = b"\x1f\x8b\x08\x08" + b"\0" * 6 + b"x" * 4096
        refused = client.post("/v1/devices", content=iter([named]), headers=GZIP)
        assert (refused.status_code, slug(refused)) == (413, "body-too-large")


def as_yaml(body: object) -> bytes:
    dumped: bytes = yaml.safe_dump(body, encoding="utf-8", sort_keys=False)
    return dumped


def test_yaml_is_what_json_is(client: httpx.Client) -> None:
    """Profiles, estimates, plans, changes of plans and reports: what is kept is the same."""
    for n, headers in enumerate((YAML, {"Content-Type": "text/x-yaml; charset=utf-8"})):
        device = a_device(name=f"yaml-{n}", reference="a page: of 2026-11-28, # 3")
        made = client.post("/v1/devices", content=as_yaml(device), headers=headers)
        assert made.status_code == 201, made.text
        told = client.get(f"/v1/devices/yaml-{n}").json()
        assert told == made.json()
        assert {name: told[name] for name in device} == device
    request = a_cell()
    plans = [
        client.post(ROBUST, content=as_yaml(request), headers=YAML),
        client.post(ROBUST, json=request),
    ]
    assert [plan.status_code for plan in plans] == [201, 201], plans[0].text
    one, other = (plan.json() for plan in plans)
    assert one["request_hash"] == other["request_hash"]
    assert one["result"]["objective"] == other["result"]["objective"]
    assert client.get(f"/v1/plans/{one['id']}/request").json() == request
    patch = {"users": {"camera": {"deadline_s": 0.5}}}
    again = client.post(
        f"/v1/plans/{one['id']}/replan", content=as_yaml(patch), headers=YAML
    ).json()
    assert again["changed"]["users_changed"] == ["camera"]


def test_yaml_is_refused_as_json_is(client: httpx.Client) -> None:
    twice = client.post("/v1/devices", content=b"name: a\nname: b", headers=YAML)
    assert (twice.status_code, slug(twice)) == (400, "malformed-yaml")
    assert "line 2, column 1: 'name' is given twice" in twice.json()["detail"]
    latin = client.post("/v1/devices", content="name: é".encode("latin-1"), headers=YAML)
    assert (latin.status_code, slug(latin)) == (400, "malformed-yaml")
    wrong = as_yaml(a_device()).replace(b"name: ", b"name: no # ")
    assert client.post("/v1/devices", content=wrong, headers=YAML).json()["name"] == "no"
    number = as_yaml(a_device(name="x")).replace(b"name: x", b"name: 12")
    assert pointers(client.post("/v1/devices", content=number, headers=YAML)) == ["/name"]
    for charset in ("utf-16", "latin-1"):
        declared = {"Content-Type": f"application/yaml; charset={charset}"}
        assert client.post("/v1/devices", content=b"{}", headers=declared).status_code == 415
    elsewhere = client.post("/v1/devices", content=b"{}", headers={"Content-Type": "text/plain"})
    assert "send application/json or application/yaml" in elsewhere.json()["detail"]


def test_the_document_says_where_yaml_is_taken() -> None:
    document = Path(__file__).parent.parent.parent.parent / "openapi/openapi.json"
    paths = json.loads(document.read_bytes())["paths"]
    for path in ("/v1/devices", "/v1/timings/estimate", "/v1/plans/stopping"):
        content = paths[path]["post"]["requestBody"]["content"]
        assert content["application/yaml"]["schema"] == content["application/json"]["schema"]
    measured = paths["/v1/timings/{name}/measurements"]["post"]["requestBody"]["content"]
    assert "application/yaml" not in measured


@pytest.mark.slow
def test_more_writers_at_once_than_there_are_threads(client: httpx.Client) -> None:
    """Who writes was once given no thread to go on in while others waited for its end in all of
    them.
    """
    stored = client.post("/v1/channels", json=a_channel(name="cell"))
    assert stored.status_code == 201, stored.text
    limits = httpx.Limits(max_connections=60)
    with (
        httpx.Client(
            base_url=client.base_url, timeout=60.0, trust_env=False, verify=False, limits=limits
        ) as crowd,
        ThreadPoolExecutor(60) as writers,
    ):
        body = a_channel(name="cell")
        asked = [
            writers.submit(
                crowd.put,
                "/v1/channels/cell",
                json=body | {"bandwidth_hz": 1e7 + number},
                headers={"If-Match": "*"},
            )
            for number in range(60)
        ]
        assert {answer.result().status_code for answer in asked} == {200}

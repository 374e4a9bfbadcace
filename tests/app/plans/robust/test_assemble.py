"""Requests that are refused: the field is named, the mend is said, nothing is stored."""

import json
from typing import Any

import httpx
import pytest

from tests.support.builders import Body, a_channel, a_device, a_model, a_server_timing, a_timing
from tests.support.robust.requests import (
    ROBUST,
    a_cell,
    a_stored_cell,
    a_stored_user,
    a_user,
    assert_nothing_stored,
    pointers,
    refusal,
    store_profiles,
)

pytestmark = pytest.mark.either

JSON = {"content-type": "application/json"}


def cuts_out_of_order() -> Body:
    first, second, third, last = (cut | {"parameter_byte": 0} for cut in a_model()["cuts"])
    return a_model(cuts=[first, third, second, last])


FAULTS: dict[str, tuple[Body, str]] = {
    "an unknown field": (a_cell(colour="red"), "/colour"),
    "an unknown field of a user": (a_cell(a_user(deadline_ms=200.0)), "/users/0/deadline_ms"),
    "an unknown option": (a_cell(options={"speed": "high"}), "/options/speed"),
    "an unknown field with a slash": (a_cell(a_user(**{"a/b~c": 1})), "/users/0/a~1b~0c"),
    "no channel": (
        {name: value for name, value in a_cell().items() if name != "channel"},
        "/channel",
    ),
    "no deadline": (a_cell(a_user(deadline_s=None)), "/users/0/deadline_s"),
    "a negative deadline": (a_cell(a_user(deadline_s=-0.1)), "/users/0/deadline_s"),
    "a deadline of zero": (a_cell(a_user(deadline_s=0)), "/users/0/deadline_s"),
    "a deadline that vanishes": (a_cell(a_user(deadline_s=5e-324)), "/users/0/deadline_s"),
    "a deadline in words": (a_cell(a_user(deadline_s="0.2")), "/users/0/deadline_s"),
    "a deadline of true": (a_cell(a_user(deadline_s=True)), "/users/0/deadline_s"),
    "no risk at all": (a_cell(a_user(risk=0.0)), "/users/0/risk"),
    "a sure miss": (a_cell(a_user(risk=1.0)), "/users/0/risk"),
    "a risk in percent": (a_cell(a_user(risk=2.0)), "/users/0/risk"),
    "an even chance of a normal law": (
        a_cell(a_user(risk=0.6), options={"margin": "gaussian"}),
        "/users/0/risk",
    ),
    "more than correlated": (a_cell(a_user(correlation=1.5)), "/users/0/correlation"),
    "no power": (a_cell(a_user(tx_power_w=0.0)), "/users/0/tx_power_w"),
    "no bandwidth": (a_cell(bandwidth_hz=0.0), "/bandwidth_hz"),
    "no users": (a_cell() | {"users": []}, "/users"),
    "users by name": (a_cell() | {"users": {"camera": a_user()}}, "/users"),
    "one id twice": (a_cell(a_user(), a_user(id="b"), a_user()), "/users/2/id"),
    "an empty id": (a_cell(a_user(id="")), "/users/0/id"),
    "an id with a slash": (a_cell(a_user(id="a/b")), "/users/0/id"),
    "an id with a NUL": (a_cell(a_user(id="a\x00b")), "/users/0/id"),
    "an id that is half a character": (a_cell(a_user(id="a\ud800")), "/users/0/id"),
    "a long id": (a_cell(a_user(id="x" * 129)), "/users/0/id"),
    "a number for an id": (a_cell(a_user(id=7)), "/users/0/id"),
    "a name with a capital": (a_cell(name="Lobby"), "/name"),
    "two gains": (a_cell(a_user(distance_m=100.0)), "/users/0/distance_m"),
    "three gains": (
        a_cell(a_user(distance_m=100.0, snr_reference={"snr_db": 10.0, "bandwidth_hz": 1e6})),
        "/users/0/distance_m",
    ),
    "no gain": (a_cell(a_user(gain_db=None)), "/users/0"),
    "a gain beyond all radios": (a_cell(a_user(gain_db=-401.0)), "/users/0/gain_db"),
    "a distance without path loss": (
        a_cell(a_user(gain_db=None, distance_m=10.0), channel={**a_channel(), "path_loss": None}),
        "/users/0/distance_m",
    ),
    "a distance beyond all radios": (
        a_cell(a_user(gain_db=None, distance_m=1e50)),
        "/users/0/distance_m",
    ),
    "cuts out of order": (a_cell(a_user(model=cuts_out_of_order())), "/users/0/model/cuts/2/flop"),
    "clocks the wrong way round": (
        a_cell(a_user(device=a_device(frequency_min_hz=2e9))),
        "/users/0/device/frequency_max_hz",
    ),
    "a timing of another model": (
        a_cell(a_user(device_timing=a_timing(model="other"))),
        "/users/0/device_timing",
    ),
    "a timing of another device": (
        a_cell(a_user(device_timing=a_timing(processor="other"))),
        "/users/0/device_timing",
    ),
    "a timing of another server": (
        a_cell(a_user(server_timing=a_server_timing(processor="other"))),
        "/users/0/server_timing",
    ),
    "the server's timing for the device": (
        a_cell(a_user(device_timing=a_server_timing())),
        "/users/0/device_timing",
    ),
    "a timing with a cut too few": (
        a_cell(a_user(device_timing=a_timing(cuts=a_timing()["cuts"][:3]))),
        "/users/0/device_timing/cuts",
    ),
    "a negative variance": (
        a_cell(
            a_user(
                device_timing=a_timing(
                    cuts=[{"flop_per_cycle": 4.0, "variance_s2": -1.0}, *a_timing()["cuts"][1:]]
                )
            )
        ),
        "/users/0/device_timing/cuts/0/variance_s2",
    ),
    "an unknown channel": (a_cell(channel="nowhere"), "/channel"),
    "an unknown device": (a_cell(a_user(device="nobody")), "/users/0/device"),
    "an unknown timing": (a_cell(a_user(device_timing="nothing@3")), "/users/0/device_timing"),
    "a reference that is none": (a_cell(server="edge@0"), "/server"),
    "a number for a profile": (a_cell(server=4e12), "/server"),
    "an unknown method": (a_cell(options={"method": "guess"}), "/options/method"),
    "an unknown margin": (a_cell(options={"margin": "none"}), "/options/margin"),
    "a gap of zero": (a_cell(options={"gap": 0.0}), "/options/gap"),
    "no time": (a_cell(options={"time_limit_s": 0.0}), "/options/time_limit_s"),
    "half a seed": (a_cell(options={"seed": 0.5}), "/options/seed"),
    "the successor of nothing": (a_cell(supersedes="0" * 32), "/supersedes"),
}


@pytest.mark.parametrize(("body", "pointer"), FAULTS.values(), ids=FAULTS)
def test_a_fault_is_pointed_at(client: httpx.Client, body: Body, pointer: str) -> None:
    answer = client.post(ROBUST, content=json.dumps(body), headers=JSON)
    assert pointer in pointers(answer)
    assert all(found.startswith(pointer) for found in pointers(answer)), "and nothing else is"
    assert_nothing_stored(client)


def test_all_faults_at_once(client: httpx.Client) -> None:
    body = a_cell(a_user(risk=0.0), a_user(id="b", deadline_s=-1.0), colour="red")
    assert sorted(pointers(client.post(ROBUST, json=body))) == [
        "/colour",
        "/users/0/risk",
        "/users/1/deadline_s",
    ]
    body = a_cell(a_user(device="nobody"), a_user(id="b", model="nothing"), channel="nowhere")
    found = pointers(client.post(ROBUST, json=body))
    assert sorted(found) == ["/channel", "/users/0/device", "/users/1/model"]
    many = a_cell(*(a_user(id=str(n), risk=0.0) for n in range(150)))
    assert len(pointers(client.post(ROBUST, json=many))) == 100


def test_unknown_revisions(client: httpx.Client) -> None:
    store_profiles(client)
    body = a_stored_cell(a_stored_user(model="small-net@2"), server="edge-gpu@7")
    assert pointers(client.post(ROBUST, json=body)) == ["/server", "/users/0/model"]
    assert_nothing_stored(client)


def with_deadline(literal: str) -> bytes:
    return json.dumps(a_cell(a_user(deadline_s=12345.5))).replace("12345.5", literal).encode()


@pytest.mark.parametrize(
    "literal", ["NaN", "Infinity", "-Infinity", "1e", "0x10", "01", ".5", "9" * 5000]
)
def test_what_is_no_number_is_no_json(client: httpx.Client, literal: str) -> None:
    refusal(
        client.post(ROBUST, content=with_deadline(literal), headers=JSON), 400, "malformed-json"
    )
    assert_nothing_stored(client)


@pytest.mark.parametrize("literal", ["1e999", "-1e999", "1e61", "1" + "0" * 100])
def test_a_number_that_is_too_large(client: httpx.Client, literal: str) -> None:
    assert pointers(client.post(ROBUST, content=with_deadline(literal), headers=JSON)) == [
        "/users/0/deadline_s"
    ]


def test_integers_of_any_length_are_numbers(client: httpx.Client) -> None:
    written_out = json.dumps(a_cell(bandwidth_hz=12345.5)).replace("12345.5", "1" + "0" * 25)
    answer = client.post(ROBUST, content=written_out, headers=JSON)
    assert answer.status_code == 201, answer.text
    same = client.post(ROBUST, json=a_cell(bandwidth_hz=1e25)).json()
    assert answer.json()["result"] == same["result"]


MALFORMED: dict[str, bytes] = {
    "nothing": b"",
    "half": b'{"channel": ',
    "two": b"{} {}",
    "not UTF-8": b'{"name": "\xff"}',
    "a key twice": b'{"name": "a", "name": "b"}',
    "deep arrays": b"[" * 200_000,
    "deep objects": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
}


@pytest.mark.parametrize("content", MALFORMED.values(), ids=MALFORMED)
def test_malformed_json(client: httpx.Client, content: bytes) -> None:
    refusal(client.post(ROBUST, content=content, headers=JSON), 400, "malformed-json")


@pytest.mark.parametrize("content", [b"null", b"[]", b"7", b'"x"', b"[" * 300 + b"]" * 300])
def test_json_that_is_no_object(client: httpx.Client, content: bytes) -> None:
    assert pointers(client.post(ROBUST, content=content, headers=JSON)) == [""]


@pytest.mark.parametrize(
    "media_type", ["text/plain", "application/xml", "application/json; charset=latin-1", None]
)
def test_another_media_type(client: httpx.Client, media_type: str | None) -> None:
    headers = {} if media_type is None else {"content-type": media_type}
    answer = client.post(ROBUST, content=json.dumps(a_cell()), headers=headers)
    refusal(answer, 415, "unsupported-media-type")
    assert_nothing_stored(client)


@pytest.mark.slow
@pytest.mark.parametrize("count", [10_001, 100_000])
def test_too_many_users(client: httpx.Client, count: int) -> None:
    content = json.dumps(a_cell() | {"users": [a_stored_user(id=str(n)) for n in range(count)]})
    answer = client.post(ROBUST, content=content, headers=JSON)
    (error,) = refusal(answer, 413, "too-many-users")["errors"]
    assert error["pointer"] == "/users"
    assert_nothing_stored(client)


def test_an_unknown_parameter(client: httpx.Client) -> None:
    answer = client.post(f"{ROBUST}?dryrun=true", json=a_cell())
    assert refusal(answer, 422, "invalid-request")["errors"][0]["parameter"] == "dryrun"
    assert_nothing_stored(client)


@pytest.mark.parametrize(
    ("path", "slug"),
    [
        ("/v1/plans/robust", "plan-not-found"),
        (f"/v1/plans/{'0' * 32}", "plan-not-found"),
        (f"/v1/plans/{'0' * 32}/users", "plan-not-found"),
        (f"/v1/plans/{'0' * 32}/users/camera", "plan-not-found"),
        ("/v1/plans/current?name=nobody", "plan-not-found"),
    ],
)
def test_what_does_not_exist(client: httpx.Client, path: str, slug: str) -> None:
    refusal(client.get(path), 404, slug)


QUERIES = [
    "/v1/plans?limit=0",
    "/v1/plans?limit=1001",
    "/v1/plans?status=done",
    "/v1/plans?kind=best",
    "/v1/plans?name=A",
    "/v1/plans?cursor=x",
    "/v1/plans?cursor=WzkyMjMzNzIwMzY4NTQ3NzU4MDhd",  # 2**63
    "/v1/plans?cursor=Wy0xXQ",  # -1
    "/v1/plans?colour=red",
    "/v1/plans/current",
    "/v1/plans/a%00b",
    "/v1/plans/a%00b/users/camera",
]


@pytest.mark.parametrize("path", QUERIES)
def test_questions_that_make_no_sense(client: httpx.Client, path: str) -> None:
    refusal(client.get(path), 422, "invalid-request")


def test_odd_ids_are_only_ids(client: httpx.Client) -> None:
    ids = ["ünïcode 𝛼", "a b", "..", "%2F", "?x#y", "'; DROP TABLE plan; --"]
    answer = client.post(ROBUST, json=a_cell(*(a_user(id=name) for name in ids)))
    assert answer.status_code == 201, answer.text
    users: list[dict[str, Any]] = answer.json()["result"]["users"]
    assert [user["id"] for user in users] == ids
    for user in users:
        if user["id"] != "..":  # a client resolves dots before it asks
            path = httpx.URL("/").copy_with(
                raw_path=f"/v1/plans/{answer.json()['id']}/users/".encode() + quoted(user["id"])
            )
            assert client.get(path).json() == user


def quoted(text: str) -> bytes:
    return "".join(f"%{byte:02x}" for byte in text.encode()).encode()

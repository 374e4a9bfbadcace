"""A model profile from an ONNX file, over HTTP and by the operator's command."""

import hashlib
import json
import logging
import random
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from app import migration
from app.db import open_database
from app.profiles import reading
from app.profiles import service as profiles
from app.profiles.schemas.model import Model
from app.settings import Settings
from tests.support.answers import slug
from tests.support.onnx.graphs import (
    SMALL,
    a_chain,
    a_model,
    a_residual,
    light,
    transformer,
    two_stages,
    with_choice,
    with_shape_arithmetic,
)
from tests.support.onnx.mutations import damaged
from tests.support.operator import splitplan
from tests.support.servers import Service

ONNX = {"Content-Type": "application/octet-stream"}
CHAIN = a_chain().SerializeToString()


# Reading a file is the same whatever stores the profile, and a profile from a file is one like any
# other. A parameter and not a fixture of that name: such a one's service stayed on for all later
# tests, also for those that asked for Postgres.
pytestmark = [
    pytest.mark.usefixtures("backend"),
    pytest.mark.parametrize("backend", ["sqlite"], indirect=True, scope="session"),
]


def post(client: httpx.Client, content: bytes | Iterator[bytes], **params: Any) -> httpx.Response:
    return client.post(
        "/v1/models/import", params={"name": "net", **params}, content=content, headers=ONNX
    )


def fault(answer: httpx.Response) -> dict[str, Any]:
    """The one fault of a refused import."""
    assert (answer.status_code, slug(answer)) == (422, "invalid-request"), answer.text
    (error,) = answer.json()["errors"]
    assert isinstance(error, dict)
    return error


@pytest.mark.slow
def test_an_import_is_a_profile_like_any_other(client: httpx.Client) -> None:
    made = post(client, CHAIN)
    assert made.status_code == 201, made.text
    assert (made.headers["Location"], made.headers["ETag"]) == ("/v1/models/net", '"1"')
    profile = made.json()
    assert [cut["name"] for cut in profile["cuts"]] == [
        "input",
        "conv",
        "relu",
        "pool",
        "flat",
        "scores",
    ]
    assert [cut.get("tensors") for cut in profile["cuts"]] == [
        ["image"],
        ["conv"],
        ["relu"],
        ["pool"],
        ["flat"],
        None,
    ]
    assert profile["source_sha256"] == hashlib.sha256(CHAIN).hexdigest()
    assert profile["provenance"] == "analytic"
    assert "image:1,3,8,8" in profile["reference"]
    assert profile == client.get("/v1/models/net").json()
    replaced = client.put(
        "/v1/models/net", json={**profile, "provenance": "measured"}, headers={"If-Match": '"1"'}
    )
    assert replaced.json()["revision"] == 2


@pytest.mark.slow
def test_a_plan_can_use_it(client: httpx.Client) -> None:
    """`tensors` and all: what import stores is a valid body of POST."""
    post(client, light("squeezenet"))
    profile = client.get("/v1/models/net").json()
    body = {
        key: value
        for key, value in profile.items()
        if key not in ("revision", "created_at", "warnings")
    }
    assert client.post("/v1/models", json={**body, "name": "copy"}).status_code == 201


@pytest.mark.slow
def test_options_choose_the_cuts(client: httpx.Client) -> None:
    content = a_residual().SerializeToString()
    assert len(post(client, content, name="single").json()["cuts"]) == 4
    pairs = post(client, content, name="pairs", max_tensors=2).json()["cuts"]
    assert ["sum", "side"] in [cut.get("tensors") for cut in pairs]
    assert "import_report" not in client.get("/v1/models/single").json()
    many = post(
        client,
        transformer(layers=12).SerializeToString(),
        name="many",
        max_tensors=8,
        shape=["x:1,6,8", "mask:1,6"],
    ).json()
    assert many["import_report"] == {"complete": False}
    assert {"out10", "bias"} in [set(cut.get("tensors") or ()) for cut in many["cuts"]]
    revised = client.put("/v1/models/many", json=many, headers={"If-Match": '"1"'})
    assert revised.status_code == 200, revised.text
    fused = post(client, CHAIN, name="fused", fusion_boundaries=True).json()["cuts"]
    assert [cut["name"] for cut in fused] == ["input", "relu", "flat", "scores"]
    pareto = post(client, CHAIN, name="pareto", pareto=True, input_byte="image:100").json()
    assert pareto["cuts"][0]["feature_byte"] == 100
    assert [cut["name"] for cut in pareto["cuts"]] == ["input", "flat", "scores"]
    assert [
        warning["message"]
        for warning in pareto["warnings"]
        if "conv, relu, pool" in warning["message"]
    ]


@pytest.mark.slow
def test_open_dimensions_are_asked_for(client: httpx.Client) -> None:
    content = with_shape_arithmetic().SerializeToString()
    error = fault(post(client, content))
    assert error["parameter"] == "shape"
    assert "shape=x:1,8,4,4" in error["detail"]
    assert post(client, content, shape="x:2,8,4,4").status_code == 201
    choice = with_choice().SerializeToString()
    decided = post(client, choice, name="decided", value="sr:16000").json()
    assert decided["cuts"][-1]["flop"] == 32
    assert "sr:16000 fixed" in decided["reference"]
    staged = two_stages().SerializeToString()
    backbone = post(client, staged, name="backbone").json()
    assert backbone["import_report"] == {"complete": False}
    assert backbone["cuts"][-1]["tensors"] == ["relu"]
    whole = post(client, staged, name="whole", size="found:100").json()
    assert (whole["cuts"][-1]["feature_byte"], "import_report" in whole) == (0, False)
    assert "found:100 assumed" in whole["reference"]
    assert fault(post(client, staged, name="none", size="relu:1"))["parameter"] == "size"
    error = fault(post(client, choice, name="other", value="rate:16000"))
    assert (error["parameter"], "its inputs: 'x', 'sr'" in error["detail"]) == ("value", True)


@pytest.mark.slow
def test_several_inputs_are_several_parameters(client: httpx.Client) -> None:
    model = a_model(
        "net (float[n, 4] a, float[m, 4] b) => (float y) { y = MatMul (a, t) t = Transpose (b) }"
    )
    made = post(client, model.SerializeToString(), shape=["a:2,4", "b:3,4"])
    assert made.json()["cuts"][0]["feature_byte"] == 4 * (8 + 12)


@pytest.mark.slow
def test_a_name_that_is_taken(client: httpx.Client) -> None:
    assert post(client, CHAIN).status_code == 201
    refused = post(client, CHAIN)
    assert (refused.status_code, slug(refused)) == (409, "profile-exists")
    client.delete("/v1/models/net")
    assert post(client, CHAIN).json()["revision"] == 2


@pytest.mark.slow
@pytest.mark.parametrize(
    ("params", "parameter"),
    [
        ({"name": "Net"}, "name"),
        ({"max_tensors": 9}, "max_tensors"),
        ({"shape": "image"}, "shape"),
        ({"shape": "image:1,3,8,9"}, "shape"),
        ({"shape": "x:" + "1," * 1000}, "shape"),
        ({"input_byte": "image:-1"}, "input_byte"),
        ({"input_byte": "conv:1"}, "input_byte"),
        ({"shapes": "image:1"}, "shapes"),
        ({"pareto": "perhaps"}, "pareto"),
    ],
)
def test_parameters_that_do_not_fit(
    client: httpx.Client, params: dict[str, Any], parameter: str
) -> None:
    assert fault(post(client, CHAIN, **params))["parameter"] == parameter


@pytest.mark.parametrize(
    "headers", [{}, {"Content-Type": "application/json"}, {"Content-Type": "multipart/form-data"}]
)
def test_another_media_type(client: httpx.Client, headers: dict[str, str]) -> None:
    refused = client.post(
        "/v1/models/import", params={"name": "net"}, content=CHAIN, headers=headers
    )
    assert (refused.status_code, slug(refused)) == (415, "unsupported-media-type")


@pytest.mark.slow
@pytest.mark.parametrize(
    "content", [b"", b"\x00", b'{"name": "net"}', CHAIN[:-9], b"\xff" * 10_000]
)
def test_what_is_no_model(client: httpx.Client, content: bytes) -> None:
    assert fault(post(client, content))["pointer"] == ""
    assert client.get("/v1/models").json()["items"] == []


def test_a_file_that_breaks_the_reader(
    client: httpx.Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(reading, "MEMORY_BYTE", 2**20)  # not even numpy can be loaded
    with caplog.at_level(logging.ERROR):
        assert "breaks the ONNX reader" in fault(post(client, CHAIN))["detail"]
    assert "the ONNX reader ended with" in caplog.text
    assert client.get("/livez").status_code == 200


@pytest.fixture
def strict(settings: Settings) -> Iterator[httpx.Client]:
    """A service that takes small bodies, and models of 64 KiB."""
    limits = {"max_body_byte": 2048, "max_model_byte": 65_536}
    with (
        Service(settings.model_copy(update=limits)) as service,
        httpx.Client(base_url=service.url, timeout=60.0, trust_env=False, verify=False) as client,
    ):
        yield client


@pytest.mark.slow
def test_models_have_a_limit_of_their_own(strict: httpx.Client) -> None:
    for content in (bytes(65_537), iter([bytes(40_000)] * 2)):
        refused = post(strict, content)
        assert (refused.status_code, slug(refused)) == (413, "body-too-large")
    assert "65536" in refused.json()["detail"]
    assert post(strict, bytes(65_536)).status_code == 422
    other = strict.post(
        "/v1/models", content=b" " * 2049, headers={"Content-Type": "application/json"}
    )
    assert (other.status_code, slug(other)) == (413, "body-too-large")


@pytest.mark.slow
def test_a_graph_that_takes_too_long(settings: Settings) -> None:
    model = a_model("net (float[1] x) => (float[1] y) { y = Relu (x) }")
    # No process starts in so short a time, let alone reads anything.
    with (
        Service(settings.model_copy(update={"import_time_limit_s": 0.01})) as service,
        httpx.Client(base_url=service.url, timeout=60.0, trust_env=False, verify=False) as client,
    ):
        assert "more than 0.01 s" in fault(post(client, model.SerializeToString()))["detail"]


def test_nothing_is_left_on_the_disk(
    client: httpx.Client, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    seen: list[list[Path]] = []

    def note(request: dict[str, Any], _: float) -> dict[str, Any]:
        seen.append(list(tmp_path.iterdir()))
        return {"unreadable": "seen enough", "option": None}

    monkeypatch.setattr(reading, "_ask", note)
    assert fault(post(client, CHAIN))["detail"] == "seen enough"
    assert [len(files) for files in seen] == [1]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_many_at_once_wait_for_each_other(client: httpx.Client) -> None:
    with ThreadPoolExecutor(6) as pool:
        made = list(pool.map(lambda number: post(client, CHAIN, name=f"net{number}"), range(6)))
    assert [answer.status_code for answer in made] == [201] * 6


@pytest.mark.slow
def test_no_slot_is_free(strict: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "_slots", threading.BoundedSemaphore(1))
    assert reading._slots.acquire()
    refused = post(strict, CHAIN)
    assert (refused.status_code, slug(refused)) == (503, "importer-busy")
    assert refused.headers["Retry-After"] == "5"


@pytest.mark.slow
def test_damaged_files_do_no_harm(client: httpx.Client) -> None:
    """What the fuzz benchmark does with thousands, through the whole service."""
    seeds = [maker().SerializeToString() for maker in SMALL.values()]
    for number in range(12):
        content = damaged(seeds, random.Random(number))
        answer = post(client, content, name=f"net{number}")
        assert answer.status_code in (201, 422), answer.text


@pytest.mark.slow
def test_the_command_stores_the_same(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'splitplan.db'}"
    file = tmp_path / "chain.onnx"
    file.write_bytes(CHAIN)
    arguments = (
        "models",
        "import",
        str(file),
        "--name",
        "net",
        "--shape",
        "image:1,3,8,8",
        "--pareto",
    )
    printed = splitplan(*arguments, "--print", SPLITPLAN_DATABASE_URL=url)
    assert printed.returncode == 0, printed.stderr
    profile = json.loads(printed.stdout)
    database = open_database(url).of("default")
    migration.migrate(database)
    stored = splitplan(*arguments, SPLITPLAN_DATABASE_URL=url)
    assert stored.stdout == f"stored net@1 with {len(profile['cuts'])} cuts\n"
    assert "Left out" in stored.stderr
    with database.reading() as session:
        assert profiles.get(session, Model, "net").body == Model.model_validate(profile)
    database.engine.dispose()
    file.write_bytes(CHAIN[:-9])
    refused = splitplan(*arguments, SPLITPLAN_DATABASE_URL=url)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "cut short" in refused.stderr

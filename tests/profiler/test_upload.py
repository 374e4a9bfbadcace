"""The service that a measurement goes to, asked before and after."""

import hashlib

import httpx
import pytest

from profiler.upload import Service, UploadRefused
from tests.support.builders import a_device, a_model, a_server

pytestmark = pytest.mark.either

FILE = hashlib.sha256(b"net").hexdigest()


@pytest.mark.parametrize("url", ["file:///etc/passwd", "127.0.0.1:1", "http://127.0.0.1:1"])
def test_where_nobody_answers_nothing_is_sent(url: str) -> None:
    with pytest.raises(UploadRefused):
        Service(url).send({}, "box.net")


@pytest.fixture
def service(client: httpx.Client) -> Service:
    for path, body in (
        ("devices", a_device()),
        ("servers", a_server()),
        ("models", a_model(source_sha256=FILE)),
        ("models", a_model(name="by-hand")),
    ):
        assert client.post(f"/v1/{path}", json=body).status_code == 201
    return Service(str(client.base_url))


def test_what_is_known_may_be_measured(service: Service) -> None:
    service.require("small-net", FILE, "camera-cpu", ("device",))
    service.require("small-net", FILE, "camera-cpu", ("device", "server"))
    service.require("by-hand", FILE, "edge-gpu", ("server",))


@pytest.mark.parametrize(
    ("model", "processor", "parts", "told"),
    [
        ("nobody", "camera-cpu", ("device",), "no model 'nobody': import"),
        ("small-net", "nobody", ("device", "server"), "among its devices or servers"),
        ("small-net", "edge-gpu", ("device",), "no 'edge-gpu' among its devices: POST"),
    ],
)
def test_what_would_be_refused_is_not_measured(
    service: Service, model: str, processor: str, parts: tuple[str, ...], told: str
) -> None:
    with pytest.raises(UploadRefused, match=told):
        service.require(model, FILE, processor, parts)


def test_another_file_of_the_name_is_not_measured(service: Service) -> None:
    with pytest.raises(UploadRefused, match=f"another file: {FILE}, not 00"):
        service.require("small-net", "00", "camera-cpu", ("device",))

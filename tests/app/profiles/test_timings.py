"""Timings held against the profiles that they name."""

from typing import Any

import pytest

from app.errors import InvalidRequest
from app.profiles import service as profiles
from app.profiles import timings
from app.profiles.schemas.device import Device
from app.profiles.schemas.model import Model
from app.profiles.schemas.server import Server
from app.profiles.schemas.timing import Timing
from tests.support.builders import a_device, a_model, a_server, a_timing
from tests.support.servers import Service


def kind_of(service: Service, **fields: Any) -> str:
    with service.database.reading() as session:
        return timings.processor_kind(session, Timing.model_validate(a_timing(**fields)))


def faults(service: Service, **fields: Any) -> list[tuple[str, str]]:
    with pytest.raises(InvalidRequest) as refused:
        kind_of(service, **fields)
    return [(fault.pointer, fault.detail) for fault in refused.value.errors]


def test_what_is_named_must_be_stored_and_all_faults_are_told(service: Service) -> None:
    no_model = ("/model", "There is no model profile named 'small-net'. GET /v1/models lists them.")
    nobody = "there is no device or server profile named 'camera-cpu'"
    assert faults(service, processor_kind=None) == [("/processor", nobody), no_model]
    no_device = ("/processor", "there is no device profile named 'camera-cpu'")
    assert faults(service, processor_kind="device") == [no_device, no_model]


def test_the_kind_of_a_processor_is_said_where_it_is_plain(service: Service) -> None:
    with service.database.writing() as session:
        profiles.create(session, Model.model_validate(a_model()))
        profiles.create(session, Device.model_validate(a_device()))
    assert kind_of(service, processor_kind=None) == "device"
    with service.database.writing() as session:
        profiles.create(session, Server.model_validate(a_server(name="camera-cpu")))
    required = "is required: a device and a server are named 'camera-cpu'"
    assert faults(service, processor_kind=None) == [("/processor_kind", required)]

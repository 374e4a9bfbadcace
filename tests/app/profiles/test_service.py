"""Profiles as functions of a session, and clients who race."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from app.errors import AmbiguousTiming, ProfileNotFound, RevisionNotFound
from app.profiles import service as profiles
from app.profiles.schemas.device import Device
from app.profiles.schemas.model import Model
from app.profiles.schemas.server import Server
from app.profiles.schemas.timing import Timing
from tests.support.builders import a_device, a_model, a_server, a_timing
from tests.support.databases import asked
from tests.support.servers import Service


def device(**fields: Any) -> Device:
    return Device.model_validate(a_device(**fields))


def at_once(count: int, act: Callable[[int], Any]) -> list[Any]:
    """Run `act` in `count` threads that start together."""
    barrier = threading.Barrier(count)

    def run(number: int) -> Any:
        barrier.wait()
        return act(number)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))


class TestReferences:
    def test_a_name_is_its_latest_revision(self, service: Service) -> None:
        with service.database.writing() as session:
            profiles.create(session, device())
            profiles.replace(session, device(tx_power_w=0.3), [1])
        with service.database.reading() as session:
            latest = profiles.resolve_reference(session, Device, "camera-cpu")
            first = profiles.resolve_reference(session, Device, "camera-cpu@1")
        assert (latest.revision, latest.body.tx_power_w) == (2, 0.3)
        assert (first.revision, first.body.tx_power_w) == (1, 0.2)

    def test_a_deleted_name_keeps_its_revisions(self, service: Service) -> None:
        with service.database.writing() as session:
            profiles.create(session, device())
            profiles.hide(session, Device, "camera-cpu")
            assert profiles.resolve_reference(session, Device, "camera-cpu@1").revision == 1
            with pytest.raises(ProfileNotFound):
                profiles.resolve_reference(session, Device, "camera-cpu")
            with pytest.raises(RevisionNotFound):
                profiles.resolve_reference(session, Device, "camera-cpu@2")
            with pytest.raises(ProfileNotFound):
                profiles.resolve_reference(session, Server, "camera-cpu@1")

    def test_what_was_rolled_back_is_forgotten(self, service: Service) -> None:
        """Even the revisions parsed and kept in memory."""
        with pytest.raises(RuntimeError), service.database.writing() as session:  # noqa: PT012
            profiles.create(session, device(tx_power_w=9.0))
            assert profiles.get(session, Device, "camera-cpu").body.tx_power_w == 9.0
            raise RuntimeError
        with service.database.writing() as session:
            profiles.create(session, device())
        with service.database.reading() as session:
            assert profiles.get(session, Device, "camera-cpu", 1).body.tx_power_w == 0.2


class TestTimingFor:
    @pytest.fixture(autouse=True)
    def stored(self, service: Service) -> None:
        with service.database.writing() as session:
            profiles.create(session, device())
            profiles.create(session, Server.model_validate(a_server(name="camera-cpu")))
            profiles.create(session, Model.model_validate(a_model()))

    def find(self, service: Service, **fields: Any) -> str | None:
        asked = {
            "processor": "camera-cpu",
            "processor_kind": "device",
            "model": "small-net",
            **fields,
        }
        with service.database.reading() as session:
            found = profiles.timing_for(session, **asked)
            return found.name if found is not None else None

    def test_none_one_and_more(self, service: Service) -> None:
        assert self.find(service) is None
        with service.database.writing() as session:
            profiles.create(session, Timing.model_validate(a_timing()))
        assert self.find(service) == "camera-cpu.small-net"
        assert self.find(service, processor_kind="server") is None
        assert self.find(service, model="other") is None
        with service.database.writing() as session:
            profiles.create(session, Timing.model_validate(a_timing(name="second")))
        with pytest.raises(AmbiguousTiming, match=r"camera-cpu\.small-net, second"):
            self.find(service)
        with service.database.writing() as session:
            profiles.hide(session, Timing, "second")
        assert self.find(service) == "camera-cpu.small-net"

    def test_a_revision_may_describe_something_else(self, service: Service) -> None:
        with service.database.writing() as session:
            profiles.create(session, Model.model_validate(a_model(name="other")))
            profiles.create(session, Timing.model_validate(a_timing()))
            profiles.replace(session, Timing.model_validate(a_timing(model="other")), None)
        assert self.find(service) is None
        assert self.find(service, model="other") == "camera-cpu.small-net"


class TestRaces:
    """Of clients who race exactly one wins; the others are told so."""

    def statuses(
        self, service: Service, act: Callable[[httpx.Client, int], httpx.Response]
    ) -> list[int]:
        def run(number: int) -> int:
            with httpx.Client(base_url=service.url, timeout=60.0, trust_env=False) as client:
                return act(client, number).status_code

        return sorted(at_once(8, run))

    @pytest.mark.slow
    def test_for_a_name(self, service: Service) -> None:
        def create(client: httpx.Client, number: int) -> httpx.Response:
            return client.post("/v1/servers", json=a_server(capacity_flop_per_s=1e12 + number))

        assert self.statuses(service, create) == [201] + [409] * 7

    @pytest.mark.slow
    def test_for_a_deleted_name(self, service: Service, client: httpx.Client) -> None:
        client.post("/v1/servers", json=a_server())
        client.delete("/v1/servers/edge-gpu")

        def create(client: httpx.Client, number: int) -> httpx.Response:
            return client.post("/v1/servers", json=a_server(capacity_flop_per_s=1e12 + number))

        assert self.statuses(service, create) == [201] + [409] * 7
        assert client.get("/v1/servers/edge-gpu").json()["revision"] == 2

    @pytest.mark.slow
    def test_for_a_revision(self, service: Service, client: httpx.Client) -> None:
        client.post("/v1/servers", json=a_server())

        def revise(client: httpx.Client, number: int) -> httpx.Response:
            body = a_server(capacity_flop_per_s=1e12 + number)
            return client.put("/v1/servers/edge-gpu", json=body, headers={"If-Match": '"1"'})

        assert self.statuses(service, revise) == [200] + [412] * 7
        assert client.get("/v1/servers/edge-gpu").json()["revision"] == 2

    @pytest.mark.slow
    def test_to_delete(self, service: Service, client: httpx.Client) -> None:
        client.post("/v1/servers", json=a_server())

        def delete(client: httpx.Client, _: int) -> httpx.Response:
            return client.delete("/v1/servers/edge-gpu")

        statuses = self.statuses(service, delete)
        assert statuses.count(204) == 1
        assert set(statuses) <= {204, 404, 412}


@pytest.mark.slow
def test_eight_writers_wait_for_each_other(service: Service) -> None:
    """Each reads, then writes, in one transaction: what fails at once when the write lock is taken
    late.
    """

    def write(writer: int) -> None:
        for number in range(25):
            with service.database.writing() as session:
                profiles.create(session, device(name=f"device-{writer}-{number}"))

    at_once(8, write)
    with service.database.reading() as session:
        assert len(profiles.list_latest(session, Device, None, 1000)) == 200


@pytest.mark.either
def test_the_database_is_asked_for_each_thing_once(service: Service) -> None:
    with service.database.writing() as session:
        profiles.create(session, device())
        with asked() as seen:
            profiles.replace(session, device(tx_power_w=0.3), [1])
        assert len(seen) <= 5, seen
    with service.database.reading() as session:
        profiles.list_latest(session, Device, None, 9)
        with asked() as seen:
            (listed,) = profiles.list_latest(session, Device, None, 9)
            assert (listed.revision, listed.body.tx_power_w) == (2, 0.3)
            assert profiles.list_latest(session, Device, "camera-cpu", 9) == []
            assert profiles.get(session, Device, "camera-cpu") == listed
        assert len(seen) == 3, seen

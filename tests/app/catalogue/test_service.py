"""Loading the shipped profiles."""

import httpx
import pytest

from app.catalogue import service as catalogue
from app.profiles import service as profiles
from app.profiles.schemas.device import Device
from app.profiles.schemas.model import Model
from app.profiles.schemas.profile import Profile
from app.profiles.schemas.timing import Timing
from tests.support.builders import a_device, a_model, a_timing
from tests.support.servers import Service

# Small stand-ins in the order of a load; the shipped ones have their own tests.
SHIPPED: tuple[Profile, ...] = (
    Device.model_validate(a_device()),
    Model.model_validate(a_model()),
    Timing.model_validate(a_timing()),
)


def load(service: Service) -> catalogue.Loaded:
    with service.database.writing() as session:
        return catalogue.load(session, SHIPPED)


@pytest.mark.slow
def test_a_second_load_does_nothing(service: Service) -> None:
    assert load(service).created == SHIPPED
    again = load(service)
    assert (again.created, again.skipped, again.refused) == ((), SHIPPED, ())


@pytest.mark.slow
def test_what_the_user_changed_or_deleted_stays_so(service: Service, client: httpx.Client) -> None:
    load(service)
    body = a_device(tx_power_w=0.7)
    client.put("/v1/devices/camera-cpu", json=body, headers={"If-Match": "*"})
    client.delete("/v1/timings/camera-cpu.small-net")
    load(service)
    assert client.get("/v1/devices/camera-cpu").json()["tx_power_w"] == 0.7
    assert client.get("/v1/timings/camera-cpu.small-net").status_code == 404


def test_what_the_user_had_before_stays(service: Service, client: httpx.Client) -> None:
    client.post("/v1/devices", json=a_device(tx_power_w=0.7))
    loaded = load(service)
    assert [profile.kind for profile in loaded.skipped] == ["device"]
    assert client.get("/v1/devices/camera-cpu").json()["tx_power_w"] == 0.7


def test_a_timing_that_does_not_fit_the_users_model_is_refused(
    service: Service, client: httpx.Client
) -> None:
    client.post("/v1/models", json=a_model(cuts=a_model()["cuts"][:2]))
    loaded = load(service)
    assert [profile.name for profile in loaded.created] == ["camera-cpu"]
    [(profile, reason)] = loaded.refused
    assert profile.name == "camera-cpu.small-net"
    assert reason.startswith("/cuts: ")
    assert "2 cuts" in reason


@pytest.mark.slow
def test_the_shipped_profiles_load_whole(service: Service, client: httpx.Client) -> None:
    entries = client.get("/v1/catalogue").json()["items"]
    assert entries
    assert not any(entry["loaded"] for entry in entries)
    with service.database.writing() as session:
        loaded = catalogue.load(session, catalogue.shipped())
    assert loaded.refused == ()
    assert len(loaded.created) == len(entries)
    assert all(entry["loaded"] for entry in client.get("/v1/catalogue").json()["items"])
    with service.database.reading() as session:
        for profile in catalogue.shipped():
            assert profiles.get(session, type(profile), profile.name).body == profile


@pytest.mark.parametrize(
    "profile", catalogue.shipped(), ids=lambda profile: f"{profile.kind}-{profile.name}"
)
def test_a_shipped_profile_names_its_source(profile: Profile) -> None:
    assert profile.reference

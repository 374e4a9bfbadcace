"""What projects have stored, and may."""

from collections.abc import Iterator

import httpx
import pytest

from app.auth import service as auth
from app.limits import OwnLimits
from app.plans.jobs import forget_old
from app.settings import Settings
from app.storage import stored_byte
from tests.support.answers import slug
from tests.support.builders import a_device
from tests.support.keys import a_key, bearing
from tests.support.onnx.graphs import a_chain
from tests.support.robust.requests import ROBUST, a_cell
from tests.support.servers import Service, emptied

LEAST = 2**20


@pytest.fixture
def small(settings: Settings) -> Iterator[Service]:
    """A service whose projects may store little."""
    with Service(settings.model_copy(update={"max_stored_byte": LEAST})) as service:
        yield emptied(service)


def client_of(service: Service, project: str) -> httpx.Client:
    """A client of a project that asks the database what is stored whenever it looks."""
    headers = bearing(a_key(service, project=project))
    return httpx.Client(
        base_url=service.url, headers=headers, timeout=60.0, trust_env=False, verify=False
    )


def in_use(service: Service, project: str) -> int:
    service.app.state.storage.forget()
    with service.everything.reading() as session:
        return stored_byte(session, project)


def test_a_project_that_is_full_stores_nothing_more_until_it_deletes(small: Service) -> None:
    with client_of(small, "theirs") as theirs, client_of(small, "mine") as mine:
        users = [f"user-{n:04}-{'x' * 100}" for n in range(40)]
        body = a_cell()
        user = body["users"][0]
        body["users"] = [user | {"id": each} for each in users]
        body["bandwidth_hz"] = 4e8
        keyed = {"Idempotency-Key": "first"}
        first = mine.post(ROBUST, json=body, headers=keyed)
        assert first.status_code == 201, first.text
        size = in_use(small, "mine")
        assert len(first.content) < size < 4 * len(first.content) + len(str(body))
        plans = [first.json()["id"]]
        while (made := mine.post(ROBUST, json=body)).status_code == 201:
            plans.append(made.json()["id"])
            assert in_use(small, "mine") == pytest.approx(len(plans) * size, rel=0.01)
        assert (made.status_code, slug(made)) == (507, "storage-full")
        assert f"may have {LEAST} bytes stored" in made.json()["detail"]
        assert len(plans) * size >= LEAST > (len(plans) - 1) * size
        # Whatever stores something is refused, and what does not is not.
        device = a_device()
        onnx = a_chain().SerializeToString()
        for method, path, how in (
            ("POST", "/v1/devices", {"json": device}),
            ("PUT", "/v1/devices/x", {"json": device}),
            ("POST", f"/v1/plans/{plans[0]}/replan", {"json": {"bandwidth_hz": 3e8}}),
            ("POST", f"/v1/plans/{plans[0]}/validations", {"json": {}}),
            (
                "POST",
                "/v1/models/import?name=x",
                {"content": onnx, "headers": {"Content-Type": "application/octet-stream"}},
            ),
        ):
            refused = mine.request(method, path, **how)
            assert slug(refused) == "storage-full", (path, refused.text)
        assert mine.get("/v1/devices").json()["items"] == []
        assert mine.post(f"{ROBUST}?dry_run=true", json=body).status_code == 200
        assert mine.post(ROBUST, json=body, headers=keyed).json()["id"] == plans[0], "a retry"
        assert theirs.post("/v1/devices", json=device).status_code == 201, "another project"
        assert mine.delete(f"/v1/plans/{plans[0]}").status_code == 204
        assert in_use(small, "mine") == pytest.approx((len(plans) - 1) * size, rel=0.01)
        assert mine.post("/v1/devices", json=device).status_code == 201
        forget_old(small.everything, 1e-9)
        assert in_use(small, "mine") < size, "retention gives back"


def test_what_is_sent_counts_until_the_database_is_asked_again(service: Service) -> None:
    with service.everything.writing() as session:
        limits = OwnLimits(max_stored_byte=LEAST)
        key = auth.create(session, "own", "default", "admin", None, limits)
    service.app.state.guard.forget()
    service.app.state.storage.forget()
    with httpx.Client(
        base_url=service.url, headers=bearing(key), timeout=60.0, trust_env=False, verify=False
    ) as client:
        body = a_device(name="x", reference="r" * 900)
        statuses = {
            client.post("/v1/devices", json=body, headers={"X-Request-ID": str(n)}).status_code
            for n in range(3)
        }
        assert statuses == {201, 409}
        storage = service.app.state.storage
        storage.require_room("default", LEAST, LEAST)
        assert client.post("/v1/devices", json=body).status_code == 507
        storage.forget()
        assert client.post("/v1/devices", json=body).status_code == 409, "nothing of it was stored"

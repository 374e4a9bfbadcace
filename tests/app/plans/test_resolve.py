"""Profiles as a request means them: timings of another file than the model's."""

import httpx
import pytest

from tests.support.answers import pointers
from tests.support.builders import Body, a_model, a_server_timing, a_timing
from tests.support.multiuser import requests as multiuser
from tests.support.robust import requests as robust
from tests.support.sheets import a_file, measured
from tests.support.stopping import requests as stopping

TIMED, MEANT = "a" * 64, "b" * 64
OTHER = {
    "model": a_model(source_sha256=MEANT),
    "device_timing": a_timing(source_sha256=TIMED),
    "server_timing": a_server_timing(source_sha256=MEANT),
}


def without(body: Body, *names: str) -> Body:
    return {name: value for name, value in body.items() if name not in names}


def requests(**fields: Body) -> dict[str, Body]:
    """One of each family, by its path."""
    user = multiuser.a_user(**fields)
    table = without(user, "spectral_efficiency_bps_per_hz", "weight")
    return {
        robust.ROBUST: robust.a_cell(robust.a_user(**fields)),
        "/v1/plans/stopping": stopping.a_fleet(stopping.a_robot(**fields)),
        multiuser.MULTI_USER: multiuser.a_cell(user),
        multiuser.ADAPTIVE: multiuser.a_cell(table),
    }


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True, scope="session")
@pytest.mark.parametrize("path", requests())
def test_a_timing_of_another_file_warns_or_is_refused(client: httpx.Client, path: str) -> None:
    body = requests(**OTHER)[path]
    answer = client.post(f"{path}?dry_run=true", json=body)
    assert answer.status_code == 200, answer.text
    told = {each["field"]: each["message"] for each in answer.json()["warnings"]}
    assert "another file" in told["/users/0/device_timing"]
    assert "another file" not in told.get("/users/0/server_timing", "")
    strict = client.post(path, json=body | {"options": {"strict": True}})
    assert pointers(strict) == ["/users/0/device_timing"]
    same = requests(**OTHER | {"device_timing": a_timing(source_sha256=MEANT)})[path]
    answer = client.post(f"{path}?dry_run=true", json=same | {"options": {"strict": True}})
    assert answer.status_code == 200, answer.text


def test_measured_timings_remember_their_file(client: httpx.Client) -> None:
    """Also when the model is replaced by that of another file."""
    robust.store_profiles(client)
    tag = client.get("/v1/models/small-net").headers["etag"]
    put = client.put(
        "/v1/models/small-net", json=a_model(source_sha256=TIMED), headers={"If-Match": tag}
    )
    measured(client, a_file(model_sha256=TIMED))
    assert client.get("/v1/timings/camera-cpu.small-net").json()["source_sha256"] == TIMED
    body = robust.a_stored_cell(options={"strict": True})
    assert client.post(robust.ROBUST, json=body).status_code == 201
    put = client.put(
        "/v1/models/small-net",
        json=a_model(source_sha256=MEANT),
        headers={"If-Match": put.headers["etag"]},
    )
    assert put.status_code == 200
    assert pointers(client.post(robust.ROBUST, json=body)) == ["/users/0/device_timing"]

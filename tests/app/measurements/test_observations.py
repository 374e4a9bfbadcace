"""Times observed in production against the revision that a plan was made with."""

from typing import Any

import httpx
import numpy as np
import pytest

from app.measurements.schemas.files import ObservationFile
from app.measurements.schemas.reports import MeasurementPage, ObservationReport
from app.profiles.schemas.revisions import TimingRevision
from tests.support.answers import pointers, slug
from tests.support.builders import Body, a_channel, a_device, a_server, a_timing
from tests.support.robust.columns import as_table, planned
from tests.support.robust.requests import a_cell, a_crowd, a_stored_user, plan
from tests.support.sheets import a_server_file, at, measured, store

pytestmark = pytest.mark.either

TIMING = "/v1/timings/camera-cpu.small-net"


def stocked(client: httpx.Client) -> None:
    """Measured timings of device and server."""
    store(client)
    assert client.post("/v1/channels", json=a_channel()).status_code == 201
    measured(client)
    measured(client, a_server_file(), "edge-gpu.small-net")


def a_plan(client: httpx.Client, *users: Body, **fields: Any) -> Body:
    """Cameras far enough off to compute for themselves."""
    everyone = users or (a_stored_user(gain_db=-125.0),)
    document = plan(client, a_cell(*everyone, **{"channel": "cell", "server": "edge-gpu"} | fields))
    assert document["status"] == "solved", document
    return document


def observed(
    user: Body, rng: np.random.Generator, count: int = 60, factor: float = 1.0
) -> list[float]:
    """Total times with the planned moments, all but for a factor."""
    mean, deviation = user["latency"]["mean_s"] * factor, user["latency"]["std_s"]
    return list(rng.gamma((mean / deviation) ** 2, deviation**2 / mean, count).tolist())


def report(client: httpx.Client, document: Body, **entry: Any) -> Body:
    """Observations that must be accepted."""
    user = document["result"]["users"][0]["id"]
    body = {"plan": document["id"], "observations": [{"user": user, **entry}]}
    answer = client.post(at(), json=body)
    assert answer.status_code == 201, answer.text
    ObservationReport.model_validate(answer.json())
    return dict(answer.json())


def test_times_as_planned_change_nothing(client: httpx.Client) -> None:
    stocked(client)
    document = a_plan(client)
    user = document["result"]["users"][0]
    tag = client.get(TIMING).headers["etag"]
    told = report(client, document, time_s=observed(user, np.random.default_rng(0)))
    assert (told["kind"], told["revision"], told["stale"], told["look"]) == (
        "observations",
        1,
        False,
        1,
    )
    assert told["plans"] == [document["id"]]
    (test,) = told["tests"]
    assert (test["verdict"], test["part"], test["planned_mean_s"]) == (
        "fits",
        "total",
        user["latency"]["mean_s"],
    )
    assert test["p_value"] > test["level"]
    timing = client.get(TIMING)
    assert "stale" not in timing.json()
    assert timing.headers["etag"] == tag


@pytest.mark.slow
def test_slower_times_make_the_timing_stale(client: httpx.Client) -> None:
    stocked(client)
    document = a_plan(client)
    other = a_plan(client)
    user = document["result"]["users"][0]
    told = report(client, document, time_s=observed(user, np.random.default_rng(0), factor=1.3))
    assert told["stale"]
    assert told["tests"][0]["verdict"] in ("moved", "late")
    assert set(told["plans"]) == {document["id"], other["id"]}
    assert told["plans_count"] == 2
    answer = client.get(TIMING)
    TimingRevision.model_validate(answer.json())
    assert answer.json()["stale"] is True
    evidence = answer.json()["stale_evidence"]
    assert (evidence["plan"], evidence["measurement"]) == (document["id"], told["number"])
    assert answer.headers["etag"] == '"1-stale"'
    assert client.get(TIMING, headers={"If-None-Match": '"1"'}).status_code == 200, (
        "what changed is seen"
    )
    assert client.get(TIMING, headers={"If-None-Match": '"1-stale"'}).status_code == 304
    assert any("stale" in warning["message"] for warning in answer.json()["warnings"])
    warned = a_plan(client)
    assert any("stale" in warning["message"] for warning in warned["warnings"])
    assert warned["result"]["objective"] == document["result"]["objective"], (
        "the numbers stay until there are new ones"
    )
    named = a_plan(client, a_stored_user(gain_db=-125.0, device_timing="camera-cpu.small-net@1"))
    assert any("stale" in warning["message"] for warning in named["warnings"])
    MeasurementPage.model_validate(client.get(at()).json())
    assert client.get(told["samples_url"].removesuffix("/samples")).json() == told
    raw = client.get(told["samples_url"]).json()
    ObservationFile.model_validate(raw)
    assert raw["plan"] == document["id"]


@pytest.mark.slow
def test_a_stale_timing_can_be_sent_back_or_measured_anew(client: httpx.Client) -> None:
    stocked(client)
    document = a_plan(client)
    user = document["result"]["users"][0]
    report(client, document, time_s=observed(user, np.random.default_rng(0), factor=1.3))
    timing = client.get(TIMING)
    kept = client.put(TIMING, json=timing.json(), headers={"If-Match": timing.headers["etag"]})
    assert (kept.status_code, kept.json()["revision"], kept.json()["stale"]) == (200, 1, True)
    assert measured(client)["revision"] == 2
    assert "stale" not in client.get(TIMING).json()
    assert client.get(f"{TIMING}/revisions/1").json()["stale"] is True
    renewed = a_plan(client)
    assert not any("stale" in warning["message"] for warning in renewed.get("warnings", []))
    assert not report(client, renewed, time_s=observed(user, np.random.default_rng(1)))["stale"]


def test_the_devices_part_alone(client: httpx.Client) -> None:
    stocked(client)
    document = a_plan(client)
    user = document["result"]["users"][0]
    rng = np.random.default_rng(0)
    planned = user["latency"]["device_s"]
    assert not report(client, document, device_s=rng.normal(planned, 0.005 * planned, 50).tolist())[
        "stale"
    ]
    assert report(
        client, document, device_s=rng.normal(1.2 * planned, 0.005 * planned, 50).tolist()
    )["stale"]


def test_faster_times_are_drift_too(client: httpx.Client) -> None:
    stocked(client)
    document = a_plan(client)
    planned = document["result"]["users"][0]["latency"]["device_s"]
    times = np.random.default_rng(0).normal(0.7 * planned, 0.005 * planned, 50).tolist()
    told = report(client, document, device_s=times)
    assert (told["tests"][0]["verdict"], told["stale"]) == ("moved", True)


def test_more_misses_than_any_law_explains(client: httpx.Client) -> None:
    """The mean is as planned, but one in five is late."""
    stocked(client)
    document = a_plan(client)
    user = document["result"]["users"][0]
    deadline, mean = user["deadline_s"], user["latency"]["mean_s"]
    late = 1.0001 * deadline
    early = (mean - 0.2 * late) / 0.8
    told = report(client, document, time_s=[late if n % 5 == 0 else early for n in range(100)])
    assert told["tests"][0]["verdict"] == "late"
    assert told["tests"][0]["misses"] == 20
    assert told["stale"]


def test_a_few_times_prove_nothing(client: httpx.Client) -> None:
    stocked(client)
    document = a_plan(client)
    user = document["result"]["users"][0]
    told = report(client, document, time_s=[1.001 * user["latency"]["mean_s"]] * 3)
    assert (told["tests"][0]["verdict"], told["stale"]) == ("undecided", False)


@pytest.mark.slow
def test_each_look_asks_for_more(client: httpx.Client) -> None:
    """However often steady times are reported, a false alarm stays unlikely: the levels sum to 1
    %.
    """
    stocked(client)
    document = a_plan(client)
    user, rng = document["result"]["users"][0], np.random.default_rng(5)
    levels = []
    for look in range(1, 13):
        told = report(client, document, time_s=observed(user, rng, 40))
        assert told["look"] == look
        assert not told["stale"]
        levels.append(told["tests"][0]["level"])
    assert levels == sorted(levels, reverse=True)
    assert sum(levels) < 0.01


def test_observations_of_the_server(client: httpx.Client) -> None:
    stocked(client)
    document = a_plan(client, a_stored_user(gain_db=-70.0, deadline_s=0.5))
    user = document["result"]["users"][0]
    assert user["latency"]["server_s"] > 0.0
    times = np.random.default_rng(0).normal(2.0, 0.01, 50) * user["latency"]["server_s"]
    body = {
        "plan": document["id"],
        "observations": [{"user": user["id"], "server_s": times.tolist()}],
    }
    answer = client.post(at("edge-gpu.small-net"), json=body)
    assert answer.status_code == 201, answer.text
    assert answer.json()["stale"]
    assert client.get("/v1/timings/edge-gpu.small-net").json()["stale"]
    assert "stale" not in client.get(TIMING).json()


def test_many_users_share_the_level(client: httpx.Client) -> None:
    stocked(client)
    document = a_plan(client, *a_crowd(8))
    rng = np.random.default_rng(0)
    users = [user for user in document["result"]["users"] if user["latency"]["std_s"] > 0.0]
    entries = [{"user": user["id"], "time_s": observed(user, rng)} for user in users]
    answer = client.post(at(), json={"plan": document["id"], "observations": entries})
    assert answer.status_code == 201, answer.text
    assert not answer.json()["stale"]
    assert sum(test["level"] for test in answer.json()["tests"]) == pytest.approx(
        0.01 * 6.0 / np.pi**2
    )


def test_what_cannot_be_held_against_it_is_refused(client: httpx.Client) -> None:
    stocked(client)
    document = a_plan(client)
    user = document["result"]["users"][0]["id"]

    def sent(name: str = "camera-cpu.small-net", **changed: Any) -> httpx.Response:
        body = {
            "plan": document["id"],
            "observations": [{"user": user, "time_s": [0.1] * 20}],
        } | changed
        return client.post(at(name), json=body)

    assert slug(sent(plan="0" * 32)) == "plan-not-found"
    assert pointers(sent(plan="here")) == ["/plan"]
    assert pointers(sent(observations=[])) == ["/observations"]
    assert pointers(sent(observations=[{"user": "nobody", "time_s": [0.1]}])) == [
        "/observations/0/user"
    ]
    assert pointers(sent(observations=[{"user": user}])) == ["/observations/0"]
    assert pointers(sent(observations=[{"user": user, "time_s": [-0.1]}])) == [
        "/observations/0/time_s/0"
    ]
    twice = [{"user": user, "time_s": [0.1]}] * 2
    assert pointers(sent(observations=twice)) == ["/observations/1/user"]
    assert pointers(sent(observations=[{"user": user, "server_s": [0.1]}])) == [
        "/observations/0/server_s"
    ]
    assert pointers(sent("another")) == ["/plan"]
    inline = a_plan(client, a_stored_user(gain_db=-125.0, device_timing=a_timing()))
    assert pointers(sent(plan=inline["id"])) == ["/plan"]
    infeasible = plan(
        client, a_cell(a_stored_user(deadline_s=1e-4), channel="cell", server="edge-gpu")
    )
    assert pointers(sent(plan=infeasible["id"])) == ["/plan"]
    assert client.get(at()).json()["items"][-1]["number"] == 1, "nothing was stored"


def test_a_name_that_two_kinds_share_is_not_confused(client: httpx.Client) -> None:
    """A device of the timing's name, in the same revision, pins nothing of the timing."""
    stocked(client)
    assert client.post("/v1/devices", json=a_device(name="camera-cpu.small-net")).status_code == 201
    lone = a_timing(name="lone", processor="camera-cpu.small-net")
    assert client.post("/v1/timings", json=lone).status_code == 201
    other = a_plan(client, a_stored_user(device="camera-cpu.small-net", gain_db=-125.0))
    document = a_plan(client)
    assert report(client, document, time_s=[0.1])["plans"] == [document["id"]]
    body = {"plan": other["id"], "observations": [{"user": "camera", "time_s": [0.1]}]}
    assert pointers(client.post(at(), json=body)) == ["/plan"]


@pytest.mark.slow
@pytest.mark.parametrize("columns", [True, False])
def test_users_of_a_large_plan(client: httpx.Client, columns: bool) -> None:
    stocked(client)
    crowd = a_crowd(1200, deadline_s=0.4)
    request = a_cell(
        *crowd, channel="cell", server="edge-gpu", bandwidth_hz=1e9, options={"gap": 1e-3}
    )
    document = planned(client, as_table(request)) if columns else plan(client, request)
    chosen = [client.get(f"/v1/plans/{document['id']}/users/camera-{n}").json() for n in (3, 1117)]
    rng = np.random.default_rng(0)
    entries = [
        {"user": user["id"], "time_s": observed(user, rng)}
        for user in chosen
        if user["latency"]["std_s"] > 0.0
    ]
    assert entries
    answer = client.post(at(), json={"plan": document["id"], "observations": entries})
    assert answer.status_code == 201, answer.text
    assert {test["verdict"] for test in answer.json()["tests"]} == {"fits"}
    nobody = [{"user": "camera-1200", "time_s": [0.1]}]
    assert pointers(client.post(at(), json={"plan": document["id"], "observations": nobody})) == [
        "/observations/0/user"
    ]


def test_users_of_several_cells_have_their_cells_servers(client: httpx.Client) -> None:
    stocked(client)
    assert client.post("/v1/servers", json=a_server(name="other")).status_code == 201
    users = [
        a_stored_user(id=cell, cell=cell, gain_db=-70.0, deadline_s=0.5)
        for cell in ("north", "south")
    ]
    request = a_cell(
        *users,
        channel="cell",
        server="other",
        cells=[{"id": "north", "server": "edge-gpu"}, {"id": "south"}],
    )
    document = plan(client, request)
    assert document["status"] == "solved", document
    body = {"plan": document["id"], "observations": [{"user": "north", "time_s": [0.1] * 3}]}
    assert client.post(at("edge-gpu.small-net"), json=body).status_code == 201
    body["observations"][0]["user"] = "south"
    assert pointers(client.post(at("edge-gpu.small-net"), json=body)) == ["/observations/0/user"]

"""Timings from times of the whole network: what is stored, what is said of it, what is refused."""

import math
from typing import Any

import httpx
import numpy as np
import pytest

from app.catalogue.service import shipped
from app.catalogue.shapes import measured_shapes
from app.measurements.estimates import atlas
from app.profiles.schemas.model import Model
from app.profiles.schemas.revisions import TimingRevision
from tests.support.answers import pointers
from tests.support.builders import Body, a_device, a_model, a_server
from tests.support.robust.requests import ROBUST, a_cell, a_stored_user

ESTIMATE = "/v1/timings/estimate"


def shipped_model(name: str) -> Model:
    return next(each for each in shipped() if isinstance(each, Model) and each.name == name)


def store(client: httpx.Client, *models: Body, **device: Any) -> None:
    for collection, body in (
        ("devices", a_device(**device)),
        ("servers", a_server()),
        *(("models", model) for model in models or (a_model(),)),
    ):
        answer = client.post(f"/v1/{collection}", json=body)
        assert answer.status_code == 201, answer.text


def asked(**fields: Any) -> Body:
    """A tenth of a second at 1 GHz."""
    body = {
        "name": "guess",
        "processor": "camera-cpu",
        "model": "small-net",
        "time_s": 0.1,
        "frequency_hz": 1e9,
    }
    return {name: value for name, value in (body | fields).items() if value is not None}


def estimated(client: httpx.Client, **fields: Any) -> Body:
    answer = client.post(ESTIMATE, json=asked(**fields))
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def at_level(timing: Body, field: str) -> list[float]:
    """Of each cut, at the only clock."""
    return [cut["levels"][0].get(field) for cut in timing["cuts"]]


def test_a_timing_of_one_number(client: httpx.Client) -> None:
    """Stored, shared out, varying by what is assumed and by what the share may be off by."""
    store(client)
    answer = client.post(f"{ESTIMATE}?dry_run=true", json=asked())
    assert answer.status_code == 200
    assert client.get("/v1/timings/guess").status_code == 404
    made = estimated(client)
    assert client.get("/v1/timings/guess").json() == made | {
        "warnings": [warning for warning in made["warnings"] if warning["field"] != "/name"]
    }
    TimingRevision.model_validate(made)
    assert {name: made[name] for name in answer.json()} == answer.json()
    assert made["provenance"] == "analytic"
    how = made["estimated"]
    assert how["rule"] == "operator_mix"
    assert how["clock_law"] == "given_clocks"
    assert at_level(made, "mean_s") == pytest.approx([0.1 * share for share in how["share"]])
    assert (how["share"][0], how["share"][-1]) == (0.0, 1.0)
    inner = made["cuts"][1]["levels"][0]["variance_s2"]
    assert inner > (how["share"][1] * how["assumed_variation"] * 0.1) ** 2
    last = made["cuts"][-1]["levels"][0]["variance_s2"]
    assert math.sqrt(last) == pytest.approx(how["assumed_variation"] * 0.1, rel=1e-5)
    assert any(warning["field"] == "/estimated" for warning in made["warnings"])
    assert "off by" in made["reference"]


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True, scope="session")
def test_what_was_said_of_spread_is_taken(client: httpx.Client) -> None:
    store(client)
    made = estimated(client, std_s=0.0, worst_s=0.15)
    assert at_level(made, "variance_s2")[-1] == 0.0
    assert "assumed_variation" not in made["estimated"]
    assert at_level(made, "worst_s")[-1] == pytest.approx(0.15)
    high = made["estimated"]["share_high"]
    assert at_level(made, "worst_s") == pytest.approx([0.15 * each for each in high], rel=1e-4)


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True, scope="session")
def test_the_shape_of_the_same_network_is_taken_whatever_its_name(client: httpx.Client) -> None:
    """With the runtime's own shapes where it is named; found at coarser cuts by FLOP and bytes."""
    model = shipped_model("vgg16").model_dump(mode="json")
    coarse = model | {"name": "mine", "cuts": model["cuts"][::3] + model["cuts"][-1:]}
    store(client, model | {"name": "ours"}, coarse)
    made = estimated(client, name="a", model="ours", time_s=2.1, runtime="tensorflow")
    how = made["estimated"]
    assert how["rule"] == "measured_shape"
    assert how["boards"][0] == "raspberry-pi-4-cpu"
    shapes = [np.array(each.share) for each in measured_shapes("vgg16")]
    assert np.all(np.array(how["share"]) <= np.max(shapes, axis=0) + 1e-6)
    assert np.all(np.array(how["share"]) >= np.min(shapes, axis=0) - 1e-6)
    onnx = estimated(client, name="b", model="ours", time_s=2.1, runtime="onnxruntime")
    (own,) = (each for each in measured_shapes("vgg16") if each.runtime == "onnxruntime")
    assert onnx["estimated"]["share"] == pytest.approx(list(own.share), abs=1e-5)
    few = estimated(client, name="c", model="mine", time_s=2.1, runtime="tensorflow")
    assert few["estimated"]["share"][:-1] == pytest.approx(how["share"][::3], abs=1e-5)
    flop = estimated(client, name="d", model="ours", time_s=2.1, share_by="flop")
    work = [cut["flop"] / model["cuts"][-1]["flop"] for cut in model["cuts"]]
    assert flop["estimated"]["share"] == pytest.approx(work, abs=1e-5)


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True, scope="session")
def test_several_clocks_tell_cycles_and_overhead(client: httpx.Client) -> None:
    store(client)
    points = [{"time_s": 1e8 / f + 0.02, "frequency_hz": f} for f in (1e9, 5e8, 8e8)]
    made = estimated(client, time_s=None, frequency_hz=None, points=points, std_s=0.001)
    last, flop = made["cuts"][-1], a_model()["cuts"][-1]["flop"]
    assert last["flop_per_cycle"] == pytest.approx(flop / 1e8, rel=1e-5)
    assert last["overhead_s"] == pytest.approx(0.02, rel=1e-5)
    assert [level["frequency_hz"] for level in last["levels"]] == [5e8, 8e8, 1e9]
    cycles = estimated(client, name="b", clock_law="cycles")["cuts"][-1]
    assert cycles["flop_per_cycle"] == pytest.approx(flop / 1e8, rel=1e-5)
    rising = [{"time_s": f / 1e10, "frequency_hz": f} for f in (5e8, 1e9)]
    odd = estimated(client, name="c", time_s=None, frequency_hz=None, points=rising)
    assert odd["estimated"]["clock_law"] == "given_clocks"


def test_a_server_and_a_plan_with_estimates_alone(client: httpx.Client) -> None:
    """A plan comes of it; it says how far the times can be believed."""
    store(client)
    made = estimated(client, name="s", processor="edge-gpu", time_s=0.01, frequency_hz=None)
    assert made["cuts"][0]["mean_s"] == pytest.approx(0.01)
    assert made["cuts"][-1] == {"mean_s": 0.0, "variance_s2": 0.0}
    channel, server = client.post("/v1/channels", json=a_cell()["channel"]), "edge-gpu"
    assert channel.status_code == 201
    user = a_stored_user(device_timing=None, server_timing=None, deadline_s=3.0, gain_db=-120.0)
    body = a_cell(user, channel=channel.json()["name"], server=server)
    refused = client.post(ROBUST, json=body)
    assert refused.status_code == 422
    assert "POST /v1/timings/estimate" in refused.json()["errors"][0]["detail"]
    estimated(client, time_s=0.01)
    plan = client.post(ROBUST, json=body)
    assert plan.status_code == 201, plan.text
    assert plan.json()["status"] == "solved", plan.text
    assert {"/users/0/device_timing/estimated", "/users/0/server_timing/estimated"} <= {
        warning["field"] for warning in plan.json()["warnings"]
    }
    (told,) = plan.json()["result"]["users"]
    how = client.get("/v1/timings/guess").json()["estimated"]
    assert 0 < told["cut"] < len(how["share"]) - 1
    assert told["latency"]["device_low_s"] == pytest.approx(0.01 * how["share_low"][told["cut"]])
    assert told["latency"]["device_high_s"] == pytest.approx(0.01 * how["share_high"][told["cut"]])
    again = client.post(f"{ESTIMATE}?dry_run=true", json=asked(name="second"))
    assert "/name" in {warning["field"] for warning in again.json()["warnings"]}


REFUSED = {
    "no time": (asked(time_s=None), {"/time_s"}),
    "two times": (asked(points=[{"time_s": 1.0, "frequency_hz": 1e9}]), {"/time_s"}),
    "no clock": (asked(frequency_hz=None), {"/frequency_hz"}),
    "a clock in GHz": (asked(frequency_hz=1.0), {"/frequency_hz"}),
    "no such device": (asked(processor="nobody"), {"/processor"}),
    "no such model": (asked(model="nothing"), {"/model"}),
    "a server's clock": (asked(processor="edge-gpu"), {"/frequency_hz"}),
    "the worst below the mean": (asked(worst_s=0.05), {"/worst_s"}),
    "a time of nothing": (asked(time_s=0.0), {"/time_s"}),
    "a time without end": (asked(time_s=1e59), {"/time_s"}),
    "a spread without end": (asked(std_s=1e59), {"/std_s"}),
    "a negative spread": (asked(std_s=-1.0), {"/std_s"}),
    "one clock twice": (
        asked(
            time_s=None,
            frequency_hz=None,
            points=[{"time_s": t, "frequency_hz": 1e9} for t in (0.1, 0.2)],
        ),
        {"/points/1/frequency_hz"},
    ),
    "an unknown rule": (asked(share_by="magic"), {"/share_by"}),
}


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True, scope="session")
def test_what_cannot_be_estimated_is_refused(client: httpx.Client) -> None:
    """The field is named, and nothing is stored."""
    store(client)
    for case, (body, fields) in REFUSED.items():
        answer = client.post(ESTIMATE, json=body)
        assert answer.status_code == 422, (case, answer.text)
        assert set(pointers(answer)) == fields, case
    assert client.get("/v1/timings").json()["items"] == []


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True, scope="session")
def test_one_clock_is_one_that_the_device_offers(client: httpx.Client) -> None:
    store(client, frequency_levels_hz=[5e8, 8e8])
    answer = client.post(ESTIMATE, json=asked())
    assert pointers(answer) == ["/frequency_hz"]
    assert "5e+08, 8e+08" in answer.json()["errors"][0]["detail"]
    estimated(client, clock_law="cycles")


def test_shapes_err_least_and_the_law_less_than_flop() -> None:
    """Over the atlas, each case left out: what decides which rule is taken."""
    flop, unknown = atlas.errors_by_flop(), atlas.errors_by_shape(None)
    eager, law = atlas.errors_by_shape("tensorflow"), atlas.errors_by_law("onnxruntime")
    assert eager.median < unknown.median < flop.median
    assert eager.p90 < unknown.p90 < flop.p90
    assert law.p90 < 0.1 < flop.p90
    other = atlas.shared(shipped_model("resnet50"), 1.0, "ncnn", None)
    assert other.errors == unknown  # of another runtime nothing is known

"""Plans whose margins rest on the samples behind their timings."""

from typing import Any

import httpx
import numpy as np
import pytest

from solvers.evidence.ranks import rank_for
from tests.support.answers import pointers
from tests.support.builders import Body, a_channel
from tests.support.robust.columns import as_table, planned
from tests.support.robust.requests import ROBUST, a_cell, a_stored_user, plan, store_profiles
from tests.support.sheets import (
    CLOCKS_HZ,
    FLOP,
    a_file,
    a_server_file,
    device_mean_s,
    measured,
    server_mean_s,
    store,
    times,
)

pytestmark = pytest.mark.either

JOINT = "2026-11-02T08:00:00+00:00"


def stocked(client: httpx.Client, *, count: int = 400, server: bool = False, **device: Any) -> None:
    """Measured timings; the server's only on request, else it never varies."""
    store(client, **device)
    assert client.post("/v1/channels", json=a_channel()).status_code == 201
    measured(client, a_file(count=count, sessions=1))
    if server:
        measured(client, a_server_file(count=count), "edge-gpu.small-net")


def a_request(*users: Body, **options: Any) -> Body:
    every = users or (a_stored_user(), a_stored_user(id="second", gain_db=-95.0))
    return a_cell(*every, channel="cell", server="edge-gpu", options=options)


def test_samples_bound_the_options_at_measured_clocks(client: httpx.Client) -> None:
    stocked(client)
    document = plan(client, a_request(margin="samples"))
    evidence = document["result"]["certificate"]["evidence"]
    options = (len(FLOP) - 1) * len(CLOCKS_HZ)
    assert evidence["margin"] == "samples"
    assert evidence["confidence"] == 0.95
    assert evidence["options_compared"] == options  # cut 0 never varies here
    assert document["result"]["certificate"]["holds"]
    for user in document["result"]["users"]:
        if user["cut"]:
            assert min(abs(user["frequency_hz"] / np.array(CLOCKS_HZ) - 1.0)) < 1e-9
            assert user["latency"]["bound_s"] <= user["deadline_s"] * (1.0 + 1e-9)


def test_the_bound_is_the_order_statistic_of_its_share(client: httpx.Client) -> None:
    stocked(client)
    file = a_file(count=400, sessions=1)
    alone = a_stored_user(gain_db=-170.0, deadline_s=1.0)  # nothing can be sent
    document = plan(client, a_request(alone, margin="samples"))
    user = document["result"]["users"][0]
    assert user["cut"] == len(FLOP) - 1
    sent = next(
        one
        for one in file["sessions"][0]["samples"]
        if one["cut"] == user["cut"] and one["frequency_hz"] == user["frequency_hz"]
    )
    k = rank_for(400, 0.05, 0.05 / ((len(FLOP) - 1) * len(CLOCKS_HZ)))
    assert k is not None
    expected = float(np.sort(sent["time_s"])[k - 1])
    evidence = document["result"]["certificate"]["evidence"]
    assert (evidence["samples"], evidence["effective_samples"]) == (400, 400)
    assert user["latency"]["bound_s"] == pytest.approx(expected, rel=1e-9)


def test_it_costs_less_than_cantelli_where_samples_are_many(client: httpx.Client) -> None:
    stocked(client, count=1500)
    tight = a_stored_user(deadline_s=0.045, risk=0.02)
    found = plan(client, a_request(tight, margin="samples"))["result"]
    margins = found["margins"]
    assert set(margins) == {"cantelli", "unimodal", "gaussian"}
    assert margins["gaussian"]["energy_j"] <= found["objective"]["energy_j"] * (1.0 + 1e-6)
    cantelli = margins["cantelli"]["energy_j"]
    assert cantelli is None or found["objective"]["energy_j"] <= cantelli * (1.0 + 1e-6)


@pytest.mark.slow
def test_too_few_samples_say_how_many_are_missing(client: httpx.Client) -> None:
    stocked(client, count=40)
    answer = client.post(ROBUST, json=a_request(a_stored_user(risk=0.01), margin="samples"))
    if answer.status_code == 201:  # all at the edge, which never varies
        assert all(user["cut"] == 0 for user in answer.json()["result"]["users"])
        assert "too few steady samples" in answer.text
    else:
        assert pointers(answer) == ["/users/0/device_timing"]
        assert "samples are missing" in answer.text


def test_another_margin_takes_their_place_where_it_is_named(client: httpx.Client) -> None:
    stocked(client, count=40)
    far = a_stored_user(gain_db=-170.0, deadline_s=1.0, risk=0.01)
    refused = client.post(ROBUST, json=a_request(far, margin="samples"))
    assert refused.status_code == 201
    assert refused.json()["status"] == "infeasible"  # only the edge is left, and is out of reach
    document = plan(client, a_request(far, margin="samples", fallback="cantelli"))
    assert document["status"] == "solved"
    evidence = document["result"]["certificate"]["evidence"]
    assert (evidence["samples"], evidence["users_without"]) == (0, 1)
    assert any("cantelli" in one["message"] for one in document["warnings"])


def test_parts_measured_together_are_bounded_together(client: httpx.Client) -> None:
    """The same inferences on device and server, told by session and order, are one sample each."""
    store(client)
    assert client.post("/v1/channels", json=a_channel()).status_code == 201
    rng, count, clock = np.random.default_rng(3), 600, CLOCKS_HZ[-1]
    order = list(range(count))
    device = [
        {
            "cut": cut,
            "part": "device",
            "frequency_hz": clock,
            "time_s": times(device_mean_s(cut, clock), count, rng, 0.2),
            "order": order,
        }
        for cut in range(1, len(FLOP))
    ]
    server = [
        {
            "cut": cut,
            "part": "server",
            "frequency_hz": None,
            "time_s": times(server_mean_s(cut), count, rng, 0.2),
            "order": order,
        }
        for cut in range(len(FLOP) - 1)
    ]
    joint = {"started_at": JOINT}
    measured(client, a_file() | {"sessions": [joint | {"samples": device}]})
    measured(
        client,
        a_server_file() | {"sessions": [joint | {"samples": server}]},
        "edge-gpu.small-net",
    )
    near = a_stored_user(gain_db=-70.0, deadline_s=0.5, risk=0.1)
    document = plan(client, a_request(near, margin="samples"))
    assert document["result"]["certificate"]["evidence"]["samples"] == count


def test_drifting_samples_are_refused_unless_accepted(client: httpx.Client) -> None:
    store(client)
    assert client.post("/v1/channels", json=a_channel()).status_code == 201
    file = a_file(count=400, sessions=1)
    for entry in file["sessions"][0]["samples"]:
        entry["order"] = list(range(400))
        slower = 1.0 + 0.1 * np.arange(400) / 400  # warmer and warmer
        entry["time_s"] = (np.array(entry["time_s"]) * slower).tolist()
    measured(client, file)
    far = a_stored_user(gain_db=-170.0, deadline_s=1.0)
    refused = client.post(ROBUST, json=a_request(far, margin="samples"))
    assert refused.json()["status"] == "infeasible"
    document = plan(client, a_request(far, margin="samples", accept_drift=True))
    assert document["status"] == "solved"
    assert any("drift" in one["message"] for one in document["warnings"])


def test_estimated_moments_keep_more_than_cantelli(client: httpx.Client) -> None:
    stocked(client)
    far = a_stored_user(gain_db=-170.0, deadline_s=1.0)
    bounds = {
        margin: plan(client, a_request(far, margin=margin))["result"]["users"][0]["latency"]
        for margin in ("ambiguous", "cantelli")
    }
    assert bounds["ambiguous"]["bound_s"] > bounds["cantelli"]["bound_s"]


@pytest.mark.parametrize(
    ("options", "pointer"),
    [
        ({"margin": "cantelli", "selection": "split"}, "/options/selection"),
        ({"margin": "gaussian", "accept_drift": True}, "/options/accept_drift"),
        ({"margin": "samples", "method": "pccp"}, "/options/method"),
        ({"margin": "samples", "confidence": 1.0}, "/options/confidence"),
    ],
)
def test_options_that_belong_elsewhere_are_refused(
    client: httpx.Client, options: Body, pointer: str
) -> None:
    stocked(client)
    answer = client.post(ROBUST, json=a_request(**options))
    assert answer.status_code == 422
    assert pointer in pointers(answer)


def test_a_network_delay_that_varies_is_nobodys_sample(client: httpx.Client) -> None:
    stocked(client)
    request = a_request(margin="samples") | {
        "channel": a_channel(rtt_mean_s=0.01, rtt_variance_s2=1e-6)
    }
    answer = client.post(ROBUST, json=request)
    assert answer.status_code == 422
    assert pointers(answer) == ["/channel"]


@pytest.mark.slow
def test_the_plan_is_rebuilt_on_the_same_samples(client: httpx.Client) -> None:
    stocked(client)
    document = plan(client, a_request(margin="samples"))
    measured(client, a_file(count=40, seed=9))  # another revision, another measurement
    answer = client.post(f"/v1/plans/{document['id']}/validations", json={"trials": 500})
    assert answer.status_code == 201, answer.text
    assert answer.json()["check"]["holds"]


def test_one_mode_is_assumed_without_samples_and_said_to_be(client: httpx.Client) -> None:
    store_profiles(client)
    document = plan(client, a_cell(a_stored_user(), options={"margin": "unimodal"}))
    evidence = document["result"]["certificate"]["evidence"]
    assert (evidence["margin"], evidence["confidence"]) == ("unimodal", None)
    assert (evidence["samples"], evidence["users_without"]) == (0, 1)


def test_options_with_a_second_mode_are_left_out(client: httpx.Client) -> None:
    levels = list(CLOCKS_HZ)
    store(client, frequency_levels_hz=levels)
    assert client.post("/v1/channels", json=a_channel()).status_code == 201
    file, rng = a_file(count=200, sessions=1), np.random.default_rng(5)
    for entry in file["sessions"][0]["samples"]:
        if entry["frequency_hz"] == levels[-1]:  # the highest clock throttles now and then
            slow = rng.random(200) < 0.3
            entry["time_s"] = (np.array(entry["time_s"]) * np.where(slow, 2.0, 1.0)).tolist()
    measured(client, file)
    far = a_stored_user(gain_db=-170.0, deadline_s=1.0)
    document = plan(client, a_request(far, margin="unimodal"))
    assert any("more than one mode" in one["message"] for one in document["warnings"])
    user = document["result"]["users"][0]
    assert user["frequency_hz"] != levels[-1]
    assert document["result"]["certificate"]["evidence"]["samples"] == 200


@pytest.mark.slow
def test_a_fleet_in_columns_rests_on_the_same_samples(client: httpx.Client) -> None:
    stocked(client)
    rows = [
        {
            "id": f"camera-{n}",
            "device": "camera-cpu",
            "model": "small-net",
            "gain_db": -80.0 - n % 30,
            "deadline_s": 0.2,
            "risk": 0.05 if n % 2 else 0.1,  # two promises: two sets of bounds
        }
        for n in range(1200)
    ]
    rest = {
        "channel": "cell",
        "server": "edge-gpu",
        "bandwidth_hz": 1e9,
        "options": {"margin": "samples"},
    }
    document = planned(client, as_table(rest | {"users": rows}))
    evidence = document["result"]["certificate"]["evidence"]
    assert evidence["samples"] == 400
    assert evidence["options_compared"] == (len(FLOP) - 1) * len(CLOCKS_HZ)

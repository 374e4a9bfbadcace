"""Plans replayed with the measured times behind them."""

from typing import Any

import httpx
import numpy as np
import pytest

from tests.support.answers import pointers
from tests.support.builders import Body, a_channel, a_device, a_timing
from tests.support.robust.requests import a_cell, a_stored_user, plan
from tests.support.sheets import (
    CLOCKS_HZ,
    FLOP,
    a_file,
    a_server_file,
    device_mean_s,
    measured,
    store,
)


def stocked(client: httpx.Client, body: Body | None = None, **device: Any) -> None:
    """Measured timings of device and server, and a channel."""
    store(client, **device)
    assert client.post("/v1/channels", json=a_channel()).status_code == 201
    measured(client, body)
    measured(client, a_server_file(), "edge-gpu.small-net")


def replayed(client: httpx.Client, document: Body, **asked: Any) -> Body:
    answer = client.post(
        f"/v1/plans/{document['id']}/validations",
        json={"distributions": ["empirical"], "trials": 20_000, **asked},
    )
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def two_valued(body: Body, share: float) -> None:
    """Times that are either early or, with that share, late by the same multiple of their standard
    deviation.
    """
    rng = np.random.default_rng(0)
    for session in body["sessions"]:
        for entry in session["samples"]:
            mean = device_mean_s(entry["cut"], entry["frequency_hz"])
            late = np.arange(len(entry["time_s"])) % round(1.0 / share) == 0
            entry["time_s"] = (mean * (1.0 + 0.1 * rng.permutation(late))).tolist()


@pytest.mark.slow
def test_measured_times_keep_the_risk(client: httpx.Client) -> None:
    stocked(client)
    users = [a_stored_user(id=str(n), gain_db=-80.0 - 10.0 * n) for n in range(5)]
    document = plan(client, a_cell(*users, channel="cell", server="edge-gpu"))
    assert len({user["cut"] for user in document["result"]["users"]}) > 1
    found = replayed(client, document)
    assert found["holds"]
    law = found["laws"]["empirical"]
    assert [user["id"] for user in law["users"]] == [str(n) for n in range(5)]
    assert replayed(client, document)["laws"] == found["laws"], "the same seed draws the same"
    other = replayed(client, document, distributions=["gamma", "empirical"])
    assert other["laws"]["empirical"]["misses_total"] == law["misses_total"]


def test_the_shape_is_that_of_the_samples(client: httpx.Client) -> None:
    """Late with probability 1/20 and by 4.36 standard deviations: just what a risk of 5 % is
    planned against.
    """
    share = 0.05
    body = a_file(count=400, sessions=1)
    two_valued(body, share)
    stocked(client, body, frequency_levels_hz=list(CLOCKS_HZ))
    near = (1.0 - 1e-4) * np.sqrt((1.0 - share) / share)
    user = a_stored_user(gain_db=-125.0, risk=float(1.0 / (1.0 + near**2)))
    document = plan(client, a_cell(user, channel="cell", server="edge-gpu"))
    (decided,) = document["result"]["users"]
    assert decided["cut"] == len(FLOP) - 1, "the device computes for itself"
    # With this deadline the plan has no slack, so every late time is one too late.
    tight = user | {"deadline_s": decided["latency"]["bound_s"] * (1.0 + 1e-9)}
    document = plan(client, a_cell(tight, channel="cell", server="edge-gpu"))
    law = replayed(client, document)["laws"]["empirical"]
    assert law["users"][0]["share"] == pytest.approx(share, abs=5.0 * np.sqrt(share / 20_000))


def test_a_plan_that_ignores_risk_is_refuted(client: httpx.Client) -> None:
    stocked(client)
    user = a_stored_user(gain_db=-125.0)
    document = plan(
        client, a_cell(user, channel="cell", server="edge-gpu", options={"margin": "mean"})
    )
    assert not replayed(client, document)["holds"]


@pytest.mark.slow
def test_what_nobody_measured_is_told(client: httpx.Client) -> None:
    stocked(client)
    inline = a_stored_user(device_timing=a_timing(), gain_db=-125.0)
    document = plan(client, a_cell(inline, channel="cell", server="edge-gpu"))
    refused = client.post(
        f"/v1/plans/{document['id']}/validations", json={"distributions": ["gamma", "empirical"]}
    )
    assert pointers(refused) == ["/distributions/1"]
    assert "came with the request" in refused.json()["detail"]
    assert client.post("/v1/devices", json=a_device(name="other")).status_code == 201
    assert (
        client.post("/v1/timings", json=a_timing(name="by-hand", processor="other")).status_code
        == 201
    )
    document = plan(
        client,
        a_cell(a_stored_user(device="other", gain_db=-125.0), channel="cell", server="edge-gpu"),
    )
    refused = client.post(
        f"/v1/plans/{document['id']}/validations", json={"distributions": ["empirical"]}
    )
    assert "by-hand@1 holds none" in refused.json()["detail"]


@pytest.mark.slow
def test_an_older_revision_has_its_own_samples(client: httpx.Client) -> None:
    """The plan's own revision is asked, however often the timing was measured since."""
    stocked(client)
    document = plan(
        client, a_cell(a_stored_user(gain_db=-125.0), channel="cell", server="edge-gpu")
    )
    before = replayed(client, document)
    body = a_file(seed=3, count=400, sessions=1)
    two_valued(body, 0.05)
    measured(client, body)
    assert replayed(client, document)["laws"] == before["laws"]

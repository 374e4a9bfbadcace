"""Bursts of misses, told by the order in which times were measured."""

import httpx
import numpy as np

from tests.support.builders import a_channel
from tests.support.robust.requests import a_cell, a_stored_user, plan
from tests.support.sheets import CLOCKS_HZ, a_file, device_mean_s, measured, store

LATE_FOR = 6


def test_bursts_are_told_by_the_longest_of_them(client: httpx.Client) -> None:
    store(client, frequency_levels_hz=list(CLOCKS_HZ))
    assert client.post("/v1/channels", json=a_channel()).status_code == 201
    file = a_file(count=300, sessions=1)
    for entry in file["sessions"][0]["samples"]:
        mean = device_mean_s(entry["cut"], entry["frequency_hz"])
        late = (np.arange(300) >= 100) & (np.arange(300) < 100 + LATE_FOR)
        noise = 1e-3 * np.random.default_rng(entry["cut"]).random(300)
        entry["time_s"] = (mean * (1.0 + 0.2 * late + noise)).tolist()
    measured(client, file)
    far = a_stored_user(gain_db=-170.0, deadline_s=1.0, risk=0.05)
    tight = plan(client, a_cell(far, channel="cell", server="edge-gpu"))
    bound_s = tight["result"]["users"][0]["latency"]["mean_s"] * 1.1
    document = plan(
        client,
        a_cell(
            far | {"deadline_s": bound_s},
            channel="cell",
            server="edge-gpu",
            options={"margin": "mean"},
        ),
    )
    answer = client.post(
        f"/v1/plans/{document['id']}/validations",
        json={"distributions": ["empirical"], "trials": 1000},
    )
    assert answer.status_code == 201, answer.text
    found = {one["inferences"]: one for one in answer.json()["laws"]["empirical"]["windows"]}
    assert set(found) == {10, 100}
    assert found[10] == {"inferences": 10, "misses_max": LATE_FOR, "users_count": 1}
    assert found[100]["misses_max"] == LATE_FOR


def test_times_without_an_order_have_no_windows(client: httpx.Client) -> None:
    store(client)  # a free clock: planned with times of all clocks together
    assert client.post("/v1/channels", json=a_channel()).status_code == 201
    measured(client, a_file(count=100, sessions=1))
    far = a_stored_user(gain_db=-170.0, deadline_s=1.0)
    document = plan(client, a_cell(far, channel="cell", server="edge-gpu"))
    answer = client.post(
        f"/v1/plans/{document['id']}/validations",
        json={"distributions": ["empirical"], "trials": 200},
    )
    assert answer.status_code == 201, answer.text
    assert "windows" not in answer.json()["laws"]["empirical"]

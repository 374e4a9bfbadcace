"""Figures of timings and devices."""

import math
from typing import Any

import httpx
import pytest

from app.figures.description import Figure
from tests.support.answers import slug
from tests.support.builders import a_device, a_model, a_server, a_server_timing, a_timing
from tests.support.figures import drawing

pytestmark = pytest.mark.either

TIMING, DEVICE = "/v1/timings/camera-cpu.small-net/figures", "/v1/devices/camera-cpu/figures"


def stored(client: httpx.Client, **bodies: Any) -> None:
    for collection, body in bodies.items():
        answer = client.post(f"/v1/{collection}", json=body)
        assert answer.status_code == 201, answer.text


def figures(client: httpx.Client, at: str) -> dict[str, Figure]:
    """All figures at an address, each drawn in both sizes."""
    found = {}
    for entry in client.get(at).json()["items"]:
        for size in ("wide", "narrow"):
            drawing(client.get(f"{entry['url']}.svg", params={"size": size}).content)
        found[entry["name"]] = Figure.model_validate(client.get(entry["url"]).json())
    return found


def test_times_and_energies_are_those_that_plans_reckon_with(client: httpx.Client) -> None:
    stored(client, devices=a_device(), models=a_model(), timings=a_timing())
    found = figures(client, TIMING)
    assert list(found) == ["times", "clocks", "energies"]
    flop = a_model()["cuts"][-1]["flop"]
    last = a_timing()["cuts"][-1]
    whole_s = flop / last["flop_per_cycle"] / 1e9 + last["overhead_s"]
    fastest = next(one for one in found["times"].panels[0].marks if one.mark == "line")
    assert fastest.label == "1\u202fGHz"
    assert math.isclose(fastest.y[-1], whole_s)
    band = found["times"].panels[0].marks[0]
    assert math.isclose((band.y_to or [])[-1], whole_s + math.sqrt(last["variance_s2"]))
    energy = next(one for one in found["energies"].panels[0].marks if one.mark == "line")
    assert math.isclose(energy.y[-1], 1.0 * whole_s), "1 W at 1 GHz"
    assert "the device's power law" in found["energies"].caption
    clocks = found["clocks"].panels[0].marks[1]
    assert (clocks.x[0], clocks.x[-1]) == (2e8, 1e9)
    (power,) = figures(client, DEVICE).values()
    assert math.isclose(power.panels[0].marks[0].y[-1], 1.0)


def test_what_was_measured_goes_before_the_law(client: httpx.Client) -> None:
    levels = [
        {"frequency_hz": hz, "mean_s": 0.01, "variance_s2": 1e-6, "energy_j": 0.5}
        for hz in (2e8, 1e9)
    ]
    cuts = [{"levels": [level | {"mean_s": 0.01 * n} for level in levels]} for n in range(4)]
    listed = a_device(
        frequency_levels_hz=[2e8, 1e9], level_power_w=[0.1, 2.0], power_coefficient_w_per_hz3=None
    )
    device = {name: value for name, value in listed.items() if value is not None}
    stored(client, devices=device, models=a_model(), timings=a_timing(cuts=cuts))
    found = figures(client, TIMING)
    energy = next(one for one in found["energies"].panels[0].marks if one.mark == "line")
    assert set(energy.y[1:]) == {0.5}
    assert "energy that was measured" in found["energies"].caption
    points = next(one for one in found["clocks"].panels[0].marks if one.mark == "points")
    assert (points.x, points.y) == ([2e8, 1e9], [0.03, 0.03])
    (power,) = figures(client, DEVICE).values()
    assert power.panels[0].marks[0].y == [0.1, 2.0]


def test_a_server_has_times_after_each_cut(client: httpx.Client) -> None:
    stored(client, servers=a_server(), models=a_model(), timings=a_server_timing())
    found = figures(client, "/v1/timings/edge-gpu.small-net/figures")
    assert list(found) == ["times"]
    means = [cut["mean_s"] for cut in a_server_timing()["cuts"]]
    assert found["times"].panels[0].marks[1].y == means


def test_a_timing_without_its_network_has_no_figures(client: httpx.Client) -> None:
    stored(client, devices=a_device(), models=a_model(), timings=a_timing())
    assert client.delete("/v1/models/small-net").status_code == 204
    assert figures(client, TIMING) == {}
    assert slug(client.get(f"{TIMING}/times.svg")) == "figure-not-found"
    assert slug(client.get(f"{DEVICE}/times.svg")) == "figure-not-found"
    assert slug(client.get("/v1/devices/none/figures")) == "profile-not-found"
    assert slug(client.get(f"{TIMING}?revision=7")) == "revision-not-found"
    assert client.get(f"{DEVICE}/power.svg?revision=1").status_code == 200

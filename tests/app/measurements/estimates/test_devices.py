"""Devices from power at the highest clock, and idle."""

from typing import Any

import httpx
import numpy as np
import pytest

from app.catalogue.measured_powers import CLOCK_EXPONENTS, assumed_exponent, exponent_span
from app.profiles.schemas.revisions import DeviceRevision
from benchmarks.power_figures import figures
from tests.support.answers import pointers
from tests.support.builders import Body
from tests.support.power import a_power_file

ESTIMATE = "/v1/devices/estimate"


def asked(**fields: Any) -> Body:
    body = {
        "name": "my-board",
        "processor": "cpu",
        "frequency_min_hz": 6e8,
        "frequency_max_hz": 1.8e9,
        "busy_power_w": 6.4,
        "idle_power_w": 2.7,
        "tx_power_w": 0.1,
    }
    return {name: value for name, value in (body | fields).items() if value is not None}


def test_a_device_of_two_powers(client: httpx.Client) -> None:
    """What was read holds at the highest clock; what is assumed of others is told, until it is
    measured.
    """
    shown = client.post(f"{ESTIMATE}?dry_run=true", json=asked())
    assert shown.status_code == 200
    assert client.get("/v1/devices/my-board").status_code == 404
    answer = client.post(ESTIMATE, json=asked())
    assert answer.status_code == 201, answer.text
    made = answer.json()
    assert client.get(answer.headers["location"]).json() == made
    assert {name: made[name] for name in shown.json()} == shown.json()
    DeviceRevision.model_validate(made)
    law = made["power_coefficient"] * 1.8e9 ** made["power_exponent"]
    assert law == pytest.approx(3.7)
    assert made["power_exponent"] == assumed_exponent()
    assert (made["provenance"], made["idle_power_w"]) == ("analytic", 2.7)
    (warning,) = (one for one in made["warnings"] if one["field"] == "/power_estimated")
    low, high = exponent_span()
    assert f"{3.7 * 3.0**-high:.3g} to {3.7 * 3.0**-low:.3g} W" in warning["message"]
    assert client.post(ESTIMATE, json=asked()).status_code == 409
    sent = client.post("/v1/devices/my-board/power-measurements", json=a_power_file())
    assert sent.status_code == 201, sent.text
    assert "power_estimated" not in client.get("/v1/devices/my-board").json()


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True, scope="session")
def test_without_other_clocks_nothing_is_assumed(client: httpx.Client) -> None:
    made = client.post(f"{ESTIMATE}?dry_run=true", json=asked(frequency_min_hz=None)).json()
    assert made["frequency_min_hz"] == made["frequency_max_hz"]
    assert "warnings" not in made
    levels = client.post(
        f"{ESTIMATE}?dry_run=true",
        json=asked(frequency_min_hz=None, frequency_levels_hz=[6e8, 1.8e9], power_exponent=2.0),
    ).json()
    assert (levels["frequency_min_hz"], levels["power_exponent"]) == (6e8, 2.0)
    for body, field in (
        (asked(busy_power_w=2.7), "/busy_power_w"),
        (asked(busy_power_w=-1.0), "/busy_power_w"),
        (asked(frequency_min_hz=2e9), "/frequency_max_hz"),
        (asked(frequency_levels_hz=[6e8, 2e9]), "/frequency_levels_hz/1"),
        (asked(power_exponent=0.5), "/power_exponent"),
        (asked(tx_power_w=None), "/tx_power_w"),
    ):
        assert pointers(client.post(ESTIMATE, json=body)) == [field]


def exponents() -> dict[str, float]:
    """Anew from the kept figures: least squares of logarithms through the highest clock."""
    found: dict[str, list[float]] = {}
    for (device, quantity), samples in figures().items():
        power = np.where(
            np.isfinite(samples.power_w), samples.power_w, samples.energy_j / samples.time_s
        )
        power = power - samples.idle_w
        for workload in np.unique(samples.workload):
            mine = samples.workload == workload
            clocks = np.unique(samples.frequency_hz[mine])
            if len(clocks) < 2 or quantity not in ("board", "draw", "chip"):
                continue
            mean = np.array(
                [np.median(power[mine & (samples.frequency_hz == clock)]) for clock in clocks]
            )
            x, y = np.log(clocks / clocks[-1]), np.log(mean / mean[-1])
            found.setdefault(device, []).append(float(np.sum(x * y) / np.sum(x * x)))
    return {device: float(np.median(values)) for device, values in found.items()}


def test_the_exponents_are_those_of_the_figures() -> None:
    again = exponents()
    for each in CLOCK_EXPONENTS:
        name = each.processor.removeprefix("Jetson ")
        assert again[name] == pytest.approx(each.exponent, abs=0.01), name

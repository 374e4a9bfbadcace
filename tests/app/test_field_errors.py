"""Faults of a request: where they are, in words that say what to do."""

from typing import Any

import httpx
import pytest

from app.field_errors import json_pointer
from tests.support.answers import pointers
from tests.support.builders import a_channel, a_device, a_model

pytestmark = pytest.mark.either


@pytest.mark.parametrize(
    ("collection", "body", "expected"),
    [
        (
            "devices",
            {},
            {
                "/name",
                "/provenance",
                "/processor",
                "/frequency_min_hz",
                "/frequency_max_hz",
                "/tx_power_w",
            },
        ),
        ("devices", a_device(colour="red"), {"/colour"}),
        ("devices", a_device(**{"a/b~c": 1}), {"/a~1b~0c"}),
        ("devices", a_device(name="Camera CPU"), {"/name"}),
        ("devices", a_device(tx_power_w="0.2"), {"/tx_power_w"}),
        ("devices", a_device(tx_power_w=True), {"/tx_power_w"}),
        ("devices", a_device(processor="fpga", provenance="guess"), {"/processor", "/provenance"}),
        ("devices", a_device(frequency_levels_hz=[1e9, "x"]), {"/frequency_levels_hz/1"}),
        ("devices", a_device(reference="a\x00b"), {"/reference"}),
        (
            "models",
            a_model(cuts=[{"name": "a"}, 3]),
            {"/cuts/0/flop", "/cuts/0/feature_byte", "/cuts/0/parameter_byte", "/cuts/1"},
        ),
        ("channels", a_channel(fading={"kind": "rice"}), {"/fading/kind"}),
        ("channels", a_channel(fading={}), {"/fading/kind"}),
        ("channels", a_channel(fading="rayleigh"), {"/fading"}),
        ("channels", a_channel(fading={"kind": "rician"}), {"/fading/k_factor_db"}),
        (
            "channels",
            a_channel(fading={"kind": "rician", "k_factor_db": 3, "rician": 1}),
            {"/fading/rician"},
        ),
        (
            "channels",
            a_channel(
                fading={"kind": "markov", "rate_bps": [1, 2], "transition": [[1, 0], [1, 1]]}
            ),
            {"/fading/transition/1"},
        ),
    ],
)
def test_faults_are_pointed_at(
    client: httpx.Client, collection: str, body: Any, expected: set[str]
) -> None:
    refused = client.post(f"/v1/{collection}", json=body)
    assert set(pointers(refused)) == expected
    assert "pydantic" not in refused.text
    assert "Input should" not in refused.text


def test_a_huge_exponent_names_its_field(client: httpx.Client) -> None:
    body = b'{"name": "x", "capacity_flop_per_s": 1e999, "provenance": "measured"}'
    refused = client.post("/v1/servers", content=body, headers={"Content-Type": "application/json"})
    assert pointers(refused) == ["/capacity_flop_per_s"]
    assert refused.json()["errors"][0]["detail"] == "must be a finite number"


def test_pointers_skip_what_the_body_does_not_have() -> None:
    body = {"users": [{"device": {"name": 3}}]}
    assert json_pointer(["users", 0, "device", "inline", "name"], body) == "/users/0/device/name"
    assert (
        json_pointer(["users", 0, "device", "inline", "processor"], body, missing=True)
        == "/users/0/device/processor"
    )
    assert json_pointer(["users", 0, "device", "reference"], body) == "/users/0/device"

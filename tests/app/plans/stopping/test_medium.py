"""The channel's rate law in costs, thresholds and outages of a stopping plan."""

import math
from typing import Any

import httpx
import pytest

from app.catalogue import service as catalogue
from tests.support.builders import Body
from tests.support.stopping.requests import (
    EVERY_FADING,
    NOISE_W_PER_HZ,
    a_fleet,
    a_radio,
    a_robot,
    first,
    solved,
    store_profiles,
    warnings,
)

# Numbers are the same on every database.
pytestmark = pytest.mark.parametrize("backend", ["sqlite"], indirect=True, scope="session")

LAW = {"efficiency": 0.6, "max_bps_per_hz": 3.0, "snr_gap_db": 2.0}
CROSSING_BIT = 8.0 * 150_528
STEADY = {"kind": "none"}


def at_the_edge(client: httpx.Client, law: Body | None, snr_db: float) -> float:
    """Seconds of sending the picture on a channel that does not fade."""
    channel = a_radio(fading=STEADY, rate_law=law, min_snr_db=None)
    user = first(
        client,
        a_fleet(a_robot(mean_snr_db=snr_db), channel=channel, options={"placement": 0}),
    )
    return float(user["expected"]["time_s"]) - 0.003


def per_hz(snr_db: float) -> float:
    return min(3.0, 0.6 * math.log2(1.0 + 10.0 ** ((snr_db - 2.0) / 10.0)))


@pytest.mark.parametrize("snr_db", [-5.0, 8.0, 14.0, 40.0])
def test_rates_by_hand(client: httpx.Client, snr_db: float) -> None:
    assert at_the_edge(client, LAW, snr_db) == pytest.approx(CROSSING_BIT / 1e7 / per_hz(snr_db))
    assert at_the_edge(client, {}, snr_db) == at_the_edge(client, None, snr_db)


def test_thresholds_name_one_signal(client: httpx.Client) -> None:
    """A threshold's rate is what the law makes of its SNR, and its gain is that of the SNR."""
    channel = a_radio(rate_law=LAW)
    rows = [
        row
        for placement in (1, 2, 3)
        for row in first(client, a_fleet(channel=channel, options={"placement": placement}))[
            "table"
        ]["rows"]
        if "rate_bps" in row
    ]
    assert rows
    for row in rows:
        assert row["rate_bps"] <= 3e7
        assert row["rate_bps"] == pytest.approx(1e7 * per_hz(row["snr_db"]))
        noise_w = NOISE_W_PER_HZ * 1e7
        gain_db = row["snr_db"] + 10.0 * math.log10(noise_w / 0.2)
        assert row["gain_db"] == pytest.approx(gain_db)


def test_an_outage_is_an_snr(client: httpx.Client) -> None:
    """The table's least rate is the law's at the least SNR."""
    for least_db in (-10.0, 5.0, 30.0):
        channel = a_radio(rate_law=LAW, min_snr_db=least_db)
        table = first(client, a_fleet(channel=channel))["table"]
        assert table["min_rate_bps"] == pytest.approx(1e7 * per_hz(least_db))


@pytest.mark.parametrize("waiting", ["in_outage", "always"])
@pytest.mark.parametrize("kind", EVERY_FADING)
def test_every_fading_is_planned_and_checked(client: httpx.Client, kind: str, waiting: str) -> None:
    fading = EVERY_FADING[kind]
    by_rates = fading is not None and ("rate_bps" in fading or fading["kind"] == "markov")
    robot = a_robot(mean_snr_db=None if by_rates else 15.0)
    plain, lawful = (
        solved(
            client,
            a_fleet(
                robot,
                channel=a_radio(fading=fading, rate_law=law, min_snr_db=-30.0),
                options={"waiting": waiting},
            ),
        )
        for law in (None, LAW)
    )
    if by_rates:
        assert lawful["objective"] == plain["objective"]
    else:
        assert lawful["objective"]["cost"] > plain["objective"]["cost"]


@pytest.mark.parametrize("inline", [True, False])
def test_rates_need_no_law(client: httpx.Client, inline: bool) -> None:
    channel: Any = a_radio(fading=EVERY_FADING["trace of rates"], rate_law=LAW, name="told")
    if not inline:
        store_profiles(client)
        assert client.post("/v1/channels", json=channel).status_code == 201
        channel = "told"
    found = warnings(client, a_fleet(a_robot(mean_snr_db=None), channel=channel))
    said = found["/channel/rate_law" if inline else "/channel"]
    assert "given in rates" in said


def test_a_recorded_rate_on_the_outage_threshold_is_up(client: httpx.Client) -> None:
    """The least SNR of -24.59 dB carries 1e5 bit/s in 20 MHz but for the last digit."""
    channel = a_radio(
        bandwidth_hz=2e7,
        coherence_time_s=0.1,
        min_snr_db=-24.594517422775198,
        fading={"kind": "trace", "rate_bps": [1e5, 1e6, 1e7]},
    )
    user = first(client, a_fleet(a_robot(mean_snr_db=None), channel=channel))
    assert sum(row["stop_probability"] for row in user["table"]["rows"]) == pytest.approx(1.0)


def test_a_received_power_is_no_snr(client: httpx.Client) -> None:
    channel = a_radio(fading={"kind": "trace", "snr_db": [-85.0, -101.0, -97.0]}, min_snr_db=None)
    told = warnings(client, a_fleet(a_robot(mean_snr_db=-90.0), channel=channel))
    assert "RSRP" in told["/channel/fading/snr_db"]
    assert "RSRP" in told["/users/0/mean_snr_db"]


IN_RATES = {
    "trace": {"kind": "trace", "rate_bps": [0.0, 1e5, 1e6, 1e7]},
    "chain": {
        "kind": "markov",
        "rate_bps": [1e5, 1e6, 1e7],
        "transition": [[0.5, 0.4, 0.1], [0.2, 0.5, 0.3], [0.1, 0.2, 0.7]],
    },
    "fitted": {"kind": "markov", "trace_bps": [1e5, 1e6, 1e7, 2e6, 1e5, 3e6], "states": 2},
}


@pytest.mark.parametrize("fading", IN_RATES.values(), ids=IN_RATES)
def test_an_outage_of_rates_is_a_rate(client: httpx.Client, fading: Body) -> None:
    """As the SNR that carries this rate says it, but plainly; the threshold itself is up."""
    robot, least_bps, at_once = a_robot(mean_snr_db=None), 1e6, {"placement": 0}
    snr_db = 10.0 * math.log10(2.0 ** (least_bps / 1e7) - 1.0)
    by_rate, by_snr = (
        solved(client, a_fleet(robot, channel=a_radio(fading=fading, **least), options=at_once))
        for least in (
            {"min_snr_db": None, "min_rate_bps": least_bps},
            {"min_snr_db": snr_db},
        )
    )
    assert by_rate["users"][0]["table"]["min_rate_bps"] == least_bps
    assert by_rate["objective"]["cost"] == pytest.approx(by_snr["objective"]["cost"])
    unlimited = a_radio(fading=fading, min_snr_db=None, min_rate_bps=1.0)
    other = solved(client, a_fleet(robot, channel=unlimited, options=at_once))
    assert other["objective"]["cost"] != pytest.approx(by_rate["objective"]["cost"])


@pytest.mark.parametrize(
    ("fields", "pointer", "mend"),
    [
        ({"min_snr_db": None}, "/channel/min_rate_bps", "say min_snr_db"),
        ({"fading": IN_RATES["trace"]}, "/channel/min_snr_db", "one of two"),
        (
            {"fading": IN_RATES["trace"], "min_snr_db": None, "min_rate_bps": 1e20},
            "/channel/min_rate_bps",
            "cannot be planned with",
        ),
    ],
)
def test_an_outage_that_contradicts_itself(
    client: httpx.Client, fields: Body, pointer: str, mend: str
) -> None:
    channel = a_radio(**{"min_rate_bps": 1e5} | fields)
    answer = client.post(
        "/v1/plans/stopping", json=a_fleet(a_robot(mean_snr_db=None), channel=channel)
    )
    assert answer.status_code == 422
    (fault,) = answer.json()["errors"]
    assert fault["pointer"] == pointer
    assert mend in fault["detail"]


@pytest.mark.slow
def test_a_recorded_uplink_is_planned_with(client: httpx.Client) -> None:
    """The shipped chain as it is, with its outage and its step of a second."""
    (chain,) = (
        profile.model_dump(mode="json", exclude_none=True)
        for profile in catalogue.shipped()
        if profile.name == "nyu-lte-qtrain"
    )
    channel = chain | {"downlink_bps": 2e7}
    user = first(client, a_fleet(a_robot(mean_snr_db=None), channel=channel))
    assert user["table"]["min_rate_bps"] == 1e5

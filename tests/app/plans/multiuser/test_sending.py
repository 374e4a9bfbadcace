"""Codecs, rate laws and results in multi-user plans and tables, by hand."""

import math
from collections.abc import Iterator
from itertools import pairwise, product
from typing import Any

import httpx
import numpy as np
import pytest

from client.edge import RateTable
from tests.support.builders import Body, a_channel, a_model
from tests.support.multiuser.requests import (
    ADAPTIVE,
    CROSSING_BIT,
    DEVICE_S,
    SERVER_S,
    a_cell,
    a_fleet,
    a_quantised_model,
    a_rate_user,
    a_user,
    only,
    planned,
    solved,
)

# Numbers are the same on every database.
pytestmark = pytest.mark.parametrize("backend", ["sqlite"], indirect=True, scope="session")

JPEG: Body = {
    "name": "jpeg",
    "byte": 30_000,
    "byte_max": 60_000,
    "device_s": 0.0004,
    "device_cycles": 600_000,
    "server_s": 0.0002,
    "loss": 0.01,
    "provenance": "published",
    "reference": "of a test",
}
LAW = {"efficiency": 0.6, "max_bps_per_hz": 3.0, "snr_gap_db": 2.0}


def coded(codec: Body = JPEG, *, cut: int = 0, model: Body | None = None, **fields: Any) -> Body:
    """The small network with one cut that may be coded."""
    model = a_model() if model is None else model
    model["cuts"][cut]["codecs"] = [codec | fields]
    return model


def test_a_codec_by_hand(client: httpx.Client) -> None:
    user = only(solved(client, a_cell(a_user(model=coded()), options={"method": "edge_only"})))
    assert (user["cut"], user["codec"]) == (0, "jpeg")
    assert user["sent_byte"] == 30_000
    assert user["bits"] == round(8 * 30_000 / 150_528)
    assert user["loss"] == 0.01
    assert user["latency"]["device_s"] == pytest.approx(0.0004 + 600_000 / 1e9)
    assert user["latency"]["uplink_s"] == pytest.approx(8 * 30_000 / user["rate_bps"])
    assert user["latency"]["server_s"] == pytest.approx(0.0030 + 0.0002)


def test_coding_takes_cycles_of_the_clock_in_use(client: httpx.Client) -> None:
    camera = a_user(model=coded(), frequency_hz=5e8)
    user = only(solved(client, a_cell(camera, options={"method": "edge_only"})))
    assert user["latency"]["device_s"] == pytest.approx(0.0004 + 600_000 / 5e8)


def test_a_deadline_counts_what_is_sent_at_the_most(client: httpx.Client) -> None:
    free, hurried = (
        only(
            solved(
                client,
                a_cell(a_user(model=coded(), **limits), options={"method": "edge_only"}),
            )
        )
        for limits in ({}, {"deadline_s": 0.05})
    )
    assert (free["sent_byte"], hurried["sent_byte"]) == (30_000, 60_000)
    assert hurried["latency"]["uplink_s"] == pytest.approx(8 * 60_000 / hurried["rate_bps"])


@pytest.mark.parametrize("method", ["exact", "alternating", "edge_only", "latency_only", "greedy"])
def test_what_is_beaten_in_everything_is_never_sent(client: httpx.Client, method: str) -> None:
    """By the plain tensor, which is smaller, or by the other codec."""
    worse: Body = JPEG | {"name": "worse", "byte": 31_000, "byte_max": 61_000}
    huge: Body = JPEG | {"name": "huge", "byte": 200_000, "byte_max": 200_000, "loss": 0.0}
    model = a_model()
    model["cuts"][0]["codecs"] = [huge, worse, JPEG]
    for snr_db in (0.0, 20.0):
        camera = a_user(model=model, snr_db=snr_db, spectral_efficiency_bps_per_hz=None)
        user = only(solved(client, a_cell(camera, options={"method": method})))
        assert user.get("codec") in (None, "jpeg")


def test_what_beats_everything_is_always_sent(client: httpx.Client) -> None:
    """Free of loss and time, and small."""
    free: Body = {"name": "free", "byte": 1, "loss": 0.0, "provenance": "measured"}
    for cell in (
        a_cell(a_user(model=coded(free))),
        a_cell(*(a_user(id=str(n), model=coded(free)) for n in range(4)), bandwidth_hz=1e6),
    ):
        for user in solved(client, cell)["users"]:
            assert user["codec"] == "free"


def ways(model: Body, limit: float) -> Iterator[tuple[float, float, float, float]]:
    """(seconds on the device, bits, seconds at the server, loss) of every option within a limit, by
    hand.
    """
    for m, cut in enumerate(model["cuts"]):
        yield DEVICE_S[m], CROSSING_BIT[m], SERVER_S[m], 0.0
        for entry in cut.get("quantization", ()):
            if entry["loss"] <= limit:
                sent = float(entry["bits"] * cut["feature_elements"])
                yield DEVICE_S[m], sent, SERVER_S[m], entry["loss"]
        for codec in cut.get("codecs", ()):
            if codec["loss"] <= limit:
                coding_s = codec["device_s"] + codec["device_cycles"] / 1e9
                yield (
                    DEVICE_S[m] + coding_s,
                    8.0 * codec["byte"],
                    SERVER_S[m] + codec["server_s"],
                    codec["loss"],
                )


@pytest.mark.parametrize("seed", range(8))
def test_every_combination_by_brute_force(client: httpx.Client, seed: int) -> None:
    """Two users with random codecs and without deadlines: the square-root rule for every pair."""
    rng = np.random.default_rng(seed)
    model = a_quantised_model()
    for m in (0, 1, 2):
        model["cuts"][m]["codecs"] = [
            JPEG
            | {
                "name": f"codec-{k}",
                "byte": int(rng.integers(500, 40_000)),
                "byte_max": 50_000,
                "device_s": float(rng.uniform(0.0, 0.005)),
                "device_cycles": float(rng.uniform(0.0, 5e6)),
                "server_s": float(rng.uniform(0.0, 0.002)),
                "loss": float(rng.choice([0.0, 0.005, 0.02])),
            }
            for k in range(2)
        ]
    gamma, weights, limits = float(rng.choice([0.1, 1.0])), (1.0, 2.0), (1.0, 0.006)
    per_hz, band_hz = rng.uniform(0.5, 5.0, 2).tolist(), float(10.0 ** rng.uniform(5.0, 7.0))
    least = math.inf
    for pair in product(*(list(ways(model, limit)) for limit in limits)):
        cost = roots = sent = 0.0
        for weight, eta, (device_s, bits, server_s, loss) in zip(
            weights, per_hz, pair, strict=True
        ):
            cost += weight * (device_s + gamma * loss)
            sent += math.sqrt(weight * bits / (band_hz * eta))
            roots += math.sqrt(weight * server_s)
        least = min(least, cost + sent**2 + roots**2)
    users = [
        a_user(
            id=str(n),
            model=model,
            weight=weights[n],
            max_loss=limits[n],
            spectral_efficiency_bps_per_hz=per_hz[n],
        )
        for n in range(2)
    ]
    body = a_cell(*users, bandwidth_hz=band_hz, weights={"latency_per_s": 1.0, "loss": gamma})
    assert solved(client, body)["objective"]["cost"] == pytest.approx(least, rel=1e-8)


def test_a_loss_limit_holds_for_codecs(client: httpx.Client) -> None:
    narrow: dict[str, Any] = {"bandwidth_hz": 1e6, "options": {"method": "edge_only"}}
    strict = only(solved(client, a_cell(a_user(model=coded(), max_loss=0.005), **narrow)))
    assert "codec" not in strict
    assert strict["loss"] == 0.0
    dear = {"latency_per_s": 1.0, "loss": 1e4}
    careful = only(solved(client, a_cell(a_user(model=coded()), weights=dear, **narrow)))
    assert "codec" not in careful


def test_codecs_stand_beside_the_quantization(client: httpx.Client) -> None:
    """Of a cut with both the best is taken, and more to choose from never costs more."""
    plain = a_quantised_model()
    both = coded(JPEG, cut=1, model=a_quantised_model(), byte=6_000, byte_max=6_000)
    cells = [a_cell(a_user(model=model), bandwidth_hz=1e6) for model in (plain, both)]
    less, more = (solved(client, cell)["objective"]["cost"] for cell in cells)
    assert more <= less * (1.0 + 1e-9)


def test_the_edge_alone_takes_the_best_codec(client: httpx.Client) -> None:
    with_it, without = (
        solved(client, a_cell(a_user(model=model), bandwidth_hz=1e6))["baselines"]["edge_only"]
        for model in (coded(), a_model())
    )
    assert with_it["cost"] < without["cost"]


@pytest.mark.parametrize("provenance", ["analytic", "measured"])
def test_an_answer_rests_on_its_codecs(client: httpx.Client, provenance: str) -> None:
    measured = {"provenance": "measured"}
    model = coded(JPEG, provenance=provenance) | measured
    cell = a_cell(a_user(model=model), channel=a_channel(**measured))
    for endpoint, body in (
        ("/v1/plans/multi-user", cell),
        (ADAPTIVE, a_fleet(a_rate_user(model=model))),
    ):
        assert planned(client, body, endpoint)["provenance"]["weakest"] == provenance


def test_loss_that_costs_nothing_is_doubted(client: httpx.Client) -> None:
    (warning,) = planned(client, a_cell(a_user(model=coded())))["warnings"]
    assert warning["field"] == "/users/0/model"
    assert "weights.loss" in warning["message"]
    weighed = a_cell(a_user(model=coded()), weights={"latency_per_s": 1.0, "loss": 1.0})
    assert "warnings" not in planned(client, weighed)
    assert "warnings" not in planned(client, a_cell(a_user(model=coded(), max_loss=0.5)))


def test_tables_name_codecs(client: httpx.Client) -> None:
    body = a_fleet(
        a_rate_user(model=coded()), a_rate_user(id="late", model=coded(), deadline_s=0.2)
    )
    free, late = solved(client, body, ADAPTIVE)["users"]
    for user, byte in ((free, 30_000), (late, 60_000)):
        rows = [row for row in user["table"]["rows"] if row.get("codec")]
        assert rows
        for row in rows:
            assert row["codec"] == "jpeg"
            assert row["cost_per_inverse_rate"] == pytest.approx(8.0 * byte)
        held = RateTable(user["table"]["rows"])
        middle = 1.001 * rows[0]["rate_from_bps"] + 1.0
        assert held.decide(middle).codec == "jpeg"  # type: ignore[union-attr]
        assert any(row.get("codec") is None for row in user["table"]["rows"])


def test_a_plan_that_is_made_again_knows_codecs_apart(client: httpx.Client) -> None:
    """Two codecs of one size have the same cut and bits: leaving one for the other is a change."""
    other: Body = JPEG | {"name": "other", "loss": 0.02}
    model = a_model()
    model["cuts"][0]["codecs"] = [JPEG, other]
    weights = {"latency_per_s": 1.0, "loss": 1.0}
    parent = planned(client, a_cell(a_user(model=model), weights=weights, bandwidth_hz=2e6))
    assert only(parent["result"])["codec"] == "jpeg"
    answer = client.post(
        f"/v1/plans/{parent['id']}/replan",
        json={"bandwidth_hz": 2.1e6, "max_switches": 0},
        headers={"Content-Type": "application/merge-patch+json"},
    )
    assert answer.status_code == 201, answer.text
    again = answer.json()
    assert only(again["result"])["codec"] == "jpeg"
    assert again["changed"]["switched"] == 0
    assert again["result"]["steadiness"]["switches"] == 0


@pytest.mark.parametrize("snr_db", [-5.0, 8.0, 40.0])
def test_the_channels_rate_law(client: httpx.Client, snr_db: float) -> None:
    camera = a_user(snr_db=snr_db, spectral_efficiency_bps_per_hz=None)
    cell = a_cell(camera, channel=a_channel(rate_law=LAW), options={"method": "edge_only"})
    user = only(solved(client, cell))
    per_hz = min(3.0, 0.6 * math.log2(1.0 + 10.0 ** ((snr_db - 2.0) / 10.0)))
    assert user["rate_bps"] == pytest.approx(per_hz * user["bandwidth_hz"])
    told = a_cell(a_user(), channel=a_channel(rate_law=LAW), options={"method": "edge_only"})
    assert only(solved(client, told))["rate_bps"] == pytest.approx(4.0 * user["bandwidth_hz"])


def test_distance_obeys_the_law_too(client: httpx.Client) -> None:
    plain, lawful = (
        only(
            solved(
                client,
                a_cell(
                    a_user(distance_m=20.0, spectral_efficiency_bps_per_hz=None),
                    channel=a_channel(rate_law=law),
                    options={"method": "edge_only"},
                ),
            )
        )["rate_bps"]
        for law in (None, LAW)
    )
    assert lawful < plain
    assert lawful == pytest.approx(3.0 * 1e7)


def test_a_better_law_never_costs_more(client: httpx.Client) -> None:
    laws: list[Body] = [
        {"efficiency": 0.3, "max_bps_per_hz": 1.0, "snr_gap_db": 3.0},
        {"efficiency": 0.3, "max_bps_per_hz": 2.0, "snr_gap_db": 3.0},
        {"efficiency": 0.6, "max_bps_per_hz": 2.0, "snr_gap_db": 3.0},
        {"efficiency": 0.6, "max_bps_per_hz": 2.0},
        {},
    ]
    users = [
        a_user(id=str(n), snr_db=3.0 * n, spectral_efficiency_bps_per_hz=None) for n in range(6)
    ]
    costs = [
        solved(client, a_cell(*users, channel=a_channel(rate_law=law), bandwidth_hz=3e6))[
            "objective"
        ]["cost"]
        for law in laws
    ]
    assert all(later <= before * (1.0 + 1e-9) for before, later in pairwise(costs))


def test_results_come_back(client: httpx.Client) -> None:
    model = a_model(result_byte=40_000)
    channel = a_channel(rtt_mean_s=0.004, downlink_bps=2e7)
    edge, device = (
        only(
            solved(
                client,
                a_cell(a_user(model=model), channel=channel, options={"method": f"{name}_only"}),
            )
        )["latency"]
        for name in ("edge", "device")
    )
    assert edge["network_s"] == pytest.approx(0.004 + 8 * 40_000 / 2e7)
    assert device["network_s"] == 0.0
    (row, *_) = only(solved(client, a_fleet(a_rate_user(model=model), channel=channel), ADAPTIVE))[
        "table"
    ]["rows"][::-1]
    assert row["cut"] == 0
    assert row["fixed_cost"] == pytest.approx(0.003 + 0.004 + 0.016)


@pytest.mark.parametrize("told", [True, False])
def test_results_over_no_known_downlink(client: httpx.Client, told: bool) -> None:
    user = a_rate_user(model=a_model(result_byte=40_000))
    body = a_fleet(user, channel=a_channel() if told else None)
    (warning,) = planned(client, body, ADAPTIVE)["warnings"]
    assert warning["field"] == "/channel"
    assert "no time" in warning["message"]


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (coded(device_s=1e12), "jpeg"),
        (coded(server_s=1e12), "jpeg"),
        (a_model(result_byte=2**60), "come back"),
    ],
)
def test_what_lasts_for_ever_is_refused(client: httpx.Client, model: Body, said: str) -> None:
    cell = a_cell(a_user(model=model), channel=a_channel(downlink_bps=1e3))
    answer = client.post("/v1/plans/multi-user", json=cell)
    assert answer.status_code == 422
    (fault,) = answer.json()["errors"]
    assert fault["pointer"] == "/users/0/model"
    assert said in fault["detail"]


@pytest.mark.parametrize(
    "law", [{"efficiency": 1e-30}, {"max_bps_per_hz": 1e-30}, {"max_bps_per_hz": 1e-25}]
)
def test_a_law_that_carries_next_to_nothing_is_refused(client: httpx.Client, law: Body) -> None:
    camera = a_user(snr_db=10.0, spectral_efficiency_bps_per_hz=None)
    cell = a_cell(camera, channel=a_channel(rate_law=law))
    answer = client.post("/v1/plans/multi-user", json=cell)
    assert answer.status_code == 422
    (fault,) = answer.json()["errors"]
    assert fault["pointer"] == "/users/0/snr_db"
    assert "rate_law" in fault["detail"]

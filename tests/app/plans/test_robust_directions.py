"""Every field of a robust request moves the answer, and the right way."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.support.builders import (
    Body,
    a_channel,
    a_device,
    a_model,
    a_server,
    a_server_timing,
    a_timing,
)
from tests.support.robust.requests import a_cell, a_user, infeasible, solved

# The server's time varies as much as the device's, so that every term of the variance counts.
RESTLESS = [{**cut, "variance_s2": 4e-6} for cut in a_server_timing()["cuts"]]


def a_request(
    user: Body | None = None,
    device: Body | None = None,
    channel: Body | None = None,
    timing: Body | None = None,
    server_timing: Body | None = None,
    **fields: Any,
) -> Body:
    """Three cameras that slow their clocks down until their deadlines bind; fields of a part of all
    of them.
    """
    whole = {
        "device": a_device(
            **{"frequency_min_hz": 1e7, "power_coefficient_w_per_hz3": 1e-26} | (device or {})
        ),
        "device_timing": a_timing(**(timing or {})),
        "server_timing": a_server_timing(**{"cuts": RESTLESS} | (server_timing or {})),
    }
    users = [
        a_user(**{"id": str(n), "gain_db": -98.0 - 4.0 * n, **whole} | (user or {}))
        for n in range(3)
    ]
    return a_cell(
        *users, **{"channel": a_channel(**{"bandwidth_hz": 4e6} | (channel or {}))} | fields
    )


def each_cut(cuts: list[Body], **factors: float) -> list[Body]:
    """Cuts with fields multiplied."""
    return [cut | {name: cut[name] * factor for name, factor in factors.items()} for cut in cuts]


CHEAPER: dict[str, tuple[Callable[[float], Body], float, float]] = {
    # what is asked, given a number: at the first it spends more than at the second
    "deadline": (lambda v: a_request({"deadline_s": v}), 0.15, 0.2),
    "risk": (lambda v: a_request({"risk": v}), 0.01, 0.05),
    "correlation": (lambda v: a_request({"correlation": v}), 0.9, 0.0),
    "correlation below 0": (lambda v: a_request({"correlation": v}), 0.0, -0.9),
    "round trip": (lambda v: a_request(channel={"rtt_mean_s": v}), 0.02, 0.001),
    "jitter": (lambda v: a_request(channel={"rtt_mean_s": 0.01, "rtt_variance_s2": v}), 1e-5, 0.0),
    "noise": (lambda v: a_request(channel={"noise_psd_dbm_per_hz": v}), -170.0, -174.0),
    "bandwidth of the channel": (lambda v: a_request(channel={"bandwidth_hz": v}), 2e6, 4e6),
    "bandwidth": (lambda v: a_request(bandwidth_hz=v), 2e6, 4e6),
    "gain": (lambda v: a_request({"gain_db": v}), -110.0, -100.0),
    "distance": (lambda v: a_request({"gain_db": None, "distance_m": v}), 300.0, 150.0),
    "signal": (
        lambda v: a_request({"gain_db": None, "snr_reference": {"snr_db": v, "bandwidth_hz": 1e6}}),
        15.0,
        25.0,
    ),
    "device variance": (
        lambda v: a_request(timing={"cuts": each_cut(a_timing()["cuts"], variance_s2=v)}),
        4.0,
        1.0,
    ),
    "server variance": (
        lambda v: a_request(server_timing={"cuts": each_cut(RESTLESS, variance_s2=v)}),
        4.0,
        1.0,
    ),
    "server time": (
        lambda v: a_request(server_timing={"cuts": each_cut(RESTLESS, mean_s=v)}),
        5.0,
        1.0,
    ),
    "server capacity": (
        lambda v: a_request({"server_timing": None}, server=a_server(capacity_flop_per_s=v)),
        1e10,
        1e12,
    ),
    "efficiency": (
        lambda v: a_request(timing={"cuts": each_cut(a_timing()["cuts"], flop_per_cycle=v)}),
        1.0,
        1.5,
    ),
    "overhead": (
        lambda v: a_request(
            timing={
                "cuts": [
                    {**cut, "overhead_s": v} if "overhead_s" in cut else cut
                    for cut in a_timing()["cuts"]
                ]
            }
        ),
        0.02,
        0.001,
    ),
    "power coefficient": (
        lambda v: a_request(device={"power_coefficient_w_per_hz3": v}),
        2e-26,
        1e-26,
    ),
    "feature size": (
        lambda v: a_request(
            {
                "model": a_model(
                    cuts=[
                        {**c, "feature_byte": round(v * c["feature_byte"])}
                        for c in a_model()["cuts"]
                    ]
                )
            }
        ),
        2.0,
        1.0,
    ),
    "memory": (lambda v: a_request(device={"memory_byte": v}), 20_000, 20_000_000),
}


@pytest.mark.parametrize(("asked", "dear", "cheap"), CHEAPER.values(), ids=CHEAPER)
def test_energy_moves_the_right_way(
    client: httpx.Client, asked: Callable[[float], Body], dear: float, cheap: float
) -> None:
    more, less = (solved(client, asked(value))["objective"]["energy_j"] for value in (dear, cheap))
    assert more > less * (1.0 + 1e-4), "further than two proven gaps may hide"


def test_the_terms_of_the_variance_are_those_of_the_contract(client: httpx.Client) -> None:
    """V = vd + vs + vr + 2 rho sqrt(vd vs), seen in the answer for one user at every setting of
    each.
    """
    for correlation, jitter in ((0.0, 0.0), (0.5, 0.0), (-0.5, 1e-6), (0.9, 1e-5)):
        channel = {"rtt_mean_s": 0.004, "rtt_variance_s2": jitter}
        for user in solved(client, a_request({"correlation": correlation}, channel=channel))[
            "users"
        ]:
            device, server = (
                timing["cuts"][user["cut"]]["variance_s2"]
                for timing in (a_timing(), {"cuts": RESTLESS})
            )
            network = jitter if user["cut"] < 3 else 0.0
            variance = device + server + network + 2.0 * correlation * (device * server) ** 0.5
            assert user["latency"]["std_s"] ** 2 == pytest.approx(variance, rel=1e-9)


def test_more_power_sends_faster_and_costs_more_to_send(client: httpx.Client) -> None:
    quiet, loud = (solved(client, a_request({"tx_power_w": power_w})) for power_w in (0.1, 0.4))
    sent = 0
    for before, after in zip(quiet["users"], loud["users"], strict=True):
        if before["cut"] == after["cut"] and before["rate_bps"] > 0.0:
            sent += 1
            assert after["latency"]["uplink_s"] < before["latency"]["uplink_s"]
            assert after["radio_energy_j"] > before["radio_energy_j"]
            assert after["frequency_hz"] <= before["frequency_hz"]
    assert sent > 0


def test_power_that_is_not_said_is_the_devices(client: httpx.Client) -> None:
    said = solved(client, a_request({"tx_power_w": 0.4}))
    assert solved(client, a_request(device={"tx_power_w": 0.4})) == said
    assert solved(client, a_request())["objective"] != said["objective"]


def levels(variances_s2: tuple[float, float, float]) -> Body:
    """A device measured at three clocks, with a variance of each."""
    clocks = (3e8, 6e8, 9e8)
    cuts = [
        {
            "levels": [
                {
                    "frequency_hz": clock,
                    "mean_s": cut["flop"] / 4.0 / clock,
                    "variance_s2": variance if cut["flop"] else 0.0,
                }
                for clock, variance in zip(clocks, variances_s2, strict=True)
            ]
        }
        for cut in a_model()["cuts"]
    ]
    return a_request(
        {"gain_db": -112.0, "deadline_s": 0.19},
        device={"frequency_levels_hz": list(clocks), "power_coefficient_w_per_hz3": 1e-27},
        timing={"cuts": cuts},
    )


def test_every_level_has_its_own_variance(client: httpx.Client) -> None:
    """The level that is chosen is left where its own variance no longer fits; that of a level
    nobody takes is idle.
    """
    calm = solved(client, levels((1e-6, 1e-6, 1e-6)))
    clocks = {user["frequency_hz"] for user in calm["users"] if user["cut"] > 0}
    assert clocks == {3e8}, "the lowest clock that is in time"
    assert solved(client, levels((1e-6, 1e-6, 9e-4)))["objective"] == calm["objective"]
    shaky = solved(client, levels((4e-4, 1e-6, 1e-6)))
    assert {user["frequency_hz"] for user in shaky["users"] if user["cut"] > 0} != {3e8}
    assert shaky["objective"]["energy_j"] > calm["objective"]["energy_j"] * (1.0 + 1e-4)


def test_memory_ends_where_the_parameters_do(client: httpx.Client) -> None:
    """Cuts beyond the memory are not taken, and where nothing else works that is the reason."""
    far: Body = {"gain_db": -125.0}
    parameters = [cut["parameter_byte"] for cut in a_model()["cuts"]]
    free = solved(client, a_request(far))
    assert max(user["cut"] for user in free["users"]) == 3
    for memory in (900_000, 899_999):
        plan_or_not = a_request({"gain_db": -100.0}, device={"memory_byte": memory})
        for user in solved(client, plan_or_not)["users"]:
            assert parameters[user["cut"]] <= memory
    found = infeasible(client, a_request({"gain_db": -140.0}, device={"memory_byte": 899_999}))
    assert {
        reason["cut"] for reason in found["users"][0]["reasons"] if reason["binding"] == "memory"
    } == {2, 3}


def test_a_slower_clock_ends_in_no_plan(client: httpx.Client) -> None:
    """The largest clock is a limit, not a wish."""
    fields = {"gain_db": -140.0, "deadline_s": 0.1}
    fast = solved(client, a_request(fields, device={"frequency_max_hz": 1e9}))
    needed = max(user["frequency_hz"] for user in fast["users"])
    infeasible(client, a_request(fields, device={"frequency_max_hz": 0.99 * needed}))


@pytest.mark.parametrize("margins", [("mean", "gaussian"), ("gaussian", "cantelli")])
def test_a_stronger_promise_costs_more(client: httpx.Client, margins: tuple[str, str]) -> None:
    weak, strong = (
        solved(client, a_request(options={"margin": margin}))["objective"]["energy_j"]
        for margin in margins
    )
    assert strong > weak * (1.0 + 1e-4)

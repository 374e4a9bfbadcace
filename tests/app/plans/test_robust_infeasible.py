"""No plan: every reason, and changes that are exactly as large as they must be."""

from typing import Any

import httpx
import pytest

from tests.support.builders import Body, a_device, a_server_timing, a_timing
from tests.support.robust.requests import a_cell, a_user, infeasible, plan

FAR = -140.0
# Relaxations are rounded up by 1e-9; this much less must not do.
LESS = 0.999


def bindings(client: httpx.Client, **fields: Any) -> list[str]:
    """The binding reason of each cut."""
    found = infeasible(client, a_cell(a_user(**fields)))["users"]
    assert [user["id"] for user in found] == ["camera"]
    assert [reason["cut"] for reason in found[0]["reasons"]] == [0, 1, 2, 3]
    return [reason["binding"] for reason in found[0]["reasons"]]


def test_the_clock_binds(client: httpx.Client) -> None:
    assert bindings(client, deadline_s=1e-4) == ["clock"] * 4


def test_the_rate_binds(client: httpx.Client) -> None:
    assert bindings(client, deadline_s=0.05, gain_db=FAR) == ["rate", "rate", "rate", "clock"]


def test_the_margin_binds(client: httpx.Client) -> None:
    assert bindings(client, risk=1e-7, gain_db=-80.0) == ["margin"] * 4


def test_the_memory_binds(client: httpx.Client) -> None:
    small = a_device(memory_byte=50_000)
    assert bindings(client, device=small, gain_db=FAR) == ["rate", "rate", "memory", "memory"]


def test_missing_seconds_are_the_least_over_the_cuts(client: httpx.Client) -> None:
    found = infeasible(client, a_cell(a_user(deadline_s=0.03, gain_db=-120.0)))["users"][0]
    short = [reason["short_by_s"] for reason in found["reasons"]]
    assert min(short) > 0.0
    assert found["least_deadline_s"] == pytest.approx(0.03 + min(short), rel=1e-8)


SINGLE: dict[str, Body] = {
    "too fast": a_user(deadline_s=1e-4),
    "too fast for its clock": a_user(deadline_s=0.05, gain_db=FAR),
    "too far": a_user(deadline_s=0.05, gain_db=-128.0),
    "too sure": a_user(deadline_s=0.0555, risk=1e-3, gain_db=-130.0),
    "too little memory": a_user(device=a_device(memory_byte=50_000), gain_db=-130.0),
    "levels": a_user(device=a_device(frequency_levels_hz=[2e8, 9e8]), deadline_s=0.05, gain_db=-125.0),
    "no variance": a_user(
        device_timing=a_timing(cuts=[{**cut, "variance_s2": 0.0} for cut in a_timing()["cuts"]]),
        server_timing=a_server_timing(cuts=[{**cut, "variance_s2": 0.0} for cut in a_server_timing()["cuts"]]),
        deadline_s=0.04,
        gain_db=-125.0,
    ),
}
MARGINS = ("cantelli", "gaussian", "mean")
# Without a margin nobody is too sure.
CASES = [(name, margin) for name in SINGLE for margin in MARGINS if (name, margin) != ("too sure", "mean")]
RELAXATIONS = ("least_deadline_s", "least_risk", "least_bandwidth_hz")


@pytest.mark.parametrize(("name", "margin"), CASES)
def test_the_least_change_helps_and_less_does_not(client: httpx.Client, name: str, margin: str) -> None:
    user = SINGLE[name]
    body = a_cell(user, bandwidth_hz=2e5, options={"margin": margin})
    found = infeasible(client, body)
    (failing,) = found["users"]
    assert failing["least_deadline_s"] is not None, "time always helps where some cut fits the memory"
    if margin == "mean":
        assert failing["least_risk"] is None, "no risk is taken into account"
    for relaxation in RELAXATIONS:
        least = failing[relaxation]
        if least is None:
            continue
        for value, status in ((least, "solved"), (LESS * least, "infeasible")):
            if relaxation == "least_bandwidth_hz":
                relaxed = body | {"bandwidth_hz": value}
            else:
                relaxed = body | {"users": [user | {relaxation.removeprefix("least_"): value}]}
            assert plan(client, relaxed)["status"] == status, (relaxation, value)
    assert found["least_total_bandwidth_hz"] == failing["least_bandwidth_hz"]


def test_a_larger_risk_may_be_all_it_takes(client: httpx.Client) -> None:
    (failing,) = infeasible(client, a_cell(a_user(risk=1e-7, gain_db=-80.0)))["users"]
    for risk, status in ((failing["least_risk"], "solved"), (LESS * failing["least_risk"], "infeasible")):
        assert plan(client, a_cell(a_user(risk=risk, gain_db=-80.0)))["status"] == status


def test_every_relaxation_is_seen(client: httpx.Client) -> None:
    """The cases above do exercise each kind of change, and each kind of no help."""
    seen: dict[str, set[bool]] = {name: set() for name in RELAXATIONS}
    for user in SINGLE.values():
        (failing,) = infeasible(client, a_cell(user, bandwidth_hz=2e5))["users"]
        for name in RELAXATIONS:
            seen[name].add(failing[name] is None)
    assert seen == {"least_deadline_s": {False}, "least_risk": {False, True}, "least_bandwidth_hz": {False, True}}


def test_only_those_who_fail_alone_are_listed(client: httpx.Client) -> None:
    users = [a_user(id="fine"), a_user(id="hopeless", deadline_s=1e-4), a_user(id="also-fine")]
    found = infeasible(client, a_cell(*users))
    assert [user["id"] for user in found["users"]] == ["hopeless"]
    assert found["least_total_bandwidth_hz"] is None
    assert found["least_deadline_factor"] is None


def crowded(bandwidth_hz: float, factor: float = 1.0) -> Body:
    users = [a_user(id=str(n), gain_db=-100.0 - n, deadline_s=factor * (0.05 + 0.001 * n)) for n in range(6)]
    return a_cell(*users, bandwidth_hz=bandwidth_hz)


@pytest.mark.slow
def test_an_over_subscribed_cell(client: httpx.Client) -> None:
    bandwidth_hz = 5e6
    found = infeasible(client, crowded(bandwidth_hz))
    assert found["users"] == [], "each of them works alone"
    enough_hz, factor = found["least_total_bandwidth_hz"], found["least_deadline_factor"]
    assert enough_hz > bandwidth_hz
    assert factor > 1.0
    assert plan(client, crowded(enough_hz))["status"] == "solved"
    assert plan(client, crowded(LESS * enough_hz))["status"] == "infeasible"
    assert plan(client, crowded(bandwidth_hz, factor))["status"] == "solved"
    assert plan(client, crowded(bandwidth_hz, LESS * factor))["status"] == "infeasible"


def test_no_plan_is_stored_and_found_like_any_other(client: httpx.Client) -> None:
    document = plan(client, a_cell(a_user(deadline_s=1e-4), name="tight"))
    assert client.get(f"/v1/plans/{document['id']}").json() == document
    assert client.get("/v1/plans", params={"status": "infeasible"}).json()["items"][0]["id"] == document["id"]
    user = client.get(f"/v1/plans/{document['id']}/users/camera").json()
    assert user == document["infeasible"]["users"][0]

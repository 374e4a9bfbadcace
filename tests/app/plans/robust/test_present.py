"""No plan: every reason, and changes that are exactly as large as they must be."""

from typing import Any

import httpx
import pytest

from tests.support.builders import Body, a_device, a_model, a_server_timing, a_timing
from tests.support.robust.requests import a_cell, a_user, infeasible, plan, solved

pytestmark = pytest.mark.either

FAR = -140.0
# What is told is the least to a billionth: so much less must not do.
LESS = 1.0 - 1e-9


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
    "levels": a_user(
        device=a_device(frequency_levels_hz=[2e8, 9e8]), deadline_s=0.05, gain_db=-125.0
    ),
    "no variance": a_user(
        device_timing=a_timing(cuts=[{**cut, "variance_s2": 0.0} for cut in a_timing()["cuts"]]),
        server_timing=a_server_timing(
            cuts=[{**cut, "variance_s2": 0.0} for cut in a_server_timing()["cuts"]]
        ),
        deadline_s=0.04,
        gain_db=-125.0,
    ),
}
MARGINS = ("cantelli", "gaussian", "mean")
# Without a margin nobody is too sure.
CASES = [
    (name, margin)
    for name in SINGLE
    for margin in MARGINS
    if (name, margin) != ("too sure", "mean")
]
RELAXATIONS = ("least_deadline_s", "least_risk", "least_bandwidth_hz")


@pytest.mark.parametrize(("name", "margin"), CASES)
def test_the_least_change_helps_and_less_does_not(
    client: httpx.Client, name: str, margin: str
) -> None:
    user = SINGLE[name]
    body = a_cell(user, bandwidth_hz=2e5, options={"margin": margin})
    found = infeasible(client, body)
    (failing,) = found["users"]
    assert failing["least_deadline_s"] is not None, (
        "time always helps where some cut fits the memory"
    )
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
    for risk, status in (
        (failing["least_risk"], "solved"),
        (LESS * failing["least_risk"], "infeasible"),
    ):
        assert plan(client, a_cell(a_user(risk=risk, gain_db=-80.0)))["status"] == status


def test_every_relaxation_is_seen(client: httpx.Client) -> None:
    """The cases above do exercise each kind of change, and each kind of no help."""
    seen: dict[str, set[bool]] = {name: set() for name in RELAXATIONS}
    for user in SINGLE.values():
        (failing,) = infeasible(client, a_cell(user, bandwidth_hz=2e5))["users"]
        for name in RELAXATIONS:
            seen[name].add(failing[name] is None)
    assert seen == {
        "least_deadline_s": {False},
        "least_risk": {False, True},
        "least_bandwidth_hz": {False, True},
    }


def test_only_those_who_fail_alone_are_listed(client: httpx.Client) -> None:
    users = [a_user(id="fine"), a_user(id="hopeless", deadline_s=1e-4), a_user(id="also-fine")]
    found = infeasible(client, a_cell(*users))
    assert [user["id"] for user in found["users"]] == ["hopeless"]
    assert found["least_total_bandwidth_hz"] is None
    assert found["least_deadline_factor"] is None


def crowded(bandwidth_hz: float, factor: float = 1.0) -> Body:
    users = [
        a_user(id=str(n), gain_db=-100.0 - n, deadline_s=factor * (0.05 + 0.001 * n))
        for n in range(6)
    ]
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
    assert (
        client.get("/v1/plans", params={"status": "infeasible"}).json()["items"][0]["id"]
        == document["id"]
    )
    user = client.get(f"/v1/plans/{document['id']}/users/camera").json()
    assert user == document["infeasible"]["users"][0]


def test_what_helps_each_alone_and_what_helps_all(client: httpx.Client) -> None:
    """Two users who fail alone: with their least deadlines each asks for the whole uplink, so more
    is needed.
    """
    slow = a_device(frequency_min_hz=1e6, frequency_max_hz=2e6)
    users = [a_user(id=str(n), device=slow, gain_db=-115.0 - n, deadline_s=0.03) for n in range(2)]
    body = a_cell(*users, a_user(id="fine"), bandwidth_hz=4e5)
    found = infeasible(client, body)
    assert [user["id"] for user in found["users"]] == ["0", "1"]
    eased = [
        user | {"deadline_s": told["least_deadline_s"]}
        for user, told in zip(users, found["users"], strict=True)
    ]
    for user in eased:
        assert plan(client, a_cell(user, bandwidth_hz=4e5))["status"] == "solved", "each alone"
    assert plan(client, a_cell(*eased, bandwidth_hz=4e5))["status"] == "infeasible", "but not both"

    together, everybody = found["together"], body["users"]
    for factor, status in ((1.0, "solved"), (LESS, "infeasible")):
        slower = [
            user | {"deadline_s": user["deadline_s"] * together["deadline_factor"] * factor}
            for user in everybody
        ]
        assert plan(client, a_cell(*slower, bandwidth_hz=4e5))["status"] == status
        wider = together["bandwidth_with_deadlines_hz"] * factor
        assert plan(client, a_cell(*eased, everybody[2], bandwidth_hz=wider))["status"] == status


def test_all_who_are_too_sure_are_helped_together(client: httpx.Client) -> None:
    users = [a_user(id=str(n), risk=1e-7, gain_db=-80.0 - n) for n in range(3)]
    found = infeasible(client, a_cell(*users))
    bolder = [
        user | {"risk": told["least_risk"]}
        for user, told in zip(users, found["users"], strict=True)
    ]
    for factor, status in ((1.0, "solved"), (LESS, "infeasible")):
        wider = found["together"]["bandwidth_with_risks_hz"] * factor
        assert plan(client, a_cell(*bolder, bandwidth_hz=wider))["status"] == status


def test_an_over_subscribed_cell_is_told_the_same_twice(client: httpx.Client) -> None:
    found = infeasible(client, crowded(5e6))
    together = found["together"]
    assert together["deadline_factor"] == found["least_deadline_factor"]
    assert together["bandwidth_with_deadlines_hz"] == found["least_total_bandwidth_hz"], (
        "nobody fails alone"
    )
    assert together["bandwidth_with_risks_hz"] == found["least_total_bandwidth_hz"]


@pytest.mark.parametrize("risk", [1e-9, 0.1, 0.4999999])
def test_a_least_risk_is_one_that_may_be_asked_for(client: httpx.Client, risk: float) -> None:
    """With half the risk accepted the gaussian margin is nothing, and more than half it does not
    know.
    """
    late = a_user(gain_db=-80.0, deadline_s=0.005, risk=risk)
    lone = a_cell(late, options={"margin": "gaussian"})
    mean = [
        reason["short_by_s"]
        for reason in infeasible(client, lone | {"options": {"margin": "mean"}})["users"][0][
            "reasons"
        ]
    ]
    exact = late | {"deadline_s": 0.005 + min(mean)}
    (failing,) = infeasible(client, a_cell(exact, options={"margin": "gaussian"}))["users"]
    assert failing["least_risk"] == pytest.approx(0.5, abs=1e-6)
    assert failing["least_risk"] <= 0.5
    helped = exact | {"risk": failing["least_risk"]}
    assert plan(client, a_cell(helped, options={"margin": "gaussian"}))["status"] == "solved"


def test_a_risk_next_to_certainty_is_told(client: httpx.Client) -> None:
    """The mean is in time by a hair, so that only a risk next to 1 is left; it is told, and
    planned.
    """
    late = a_user(gain_db=-80.0, deadline_s=0.005)
    mean = infeasible(client, a_cell(late, options={"margin": "mean"}))["users"][0]["reasons"]
    exact = late | {
        "deadline_s": (0.005 + min(reason["short_by_s"] for reason in mean)) * (1.0 + 1e-7)
    }
    (failing,) = infeasible(client, a_cell(exact))["users"]
    assert 1.0 - 1e-3 < failing["least_risk"] < 1.0
    assert plan(client, a_cell(exact | {"risk": failing["least_risk"]}))["status"] == "solved"
    assert (
        plan(client, a_cell(exact | {"risk": LESS * failing["least_risk"]}))["status"]
        == "infeasible"
    )


def on_its_own(seconds: tuple[float, float], deadline_s: float, **fields: Any) -> Body:
    """A device that takes two times one after the other, and sends nothing."""
    cuts = [
        {"name": name, "flop": 0, "feature_byte": 0, "parameter_byte": 0} for name in ("in", "all")
    ]
    steady = {"variance_s2": 0.0}
    return a_user(
        model=a_model(cuts=cuts),
        device_timing=a_timing(
            cuts=[{"flop_per_cycle": 1.0, "overhead_s": seconds[0], **steady}] * 2
        ),
        server_timing=a_server_timing(cuts=[{"mean_s": seconds[1], **steady}] * 2),
        deadline_s=deadline_s,
        **fields,
    )


@pytest.mark.parametrize(
    ("lacking", "status"), [(0.0, "solved"), (5e-10, "solved"), (2e-9, "infeasible")]
)
@pytest.mark.parametrize("margin", ["cantelli", "gaussian", "mean"])
def test_a_deadline_missed_by_rounding_is_met(
    client: httpx.Client, margin: str, lacking: float, status: str
) -> None:
    """0.2 s and 0.1 s are more than 0.3 s in binary; what the check allows is planned, and no
    more.
    """
    user = on_its_own((0.2, 0.1), 0.3 * (1.0 - lacking))
    document = plan(client, a_cell(user, options={"margin": margin, "explain": True}))
    assert document["status"] == status
    if status == "solved":
        (decided,) = document["result"]["users"]
        assert (decided["slack_s"], decided["violation_bound"], decided["fallback_cut"]) == (
            0.0,
            0.0,
            0,
        )
        assert document["result"]["certificate"]["holds"]
        assert all(
            document["result"]["baselines"][name]["feasible"]
            for name in ("device_only", "equal_share")
        )
        assert [entry["binding"] for entry in decided["alternatives"]] == [None, None]
    else:
        (failing,) = document["infeasible"]["users"]
        assert failing["least_deadline_s"] == pytest.approx(0.3, rel=2e-9)
        assert all(reason["short_by_s"] > 0.0 for reason in failing["reasons"])


@pytest.mark.parametrize(("lacking", "status"), [(5e-10, "solved"), (2e-9, "infeasible")])
def test_an_uplink_short_by_rounding_is_enough(
    client: httpx.Client, lacking: float, status: str
) -> None:
    exact = infeasible(client, crowded(5e6))["least_total_bandwidth_hz"] * (1.0 + 1e-9)
    document = plan(client, crowded(exact * (1.0 - lacking)))
    assert document["status"] == status
    for user in document["result"]["users"] if status == "solved" else ():
        assert 0.0 <= user["bandwidth_share"] <= 1.0


def test_a_cut_without_a_plan_has_no_energy(client: httpx.Client) -> None:
    """A picture that fits the whole uplink but not what the other user leaves: no number, and what
    is missing.
    """
    sizes = {"greedy": [110_000, 1000], "steady": [70_000, 70_000]}
    users = [
        a_user(
            id=name,
            gain_db=-95.0,
            server_timing=None,
            model=a_model(
                cuts=[
                    {
                        "name": f"cut-{m}",
                        "flop": 1_000_000 * m,
                        "feature_byte": size,
                        "parameter_byte": 0,
                    }
                    for m, size in enumerate(sent)
                ]
            ),
            device_timing=a_timing(cuts=[{"flop_per_cycle": 1.0, "variance_s2": 0.0}] * 2),
        )
        for name, sent in sizes.items()
    ]
    body = a_cell(*users, bandwidth_hz=4e5, options={"explain": True})
    first, second = solved(client, body)["users"][0]["alternatives"]
    assert (first["cell_energy_at_least_j"], first["binding"], first["short_by_s"]) == (
        None,
        None,
        None,
    )
    assert second["cell_energy_at_least_j"] is not None
    assert second["short_by_hz"] is None
    wider = body | {"bandwidth_hz": 4e5 + first["short_by_hz"] * (1.0 + 1e-6)}
    assert (
        solved(client, wider)["users"][0]["alternatives"][0]["cell_energy_at_least_j"] is not None
    )
    narrow = body | {"bandwidth_hz": 4e5 + first["short_by_hz"] * (1.0 - 1e-6)}
    assert solved(client, narrow)["users"][0]["alternatives"][0]["cell_energy_at_least_j"] is None

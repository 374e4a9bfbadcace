"""Cells without a plan: who or what is short, and remedies that work when they are sent back."""

from typing import Any

import httpx
import pytest

from app.plans.multiuser.answers import MultiUserPlan, UnservableUser
from tests.support.builders import Body, a_model, a_server, a_server_timing
from tests.support.multiuser.requests import (
    MULTI_USER,
    a_cell,
    a_quantised_model,
    a_user,
    infeasible,
    only,
    planned,
    solved,
)


def a_crowd(count: int, **fields: Any) -> list[Body]:
    """Cameras whose server time goes by its capacity."""
    return [
        a_user(id=f"camera-{n}", server_timing=None, deadline_s=0.05, **fields)
        for n in range(count)
    ]


def test_users_who_fail_alone_are_named_with_a_deadline_that_works(client: httpx.Client) -> None:
    calm = a_user(id="calm")
    hurried = a_user(id="hurried", spectral_efficiency_bps_per_hz=0.5, deadline_s=0.01)
    lossless = a_user(id="lossless", model=a_quantised_model(), deadline_s=0.015, max_loss=0.0)
    answered = client.post(MULTI_USER, json=a_cell(calm, hurried, lossless))
    MultiUserPlan.model_validate_json(answered.content)
    reasons = answered.json()["infeasible"]
    assert reasons["proven"]
    assert [user["id"] for user in reasons["users"]] == ["hurried", "lossless"]
    wide = reasons["least_total_bandwidth_hz"]
    assert solved(client, a_cell(calm, hurried, lossless, bandwidth_hz=wide))
    assert infeasible(client, a_cell(calm, hurried, lossless, bandwidth_hz=0.999 * wide))["proven"]
    for asked, failed in zip((hurried, lossless), reasons["users"], strict=True):
        least = failed["least_deadline_s"]
        user = only(solved(client, a_cell(asked | {"deadline_s": least})))
        assert user["latency"]["mean_s"] == pytest.approx(least, rel=2e-6)
        infeasible(client, a_cell(asked | {"deadline_s": 0.999 * least}))


def test_what_an_oversubscribed_cell_is_short_of(client: httpx.Client) -> None:
    bandwidth_hz, capacity = 2.0e7, 8.0e11

    def cell(hertz: float = 1.0, flops: float = 1.0) -> Body:
        server = a_server(capacity_flop_per_s=capacity * flops)
        return a_cell(*a_crowd(6), bandwidth_hz=bandwidth_hz * hertz, server=server)

    reasons = infeasible(client, cell())
    assert reasons["proven"]
    assert reasons["users"] == []
    remedies = {
        "bandwidth_hz": (
            bandwidth_hz,
            reasons["least_total_bandwidth_hz"],
            lambda factor: cell(hertz=factor),
        ),
        "server_flop_per_s": (
            capacity,
            reasons["least_server_flop_per_s"],
            lambda factor: cell(flops=factor),
        ),
        "budget_factor": (1.0, reasons["least_budget_factor"], lambda factor: cell(factor, factor)),
    }
    worked = 0
    for name, (budget, enough, changed) in remedies.items():
        proven = reasons["proven_at_least"][name]
        if enough is None:
            assert proven is None
            infeasible(client, changed(1e3))
            continue
        assert 1.0 < proven / budget <= enough / budget
        solved(client, changed(enough / budget))
        infeasible(client, changed(0.999 * proven / budget))
        worked += 1
    assert worked >= 2


def test_an_option_that_only_a_larger_uplink_allows(client: httpx.Client) -> None:
    """Alone nobody could send the picture now; what all can do instead is too much for the
    server.
    """
    cuts = a_model()["cuts"]
    cuts[1]["feature_byte"] = 100
    slow = a_server_timing()
    for cut, mean_s in zip(slow["cuts"], (0.001, 0.03, 0.03, 0.0), strict=True):
        cut["mean_s"] = mean_s
    users = [
        a_user(id=name, model=a_model(cuts=cuts), server_timing=slow, deadline_s=0.05)
        for name in "ab"
    ]
    # The picture takes a little longer than the deadline on the whole uplink, at 4 bit/s/Hz.
    narrow = 8.0 * 150_528 / 4.0 / 0.0505

    def cell(factor: float) -> Body:
        return a_cell(*users, bandwidth_hz=factor * narrow)

    reasons = infeasible(client, cell(1.0))
    assert reasons["proven"]
    assert reasons["users"] == []
    enough = reasons["least_total_bandwidth_hz"] / narrow
    assert enough < 3.0
    assert reasons["proven_at_least"]["budget_factor"] <= enough
    assert {user["cut"] for user in solved(client, cell(enough))["users"]} >= {0}
    infeasible(client, cell(0.999 * enough))


def test_no_uplink_mends_a_server_that_is_too_small(client: httpx.Client) -> None:
    """Without a number there is none: neither a least amount nor a bound on it."""
    server = a_server(capacity_flop_per_s=1.0e10)
    reasons = infeasible(client, a_cell(*a_crowd(4), server=server, bandwidth_hz=1e9))
    assert reasons["proven"]
    assert reasons["least_total_bandwidth_hz"] is None
    assert reasons["proven_at_least"]["bandwidth_hz"] is None
    infeasible(client, a_cell(*a_crowd(4), server=server, bandwidth_hz=1e15))
    enough = reasons["least_server_flop_per_s"]
    solved(
        client, a_cell(*a_crowd(4), server=a_server(capacity_flop_per_s=enough), bandwidth_hz=1e9)
    )


def test_a_rule_that_finds_nothing_proves_nothing(client: httpx.Client) -> None:
    reasons = infeasible(client, a_cell(a_user(deadline_s=0.04), options={"method": "device_only"}))
    assert not reasons["proven"]
    assert reasons["users"] == []
    solved(client, a_cell(a_user(deadline_s=0.04)))


@pytest.mark.slow
def test_out_of_time_without_a_plan(client: httpx.Client) -> None:
    """Deadlines that just fit: whether there is a plan takes longer to find out than there is
    time.
    """
    users = a_crowd(60)
    for n, user in enumerate(users):
        user["deadline_s"] = 0.045 + 0.0002 * n
    enough = infeasible(client, a_cell(*users, bandwidth_hz=2.0e7))["least_total_bandwidth_hz"]
    cell = a_cell(*users, bandwidth_hz=1.0001 * enough)
    solved(client, cell)
    document = planned(client, cell | {"options": {"time_limit_s": 1e-9}})
    assert document["status"] == "timed_out"
    assert document["result"] is None
    assert not document["infeasible"]["proven"]


@pytest.mark.slow
def test_many_who_fail_have_an_address(client: httpx.Client) -> None:
    users = [a_user(id=f"u{n}", deadline_s=1e-4) for n in range(1200)]
    reasons = infeasible(client, a_cell(*users))
    assert "users" not in reasons
    page = client.get(reasons["users_url"], params={"limit": 1000}).json()
    assert len(page["items"]) == 1000
    UnservableUser.model_validate(page["items"][0])

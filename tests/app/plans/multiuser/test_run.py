"""Plans by every method, against the solver by hand; dry runs and time limits."""

import httpx
import numpy as np
import pytest

from app.plans.documents import Estimate
from solvers.multiuser.problem import Method, Problem, Workloads
from solvers.outcome import Options
from solvers.registry import answer
from tests.support.builders import a_server
from tests.support.multiuser.requests import (
    ADAPTIVE,
    CROSSING_BIT,
    DEVICE_S,
    MULTI_USER,
    SERVER_S,
    a_cell,
    a_crowd,
    a_fleet,
    a_mixed_cell,
    a_stored_user,
    a_user,
    infeasible,
    planned,
    solved,
)
from tests.support.robust.requests import assert_nothing_stored, store_profiles

pytestmark = pytest.mark.either


def test_objective_is_the_solvers_own(client: httpx.Client) -> None:
    """The same cell, put together by hand."""
    result = solved(
        client, a_cell(*(a_user(id=str(n), weight=1.0 + n) for n in range(3)), bandwidth_hz=4.0e6)
    )
    work = Workloads(
        first=np.array([0, 4]),
        cut=np.arange(4),
        bits=np.full(4, 32),
        device_s=np.array(DEVICE_S),
        crossing_bit=np.array(CROSSING_BIT),
        server_s=np.array(SERVER_S),
        loss=np.zeros(4),
    )
    problem = Problem(
        bandwidth_hz=4.0e6,
        server_flop_per_s=4.0e12,
        latency_weight_per_s=1.0,
        loss_weight=0.0,
        workloads=work,
        workload=np.zeros(3, dtype=np.int64),
        spectral_efficiency=np.full(3, 4.0),
        weight=np.array([1.0, 2.0, 3.0]),
        deadline_s=np.full(3, np.inf),
        max_loss=np.ones(3),
    )
    solution, _ = answer(problem, Options())
    certificate = result["certificate"]
    assert result["objective"]["cost"] == solution.objective
    assert certificate["lower_bound"] == solution.lower_bound
    assert certificate["status"] == "optimal"
    assert certificate["holds"]
    assert certificate["gap"] <= 1e-6
    assert (certificate["bandwidth_price"], certificate["server_price"]) == (
        solution.prices["bandwidth_per_hz"],
        solution.prices["server_per_flop_per_s"],
    )


def test_shares_follow_the_square_roots_of_the_weights(client: httpx.Client) -> None:
    light, heavy = a_user(id="light"), a_user(id="heavy", weight=4.0)
    result = solved(client, a_cell(light, heavy, options={"method": "edge_only"}))
    for budget in ("bandwidth_share", "server_share"):
        assert [user[budget] for user in result["users"]] == pytest.approx([1 / 3, 2 / 3])
    assert result["utilisation"] == {
        "bandwidth_hz": pytest.approx(1e7),
        "bandwidth_share": pytest.approx(1.0),
        "server_flop_per_s": pytest.approx(4e12),
        "server_share": pytest.approx(1.0),
    }
    assert result["cut_counts"] == {"small-net/input": 2}


def test_prices_are_what_one_more_is_worth(client: httpx.Client) -> None:
    def cost(bandwidth_hz: float, capacity: float) -> float:
        cell = a_cell(
            a_user(server_timing=None),
            bandwidth_hz=bandwidth_hz,
            server=a_server(capacity_flop_per_s=capacity),
            options={"method": "edge_only"},
        )
        return float(solved(client, cell)["objective"]["cost"])

    certificate = solved(
        client, a_cell(a_user(server_timing=None), options={"method": "edge_only"})
    )["certificate"]
    hertz = (cost(1e7 * 0.999, 4e12) - cost(1e7 * 1.001, 4e12)) / (0.002 * 1e7)
    flops = (cost(1e7, 4e12 * 0.999) - cost(1e7, 4e12 * 1.001)) / (0.002 * 4e12)
    assert certificate["bandwidth_price"] == pytest.approx(hertz, rel=1e-4)
    assert certificate["server_price"] == pytest.approx(flops, rel=1e-4)


@pytest.mark.parametrize(
    "method", [method.value for method in Method if method is not Method.EXACT]
)
def test_simpler_rules_prove_nothing_and_win_nothing(client: httpx.Client, method: str) -> None:
    unlimited = a_mixed_cell()
    for user in unlimited["users"]:
        user.pop("deadline_s", None)
        user.pop("max_loss", None)
    best = solved(client, unlimited)
    document = planned(client, unlimited | {"options": {"method": method}})
    assert document["options"]["method"] == method
    result = document["result"]
    assert result["certificate"]["status"] == "feasible"
    assert result["certificate"]["lower_bound"] is None
    assert result["certificate"]["gap"] is None
    assert result["certificate"]["holds"]
    assert result["objective"]["cost"] >= best["certificate"]["lower_bound"]
    assert result["objective"] == {
        name: pytest.approx(value)
        for name, value in best["baselines"][method].items()
        if name != "feasible"
    }


def test_a_dry_run_stores_nothing(client: httpx.Client) -> None:
    answered = client.post(MULTI_USER, params={"dry_run": True}, json=a_mixed_cell())
    assert answered.status_code == 200
    estimate = Estimate.model_validate_json(answered.content)
    assert (estimate.kind, estimate.users, estimate.options) == ("multi-user", 4, 4 * 8)
    assert_nothing_stored(client)


def test_out_of_time_with_a_plan(client: httpx.Client) -> None:
    users = [
        a_user(id=str(n), spectral_efficiency_bps_per_hz=0.5 + 0.37 * (n % 11)) for n in range(40)
    ]
    document = planned(client, a_cell(*users, options={"time_limit_s": 1e-9, "gap": 1e-9}))
    assert document["status"] == "timed_out"
    certificate = document["result"]["certificate"]
    assert certificate["status"] == "feasible"
    assert certificate["holds"]
    assert certificate["lower_bound"] <= document["result"]["objective"]["cost"]


@pytest.mark.slow
def test_thousands_share_tables(client: httpx.Client) -> None:
    store_profiles(client)
    users = [
        a_stored_user(
            id=f"u{n}", spectral_efficiency_bps_per_hz=None, deadline_s=0.05 if n % 2 else None
        )
        for n in range(3000)
    ]
    body = a_fleet(*users, server="edge-gpu")
    estimate = Estimate.model_validate(
        client.post(ADAPTIVE, params={"dry_run": True}, json=body).json()
    )
    assert (estimate.kind, estimate.users, estimate.options) == ("adaptive", 3000, 12_000)
    assert_nothing_stored(client)
    document = planned(client, body, ADAPTIVE)
    result = document["result"]
    page = client.get(result["users_url"], params={"limit": 4}).json()["items"]
    assert page[0]["table"] == page[2]["table"] != page[1]["table"] == page[3]["table"]
    assert client.get(f"{result['users_url']}/u2999").json()["table"] == page[1]["table"]


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

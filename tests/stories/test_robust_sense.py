"""What must hold between the answers to related questions, on the shipped profiles."""

import math
import random
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from app.catalogue import service as catalogue
from tests.support.builders import Body, a_device
from tests.support.robust.requests import a_cell, a_user, solved
from tests.support.servers import Service

GAP = 1e-6
MORE = 1.0 + 2.0 * GAP  # what two proven gaps may hide


@pytest.fixture(scope="module")
def shipped(running: Service) -> Iterator[httpx.Client]:
    """A client of the service with the catalogue loaded, for stories that store nothing but
    plans.
    """
    with running.database.writing() as session:
        catalogue.load(session, catalogue.shipped())
    with httpx.Client(base_url=running.url, timeout=60.0, trust_env=False, verify=False) as client:
        yield client


def a_lobby(seed: int = 0, **fields: Any) -> Body:
    """Twelve cameras between 40 and 260 m from an LTE mast."""
    dice = random.Random(seed)
    users = [
        {
            "id": f"camera-{n}",
            "device": "jetson-xavier-nx-cpu",
            "model": dice.choice(["alexnet", "resnet18", "mobilenet-v2"]) if seed else "alexnet",
            "distance_m": 40.0 + 20.0 * n,
            "deadline_s": 0.3 if not seed else dice.uniform(0.25, 0.6),
            "risk": 0.02,
        }
        for n in range(12)
    ]
    return {
        "channel": "lte-10mhz",
        "server": "nvidia-t4",
        "users": users,
        "options": {"gap": GAP},
        **fields,
    }


def each(body: Body, **fields: Any) -> Body:
    """The same request with fields of every user multiplied."""
    users = [
        user | {name: user[name] * factor for name, factor in fields.items()}
        for user in body["users"]
    ]
    return body | {"users": users}


def spent_j(client: httpx.Client, body: Body) -> float:
    return float(solved(client, body)["objective"]["energy_j"])


SEEDS = pytest.mark.parametrize("seed", [0, 1, 2])


@pytest.mark.slow
@SEEDS
def test_more_room_never_costs_more(shipped: httpx.Client, seed: int) -> None:
    body = a_lobby(seed)
    now = spent_j(shipped, body)
    for factor in (1.05, 1.5, 4.0):
        later, bolder = each(body, deadline_s=factor), each(body, risk=factor)
        wider = body | {"bandwidth_hz": 1e7 * factor}
        for relaxed in (later, bolder, wider):
            assert spent_j(shipped, relaxed) <= now * MORE
    closer = each(body, distance_m=0.8)
    assert spent_j(shipped, closer) <= now * MORE


@SEEDS
def test_the_bound_and_the_baselines(shipped: httpx.Client, seed: int) -> None:
    result = solved(shipped, a_lobby(seed))
    energy, certificate = result["objective"]["energy_j"], result["certificate"]
    assert certificate["status"] == "optimal"
    assert certificate["holds"] is True
    assert certificate["lower_bound_j"] <= energy
    assert certificate["gap"] == pytest.approx(
        1.0 - certificate["lower_bound_j"] / energy, abs=1e-12
    )
    assert certificate["gap"] <= GAP
    for name in ("device_only", "edge_only", "equal_share"):
        baseline = result["baselines"][name]
        assert baseline["feasible"] == (baseline["energy_j"] is not None)
        if baseline["feasible"]:
            assert baseline["energy_j"] >= energy * (1.0 - GAP), name
    blind = result["baselines"]["mean_only"]
    # A hundredth is the gap to which a baseline is proven.
    assert blind["energy_j"] <= energy * 1.011
    assert blind["violation_bound_max"] >= 0.0


@SEEDS
def test_the_parts_make_the_whole(shipped: httpx.Client, seed: int) -> None:
    result = solved(shipped, a_lobby(seed))
    users = result["users"]
    assert sum(user["energy_j"] for user in users) == pytest.approx(
        result["objective"]["energy_j"], rel=1e-9
    )
    used_hz = result["certificate"]["bandwidth_used_hz"]
    assert sum(user["bandwidth_hz"] for user in users) == pytest.approx(used_hz, rel=1e-12)
    assert used_hz <= 1e7 * (1.0 + 1e-9)
    assert sum(result["cut_counts"].values()) == len(users)
    for user in users:
        latency = user["latency"]
        parts = sum(latency[part] for part in ("device_s", "uplink_s", "network_s", "server_s"))
        assert latency["mean_s"] == pytest.approx(parts, rel=1e-12)
        assert latency["bound_s"] + user["slack_s"] == pytest.approx(user["deadline_s"], rel=1e-9)
        assert user["compute_energy_j"] + user["radio_energy_j"] == pytest.approx(
            user["energy_j"], rel=1e-12
        )
        assert user["violation_bound"] <= 0.02 * (1.0 + 1e-9)


@SEEDS
def test_the_order_of_users_does_not_matter(shipped: httpx.Client, seed: int) -> None:
    body = a_lobby(seed)
    shuffled = body | {"users": random.Random(seed).sample(body["users"], len(body["users"]))}
    one, other = solved(shipped, body), solved(shipped, shuffled)
    assert [user["id"] for user in other["users"]] == [user["id"] for user in shuffled["users"]]
    assert other["objective"]["energy_j"] == pytest.approx(
        one["objective"]["energy_j"], rel=2 * GAP
    )
    decided = {user["id"]: user for user in other["users"]}
    for user in one["users"]:
        assert decided[user["id"]]["cut"] == user["cut"]
        assert decided[user["id"]]["bandwidth_hz"] == pytest.approx(user["bandwidth_hz"], rel=1e-4)


def test_the_same_question_has_the_same_answer(shipped: httpx.Client) -> None:
    assert solved(shipped, a_lobby(1)) == solved(shipped, a_lobby(1))


@pytest.mark.parametrize("factor", [1e-3, 1e3])
def test_energy_scales_with_what_costs_energy(shipped: httpx.Client, factor: float) -> None:
    """All powers times a factor, with the gain divided by it: the same rates, so the same plan at
    that much energy.
    """

    def cell(scale: float) -> Body:
        device = a_device(tx_power_w=0.2 * scale, power_coefficient_w_per_hz3=1e-27 * scale)
        return a_cell(
            *(
                a_user(
                    id=str(n),
                    device=device,
                    snr_reference={"snr_db": 30.0 - 4.0 * n, "bandwidth_hz": 1e6},
                    gain_db=None,
                )
                for n in range(6)
            )
        )

    one, scaled = solved(shipped, cell(1.0)), solved(shipped, cell(factor))
    assert scaled["objective"]["energy_j"] == pytest.approx(
        factor * one["objective"]["energy_j"], rel=3 * GAP
    )
    for user, other in zip(one["users"], scaled["users"], strict=True):
        assert (other["cut"], other["cut_name"]) == (user["cut"], user["cut_name"])
        assert other["frequency_hz"] == pytest.approx(user["frequency_hz"], rel=1e-3)


def test_a_price_is_what_spectrum_is_worth(shipped: httpx.Client) -> None:
    body = a_lobby()
    result = solved(shipped, body)
    price = result["certificate"]["bandwidth_price_j_per_hz"]
    assert price > 0.0
    step_hz = 2e3
    more, less = (
        spent_j(shipped, body | {"bandwidth_hz": 1e7 + change}) for change in (step_hz, -step_hz)
    )
    assert (less - more) / (2.0 * step_hz) == pytest.approx(price, rel=0.02)


def test_a_plan_works_at_the_edge_of_its_validity(shipped: httpx.Client) -> None:
    """At the least gain said to be valid the same cut and share still meet the deadline; below it
    no more.
    """
    for user in solved(shipped, a_lobby())["users"]:
        low_db, high_db = user["valid_gain_db"]
        assert high_db is None
        sends = user["rate_bps"] > 0.0
        assert (low_db is not None) == sends
        if not sends:
            continue
        uplink_s, share_hz = user["latency"]["uplink_s"], user["bandwidth_hz"]
        sent_bit, noise_w = uplink_s * user["rate_bps"], 10.0 ** ((-169.0 - 30.0) / 10.0) * share_hz
        power_w = user["radio_energy_j"] / uplink_s
        for gain_db, in_time in ((low_db + 1e-6, True), (low_db - 1e-3, False)):
            snr = power_w * 10.0 ** (gain_db / 10.0) / noise_w
            later_s = sent_bit / (share_hz * math.log2(1.0 + snr))
            assert (later_s <= uplink_s + user["slack_s"]) == in_time

"""What a plan says of its users: where their energy goes, how they send, and who does the rest."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from app.plans.family import Outcome
from app.plans.library import StoredLibrary
from app.plans.resolve import Resolver
from app.plans.robust import present
from app.plans.robust.answers import RobustPlanResult, RobustUserResult
from app.plans.robust.run import PreparedRobust, plan_cells, prepare
from app.plans.robust.schemas import RobustRequest
from client import edge
from solvers.progress import Progress
from tests.support.builders import (
    Body,
    a_channel,
    a_metered_device,
    a_model,
    a_server,
    a_server_timing,
    a_timing,
)
from tests.support.robust.requests import a_cell, a_user, plan
from tests.support.servers import Service

pytestmark = pytest.mark.either

JPEG = {
    "name": "jpeg-75",
    "byte": 12_000,
    "byte_max": 20_000,
    "device_s": 0.002,
    "device_cycles": 1e6,
    "server_s": 0.003,
    "loss": 0.01,
    "provenance": "analytic",
}
NEAR = a_server(name="near", capacity_flop_per_s=2e9)
FAR = a_server(name="far", capacity_flop_per_s=8e12)
CLOUD = {
    "server": a_server(name="cloud", capacity_flop_per_s=2e15),
    "backhaul_bps": 1e11,
    "backhaul_rtt_s": 1e-6,
}
CHANNEL = a_channel(
    rate_law={"efficiency": 0.4, "max_bps_per_hz": 2.0}, downlink_bps=1e6, rtt_mean_s=0.01
)


def coded(**codec: Any) -> Body:
    first, *others = a_model()["cuts"]
    return a_model(cuts=[first | {"codecs": [JPEG | codec]}, *others], result_byte=1000)


def a_metered_user(**fields: Any) -> Body:
    device = a_metered_device(
        static_power_w=0.5,
        idle_power_w=1.0,
        energy_per_inference_j=0.001,
        radio={"active_power_w": 1.9, "energy_j_per_bit": 1e-8},
    )
    return a_user(**{"device": device, "model": coded(), "max_loss": 0.05} | fields)


@pytest.fixture
def resolver(service: Service) -> Iterator[Resolver]:
    with service.database.reading() as session:
        yield Resolver(StoredLibrary(session))


def prepared(resolver: Resolver, body: Body) -> PreparedRobust:
    return prepare(RobustRequest.model_validate(body), resolver)


def outcome(resolver: Resolver, body: Body) -> Outcome:
    """A request that must have a plan."""
    found = prepared(resolver, body).solve(Progress())
    assert found.status == "solved", found
    assert found.result is not None
    RobustPlanResult.model_validate(found.result | {"users": found.users})
    return found


def only(resolver: Resolver, body: Body) -> dict[str, Any]:
    """What is said of its only user."""
    (user,) = outcome(resolver, body).users
    return user


def test_the_parts_of_the_energy_add_up(resolver: Resolver) -> None:
    for energy, parts in (
        ("marginal", {"compute_j", "static_j", "radio_j"}),
        ("whole", {"compute_j", "static_j", "radio_j", "wait_j", "standby_j"}),
    ):
        body = a_cell(a_metered_user(), channel=CHANNEL, options={"energy": energy})
        user = only(resolver, body)
        assert set(user["energy"]) == parts
        assert sum(user["energy"].values()) == pytest.approx(user["energy_j"], rel=1e-14)
        assert user["energy"]["compute_j"] == user["compute_energy_j"]
        assert user["energy"]["radio_j"] == user["radio_energy_j"]
        assert user["codec"] == "jpeg-75"
        assert user["sent_byte"] == 12_000
        latency, clock = user["latency"], user["frequency_hz"]
        assert latency["uplink_s"] == pytest.approx(8.0 * 12_000 / user["rate_bps"])
        assert latency["network_s"] == pytest.approx(0.01 + 8.0 * 1000 / 1e6)
        written_out = {
            "compute_j": 1e-27 * clock**3 * latency["device_s"],
            "static_j": 0.5 * latency["device_s"],
            "radio_j": 1.9 * latency["uplink_s"] + 1e-8 * 8.0 * 12_000,
            "wait_j": latency["network_s"] + latency["server_s"],
            "standby_j": latency["device_s"] + latency["uplink_s"],
        }
        assert user["energy"] == pytest.approx({part: written_out[part] for part in parts})


def test_the_whole_device_is_the_marginal_one_plus_what_idles(resolver: Resolver) -> None:
    """For the same decision: at one clock and without a channel there is only one."""
    device = a_metered_device(idle_power_w=1.5, frequency_levels_hz=[1e9])
    users = [
        only(
            resolver,
            a_cell(a_user(device=device, gain_db=-200.0), options={"energy": energy}),
        )
        for energy in ("marginal", "whole")
    ]
    assert users[0]["cut"] == users[1]["cut"] == 3
    idle = 1.5 * users[0]["latency"]["mean_s"]
    assert users[1]["energy_j"] == pytest.approx(users[0]["energy_j"] + idle, rel=1e-12)


def test_the_source_of_the_energy(resolver: Resolver) -> None:
    """All on the device, at the only clock that was measured in that way."""
    levels = [{"frequency_hz": 1e9, "mean_s": 0.01, "variance_s2": 0.0}]
    device = a_metered_device(frequency_levels_hz=[1e9], level_power_w=[0.6])
    lawful = a_metered_device(frequency_levels_hz=[1e9])
    for source, some, measured, energy in (
        ("energy_j", device, {"energy_j": 0.003}, 0.003),
        ("power_w", device, {"power_w": 0.4}, 0.004),
        ("level_power_w", device, {}, 0.006),
        ("law", lawful, {}, 0.01),
    ):
        entry = {"levels": [levels[0] | measured]}
        timing = a_timing(cuts=[entry] * 4)
        user = only(resolver, a_cell(a_user(device=some, device_timing=timing, gain_db=-200.0)))
        assert user["energy_source"] == source
        assert user["energy_j"] == pytest.approx(energy)


def test_a_codec_is_sent_where_it_is_better(resolver: Resolver) -> None:
    for byte, sent in ((12_000, "jpeg-75"), (150_529, None)):
        model = coded(byte=byte, byte_max=None)
        user = only(resolver, a_cell(a_metered_user(model=model, deadline_s=1.0)))
        assert user["codec"] == sent
        if sent is None:
            assert user["energy_j"] == pytest.approx(
                only(resolver, a_cell(a_metered_user(max_loss=None, deadline_s=1.0)))["energy_j"]
            )


def test_the_best_server_is_picked(resolver: Resolver) -> None:
    user = a_metered_user(servers=[NEAR, FAR], server_timing=None, deadline_s=0.06)
    assert only(resolver, a_cell(user, server=None))["server"] == "inline:far"
    silent = only(resolver, a_cell(user | {"gain_db": -200.0, "deadline_s": 1.0}, server=None))
    assert silent["cut"] == 3
    assert silent["server"] is None


def test_a_tier_goes_on_where_it_is_faster(resolver: Resolver) -> None:
    slow = a_server(name="slow", capacity_flop_per_s=1e9)
    user = a_metered_user(server_timing=None, deadline_s=0.05)
    told = only(resolver, a_cell(user, server=slow, tiers=[CLOUD]))
    cut = told["cut"]
    assert told["tier"] == {
        "server": "inline:cloud",
        "cut": cut,
        "cut_name": a_model()["cuts"][cut]["name"],
        "partition_id": edge.partition_id(a_model(), cut),
        "tensors": None,
    }
    assert "server" not in told, "there is only one"
    fast = only(resolver, a_cell(user, server=FAR, tiers=[CLOUD | {"backhaul_rtt_s": 0.04}]))
    assert fast["tier"] is None


def mixed(count: int, **fields: Any) -> Body:
    """Users who differ in all that they may differ in."""
    users = [
        a_metered_user(
            id=str(n),
            cell="ab"[n % 2],
            gain_db=(-95.0, -100.0, -105.0, -200.0)[n % 4],
            servers=[NEAR, FAR],
            server_timing=None,
            rate_hz=1.0 + n,
            deadline_s=(0.1, 1.0)[n // 2 % 2],
            max_loss=(0.05, 0.0)[n // 4 % 2],
        )
        for n in range(count)
    ]
    cells = [{"id": "a", "channel": CHANNEL}, {"id": "b", "tiers": [CLOUD]}]
    return a_cell(*users, cells=cells, server=None, **fields)


@pytest.mark.parametrize("energy", ["marginal", "whole"])
def test_columns_say_what_entries_say(resolver: Resolver, energy: str) -> None:
    ready = prepared(resolver, mixed(12, options={"energy": energy}))
    plans = plan_cells(ready.assembled.cells, ready.request.options, Progress())
    assert isinstance(plans, list)
    entries = present.users(ready.assembled, plans)
    assert present.user_table(ready.assembled, plans).to_pylist() == entries
    assert list(entries[0]) == present.user_table(ready.assembled, plans).column_names
    assert {entry["codec"] for entry in entries} == {"jpeg-75", None}
    assert {entry["server"] for entry in entries} >= {"inline:far", None}
    assert {entry["tier"] is None for entry in entries} == {True, False}
    for n, entry in enumerate(entries):
        assert entry["rate_hz"] == 1.0 + n
        RobustUserResult.model_validate(entry)


def test_what_a_plan_decided_can_be_replayed(client: httpx.Client) -> None:
    """The option is found again by cut, clock, codec, server and tier."""
    document = plan(client, mixed(8))
    assert document["status"] == "solved"
    answer = client.post(f"/v1/plans/{document['id']}/validations", json={"trials": 1000})
    assert answer.status_code == 201, answer.text
    check = answer.json()["check"]
    assert answer.json()["holds"]
    assert check["energy_j"] is None
    assert check["power_w"] == pytest.approx(document["result"]["objective"]["power_w"])


def test_a_timing_of_one_of_several_servers_is_replayed(client: httpx.Client) -> None:
    user = a_metered_user(
        servers=[NEAR, FAR], server_timing=a_server_timing(processor="near"), deadline_s=0.1
    )
    document = plan(client, a_cell(user, server=None))
    answer = client.post(f"/v1/plans/{document['id']}/validations", json={"trials": 1000})
    assert answer.status_code == 201, answer.text

"""A plan of every kind that a bundle is made of."""

import json
from collections.abc import Callable
from typing import Any

import httpx

from tests.support.builders import Body, a_channel, a_metered_device, a_model, a_server
from tests.support.multiuser import requests as shares
from tests.support.robust import requests as cells
from tests.support.robust.columns import as_table, planned
from tests.support.sheets import a_file, measured, store
from tests.support.stopping import requests as rules

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


def posted(client: httpx.Client, path: str, body: Body) -> Body:
    answer = client.post(path, json=body)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def a_metered_cell(**fields: Any) -> Body:
    """Every term of energy, in two cells: power laws, radios, codecs, streams, servers, tiers."""
    first, *others = a_model()["cuts"]
    device = a_metered_device(
        static_power_w=0.5,
        idle_power_w=1.0,
        energy_per_inference_j=0.001,
        radio={"active_power_w": 1.9, "energy_j_per_bit": 1e-8},
    )
    model = a_model(cuts=[first | {"codecs": [JPEG]}, *others], result_byte=1000)
    near, far = a_server(name="near", parallel=8), a_server(name="far", capacity_flop_per_s=8e12)
    users = [
        cells.a_user(
            id=f"camera-{n}",
            cell="ab"[n % 2],
            gain_db=-85.0 - n,
            device=device,
            model=model,
            server_timing=None,
            servers=[near, far] if n % 2 == 0 else [far],
            max_loss=0.05,
            rate_hz=1.0 + n,
            deadline_s=0.3,
        )
        for n in range(8)
    ]
    channel = a_channel(
        rate_law={"efficiency": 0.4, "max_bps_per_hz": 2.0}, downlink_bps=1e6, rtt_mean_s=0.01
    )
    cloud = a_server(name="cloud", capacity_flop_per_s=2e15)
    tier = {"server": cloud, "backhaul_bps": 1e11, "backhaul_rtt_s": 1e-6}
    sites = [{"id": "a", "channel": channel}, {"id": "b", "tiers": [tier]}]
    body = cells.a_cell(*users, cells=sites, options={"energy": "whole"}) | fields
    return {name: value for name, value in body.items() if name != "server"}


def robust(client: httpx.Client) -> Body:
    cells.store_profiles(client)
    crowd = cells.a_crowd(12, deadline_s=0.4)
    return posted(client, cells.ROBUST, cells.a_stored_cell(*crowd))


def metered(client: httpx.Client) -> Body:
    return posted(client, cells.ROBUST, a_metered_cell())


def infeasible(client: httpx.Client) -> Body:
    cells.store_profiles(client)
    crowd = cells.a_crowd(3, deadline_s=0.02)
    plan = posted(client, cells.ROBUST, cells.a_stored_cell(*crowd))
    assert plan["status"] == "infeasible"
    return plan


def sampled(client: httpx.Client) -> Body:
    """From samples, of which the bundle carries those behind the pinned revision only."""
    store(client)
    posted(client, "/v1/channels", a_channel())
    measured(client, a_file(count=400, sessions=1))
    users = [cells.a_stored_user(), cells.a_stored_user(id="second", gain_db=-95.0)]
    body = cells.a_cell(*users, channel="cell", server="edge-gpu", options={"margin": "samples"})
    plan = posted(client, cells.ROBUST, body)
    measured(client, a_file(count=420, sessions=1))
    return plan


def stopping(client: httpx.Client) -> Body:
    rules.store_profiles(client)
    users = [rules.a_stored_robot(), rules.a_stored_robot(id="far", mean_snr_db=5.0)]
    body = rules.a_fleet(*users, channel="cell", server="edge-gpu")
    return posted(client, rules.STOPPING, body)


def multi_user(client: httpx.Client) -> Body:
    return posted(client, shares.MULTI_USER, shares.a_mixed_cell())


def unservable(client: httpx.Client) -> Body:
    body = shares.a_cell(shares.a_user(deadline_s=1e-4))
    plan = posted(client, shares.MULTI_USER, body)
    assert plan["status"] == "infeasible"
    return plan


def adaptive(client: httpx.Client) -> Body:
    cells.store_profiles(client)
    user = shares.a_stored_user(spectral_efficiency_bps_per_hz=None)
    return posted(client, shares.ADAPTIVE, shares.a_fleet(user, channel="cell", server="edge-gpu"))


def replanned(client: httpx.Client) -> Body:
    """Held to the decisions of its parent."""
    parent = multi_user(client)
    patch = {"bandwidth_hz": 3.0e5, "max_switches": 1}
    return posted(client, f"/v1/plans/{parent['id']}/replan", patch)


def replanned_freely(client: httpx.Client) -> Body:
    parent = robust(client)
    patch = {"users": {"camera-1": {"deadline_s": 0.35}, "camera-2": None}}
    return posted(client, f"/v1/plans/{parent['id']}/replan", patch)


def columns(client: httpx.Client) -> Body:
    cells.store_profiles(client)
    users = cells.a_crowd(5000, deadline_s=0.4)
    return planned(client, as_table(cells.a_stored_cell(*users, bandwidth_hz=5e9)))


def many(client: httpx.Client) -> Body:
    """Users in JSON, told in columns."""
    cells.store_profiles(client)
    users = cells.a_crowd(1001, deadline_s=0.4)
    return posted(client, cells.ROBUST, cells.a_stored_cell(*users, bandwidth_hz=1e9))


PLANS: dict[str, Callable[[httpx.Client], Body]] = {
    each.__name__: each
    for each in (
        robust,
        metered,
        infeasible,
        sampled,
        stopping,
        multi_user,
        unservable,
        adaptive,
        replanned,
        replanned_freely,
        columns,
        many,
    )
}


def bundle_of(client: httpx.Client, plan: Body) -> bytes:
    answer = client.get(f"/v1/plans/{plan['id']}/bundle")
    assert answer.status_code == 200, answer.text
    assert json.loads(answer.content)["plan"]["id"] == plan["id"]
    return answer.content

"""Nothing computed, nothing sent, nothing varying: plans of 0 J and times without variance are
plans like any other.
"""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from app.plans.library import StoredLibrary
from app.plans.resolve import Resolver
from app.plans.robust.answers import RobustPlanResult
from app.plans.robust.run import prepare
from app.plans.robust.schemas import RobustRequest
from solvers.progress import Progress
from tests.support.answers import pointers
from tests.support.builders import Body, a_channel, a_device, a_model, a_server_timing, a_timing
from tests.support.robust.requests import (
    a_cell,
    a_stored_user,
    a_user,
    plan,
    solved,
    store_profiles,
)
from tests.support.servers import Service

pytestmark = pytest.mark.either

LAWS = ("gamma", "lognormal", "two_point", "empirical")


def a_net(flop: list[int], feature_byte: list[int]) -> Body:
    cuts = zip(flop, feature_byte, strict=True)
    return a_model(
        cuts=[
            {"name": f"cut-{m}", "flop": work, "feature_byte": size, "parameter_byte": 0}
            for m, (work, size) in enumerate(cuts)
        ]
    )


def steady(**fields: Any) -> Body:
    """A camera whose device and server always take the same time."""
    return a_user(
        device_timing=a_timing(cuts=[{**cut, "variance_s2": 0.0} for cut in a_timing()["cuts"]]),
        server_timing=a_server_timing(
            cuts=[{**cut, "variance_s2": 0.0} for cut in a_server_timing()["cuts"]]
        ),
        **fields,
    )


NETS = {
    "nothing computed or sent": a_net([0] * 4, [0] * 4),
    "nothing sent": a_net([0, 1, 2, 3], [0] * 4),
    "nothing sent at first": a_net([0, 1_000_000, 2_000_000, 3_000_000], [0, 1000, 1000, 0]),
    "nothing computed": a_net([0] * 4, [1000, 1000, 1000, 0]),
}


@pytest.mark.parametrize("method", ["exact", "pccp"])
@pytest.mark.parametrize("net", NETS.values(), ids=NETS)
def test_a_plan_of_next_to_nothing(service: Service, method: str, net: Body) -> None:
    users = [a_user(id=str(n), model=net, server_timing=None, gain_db=-100.0 - n) for n in range(3)]
    body = a_cell(*users, options={"method": method})
    with service.database.reading() as session:
        outcome = prepare(
            RobustRequest.model_validate(body), Resolver(StoredLibrary(session))
        ).solve(Progress())
    assert outcome.status == "solved"
    assert outcome.result is not None
    RobustPlanResult.model_validate(outcome.result | {"users": outcome.users})
    certificate, energy = outcome.result["certificate"], outcome.result["objective"]["energy_j"]
    assert certificate["holds"]
    assert certificate["status"] == "optimal"
    assert 0.0 <= certificate["lower_bound_j"] <= energy
    assert (energy == 0.0) == (certificate["gap"] == 0.0 and certificate["lower_bound_j"] == 0.0)


@pytest.mark.parametrize("variance_s2", [0.0, 1e-6])
@pytest.mark.parametrize("mean_s", [0.0, 0.01])
def test_times_that_only_the_network_varies(
    client: httpx.Client, mean_s: float, variance_s2: float
) -> None:
    channel = a_channel(rtt_mean_s=mean_s, rtt_variance_s2=variance_s2)
    document = plan(client, a_cell(steady(id="sends", gain_db=-80.0), channel=channel))
    (decided,) = document["result"]["users"]
    assert decided["rate_bps"] > 0.0
    where = f"/v1/plans/{document['id']}/validations"
    for law in LAWS:
        answer = client.post(where, json={"distributions": [law], "trials": 1000})
        if law == "empirical" and variance_s2 > 0.0:
            assert answer.status_code == 422, answer.text
            assert pointers(answer) == ["/distributions/0"]
            assert "network" in answer.json()["detail"]
        else:
            assert answer.status_code == 201, answer.text
            assert answer.json()["holds"]


def test_a_network_that_varies_for_those_who_send(client: httpx.Client) -> None:
    """Who sends nothing has no delay of the network, so nothing of it varies and nothing need be
    measured.
    """
    channel = a_channel(rtt_mean_s=0.01, rtt_variance_s2=1e-6)
    document = plan(client, a_cell(steady(gain_db=-140.0), channel=channel))
    (decided,) = document["result"]["users"]
    assert decided["rate_bps"] == 0.0
    answer = client.post(
        f"/v1/plans/{document['id']}/validations", json={"distributions": list(LAWS)}
    )
    assert answer.status_code == 201, answer.text


def test_a_sender_next_to_one_who_spends_nothing(client: httpx.Client) -> None:
    """A user at 0 J does not make the cell's energy, or anybody's share, anything but what the
    sender's are.
    """
    idle = a_user(
        id="idle", model=NETS["nothing computed or sent"], server_timing=None, device=a_device()
    )
    alone, both = (solved(client, a_cell(*users)) for users in ([a_user()], [a_user(), idle]))
    assert both["objective"]["energy_j"] == pytest.approx(alone["objective"]["energy_j"], rel=1e-9)
    assert both["users"][1]["energy_j"] == both["users"][1]["bandwidth_hz"] == 0.0


@pytest.mark.slow
def test_what_was_met_before_never_stands_for_a_later_revision(client: httpx.Client) -> None:
    """While some plan, another revises: who plans after a revision was answered plans with it."""
    store_profiles(client)
    request = a_cell(a_stored_user(), server="edge-gpu")

    def spent(**fields: Any) -> tuple[int, float]:
        result = plan(client, request | fields)
        (device,) = (one for one in result["provenance"]["profiles"] if one["kind"] == "device")
        return device["revision"], result["result"]["objective"]["energy_j"]

    def revised(power_w: float) -> None:
        body = a_device(tx_power_w=power_w)
        answer = client.put("/v1/devices/camera-cpu", json=body, headers={"If-Match": "*"})
        assert answer.status_code == 200, answer.text

    found = {1: spent()[1]}
    with ThreadPoolExecutor(4) as others:
        for revision, power_w in enumerate((0.3, 0.4, 0.5), 2):
            meanwhile = [others.submit(spent) for _ in range(4)]
            revised(power_w)
            found[revision] = energy = spent()[1]
            assert spent() == (revision, energy)
            for each in meanwhile:
                assert each.result() in ((n, found[n]) for n in (revision - 1, revision))
    assert len(set(found.values())) == 4
    pinned = a_cell(a_stored_user(device="camera-cpu@1"), server="edge-gpu")
    assert plan(client, pinned)["result"]["objective"]["energy_j"] == found[1]
    client.delete("/v1/devices/camera-cpu").raise_for_status()
    assert client.post("/v1/plans/robust", json=request).status_code == 422
    assert plan(client, pinned)["result"]["objective"]["energy_j"] == found[1]

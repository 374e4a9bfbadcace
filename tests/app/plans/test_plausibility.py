"""What is allowed but looks like a mistake is said, and pointed at."""

from typing import Any

import httpx
import pytest

from tests.support.builders import (
    Body,
    a_channel,
    a_device,
    a_metered_device,
    a_model,
    a_server,
    a_timing,
)
from tests.support.robust.requests import (
    a_cell,
    a_stored_cell,
    a_stored_user,
    a_user,
    plan,
    store_profiles,
)

pytestmark = pytest.mark.either


def a_metered_user(**fields: Any) -> Body:
    """A camera whose device leaves nothing to doubt."""
    return a_user(**{"device": a_metered_device()} | fields)


def warned(client: httpx.Client, body: Body) -> list[str]:
    """The fields that a plan, and the same plan read again, warns of."""
    document = plan(client, body)
    assert client.get(f"/v1/plans/{document['id']}").json() == document
    warnings: list[dict[str, Any]] = document.get("warnings", [])
    assert all(warning["message"] for warning in warnings)
    return [warning["field"] for warning in warnings]


def with_jpeg() -> Body:
    """The small network, its picture also as JPEG."""
    first, *others = a_model()["cuts"]
    jpeg = {"name": "jpeg", "byte": 15_000, "loss": 0.01, "provenance": "measured"}
    return a_model(cuts=[first | {"codecs": [jpeg]}, *others])


DOUBTFUL: dict[str, tuple[Body, list[str]]] = {
    "nothing": (a_cell(a_metered_user()), []),
    "a deadline in milliseconds": (
        a_cell(a_metered_user(deadline_s=180.0)),
        ["/users/0/deadline_s"],
    ),
    "a feature that the device cannot hold": (
        a_cell(a_metered_user(device=a_metered_device(memory_byte=100_000))),
        ["/users/0/model"],
    ),
    "a clock in GHz": (
        a_cell(
            a_metered_user(
                device=a_metered_device(frequency_min_hz=0.2, frequency_max_hz=1.9), deadline_s=1.0
            )
        ),
        [
            "/users/0/device/frequency_min_hz",
            "/users/0/device/frequency_max_hz",
            "/users/0/device/power_coefficient",
        ],
    ),
    "a gain that amplifies": (a_cell(a_metered_user(gain_db=3.0)), ["/users/0/gain_db"]),
    "a path loss that amplifies": (
        a_cell(
            a_metered_user(gain_db=None, distance_m=100.0),
            channel=a_channel(path_loss={"intercept_db": -90.0, "exponent": 2.0}),
        ),
        ["/channel/path_loss/intercept_db", "/users/0/distance_m"],
    ),
    "a signal that amplifies": (
        a_cell(a_metered_user(gain_db=None, snr_reference={"snr_db": 150.0, "bandwidth_hz": 1e6})),
        ["/users/0/snr_reference", "/users/0/snr_reference/snr_db"],
    ),
    "a received power for a signal": (
        a_cell(a_metered_user(gain_db=None, snr_reference={"snr_db": -95.0, "bandwidth_hz": 20.0})),
        ["/users/0/snr_reference/snr_db", "/users/0/snr_reference/bandwidth_hz"],
    ),
    "a power in mW": (
        a_cell(
            a_metered_user(
                device=a_metered_device(tx_power_w=100.0, radio={"active_power_w": 100.0})
            )
        ),
        ["/users/0/device/tx_power_w"],
    ),
    "a user's power in mW": (a_cell(a_metered_user(tx_power_w=100.0)), ["/users/0/tx_power_w"]),
    "a bandwidth in MHz": (a_cell(a_metered_user(), bandwidth_hz=20.0), ["/bandwidth_hz"]),
    "a channel in MHz": (
        a_cell(a_metered_user(), channel=a_channel(bandwidth_hz=20.0)),
        ["/channel/bandwidth_hz"],
    ),
    "a network in GFLOP": (
        a_cell(
            a_metered_user(
                model=a_model(cuts=[cut | {"flop": m} for m, cut in enumerate(a_model()["cuts"])])
            ),
        ),
        ["/users/0/model/cuts/3/flop"],
    ),
    "an overhead in milliseconds": (
        a_cell(
            a_metered_user(
                device_timing=a_timing(
                    cuts=[{"flop_per_cycle": 4.0, "overhead_s": 4e3, "variance_s2": 0.0}] * 4
                ),
                deadline_s=9.0,
            )
        ),
        [f"/users/0/device_timing/cuts/{m}/overhead_s" for m in range(4)],
    ),
    "a cube of one clock": (
        a_cell(a_user(device=a_device(radio={"active_power_w": 1.0}))),
        ["/users/0/device"],
    ),
    "a cube that nobody measured": (
        a_cell(a_metered_user(device=a_metered_device(provenance="analytic"))),
        ["/users/0/device"],
    ),
    "a radio that draws what it radiates": (
        a_cell(a_metered_user(device=a_metered_device(radio=None))),
        ["/users/0/device"],
    ),
    "a codec that nobody asked for": (
        a_cell(a_metered_user(model=with_jpeg())),
        ["/users/0/max_loss"],
    ),
    "a loss in percent": (
        a_cell(a_metered_user(model=with_jpeg(), max_loss=1.0)),
        ["/users/0/max_loss"],
    ),
    "a server that is busy with nobody knows what": (
        a_cell(a_metered_user(), server=a_server(parallel=2)),
        ["/server"],
    ),
    "results that come back in no time": (
        a_cell(a_metered_user(model=a_model(result_byte=1000))),
        ["/channel"],
    ),
    "a line in Mbit/s and milliseconds": (
        a_cell(
            a_metered_user(),
            tiers=[
                {
                    "server": a_server(name="cloud"),
                    "backhaul_bps": 1000.0,
                    "backhaul_rtt_s": 20.0,
                }
            ],
        ),
        ["/tiers/0/backhaul_bps", "/tiers/0/backhaul_rtt_s", "/users/0/server_timing"],
    ),
}


@pytest.mark.parametrize(("body", "fields"), DOUBTFUL.values(), ids=DOUBTFUL)
def test_doubts(client: httpx.Client, body: Body, fields: list[str]) -> None:
    assert warned(client, body) == fields


def test_stored_profiles_are_doubted_where_they_are_used(client: httpx.Client) -> None:
    store_profiles(client)
    slow = a_metered_device(frequency_min_hz=0.2, frequency_max_hz=1.9)
    assert (
        client.put("/v1/devices/camera-cpu", json=slow, headers={"If-Match": "*"}).status_code
        == 200
    )
    users = [a_stored_user(id="a"), a_stored_user(id="b")]
    assert set(warned(client, a_stored_cell(*users))) == {
        "/users/0/device/frequency_min_hz",
        "/users/0/device/frequency_max_hz",
        "/users/0/device/power_coefficient",
    }


def test_each_user_is_doubted(client: httpx.Client) -> None:
    users = [
        a_metered_user(id=str(n), deadline_s=deadline_s)
        for n, deadline_s in enumerate((0.2, 200.0, 300.0))
    ]
    assert warned(client, a_cell(*users)) == ["/users/1/deadline_s", "/users/2/deadline_s"]

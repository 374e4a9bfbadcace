"""What measured power, rates and codecs are worth: twelve users of an LTE cell, planned with the
laws of before and with those of the catalogue, both read by the same meter.

`python -m benchmarks worth`. Before: power as a cube through the highest clock, the radio drawing
what it radiates, Shannon's rate, nothing coded. The meter knows the catalogue's laws, and is
written here apart from the planner's.
"""

import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx

from benchmarks import machine
from benchmarks.http import address

CATALOGUE = Path(__file__).parents[1] / "app" / "catalogue"
DISTANCE_M = (30.0, 45.0, 60.0, 80.0, 100.0, 125.0, 150.0, 175.0, 200.0, 230.0, 260.0, 300.0)
# Of the time the device alone takes at its highest clock: as in the README's cell, and five times
# as long.
DEADLINES = ((1.3, 1.75), (6.5, 8.75))
RISK, GAP = 0.02, 1e-3
LOSSES = (0.03, 0.2)  # of accuracy, that users accept
# What the catalogue said of power until it had measured laws: a cube through one clock [W/Hz³].
CUBES = {
    "jetson-xavier-nx-gpu": 6.35e-27,
    "jetson-orin-nano-gpu": 3.94e-27,
    "raspberry-pi-4-cpu": 1.1e-27,
    "raspberry-pi-4-core": 2.82e-28,
    "snapdragon-835-cpu": 2.22e-28,
}
LAWS = (
    "static_power_w",
    "power_coefficient",
    "power_exponent",
    "level_power_w",
    "power_coefficient_w_per_hz3",
)


class Case(NamedTuple):
    """A device that runs a network, with the radio that the meter takes it to have."""

    device: dict[str, Any]
    model: dict[str, Any]
    timing: dict[str, Any]
    deadlines: tuple[float, float]


class Metered(NamedTuple):
    """A plan as a meter would see it: joules of all users, and how many are late."""

    energy_j: float
    late: int
    sent: str


def main() -> None:
    """Print the table."""
    print(f"Measured on {machine.describe()}.\n")
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {"SPLITPLAN_DATABASE_URL": f"sqlite:///{folder}/bench.db"}
        command = [
            str(Path(sys.executable).with_name("splitplan")),
            "serve",
            "--migrate",
            "--load-catalogue",
            "--port",
            "0",
        ]
        log = Path(folder) / "log"
        with log.open("wb") as output:
            service = subprocess.Popen(command, env=environment, stderr=output, stdout=output)
            try:
                with httpx.Client(base_url=address(log), timeout=300) as client:
                    for deadlines in DEADLINES:
                        table(client, deadlines)
            finally:
                service.terminate()
                service.wait(30)


def table(client: httpx.Client, deadlines: tuple[float, float]) -> None:
    """One row per device and network, and how many times less the plans need."""
    print(f"Deadlines of {deadlines[0]:g} and {deadlines[1]:g} times the device's own time.\n")
    head = ["device", "network", "planned before", "by the meter", "late", "at true rates"]
    head += ["power and radio", "lossless codecs", *(f"loss to {loss:g}" for loss in LOSSES)]
    print(f"| {' | '.join(head)} | of it | what is sent |")
    print("|---|---|" + "---:|" * (len(head) - 2) + "---:|---|")
    worths = [row(client, case) for case in cases(deadlines)]
    print("\n| at true rates over | least | median | largest | at least 5 % |")
    print("|---|---:|---:|---:|---:|")
    for position, name in enumerate(head[6:]):
        ratios = [worth[position] for worth in worths]
        print(
            f"| {name} | {min(ratios):.2f} | {statistics.median(ratios):.2f} | {max(ratios):.1f} |"
            f" {sum(ratio >= 1.05 for ratio in ratios)} of {len(ratios)} |"
        )
    print()


def row(client: httpx.Client, case: Case) -> tuple[float, ...]:
    """Print a row; the plan before, at true rates, over each of the new ones."""
    channel = entries("channels")["lte-10mhz"]
    old = case._replace(device=before(case.device), model=plain(case.model))
    bare = case._replace(model=plain(case.model))
    believed = planned(client, old, without(channel, "rate_law"), 0.0)
    was = metered(case, channel, believed)
    plans = [
        planned(client, old, channel, 0.0),
        planned(client, bare, channel, 0.0),
        *(planned(client, case, channel, loss) for loss in (0.0, *LOSSES)),
    ]
    rates, *new = (metered(case, channel, users) for users in plans)
    assert not any(plan.late for plan in (rates, *new)), case.timing["name"]
    claimed_j = sum(user["energy_j"] for user in believed)
    cells = [
        case.device["name"] + ("" if case.device["name"] in CUBES else " (cube)"),
        case.model["name"],
        *(shown(energy_j) for energy_j in (claimed_j, was.energy_j)),
        f"{was.late}",
        *(shown(plan.energy_j) for plan in (rates, *new)),
        f"{new[-1].energy_j / rates.energy_j:.0%}",
        " → ".join(dict.fromkeys(plan.sent for plan in (rates, *new))),
    ]
    print(f"| {' | '.join(cells)} |", flush=True)
    return tuple(rates.energy_j / plan.energy_j for plan in new)


def cases(deadlines: tuple[float, float]) -> Iterator[Case]:
    """Every device and network of the catalogue that were timed together; devices whose radio was
    not measured are given the phone's.
    """
    devices, models = entries("devices"), entries("models")
    radio = devices["snapdragon-835-cpu"]["radio"]
    for timing in entries("timings").values():
        if timing["processor_kind"] == "device":
            device = {"radio": radio, **devices[timing["processor"]]}
            yield Case(device, models[timing["model"]], timing, deadlines)


def entries(kind: str) -> dict[str, dict[str, Any]]:
    """The catalogue's profiles of a kind, by name."""
    listed = json.loads((CATALOGUE / f"{kind}.json").read_text(encoding="utf-8"))
    return {entry["name"]: entry for entry in listed}


def without(entry: dict[str, Any], *fields: str) -> dict[str, Any]:
    return {key: value for key, value in entry.items() if key not in fields}


def before(device: dict[str, Any]) -> dict[str, Any]:
    """The device as it was said to be: a cube, and a radio that draws what it radiates."""
    cube = CUBES.get(device["name"], device.get("power_coefficient_w_per_hz3"))
    return without(device, "radio", *LAWS) | {"power_coefficient_w_per_hz3": cube}


def plain(model: dict[str, Any]) -> dict[str, Any]:
    """The network without other ways to send its features."""
    return model | {"cuts": [without(cut, "codecs") for cut in model["cuts"]]}


def planned(
    client: httpx.Client, case: Case, channel: dict[str, Any], max_loss: float
) -> list[dict[str, Any]]:
    """The users of the plan."""
    alone_s = device_s(case, len(case.model["cuts"]) - 1, case.device["frequency_max_hz"])
    server = entries("timings").get(f"nvidia-t4.{case.model['name']}")
    users = [
        {
            "id": f"user-{n}",
            "device": case.device,
            "model": case.model,
            "device_timing": case.timing,
            "distance_m": distance_m,
            "deadline_s": case.deadlines[n % 2] * alone_s,
            "risk": RISK,
            **({"server_timing": server} if server else {}),
            **({"max_loss": max_loss} if max_loss else {}),
        }
        for n, distance_m in enumerate(DISTANCE_M)
    ]
    body = {
        "channel": channel,
        "server": entries("servers")["nvidia-t4"],
        "users": users,
        "options": {"gap": GAP, "baselines": False, "time_limit_s": 20.0},
    }
    answer = client.post("/v1/plans/robust", json=body)
    assert answer.is_success, answer.text
    plan = answer.json()
    while plan["status"] in ("queued", "running"):
        time.sleep(0.2)
        plan = client.get(f"/v1/plans/{plan['id']}").json()
    assert plan["result"] is not None, plan
    if plan["result"]["certificate"]["status"] != "optimal":
        gap = plan["result"]["certificate"]["gap"]
        print(f"{case.device['name']}.{case.model['name']}: gap {gap:.1e}", file=sys.stderr)
    told: list[dict[str, Any]] = plan["result"]["users"]
    return told


def metered(case: Case, channel: dict[str, Any], users: list[dict[str, Any]]) -> Metered:
    """The plan's clocks and shares, read by the case's own laws over the channel's own rates."""
    energy_j, late = 0.0, 0
    sent: dict[str, int] = {}
    for user, distance_m in zip(users, DISTANCE_M, strict=True):
        cut, clock_hz = case.model["cuts"][user["cut"]], user["frequency_hz"]
        codec: dict[str, Any] = next(
            (each for each in cut.get("codecs", ()) if each["name"] == user.get("codec")), {}
        )
        busy_s = device_s(case, user["cut"], clock_hz) + codec.get("device_cycles", 0.0) / clock_hz
        bit = 8.0 * codec.get("byte", cut["feature_byte"])
        most_bit = 8.0 * codec.get("byte_max", codec.get("byte", cut["feature_byte"]))
        rate_bps = true_rate_bps(case, channel, distance_m, user["bandwidth_hz"]) if bit else 1.0
        radio = case.device["radio"]
        energy_j += power_w(case.device, clock_hz) * busy_s
        energy_j += radio["active_power_w"] * bit / rate_bps + radio["energy_j_per_bit"] * bit
        bound_s = user["latency"]["bound_s"]
        if bit:  # the bound was made with the rate that the plan believed in
            bound_s += most_bit * (1.0 / rate_bps - 1.0 / user["rate_bps"])
        late += bound_s > user["deadline_s"] * (1.0 + 1e-6)
        name = f"{user['cut_name']}{':' + codec['name'] if codec else ''}"
        sent[name] = sent.get(name, 0) + 1
    return Metered(energy_j, late, ", ".join(f"{sent[name]} {name}" for name in sorted(sent)))


def device_s(case: Case, cut: int, clock_hz: float) -> float:
    """Mean time of the device's part at a clock: as measured, else by the fit."""
    entry = case.timing["cuts"][cut]
    for level in entry.get("levels", ()):
        if level["frequency_hz"] == clock_hz:
            return float(level["mean_s"])
    flop = case.model["cuts"][cut]["flop"]
    return float(flop / entry["flop_per_cycle"] / clock_hz + entry["overhead_s"])


def power_w(device: dict[str, Any], clock_hz: float) -> float:
    """Above idle, while computing."""
    if "level_power_w" in device:
        at = device["frequency_levels_hz"].index(clock_hz)
        return float(device["level_power_w"][at])
    if "power_coefficient_w_per_hz3" in device:
        return float(device["power_coefficient_w_per_hz3"] * clock_hz**3)
    clocked = device["power_coefficient"] * clock_hz ** device["power_exponent"]
    return float(device.get("static_power_w", 0.0) + clocked)


def true_rate_bps(case: Case, channel: dict[str, Any], distance_m: float, share_hz: float) -> float:
    """What the channel's law lets through in a share."""
    loss = channel["path_loss"]
    loss_db = loss["intercept_db"] + 10.0 * loss["exponent"] * math.log10(distance_m)
    noise_dbm = channel["noise_psd_dbm_per_hz"] + 10.0 * math.log10(share_hz)
    snr_db = 10.0 * math.log10(1e3 * case.device["tx_power_w"]) - loss_db - noise_dbm
    law = channel["rate_law"]
    shannon = math.log2(1.0 + 10.0 ** ((snr_db - law.get("snr_gap_db", 0.0)) / 10.0))
    return float(share_hz * min(law["max_bps_per_hz"], law["efficiency"] * shannon))


def shown(energy_j: float) -> str:
    """Three digits."""
    return f"{energy_j:.3g} J" if energy_j >= 1.0 else f"{1e3 * energy_j:.3g} mJ"


if __name__ == "__main__":
    main()

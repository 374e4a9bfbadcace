"""Plans of a Raspberry Pi 4's VGG16 beside what was measured there, cut by cut and clock by clock:
`python -m benchmarks published_cuts`.

Each measured run becomes a user who has nothing but that head at that clock, so that the plan says
what it takes the head to cost; all are planned in one request.
"""

import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from app.catalogue import measured_cuts, service
from app.profiles.schemas.profile import Profile
from benchmarks.power_figures import figures
from benchmarks.rig import Process
from solvers.arrays import Booleans, Floats
from solvers.measurement.power_samples import PowerSamples

# Drawn by the board while it waits for network and server [W] (the device's reference).
WAITING_W = 3.17
# The cuts of the source: behind the last pooling layer it has the flattening as one of its own.
SOURCE_CUTS = [0, *range(1, 19), 18, 19, 20, 21]


@dataclass(frozen=True, slots=True)
class Planned:
    """Runs of single heads: what the plan says and what was measured, both in SI units.

    `cut` is a position in `measured_cuts.HEAD_MS`; energy is the board's, waiting for network and
    server taken off what was measured.
    """

    cut: Floats
    clock_hz: Floats
    time_s: Floats
    energy_j: Floats
    measured_s: Floats
    measured_j: Floats
    wait_j: Floats

    @property
    def time_error(self) -> Floats:
        """Planned over measured, less 1."""
        return self.time_s / self.measured_s - 1.0

    @property
    def energy_error(self) -> Floats:
        """Of the whole run's energy, which is what the meter showed."""
        run_j = self.measured_j + self.wait_j
        return (self.energy_j + self.wait_j) / run_j - 1.0


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        url = f"sqlite:///{folder}/bench.db"
        process = Process(
            folder, "serve", "--migrate", "--load-catalogue", "--port", "0", database_url=url
        )
        try:
            with httpx.Client(base_url=process.address(), timeout=120.0, trust_env=False) as client:
                table(planned(client))
        finally:
            process.end()


def table(found: Planned) -> None:
    """Errors over the runs of each cut, and over all."""
    print(
        "| cut | runs | time: median, largest error | energy of the run: median, largest error |"
        "\n|---|---:|---|---|"
    )
    names = list(measured_cuts.HEAD_MS)
    for cut in np.unique(found.cut):
        _row(names[int(cut)], found, found.cut == cut)
    _row("all", found, np.ones(len(found.cut), dtype=bool))
    for what, errors in (("time", found.time_error), ("energy", found.energy_error)):
        print(f"\n90 % of the errors of {what} are within {np.quantile(abs(errors), 0.9):.1%}.")


def _row(name: str, found: Planned, where: Booleans) -> None:
    told = [
        f"{np.median(abs(errors[where])):.1%}, {abs(errors[where]).max():.1%}"
        for errors in (found.time_error, found.energy_error)
    ]
    print(f"| {name} | {where.sum()} | {told[0]} | {told[1]} |")


def measured() -> tuple[PowerSamples, Floats]:
    """The runs at clocks that the catalogue has a time for, and their cuts."""
    samples = figures()["Raspberry Pi 4", "board"]
    # Workloads are sorted by name: "vgg16 cut 10" comes before "vgg16 cut 2".
    names = sorted(f"vgg16 cut {cut}" for cut in range(2, len(SOURCE_CUTS)))
    source = np.array([int(name.rpartition(" ")[2]) for name in names])
    return samples, np.asarray(np.array(SOURCE_CUTS)[source[samples.workload]], dtype=float)


def request(users: Iterable[tuple[int, float]]) -> dict[str, Any]:
    """A plan of users who each run one head, at one clock, whatever else is there."""
    shipped = {profile.name: profile for profile in service.shipped()}
    device = body(shipped[measured_cuts.DEVICE])
    model = body(shipped[measured_cuts.MODEL])
    timing = body(shipped[f"{measured_cuts.DEVICE}.{measured_cuts.MODEL}"])
    return {
        "channel": "wifi-20mhz",
        "server": "nvidia-t4",
        "options": {"energy": "whole"},
        "users": [
            {
                "id": f"run {run}",
                "device": device
                | {
                    "frequency_min_hz": clock_hz,
                    "frequency_max_hz": clock_hz,
                    "frequency_levels_hz": [clock_hz],
                },
                "model": model
                | {"cuts": [model["cuts"][0], model["cuts"][cut] | {"feature_byte": 0}]},
                "device_timing": timing | {"cuts": [timing["cuts"][0], timing["cuts"][cut]]},
                "gain_db": -200.0,  # out of reach: nothing is sent
                "deadline_s": 60.0,
                "risk": 0.01,
            }
            for run, (cut, clock_hz) in enumerate(users)
        ],
    }


def body(profile: Profile) -> dict[str, Any]:
    """A profile as a request carries it."""
    written: dict[str, Any] = profile.model_dump(mode="json", exclude_none=True)
    return written


def planned(client: httpx.Client) -> Planned:
    """Have a service that has the catalogue plan all runs."""
    samples, cut = measured()
    clock_hz = np.round(samples.frequency_hz, -6)
    users = [(int(c), float(f)) for c, f in zip(cut, clock_hz, strict=True)]
    answer = client.post("/v1/plans/robust", json=request(users))
    answer.raise_for_status()
    users_planned = answer.json()["result"]["users"]
    wait_j = WAITING_W * samples.wait_s
    return Planned(
        cut=cut,
        clock_hz=clock_hz,
        time_s=np.array([user["latency"]["mean_s"] for user in users_planned]),
        energy_j=np.array([user["energy_j"] for user in users_planned]),
        measured_s=samples.time_s,
        measured_j=samples.energy_j - wait_j,
        wait_j=wait_j,
    )

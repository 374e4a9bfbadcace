"""What experiments cost beside a request for each point: `python -m benchmarks.experiments`.

Fifty bandwidths by twenty deadlines of the demo's twelve cameras, as one experiment and as a
thousand requests for plans, by turns, of one service. What is compared is the processor time of all
its processes, web, worker and solvers: neighbours on the machine hardly show in it. So is one axis
of fifty bandwidths with one plan. Every point is held against the plan of its request.
"""

import argparse
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import numpy as np

from benchmarks import machine
from benchmarks.rig import Process, scratch
from client.demo import REQUEST

Json = dict[str, Any]

DEADLINES = np.linspace(0.9, 1.5, 20).tolist()
BANDWIDTHS_HZ = np.geomspace(5e6, 4e7, 50).tolist()
_AGREEMENT = 2e-6  # two plans that are proven to 1e-6
_PLAN = "/v1/plans/robust"


@dataclass(slots=True)
class Measured:
    """Processor time of each round [s], and by the clock."""

    separate_s: list[float] = field(default_factory=list)
    experiment_s: list[float] = field(default_factory=list)
    axis_s: list[float] = field(default_factory=list)
    separate_clock_s: list[float] = field(default_factory=list)
    experiment_clock_s: list[float] = field(default_factory=list)
    worst: float = 0.0
    """Largest relative difference between a point and the plan of its request."""


def requests() -> Iterator[Json]:
    """A request for each point, in the order of the grid."""
    for factor in DEADLINES:
        users = [user | {"deadline_s": factor * user["deadline_s"]} for user in REQUEST["users"]]
        for bandwidth_hz in BANDWIDTHS_HZ:
            yield REQUEST | {"name": None, "users": users, "bandwidth_hz": bandwidth_hz}


def experiment(deadlines: list[float]) -> Json:
    """All points as one request."""
    return {
        "base": {"kind": "robust", "request": REQUEST},
        "axes": [
            {"pointer": "/users/*/deadline_s", "scale": True, "values": deadlines},
            {"pointer": "/bandwidth_hz", "values": BANDWIDTHS_HZ},
        ],
    }


class Service:
    """A service and all its processes."""

    def __init__(self, process: Process) -> None:
        self.client = httpx.Client(base_url=process.address(), timeout=120.0, trust_env=False)
        self._of = process.seen

    def processor_s(self) -> float:
        """What its processes have taken, those that are gone as well."""
        taken = 0.0
        for each in (self._of, *self._of.children(recursive=True)):
            times = each.cpu_times()
            taken += times.user + times.system
            if each is self._of:
                taken += times.children_user + times.children_system
        return taken

    @contextmanager
    def taking(self, into: list[float], clock: list[float]) -> Iterator[None]:
        """Note the processor time of what is done within, and what the clock says."""
        before, begun = self.processor_s(), time.perf_counter()
        yield
        clock.append(time.perf_counter() - begun)
        into.append(self.processor_s() - before)

    def carried_out(self, asked: Json) -> Json:
        """An experiment that has ended."""
        answer = self.client.post("/v1/experiments", json=asked, headers={"Prefer": "wait=60"})
        assert answer.status_code == 201, answer.text
        ended: Json = answer.json()
        assert ended["status"] == "finished", ended
        return ended

    def energies_j(self, ended: Json) -> list[float | None]:
        """Of all points."""
        address = f"/v1/experiments/{ended['id']}/points"
        points = self.client.get(address, params={"limit": 1000}).json()["items"]
        return [point["objective"] for point in points]


def a_round(service: Service, measured: Measured) -> None:
    """Both ways once."""
    separate: list[float | None] = []
    with service.taking(measured.separate_s, measured.separate_clock_s):
        for asked in requests():
            body = {key: value for key, value in asked.items() if value is not None}
            result = service.client.post(_PLAN, json=body).raise_for_status().json()["result"]
            separate.append(None if result is None else result["objective"]["energy_j"])
    with service.taking(measured.experiment_s, measured.experiment_clock_s):
        ended = service.carried_out(experiment(DEADLINES))
        together = service.energies_j(ended)
    with service.taking(measured.axis_s, []):
        service.carried_out(experiment([1.0]))
    for one, other in zip(separate, together, strict=True):
        assert (one is None) == (other is None)
        if one is not None and other is not None:
            measured.worst = max(measured.worst, abs(one - other) / one)
    assert measured.worst <= _AGREEMENT, measured.worst


def told(measured: Measured) -> None:
    """The figures as a table of Markdown."""
    points = len(DEADLINES) * len(BANDWIDTHS_HZ)
    separate, together, axis, separate_clock, together_clock = (
        statistics.median(each)
        for each in (
            *(measured.separate_s, measured.experiment_s, measured.axis_s),
            *(measured.separate_clock_s, measured.experiment_clock_s),
        )
    )
    plan_s = separate / points
    print(f"\n| {points} points, 12 cameras | processor time | by the clock |\n|---|---|---|")
    each, point = 1e3 * plan_s, 1e3 * together / points
    print(
        f"| {points} requests for plans, one after the other | {separate:.2f} s, {each:.2f} ms each"
        f" | {separate_clock:.2f} s |"
    )
    print(f"| one experiment | {together:.2f} s, {point:.2f} ms a point | {together_clock:.2f} s |")
    part, by_clock = separate / together, separate_clock / together_clock
    print(f"| of the requests | 1/{part:.1f} | 1/{by_clock:.1f} |")
    print(f"| an axis of 50 bandwidths | {1e3 * axis:.0f} ms, {axis / plan_s:.1f} plans | |")
    print(f"| largest difference to a request's plan | {measured.worst:.1e} | |")


def main() -> None:
    """Measure, and tell."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    print(machine.describe())
    with scratch() as folder:
        url = f"sqlite:///{folder}/experiments.db"
        process = Process(
            folder, "serve", "--migrate", "--load-catalogue", port=0, database_url=url
        )
        try:
            service, measured = Service(process), Measured()
            service.carried_out(experiment([1.0]))  # whoever takes part is warm
            for _ in range(rounds):
                a_round(service, measured)
                time.sleep(0.5)
            told(measured)
        finally:
            process.popen.terminate()
            process.popen.wait()


if __name__ == "__main__":
    main()

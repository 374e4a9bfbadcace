"""A 12-user request against a real service on loopback. `python -m benchmarks.http`."""

import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx

from benchmarks import machine

REQUESTS = 200
REQUEST = {
    "channel": "lte-10mhz",
    "server": "nvidia-t4",
    "users": [
        {
            "id": f"camera-{n}",
            "device": "jetson-xavier-nx-cpu",
            "model": "alexnet",
            "distance_m": 40.0 + 20.0 * n,
            "deadline_s": 0.2,
            "risk": 0.02,
        }
        for n in range(12)
    ],
}


def main() -> None:
    """Print the latency of small plans through HTTP, with the solver's part."""
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {"SPLITPLAN_DATABASE_URL": f"sqlite:///{folder}/bench.db"}
        command = [
            str(Path(sys.executable).with_name("splitplan")),
            "serve",
            "--migrate",
            "--load-catalogue",
        ]
        log = Path(folder) / "log"
        with log.open("wb") as output:
            service = subprocess.Popen(
                [*command, "--port", "0"], env=environment, stderr=output, stdout=output
            )
            try:
                measure(address(log))
            finally:
                service.terminate()
                service.wait(10)


def address(log: Path) -> str:
    """Where the service says that it listens."""
    for _ in range(300):
        found = re.search(r"listening on (http://\S+?),", log.read_text())
        if found:
            return found[1]
        time.sleep(0.1)
    raise TimeoutError(log.read_text())


def measure(url: str) -> None:
    """One client, one request after the other."""
    with httpx.Client(base_url=url) as client:
        whole, solver = [], []
        for n in range(REQUESTS + 20):
            start = time.perf_counter()
            answer = client.post("/v1/plans/robust", json=REQUEST).raise_for_status()
            elapsed = 1e3 * (time.perf_counter() - start)
            if n >= 20:
                whole.append(elapsed)
                solver.append(1e3 * answer.json()["provenance"]["solve_s"])
    print(f"Measured on {machine.describe()}.\n")
    print("| 12 users through HTTP, stored | least | p50 | p95 |")
    print("|---|---|---|---|")
    for name, times in (("request to answer, ms", whole), ("of which solve and check, ms", solver)):
        ordered = sorted(times)
        print(
            f"| {name} | {ordered[0]:.1f} | {statistics.median(times):.1f} |"
            f" {ordered[int(0.95 * len(times))]:.1f} |"
        )
    print()


if __name__ == "__main__":
    main()

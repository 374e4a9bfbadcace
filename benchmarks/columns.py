"""Large fleets through HTTP, as columns in and out: `python -m benchmarks.columns [users
cells]...`.
"""

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import httpx
import numpy as np
import pyarrow as pa

from benchmarks import machine
from benchmarks.http import address
from tests.support.builders import Body, a_channel, a_device, a_model, a_server, a_timing

ARROW = "application/vnd.apache.arrow.stream"
CUTS = 8
# Users and cells: one cell, and many.
FLEETS = ((10_000, 1), (100_000, 1), (100_000, 10), (1_000_000, 100))


def profiles() -> dict[str, Body]:
    """A network of eight cuts whose features shrink, on a CPU of free clocks."""
    cuts: list[Body] = []
    for m in range(CUTS):
        byte = 0 if m == CUTS - 1 else round(150_528 * 0.62**m)
        flop = round(2.0e8 * (m / (CUTS - 1)) ** 1.3)
        cuts.append(
            {
                "name": f"layer{m}",
                "flop": flop,
                "feature_byte": byte,
                "parameter_byte": 2_000_000 * m,
            }
        )
    times = [
        {"flop_per_cycle": 4.0, "overhead_s": 2e-4 * m, "variance_s2": 7e-7 * m}
        for m in range(CUTS)
    ]
    return {
        "devices": a_device(),
        "models": a_model(cuts=cuts),
        "channels": a_channel(),
        "servers": a_server(),
        "timings": a_timing(cuts=times),
    }


def fleet(users: int, cells: int) -> bytes:
    """Cameras 30 to 300 m from their masts, in any order."""
    rng = np.random.default_rng(users)
    columns = {
        "id": pa.array([f"camera-{n:07d}" for n in range(users)]),
        "device": pa.array(["camera-cpu"] * users).dictionary_encode(),
        "model": pa.array(["small-net"] * users).dictionary_encode(),
        "distance_m": rng.uniform(30.0, 300.0, users),
        "deadline_s": rng.uniform(0.15, 0.4, users),
        "risk": rng.uniform(0.01, 0.1, users),
    }
    terms: Body = {"channel": "cell", "server": "edge-gpu", "bandwidth_hz": 1.2e6 * users / cells}
    terms["options"] = {"time_limit_s": 600.0}
    if cells > 1:
        names = pa.array([f"mast-{c}" for c in range(cells)])
        columns["cell"] = pa.DictionaryArray.from_arrays(
            rng.integers(0, cells, users).astype(np.int32), names
        )
        terms["cells"] = [{"id": f"mast-{c}"} for c in range(cells)]
    table = pa.table(columns).replace_schema_metadata({"splitplan": json.dumps(terms)})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    packed: bytes = sink.getvalue().to_pybytes()
    return packed


class Memory:
    """The largest resident memory of a process and all its descendants together."""

    def __init__(self, root: int) -> None:
        self._root, self.peak_mb = root, 0.0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> "Memory":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._done.wait(0.1):
            self.peak_mb = max(self.peak_mb, self._now_mb())

    def _now_mb(self) -> float:
        parents, sizes = {}, {}
        for status in Path("/proc").glob("[0-9]*/status"):
            try:
                fields = dict(
                    line.split(":", 1) for line in status.read_text().splitlines() if ":" in line
                )
            except OSError:
                continue  # it ended meanwhile
            pid = int(status.parent.name)
            parents[pid], sizes[pid] = (
                int(fields["PPid"]),
                int(fields.get("VmRSS", "0 kB").split()[0]) / 1024,
            )
        mine = {self._root}
        while more := {pid for pid, parent in parents.items() if parent in mine} - mine:
            mine |= more
        return sum(sizes.get(pid, 0.0) for pid in mine)


def measure(url: str, root: int, users: int, cells: int) -> None:
    """One fleet from the request to the stored answer, and the answer read again."""
    body = fleet(users, cells)
    with httpx.Client(base_url=url, timeout=300.0) as client, Memory(root) as memory:
        start = time.perf_counter()
        answer = client.post("/v1/plans/robust", content=body, headers={"Content-Type": ARROW})
        assert answer.status_code == 202, answer.text
        accepted_s = time.perf_counter() - start
        plan = answer.json()
        while plan["status"] in ("queued", "running"):
            time.sleep(0.05)
            plan = client.get(answer.headers["Location"]).json()
        ended_s = time.perf_counter() - start
        assert plan["status"] == "solved", plan
        place = plan["result"]["users_url"]
        start = time.perf_counter()
        assert client.get(f"{place}/camera-{users // 2:07d}").status_code == 200
        one_ms = 1e3 * (time.perf_counter() - start)
        start = time.perf_counter()
        size = len(client.get(place, headers={"Accept": ARROW}).content)
        read_s = time.perf_counter() - start
    certificate = plan["result"]["certificate"]
    print(
        f"| {users:,} | {cells} | {len(body) / 1e6:.1f} | {accepted_s:.2f} |"
        f" {plan['provenance']['solve_s']:.1f} | {ended_s:.1f} | {certificate['gap']:.0e} |"
        f" {memory.peak_mb:.0f} | {one_ms:.0f} | {size / 1e6:.0f} in {read_s:.1f} |",
        flush=True,
    )


def main(*given: str) -> None:
    """Print a row for every fleet."""
    sizes = [int(some) for some in given]
    fleets = list(zip(sizes[::2], sizes[1::2], strict=True)) or FLEETS
    print(
        f"Measured on {machine.describe()}: {CUTS} cuts, free clocks, SQLite, web and worker on the"
        " same machine.\n"
    )
    print(
        "| users | cells | request, MB | accepted after, s | solved and checked in, s | stored"
        " after, s | gap | peak memory of all processes, MB | one user, ms | all users as Arrow, MB"
        " in s |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {"SPLITPLAN_DATABASE_URL": f"sqlite:///{folder}/bench.db"}
        command = [sys.executable, "-m", "app.command", "serve", "--migrate", "--port", "0"]
        log = Path(folder) / "log"
        with log.open("wb") as output:
            service = subprocess.Popen(command, env=environment, stderr=output, stdout=output)
        try:
            url = address(log)
            for collection, profile in profiles().items():
                httpx.post(f"{url}/v1/{collection}", json=profile).raise_for_status()
            while httpx.get(f"{url}/readyz").status_code != 200:
                time.sleep(0.1)
            for users, cells in fleets:
                measure(url, service.pid, users, cells)
        finally:
            service.terminate()
            service.wait(60)


if __name__ == "__main__":
    main(*sys.argv[1:])

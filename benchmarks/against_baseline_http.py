"""A 12-user request through HTTP: beside an earlier build, a bare endpoint, and 32 clients.

`python -m benchmarks.against_baseline_http [REVISION]`; the revision is laid out beside this one
and run by the same interpreter, in turns, so that both see the same machine.
"""

import json
import statistics
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx

from benchmarks import baseline, machine
from benchmarks.http import REQUEST
from benchmarks.rig import Process, scratch

ROUNDS, REQUESTS = 8, 40
CLIENTS, SECONDS = 32, 20.0
STARTS = 4  # the first of each migrates and loads, and is not counted
# An endpoint that validates the same body and stores one row with the same care, and nothing else.
BARE = """
import json, sys, uuid
import uvicorn
from fastapi import FastAPI, Request
from sqlalchemy import JSON, String
from sqlalchemy.orm import Mapped, mapped_column
from app.db import Base, open_database
from app.plans.robust.schemas import RobustRequest

class Row(Base):
    __tablename__ = "bare"
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    request: Mapped[dict] = mapped_column(JSON)

database = open_database(sys.argv[1])
Base.metadata.create_all(database.engine, tables=[Row.__table__])
app = FastAPI()

@app.post("/v1/plans/robust", status_code=201)
def plan(body: RobustRequest) -> dict:
    row = Row(id=uuid.uuid4().hex, request=body.model_dump(mode="json"))
    with database.writing() as session:
        session.add(row)
    return {"id": row.id}

config = uvicorn.Config(app, port=0, log_level="error", access_log=False)
server = uvicorn.Server(config)
listener = config.bind_socket()
print("listening on http://127.0.0.1:%d, bare" % listener.getsockname()[1], file=sys.stderr)
server.run(sockets=[listener])
"""


class Served:
    """A service, and one client of it."""

    def __init__(self, process: Process) -> None:
        self.process, self.url = process, process.address()
        self.client = httpx.Client(base_url=self.url, timeout=60.0, trust_env=False)

    def processor_s(self) -> float:
        """Processor time of the process and of those that it started and that have ended [s]."""
        spent = self.process.seen.cpu_times()
        return float(sum(spent[:4]))

    def resident_mb(self) -> float:
        """Resident memory [MB]."""
        return float(self.process.seen.memory_info().rss) / 1e6

    def ask(self) -> float:
        """Seconds that a request takes."""
        begun = time.perf_counter()
        self.client.post("/v1/plans/robust", json=REQUEST).raise_for_status()
        return time.perf_counter() - begun

    def close(self) -> None:
        """End both."""
        self.client.close()
        self.process.end()


def served(folder: Path, checkout: Path, **settings: object) -> Served:
    """The service of a checkout, on a database of its own."""
    folder.mkdir(exist_ok=True)
    database = f"sqlite:///{folder}/bench.db"
    words = ("serve", "--migrate", "--load-catalogue", "--port", "0")
    return Served(
        Process(folder, *words, checkout=checkout, database_url=database, workers=0, **settings)
    )


def bare(folder: Path) -> Served:
    """The bare endpoint."""
    folder.mkdir()
    command = (sys.executable, "-c", BARE, f"sqlite:///{folder}/bench.db")
    return Served(Process(folder, "bare", command=command))


def in_turns(services: dict[str, Served]) -> None:
    """Print processor time and latency of each, one client, in turns."""
    for service in services.values():
        for _ in range(20):
            service.ask()
    spent = dict.fromkeys(services, 0.0)
    took: dict[str, list[float]] = {name: [] for name in services}
    for _ in range(ROUNDS):
        for name, service in services.items():
            before = service.processor_s()
            took[name] += [service.ask() for _ in range(REQUESTS)]
            spent[name] += service.processor_s() - before
    print("| 12 users, stored, one client | processor, ms | p50, ms | p95, ms | resident, MB |")
    print("|---|---|---|---|---|")
    for name, service in services.items():
        ordered = sorted(took[name])
        last = ordered[int(0.95 * len(ordered))]
        print(
            f"| {name} | {1e3 * spent[name] / (ROUNDS * REQUESTS):.1f} |"
            f" {1e3 * statistics.median(ordered):.1f} | {1e3 * last:.1f}"
            f" | {service.resident_mb():.0f} |"
        )
    print()


LOAD = """
import asyncio, json, sys, time
import httpx
url, clients, seconds, body = sys.argv[1:]
clients, seconds, body = int(clients), float(seconds), body.encode()
headers = {"Content-Type": "application/json"}
took, later = [], []
async def one(client, until):
    while (begun := time.perf_counter()) < until:
        answer = await client.post("/v1/plans/robust", content=body, headers=headers)
        if answer.status_code != 201:
            later.append(answer.status_code)
        took.append(time.perf_counter() - begun)
async def main():
    async with httpx.AsyncClient(base_url=url, timeout=60.0) as client:
        until = time.perf_counter() + seconds
        await asyncio.gather(*(one(client, until) for _ in range(clients)))
asyncio.run(main())
print(json.dumps({"took": took, "later": later}))
"""


def starts(folder: Path, checkouts: dict[str, Path]) -> None:
    """Print what it takes to be ready again on a database that has all, in turns."""
    print("| start on a database that has all | processor, s | resident when ready, MB |")
    print("|---|---|---|")
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in checkouts}
    for _ in range(STARTS):
        for name, checkout in checkouts.items():
            again = served(folder / name, checkout)
            found[name].append((again.processor_s(), again.resident_mb()))
            again.close()
    for name, each in found.items():
        spent, held = (statistics.median(values) for values in zip(*each[1:], strict=True))
        print(f"| {name} | {spent:.1f} | {held:.0f} |")
    print()


def at_once(services: dict[str, Served]) -> None:
    """Print throughput and latency with many clients at once."""
    print(f"| {CLIENTS} clients for {SECONDS:g} s | plans/s | p50, ms | p95, ms | not at once |")
    print("|---|---|---|---|---|")
    for name, service in services.items():
        command = [sys.executable, "-c", LOAD, service.url, str(CLIENTS), str(SECONDS)]
        said = subprocess.run(
            [*command, json.dumps(REQUEST)], check=True, capture_output=True, text=True
        ).stdout
        told: dict[str, Any] = json.loads(said)
        ordered = sorted(told["took"])
        print(
            f"| {name} | {len(ordered) / SECONDS:.0f} | {1e3 * statistics.median(ordered):.0f} |"
            f" {1e3 * ordered[int(0.95 * len(ordered))]:.0f} | {len(told['later'])} |"
        )
    print()


def main(revision: str = baseline.COMMIT) -> None:
    """Print all figures."""
    print(f"Measured on {machine.describe()}, against {revision}.\n")
    with ExitStack() as stack:
        folder = stack.enter_context(scratch())
        earlier = stack.enter_context(baseline.laid_out(revision))
        starts(folder, {"this build": baseline.CHECKOUT, f"build {revision}": earlier})
        running = {}
        for name, start in {
            "this build": lambda: served(folder / "this", baseline.CHECKOUT),
            "with numpy": lambda: served(folder / "numpy", baseline.CHECKOUT, kernel="numpy"),
            f"build {revision}": lambda: served(folder / "earlier", earlier),
            "bare endpoint": lambda: bare(folder / "bare"),
        }.items():
            running[name] = start()
            stack.callback(running[name].close)
        in_turns(running)
        at_once(running)


if __name__ == "__main__":
    main(*sys.argv[1:])

"""A 12-user request through HTTP: beside an earlier build, a bare endpoint, and 32 clients.

`python -m benchmarks.against_baseline_http [REVISION]`; the revision is checked out beside this one
and run by the same interpreter, in turns, so that both see the same machine.
"""

import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx

from benchmarks import machine

BASELINE = "2220e6e"
ROUNDS, REQUESTS = 8, 40
CLIENTS, SECONDS = 32, 20.0
USERS = [
    {
        "id": f"camera-{n}",
        "device": "jetson-xavier-nx-cpu",
        "model": "alexnet",
        "distance_m": 40.0 + 20.0 * n,
        "deadline_s": 0.2,
        "risk": 0.02,
    }
    for n in range(12)
]
REQUEST = {"channel": "lte-10mhz", "server": "nvidia-t4", "users": USERS}
CHECKOUT = Path(__file__).parent.parent
SERVE = "import sys; sys.argv = ['splitplan', *sys.argv[1:]]; from app.command import main; main()"
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
print("listening on http://127.0.0.1:%d, bare" % listener.getsockname()[1], flush=True)
server.run(sockets=[listener])
"""


class Served:
    """A process that answers on loopback."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process = process
        for _ in range(1200):
            found = re.search(r"listening on (http://\S+?),", log.read_text())
            if found:
                break
            if process.poll() is not None:
                raise RuntimeError(log.read_text())
            time.sleep(0.1)
        else:
            raise TimeoutError(log.read_text())
        self.url = found[1]
        self.client = httpx.Client(base_url=self.url, timeout=60.0)

    def processor_s(self) -> float:
        """Processor time of the process [s]."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")

    def resident_mb(self) -> float:
        """Resident memory [MB]."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        (found,) = re.findall(r"VmRSS:\s+(\d+) kB", status)
        return int(found) / 1e3

    def ask(self) -> float:
        """Seconds that a request takes."""
        begun = time.perf_counter()
        self.client.post("/v1/plans/robust", json=REQUEST).raise_for_status()
        return time.perf_counter() - begun


@contextmanager
def served(checkout: Path, folder: Path, program: str, *words: str) -> Iterator[Served]:
    """A program of a checkout, served until the end."""
    folder.mkdir()
    environment = os.environ | {"SPLITPLAN_DATABASE_URL": f"sqlite:///{folder}/bench.db"}
    environment |= {"PYTHONPATH": str(checkout), "SPLITPLAN_WORKERS": "0"}
    environment |= {"PYTHONUNBUFFERED": "1"}
    log = folder / "log"
    with log.open("wb") as written:
        process = subprocess.Popen(
            [sys.executable, "-c", program, *words],
            cwd=checkout,
            env=environment,
            stdout=written,
            stderr=written,
        )
        try:
            yield Served(process, log)
        finally:
            process.terminate()
            process.wait(20)


@contextmanager
def checked_out(revision: str) -> Iterator[Path]:
    """An earlier build, beside this one."""
    with tempfile.TemporaryDirectory(prefix="splitplan-baseline-") as folder:
        where = Path(folder, "checkout")
        git = ["git", "-C", str(CHECKOUT), "worktree"]
        subprocess.run([*git, "add", "--quiet", "--detach", str(where), revision], check=True)
        try:
            yield where
        finally:
            subprocess.run([*git, "remove", "--force", str(where)], check=True)


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
took, failed = [], []
async def one(client, until):
    while (begun := time.perf_counter()) < until:
        answer = await client.post("/v1/plans/robust", content=body, headers=headers)
        if answer.status_code != 201:
            failed.append(answer.status_code)
        took.append(time.perf_counter() - begun)
async def main():
    async with httpx.AsyncClient(base_url=url, timeout=60.0) as client:
        until = time.perf_counter() + seconds
        await asyncio.gather(*(one(client, until) for _ in range(clients)))
asyncio.run(main())
print(json.dumps({"took": took, "failed": failed}))
"""


def at_once(services: dict[str, Served]) -> None:
    """Print throughput and latency with many clients at once."""
    print(f"| {CLIENTS} clients at once for {SECONDS:g} s | plans/s | p50, ms | p95, ms | failed |")
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
            f" {1e3 * ordered[int(0.95 * len(ordered))]:.0f} | {len(told['failed'])} |"
        )
    print()


def main(revision: str = BASELINE) -> None:
    """Print all figures."""
    print(f"Measured on {machine.describe()}, against {revision}.\n")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="splitplan-bench-")))
        words = ("serve", "--migrate", "--load-catalogue", "--port", "0")
        baseline = stack.enter_context(checked_out(revision))
        services = {
            "this build": served(CHECKOUT, folder / "this", SERVE, *words),
            f"build {revision}": served(baseline, folder / "earlier", SERVE, *words),
            "bare endpoint": served(CHECKOUT, folder / "bare", BARE, f"sqlite:///{folder}/bare.db"),
        }
        running = {name: stack.enter_context(service) for name, service in services.items()}
        in_turns(running)
        at_once(running)


if __name__ == "__main__":
    main(*sys.argv[1:])

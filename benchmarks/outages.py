"""Databases that go away, are full, or may only be read, under load:
`python -m benchmarks.outages [NAME...] --seconds 600`.

Nothing that was accepted may be lost, each refusal says what it is for, and all goes on by itself.
What is asked is the mixture of `benchmarks.load`; a plan is asked for again, with its key, until it
is answered. `full` needs a machine on which one may mount a small file system.
"""

import argparse
import os
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import uvloop
from sqlalchemy import create_engine, make_url, text

from benchmarks import machine
from benchmarks.load import Installation, ask, on_postgres, on_sqlite, print_requests
from benchmarks.rig import Postgres, scratch, spread

# What may be answered while a database is away, full or not to be written.
REFUSALS = {
    "503 database-unavailable",
    "503 database-busy",
    "503 database-full",
    "503 database-read-only",
    "503 not-ready",
}


@dataclass(slots=True)
class Done:
    """What was done to a database meanwhile."""

    what: Counter[str] = field(default_factory=Counter)
    away_s: list[float] = field(default_factory=list)


@contextmanager
def again_and_again(act: Callable[[random.Random], None]) -> Iterator[None]:
    """Do something every 5 to 40 s until the end."""
    chance, enough = random.Random(1), threading.Event()

    def run() -> None:
        while not enough.wait(chance.uniform(5.0, 40.0)):
            act(chance)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        enough.set()
        thread.join()


def restarted(folder: Path, seconds: float, rate_hz: float) -> list[str]:
    """Postgres restarted every 5 to 40 s: in peace, as a crash, and away for up to 10 s."""
    done = Done()

    def meanwhile(server: Postgres) -> AbstractContextManager[None]:
        def restart(chance: random.Random) -> None:
            mode = chance.choice(("fast", "immediate"))
            away_s = chance.choice((0.0, 0.0, chance.uniform(0.0, 10.0)))
            done.away_s.append(server.restart(mode, away_s))
            done.what[f"{mode}, {'away for a while' if away_s else 'at once'}"] += 1

        return again_and_again(restart)

    with on_postgres(folder, webs=2) as installation:
        return told(installation, seconds, rate_hz, lambda: meanwhile(installation.server), done)


def read_only(folder: Path, seconds: float, rate_hz: float) -> list[str]:
    """Postgres that may only be read for 5 s, every 5 to 40 s."""
    done = Done()

    def meanwhile(server: Postgres) -> AbstractContextManager[None]:
        def forbid(_: random.Random) -> None:
            begun = time.monotonic()
            for which in ("on", "off"):
                change(server, f"ALTER SYSTEM SET default_transaction_read_only = {which}")
                change(server, "SELECT pg_reload_conf()")
                if which == "on":
                    time.sleep(5.0)
            done.what["read only"] += 1
            done.away_s.append(time.monotonic() - begun)

        return again_and_again(forbid)

    with on_postgres(folder, webs=2) as installation:
        return told(installation, seconds, rate_hz, lambda: meanwhile(installation.server), done)


def change(server: Postgres, statement: str) -> None:
    """Tell a server something, whatever it is told of transactions."""
    address = make_url(server.url).set(drivername="postgresql+psycopg")
    engine = create_engine(address, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text("SET default_transaction_read_only = off"))
        connection.execute(text(statement))
    engine.dispose()


def full(folder: Path, seconds: float, rate_hz: float) -> list[str]:
    """SQLite on a disk that is filled by someone else for 30 to 60 s, again and again."""
    disk, done = folder / "disk", Done()
    disk.mkdir()
    with mounted(disk, "256m"):

        def fill(chance: random.Random) -> None:
            begun = time.monotonic()
            filler = os.open(disk / "of-someone-else", os.O_WRONLY | os.O_CREAT)
            for size in (2**20, 4096, 1):  # to the last byte
                with suppress(OSError):
                    while True:
                        os.write(filler, bytes(size))
            os.close(filler)
            time.sleep(chance.uniform(30.0, 60.0))  # its log has room for the first half minute
            (disk / "of-someone-else").unlink()
            done.what["full"] += 1
            done.away_s.append(time.monotonic() - begun)

        with on_sqlite(folder, 1, disk) as installation:
            return told(installation, seconds, rate_hz, lambda: again_and_again(fill), done)


@contextmanager
def mounted(folder: Path, size: str) -> Iterator[None]:
    """A file system of so many bytes in memory."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "none", folder], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def told(
    installation: Installation,
    seconds: float,
    rate_hz: float,
    meanwhile: Callable[[], AbstractContextManager[None]],
    done: Done,
) -> list[str]:
    """Ask while something is done to the database; print what came of it; what is wrong of that."""
    before = {name: {p.pid for p in them} for name, them in installation.groups().items()}
    outcome = uvloop.run(ask(installation, rate_hz, seconds, seed=1, meanwhile=meanwhile))
    print(f"Done to the database: {dict(done.what)}; seconds each: {spread(done.away_s)}.\n")
    print_requests(outcome, rate_hz)
    seen = sum((kind.faults for kind in outcome.outcome.seen.values()), start=Counter())
    print(f"Refused: {dict(seen)}.")
    after = {name: {p.pid for p in them} for name, them in installation.groups().items()}
    ended = [name for name in before if "web" in name and before[name] - after[name]]
    wrong = [*outcome.missing, *(f"{name} ended" for name in ended)]
    return wrong + [f"{count} × {name}" for name, count in seen.items() if name not in REFUSALS]


OUTAGES = {each.__name__: each for each in (restarted, read_only, full)}


def main() -> None:
    """Run all, or some by name; the exit code says whether anything is wrong."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", choices=OUTAGES, default=[*OUTAGES])
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--rate", type=float, default=40.0, help="requests per second")
    asked = parser.parse_args()
    print(f"Measured on {machine.describe()}.\n")
    wrong = []
    for name in asked.names:
        with scratch() as folder:
            print(f"### {name}, {asked.rate:g} requests/s for {asked.seconds:g} s\n")
            found = OUTAGES[name](folder, asked.seconds, asked.rate)
            print(f"Wrong: {'; '.join(found) or 'nothing'}.\n", flush=True)
            wrong += found
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()

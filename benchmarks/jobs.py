"""Background plans in numbers: `python -m benchmarks.jobs [NAME...]`.

`throughput`: a thousand small plans at once through two services and two workers, against the bare
engine. `writers`: eight writers on one SQLite file for a minute. `calm`: /livez and small plans
beside a large job. `memory`: what a worker holds after two thousand plans. `stop`: how long a
service takes to end.
"""

import itertools
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import orjson
import psutil
from sqlalchemy import create_engine, make_url, select, text

from app.db import Database, open_database
from app.plans.tables import PlanRow
from app.queue import Queue
from benchmarks import machine
from benchmarks.chaos import ROBUST, Fleet, wait_until_ended
from benchmarks.rig import CHECKOUT, Process, a_request, postgres, scratch

PLANS, CLIENTS = 1000, 32

# An engine whose jobs do nothing.
NOTHING = """
import sys
from app.queue import Engine
nothing = lambda plan_id: None
Engine(sys.argv[1], 1, {"quick": nothing, "plan": nothing}).start()
print("started", flush=True)
sys.stdin.read()
"""


def client(url: str) -> httpx.Client:
    """Without certificates and proxies, which take longer than the request."""
    return httpx.Client(base_url=url, timeout=120.0, trust_env=False, verify=False)


def quantile(values: list[float], part: float) -> float:
    """A quantile of the sorted values, without interpolation."""
    return sorted(values)[int(part * (len(values) - 1))]


def row(name: str, values_s: list[float]) -> str:
    """Median, 99th percentile and largest in milliseconds."""
    shown = (1e3 * quantile(values_s, part) for part in (0.5, 0.99, 1.0))
    return f"| {name} | {len(values_s)} | " + " | ".join(f"{ms:.1f}" for ms in shown) + " |"


def throughput(folder: Path) -> None:
    """A thousand small plans at once, against jobs that do nothing, on the same Postgres."""
    with postgres(folder) as server:
        print(
            "| on Postgres | per second | accepted in ms: median | p99 | ended in s: median | p99 |"
        )
        print("|---|---|---|---|---|---|")
        bare(server.new_database())
        fleet = Fleet(folder, server.new_database(), webs=2, workers=2)
        most: Counter[str] = Counter()
        try:
            with watching(lambda: connections(fleet, most)):
                accepted_s = submit(fleet)
                wait_until_ended(fleet.database, 300.0)
            with fleet.database.reading() as session:
                rows = session.execute(
                    select(PlanRow.created_at, PlanRow.finished_at).where(
                        PlanRow.status == "solved"
                    )
                ).all()
            assert len(rows) == PLANS, f"{len(rows)} were solved"
            ended_s = [(finished - created).total_seconds() for created, finished in rows]
            whole_s = (
                max(row.finished_at for row in rows) - min(row.created_at for row in rows)
            ).total_seconds()
            report("plans of 3 users", PLANS / whole_s, accepted_s, ended_s)
        finally:
            fleet.end()
        print(
            f"\nMost connections to Postgres at a time: {most.total()}, of two services and two"
            " workers.\n"
        )


def submit(fleet: Fleet) -> list[float]:
    """Send all plans from many clients; seconds to each 202."""
    body, numbers, taken = orjson.dumps(a_request(3, gap=1e-6)), itertools.count(), []

    def run(address: str) -> None:
        with client(address) as sender:
            while next(numbers) < PLANS:
                begun = time.perf_counter()
                headers = {"Prefer": "respond-async", "Content-Type": "application/json"}
                answer = sender.post(ROBUST, content=body, headers=headers)
                taken.append(time.perf_counter() - begun)
                assert answer.status_code == 202, answer.text

    with ThreadPoolExecutor(CLIENTS) as clients:
        for done in [clients.submit(run, fleet.addresses[n % 2]) for n in range(CLIENTS)]:
            done.result()
    return taken


def report(name: str, per_s: float, accepted_s: list[float], ended_s: list[float]) -> None:
    """A row of the table of throughput."""
    accepted = f"{1e3 * statistics.median(accepted_s):.0f} | {1e3 * quantile(accepted_s, 0.99):.0f}"
    print(
        f"| {name} | {per_s:.0f} | {accepted} | {statistics.median(ended_s):.1f} |"
        f" {quantile(ended_s, 0.99):.1f} |"
    )


def bare(url: str) -> None:
    """Jobs that do nothing through the engine as the service sets it up, in two processes."""
    engines = []
    for _ in range(2):
        command = [sys.executable, "-c", NOTHING, url]
        engines.append(
            subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=CHECKOUT)
        )
        assert engines[-1].stdout.readline() == b"started\n"  # type: ignore[union-attr]
    queue, numbers, taken = Queue(url), itertools.count(), []

    def put() -> None:
        while (number := next(numbers)) < PLANS:
            begun = time.perf_counter()
            queue.put("quick", f"{number:032x}")
            taken.append(time.perf_counter() - begun)

    with ThreadPoolExecutor(CLIENTS) as putters:
        for done in [putters.submit(put) for _ in range(CLIENTS)]:
            done.result()
    database = create_engine(make_url(url).set(drivername="postgresql+psycopg"))
    rows: list[Any] = []
    with database.connect() as connection:
        while len(rows) < PLANS:
            time.sleep(0.1)
            wanted = (
                "SELECT created_at, updated_at FROM dbos.workflow_status WHERE status = 'SUCCESS'"
            )
            rows = list(connection.execute(text(wanted)).all())
    database.dispose()
    queue.close()
    for engine in engines:
        engine.kill()
        engine.communicate()
    ended_s = [1e-3 * (updated - created) for created, updated in rows]
    whole_s = 1e-3 * (max(updated for _, updated in rows) - min(created for created, _ in rows))
    report("jobs that do nothing", PLANS / whole_s, taken, ended_s)


def connections(fleet: Fleet, most: Counter[str]) -> None:
    """Keep the largest number of connections of each database user's application."""
    wanted = text(
        "SELECT state, count(*) FROM pg_stat_activity WHERE datname = current_database() GROUP BY"
        " state"
    )
    with fleet.database.reading() as session:
        now: Counter[str] = Counter({str(state): count for state, count in session.execute(wanted)})
    now.subtract({"active": 1})  # this one
    if now.total() > most.total():
        most.clear()
        most.update(now)


@contextmanager
def watching(look: Callable[[], None], every_s: float = 0.2) -> Any:
    """Look again and again while something else happens."""
    done = threading.Event()

    def run() -> None:
        while not done.wait(every_s):
            look()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def writers(folder: Path, seconds: float = 60.0) -> None:
    """Six writers through HTTP and two on the command line, on one SQLite file."""
    url = f"sqlite:///{folder}/writers.db"
    service = Process(
        folder, "serve", "--migrate", "--load-catalogue", "--port", "0", database_url=url
    )
    address, until = service.address(), time.monotonic() + seconds
    answers: Counter[str] = Counter()
    taken: dict[str, list[float]] = {"HTTP": [], "command line": []}

    def post(number: int) -> None:
        body, asynchronous = a_request(3, seed=number), number % 2
        headers = {"Prefer": "respond-async"} if asynchronous else {}
        with client(address) as sender:
            while time.monotonic() < until:
                begun = time.perf_counter()
                answer = sender.post(ROBUST, json=body, headers=headers)
                taken["HTTP"].append(time.perf_counter() - begun)
                answers[str(answer.status_code)] += 1

    def load(_: int) -> None:
        while time.monotonic() < until:
            begun = time.perf_counter()
            command = Process(folder, "catalogue", "load", database_url=url)
            answers[f"exit code {command.popen.wait()}"] += 1
            taken["command line"].append(time.perf_counter() - begun)
            command.log.rename(folder / "catalogue.log")

    with ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(post if n < 6 else load, n) for n in range(8)]:
            done.result()
    wait_until_ended(open_database(url), 120.0)
    service.end()
    print(f"| {seconds:.0f} s of writing to SQLite | times | median ms | p99 | most |")
    print("|---|---|---|---|---|")
    for name, values in taken.items():
        print(row(name, values))
    locked = service.log.read_text().count("locked")
    print(f"\nAnswers: {dict(answers)}. The log speaks {locked} times of a locked database.\n")


def calm(folder: Path, users: int = 100_000) -> None:
    """/livez and plans of 12 users, idle and beside one large job."""
    url = f"sqlite:///{folder}/calm.db"
    service = Process(
        folder,
        "serve",
        "--migrate",
        "--load-catalogue",
        "--port",
        "0",
        database_url=url,
        slots=1,
        max_users=users,
        max_body_byte=2**29,
    )
    address = service.address()
    while httpx.get(f"{address}/readyz", trust_env=False).status_code != 200:
        time.sleep(0.1)
    body = folder / "large.json"
    body.write_bytes(
        orjson.dumps(a_request(users) | {"options": {"gap": 1e-9, "time_limit_s": 120.0}})
    )
    database = open_database(url)
    probe(address, 3.0, threading.Event())  # warm
    phases = {"idle": probe(address, 20.0, threading.Event())}

    over = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        send = (
            "import sys, httpx; print(httpx.post(sys.argv[1], content=open(sys.argv[2],"
            " 'rb').read(), timeout=600, headers={'content-type': 'application/json'},"
            " trust_env=False).status_code)"
        )
        probing = pool.submit(probe, address, 600.0, over)
        sent = subprocess.run(
            [sys.executable, "-c", send, address + ROBUST, body], capture_output=True, check=True
        )
        over.set()
        phases["while it is accepted"] = probing.result()
        assert sent.stdout.strip() == b"202", sent
        over.clear()
        probing = pool.submit(probe, address, 600.0, over)
        solved_s = wait_until_ended_quickly(database)
        over.set()
        phases["while it is solved"] = probing.result()
    service.end()
    print(f"| beside a plan of {users} users | times | median ms | p99 | most |")
    print("|---|---|---|---|---|")
    for name, (alive, planned) in phases.items():
        print(row(f"`/livez`, {name}", alive))
        print(row(f"12 users, {name}", planned))
    print(f"\nThe large plan took {solved_s:.0f} s after it was accepted.\n")


def wait_until_ended_quickly(database: Database) -> float:
    """Wait for the large plan alone: the small ones never wait."""
    begun = time.monotonic()
    while True:
        with database.reading() as session:
            status = session.scalar(select(PlanRow.status).order_by(PlanRow.users.desc()).limit(1))
        if status not in ("queued", "running"):
            assert status == "solved", status
            return time.monotonic() - begun
        time.sleep(0.2)


def probe(address: str, seconds: float, over: threading.Event) -> tuple[list[float], list[float]]:
    """Ask /livez and for small plans, 20 times a second each; the seconds that each answer took."""
    until = time.monotonic() + seconds
    body = a_request(12, gap=1e-6)

    def ask(call: Callable[[httpx.Client], httpx.Response]) -> list[float]:
        taken = []
        with client(address) as asker:
            while time.monotonic() < until and not over.is_set():
                begun = time.perf_counter()
                call(asker).raise_for_status()
                taken.append(time.perf_counter() - begun)
                time.sleep(max(0.0, 0.05 - taken[-1]))
        return taken

    with ThreadPoolExecutor(2) as pool:
        alive = pool.submit(ask, lambda asker: asker.get("/livez"))
        planned = pool.submit(ask, lambda asker: asker.post(ROBUST, json=body))
        return alive.result(), planned.result()


def memory(folder: Path, plans: int = 2000) -> None:
    """What a worker and its solvers hold after many plans."""
    url = f"sqlite:///{folder}/memory.db"
    service = Process(
        folder, "serve", "--migrate", "--load-catalogue", "--port", "0", database_url=url
    )
    address, database = service.address(), open_database(url)
    print("| plans ended | worker, MB | open files | threads | solvers, MB |")
    print("|---|---|---|---|---|")
    body, headers = a_request(12), {"Prefer": "respond-async"}
    with client(address) as sender:
        for count in range(plans + 1):
            if count % (plans // 4) == 0:
                wait_until_ended(database, 300.0)
                holds(service, count)
            sender.post(ROBUST, json=body, headers=headers).raise_for_status()
    wait_until_ended(database, 60.0)
    service.end()
    print()


def holds(service: Process, count: int) -> None:
    """A row of what the worker of a service holds."""
    family = service.family()
    worker = next(process for process in family if "worker" in process.cmdline())
    solvers = [
        process
        for process in worker.children(recursive=True)
        if "multiprocessing.forkserver" in " ".join(process.cmdline())
        and process.ppid() != worker.pid
    ]
    held = [process.memory_info().rss / 2**20 for process in solvers]
    print(
        f"| {count} | {worker.memory_info().rss / 2**20:.0f} | {worker.num_fds()} |"
        f" {worker.num_threads()} | {', '.join(f'{megabyte:.0f}' for megabyte in held)} |"
    )


def stop(folder: Path) -> None:
    """How long a service takes to end, idle and with a long plan, by either signal, and what it
    leaves.
    """
    print("| told to stop | s to its end | exit code | processes left | said on the way out |")
    print("|---|---|---|---|---|")
    cases = (
        ("SIGTERM", False, False),
        ("SIGINT to the group", False, True),
        ("SIGTERM", True, False),
        ("SIGINT to the group", True, True),
    )
    for name, busy, group in cases:
        url = f"sqlite:///{folder}/stop.db"
        service = Process(
            folder,
            "serve",
            "--migrate",
            "--load-catalogue",
            "--port",
            "0",
            database_url=url,
            sync_max_users=100,
            shutdown_grace_s=2,
        )
        address = service.address()
        while httpx.get(f"{address}/readyz", trust_env=False).status_code != 200:
            time.sleep(0.1)
        if busy:
            httpx.post(
                f"{address}{ROBUST}", json=a_request(9000), timeout=60.0, trust_env=False
            ).raise_for_status()
            time.sleep(4.0)
        family, said = service.family(), len(service.log.read_text())
        begun = time.monotonic()
        number = signal.SIGINT if group else signal.SIGTERM
        service.signal(number, whole=group)
        code = service.popen.wait(60.0)
        seconds = time.monotonic() - begun
        left = sum(
            process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in family
        )
        words = [
            line[24:]
            for line in service.log.read_text()[said:].splitlines()
            if " INFO " not in line
        ]
        print(
            f"| {name}, {'a long plan' if busy else 'idle'} | {seconds:.1f} | {code} | {left} |"
            f" {words or 'nothing'} |"
        )
    print()


RUNS = {"stop": stop, "writers": writers, "memory": memory, "throughput": throughput, "calm": calm}


def main(names: list[str]) -> None:
    """Run all, or some by name."""
    print(f"Measured on {machine.describe()}.\n")
    with scratch() as folder:
        for name, run in RUNS.items():
            if not names or name in names:
                run(folder)


if __name__ == "__main__":
    main(sys.argv[1:])

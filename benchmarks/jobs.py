"""Background plans in numbers: `python -m benchmarks.jobs [NAME...]`.

`throughput`: a thousand small plans at once through two services and two workers, beside an
earlier build. `writers`: eight writers on one SQLite file for a minute. `calm`: /livez and small
plans beside a large job. `memory`: what a worker holds after two thousand plans. `stop`: how long a
service takes to end.
"""

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
from sqlalchemy import func, select, text

from app.db import Database, open_database
from app.plans.tables import PlanRow
from benchmarks import baseline, machine
from benchmarks.chaos import ROBUST, Fleet, wait_until_ended
from benchmarks.footprint import processor_s
from benchmarks.rig import CHECKOUT, Process, a_request, postgres, scratch

PLANS, CLIENTS = 1000, 32


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


def throughput(folder: Path, commit: str = baseline.COMMIT) -> None:
    """A thousand small plans at once, and some one by one, beside an earlier build on the same
    Postgres, in turns.
    """
    with postgres(folder) as server, baseline.laid_out(commit) as earlier:
        print(
            "| 2 webs, 2 workers, Postgres | plans/s | solved/s once all wait | accepted, ms | to"
            " begun, ms: one by one | ms of processor per plan: webs | workers | Postgres |"
            " connections |"
        )
        print("|---|---|---|---|---|---|---|---|---|")
        for turn in range(2):
            for name, checkout in (("this build", CHECKOUT), (f"build {commit}", earlier)):
                place = folder / f"{turn}-{len(name)}"
                place.mkdir()
                fleet = Fleet(place, server.new_database(), webs=2, workers=2, checkout=checkout)
                try:
                    print(f"| {name} {measured(fleet)}", flush=True)
                finally:
                    fleet.end()
        print()


def measured(fleet: Fleet) -> str:
    """What becomes of many plans at once, and of some one by one, as a row of the table."""
    submit(fleet, 40)  # warm
    wait_until_ended(fleet.database, 120.0)
    first = newest(fleet)
    one_by_one(fleet, 40)
    begun_s = [(row.started_at - row.created_at).total_seconds() for row in ended(fleet, first)]
    first, most = newest(fleet), Counter[str]()
    before = spent_s(fleet)
    with watching(lambda: connections(fleet, most), 1.0):
        accepted_s = submit(fleet, PLANS)
        wait_until_ended(fleet.database, 300.0)
    after = spent_s(fleet)
    rows = ended(fleet, first)
    assert len(rows) == PLANS, f"{len(rows)} were solved"
    whole_s = (max(r.finished_at for r in rows) - min(r.created_at for r in rows)).total_seconds()
    first = newest(fleet)
    for process in fleet.workers.values():
        process.signal(signal.SIGSTOP, whole=True)
    submit(fleet, PLANS)
    resumed = time.time()
    for process in fleet.workers.values():
        process.signal(signal.SIGCONT, whole=True)
    wait_until_ended(fleet.database, 300.0)
    drained_s = max(row.finished_at for row in ended(fleet, first)).timestamp() - resumed
    spent = [1e3 * (late - early) / PLANS for early, late in zip(before, after, strict=True)]
    return (
        f"| {PLANS / whole_s:.0f} | {PLANS / drained_s:.0f} | {1e3 * accepted_s / PLANS:.1f}"
        f" | {1e3 * statistics.median(begun_s):.0f}, p95 {1e3 * quantile(begun_s, 0.95):.0f}"
        f" | {' | '.join(f'{ms:.1f}' for ms in spent)} | {most.total()} |"
    )


def newest(fleet: Fleet) -> int:
    """The number of the newest plan."""
    with fleet.database.reading() as session:
        return session.scalar(select(func.max(PlanRow.number))) or 0


def ended(fleet: Fleet, after: int) -> list[Any]:
    """When plans after a number were accepted, begun and solved."""
    wanted = select(PlanRow.created_at, PlanRow.started_at, PlanRow.finished_at)
    with fleet.database.reading() as session:
        return list(
            session.execute(wanted.where(PlanRow.status == "solved", PlanRow.number > after))
        )


def spent_s(fleet: Fleet) -> tuple[float, float, float]:
    """Processor time of webs, of workers with all that they started, and of Postgres [s]."""
    workers = [each.seen for each in fleet.workers.values()]
    solvers = [child for each in fleet.workers.values() for child in each.family()]
    with fleet.database.reading() as session:
        backend = session.scalar(text("SELECT pg_backend_pid()"))
    server = psutil.Process(psutil.Process(backend).ppid())
    return (
        processor_s([each.seen for each in fleet.webs]),
        processor_s(workers + solvers),
        processor_s([server, *server.children()]),
    )


# Clients that cost next to nothing: what they spend is taken from those who are measured.
LOAD = """
import asyncio, itertools, sys, time
ports, plans, clients = sys.argv[1].split(","), int(sys.argv[2]), int(sys.argv[3])
body = sys.argv[4].encode()
numbers = itertools.count()
head = ("POST /v1/plans/robust HTTP/1.1\\r\\nHost: [::1]\\r\\nContent-Type: application/json\\r\\n"
        "Prefer: respond-async\\r\\nContent-Length: %d\\r\\n\\r\\n" % len(body)).encode()
async def one(port):
    reader, writer = await asyncio.open_connection("127.0.0.1", int(port))
    while next(numbers) < plans:
        writer.write(head + body)
        told = (await reader.readuntil(b"\\r\\n\\r\\n")).lower()
        assert b" 202 " in told[:20], told
        length = int(told.split(b"content-length:")[1].split(b"\\r")[0])
        await reader.readexactly(length)
    writer.close()
async def main():
    await asyncio.gather(*(one(ports[n % len(ports)]) for n in range(clients)))
begun = time.perf_counter()
asyncio.run(main())
print(time.perf_counter() - begun)
"""


def submit(fleet: Fleet, plans: int) -> float:
    """Send plans from many clients; seconds until all were accepted."""
    ports = ",".join(address.rpartition(":")[2] for address in fleet.addresses)
    body = orjson.dumps(a_request(3, gap=1e-6)).decode()
    command = [sys.executable, "-c", LOAD, ports, str(plans), str(CLIENTS), body]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def one_by_one(fleet: Fleet, plans: int) -> None:
    """Send plans with pauses in which each of them ends."""
    body = a_request(3, gap=1e-6)
    with client(fleet.addresses[0]) as sender:
        for _ in range(plans):
            sender.post(ROBUST, json=body, headers={"Prefer": "respond-async"}).raise_for_status()
            wait_until_ended(fleet.database, 60.0)
            time.sleep(0.137)


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

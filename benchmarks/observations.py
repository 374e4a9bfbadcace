"""100,000 devices that report what they saw, through kills of the service that counts:
`python -m benchmarks.observations [SECONDS [KILLS]]`.

It ends with a verdict on every report that was sent: all are counted, none twice.
"""

import itertools
import os
import random
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import create_engine, text

from benchmarks import machine
from benchmarks.columns import ARROW, fleet, profiles
from benchmarks.jobs import client, quantile
from benchmarks.rig import Process, lives, scratch

DEVICES, CELLS = 100_000, 10
# One report per second of every thousand devices.
PER_SECOND, CLIENTS = DEVICES // 1000, 8
# Half of the reports are the first of their device, half come from these again and again.
REGULARS = range(100)
TWICE = 0.05
# Reports of so long are sent in any order.
MIXED_S = 5
BATCHES, BATCH = 3, 10_000

Report = dict[str, Any]


def a_report(device: int, sequence: int) -> Report:
    """What one device saw; each number of each device has counts of its own."""
    return {
        "user": f"camera-{device:07d}",
        "sequence": sequence,
        "inferences": 280 + (7 * device + 13 * sequence) % 41,
        "misses": int((device + sequence) % 3 == 0),
    }


@dataclass
class Fleet:
    """Devices and how often each has reported."""

    sent: Counter[int] = field(default_factory=Counter)
    twice: int = 0
    chance: random.Random = field(default_factory=lambda: random.Random(1))
    _newcomers: Iterator[int] = field(
        default_factory=lambda: iter(range(len(REGULARS), DEVICES - BATCHES * BATCH))
    )

    def next_of(self, device: int) -> Report:
        """The next report of a device."""
        self.sent[device] += 1
        return a_report(device, self.sent[device])

    def newcomers(self) -> Iterator[Report]:
        """First reports, of one device after the other."""
        return (self.next_of(device) for device in self._newcomers)

    def regulars(self) -> Iterator[Report]:
        """Later reports, of one device after the other."""
        return (self.next_of(device) for device in itertools.cycle(REGULARS))

    def mixture(self, seconds: int) -> Iterator[Report]:
        """Both by halves, in disorder, some of them twice."""
        first, later = self.newcomers(), self.regulars()
        for _ in range(seconds // MIXED_S):
            half = PER_SECOND * MIXED_S // 2
            every = [*itertools.islice(first, half), *itertools.islice(later, half)]
            again = [report for report in every if self.chance.random() < TWICE]
            self.twice += len(again)
            every += again
            self.chance.shuffle(every)
            yield from every


@dataclass
class Answers:
    """What clients were told, by a service that may be another process the next time."""

    place: Callable[[], str]
    """Where reports go."""
    seconds: list[float] = field(default_factory=list)
    told: Counter[str] = field(default_factory=Counter)
    late_s: float = 0.0
    """The longest that a report waited from when it was due until it was answered."""

    def send(self, http: httpx.Client, *reports: Report) -> None:
        """Send reports until they are answered."""
        for attempt in itertools.count():
            self.told["resent"] += attempt == 1
            begun = time.perf_counter()
            try:
                answer = http.post(self.place(), json={"reports": reports})
            except httpx.TransportError:
                time.sleep(0.1)
                continue
            if answer.status_code == 200:
                break
            self.told[f"{answer.status_code} {answer.json().get('title')}"] += 1
            if answer.status_code < 500:
                raise AssertionError(answer.text)
            time.sleep(0.5)
        self.seconds.append(time.perf_counter() - begun)
        said = answer.json()
        if "revoked" in said:
            raise AssertionError(said["revoked"])
        self.told["counted"] += said["counted"]
        self.told["repeated"] += said["repeated"]

    def send_all(self, reports: Iterator[Report], per_second: float | None = None) -> float:
        """From several clients, at a pace or as fast as they can; the seconds that it took."""
        lock, begun = threading.Lock(), time.perf_counter()
        due = itertools.count(0.0, 0.0 if per_second is None else 1.0 / per_second)

        def run() -> None:
            with client("") as http:
                while True:
                    with lock:
                        report, at = next(reports, None), begun + next(due)
                    if report is None:
                        return
                    time.sleep(max(0.0, at - time.perf_counter()))
                    self.send(http, report)
                    if per_second is not None:
                        self.late_s = max(self.late_s, time.perf_counter() - at)

        with ThreadPoolExecutor(CLIENTS) as pool:
            for done in [pool.submit(run) for _ in range(CLIENTS)]:
                done.result()
        return time.perf_counter() - begun


class Service:
    """One `serve` on SQLite, and the next one after it was killed."""

    def __init__(self, folder: Path) -> None:
        self._folder, self.url = folder, f"sqlite:///{folder}/observations.db"
        self.kills, self.away_s = 0, list[float]()
        self._start("--migrate")

    def _start(self, *arguments: str) -> None:
        self._process = Process(
            self._folder, "serve", *arguments, "--port", "0", database_url=self.url
        )
        self.address = self._process.address()

    def kill(self) -> None:
        """Kill -9 of the process and all that it started, and another one in its place."""
        family, begun = [self._process.seen, *self._process.family()], time.monotonic()
        os.killpg(self._process.popen.pid, signal.SIGKILL)
        self._process.popen.wait()
        while any(lives(one) for one in family):
            time.sleep(0.01)
        self._start()
        self.kills += 1
        self.away_s.append(time.monotonic() - begun)

    @contextmanager
    def killed(self, after_s: list[float]) -> Iterator[None]:
        """Kill it meanwhile, so long after the beginning."""
        begun, enough = time.monotonic(), threading.Event()

        def run() -> None:
            for at in after_s:
                if enough.wait(max(0.0, begun + at - time.monotonic())):
                    return
                self.kill()

        with ThreadPoolExecutor(1) as pool:
            done = pool.submit(run)
            try:
                yield
            finally:
                enough.set()
            done.result()

    def used_byte(self) -> int:
        """Pages of the database that hold something."""
        engine = create_engine(self.url)
        with engine.connect() as connection:
            pages, free, size = (
                connection.execute(text(f"PRAGMA {name}")).scalar_one()
                for name in ("page_count", "freelist_count", "page_size")
            )
        engine.dispose()
        return int((pages - free) * size)

    def end(self) -> None:
        """Stop it."""
        self._process.end()


def planned(service: Service) -> str:
    """The path of the reports about a plan of all devices, whose users came as columns."""
    with client(service.address) as http:
        for collection, profile in profiles().items():
            http.post(f"/v1/{collection}", json=profile).raise_for_status()
        body = fleet(DEVICES, CELLS)
        answer = http.post("/v1/plans/robust", content=body, headers={"Content-Type": ARROW})
        plan = answer.raise_for_status().json()
        while plan["status"] in ("queued", "running"):
            time.sleep(0.1)
            plan = http.get(f"/v1/plans/{plan['id']}").json()
    assert plan["status"] == "solved", plan
    return f"/v1/plans/{plan['id']}/observations"


def for_so_long(reports: Iterator[Report], seconds: float) -> Iterator[Report]:
    """Reports until a time is over; the next one is not made then."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        yield next(reports)


def pace(service: Service, path: str, devices: Fleet, seconds: float = 10.0) -> None:
    """As fast as the clients can: reports of devices that are new to the service, and of others."""
    print("| 8 clients, as fast as they can | reports | per second | p50, ms | p99, ms |")
    print("|---|---|---|---|---|")
    for name, reports in (
        ("devices that report first", devices.newcomers()),
        ("devices that have reported", devices.regulars()),
    ):
        answers = Answers(lambda: service.address + path)
        took_s = answers.send_all(for_so_long(reports, seconds))
        print(
            f"| {name} | {len(answers.seconds):,} | {len(answers.seconds) / took_s:.0f} |"
            f" {1e3 * quantile(answers.seconds, 0.5):.0f} |"
            f" {1e3 * quantile(answers.seconds, 0.99):.0f} |",
            flush=True,
        )
    print()


def batches(service: Service, path: str, devices: Fleet) -> None:
    """10,000 reports in a request."""
    answers = Answers(lambda: service.address + path)
    print(f"| {BATCH:,} reports in a request | s, each of {BATCHES} requests |")
    print("|---|---|")
    taken: dict[str, list[str]] = {"first": [], "later": [], "counted before": []}
    with client("") as http:
        for start in range(DEVICES - BATCHES * BATCH, DEVICES, BATCH):
            for name, seconds in taken.items():
                some = range(start, start + BATCH)
                again = name == "counted before"
                answers.send(
                    http,
                    *(a_report(n, 1) if again else devices.next_of(n) for n in some),
                )
                seconds.append(f"{answers.seconds[-1]:.2f}")
    for name, seconds in taken.items():
        print(f"| {name} | {', '.join(seconds)} |")
    assert answers.told["repeated"] == BATCHES * BATCH, answers.told
    print(flush=True)


def besieged(service: Service, path: str, devices: Fleet, seconds: int, kills: int) -> None:
    """Reports at their pace while the service is killed."""
    answers, before = Answers(lambda: service.address + path), devices.sent.total()
    chance = random.Random(2)
    # The last long before the end: what waited is sent within the time.
    spacing = 0.8 * seconds / kills
    at = [spacing * (n + chance.uniform(0.3, 0.9)) for n in range(kills)]
    # Some are sent twice, and each of them is a report.
    with service.killed(at):
        took_s = answers.send_all(devices.mixture(seconds), PER_SECOND * (1 + TWICE))
    different, told = devices.sent.total() - before, answers.told
    print(
        "| s | reports answered | per second | while it was there | p50, ms | p99, ms | kills |"
        " s away, each | most s late | different | twice on purpose | sent again |"
        " of them counted before | other answers |"
    )
    print(f"|{'---|' * 14}")
    faults = {name: n for name, n in told.items() if name[0].isdigit()}
    known = told["repeated"] - devices.twice
    print(
        f"| {took_s:.0f} | {len(answers.seconds):,} | {len(answers.seconds) / took_s:.0f} |"
        f" {len(answers.seconds) / (took_s - sum(service.away_s)):.0f} |"
        f" {1e3 * quantile(answers.seconds, 0.5):.0f} |"
        f" {1e3 * quantile(answers.seconds, 0.99):.0f} | {service.kills} |"
        f" {', '.join(f'{away:.1f}' for away in service.away_s)} | {answers.late_s:.1f} |"
        f" {different:,} | {devices.twice:,} | {told['resent']} | {known} |"
        f" {faults or 'none'} |\n"
    )


def verdict(service: Service, path: str, devices: Fleet, before_byte: int) -> None:
    """What was sent against what was counted, of the plan and of every device."""
    grown = service.used_byte() - before_byte
    sent: dict[str, tuple[int, int, int]] = {}
    for device, upto in devices.sent.items():
        every = [a_report(device, n) for n in range(1, upto + 1)]
        sent[every[0]["user"]] = (
            upto,
            sum(one["inferences"] for one in every),
            sum(one["misses"] for one in every),
        )
    counted, e_values, waits_s = {}, 0.0, []
    with client(service.address) as http:
        for _ in range(100):
            begun = time.perf_counter()
            plan = http.get(path).raise_for_status().json()
            waits_s.append(time.perf_counter() - begun)
        query = {"limit": "1000"}
        while True:
            page = http.get(f"{path}/users", params=query).raise_for_status().json()
            for user in page["items"]:
                assert user["missing"] == [], user
                counted[user["user"]] = (user["sequence"], user["inferences"], user["misses"])
                e_values += user["e_value"]
            if page["next_cursor"] is None:
                break
            query["cursor"] = page["next_cursor"]
    wrong = {name for name in sent.keys() | counted if sent.get(name) != counted.get(name)}
    inferences, misses = (sum(one[n] for one in sent.values()) for n in (1, 2))
    if wrong or (plan["inferences"], plan["misses"]) != (inferences, misses):
        raise AssertionError(
            f"{len(wrong)} users: {sorted(wrong)[:5]}; {inferences=} {misses=} {plan}"
        )
    mean = (e_values + DEVICES - len(sent)) / DEVICES
    assert abs(plan["e_value"] / mean - 1.0) < 1e-9, (plan, mean)
    print(
        "| sent: reports | inferences | misses | counted: users, with sequence and counts |"
        " inferences | misses | lost | twice | bytes per reporting user | GET, ms: p50 | p99 |"
    )
    print(f"|{'---|' * 11}")
    print(
        f"| {devices.sent.total():,} | {inferences:,} | {misses:,} | {len(counted):,} |"
        f" {plan['inferences']:,} | {plan['misses']:,} | 0 | 0 | {grown / len(counted):.0f} |"
        f" {1e3 * quantile(waits_s, 0.5):.1f} | {1e3 * quantile(waits_s, 0.99):.1f} |\n"
    )


def main(seconds: int = 240, kills: int = 3) -> None:
    """Print every table, and fail where a report is lost or counted twice."""
    print(
        f"Measured on {machine.describe()}: {DEVICES:,} devices, SQLite, clients and service on the"
        " same machine.\n"
    )
    with scratch() as folder:
        service = Service(folder)
        try:
            path, devices = planned(service), Fleet()
            before_byte = service.used_byte()
            batches(service, path, devices)
            pace(service, path, devices)
            besieged(service, path, devices, seconds, kills)
            verdict(service, path, devices, before_byte)
        finally:
            service.end()


if __name__ == "__main__":
    main(*(int(given) for given in sys.argv[1:]))

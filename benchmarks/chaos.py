"""Processes killed, frozen and cut off from their database, under load:
`python -m benchmarks.chaos [NAME...]`.

Every run ends with a verdict on all plans that were accepted: each must have ended solved, once,
with all its users.
"""

import itertools
import queue
import random
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from app import projects
from app.db import Database, open_database
from app.plans import service
from app.plans.schemas import ENDED, UNENDED
from app.plans.tables import PlanEventRow, PlanRow
from benchmarks import machine
from benchmarks.baseline import CHECKOUT
from benchmarks.rig import Postgres, Process, a_request, postgres, scratch, spread

ROBUST = "/v1/plans/robust"
SMALL, LONG = 3, 1500


@dataclass
class Crowd:
    """Clients that submit plans, each again with its key until it is answered."""

    address: Callable[[], str]
    accepted: dict[str, str] = field(default_factory=dict)
    """The plan of each key."""
    faults: Counter[str] = field(default_factory=Counter)
    retries: int = 0

    def submit(self, client: httpx.Client, key: str, users: int, *, asynchronous: bool) -> None:
        """One plan."""
        headers = {"Idempotency-Key": key} | ({"Prefer": "respond-async"} if asynchronous else {})
        # What the catalogue has now is proven to 1e-6 in a second, and not to 1e-9 in a minute.
        body = a_request(users, seed=int(key.partition("-")[2]), gap=1e-6)
        while True:
            try:
                answer = client.post(f"{self.address()}{ROBUST}", json=body, headers=headers)
            except httpx.TransportError:
                self.retries += 1
                time.sleep(0.1)
                continue
            if answer.status_code in (200, 201, 202):
                self.accepted[key] = answer.json()["id"]
                return
            self.faults[f"{answer.status_code} {answer.json().get('title')}"] += 1
            if answer.status_code < 500:
                raise AssertionError(answer.text)
            time.sleep(0.5)

    @contextmanager
    def submitting(
        self, jobs: Iterator[tuple[int, bool]], clients: int, pause_s: float
    ) -> Iterator[threading.Event]:
        """Several clients at once, until the jobs or the patience end."""
        enough, lock, numbers = threading.Event(), threading.Lock(), itertools.count()

        def run() -> None:
            with httpx.Client(timeout=60.0, trust_env=False, verify=False) as client:
                while not enough.is_set():
                    with lock:
                        job, number = next(jobs, None), next(numbers)
                    if job is None:
                        return
                    self.submit(client, f"key-{number}", job[0], asynchronous=job[1])
                    enough.wait(pause_s)

        threads = [threading.Thread(target=run) for _ in range(clients)]
        for thread in threads:
            thread.start()
        try:
            yield enough
        finally:
            enough.set()
            for thread in threads:
                thread.join()


def mixture(seed: int) -> Iterator[tuple[int, bool]]:
    """Sizes of plans, and whether they are answered at once with 202."""
    chance = random.Random(seed)
    while True:
        kind = chance.random()
        yield (LONG, True) if kind < 0.15 else (SMALL, kind < 0.85)


def wait_until_ended(database: Database, within_s: float) -> float:
    """Wait until no plan is in line or being solved; how long that took."""
    begun = time.monotonic()
    while time.monotonic() - begun < within_s:
        with database.reading() as session:
            if not session.scalar(select(func.count()).where(PlanRow.status.in_(UNENDED))):
                return time.monotonic() - begun
        time.sleep(0.2)
    with database.reading() as session:
        left = session.execute(
            select(PlanRow.id, PlanRow.status, PlanRow.attempt, PlanRow.created_at).where(
                PlanRow.status.in_(UNENDED)
            )
        ).all()
    raise AssertionError(f"{len(left)} plans have not ended: {left[:10]}")


def told_users(session: Session, row: PlanRow) -> int:
    """How many different users a plan says something of."""
    return len({entry["id"] for entry in service.list_users(session, row.id, 0, row.users + 1)})


def verdict(database: Database, accepted: dict[str, str]) -> str:
    """What became of every accepted plan, as a row of a table."""
    with database.of(projects.DEFAULT).reading() as session:
        plans = {row.id: row for row in session.scalars(select(PlanRow))}
        ends = dict(
            session.execute(
                select(PlanEventRow.plan_number, func.count())
                .where(PlanEventRow.status.in_(ENDED))
                .group_by(PlanEventRow.plan_number)
            ).all()
        )
        torn = [row.id for row in plans.values() if told_users(session, row) != row.users]
    wanted = set(accepted.values())
    lost = wanted - plans.keys()
    twice = len(accepted) - len(wanted) + len(plans.keys() - wanted)
    unsolved = Counter(row.status for row in plans.values() if row.status != "solved")
    ended_again = [row.id for row in plans.values() if ends.get(row.number, 0) != 1]
    attempts = Counter(row.attempt for row in plans.values())
    if lost or twice or unsolved or ended_again or torn:
        raise AssertionError(f"{lost=} {twice=} {unsolved=} {ended_again=} {torn=} {attempts=}")
    return (
        f"{len(plans)} | 0 | 0 | {sum(n for attempt, n in attempts.items() if attempt > 1)} |"
        f" {max(attempts)}"
    )


VERDICT = "plans accepted, solved once | lost | twice | begun again | most attempts"


def embedded(folder: Path, kills: int = 20) -> None:
    """Kill -9 of `serve` alone on SQLite, under load; everything goes on with the next start."""
    url = f"sqlite:///{folder}/splitplan.db"
    database, chance = open_database(url), random.Random(1)
    address: queue.LifoQueue[str] = queue.LifoQueue()
    crowd = Crowd(lambda: address.queue[-1])
    ended_s, starts_s, busy, children = [], [], 0, 0

    def start() -> Process:
        begun = time.monotonic()
        process = Process(
            folder,
            "serve",
            "--migrate",
            "--load-catalogue",
            "--port",
            "0",
            database_url=url,
            sync_max_users=100,
        )
        address.put(process.address())
        starts_s.append(time.monotonic() - begun)
        return process

    serving = start()
    with crowd.submitting(mixture(1), clients=3, pause_s=0.4):
        for _ in range(kills):
            if chance.random() < 0.8:  # else it may be killed while it starts
                serving.said(r"worker \S+ (solves)")
            time.sleep(chance.uniform(0.3, 6.0))
            with database.reading() as session:
                busy += bool(
                    session.scalar(select(func.count()).where(PlanRow.status == "running"))
                )
            seconds, family = serving.kill()
            ended_s.append(seconds)
            children += family
            serving = start()
    drained_s = wait_until_ended(database, 300.0)
    time.sleep(1.0)
    told = verdict(database, crowd.accepted)
    serving.end()
    print(f"| kills of `serve` | of them mid-job | requests sent again | {VERDICT} |")
    print(f"|{'---|' * 8}")
    print(f"| {kills} | {busy} | {crowd.retries} | {told} |\n")
    print(
        f"The {children} worker and solver processes ended by themselves; seconds to the last:"
        f" {spread(ended_s, 2)}"
    )
    print(
        f"Seconds from start to answering: {spread(starts_s)}. The last plan ended {drained_s:.0f}"
        " s after the load."
    )
    print(f"Faults told to clients: {dict(crowd.faults) or 'none'}.\n")


class Fleet:
    """Web processes and workers on one Postgres."""

    def __init__(
        self,
        folder: Path,
        url: str,
        webs: int,
        workers: int,
        checkout: Path = CHECKOUT,
        **settings: object,
    ) -> None:
        self._folder, self._checkout = folder, checkout
        self._settings = {"database_url": url, "workers": 0, "slots": 1, **settings}
        self.url, self.database = url, open_database(url)
        self.webs = [self._start("serve", "--migrate", "--load-catalogue", "--port", "0")]
        self.addresses = [self.webs[0].address()]
        for _ in range(webs - 1):
            self.webs.append(self._start("serve", "--port", "0"))
            self.addresses.append(self.webs[-1].address())
        self.workers: dict[str, Process] = {}
        for _ in range(workers):
            self.add_worker()

    def add_worker(self) -> str:
        """One worker more, once it works."""
        process = self._start("worker")
        self.workers[process.name()] = process
        return process.name()

    def busy(self) -> dict[str, list[tuple[str, int]]]:
        """The plans that each worker is at, with their attempts."""
        wanted = select(PlanRow.taken_by, PlanRow.id, PlanRow.attempt).where(
            PlanRow.status == "running"
        )
        found: dict[str, list[tuple[str, int]]] = {}
        with self.database.reading() as session:
            for worker, plan_id, attempt in session.execute(wanted):
                if worker in self.workers:
                    found.setdefault(worker, []).append((plan_id, attempt))
        return found

    def attempts(self, plan_ids: list[str]) -> dict[str, tuple[int, str]]:
        """How often plans were begun, and their status."""
        with self.database.reading() as session:
            rows = session.execute(
                select(PlanRow.id, PlanRow.attempt, PlanRow.status).where(PlanRow.id.in_(plan_ids))
            )
            return {plan_id: (attempt, status) for plan_id, attempt, status in rows}

    def end(self) -> None:
        """Stop every process."""
        for process in [*self.webs, *self.workers.values()]:
            if process.popen.poll() is None:
                process.signal(signal.SIGCONT, whole=True)
            process.end()
        self.database.engine.dispose()

    def _start(self, *arguments: str) -> Process:
        return Process(self._folder, *arguments, checkout=self._checkout, **self._settings)


@dataclass
class Takeovers:
    """Plans whose worker was killed or frozen, and when they were begun again."""

    fleet: Fleet
    since: dict[str, tuple[float, int]] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)
    ended_anyway: int = 0

    def left(self, plans: list[tuple[str, int]]) -> None:
        """Watch these from now on."""
        self.since |= {plan_id: (time.monotonic(), attempt) for plan_id, attempt in plans}

    def look(self) -> None:
        """See which are running again."""
        for plan_id, (attempt, status) in self.fleet.attempts(list(self.since)).items():
            begun, before = self.since[plan_id]
            if attempt > before:
                self.seconds.append(time.monotonic() - begun)
                del self.since[plan_id]
            elif status in ENDED:  # its end was on the way when its worker died
                self.ended_anyway += 1
                del self.since[plan_id]


def killed(folder: Path, server: Postgres, kills: int = 15, plans: int = 200) -> None:
    """Kill -9 of a random busy worker of three on Postgres every few seconds, under a queue."""
    fleet, chance = (
        Fleet(folder, server.new_database(), webs=1, workers=3, sync_max_users=100),
        random.Random(2),
    )
    crowd, takeovers = Crowd(lambda: fleet.addresses[0]), Takeovers(fleet)
    jobs = iter([(LONG, True) if n % 2 else (150, True) for n in range(plans)])
    try:
        begun = time.monotonic()
        next_kill, done = begun + 4.0, 0
        with crowd.submitting(jobs, clients=3, pause_s=0.0):
            while done < kills or takeovers.since:
                time.sleep(0.05)
                takeovers.look()
                if done < kills and time.monotonic() > next_kill and (busy := fleet.busy()):
                    victim = chance.choice(sorted(busy))
                    fleet.workers.pop(victim).kill()
                    takeovers.left(busy[victim])
                    fleet.add_worker()
                    done, next_kill = done + 1, time.monotonic() + chance.uniform(2.0, 6.0)
                if time.monotonic() - begun > 600.0:
                    raise AssertionError(f"{takeovers.since} were not taken over")
            while len(crowd.accepted) < plans:
                time.sleep(0.1)
        wait_until_ended(fleet.database, 600.0)
        time.sleep(1.0)
        told = verdict(fleet.database, crowd.accepted)
        print(f"| kills of busy workers | seconds in all | {VERDICT} |")
        print(f"|{'---|' * 7}")
        print(f"| {kills} | {time.monotonic() - begun:.0f} | {told} |\n")
        print("| s from the kill to running elsewhere | least | median | p99 | most |")
        print("|---|---|---|---|---|")
        print(f"| {len(takeovers.seconds)} plans | {spread(takeovers.seconds)} |\n")
        print(f"{takeovers.ended_anyway} had ended by themselves.\n")
    finally:
        fleet.end()


def restarted(folder: Path, server: Postgres, plans: int = 60) -> None:
    """Restarts of the database under load, in peace and as a crash."""
    fleet = Fleet(folder, server.new_database(), webs=1, workers=3, sync_max_users=100)
    crowd = Crowd(lambda: fleet.addresses[0])
    jobs = iter([(LONG if n % 4 == 0 else 150, n % 8 != 7) for n in range(plans)])
    names, seconds = set(fleet.workers), []
    try:
        with crowd.submitting(jobs, clients=3, pause_s=0.5):
            for mode, away_s in (("fast", 0.0), ("immediate", 0.0), ("immediate", 25.0)):
                time.sleep(5.0)
                seconds.append(server.restart(mode, away_s))
            while len(crowd.accepted) < plans:
                time.sleep(0.1)
        drained_s = wait_until_ended(fleet.database, 400.0)
        time.sleep(1.0)
        told = verdict(fleet.database, crowd.accepted)
        alive = sum(process.popen.poll() is None for process in fleet.workers.values())
        print(f"| restarts of the database | answered 5xx | {VERDICT} |")
        print(f"|{'---|' * 7}")
        print(
            f"| fast, immediate, immediate and 25 s away | {dict(crowd.faults) or 'none'} |"
            f" {told} |\n"
        )
        print(
            f"{alive} of {len(names)} workers lived through it; the last plan ended {drained_s:.0f}"
            " s after the load."
        )
        print(f"Seconds per restart: {spread(seconds)}.\n")
    finally:
        fleet.end()


def frozen(folder: Path, server: Postgres) -> None:
    """A worker stopped past its lease and continued: the whole tree, then only the parent."""
    print(
        "| frozen | lease s | s to running elsewhere | attempts | ended while frozen | changed"
        " after |"
    )
    print("|---|---|---|---|---|---|")
    for whole in (True, False):
        # While only the parent stands still, its solver goes on: the takeover must come before the
        # solver's end.
        lease_s = 15.0 if whole else 3.0
        # A slot is free for what is taken over.
        settings = {
            "sync_max_users": 100,
            "lease_s": lease_s,
            "slots": 2,
        }
        fleet = Fleet(folder, server.new_database(), webs=1, workers=2, **settings)
        crowd, takeovers = Crowd(lambda fleet=fleet: fleet.addresses[0]), Takeovers(fleet)  # type: ignore[misc]
        try:
            # Long plans, and quick ones that the frozen worker has taken from the queue and not
            # begun.
            jobs = iter([(8000, True), (8000, True), *[(SMALL, True)] * 40])
            with crowd.submitting(jobs, clients=1, pause_s=0.0):
                while sum(map(len, fleet.busy().values())) < 2:
                    time.sleep(0.02)
                time.sleep(1.0)
                victim, plans = next(iter(fleet.busy().items()))
                fleet.workers[victim].signal(signal.SIGSTOP, whole=whole)
                takeovers.left(plans)
                while len(crowd.accepted) < 42:
                    time.sleep(0.05)
            until = time.monotonic() + 25.0
            while time.monotonic() < until or takeovers.since:
                takeovers.look()
                time.sleep(0.05)
            wait_until_ended(fleet.database, 200.0)
            ended = finished(fleet.database)
            fleet.workers[victim].signal(signal.SIGCONT, whole=whole)
            time.sleep(20.0)
            verdict(fleet.database, crowd.accepted)
            after = finished(fleet.database)
            changed = sum(after[plan_id] != ended[plan_id] for plan_id in ended)
            attempts = max(
                attempt for attempt, _ in fleet.attempts([plan_id for plan_id, _ in plans]).values()
            )
            taken = f"{max(takeovers.seconds):.1f}" if takeovers.seconds else "its solver ended it"
            print(
                f"| {'worker and solvers' if whole else 'worker only'} | {lease_s:g} | {taken} |"
                f" {attempts} | {len(ended)} of 42 | {changed} |"
            )
            if changed:
                raise AssertionError("a late result overwrote an answer")
        finally:
            fleet.end()
    print()


def finished(database: Database) -> dict[str, tuple[object, int]]:
    """When each ended plan ended, by which attempt."""
    with database.reading() as session:
        rows = session.execute(
            select(PlanRow.id, PlanRow.finished_at, PlanRow.attempt).where(
                PlanRow.status.in_(ENDED)
            )
        )
        return {plan_id: (when, attempt) for plan_id, when, attempt in rows}


def batches(folder: Path, server: Postgres, kills: int = 30, plans: int = 3000) -> None:
    """Kill -9 of random solving processes, and now and then of a worker, while they are at batches
    of small plans, of which some are cancelled.
    """
    fleet, chance = Fleet(folder, server.new_database(), webs=1, workers=2), random.Random(3)
    crowd = Crowd(lambda: fleet.addresses[0])
    jobs, solvers, workers, cancelled = iter([(SMALL, True)] * plans), 0, 0, 0
    try:
        with (
            crowd.submitting(jobs, clients=4, pause_s=0.0),
            httpx.Client(base_url=fleet.addresses[0], timeout=60.0, trust_env=False) as canceller,
        ):
            while solvers + workers < kills:
                time.sleep(chance.uniform(0.1, 0.5))
                name = chance.choice(sorted(fleet.workers))
                if (solvers + workers) % 10 == 9:
                    fleet.workers.pop(name).kill()
                    fleet.add_worker()
                    workers += 1
                elif busy := fleet.busy().get(name):
                    canceller.post(f"/v1/plans/{chance.choice(busy)[0]}/cancel")
                    for solver in fleet.workers[name].solvers():
                        solver.kill()
                    solvers += 1
            while len(crowd.accepted) < plans:
                time.sleep(0.1)
        drained_s = wait_until_ended(fleet.database, 300.0)
        with fleet.database.writing() as session:  # what was asked for is no fault
            cancelled = session.execute(
                update(PlanRow)
                .where(PlanRow.status == "cancelled")
                .values(status="solved", users=0)
            ).rowcount
        print(f"| solvers killed | workers killed | cancelled | {VERDICT} |")
        print(f"|{'---|' * 8}")
        told = verdict(fleet.database, crowd.accepted)
        print(f"| {solvers} | {workers} | {cancelled} | {told} |\n")
        print(f"The last plan ended {drained_s:.0f} s after the load.\n")
    finally:
        fleet.end()


ON_SQLITE = {"embedded": embedded}
ON_POSTGRES = {"batches": batches, "killed": killed, "restarted": restarted, "frozen": frozen}


def main(names: list[str]) -> None:
    """Run all, or some by name."""
    print(f"Measured on {machine.describe()}.\n")
    with scratch() as folder:
        for name, run_embedded in ON_SQLITE.items():
            if not names or name in names:
                run_embedded(folder)
        if wanted := [run for name, run in ON_POSTGRES.items() if not names or name in names]:
            with postgres(folder) as server:
                for run in wanted:
                    run(folder, server)


if __name__ == "__main__":
    main(sys.argv[1:])

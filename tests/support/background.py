"""Plans that take a while, the workers that solve them, and what is heard of them meanwhile."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import httpx
import orjson

from app.settings import Settings
from tests.support.builders import Body
from tests.support.robust.requests import ROBUST, a_cell, a_user
from tests.support.stopping.requests import STOPPING, a_fleet, a_stored_robot

T = TypeVar("T")

LATER = {"Prefer": "respond-async"}
UNENDED = ("queued", "running")

# Users of a long plan that is seen under way however busy the machine is: seconds of one processor.
LONG = 2000


def a_small_cell(**fields: Any) -> Body:
    """A request that takes milliseconds."""
    return a_cell(a_user(), **fields)


def a_long_fleet(users: int, **fields: Any) -> Body:
    """A request that takes 1.5 to 2.5 ms for each user, tells of each, and names what
    `store_profiles` stores.

    Every robot runs at a clock of its own, so none is planned together with another.
    """
    robots = (a_stored_robot(id=f"robot-{n}", frequency_hz=5e8 + 1e5 * n) for n in range(users))
    return a_fleet(*robots, **fields)


def submit(client: httpx.Client, body: Body, path: str = ROBUST, **headers: str) -> str:
    """Have a request solved in the background; the plan's id."""
    answer = client.post(path, json=body, headers={**LATER, **headers})
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


def submit_long(client: httpx.Client, users: int = LONG, **fields: Any) -> str:
    """Have a long request solved in the background; the plan's id."""
    return submit(client, a_long_fleet(users, **fields), STOPPING)


def eventually(look: Callable[[], T], within_s: float = 120.0) -> T:
    """What a look finds, as soon as it finds something."""
    deadline = time.monotonic() + within_s
    while not (found := look()):
        assert time.monotonic() < deadline, f"not within {within_s:g} s"
        time.sleep(0.02)
    return found


def read(client: httpx.Client, plan_id: str) -> dict[str, Any]:
    """A plan that is there."""
    answer = client.get(f"/v1/plans/{plan_id}")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def ended(client: httpx.Client, plan_id: str, within_s: float = 120.0) -> dict[str, Any]:
    """A plan once it has ended."""

    def look() -> dict[str, Any] | None:
        document = read(client, plan_id)
        return None if document["status"] in UNENDED else document

    return eventually(look, within_s)


def under_way(client: httpx.Client, plan_id: str, within_s: float = 120.0) -> dict[str, Any]:
    """A plan once its solver has told how far it has come."""

    def look() -> dict[str, Any] | None:
        document = read(client, plan_id)
        assert document["status"] in UNENDED, document["status"]
        return document if document["progress"]["fraction"] > 0.0 else None

    return eventually(look, within_s)


def solvers_of(worker: int) -> list[int]:
    """The solving processes that a worker has, warm ones too: copies of the one that it copies."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with suppress(OSError):
                parent = parent_of(int(entry.name))
                if b"multiprocessing.forkserver" in (entry / "cmdline").read_bytes():
                    parents[int(entry.name)] = parent
    return [process for process, parent in parents.items() if parents.get(parent) == worker]


def parent_of(process: int) -> int:
    """The process that began a process. Raises OSError where that is gone."""
    return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])


def lives(process: int) -> bool:
    """Whether a process is there and not only waiting to be buried."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


class WorkerProcess:
    """A worker of its own."""

    def __init__(self, process: "subprocess.Popen[bytes]", log: Path) -> None:
        self.process, self._log = process, log

    @property
    def log(self) -> str:
        """What it has said."""
        return self._log.read_text()

    def solver(self) -> int:
        """The process that solves."""
        (found,) = eventually(lambda: solvers_of(self.process.pid))
        return found

    def send(self, number: signal.Signals) -> None:
        """Signal the worker alone."""
        self.process.send_signal(number)


@contextmanager
def a_worker(settings: Settings, log: Path, first: str = "") -> Iterator[WorkerProcess]:
    """A real worker process; `first` is run in it before, to shorten what would take minutes."""
    values = settings.model_dump(exclude_unset=True)
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("SPLITPLAN_")
    }
    environment |= {f"SPLITPLAN_{name.upper()}": str(value) for name, value in values.items()}
    code = f"{first}\nfrom app.command import main\nmain(['worker', '--with-parent'])"
    with (
        log.open("wb") as written,
        subprocess.Popen(
            [sys.executable, "-c", code], env=environment, stdin=subprocess.PIPE, stderr=written
        ) as process,
    ):
        try:
            worker = WorkerProcess(process, log)

            def look() -> bool:
                assert process.poll() is None, worker.log
                return re.search(r"worker \S+ solves", worker.log) is not None

            eventually(look)
            yield worker
        finally:
            process.send_signal(signal.SIGCONT)
            process.kill()


Event = tuple[int, str, dict[str, Any]]


def events(answer: httpx.Response) -> Iterator[Event]:
    """Server-sent events as they come: id, kind, data."""
    fields: dict[str, str] = {}
    for line in answer.iter_lines():
        if line.startswith(":"):
            continue
        if line:
            name, _, value = line.partition(":")
            fields[name] = value.removeprefix(" ")
        elif fields:
            yield int(fields["id"]), fields["event"], orjson.loads(fields["data"])
            fields = {}


@contextmanager
def following(
    client: httpx.Client, plan_id: str, after: str | None = None
) -> Iterator[Iterator[Event]]:
    """The events of a plan as they come."""
    headers = {} if after is None else {"Last-Event-ID": after}
    with client.stream("GET", f"/v1/plans/{plan_id}/events", headers=headers) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        yield events(answer)


def followed(client: httpx.Client, plan_id: str, after: str | None = None) -> list[Event]:
    """The events of a plan until its end."""
    with following(client, plan_id, after) as told:
        return list(told)

"""`python -m client.demo`: twelve cameras of one 5G cell, planned over HTTP by a service of the
demo's own.
"""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx

from client import present
from client.planning import PlanningClient, PlanningError

START_WITHIN_S = 60.0
STOP_WITHIN_S = 15.0
ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

DISTANCE_M = (30.0, 45.0, 60.0, 80.0, 100.0, 125.0, 150.0, 175.0, 200.0, 230.0, 260.0, 300.0)
# At a gate somebody waits for the answer.
PLACES = (("gate", 0.15), ("aisle", 0.2))

REQUEST: dict[str, Any] = {
    "name": "demo",
    "channel": "nr-30mhz",
    "server": "nvidia-t4",
    "users": [
        {
            "id": f"{PLACES[n % 2][0]}-{n // 2 + 1}",
            "device": "jetson-xavier-nx-cpu",
            "model": "resnet18",
            "distance_m": distance_m,
            "deadline_s": PLACES[n % 2][1],
            "risk": 0.02,
            "max_loss": 0.02,  # of accuracy, so that features may be sent in 8 bits
        }
        for n, distance_m in enumerate(DISTANCE_M)
    ],
}


class NotStarted(Exception):
    """The demo's service ended, or was not ready in time; the message holds its log."""


@contextmanager
def own_service() -> Iterator[PlanningClient]:
    """A service with a database that nobody else has, stopped on the way out. Raises NotStarted."""
    with TemporaryDirectory(prefix="splitplan-demo-") as folder:
        log = Path(folder, "service.log")
        # The user's settings name the user's database, so none of them goes in.
        environment = {
            name: value
            for name, value in os.environ.items()
            if not name.upper().startswith("SPLITPLAN_")
        }
        environment["SPLITPLAN_DATABASE_URL"] = f"sqlite:///{folder}/demo.db"
        environment["SPLITPLAN_WORKERS"] = "0"  # a dozen cameras are planned at once
        program = Path(sys.executable).with_name("splitplan")
        command = [
            str(program),
            "serve",
            "--host",
            "127.0.0.1",
            "--port",
            "0",
            "--migrate",
            "--load-catalogue",
        ]
        child: subprocess.Popen[bytes] | None = None
        try:
            with log.open("wb") as written, _endings_held():
                child = subprocess.Popen(  # noqa: S603 - the program beside this interpreter
                    command,
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    stdout=written,
                    stderr=written,
                )
            url = _address(child, log)
            # A transport of its own: no proxy stands between a process and its child.
            with PlanningClient(url, transport=httpx.HTTPTransport()) as planning:
                yield planning
        finally:
            if child is not None:
                with _endings_held():
                    _stop(child)


@contextmanager
def _endings_held() -> Iterator[None]:
    """Signals that end the demo wait until the block is over: in between they would leave the
    service behind.
    """
    came: list[int] = []
    handlers = {
        ending: signal.signal(ending, lambda number, _: came.append(number)) for ending in ENDINGS
    }
    try:
        yield
    finally:
        for ending, handler in handlers.items():
            signal.signal(ending, handler)
        for number in came:
            signal.raise_signal(number)


def _address(child: subprocess.Popen[bytes], log: Path) -> str:
    """Where the service listens, as its log tells."""
    end = time.monotonic() + START_WITHIN_S
    while True:
        ended = child.poll()
        said = log.read_text("utf-8", "replace")
        if found := re.search(r"listening on (http://\S+),", said):
            return found[1]
        if ended is not None:
            raise NotStarted(f"the service ended with code {ended}; its log:\n{said}")
        if time.monotonic() > end:
            raise NotStarted(f"the service was not ready in {START_WITHIN_S:g} s; its log:\n{said}")
        time.sleep(0.02)


def _stop(child: subprocess.Popen[bytes]) -> None:
    child.terminate()
    try:
        child.wait(STOP_WITHIN_S)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def main() -> None:
    """Plan the cameras and print the plan."""
    # Ended by a signal, Python would leave the service behind.
    for ending in ENDINGS:
        signal.signal(ending, lambda number, _: sys.exit(128 + number))
    console = present.console(sys.stdout)
    users = REQUEST["users"]
    console.print(
        f"asked      {len(users)} cameras ({users[0]['device']}, {users[0]['model']}),"
        f" {REQUEST['channel']}, {REQUEST['server']}; late at most {users[0]['risk']:.0%} of the"
        " time"
    )
    try:
        with own_service() as planning:
            plan = planning.solve("robust", REQUEST)
    except (NotStarted, PlanningError, httpx.TransportError, OSError) as error:
        sys.exit(f"demo: {error}")
    if plan["status"] != "solved":
        sys.exit(f"demo: the plan is {plan['status']}: {plan.get('infeasible')}")
    present.plan(console, plan)


if __name__ == "__main__":
    main()

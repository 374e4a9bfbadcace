"""Schemathesis, with all its checks, against services of its own: `make fuzz SECONDS=600`.

One service asks nobody for a key; another has keys and is asked with one of each scope, and
without. What is found is printed with a request that shows it, and the exit code says whether there
is any.
"""

import argparse
import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx

from app import projects
from app.auth import service as auth
from app.auth.callers import Scope
from app.db import open_database
from app.settings import Settings
from benchmarks.rig import Process, postgres, scratch

# One: of two threads of Python 3.11 that read source at a time, one may fail (SystemError).
_WORKERS = 1
_PATIENCE_S = 60.0
_LONG_S = 60


# The part of the time that each caller of a service with keys has.
_CALLERS: dict[Scope | None, float] = {"admin": 0.55, "plan": 0.25, "read": 0.15, None: 0.05}


@dataclass(frozen=True, slots=True)
class Fuzz:
    """How long a service is asked, from which seed, and where all is kept."""

    seconds: int
    seed: int
    folder: Path
    report: Path | None

    def without_keys(self, database_url: str) -> int:
        """Ask a service that asks nobody for a key; 0 where every answer was as it must be."""
        with served(self.folder, database_url) as service:
            return self._ask(service, "anyone", self.seconds, None)

    def with_keys(self, database_url: str) -> int:
        """Ask a service that has keys, with one of each scope and without any."""
        with served(self.folder, database_url) as service:
            database = open_database(database_url)
            with database.writing() as session:
                keys = {
                    scope: auth.create(session, "fuzz", projects.DEFAULT, scope, None)
                    for scope in _CALLERS
                    if scope is not None
                }
            database.engine.dispose()
            time.sleep(Settings().key_cache_s + 1.0)  # so long nobody may be asked for a key
            codes = [
                self._ask(service, scope or "nobody", round(part * self.seconds), keys.get(scope))
                for scope, part in _CALLERS.items()
            ]
        return max(codes)

    def _ask(self, service: Process, who: str, seconds: int, key: str | None) -> int:
        print(f"\n### {who}, {seconds} s", flush=True)
        command = [str(Path(sys.executable).with_name("schemathesis")), "--no-color"]
        command += ["--config-file", str(Path(__file__).with_name("schemathesis.toml")), "run"]
        command += [f"{service.address()}/openapi.json", "--max-time", str(seconds)]
        command += ["--checks", "all", "--seed", str(self.seed), "--continue-on-failure"]
        command += ["--workers", str(_WORKERS), "--request-timeout", str(_PATIENCE_S)]
        command += ["--suppress-health-check", "all", "--generation-database", "none"]
        if seconds < _LONG_S:  # a few tries of every operation, rather than all of a few
            command += ["--phases", "fuzzing", "--max-examples", "2"]
        if key is not None:
            command += ["--header", f"Authorization: Bearer {key}"]
        if self.report is not None:
            command += ["--report-json-path", f"{self.report.with_suffix('')}-{who}.json"]
        code = subprocess.run(command, check=False, cwd=self.folder).returncode
        if service.popen.poll() is not None:
            print(f"the service ended:\n{service.log.read_text()[-4000:]}", file=sys.stderr)
            return 1
        if "Traceback" in (log := service.log.read_text()):
            print(f"the service's log:\n{log[-8000:]}", file=sys.stderr)
            return 1
        return code


@contextlib.contextmanager
def served(folder: Path, database_url: str) -> Iterator[Process]:
    """A service on a database of its own."""
    service = Process(
        folder,
        *("serve", "--migrate", "--load-catalogue"),
        database_url=database_url,
        port=0,
    )
    try:
        # Made when it is first asked for; schemathesis waits for 10 s.
        httpx.get(f"{service.address()}/openapi.json", timeout=120.0, trust_env=False)
        yield service
    finally:
        service.end()


def main() -> None:
    """Read what is asked and exit with what is found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=600, help="each, with keys and without")
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(4)))
    parser.add_argument("--keys", choices=("with", "without", "both"), default="both")
    parser.add_argument("--postgres", action="store_true", help="rather than SQLite")
    parser.add_argument("--report", type=Path, help="what was asked and found, as JSON, by caller")
    asked = parser.parse_args()
    print(f"to have this run again: make fuzz SECONDS={asked.seconds} SEED={asked.seed}")
    sys.stdout.flush()
    codes = []
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(scratch())
        server = stack.enter_context(postgres(folder)) if asked.postgres else None
        report = None if asked.report is None else asked.report.absolute()
        fuzz = Fuzz(asked.seconds, asked.seed, folder, report)
        for name, ask in (("without", fuzz.without_keys), ("with", fuzz.with_keys)):
            if asked.keys in (name, "both"):
                file = f"sqlite:///{folder / name}.db"
                codes.append(ask(file if server is None else server.new_database()))
    sys.exit(max(codes))


if __name__ == "__main__":
    main()

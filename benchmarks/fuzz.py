"""Schemathesis, with all its checks, against a service of its own: `make fuzz SECONDS=480`.

What it finds is printed with a request that shows it, and the exit code says whether there is any.
"""

import argparse
import contextlib
import os
import subprocess
import sys
from pathlib import Path

from benchmarks.rig import Process, postgres, scratch

# Every operation has its turn whatever the time; what is left of it is for chains of requests.
_WORKERS = 2
_PATIENCE_S = 60.0


def run(seconds: int, seed: int, database_url: str, folder: Path, report: Path | None) -> int:
    """Ask a service for so many seconds; 0 where every answer was as it must be."""
    service = Process(
        folder,
        "serve",
        "--migrate",
        "--load-catalogue",
        database_url=database_url,
        port=0,
    )
    try:
        command = [str(Path(sys.executable).with_name("schemathesis")), "--no-color"]
        command += ["--config-file", str(Path(__file__).with_name("schemathesis.toml")), "run"]
        command += [f"{service.address()}/openapi.json", "--max-time", str(seconds)]
        command += ["--checks", "all", "--seed", str(seed), "--continue-on-failure"]
        command += ["--workers", str(_WORKERS), "--request-timeout", str(_PATIENCE_S)]
        command += ["--suppress-health-check", "all", "--generation-database", "none"]
        if report is not None:
            command += ["--report-json-path", str(report)]
        code = subprocess.run(command, check=False, cwd=folder).returncode
        if service.popen.poll() is not None:
            print(f"the service ended:\n{service.log.read_text()[-4000:]}", file=sys.stderr)
            return 1
        if code and "Traceback" in (log := service.log.read_text()):
            print(f"the service's log:\n{log[-8000:]}", file=sys.stderr)
        return code
    finally:
        service.end()


def main() -> None:
    """Read what is asked and exit with what is found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=480)
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(4)))
    parser.add_argument("--postgres", action="store_true", help="rather than SQLite")
    parser.add_argument("--report", type=Path, help="what was asked and found, as JSON")
    asked = parser.parse_args()
    print(f"to have this run again: make fuzz SECONDS={asked.seconds} SEED={asked.seed}")
    sys.stdout.flush()
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(scratch())
        url = f"sqlite:///{folder / 'fuzz.db'}"
        if asked.postgres:
            url = stack.enter_context(postgres(folder)).new_database()
        report = None if asked.report is None else asked.report.absolute()
        code = run(asked.seconds, asked.seed, url, folder, report)
    sys.exit(code)


if __name__ == "__main__":
    main()

"""Processor time of multi-user and stopping plans against an earlier build: `python -m
benchmarks.against_baseline [case]`.

Both builds solve every case in turn, each time in a process of its own, so that whatever else the
machine does meets both.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

from benchmarks import baseline

_RUNS = 2
# Runs in either build: only what both have may be named.
_SCRIPT = """
import inspect, json, math, time
from solvers.outcome import Options
{imports}
problem = {problem}
# Earlier builds were followed by a function that they had to be given.
asked = inspect.signature(solve).parameters
more, options = {{}}, Options()
if "report" in asked:
    more, options = {{"report": lambda *_, **__: False}}, Options(time_limit_s=math.inf)
else:
    from solvers.progress import Progress
    more = {{"progress": Progress(time_limit_s=math.inf)}}
began = time.process_time()
answer = solve(problem, options, **more)
spent_s = time.process_time() - began
if isinstance(answer, tuple):
    answer, certificate = answer
    assert certificate.holds
print(json.dumps([spent_s, answer.objective, answer.lower_bound]))
"""
_MULTIUSER = """
from benchmarks.multiuser import fleet
from solvers.multiuser.solve import solve
"""
_STOPPING = """
from benchmarks.stopping import cell
from solvers.stopping.solve import solve
"""
_STOPPING_CHECKED = """
from benchmarks.stopping import cell
from solvers.registry import answer as solve
"""
CASES = {
    "multi-user, 1,000,000 users": (_MULTIUSER, "fleet(1_000_000, deadlines=False)"),
    "multi-user, 1,000,000 users, half with deadlines": (_MULTIUSER, "fleet(1_000_000)"),
    "stopping, 100,000 devices": (_STOPPING, "cell(100_000, clairvoyant=False)"),
    "stopping, 100,000 devices, checked": (
        _STOPPING_CHECKED,
        "cell(100_000, clairvoyant=False)",
    ),
}


def solved(folder: Path, case: tuple[str, str]) -> list[float]:
    """Processor seconds, objective and bound of a case, by the build in a folder."""
    imports, problem = case
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            baseline.WITH_KERNEL + _SCRIPT.format(imports=imports, problem=problem),
        ],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder), "OPENBLAS_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    found: list[float] = json.loads(done.stdout)
    return found


def main() -> None:
    """Print the times, and by how much bound and objective differ."""
    print(
        "| case | baseline [s] | now [s] | times | objective | bound |\n|---|---|---|---|---|---|"
    )
    with baseline.laid_out(baseline.COMMIT) as earlier:
        for name in sys.argv[1:] or CASES:
            for _ in range(_RUNS):
                row(name, solved(earlier, CASES[name]), solved(baseline.CHECKOUT, CASES[name]))


def row(name: str, before: list[float], now: list[float]) -> None:
    """One line of the table."""
    apart = [f"{new / old - 1.0:+.1e}" for old, new in zip(before[1:], now[1:], strict=True)]
    print(
        f"| {name} | {before[0]:.2f} | {now[0]:.2f} | {before[0] / now[0]:.1f} |"
        f" {' | '.join(apart)} |",
        flush=True,
    )


if __name__ == "__main__":
    main()

"""Plans of this checkout against those of an earlier commit, on the same cases in one run:
`python -m benchmarks.against_baseline [robust] [multiuser] [stopping]`, of every family unless some
are named.

The earlier commit is laid out in a temporary folder and runs with the packages of this environment.
Both take turns, case by case, so that whatever else the machine does meets both; what is compared
is processor time.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import baseline, machine

FAMILIES = ("robust", "multiuser", "stopping")

# What either side runs, with what both commits have alone: least processor seconds of some runs,
# energies and bounds.
_ROBUST = """
import inspect, json, resource, sys, time
import numpy as np
from benchmarks.robust_reference import cameras
from solvers.outcome import Options
from solvers.robust.baselines import baselines
from solvers.robust.solve import solve
try:
    from tests.support.robust.cells import random_cell
except ImportError:
    from tests.solvers.robust.cells import random_cell

KINDS = ("generic", "levels", "tied", "tight")
RULES = ("device_only", "edge_only", "equal_share", "mean_only")
LIMIT_S = 10.0  # for each random cell, of which the earlier build leaves some open
KNOWS_PLAN = "plan" in inspect.signature(baselines).parameters

def timed(call, runs):
    times = []
    for _ in range(runs):
        begun = time.process_time()
        found = call()
        times.append(time.process_time() - begun)
    return found, min(times)

def told(solution, seconds):
    return dict(
        cpu_s=seconds,
        status=str(solution.status),
        objective=solution.objective,
        bound=solution.lower_bound,
    )

def small(seed, runs=5):
    problem = cameras(seed, 12)
    solution, seconds = timed(lambda: solve(problem), runs)
    answer = told(solution, seconds)
    if solution.objective is not None:
        given = (solution,) if KNOWS_PLAN else ()
        rules, answer["rules_s"] = timed(lambda: baselines(problem, *given), runs)
        answer["rules"] = [getattr(rules, name).energy_j for name in RULES]
    return answer

def limited(problem):
    if "time_limit_s" in inspect.signature(Options).parameters:
        return solve(problem, Options(time_limit_s=LIMIT_S))
    from solvers.progress import Progress
    return solve(problem, progress=Progress(time_limit_s=LIMIT_S))

def drawn(seed):
    rng = np.random.default_rng(seed)
    problem = random_cell(rng, int(rng.integers(1, 51)), 8, KINDS[seed % 4])
    solution, seconds = timed(lambda: limited(problem), 1)
    if seconds < LIMIT_S / 10:
        seconds = min(seconds, timed(lambda: limited(problem), 1)[1])
    return told(solution, seconds)

def large(users, cells):
    total = dict(cpu_s=0.0, status="optimal", objective=0.0, bound=0.0)
    for cell in range(cells):
        problem = cameras(1 + cell, users // cells)
        solution, seconds = timed(lambda: solve(problem), 1)
        total["cpu_s"] += seconds
        if solution.objective is None:
            continue
        total["objective"] += solution.objective
        total["bound"] += solution.lower_bound
    total["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return total

solve(cameras(0, 12))
for line in sys.stdin:
    name, arguments = json.loads(line)
    print(json.dumps(globals()[name](*arguments)), flush=True)
"""


_RUNS = 2
# Runs in either build: only what both have may be named.
_ONCE = """
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
    ("multiuser", "1,000,000 users"): (_MULTIUSER, "fleet(1_000_000, deadlines=False)"),
    ("multiuser", "1,000,000 users, half with deadlines"): (_MULTIUSER, "fleet(1_000_000)"),
    ("stopping", "100,000 devices"): (_STOPPING, "cell(100_000, clairvoyant=False)"),
    ("stopping", "100,000 devices, checked"): (
        _STOPPING_CHECKED,
        "cell(100_000, clairvoyant=False)",
    ),
}


class Side:
    """A process of one checkout that plans robust cells, case by case."""

    def __init__(self, folder: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", baseline.WITH_KERNEL + _ROBUST],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(folder)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __call__(self, name: str, *arguments: int) -> dict[str, Any]:
        """What it measured."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps([name, arguments]) + "\n")
        self.process.stdin.flush()
        answer: dict[str, Any] = json.loads(self.process.stdout.readline())
        return answer


def paired(sides: tuple[Side, Side], name: str, cases: Iterator[tuple[int, ...]]) -> list[Any]:
    """Both sides' answers, the one right after the other."""
    return [(sides[0](name, *case), sides[1](name, *case)) for case in cases]


def robust_row(what: str, before: float, now: float, rest: str) -> None:
    """One line of the table."""
    print(
        f"| {what} | {1e3 * before:,.2f} | {1e3 * now:,.2f} | {before / now:.1f} | {rest} |",
        flush=True,
    )


def compared(pairs: list[Any]) -> str:
    """How far energies and gaps are apart."""
    planned = [(a, b) for a, b in pairs if a["objective"] is not None]
    energy = [b["objective"] / a["objective"] - 1.0 for a, b in planned]
    before, now = (
        max(1.0 - pair[k]["bound"] / pair[k]["objective"] for pair in planned) for k in (0, 1)
    )
    lost = sum(a["status"] == "optimal" != b["status"] for a, b in pairs)
    worse, better = max(energy), -min(energy)
    return (
        f"energy at most {worse:.0e} more and {better:.0e} less, largest gap {before:.1e} →"
        f" {now:.1e}, {lost} proofs lost of {len(planned)}"
    )


def robust(earlier: Path, users: int, cells: int) -> None:
    """The table of robust cells."""
    print("| cells | before, ms of CPU | now | times faster | plans |\n|---|---|---|---|---|")
    sides = Side(earlier), Side(baseline.CHECKOUT)
    pairs = [(a, b) for a, b in paired(sides, "small", ((s,) for s in range(40))) if a["objective"]]
    for what, key in (("12 cameras", "cpu_s"), ("their baselines", "rules_s")):
        before, now = (float(np.median([pair[k][key] for pair in pairs])) for k in (0, 1))
        robust_row(f"{what}, median of {len(pairs)}", before, now, compared(pairs))
    if cells:
        pairs = paired(sides, "drawn", ((seed,) for seed in range(cells)))
        totals = [float(np.sum([pair[k]["cpu_s"] for pair in pairs])) for k in (0, 1)]
        slowest = [max(pair[k]["cpu_s"] for pair in pairs) for k in (0, 1)]
        robust_row(
            f"{len(pairs)} random cells of 1 to 50 users, together",
            totals[0],
            totals[1],
            f"{compared(pairs)}; slowest {1e3 * slowest[0]:,.0f} → {1e3 * slowest[1]:,.0f} ms",
        )
    for parts in (100, 1):
        pair = (sides[0]("large", users, parts), sides[1]("large", users, parts))
        robust_row(
            f"{users:,} cameras in {parts}",
            pair[0]["cpu_s"],
            pair[1]["cpu_s"],
            f"{compared([pair])}; {pair[0]['peak_mb']:.0f} → {pair[1]['peak_mb']:.0f} MB",
        )
    for side in sides:
        side.process.kill()
        side.process.wait()


def solved(folder: Path, case: tuple[str, str]) -> list[float]:
    """Processor seconds, objective and bound of a case, by the build in a folder."""
    imports, problem = case
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            baseline.WITH_KERNEL + _ONCE.format(imports=imports, problem=problem),
        ],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder), "OPENBLAS_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    found: list[float] = json.loads(done.stdout)
    return found


def solved_once(earlier: Path, families: list[str]) -> None:
    """The table of cases that each take a process of their own."""
    print(
        "| case | baseline [s] | now [s] | times | objective | bound |\n|---|---|---|---|---|---|"
    )
    for (family, name), case in CASES.items():
        for _ in range(_RUNS if family in families else 0):
            row(f"{family}, {name}", solved(earlier, case), solved(baseline.CHECKOUT, case))


def row(name: str, before: list[float], now: list[float]) -> None:
    """One line of the table."""
    apart = [f"{new / old - 1.0:+.1e}" for old, new in zip(before[1:], now[1:], strict=True)]
    print(
        f"| {name} | {before[0]:.2f} | {now[0]:.2f} | {before[0] / now[0]:.1f} |"
        f" {' | '.join(apart)} |",
        flush=True,
    )


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("families", nargs="*", metavar="FAMILY", help=", ".join(FAMILIES))
    parser.add_argument("--commit", default=baseline.COMMIT)
    parser.add_argument("--users", type=int, default=1_000_000, help="of large robust cells")
    parser.add_argument("--cells", type=int, default=1_000, help="random cells of 1 to 50 users")
    asked = parser.parse_args()
    families = asked.families or list(FAMILIES)
    if unknown := set(families) - set(FAMILIES):
        parser.error(f"no family {', '.join(sorted(unknown))}: there are {', '.join(FAMILIES)}")
    print(f"Measured on {machine.describe()}, against {asked.commit}.\n")
    with baseline.laid_out(asked.commit) as earlier:
        if "robust" in families:
            robust(earlier, asked.users, asked.cells)
            print()
        if families != ["robust"]:
            solved_once(earlier, families)


if __name__ == "__main__":
    main()

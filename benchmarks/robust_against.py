"""Robust plans of this checkout against those of an earlier commit, on the same cells in one run:
`python -m benchmarks.robust_against [--commit 2220e6e] [--users 1000000] [--cells 1000]`.

The earlier commit is laid out in a temporary folder and runs with the packages of this environment.
Both take turns, case by case, and what is compared is processor time, which a busy machine
stretches for both alike.
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

# What either side runs, with what both commits have alone: least processor seconds of some runs,
# energies and bounds.
_ONE_SIDE = """
import inspect, json, resource, sys, time
import numpy as np
from benchmarks.robust_reference import cameras
from solvers.robust.baselines import baselines
from solvers.robust.solve import solve
try:
    from tests.support.robust.cells import random_cell
except ImportError:
    from tests.solvers.robust.cells import random_cell

KINDS = ("generic", "levels", "tied", "tight")
RULES = ("device_only", "edge_only", "equal_share", "mean_only")
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

def drawn(seed):
    rng = np.random.default_rng(seed)
    problem = random_cell(rng, int(rng.integers(1, 51)), 8, KINDS[seed % 4])
    solution, seconds = timed(lambda: solve(problem), 1)
    if seconds < 0.5:
        seconds = min(seconds, timed(lambda: solve(problem), 1)[1])
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


class Side:
    """A process of one checkout that answers case by case."""

    def __init__(self, folder: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", baseline.WITH_KERNEL + _ONE_SIDE],
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


def row(what: str, before: float, now: float, rest: str) -> None:
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


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--commit", default=baseline.COMMIT)
    parser.add_argument("--users", type=int, default=1_000_000)
    parser.add_argument("--cells", type=int, default=1_000, help="random cells of 1 to 50 users")
    asked = parser.parse_args()
    print(f"Measured on {machine.describe()}, against {asked.commit}.\n")
    print("| cells | before, ms of CPU | now | times faster | plans |\n|---|---|---|---|---|")
    with baseline.laid_out(asked.commit) as earlier:
        sides = Side(earlier), Side(baseline.CHECKOUT)
        pairs = [
            (a, b) for a, b in paired(sides, "small", ((s,) for s in range(40))) if a["objective"]
        ]
        for what, key in (("12 cameras", "cpu_s"), ("their baselines", "rules_s")):
            before, now = (float(np.median([pair[k][key] for pair in pairs])) for k in (0, 1))
            row(f"{what}, median of {len(pairs)}", before, now, compared(pairs))
        if asked.cells:
            pairs = paired(sides, "drawn", ((seed,) for seed in range(asked.cells)))
            totals = [float(np.sum([pair[k]["cpu_s"] for pair in pairs])) for k in (0, 1)]
            slowest = [max(pair[k]["cpu_s"] for pair in pairs) for k in (0, 1)]
            row(
                f"{len(pairs)} random cells of 1 to 50 users, together",
                totals[0],
                totals[1],
                f"{compared(pairs)}; slowest {1e3 * slowest[0]:,.0f} → {1e3 * slowest[1]:,.0f} ms",
            )
        for cells in (100, 1):
            pair = (sides[0]("large", asked.users, cells), sides[1]("large", asked.users, cells))
            row(
                f"{asked.users:,} cameras in {cells}",
                pair[0]["cpu_s"],
                pair[1]["cpu_s"],
                f"{compared([pair])}; {pair[0]['peak_mb']:.0f} → {pair[1]['peak_mb']:.0f} MB",
            )
        for side in sides:
            side.process.kill()
            side.process.wait()


if __name__ == "__main__":
    main()

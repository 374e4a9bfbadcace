"""The exact robust method against the paper's own and a general solver.

`python -m benchmarks.robust_reference`.
"""

import importlib.util
import itertools
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from benchmarks import machine
from benchmarks.general_programs import GAP, scip
from solvers.outcome import Options
from solvers.progress import Progress, Step
from solvers.robust.check import check
from solvers.robust.pccp import pccp, starts
from solvers.robust.problem import Problem
from solvers.robust.solve import solve
from tests.support.robust.cells import a_cell, random_cell

USERS, CELLS = 12, 50
SCIP_LIMIT_S = 60.0


def main() -> None:
    """Print every table."""
    print(f"Measured on {machine.describe()}.\n")
    against_the_papers_method("AlexNet cameras", lambda seed: cameras(seed, USERS))
    against_the_papers_method(
        "users with networks and devices of their own",
        lambda seed: random_cell(np.random.default_rng(seed), USERS, 8),
    )
    against_scip()


def cameras(seed: int, users: int) -> Problem:
    """AlexNet cameras anywhere in a cell, with deadlines, risks and an uplink of their own."""
    rng = np.random.default_rng(seed)
    return a_cell(
        users,
        deadline_s=rng.uniform(0.12, 0.3, users),
        risk=rng.uniform(0.01, 0.1, users),
        gain=10.0 ** (-(15.3 + 37.6 * np.log10(rng.uniform(30.0, 250.0, users))) / 10.0),
        bandwidth_hz=users / 12.0 * 10.0 ** rng.uniform(6.5, 7.5),
    )


def feasible(cell: Callable[[int], Problem]) -> Iterator[Problem]:
    """The cells of a sequence that have a plan."""
    return (problem for problem in map(cell, itertools.count()) if starts(problem))


def timed(call: Callable[[], Any]) -> tuple[Any, float]:
    """What a call returns, and how long it took."""
    start = time.perf_counter()
    return call(), time.perf_counter() - start


def against_the_papers_method(kind: str, cell: Callable[[int], Problem]) -> None:
    """Energy and time against the alternation from each start, on the same cells in the same
    run.
    """
    problems = list(itertools.islice(feasible(cell), CELLS))
    begin = list(starts(problems[0]).values())[-1]
    first_s = (
        timed(lambda: pccp(problems[0], begin))[1] - timed(lambda: pccp(problems[0], begin))[1]
    )
    solve(problems[0])
    rows: dict[str, list[tuple[float, float, float]]] = {}
    exact_times, moved, runs = [], 0, 0
    for problem in problems:
        exact = solve(problem)
        exact_s = min(timed(partial(solve, problem))[1] for _ in range(3))
        exact_times.append(exact_s)
        found = []
        for name, start in starts(problem).items():
            steps: list[Step] = []
            solution, spent_s = timed(
                partial(pccp, problem, start, progress=Progress(steps.append))
            )
            assert check(problem, solution.decision).holds
            found.append((solution.objective / exact.objective - 1.0, spent_s, spent_s / exact_s))
            rows.setdefault(name, []).append(found[-1])
            moved += len(steps) > 1
            runs += 1
        more, spent, slower = zip(*found, strict=True)
        rows.setdefault("the better of both", []).append((min(more), sum(spent), sum(slower)))
    print(
        f"{CELLS} feasible cells of {USERS} {kind}. The alternation changed a cut after its start"
        f" in {moved} of {runs} runs.\nExact: {1e3 * np.median(exact_times):.1f} ms (median of the"
        f" least of 3 runs each). Compiling the alternation's programs took {first_s:.2f} s once,"
        " not counted.\n"
    )
    print(
        "| start of the alternation | cells | exact worse | exact better by > 1e-6 | more energy:"
        " median | 90 % | largest | seconds, median | times slower, median | largest"
        " |\n|---|---|---|---|---|---|---|---|---|---|"
    )
    for name, values in rows.items():
        energy, seconds, times = np.array(values).T
        print(
            f"| {name.replace('_', ' ')} | {len(values)} | {np.sum(energy < -1e-9)} |"
            f" {np.mean(energy > 1e-6):.0%} | {np.median(energy):.1%} |"
            f" {np.quantile(energy, 0.9):.1%} | {energy.max():.1%} | {np.median(seconds):.3f} |"
            f" {np.median(times):.0f} | {times.max():.0f} |"
        )
    print()


def against_scip() -> None:
    """The same optimum from a general mixed-integer nonlinear solver."""
    if importlib.util.find_spec("pyscipopt") is None:
        print("Not compared with SCIP: pyscipopt is not installed (`pip install pyscipopt`).")
        return
    print(f"SCIP to a gap of {GAP:g}, at most {SCIP_LIMIT_S:.0f} s; exact to {Options().gap:g}.\n")
    print(
        "| users | cells | proven by SCIP | largest difference | exact, ms | SCIP, s | times"
        " slower, median | largest |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for users in (2, 3, 4):
        problems = [cameras(100, users), cameras(101, users)]
        problems += [
            random_cell(np.random.default_rng(seed), users, 8) for seed in (0, 2, 3, 5, 7, 8)
        ]
        problems = [problem for problem in problems if starts(problem)]
        differences, exact_s, scip_s, proofs = [], [], [], 0
        for problem in problems:
            exact = solve(problem)
            assert exact.objective is not None
            exact_s.append(min(timed(partial(solve, problem))[1] for _ in range(3)))
            found, seconds = timed(partial(scip, problem, SCIP_LIMIT_S))
            scip_s.append(seconds)
            proofs += found.proven
            # Unproven, SCIP's bound must still lie below the plan, and its own plan above.
            outside = max(found.bound_j - exact.objective, exact.objective - found.energy_j)
            differences.append(
                (abs(exact.objective - found.energy_j) if found.proven else max(outside, 0.0))
                / exact.objective
            )
        ratio = np.array(scip_s) / np.array(exact_s)
        print(
            f"| {users} | {len(problems)} | {proofs} | {max(differences):.1e} |"
            f" {1e3 * np.median(exact_s):.1f} | {np.median(scip_s):.2f} | {np.median(ratio):.0f} |"
            f" {ratio.max():.0f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()

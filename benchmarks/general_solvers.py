"""Robust cells against general solvers: energy over the proven bound, processor time, and whether
the plan keeps its limits. `python -m benchmarks.general_solvers`.

The solvers that the project does without come into a temporary folder, pinned. Every one plans in
a process of its own, which has so much processor time and no more; the time that is told is the
solver's, without laying out its program.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import machine
from benchmarks.general_programs import GAP, SOLVERS, Found, Program, timed
from benchmarks.robust_reference import cameras, feasible
from solvers.outcome import Options
from solvers.robust.check import check
from solvers.robust.pccp import pccp, starts
from solvers.robust.pccp.cell import cell_of
from solvers.robust.problem import TOLERANCE, Decision, Problem
from solvers.robust.solve import solve

PINNED = {"pyscipopt": "6.3.0", "ecos": "2.0.14"}
SIZES, CELLS, LIMIT_S = (3, 6, 12, 30, 100), 3, 30.0
STRAYS = (1e-9, 1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2)


def main() -> None:
    """Print the table; by itself (`python -m benchmarks.general_solvers SOLVER USERS CELL`) what
    one solver makes of one cell.
    """
    if len(sys.argv) == 4:
        print(json.dumps(alone(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))))
        return
    with tempfile.TemporaryDirectory(prefix="splitplan-solvers-") as folder:
        uv = Path(sys.executable).with_name("uv")
        named = [f"{name}=={pin}" for name, pin in PINNED.items()]
        into = ["--quiet", "--no-deps", "--python", sys.executable, "--target", folder]
        subprocess.run([uv, "pip", "install", *into, *named], check=True)
        told = [*named, *(f"{name}=={version(name)}" for name in ("highspy", "cvxpy", "clarabel"))]
        print(f"Measured on {machine.describe()}, {', '.join(told)}.\n")
        print(
            f"{CELLS} feasible cells of AlexNet cameras of each size, a gap of {GAP:g} asked for,"
            f" {LIMIT_S:.0f} s of processor time each (ECOS_BB, which knows no limit:"
            f" {2.0 * LIMIT_S:.0f} s).\n"
        )
        print(
            "| users | method | plans | proven by itself | over the proven bound: median | largest"
            " | with its cuts split exactly: largest | plans that keep their limits | largest"
            " excess, within | solver, s: median | largest |"
        )
        print("|---|---|---|---|---|---|---|---|---|---|---|")
        table(folder)


def table(folder: str) -> None:
    """Every method on every size, as long as it had a plan for the size before, and a general
    solver as long as it proved one.
    """
    going = list(METHODS)
    for users in SIZES:
        for method in list(going):
            answers = [in_a_process(folder, method, users, cell) for cell in range(CELLS)]
            print(f"| {users} | {method} | {row(answers)} |", flush=True)
            key = "proven" if method in SOLVERS else "planned"
            if not any(answer[key] for answer in answers):
                going.remove(method)


def in_a_process(folder: str, method: str, users: int, cell: int) -> dict[str, Any]:
    """What a method made of a cell; nothing where its time was over."""
    nothing = {"planned": False, "proven": False, "energy": None, "solve_s": LIMIT_S}
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.general_solvers", method, str(users), str(cell)],
        env={**os.environ, "PYTHONPATH": folder, "OPENBLAS_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode < 0:  # ended by its limit
        return nothing
    if done.returncode > 0:
        raise RuntimeError(done.stderr)
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def alone(method: str, users: int, cell: int) -> dict[str, Any]:
    """A method on one cell, in this process: energies over the bound, and what the check says."""
    every = feasible(lambda seed: cameras(seed, users))
    problem = next(problem for number, problem in enumerate(every) if number == cell)
    bound = solve(problem).lower_bound
    assert bound is not None
    spent = time.process_time()
    # Beside a solver's own limit: laying out its program, and the last step of who knows a limit.
    room = int(spent + 2.0 * LIMIT_S)
    resource.setrlimit(resource.RLIMIT_CPU, (room, room))
    found = METHODS[method](problem)
    answer: dict[str, Any] = {
        "planned": found.decision is not None,
        "energy": None,
        "split": None,
        "stray": None,
        "proven": found.proven,
        "solve_s": found.solve_s,
    }
    if found.decision is not None:
        answer["energy"] = check(problem, found.decision).objective / bound - 1.0
        answer["stray"] = next(
            (by for by in STRAYS if check(problem, found.decision, tolerance=by).holds), np.inf
        )
        split = solve(with_cuts(problem, found.decision)).objective
        answer["split"] = None if split is None else split / bound - 1.0
    return answer


def with_cuts(problem: Problem, decision: Decision) -> Problem:
    """The same cell with each user's cut decided: its clocks and shares are left, exactly."""
    rows = Program(problem).rows[np.arange(problem.users), decision.option]
    work = problem.workloads
    table = replace(
        work,
        first=np.arange(problem.users + 1),
        **{name: getattr(work, name)[problem.workload] for name in work.per_workload()},
        **{name: getattr(work, name)[rows] for name in work.per_row()},
    )
    return replace(problem, workloads=table, workload=np.arange(problem.users))


def row(answers: list[dict[str, Any]]) -> str:
    """The rest of a line of the table."""
    plans = [answer for answer in answers if answer["energy"] is not None]
    seconds = [answer["solve_s"] for answer in answers]
    told = [f"{len(plans)} of {len(answers)}", str(sum(answer["proven"] for answer in answers))]
    energies = [answer["energy"] for answer in plans]
    splits = [answer["split"] for answer in plans if answer["split"] is not None]
    if plans:
        told += [_part(float(np.median(energies))), _part(max(energies))]
        told += [_part(max(splits)) if splits else "none can be"]
        told += [str(sum(answer["stray"] <= TOLERANCE for answer in plans))]
        told += [f"{max(answer['stray'] for answer in plans):.0e}"]
    else:
        told += [""] * 5
    told += [f"{np.median(seconds):.2g}", f"{max(seconds):.2g}"]
    return " | ".join(told)


def _part(excess: float) -> str:
    return f"{excess:.1%}" if abs(excess) > 1e-3 else f"{excess:.0e}"


def ours(problem: Problem) -> Found:
    """The exact method, warm: the median of five."""
    runs = [timed(lambda: solve(problem, Options())) for _ in range(6)][1:]
    solution = runs[0][0]
    return Found(
        proven=solution.status == "optimal",
        decision=solution.decision,
        solve_s=float(np.median([spent_s for _, spent_s in runs])),
    )


def alternation(problem: Problem) -> Found:
    """The paper's own, the better end of both starts, its programs compiled."""
    begin = starts(problem)
    pccp(problem, next(iter(begin.values())))
    ends, solve_s = timed(lambda: [pccp(problem, start) for start in begin.values()])
    best = min(ends, key=lambda end: end.objective)
    return Found(proven=False, decision=best.decision, solve_s=solve_s)


def equal_shares(problem: Problem) -> Found:
    """Each user's cheapest cut at an equal part of the uplink."""

    def planned() -> Decision | None:
        cell, share_hz = (
            cell_of(problem),
            np.full(problem.users, problem.bandwidth_hz / problem.users),
        )
        with np.errstate(divide="ignore", invalid="ignore"):
            energy = cell.energy_j(cell.clocks_hz(share_hz), share_hz)
        energy = np.where(cell.least_hz <= share_hz[:, None], energy, np.inf)
        option = energy.argmin(axis=1)
        if not np.all(np.isfinite(energy.min(axis=1))):
            return None
        return Program(problem).decision(option, share_hz / problem.bandwidth_hz)

    decision, solve_s = timed(planned)
    return Found(proven=False, decision=decision, solve_s=solve_s)


def _general(name: str) -> Callable[[Problem], Found]:
    return lambda problem: SOLVERS[name](problem, LIMIT_S)


METHODS: dict[str, Callable[[Problem], Found]] = {
    "exact, here": ours,
    **{name: _general(name) for name in SOLVERS},
    "PCCP": alternation,
    "equal shares": equal_shares,
}


if __name__ == "__main__":
    main()

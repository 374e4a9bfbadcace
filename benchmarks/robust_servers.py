"""Servers with budgets: small cells proven, and a fleet before ten servers against one that is
endless.

`python -m benchmarks.robust_servers [users]`.
"""

import sys
import time
from dataclasses import replace

import numpy as np

from benchmarks import machine
from solvers.outcome import Options, Status
from solvers.progress import Progress
from solvers.robust.problem import Problem
from solvers.robust.solve import solve
from tests.support.robust.cells import ALEXNET_BIT, ALEXNET_FLOP, a_cell, workloads
from tests.support.robust.served import endless, served_cells, used_s, with_servers

EIGHT = [0, 1, 2, 4, 6, 7, 9, 10]  # cuts of AlexNet


def main(users: int = 100_000) -> None:
    """Print both tables."""
    print(f"Measured on {machine.describe()}.\n")
    proofs()
    fleets(users)


def proofs() -> None:
    """How often and how fast cells of 12 users with servers that bind are proven, 8 cuts each."""
    print("| servers | cells | proven | without a plan | median, ms | slowest, ms |")
    print("|---|---|---|---|---|---|")
    for servers in (1, 2, 3):
        times, statuses = [], []
        for problem in served_cells([1000 + seed for seed in range(100)], 12, 8, servers):
            start = time.perf_counter()
            solution = solve(problem, Options(), Progress(time_limit_s=2.0))
            times.append(1e3 * (time.perf_counter() - start))
            statuses.append(solution.status)
        proven, none = statuses.count(Status.OPTIMAL), statuses.count(Status.INFEASIBLE)
        print(
            f"| {servers} | {len(times)} | {proven} | {none} | {np.median(times):.0f} |"
            f" {max(times):.0f} |"
        )
    print()


def fleets(users: int) -> None:
    """A fleet before ten servers of their own speeds and budgets, and before an endless one."""
    print("| users | servers | seconds | of the processor | options laid out at most | gap |")
    print("|---|---|---|---|---|---|")
    for problem in fleet(users, 10):
        start, busy = time.perf_counter(), time.process_time()
        solution = solve(problem)
        start, busy = time.perf_counter() - start, time.process_time() - busy
        rows = int(np.diff(problem.workloads.first)[0])
        print(
            f"| {users} | {len(problem.server_capacity) or 'endless'} | {start:.1f} | {busy:.1f} |"
            f" {rows * users} | {solution.gap:.1e} |"
        )


def fleet(users: int, servers: int, part: float = 0.7) -> tuple[Problem, Problem]:
    """Streams of cameras before one endless server; and before several that together have `part`
    of the time that these would take of it.
    """
    table = workloads(
        cycles=list(ALEXNET_FLOP[EIGHT] / 7.0),
        crossing_bit=list(ALEXNET_BIT[EIGHT]),
        flop_per_cycle=7.0,
    )
    rng = np.random.default_rng(0)
    speeds, rate = 10.0 ** rng.uniform(-0.7, 0.3, servers), rng.uniform(0.2, 1.0, users)
    cell = a_cell(users, workloads=table)
    one = with_servers(cell, [1.0], [1.0], rate)
    plan = solve(endless(one))
    assert plan.decision is not None
    total = float(used_s(one, plan.decision.option).sum())
    capacity = part * total * rng.dirichlet(np.full(servers, 3.0))
    several = with_servers(cell, speeds.tolist(), [1.0] * servers, rate)
    return endless(one), replace(several, server_capacity=tuple(capacity.tolist()))


if __name__ == "__main__":
    main(*(int(given) for given in sys.argv[1:]))

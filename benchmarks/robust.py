"""The robust family: time against users, and proofs of small cells.

`python -m benchmarks.robust`.
"""

import time
from functools import partial

import numpy as np

from benchmarks import machine
from solvers.outcome import Options, Status
from solvers.progress import Progress
from solvers.robust.baselines import baselines
from solvers.robust.check import check
from solvers.robust.solve import solve
from tests.support.robust.brute_force import brute_force
from tests.support.robust.cells import ALEXNET_BIT, ALEXNET_FLOP, a_cell, random_cell, workloads

EIGHT = [0, 1, 2, 4, 6, 7, 9, 10]  # cuts of AlexNet
SIZES = (1, 10, 100, 1_000, 10_000, 100_000)


def main() -> None:
    """Print every table."""
    print(f"Measured on {machine.describe()}.\n")
    growth()
    proofs()
    against_brute_force()


def growth() -> None:
    """Seconds per user against the number of users, 8 cuts each."""
    table = workloads(
        cycles=list(ALEXNET_FLOP[EIGHT] / 7.0),
        crossing_bit=list(ALEXNET_BIT[EIGHT]),
        flop_per_cycle=7.0,
    )
    print(
        "| users | seconds (least of 5) | median | µs per user | gap | check, ms | baselines, ms |"
    )
    print("|---|---|---|---|---|---|---|")
    least = []
    for users in SIZES:
        problem = a_cell(users, workloads=table)
        fastest, median, _ = machine.seconds(partial(solve, problem), 5)
        solution = solve(problem)
        assert solution.decision is not None
        checked, _, _ = machine.seconds(partial(check, problem, solution.decision), 3)
        compared, _, _ = machine.seconds(partial(baselines, problem, solution), 3)
        least.append(fastest)
        print(
            f"| {users} | {fastest:.4f} | {median:.4f} | {1e6 * fastest / users:.1f} |"
            f" {solution.gap:.1e} | {1e3 * checked:.2f} | {1e3 * compared:.1f} |"
        )
    exponent = np.polyfit(np.log(SIZES[3:]), np.log(least[3:]), 1)[0]
    print(f"\nTime grows as users^{exponent:.2f} from 1,000 to 100,000.\n")


def proofs() -> None:
    """How often and how fast random cells are proven, 8 cuts each."""
    print("| users | cells | proven | median, ms | slowest, ms |")
    print("|---|---|---|---|---|")
    for users, cells in ((3, 100), (12, 100), (30, 100), (100, 50), (300, 30)):
        times, proven = [], 0
        for seed in range(cells):
            problem = random_cell(np.random.default_rng(1000 + seed), users, 8)
            start = time.perf_counter()
            proven += (
                solve(problem, Options(), Progress(time_limit_s=2.0)).status is not Status.FEASIBLE
            )
            times.append(1e3 * (time.perf_counter() - start))
        print(f"| {users} | {cells} | {proven} | {np.median(times):.1f} | {max(times):.1f} |")
    print()


def against_brute_force() -> None:
    """The same optimum by looking at every combination of cuts, each with its convex split."""
    print("| users | cells | largest difference | times faster (median) |")
    print("|---|---|---|---|")
    for users, cuts in ((2, 8), (3, 6), (4, 5)):
        ratios, differences = [], []
        for seed in range(8):
            problem = random_cell(np.random.default_rng(seed), users, cuts)
            start = time.perf_counter()
            solution = solve(problem)
            middle = time.perf_counter()
            best = brute_force(problem)
            ratios.append((time.perf_counter() - middle) / (middle - start))
            if solution.objective is not None:
                differences.append(abs(solution.objective / best - 1.0))
        print(f"| {users} | {len(ratios)} | {max(differences):.1e} | {np.median(ratios):.0f} |")
    print()


if __name__ == "__main__":
    main()

"""Small cells in which next to nothing is left: of the uplink beyond the least shares, of a
deadline beyond the fastest clock, of a device's work beyond what it is started for.
"""

from dataclasses import replace

import mpmath  # type: ignore[import-untyped]
import numpy as np

from solvers.arrays import Floats
from solvers.outcome import Status
from solvers.registry import answer
from solvers.robust.problem import Problem
from solvers.robust.solve.candidates import options_of
from tests.support.robust.cells import a_cell, joined, random_cell, workloads

_COMBINATIONS = 9  # of options: each is planned in 50 digits
_KINDS = ("generic", "levels", "tied", "single")


def knife_edge_cell(seed: int) -> Problem | None:
    """One to three users, whose uplink is 1e-15 to 1e-6 of their least shares above these.

    By turns they have any cycles, next to none, or each its own few; users are alike or not; what
    varies on device and server cancels or does not.
    """
    rng = np.random.default_rng(seed)
    users = int(rng.integers(1, 4))
    problem = random_cell(rng, users, int(rng.integers(1, 4)), _KINDS[seed % len(_KINDS)])
    work = problem.workloads
    if np.prod(np.diff(work.first)[problem.workload]) > _COMBINATIONS:
        return None
    few = seed // 4 % 3
    if few == 1:
        problem = replace(
            problem, workloads=replace(work, cycles=work.cycles * 10.0 ** rng.uniform(-18, -6))
        )
    elif few == 2:
        each = 10.0 ** rng.uniform(-18, -3, len(work.cycles))
        problem = replace(problem, workloads=replace(work, cycles=work.cycles * each))
    if seed // 12 % 3 == 0:
        problem = replace(problem, correlation=np.full(users, -1.0))
    least = float(least_shares_hz(problem).sum())
    if not 0.0 < least < np.inf:
        return None
    return replace(problem, bandwidth_hz=least * (1.0 + 10.0 ** rng.uniform(-15, -6)))


def hasty(cycles: tuple[float, float], left: float) -> Problem:
    """Two users with so few cycles that nanoseconds decide between their slowest and their fastest
    clock, on an uplink that is a part `left` above their least shares.
    """
    kinds = {
        "clock_hz": (1e8, 2e9),
        "kappa": 1e-27,
        "flop_per_cycle": 1.0,
        "server_flops": 1e15,
        "overhead_s": 0.02,
    }
    parts = [workloads(cycles=[c, 1e12], crossing_bit=[4e5, 0.0], cv=0.0, **kinds) for c in cycles]
    wide = a_cell(
        2,
        workloads=joined(parts),
        workload=np.array([0, 1]),
        bandwidth_hz=1e9,
        tx_power_w=np.full(2, 0.1),
        gain=np.array([10**-9.5, 1e-10]),
        deadline_s=np.full(2, 0.2),
        risk=np.full(2, 0.05),
    )
    return replace(wide, bandwidth_hz=float(least_shares_hz(wide).sum()) * (1.0 + left))


def least_shares_hz(problem: Problem) -> Floats:
    """Least share of every user, infinite where it has none."""
    options, possible = options_of(problem)
    return options.least(np.where(possible, options.curves.least_hz, np.inf))


def claims_beyond(
    problem: Problem, exact: mpmath.mpf, gap: float = 1e-6
) -> tuple[Status, list[str]]:
    """What solver and check claim of a cell beyond its least energy in 50 digits."""
    solution, certificate = answer(problem)
    if solution.objective is None or certificate is None:
        return solution.status, []
    faults = []
    for who, bound in (("solver", solution.lower_bound), ("check", certificate.lower_bound)):
        if bound is not None and mpmath.mpf(bound) > exact * (1 + mpmath.mpf(2) ** -50):
            faults.append(f"{who}'s bound {bound!r} above {mpmath.nstr(exact, 20)}")
    if (
        solution.status == "optimal"
        and mpmath.mpf(solution.objective) * (1 - gap * (1 + 1e-6)) > exact
    ):
        faults.append(f"{solution.objective!r} called optimal, not {mpmath.nstr(exact, 20)}")
    return solution.status, faults

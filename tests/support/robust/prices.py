"""Prices of spectrum against differences of the energies that are planned at the same cuts."""

from dataclasses import replace

import numpy as np

from solvers.robust.problem import Decision, Problem
from solvers.robust.solve import solve
from solvers.robust.solve.candidates import options_of
from tests.support.robust.cells import random_cell

_STEP = 1e-6
_CORNER = 1e-4
_NONE = np.array([])


def at_its_cuts(problem: Problem, decision: Decision) -> Problem:
    """The same cell with no other options than those of a decision."""
    work = problem.workloads
    row = work.first[problem.workload] + decision.option
    columns = {name: getattr(work, name)[row] for name in work.per_row()}
    columns |= {name: getattr(work, name)[problem.workload] for name in work.per_workload()}
    fixed = replace(
        work,
        first=np.arange(problem.users + 1),
        **columns,
    )
    return replace(problem, workloads=fixed, workload=np.arange(problem.users))


def slopes_j_per_hz(problem: Problem, step: float = _STEP) -> tuple[float, float]:
    """-dE/dB to the right and to the left, by differences over `step` of the uplink; infinite where
    no plan is left.
    """
    energy = []
    for part in (1.0 - step, 1.0, 1.0 + step):
        objective = solve(replace(problem, bandwidth_hz=problem.bandwidth_hz * part)).objective
        energy.append(np.inf if objective is None else objective)
    width = step * problem.bandwidth_hz
    return (energy[1] - energy[2]) / width, (energy[0] - energy[1]) / width


def priced_cell(seed: int) -> Problem:
    """A cell of 2 to 300 users; every other one of users nearly alike, with an uplink at or beside
    their kinks.
    """
    rng = np.random.default_rng(seed)
    users = int(np.exp(rng.uniform(np.log(2), np.log(300 if seed % 10 < 2 else 40))))
    if seed % 2:
        return random_cell(rng, users, 5, ("generic", "levels", "tied", "generic")[seed // 2 % 4])
    problem = random_cell(rng, users, 5, "tied")
    problem = replace(
        problem,
        gain=problem.gain * rng.uniform(0.9, 1.1, users),
        deadline_s=problem.deadline_s * rng.uniform(1.0, 1.1, users),
    )
    beside = 1.0 + rng.choice([0.0, 0.0, 1e-9, -1e-9, 3e-5, -3e-5])
    work = problem.workloads
    for option in rng.permutation(len(work.cut)):
        alone = at_its_cuts(
            problem, Decision(option=np.full(users, option), frequency_hz=_NONE, bandwidth_hz=_NONE)
        )
        options, possible = options_of(alone)
        curves = options.curves.with_marginals()
        slow, fast = curves.marginal_j_per_hz(curves.x_kink)
        if not (possible.all() and curves.sends.all() and slow.max() < fast.min()):
            continue
        # At a whole stretch of prices all these users sit at their kinks.
        kinks = float(curves.share_hz(curves.x_kink).sum())
        return replace(alone if rng.random() < 0.5 else problem, bandwidth_hz=kinks * beside)
    return problem


def price_error(problem: Problem) -> tuple[float, bool] | None:
    """How far the price lies outside its one-sided slopes, relative, and whether they differ; None
    without a price.
    """
    solution = solve(problem)
    if solution.decision is None or solution.objective is None:
        return None
    price = solution.prices["bandwidth_j_per_hz"]
    right, left = slopes_j_per_hz(at_its_cuts(problem, solution.decision))
    # Of a difference of two energies.
    rounding = 4e-15 * solution.objective / (_STEP * problem.bandwidth_hz)
    if price == 0.0 or not np.isfinite(left) or rounding > 1e-5 * price:
        return None
    low, high = min(left, right), max(left, right)
    return max(low - price, price - high, 0.0) / price, high > low * (1.0 + _CORNER)

"""Cells whose servers have budgets, and their optimum by looking at every combination."""

import itertools
from dataclasses import replace

import numpy as np

from solvers.robust.budget import FULL
from solvers.robust.problem import Problem
from solvers.robust.solve import solve
from solvers.robust.solve.candidates import options_of
from solvers.robust.solve.shares import share_out
from tests.support.robust.cells import random_cell


def with_servers(
    problem: Problem, speeds: list[float], capacity: list[float], rate_hz: np.ndarray
) -> Problem:
    """Every cut that leaves work to a server offered at each of some, `speeds` times as fast as the
    one there was.
    """
    work = problem.workloads
    served = work.server_mean_s > 0.0
    rows = np.repeat(np.arange(len(work.cut)), np.where(served, len(speeds), 1))
    ends = np.cumsum(np.where(served, len(speeds), 1))
    at = np.arange(len(rows)) - np.repeat(
        ends - np.where(served, len(speeds), 1), np.diff([0, *ends])
    )
    speed = np.where(served[rows], np.array(speeds)[at], 1.0)
    columns = {name: getattr(work, name)[rows] for name in work.per_row()}
    columns["server_mean_s"] = columns["server_mean_s"] / speed
    columns["server_variance_s2"] = columns["server_variance_s2"] / speed**2
    columns["server_load_s"] = columns["server_mean_s"][:, None] * (
        at[:, None] == np.arange(len(speeds))
    )
    table = replace(work, first=np.concatenate(([0], ends))[work.first], **columns)
    return replace(
        problem, workloads=table, rate_hz=rate_hz, server_capacity=tuple(float(c) for c in capacity)
    )


def endless(problem: Problem) -> Problem:
    """The same options on servers without budgets."""
    work = problem.workloads
    table = replace(work, server_load_s=np.zeros((len(work.cut), 0)))
    return replace(problem, workloads=table, server_capacity=())


def used_s(problem: Problem, option: np.ndarray) -> np.ndarray:
    """Seconds per second of each server under a decision."""
    work = problem.workloads
    row = work.first[problem.workload] + option
    return np.asarray(problem.rate_hz @ work.server_load_s[row])


def served_cell(
    rng: np.random.Generator,
    users: int,
    cuts: int,
    servers: int,
    room: tuple[float, float] = (0.3, 0.95),
    kind: str = "generic",
) -> Problem | None:
    """A random cell whose every server has a part of what the plan without budgets would take of
    it; None where that takes nothing, or where there is no such plan.
    """
    problem = random_cell(rng, users, cuts, kind)
    speeds = 10.0 ** rng.uniform(-0.5, 0.5, servers)
    rate = rng.uniform(0.5, 2.0, 1 if kind == "tied" else users) * np.ones(users)
    problem = with_servers(problem, speeds.tolist(), [1.0] * servers, rate)
    plan = solve(endless(problem))
    if plan.decision is None:
        return None
    used = used_s(problem, plan.decision.option)
    if used.sum() == 0.0:
        return None
    asked = np.where(used > 0.0, used, used.sum() / servers)
    capacity = asked * rng.uniform(*room, servers)
    return replace(problem, server_capacity=tuple(capacity.tolist()))


def served_cells(
    seeds: list[int], users: int, cuts: int, servers: int, **more: object
) -> list[Problem]:
    """Those of some seeds that have budgets which bind or may."""
    found = (
        served_cell(np.random.default_rng(seed), users, cuts, servers, **more) for seed in seeds
    )
    return [problem for problem in found if problem is not None]


def least_of_all(problem: Problem) -> float:
    """The least objective over all combinations of options within the budgets; infinite where
    there is none.
    """
    options, possible = options_of(problem)
    ends = zip(options.first[:-1], options.first[1:], strict=True)
    each = [np.nonzero(possible[a:b])[0] + a for a, b in ends]
    combos = np.array(list(itertools.product(*each)), dtype=np.int64).reshape(-1, problem.users)
    fits = np.all(
        options.load[combos].sum(axis=1) <= np.array(problem.server_capacity) * FULL, axis=1
    )
    best, curves = np.inf, options.curves.with_marginals()
    for some in np.array_split(combos[fits], len(combos) // 5_000 + 1):
        if len(some):
            shares = share_out(curves[some], problem.bandwidth_hz, -15.0)
            best = min(best, float(shares.energy_j.min()))
    return best

"""A robust cell of free clocks as general solvers take it: a mixed-integer program of SCIP, of
ECOS_BB (each user's hull, in exponential cones) and of HiGHS (piecewise linear).

Of a user at cut k that computes for t and sends for tau, with x = its part of the uplink: minimise
A_k/t² + P tau with t + tau <= S_k, tau r(x) >= q_k and c_k/f_max <= t <= c_k/f_min, times in
deadlines, r(x) = x log2(1 + s/x) in units of the uplink. Each program is handed to its solver in
these units, in which all numbers are near 1, and says which cuts and parts it chose; clocks follow.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from solvers.arrays import Booleans, Floats, Integers
from solvers.robust.budget import time_budget
from solvers.robust.pccp.cell import cell_of
from solvers.robust.problem import Decision, Problem

GAP = 1e-5
POINTS = 48  # of every piecewise linear curve
UNIT_J = 0.01
LEAST = 1e-7  # part of the uplink that SCIP gives everybody: no logarithm of a division by 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a solver came to."""

    proven: bool  # by its own account, to `GAP`
    decision: Decision | None
    energy_j: float = float("inf")  # by its own account
    bound_j: float = float("-inf")
    solve_s: float = float("nan")  # processor time in the solver, without laying out its program


@dataclass(frozen=True)
class Program:
    """Users across, their cuts down: (users, cuts) each."""

    problem: Problem

    @cached_property
    def rows(self) -> Integers:
        """Of the table of options."""
        budget, cuts = time_budget(self.problem), np.diff(self.problem.workloads.first)
        if not np.all(cuts == cuts[0]):
            raise ValueError("networks of as many cuts each")
        return budget.row.reshape(self.problem.users, cuts[0])

    @cached_property
    def left(self) -> Floats:
        """S, in deadlines."""
        left_s = time_budget(self.problem).left_s.reshape(self.rows.shape)
        return np.asarray(left_s / self.problem.deadline_s[:, None])

    @cached_property
    def least_time(self) -> Floats:
        """c/f_max, in deadlines."""
        work, rows = self.problem.workloads, self.rows
        return np.asarray(
            work.cycles[rows] / work.clock_max_hz[rows] / self.problem.deadline_s[:, None]
        )

    @cached_property
    def most_time(self) -> Floats:
        """c/f_min, in deadlines."""
        work, rows = self.problem.workloads, self.rows
        return np.asarray(
            work.cycles[rows] / work.clock_min_hz[rows] / self.problem.deadline_s[:, None]
        )

    @cached_property
    def overhead(self) -> Floats:
        """Of the device, in deadlines."""
        overhead_s = self.problem.workloads.overhead_s[self.rows]
        return np.asarray(overhead_s / self.problem.deadline_s[:, None])

    @cached_property
    def computing(self) -> Floats:
        """A, in units of energy."""
        work, rows = self.problem.workloads, self.rows
        cubes = work.power_coefficient[rows] * work.cycles[rows] ** 3
        return np.asarray(cubes / self.problem.deadline_s[:, None] ** 2 / UNIT_J)

    @cached_property
    def sending(self) -> Floats:
        """P, (users,)."""
        return np.asarray(self.problem.tx_power_w * self.problem.deadline_s / UNIT_J)

    @cached_property
    def crossing(self) -> Floats:
        """Q."""
        asked = self.problem.workloads.crossing_bit[self.rows]
        return np.asarray(asked / self.problem.bandwidth_hz / self.problem.deadline_s[:, None])

    @cached_property
    def snr(self) -> Floats:
        """Over the whole uplink, (users,)."""
        problem = self.problem
        received = problem.tx_power_w * problem.gain
        return np.asarray(received / problem.noise_w_per_hz / problem.bandwidth_hz)

    def decision(self, option: Integers, part: Floats) -> Decision:
        """The plan of these cuts and parts, clocked as slowly as the deadlines allow."""
        share = np.where(self.crossing[np.arange(len(option)), option] > 0.0, part, 0.0)
        share_hz = np.maximum(share, 0.0) * self.problem.bandwidth_hz
        with np.errstate(divide="ignore", invalid="ignore"):
            clocks = cell_of(self.problem).clocks_hz(share_hz)[np.arange(len(option)), option]
        work = self.problem.workloads
        rows = self.rows[np.arange(len(option)), option]
        clock = np.where(np.isfinite(clocks), clocks, work.clock_max_hz[rows])
        clock = np.clip(clock, work.clock_min_hz[rows], work.clock_max_hz[rows])
        return Decision(option=option, frequency_hz=clock, bandwidth_hz=share_hz)


def scip(problem: Problem, limit_s: float) -> Found:
    """By SCIP: one time, clock and share a user, products left to its own relaxations."""
    from pyscipopt import Model, log, quicksum  # type: ignore[import-not-found]

    program, model = Program(problem), Model()
    model.hideOutput()
    model.setParam("timing/clocktype", 1)  # of the processor
    model.setParam("limits/time", limit_s)
    model.setParam("limits/gap", GAP)
    model.setParam("numerics/feastol", 1e-7)
    work, energy, cuts, parts = problem.workloads, [], [], []
    for n, rows in enumerate(program.rows):
        fastest = float(work.clock_max_hz[rows[0]])
        cut = [model.addVar(vtype="B", ub=float(fits)) for fits in work.fits_memory[rows]]

        def chosen(values: Floats, cut: list[Any] = cut) -> Any:
            return quicksum(
                float(value) * picked for value, picked in zip(values, cut, strict=True)
            )

        clock = model.addVar(lb=float(work.clock_min_hz[rows[0]]) / fastest, ub=1.0)
        compute, send, part = (
            model.addVar(ub=1.0),
            model.addVar(ub=1.0),
            model.addVar(lb=LEAST, ub=1.0),
        )
        rate, joule = model.addVar(), model.addVar()
        busy, snr = program.least_time[n], float(program.snr[n])
        model.addCons(quicksum(cut) == 1.0)
        model.addCons(compute * clock >= chosen(busy))
        model.addCons(compute + send <= chosen(program.left[n]))
        model.addCons(send * rate >= chosen(program.crossing[n] * np.log(2.0)))
        # As part log(1 + snr/part), SCIP 10 "proved" a plan 0.8 % dearer than a checked one.
        model.addCons(rate <= part * (log(snr + part) - log(part)))
        idle = chosen(program.overhead[n]) * clock * clock * clock
        model.addCons(joule >= chosen(busy) * clock * clock + idle)
        watts = float(work.power_coefficient[rows[0]]) * fastest**3 / UNIT_J
        energy.append(
            watts * float(problem.deadline_s[n]) * joule + float(program.sending[n]) * send
        )
        cuts.append(cut)
        parts.append(part)
    model.addCons(quicksum(parts) <= 1.0 + problem.users * LEAST)
    model.setObjective(quicksum(energy), "minimize")
    _, solve_s = timed(model.optimize)
    decision = None
    if model.getNSols():
        picked = np.array([[model.getVal(one) for one in cut] for cut in cuts])
        share = np.array([model.getVal(part) for part in parts])
        decision = program.decision(picked.argmax(axis=1), share)
    return Found(
        proven=model.getStatus() in ("optimal", "gaplimit"),
        decision=decision,
        energy_j=model.getObjVal() * UNIT_J if decision is not None else float("inf"),
        bound_j=model.getDualbound() * UNIT_J,
        solve_s=solve_s,
    )


def ecos_bb(problem: Problem, limit_s: float) -> Found:
    """By ECOS_BB, which knows no time limit: each user the hull of its cuts, whose relaxation is
    the bound of the dual. Every term is in perspective: of a cut that is not chosen all is 0.
    """
    import cvxpy as cp

    del limit_s  # whoever calls ends the process
    program = Program(problem)
    if np.any(program.overhead > 0.0):
        raise ValueError("networks without overheads")
    who, which = np.nonzero(_open(program))
    at = (who, which)
    computes, sends = program.computing[at] > 0.0, program.crossing[at] > 0.0
    chosen = cp.Variable(len(who), boolean=True)
    busy, sending, part, rate = (cp.Variable(len(who), nonneg=True) for _ in range(4))
    square, cube = (cp.Variable(int(computes.sum()), nonneg=True) for _ in range(2))
    of_user = (np.arange(problem.users)[:, None] == who).astype(float)
    snr = cp.multiply(program.snr[who][sends], chosen[sends])
    limits = [
        of_user @ chosen == 1.0,
        cp.sum(part) <= 1.0,
        busy + sending <= cp.multiply(program.left[at], chosen),
        busy >= cp.multiply(program.least_time[at], chosen),
        busy <= cp.multiply(program.most_time[at], chosen),
        cp.rel_entr(part[sends], part[sends] + snr) + np.log(2.0) * rate[sends] <= 0.0,
    ]
    # tau r >= q z², square >= z²/t and cube >= square²/z, so that cube = z³/t².
    for first, second, root in (
        (
            sending[sends],
            rate[sends],
            cp.multiply(np.sqrt(program.crossing[at][sends]), chosen[sends]),
        ),
        (square, busy[computes], chosen[computes]),
        (cube, chosen[computes], square),
    ):
        twice = cp.vstack([2.0 * root, first - second])
        limits.append(cp.SOC(first + second, twice))
    spent = program.computing[at][computes] @ cube + program.sending[who] @ sending
    asked = cp.Problem(cp.Minimize(spent), limits)
    data, chain, inverse = asked.get_problem_data(cp.ECOS_BB)
    told, solve_s = timed(
        lambda: chain.solve_via_data(
            asked, data, solver_opts={"mi_rel_eps": GAP, "mi_max_iters": 1_000_000}
        )
    )
    asked.unpack_results(told, chain, inverse)
    if chosen.value is None:
        return Found(proven=False, decision=None, solve_s=solve_s)
    option, share = _read(program, who, which, chosen.value, part.value)
    return Found(
        proven=asked.status == "optimal",
        decision=program.decision(option, share),
        solve_s=solve_s,
    )


def highs(problem: Problem, limit_s: float) -> Found:
    """By HiGHS: every user's energy at a cut as the chords of its curve over the share, so that a
    plan spends no more than the program says; what it calls its bound holds for the chords alone.
    """
    import highspy

    program, cell = Program(problem), cell_of(problem)
    least = cell.least_hz / problem.bandwidth_hz
    who, which = np.nonzero(_open(program) & (least <= 1.0))
    grid = np.geomspace(np.maximum(least[who, which], LEAST), 1.0, POINTS, axis=-1)
    grid[:, 0] *= 1.0 + 1e-12
    grid[program.crossing[who, which] == 0.0] = 0.0
    joule = np.empty_like(grid)
    for k in range(POINTS):
        share = np.zeros(least.shape)
        share[who, which] = grid[:, k] * problem.bandwidth_hz
        for cut in range(least.shape[1]):
            with np.errstate(divide="ignore", invalid="ignore"):
                energy = cell.energy_j(cell.clocks_hz(share[:, cut]), share[:, cut])[:, cut]
            joule[which == cut, k] = energy[who[which == cut]] / UNIT_J
    # Columns: a weight of every point, then what is chosen. Rows: weights of a cut, users, uplink.
    pairs, weights = len(who), len(who) * POINTS
    model = highspy.Highs()
    model.setOptionValue("output_flag", False)
    model.setOptionValue("threads", 1)
    model.setOptionValue("time_limit", limit_s)
    model.setOptionValue("mip_rel_gap", GAP)
    columns = weights + pairs
    usable = np.isfinite(joule).ravel()
    upper = np.append(np.where(usable, 1.0, 0.0), np.ones(pairs))
    cost = np.append(np.where(usable, joule.ravel(), 0.0), np.zeros(pairs))
    model.addVars(columns, np.zeros(columns), upper)
    index = np.arange(columns, dtype=np.int32)
    model.changeColsCost(columns, index, cost)
    whole = np.full(pairs, highspy.HighsVarType.kInteger.value, dtype=np.uint8)
    model.changeColsIntegrality(pairs, index[weights:], whole)
    for k in range(pairs):
        mine = np.append(index[k * POINTS : (k + 1) * POINTS], index[weights + k])
        model.addRow(0.0, 0.0, len(mine), mine, np.append(np.ones(POINTS), -1.0))
    for n in range(problem.users):
        mine = index[weights:][who == n]
        model.addRow(1.0, 1.0, len(mine), mine, np.ones(len(mine)))
    model.addRow(0.0, 1.0, weights, index[:weights], grid.ravel())
    _, solve_s = timed(model.run)
    values = np.array(model.getSolution().col_value)
    proven = model.getModelStatus() == highspy.HighsModelStatus.kOptimal
    if not len(values) or not np.isfinite(model.getInfo().objective_function_value):
        return Found(proven=False, decision=None, solve_s=solve_s)
    part = (values[:weights].reshape(pairs, POINTS) * grid).sum(axis=1)
    option, share = _read(program, who, which, values[weights:], part)
    return Found(proven=proven, decision=program.decision(option, share), solve_s=solve_s)


SOLVERS: dict[str, Callable[[Problem, float], Found]] = {
    "SCIP": scip,
    "HiGHS, piecewise linear": highs,
    "ECOS_BB": ecos_bb,
}


def _open(program: Program) -> Booleans:
    """Cuts that fit, and leave time for the uplink if they need it."""
    fits = program.problem.workloads.fits_memory[program.rows]
    return np.asarray(fits & (program.left > program.least_time))


def _read(
    program: Program, who: Integers, which: Integers, chosen: Floats, part: Floats
) -> tuple[Integers, Floats]:
    """Cut and part of the uplink of every user."""
    picked, parts = np.zeros((2, *program.rows.shape))
    picked[who, which], parts[who, which] = chosen, part
    option = picked.argmax(axis=1)
    return option, parts[np.arange(len(option)), option]


def timed(call: Callable[[], Any]) -> tuple[Any, float]:
    """What a call returns, and the processor time it took: of its thread, for that of a process is
    told in ticks where the process has a limit of it.
    """
    begun = time.thread_time()
    return call(), time.thread_time() - begun
